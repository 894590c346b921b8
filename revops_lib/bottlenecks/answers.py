"""What the notebook says: the headline, notes, checks, metrics and advice."""

from __future__ import annotations

import pandas as pd

from .. import statistics
from ..snapshot import Snapshot
from .hazards import ALL


def headline(
    times: pd.DataFrame | str,
    late: pd.DataFrame | str,
    worst: pd.DataFrame | str,
    *,
    worth: pd.DataFrame | str = "",
    market: pd.DataFrame | str = "",
    smallest: pd.DataFrame | str = "",
) -> str:
    """The answer in one sentence: the slowed stage (and segment) with its price, a slow market, or that nothing stands out and
    what could have been seen; or the time to close where no stage history exists.

    `worst`, `worth`, `market`, `smallest`: what `ranking`, `value`, `market` and `detectable` return.
    """
    if isinstance(times, str):
        return times
    said = [*_pace(worst, worth, market, smallest), _closing(times.iloc[0])]
    if isinstance(late, pd.DataFrame):
        said.append(_waited(late))
    text = "; ".join(said) + "."
    return text[0].upper() + text[1:]


def _waited(late: pd.DataFrame) -> str:
    return f"{len(late):,} open deal{'s have' if len(late) != 1 else ' has'} waited longer than nine in ten winners did"


def _pace(
    worst: pd.DataFrame | str, worth: pd.DataFrame | str, market: pd.DataFrame | str, smallest: pd.DataFrame | str
) -> list[str]:
    if not isinstance(worst, pd.DataFrame) or worst["ratio"].isna().all():
        return []
    flagged, said = worst[worst["is_alert"]], []
    cell = (flagged if len(flagged) else worst).iloc[0]
    if isinstance(market, pd.DataFrame) and len(market) and market.iloc[-1]["is_market_wide"]:
        slow = market.iloc[-1]
        together = f"all stages are slow together, at {_share_of(slow, 'value')} of their past pace: the market"
        said.append(together if len(flagged) else f"{together}, no bottleneck")
    if cell["is_alert"]:
        during = "over the last four quarters" if cell["quarters"] == 4 else "in the last quarter"
        pace = f"{_named(cell)} is clearly slower than before: {during} at {_share_of(cell, 'ratio')} of its past pace"
        others = [stage for stage in dict.fromkeys(flagged["stage"]) if stage != cell["stage"]]
        also = [f"{' and '.join(others)} {'are' if len(others) > 1 else 'is'} flagged, too"] if others else []
        return [*said, f"{pace}{_price(cell, worth)}", *also]
    if said:
        return said
    calm = "No stage is slower than usual beyond the spread between quarters"
    if isinstance(smallest, pd.DataFrame) and smallest["ratio"].notna().any():
        stages = smallest[smallest["segment"] == ALL] if (smallest["segment"] == ALL).any() else smallest
        calm += f" (one at {_range(stages['ratio'])} of its past pace would have shown)"
    return [f"{calm}; {_named(cell)} stands out most, at {_share_of(cell, 'ratio')}"]


def _named(cell: pd.Series) -> str:
    return cell["stage"] if cell["segment"] == ALL else f"{cell['stage']} in {cell['segment']}"


def _share_of(row: pd.Series, column: str) -> str:
    return f"{row[column]:.0%} ({row['low']:.0%} to {row['high']:.0%})"


def _range(ratios: pd.Series) -> str:
    low, high = f"{ratios.min():.0%}", f"{ratios.max():.0%}"
    return low if low == high else f"{low} to {high}"


def _price(cell: pd.Series, worth: pd.DataFrame | str) -> str:
    if not isinstance(worth, pd.DataFrame):
        return ""
    own = worth[(worth["stage"] == cell["stage"]) & (worth["segment"] == cell["segment"])].dropna(subset="value")
    if own.empty:
        return ""
    price = own.iloc[0]
    return f", which costs {price['value']:,.0f} {price['unit']} a quarter ({price['low']:,.0f} to {price['high']:,.0f})"


def _closing(company: pd.Series) -> str:
    still_open = f"{company['n_open']:,} of {company['n']:,} still open, counted as open"
    half = f"half of the deals close within {company['median']:.0f} days"
    return f"{half if pd.notna(company['median']) else 'fewer than half of the deals have closed'} ({still_open})"


