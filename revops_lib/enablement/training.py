"""Whether a training changed anything: sellers before and after it, beside those who did not have it (yet).

What could be found at all comes first (`mde`, from quarters before the training), then whether both moved alike before, and
only then an effect. A training is an explanation among others: whatever else came to the same people at the same time, a new
manager or a new territory, is in the effect too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .. import staggered, statistics
from ..errors import UsageError, nearest
from ..snapshot import Snapshot
from .sellers import sellers_quarters, trainings

FOUND, NOT_FOUND, UNSEEN = "found", "not found", "too small to see"
APART, FEW = "moved apart before", "too few people"
BASE, AFTER = 4, 8  # quarters before the training that its effect is measured against, and after it that are looked at
FEWEST = 5  # people in each arm
WORTHWHILE = 0.20  # uplift that a design must be able to find before "not found" is an answer
PRE_TREND = 0.05  # p value below which trained and controls moved apart before


def training_effect(
    snapshot: Snapshot, *, training: str | None = None, measure: str = "pace", controls: str = "not yet", level: float = 0.95
) -> pd.DataFrame:
    """What each training changed, one row per training (or for the one named).

    Staggered difference-in-differences (`revops_lib.staggered`, Callaway & Sant'Anna 2021): the ratio of the trained sellers'
    `measure` to their four quarters before, divided by the same ratio of sellers never or not yet trained, averaged over up to
    eight quarters since the training, its own included. A year as base takes the season out and a single bad quarter with it.
    Of the measures (`sellers.MEASURES`) "pace" is the default: deals move many times for each one won, so uplifts a third as
    large as with "wins" can be seen; it says how fast deals move on, not what they bring. Sellers who came, left or were
    beginners in between are compared only in quarters for which they have the four before; errors are clustered by seller.

    Columns, shares of the measure (0.2: a fifth more): mde (smallest effect found in 80 % of cases, from quarters before the
    training), verdict, effect, low, high, p (corrected by Holm over the trainings); pre_trend_p (last four quarters before,
    corrected by Bonferroni; missing: not identified), placebo, placebo_low, placebo_high (the same a year earlier, when
    nothing had happened; missing: not enough quarters); n_trained, n_controls (sellers compared), n_left_out (trained, but
    never seen four quarters before), n_also (of the trained, who completed another training in the quarters compared: the two
    cannot be told apart).

    Verdicts: "found" (p below 1 − level), "not found" (an uplift of a fifth would have shown in 80 % of cases), "too small to
    see" (it would not), and without an effect "moved apart before" (pre-trend or placebo) and "too few people" (fewer than five
    in an arm). Raises as `sellers_quarters` does.

    >>> found = training_effect(Snapshot("data/sample", quarter="2026Q3"))
    >>> found["training"].tolist(), bool((found["mde"] > 0).all())
    (['Discovery'], True)
    """
    rows = []
    for name in trainings(snapshot) if training is None else [training]:
        panel = sellers_quarters(snapshot, training=name, measure=measure)
        answer = effect_in(panel, controls=controls, level=level)
        rows.append({"training": name, "measure": measure, **answer, "n_also": _also(snapshot, name, panel)})
    return judged(pd.DataFrame(rows), level)


def training_course(
    snapshot: Snapshot, *, training: str, measure: str = "pace", controls: str = "not yet", level: float = 0.95
) -> pd.DataFrame:
    """The same effect quarter by quarter, one row per quarter since the training (negative: before, where it should be 0).

    Columns: offset, effect, low, high (shares), n_trained, pre. Before the training each quarter is compared with the four
    before it. Empty where `training_effect` names no effect. Raises as `training_effect` does.
    """
    panel = sellers_quarters(snapshot, training=training, measure=measure)
    verdict = judged(pd.DataFrame([effect_in(panel, controls=controls, level=level)]), level)["verdict"].iloc[0]
    rows = staggered.aggregate(_effects(_window(panel), controls, level), "event").rows
    rows = rows[(rows["member"] != "overall") & (verdict not in (APART, FEW))].rename(columns={"n_treated": "n_trained"})
    shares = {name: np.expm1(rows[column].astype("float64")) for name, column in _INTERVAL.items()}
    rows = rows.assign(offset=rows["member"].astype("int64"), **shares)
    return rows[["offset", *shares, "n_trained", "pre"]].reset_index(drop=True)


def effect_in(panel: pd.DataFrame, *, controls: str = "not yet", level: float = 0.95) -> dict[str, Any]:
    """The numbers of `training_effect` for one panel of sellers and quarters (`sellers_quarters`), before a verdict."""
    if controls not in staggered.CONTROLS:
        raise UsageError(f"{controls!r} is not known", "controls", nearest(controls, staggered.CONTROLS))
    seen = _window(panel)
    design = staggered.minimum_detectable_effect(seen, **_COLUMNS, controls=controls, level=level)
    effects = _effects(seen, controls, level)
    overall = staggered.aggregate(effects).rows.iloc[-1]
    placebo = staggered.aggregate(_effects(_earlier(seen), controls, level)).rows.iloc[-1]
    trained = panel.loc[panel["started"].notna(), "rep_id"].nunique()
    return {
        "mde": np.expm1(design["mde"]),
        **{name: np.expm1(overall[column]) for name, column in _INTERVAL.items()}, "p": _p(overall),
        "pre_trend_p": staggered.pre_trend(effects, last=BASE)["p_each"],
        "placebo": np.expm1(placebo["att"]), "placebo_low": np.expm1(placebo["low"]), "placebo_high": np.expm1(placebo["high"]),
        "n_trained": design["n_treated"], "n_controls": design["n_controls"], "n_left_out": trained - design["n_treated"],
    }  # fmt: skip


_INTERVAL = {"effect": "att", "low": "low", "high": "high"}
_COLUMNS: dict[str, Any] = {
    "unit": "rep_id", "period": "quarter", "first_treated": "started", "outcome": "value", "exposure": "expected",
    "scale": "log ratio", "base": BASE,
}  # fmt: skip


def _effects(panel: pd.DataFrame, controls: str, level: float) -> staggered.Effects:
    return staggered.group_time_effects(panel, **_COLUMNS, controls=controls, level=level)


def _window(panel: pd.DataFrame) -> pd.DataFrame:
    """Without what trained sellers did longer after the training than is looked at."""
    return panel[~(panel["quarter"] >= panel["started"] + AFTER)]


def _earlier(panel: pd.DataFrame) -> pd.DataFrame:
    """The panel as if everybody had been trained a year earlier, without the quarters since the training itself."""
    before = panel[~(panel["quarter"] >= panel["started"])]
    return before.assign(started=before["started"] - BASE)


def _p(row: pd.Series) -> float:
    from scipy import stats

    return float(2 * stats.t.sf(abs(row["att"] / row["se"]), row["df"]))


def _also(snapshot: Snapshot, name: str, panel: pd.DataFrame) -> int:
    """Trained sellers who completed another training from the base on to the last quarter looked at."""
    started = panel.dropna(subset=["started"]).drop_duplicates("rep_id").set_index("rep_id")["started"]
    others = snapshot.table("trainings").query("training != @name")
    others = others[others["rep_id"].isin(started.index)]
    quarter, own = others["completed_date"].dt.to_period(panel["quarter"].dtype.freq), others["rep_id"].map(started)
    near = (quarter >= own - BASE) & (quarter < own + AFTER)
    return int(others.loc[near, "rep_id"].nunique())


def judged(rows: pd.DataFrame, level: float) -> pd.DataFrame:
    """The verdict, and no effect where there is none to tell."""
    rows = rows.assign(p=statistics.holm(rows["p"]))
    few = (rows[["n_trained", "n_controls"]].min(axis=1) < FEWEST) | rows["p"].isna()
    apart = (rows["pre_trend_p"] < PRE_TREND) | (rows["placebo_low"] > 0) | (rows["placebo_high"] < 0)
    verdict = np.select(
        [few, apart, rows["p"] < 1 - level, rows["mde"] <= WORTHWHILE], [FEW, APART, FOUND, NOT_FOUND], default=UNSEEN
    )
    rows.loc[few | apart, ["effect", "low", "high", "p"]] = np.nan
    first = [name for name in ("training", "measure", "mde") if name in rows]
    rows = rows.assign(verdict=verdict)
    return rows[[*first, "verdict", *(name for name in rows if name not in (*first, "verdict"))]]
