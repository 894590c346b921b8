"""Whether a training changed anything: sellers before and after it, beside those who did not have it (yet).

What could be found at all comes first (`mde`, from quarters before the training), then whether both moved alike before, and
only then an effect. A training is an explanation among others: whatever else came to the same people at the same time, a new
manager or a new territory, is in the effect too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .. import staggered
from ..errors import UsageError, nearest
from ..snapshot import Snapshot
from .sellers import sellers_quarters, trainings

FOUND, WORSE, NOT_FOUND, UNSEEN = "found", "worse than without it", "not found", "too small to see"
UNTESTED, APART = "not tested before", "moved apart before"
FEW, NOBODY = "too few people", "nobody to compare with"
UNTOLD = (APART, FEW, NOBODY)  # verdicts without an effect
BASE, AFTER = 4, 8  # quarters before the training that its effect is measured against, and after it that are looked at
FEWEST = 5  # people, or teams, in each arm of each comparison
WORTHWHILE = 0.20  # uplift that must lie above the interval before "not found" is an answer
ALPHA = 0.05  # of verdicts and of the smallest effect; the level of the intervals shown changes neither


def training_effect(
    snapshot: Snapshot, *, training: str | None = None, measure: str = "pace", controls: str = "not yet", level: float = 0.95
) -> pd.DataFrame:
    """What each training changed, one row per training (or for the one named).

    Staggered difference-in-differences (`revops_lib.staggered`, Callaway & Sant'Anna 2021): the ratio of the trained sellers'
    `measure` to their four quarters before, divided by the same ratio of sellers never or not yet trained, averaged over up to
    eight quarters since the training, its own included. A year as base takes the season out and a single bad quarter with it.
    Of the measures (`sellers.MEASURES`) "pace" is the default: deals move many times for each one won, so uplifts a third as
    large as with "wins" can be seen; it says how fast deals move on, not what they bring. Sellers who came, left or were
    beginners in between are compared only in quarters for which they have the four before. No comparison has fewer than five
    people on a side. Errors are clustered by seller; by team where teams were trained together and five of them or more are on
    each side. Several trainings share the level (Bonferroni): mde, p and interval are those of α ÷ trainings with anybody to
    compare; one asked for by name stands alone.

    Columns, shares of the measure (0.2: a fifth more): mde (smallest effect found in 80 % of cases, from quarters before the
    training), verdict, effect, low, high, p; pre_trend_p (last four quarters before, corrected by Bonferroni; missing: not
    identified), placebo, placebo_low, placebo_high (95 %: the same a year earlier, when nothing had happened; missing: not
    enough quarters); n_trained, n_controls (sellers compared), n_least (fewest on a side of one comparison); n_left_out
    (trained, but not compared), that is n_new (not seen in all four quarters before), n_gone (in none since), n_alone (in a
    quarter with fewer than five), n_nobody (no five others left); errors_by (seller, team, or "seller, too few teams": teams
    were trained together, and what a team has in common is in the effect, but not in the interval); n_also (of the trained,
    who completed another training in the quarters compared: the two cannot be told apart), n_unexpected (moves on not counted,
    because no untrained seller had a deal of that stage and segment).

    Verdicts: "found" and "worse than without it" (p below 0.05), "not found" (an uplift of a fifth is ruled out: it lies above
    the 95 % interval), "too small to see" (it is not), "not tested before" (neither pre-trend nor placebo can be had), and
    without an effect "moved apart before" (pre-trend or placebo), "too few people" and "nobody to compare with". Raises as
    `sellers_quarters` does.

    >>> found = training_effect(Snapshot("data/sample", quarter="2026Q3"))
    >>> found["training"].tolist(), bool((found["mde"] > 0).all())
    (['Discovery'], True)
    """
    names = trainings(snapshot) if training is None else [training]
    panels = {name: sellers_quarters(snapshot, training=name, measure=measure) for name in names}
    of = max(1, sum(_comparable(panel, controls) for panel in panels.values()))
    rows = [
        {"training": name, "measure": measure, **effect_in(panel, controls=controls, level=level, of=of),
         "n_also": _also(snapshot, name, panel), "n_unexpected": int(panel["unexpected"].sum())}
        for name, panel in panels.items()
    ]  # fmt: skip
    return judged(pd.DataFrame(rows))


def training_course(
    snapshot: Snapshot, *, training: str, measure: str = "pace", controls: str = "not yet", level: float = 0.95
) -> pd.DataFrame:
    """The same effect quarter by quarter, one row per quarter since the training (negative: before, where it should be 0).

    Columns: offset, effect, low, high (shares), n_trained, pre. Every quarter is compared with the same four before the
    training, which average to nothing by themselves (Roth 2024); intervals hold for all quarters at once. Empty where
    `training_effect` names no effect. Raises as `training_effect` does.
    """
    panel = sellers_quarters(snapshot, training=training, measure=measure)
    verdict = judged(pd.DataFrame([effect_in(panel, controls=controls, level=level)]))["verdict"].iloc[0]
    seen = _window(panel)
    effects = staggered.group_time_effects(seen, **_options(seen, controls), level=level, fixed=True)
    rows = staggered.simultaneous(staggered.aggregate(effects, "event")).rows
    rows = rows[(rows["member"] != "overall") & (verdict not in UNTOLD)].rename(columns={"n_treated": "n_trained"})
    shares = {name: np.expm1(rows[column].astype("float64")) for name, column in _INTERVAL.items()}
    rows = rows.assign(offset=rows["member"].astype("int64"), **shares)
    return rows[["offset", *shares, "n_trained", "pre"]].reset_index(drop=True)


def effect_in(panel: pd.DataFrame, *, controls: str = "not yet", level: float = 0.95, of: int = 1) -> dict[str, Any]:
    """The numbers of `training_effect` for one panel of sellers and quarters (`sellers_quarters`), one training among `of`,
    before a verdict; `top` is the upper bound at 95 %."""
    seen = _window(panel)
    options = _options(seen, controls)
    design = staggered.minimum_detectable_effect(seen, **options, level=1 - ALPHA / of)
    effects = staggered.group_time_effects(seen, **options, level=1 - (1 - level) / of)
    overall = staggered.aggregate(effects).rows.iloc[-1]
    strict = staggered.group_time_effects(seen, **options, level=1 - ALPHA / of)
    earlier = staggered.group_time_effects(_earlier(seen), **options, level=1 - ALPHA)
    placebo = staggered.aggregate(earlier).rows.iloc[-1]
    return {
        "mde": np.expm1(design["mde"]),
        **{name: np.expm1(overall[column]) for name, column in _INTERVAL.items()},
        "top": np.expm1(staggered.aggregate(strict).rows["high"].iloc[-1]), "p": min(1.0, _p(overall) * of),
        "pre_trend_p": staggered.pre_trend(effects, last=BASE)["p_each"],
        "placebo": np.expm1(placebo["att"]), "placebo_low": np.expm1(placebo["low"]), "placebo_high": np.expm1(placebo["high"]),
        "n_trained": design["n_treated"], "n_controls": design["n_controls"], "n_least": design["n_least"],
        **_left_out(panel, int(design["n_treated"])), "errors_by": _errors_by(seen, options),
    }  # fmt: skip


_INTERVAL = {"effect": "att", "low": "low", "high": "high"}
_COLUMNS: dict[str, Any] = {
    "unit": "rep_id", "period": "quarter", "first_treated": "started", "outcome": "value", "exposure": "expected",
    "scale": "log ratio", "base": BASE, "smallest": FEWEST,
}  # fmt: skip


def _options(seen: pd.DataFrame, controls: str) -> dict[str, Any]:
    """What is compared how; by team where teams were trained together and enough of them are on each side."""
    if controls not in staggered.CONTROLS:
        raise UsageError(f"{controls!r} is not known", "controls", nearest(controls, staggered.CONTROLS))
    options = {**_COLUMNS, "controls": controls}
    by_team = {**options, "cluster": "team"}
    enough = _by_teams(seen) and staggered.minimum_detectable_effect(seen, **by_team)["n_treated"] > 0
    return by_team if enough else options


def _by_teams(seen: pd.DataFrame) -> bool:
    """Whether on average half of the others whom trained sellers had in their team started in the same quarter."""
    others = seen.groupby(["team", "quarter"])["rep_id"].transform("size") - 1
    same = seen.groupby(["team", "quarter", "started"])["rep_id"].transform("size") - 1
    counted = (seen["quarter"] == seen["started"]) & (others > 0)
    return bool((same / others)[counted].mean() >= 0.5)


def _errors_by(seen: pd.DataFrame, options: dict[str, Any]) -> str:
    return "team" if "cluster" in options else "seller, too few teams" if _by_teams(seen) else "seller"


def _comparable(panel: pd.DataFrame, controls: str) -> bool:
    seen = _window(panel)
    return bool(staggered.minimum_detectable_effect(seen, **_options(seen, controls))["n_treated"] > 0)


def _left_out(panel: pd.DataFrame, compared: int) -> dict[str, int]:
    """Trained sellers who are not compared, by the first reason that holds."""
    trained = panel[panel["started"].notna()]
    offset = trained["quarter"].astype("int64") - trained["started"].astype("int64")
    by_seller = pd.DataFrame({
        "started": trained["started"], "before": (offset < 0) & (offset >= -BASE), "after": (offset >= 0) & (offset < AFTER),
    }).groupby(trained["rep_id"]).agg({"started": "first", "before": "sum", "after": "sum"})  # fmt: skip
    new, gone = by_seller["before"] < BASE, by_seller["after"] == 0
    fit = by_seller[~new & ~gone]
    alone = fit.groupby("started")["before"].transform("size") < FEWEST
    counts = {"n_new": new.sum(), "n_gone": (~new & gone).sum(), "n_alone": alone.sum(), "n_nobody": (~alone).sum() - compared}
    return {"n_left_out": len(by_seller) - compared, **{name: int(n) for name, n in counts.items()}}


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


def judged(rows: pd.DataFrame) -> pd.DataFrame:
    """The verdict, and no effect where there is none to tell."""
    few = (rows["n_trained"] == 0) | rows["p"].isna()
    nobody = few & (rows["n_nobody"] > 0) & (rows["n_nobody"] >= rows[["n_new", "n_gone", "n_alone"]].max(axis=1))
    apart = (rows["pre_trend_p"] < ALPHA) | (rows["placebo_low"] > 0) | (rows["placebo_high"] < 0)
    untested = rows["pre_trend_p"].isna() & rows["placebo_low"].isna()
    beyond = rows["p"] < ALPHA
    verdict = np.select(
        [nobody, few, apart, untested, beyond & (rows["effect"] > 0), beyond, rows["top"] < WORTHWHILE],
        [NOBODY, FEW, APART, UNTESTED, FOUND, WORSE, NOT_FOUND], default=UNSEEN,
    )  # fmt: skip
    rows = rows.drop(columns="top").assign(verdict=verdict)
    rows.loc[rows["verdict"].isin(UNTOLD), ["effect", "low", "high", "p"]] = np.nan
    first = [name for name in ("training", "measure", "mde", "verdict") if name in rows]
    return rows[[*first, *(name for name in rows if name not in first)]]