def priced(worst: pd.DataFrame, worth: pd.DataFrame | str, smallest: pd.DataFrame | str) -> pd.DataFrame:
    """`ranking` with what restoring the past pace is worth and the mildest slowdown that would have shown, one row per cell.

    Columns: those of `ranking` but expected, z and the lost ones; worth, worth_low, worth_high (a quarter; missing where not
    valued), detectable (a pace against the past).
    """
    table = worst[["stage", "segment", "quarters", "n", "ratio", "low", "high", "is_alert", "against_best"]]
    cell = ["stage", "segment"]
    if isinstance(worth, pd.DataFrame):
        names = {"value": "worth", "low": "worth_low", "high": "worth_high"}
        table = table.merge(worth[[*cell, *names]].rename(columns=names), on=cell, how="left")
    if isinstance(smallest, pd.DataFrame):
        table = table.merge(smallest[[*cell, "ratio"]].rename(columns={"ratio": "detectable"}), on=cell, how="left")
    return table.assign(n_open=worst["n_open"].to_numpy(), open_amount=worst["open_amount"].array, unit=worst["unit"].array)


def published(worst: pd.DataFrame) -> pd.DataFrame:
    """The cells of `priced` without what is open now, which in a small cell is one customer's deal. Where there are several
    segments, the rows of all of them together stay out, too: they would tell a hidden cell by subtraction."""
    located = worst[worst["segment"] != ALL]
    return (located if len(located) else worst).drop(columns=["n_open", "open_amount"]).reset_index(drop=True)


def common(flow: pd.DataFrame, *, least: int = 5) -> pd.DataFrame:
    """The steps of `directly_follows` that at least so many cases took: rarer ones may be one customer's."""
    return flow[flow["n_cases"] >= least].reset_index(drop=True)


def notes(
    snapshot: Snapshot, reasons: pd.DataFrame, odd: pd.DataFrame | str, fixed: pd.DataFrame | str, market: pd.DataFrame | str
) -> list[str]:
    """What the source cannot tell, what was left out, and what only looks like a queue, in sentences.

    `reasons`, `odd`, `fixed`: what `not_timed`, `unusable` and `timers` return.
    """
    found = list(snapshot.limits)
    found += [f"{row.n:,} of {len(snapshot.opportunities):,} deals have no duration: {row.reason}."
              for row in reasons[reasons["n"] > 0].itertuples()]  # fmt: skip
    for table in (odd, fixed):
        if isinstance(table, pd.DataFrame):
            found += table["sentence"].tolist()
    if isinstance(market, pd.DataFrame) and len(market):
        found += _market_told(market.iloc[-1])
    return found


def _market_told(now: pd.Series) -> list[str]:
    if pd.isna(now["value"]):
        return []
    if pd.isna(now["low"]):
        moved = f"All stages together moved at {now['value']:.0%} of their past pace in {now['quarter']}"
        return [f"{moved}; too few past quarters to say whether that is usual."]
    verdict = "beyond" if now["is_market_wide"] else "within"
    moved = (
        f"All stages together moved at {_share_of(now, 'value')} of their past pace in {now['quarter']}, {verdict} the usual"
    )
    return [f"{moved} spread; slowness that stages share is taken out of every stage's pace."]


