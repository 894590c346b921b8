"""What is said about the forecast: the sentence on top, what the source cannot tell, checks, advice, rows for the results
file."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import statistics
from ..snapshot import Snapshot
from .coverage import coverage
from .outlook import FEW, NAMES, reach, tested
from .panel import panel
from .rolling import ENOUGH, now
from .scores import brier

SAME = "same point"
PEOPLE = 5  # quotas of fewer persons are told to nobody else


def answer(outlook: pd.DataFrame, accuracy: pd.DataFrame) -> pd.Series:
    """The row of `outlook` that may be shown as the answer: the model's total, or the baseline whose error was smallest
    beside the model's on the same past quarters, three or more, from the same point of the quarter."""
    past = _same(accuracy)
    better = past[past["method"].isin(outlook["part"]) & (past["n"] >= FEW) & (past["skill"] < 0)].sort_values(
        "skill", kind="stable"
    )
    part = better["method"].iloc[0] if len(better) else "total"
    return outlook[outlook["part"] == part].iloc[0]


def headline(
    outlook: pd.DataFrame,
    accuracy: pd.DataFrame,
    coverage: pd.DataFrame | str = "",
    reached: float | str = "",
    **what_if: float,
) -> str:
    """The answer in one sentence: forecast, interval, how often such intervals held, the baseline beaten, and with a target
    (`coverage` and `reached`, the chance to reach it) the odds. A what-if stands in front."""
    chosen = answer(outlook, accuracy)
    if chosen["part"] != "total":
        return _baseline_headline(chosen, accuracy)
    past = _same(accuracy)
    model = past[past["method"] == NAMES["model"]].iloc[0]
    interval = f"between {_amount(chosen['low'], chosen['unit'])} and {_amount(chosen['high'], chosen['unit'])}"
    text = f"{_supposed(**what_if)}{chosen['quarter']}: {_amount(chosen['value'], chosen['unit'])} expected, {interval} in "
    text += f"{chosen['level']:.0%} of cases"
    n = int(model["n"])
    if n >= ENOUGH:
        text += f"; such intervals held in {model['coverage'] * n:.0f} of the last {n} quarters"
    else:
        text += f"; not yet calibrated, {n or 'no'} past quarter{'s' if n > 1 else ''} could be tested"
    others = past[past["method"].isin(outlook["part"])].dropna(subset="wape")
    if len(others) and pd.notna(model["wape"]):
        best = others.sort_values("wape").iloc[0]
        text += f" (past error {model['wape']:.0%} against {best['wape']:.0%} for “{best['method']}”)"
    if isinstance(coverage, pd.DataFrame) and isinstance(reached, float) and np.isfinite(reached):
        text += f"; the target of {coverage['target'].iloc[0]:,.0f} {chosen['unit']} is reached in {_odds(reached)}"
    return text + "."


def reached(snapshot: Snapshot, coverage: pd.DataFrame, *, level: float = 0.8, seed: int = 1, **what_if: float) -> float:
    """Chance (0–1) to reach the target of `coverage`; NaN without one, where deals are counted and not money, and where the
    target is the quota of fewer than five persons."""
    target, n = coverage[["target", "n_quotas"]].iloc[0]
    if pd.isna(target) or n < PEOPLE or panel(snapshot).unit == "deals":
        return np.nan
    return reach(snapshot, float(target), level=level, seed=seed, **what_if)


