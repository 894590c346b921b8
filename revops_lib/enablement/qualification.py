"""Whether deals of which more was known, by the letters of MEDDIC, are won more often: an association, not an effect.

What was known is what had been scored when a deal entered a stage. Scores written later do not count: winners are filled in
afterwards, and a deal that goes well lives longer and collects more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .. import periods, statistics
from ..errors import DataRefused
from ..snapshot import Snapshot
from .assignments import segment

EVIDENCE = 2  # a score from which on somebody at the buyer's said so
LOOKBACK = 8  # quarters in which the deals entered the stage, the running one included
WITHIN_DAYS = 180  # in which a deal is won, or not
COMPLETE = 0.5  # share of the letters from which on a deal counts as known well
BANDS = ("nothing scored", "under a third", "a third to two thirds", "two thirds or more")


def completeness(snapshot: Snapshot, *, level: float = 0.95) -> pd.DataFrame:
    """What became of deals by how much was known of them when they entered a stage: one row per stage and band.

    Completeness is the share of the letters (all that the company had begun to score by that day) with a score of 2 or 3.
    Deals are created since scoring began and entered the stage in the last eight quarters; open ones are censored, a loss
    competes (Aalen & Johansen 1978). Columns: stage, known (`BANDS`; a deal without any score stands apart), n, won, lost,
    n_open, value (share won in the end), low, high (`statistics.share_of_few`), unit. Raises NoHistory, and DataRefused without
    qualifications or without a deal scored in time.

    >>> completeness(Snapshot("data/sample", quarter="2026Q3"))["stage"].unique().tolist()
    ['Qualification', 'Proposal', 'Negotiation', 'Contracting']
    """
    rows = []
    for (_, stage, band), group in _entries(snapshot).groupby(["position", "stage", "band"], observed=True):
        counts = [int((group["outcome"] == end).sum()) for end in ("won", "lost")]
        curve = statistics.cumulative_incidence(group["days"], group["outcome"], level)
        share = statistics.share_of_few(curve, "won", sum(counts), level)
        rows.append([stage, band, len(group), *counts, len(group) - sum(counts), *share])
    names = ["stage", "known", "n", "won", "lost", "n_open", "value", "low", "high"]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[6:], float)).assign(unit="share")


def association(snapshot: Snapshot, *, within_days: int = WITHIN_DAYS, level: float = 0.95) -> pd.DataFrame:
    """How winning goes with being known well, deals of one segment and half-year compared with each other: one row per stage.

    Deals scored in time, watched for `within_days` since they entered the stage (so none is censored), known well (at least
    half of the letters with 2 or 3) against the others. The odds ratio is that of Mantel & Haenszel 1959 over segments and
    calendar half-years of the entry (while scoring spreads, win rates change for other reasons), its interval by Robins,
    Breslow & Greenland 1986, p by Cochran, Mantel & Haenszel, corrected for several stages (Holm 1979). Columns: stage, n,
    n_well, n_least (the smaller of both groups), well_share (of those, won in time), others_share, crude (odds ratio of all
    deals together), value, low, high, p, p_equal (whether segments and half-years have one odds ratio: Breslow & Day 1980 with
    Tarone's correction), with_hindsight (what scores as they stand now would say: not to be used). Missing where a group is
    empty. Raises as `completeness` does.
    """
    found = _entries(snapshot)
    found = found[(found["band"] != BANDS[0]) & (found["watched"] >= within_days)]
    found = found.assign(is_won=(found["outcome"] == "won") & (found["days"] <= within_days))
    rows = []
    for (_, stage), group in found.groupby(["position", "stage"]):
        well = group["share"] >= COMPLETE
        shares = [float(group.loc[which, "is_won"].mean()) for which in (well, ~well)]
        told = _odds(group, well, group["stratum"], level)
        alone, later = (_odds(group, *given, level) for given in (
            (well, pd.Series("all", index=group.index)), (group["share_now"] >= COMPLETE, group["stratum"])))  # fmt: skip
        n_well = int(well.sum())
        rows.append([stage, len(group), n_well, min(n_well, len(group) - n_well), *shares, alone[0], *told, later[0]])
    names = ["stage", "n", "n_well", "n_least", "well_share", "others_share", "crude", "value", "low", "high", "p", "p_equal",
             "with_hindsight"]  # fmt: skip
    table = pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[4:], float))
    return table.assign(p=statistics.holm(table["p"]))


def _odds(deals: pd.DataFrame, well: pd.Series, stratum: pd.Series, level: float) -> tuple[float, ...]:
    """Pooled odds ratio, low, high, p that it is 1, p that it is one; a stratum with an empty side says nothing."""
    from statsmodels.stats.contingency_tables import StratifiedTable

    parts: list[Any] = []
    for _, group in deals.groupby(stratum):
        side, won = well[group.index], group["is_won"]
        cells = np.array([[(side & won).sum(), (side & ~won).sum()], [(~side & won).sum(), (~side & ~won).sum()]], float)
        if cells.sum(axis=0).all() and cells.sum(axis=1).all():
            parts.append(cells)
    crossed = [sum(cells[a, b] * cells[1 - a, 1 - b] for cells in parts) for a, b in ((0, 0), (0, 1))]
    if not parts or not all(crossed):
        return (float("nan"),) * 5
    table = StratifiedTable(parts)
    low, high = table.oddsratio_pooled_confint(1 - level)
    equal = table.test_equal_odds(adjust=True).pvalue if len(parts) > 1 else float("nan")
    return float(table.oddsratio_pooled), float(low), float(high), float(table.test_null_odds().pvalue), float(equal)


def _entries(snapshot: Snapshot) -> pd.DataFrame:
    """Deals on the day they first entered each open stage but the first: stage, position, stratum, band and share (of the
    letters) of that day, share_now, days (to the close date, else to the snapshot), outcome (missing: open), watched (days)."""
    key = ("qualification entries",)
    if key not in snapshot.kept:
        snapshot.kept[key] = _computed(snapshot)
    return snapshot.kept[key]


def _computed(snapshot: Snapshot) -> pd.DataFrame:
    where = f"data {snapshot.data}"
    if not snapshot.has("qualifications"):
        raise DataRefused("this source has no qualifications", where, "export the MEDDIC scores with their days, one row each")
    scores = snapshot.table("qualifications")
    if scores.empty:
        raise DataRefused(f"no deal was scored by {snapshot.as_of}", where, "ask a later day")
    scores["has_evidence"] = scores["score"].astype("Int64") >= EVIDENCE
    found = _entered(snapshot, scores["scored_date"].min())
    rows = found[["row", "opportunity_id", "day", "closed"]].merge(scores, on="opportunity_id")
    in_time = rows[(rows["scored_date"] <= rows["day"]) & ~(rows["scored_date"] >= rows["closed"])]
    begun = np.sort(scores.groupby("letter")["scored_date"].min())
    n_letters = np.searchsorted(begun, found["day"].to_numpy(begun.dtype), side="right")  # nobody could score the others yet
    then, now = (_n_known(part).reindex(found["row"]).to_numpy() for part in (in_time, rows))
    found = found.assign(share=then / n_letters, share_now=np.nan_to_num(now / len(begun)))
    then = found["share"].to_numpy()
    cuts = np.where(np.isnan(then), 0, 1 + np.searchsorted([1 / 3, 2 / 3], np.nan_to_num(then) + 1e-9))
    found["band"] = pd.Categorical.from_codes(cuts, categories=BANDS, ordered=True)
    if found["share"].isna().all():
        raise DataRefused("no deal was scored before it moved on", where, "score deals before they enter the next stage")
    return found


def _entered(snapshot: Snapshot, begun: pd.Timestamp) -> pd.DataFrame:
    stages = snapshot.table("stages").query("status == 'open'").sort_values(["position", "stage"])
    position = stages.set_index("stage")["position"].iloc[1:]
    spells = snapshot.spells("stage")
    spells = spells[spells["value"].isin(position.index)].sort_values("from_at").drop_duplicates(["opportunity_id", "value"])
    deals = snapshot.opportunities
    deals = deals.assign(
        segment=segment(snapshot, deals),
        created=periods.local_day(deals["created_at"], snapshot.timezone),
        closed=deals["close_date"].where(deals["status"] != "open"), outcome=deals["status"].where(deals["status"] != "open"),
    )[["opportunity_id", "segment", "created", "closed", "outcome"]]  # fmt: skip
    found = spells.rename(columns={"value": "stage"}).merge(deals, on="opportunity_id")
    found["day"] = periods.local_day(found["from_at"], snapshot.timezone)
    entered, this = found["day"].dt.to_period(snapshot.quarter.freqstr), snapshot.quarter.freqstr
    last = pd.Timestamp(snapshot.as_of).to_period(this)
    found = found[(found["created"] >= begun) & (entered > last - LOOKBACK)].reset_index(drop=True)
    end = pd.Timestamp(snapshot.as_of)
    half = found["day"].dt.year.astype("str") + np.where(found["day"].dt.month <= 6, "H1", "H2")
    return found.assign(
        stratum=found["segment"].astype("str") + " " + half,
        row=found.index, position=found["stage"].map(position), watched=(end - found["day"]).dt.days,
        days=(found["closed"].fillna(end) - found["day"]).dt.days.clip(lower=0),
    )  # fmt: skip


def _n_known(rows: pd.DataFrame) -> pd.Series:
    """How many letters have evidence by the last score of each, per entry that has any score."""
    last = rows.sort_values("scored_date", kind="stable").drop_duplicates(["row", "letter"], keep="last")
    return last.groupby("row")["has_evidence"].sum().astype(float)