def checks(
    snapshot: Snapshot,
    overall: pd.DataFrame | str,
    groups: pd.DataFrame | str,
    stages: pd.DataFrame | str,
    steps: pd.DataFrame | str = "",
    shares: pd.DataFrame | str = "",
) -> pd.DataFrame:
    """Whether parts sum to the whole, one row per check: check, expected, found, holds.

    `steps` and `shares` are what `funnel` and `outcome` return."""
    newest = snapshot.newest
    rows = [("nothing later than the snapshot's day", f"before {snapshot.cutoff}", str(newest), newest < snapshot.cutoff)]
    if isinstance(overall, pd.DataFrame) and isinstance(groups, pd.DataFrame):
        n, n_groups = int(overall["n"].iloc[0]), int(groups["n"].sum())
        n_closed = n - int(overall["n_open"].iloc[0])
        rows.append(("groups sum to all deals", f"{n:,}", f"{n_groups:,}", n == n_groups))
        rows.append(("closed deals to learn from", "at least 50", f"{n_closed:,}", n_closed >= 50))
    if isinstance(stages, pd.DataFrame):
        ends = int(stages[["advanced", "lost", "back", "n_running"]].to_numpy().sum())
        rows.append(("ends of stays sum to stays", f"{int(stages['n'].sum()):,}", f"{ends:,}", ends == int(stages["n"].sum())))
    if isinstance(steps, pd.DataFrame):
        grows = int((steps.groupby("member")["value"].diff() > 0).sum())
        rows.append(("steps at which the funnel widens", "0", f"{grows}", grows == 0))
    if isinstance(shares, pd.DataFrame):
        total = shares[["won_share", "lost_share", "open_share"]].sum(axis=1, skipna=False).dropna()
        worst = float((total - 1).abs().max()) if len(total) else 0.0
        rows.append(("won, lost and open sum to all", "100%", f"{1 + worst:.0%}", worst < 1e-9))
    return pd.DataFrame(rows, columns=["check", "expected", "found", "holds"])


def metrics(
    times: pd.DataFrame | str,
    wins: pd.DataFrame,
    late: pd.DataFrame | str,
    stages: pd.DataFrame | str,
    worst: pd.DataFrame | str,
    *,
    by: str,
    worth: pd.DataFrame | str = "",
    steps: pd.DataFrame | str = "",
    level: float = 0.9,
) -> pd.DataFrame:
    """Rows of the results file: time to close, win rate, stalled deals and, with a history, conversion, funnel, pace per stage
    and what restoring it is worth."""
    parts = [
        statistics.tidy(wins.head(1), metric="win_rate", unit="share", level=level),
        statistics.tidy(wins.iloc[1:], metric="win_rate", by=by, member="member", unit="share", level=level),
    ]
    if isinstance(late, pd.DataFrame):
        parts.append(
            statistics.tidy(pd.DataFrame({"value": [len(late)], "n": [len(late)]}), metric="stalled_deals", unit="deals")
        )
    if isinstance(times, pd.DataFrame):
        parts.append(statistics.tidy(times, metric="days_to_close_median", value="median", unit="days", level=level))
    if isinstance(stages, pd.DataFrame):
        parts.append(statistics.tidy(stages, metric="stage_conversion", by="stage", member="stage", unit="share", level=level))
    if isinstance(steps, pd.DataFrame):
        parts.append(statistics.tidy(steps, metric="reached_of_created", by="step", member="step", unit="share", level=level))
    for table, metric, value, unit in (
        (worst, "pace_against_past", "ratio", "ratio"),
        (worth, "value_of_past_pace", "value", ""),
    ):
        if isinstance(table, pd.DataFrame) and len(table):
            cells = table.assign(cell=table["stage"] + " / " + table["segment"])
            own = unit or str(table["unit"].iloc[0])
            parts.append(
                statistics.tidy(cells, metric=metric, by="stage / segment", member="cell", value=value, unit=own, level=level)
            )
    return pd.concat(parts, ignore_index=True)


def recommendations(late: pd.DataFrame | str, worst: pd.DataFrame | str) -> pd.DataFrame:
    """What to do about it, one row per advice; `worst` is what `priced` or `ranking` returns.

    Columns: finding, action, owner, effort (S, M, L), expected_amount, low, high (a quarter; missing where nothing was valued).
    """
    rows = []
    if isinstance(worst, pd.DataFrame):
        prices = worst.reindex(columns=["worth", "worth_low", "worth_high"])
        for number, cell in worst[worst["is_alert"]].iterrows():
            rows.append(
                (
                    f"{_named(cell)} moves at {cell['ratio']:.0%} of its past pace",
                    "Sit in on deals of this stage and find what changed since",
                    "sales manager of the segment",
                    "M",
                    *prices.loc[number],
                )
            )
    if isinstance(late, pd.DataFrame) and len(late):
        rows.append(
            (
                _waited(late),
                "Review each with its owner: next step with a date, or close it",
                "sales managers",
                "S",
                *[float("nan")] * 3,
            )
        )
    return pd.DataFrame(rows, columns=["finding", "action", "owner", "effort", "expected_amount", "low", "high"])