def notes(snapshot: Snapshot, outlook: pd.DataFrame) -> list[str]:
    """What stands in for numbers this source cannot support, in sentences."""
    found = list(snapshot.limits)
    found.append(
        "Each simulated quarter adds up; the middle values of the parts need not. A baseline's interval says where results "
        "came in when it gave such a number, so a baseline that is usually too low or too high lies outside its own."
    )
    seen = panel(snapshot)
    open_deals = snapshot.opportunities[snapshot.opportunities["status"] == "open"]
    without = int(open_deals["amount"].isna().sum())
    if seen.unit == "deals":
        found.append(
            "A forecast in money is not shown: this source does not tell what open deals were worth on past days, so nothing "
            "can be learned about amounts. The forecast counts won deals instead."
        )
    elif without:
        found.append(f"{without:,} of {len(open_deals):,} open deals carry no amount and add nothing to the forecast.")
    ageless = int(open_deals["created_at"].isna().sum())
    if ageless:
        found.append(
            f"{ageless:,} open deals have no creation date: no past deal can be compared with them, so they are left out "
            "of the forecast."
        )
    values = outlook.set_index("part")["value"]
    if pd.isna(values[NAMES["stage_weighted"]]):
        found.append(
            "The baseline by CRM stage probability is not shown: this source gives no probability, amount or date for it, or "
            "the quarter has not begun."
        )
    if pd.isna(values[NAMES["seasonal_naive"]]):
        found.append("The same quarter of last year is not known, so it is no baseline here.")
    owners = set(seen.open_on(seen.today)["owner"].dropna())
    if len(owners) == 1:
        found.append("All open deals have one owner: the forecast stands and falls with this person.")
    past = [seen.result(q, seen.today) for q in seen.before(seen.running)]
    if past and max(past) == 0:
        found.append(
            "No past quarter brought a win: the forecast can only be that nothing comes, and is not a finding about open deals."
        )
    return found


def checks(snapshot: Snapshot, outlook: pd.DataFrame, *, level: float = 0.8, seed: int = 1) -> pd.DataFrame:
    """Whether the forecast is sound, one row per check: check, expected, found, holds."""
    seen = panel(snapshot)
    look, simulated = now(snapshot, level, seed)
    paths = simulated[-1]
    parts = paths.won_to_date + float(paths.open.sum(axis=1).mean()) + float(paths.created["amount"].sum()) / len(paths.open)
    deals = snapshot.opportunities
    won = deals[(deals["status"] == "won") & deals["close_date"].between(look.quarter.start_time, look.quarter.end_time)]
    whole = float(len(won)) if seen.unit == "deals" else float(won["amount"].astype("float64").sum())
    ordered = outlook.iloc[: outlook.index[outlook["part"] == "total"][0] + 1]
    in_order = int(((ordered["low"] <= ordered["value"]) & (ordered["value"] <= ordered["high"])).sum())
    total, won_to_date = ordered.iloc[-1], look.won_to_date
    n = len({one.quarter for one, _ in tested(snapshot, level=level, seed=seed)})
    rows = [
        ("parts sum to the total", f"{paths.total.mean():,.2f}", f"{parts:,.2f}", abs(paths.total.mean() - parts) < 0.01),
        ("won to date is what the deals say", f"{whole:,.2f}", f"{won_to_date:,.2f}", abs(whole - won_to_date) < 0.01),
        ("the interval begins there or above", f"{won_to_date:,.0f}", f"{total['low']:,.0f}", total["low"] >= won_to_date),
        ("intervals are ordered", str(len(ordered)), str(in_order), in_order == len(ordered)),
        ("nothing later than the day", f"before {snapshot.cutoff}", str(snapshot.newest), snapshot.newest < snapshot.cutoff),
        ("past quarters tested", f"at least {ENOUGH}", str(n), n >= ENOUGH),
    ]  # fmt: skip
    own, crm = brier(snapshot, seed=seed)["brier"].iloc[:2]
    if np.isfinite(crm):
        rows.append(("past chances miss by less than the CRM's (Brier)", f"below {crm:.3f}", f"{own:.3f}", own < crm))
    return pd.DataFrame(rows, columns=["check", "expected", "found", "holds"])


def metrics(outlook: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    """Rows of the results file: every line of the outlook, and error, bias and coverage of every method from the same point."""
    unit = str(outlook["unit"].iloc[0])
    forecast = statistics.tidy(outlook, metric="forecast", by="part", member="part", unit=unit, level=outlook["level"].iloc[0])
    parts = [forecast.assign(quarter=outlook["quarter"].iloc[0])]  # the quarter that is forecast, not the one looked at
    past = _same(accuracy).reset_index(drop=True)
    parts += [
        statistics.tidy(past, metric=name, by="method", member="method", value=name, unit="share",
                        low=f"{name}_low", high=f"{name}_high",
                        level=0.9 if name == "coverage" else None)
        for name in ("wape", "bias", "coverage")
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def recommendations(snapshot: Snapshot, outlook: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    """What to do about the forecast, one row per advice: finding, action, owner, effort (S, M, L)."""
    rows = []
    open_deals = snapshot.opportunities[snapshot.opportunities["status"] == "open"]
    overdue = int((open_deals["close_date"] <= pd.Timestamp(snapshot.as_of)).sum())
    if overdue:
        rows.append(
            (
                f"{overdue:,} open deals carry a close date that has passed",
                "Date them again before the next call",
                "sales managers",
                "S",
            )
        )
    values = outlook.set_index("part")["value"]
    pipeline = values[[part for part in values.index if part.startswith(("open", "pulled"))]].sum()
    if values["yet to be created"] > pipeline:
        finding = "More than half of what is still to come must come from deals that do not exist yet"
        rows.append((finding, "Plan pipeline generation now, not at the end of the quarter", "head of sales", "L"))
    short = _shortfall(snapshot)
    if short:
        rows.append(short)
    chosen = answer(outlook, accuracy)
    if chosen["part"] != "total":
        rows.append(
            (
                f"The model lost to “{chosen['part']}” on past quarters",
                "Use that number until the data allow a better model",
                "RevOps",
                "S",
            )
        )
    if _same(accuracy)["n"].max() < ENOUGH:
        rows.append(("The interval rests on few past quarters", "Keep every export so that the history grows", "RevOps", "S"))
    return pd.DataFrame(rows, columns=["finding", "action", "owner", "effort"])


def _shortfall(snapshot: Snapshot) -> tuple[str, str, str, str] | None:
    """Advice when the pipeline due is less than even strong quarters needed for what is left of the target."""
    if not {"amount", "close_date"} <= set(snapshot.tracked):
        return None
    row = coverage(snapshot).iloc[0]
    if (
        row["n_quotas"] < PEOPLE
        or pd.isna(row["pipeline_coverage"])
        or pd.isna(row["needed_low"])
        or row["pipeline_coverage"] >= row["needed_low"]
    ):
        return None
    finding = f"Pipeline due covers {row['pipeline_coverage']:.1f} times what the target still needs"
    finding += f", past quarters needed {row['needed_coverage']:.1f}"
    return finding, "Decide this week: more pipeline, deals pulled in, or another target", "head of sales", "M"


def _same(accuracy: pd.DataFrame) -> pd.DataFrame:
    return accuracy[accuracy["at"] == SAME]


def _baseline_headline(chosen: pd.Series, accuracy: pd.DataFrame) -> str:
    """The sentence when a baseline is the answer: its number, why the model is not shown, where its errors put the result."""
    past = _same(accuracy).set_index("method")
    errors, n = past["wape"], past.loc[NAMES["model"], "n"]
    judged = (
        f"judged by those errors the result lies between {_amount(chosen['low'], chosen['unit'])} and "
        f"{_amount(chosen['high'], chosen['unit'])} in {chosen['level']:.0%} of cases"
        if pd.notna(chosen["low"])
        else f"too few quarters tested ({n:.0f}) for an interval"
    )
    return (
        f"{chosen['quarter']}: {_amount(chosen['value'], chosen['unit'])} by “{chosen['part']}”, whose past error of "
        f"{errors[chosen['part']]:.0%} is smaller than the model's {errors[NAMES['model']]:.0%}; {judged}."
    )


def _supposed(win_rate: float = 1.0, new_pipeline: float = 1.0, slip: float = 0.0) -> str:
    """What is supposed, in front of a sentence; nothing when all is as it is."""
    said = [f"chances to be won × {win_rate:g}"] if win_rate != 1 else []
    said += [f"new deals × {new_pipeline:g}"] if new_pipeline != 1 else []
    said += [f"{slip:.0%} of open deals' wins a quarter later"] if slip else []
    return f"What if ({', '.join(said)}) — " if said else ""


def _odds(chance: float) -> str:
    if chance < 0.01:
        return "fewer than 1 in 100 simulated quarters"
    if chance > 0.99:
        return "more than 99 in 100 simulated quarters"
    return f"{chance:.0%} of simulated quarters"


def _amount(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if np.isfinite(value) else "an unknown amount"
