"""What a slowed cell costs: bookings per quarter with its pace brought back to its past, everything else as it is now."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import money, periods
from ..snapshot import Snapshot
from .hazards import ALL, WEEK_BOUNDS, Exposure, borrowed, exposure, last_complete, stays
from .shifts import chosen
from .spells import LOOKBACK

DRAWS = 1_000
FLOW = 4  # quarters from which the flow of deals, losses and later stages are taken


def value(snapshot: Snapshot, *, level: float = 0.9, seed: int = 1, alpha: float = 0.05) -> pd.DataFrame:
    """Bookings per quarter gained by bringing one cell back to its past pace, one row per row of `ranking` with a past; alerts
    first, then the largest.

    Deals are carried through the weekly hazards of advancing and being lost, by stage, segment and weeks in the stage, until
    they are won or lost: once with the hazards as they are, once with the cell's advances at its past pace. The gain is
    entries per quarter × the change in the share that advances × the chance to win from there × the mean amount of wins: what
    the change brings per quarter once deals have flowed through. A delay that costs no deal moves bookings by its own length
    once and is worth 0 here; what now waits longer is in the gain only by the losses that waiting brings.

    Columns: stage, segment, quarters (as in `ranking`), is_alert, value, low, high (`level`; drawn with `seed` from the
    uncertainty of the pace, the flow, the later stages and the amounts, by deal; values below 0: faster than in the past), unit
    (currency). Floats: an estimate, not money that is paid. Of made-up companies, the 90 % interval held what the average one
    lost in about three of four: how this quarter's flow differs from the usual one is only partly in it. Raises as `ranking`.
    """
    snapshot.require_one_currency()
    found = stays(snapshot)
    data = exposure(snapshot, found)
    table = chosen(data, alpha)
    table = table[table["effect"].notna()].reset_index(drop=True)
    random = np.random.default_rng(seed)
    flow = _Flow(snapshot, found, data, random)
    shifts = table["effect"].to_numpy()[:, None] + table["error"].to_numpy()[:, None] * random.standard_normal(DRAWS)
    shifts[:, 0] = table["effect"]
    rows = zip(table["stage"], table["segment"], table["quarters"], shifts, strict=True)
    gains = np.array([flow.gain(*row) for row in rows]).reshape(len(table), DRAWS)
    table["value"] = gains[:, 0]
    table["low"], table["high"] = np.quantile(gains[:, 1:], [0.5 - level / 2, 0.5 + level / 2], axis=1)
    table = table.sort_values(["is_alert", "value"], ascending=False, kind="stable", ignore_index=True)
    names = ["stage", "segment", "quarters", "is_alert", "value", "low", "high"]
    return table[names].assign(unit=snapshot.currency)


class _Flow:
    """How deals flow now, drawn `DRAWS` times; the first of each is the estimate itself."""

    def __init__(self, snapshot: Snapshot, found: pd.DataFrame, data: Exposure, random: np.random.Generator) -> None:
        self._data, self._random = data, random
        advanced, lost = (ended[:, :, -FLOW:].sum(axis=(2, 3, 4)) for ended in (data.advanced, data.lost))
        entered = data.entered[:, :, -FLOW:].sum(axis=2)
        self._entered = _first(entered, random.gamma(entered[..., None] + 0.5, size=(*entered.shape, DRAWS)))
        self._entered /= max(int((data.days[:, :, -FLOW:].sum(axis=(0, 1, 3, 4)) > 0).sum()), 1)  # a young history has fewer
        share = _share(*self._hazards(FLOW))
        n = (advanced + lost + 1)[..., None]
        chance = random.beta(share[..., None] * n, (1 - share[..., None]) * n, size=(*share.shape, DRAWS))
        amounts = _amounts(snapshot, data.segments, random)
        self._worth = _won_from(_ways(snapshot, found, data), _first(share, chance)) * amounts

    def gain(self, stage: str, segment: str, quarters: int, shift: np.ndarray) -> np.ndarray:
        """Bookings per quarter gained in each draw when the log pace of the cell changes by −`shift`."""
        at = self._data.stages.index(stage)
        of = slice(None) if segment == ALL else slice(*(self._data.segments.index(segment) + i for i in (0, 1)))
        advance, lose = (hazard[at, of][:, None] for hazard in self._hazards(quarters))
        lost = self._data.lost[at, of, -quarters:].sum(axis=(1, 2, 3))[:, None] + 0.5
        lose = lose * _first(np.ones(len(lost)), self._random.gamma(lost, size=(len(lost), DRAWS)) / lost)[..., None]
        more = _share(advance * np.exp(-shift)[:, None], lose) - _share(advance, lose)
        return (self._entered[at, of] * more * self._worth[at, of]).sum(axis=0)

    def _hazards(self, quarters: int) -> tuple[np.ndarray, np.ndarray]:
        """Advances and losses per day in the last `quarters`, by stage, segment and weeks in the stage."""
        days = self._data.days[:, :, -quarters:].sum(axis=(2, 4))
        ended = (ends[:, :, -quarters:].sum(axis=(2, 4)) for ends in (self._data.advanced, self._data.lost))
        advance, lose = (borrowed(of, days) for of in ended)
        return advance, lose


def _first(estimate: np.ndarray, draws: np.ndarray) -> np.ndarray:
    draws[..., 0] = estimate
    return draws


def _share(advance: np.ndarray, lose: np.ndarray) -> np.ndarray:
    """Share of stays that end with an advance: chances of each span of weeks, the last one without end."""
    length = 7 * np.diff([0, *WEEK_BOUNDS, np.inf])
    both = advance + lose
    stays = np.exp(-both * length)
    before = np.cumprod(np.concatenate([np.ones_like(stays[..., :1]), stays[..., :-1]], axis=-1), axis=-1)
    return (before * (1 - stays) * advance / both).sum(axis=-1)


def _ways(snapshot: Snapshot, found: pd.DataFrame, data: Exposure) -> np.ndarray:
    """Where stays that advanced in the last quarters led: shares of each later stage and of won (last column), by stage."""
    stages = snapshot.table("stages").set_index("stage")["status"]
    moved = found[(found["end"] == "advanced") & (found["to_at"] > snapshot.cutoff - pd.Timedelta(days=91 * FLOW))]
    to = moved["next_stage"].where(moved["next_stage"].map(stages) != "won", "won")
    counts = (
        pd.crosstab(moved["stage"], to).reindex(index=data.stages, columns=[*data.stages, "won"], fill_value=0).to_numpy(float)
    )
    total = counts.sum(axis=1, keepdims=True)
    return np.where(total > 0, counts / np.where(total > 0, total, 1), np.eye(len(counts), len(counts) + 1, 1))


def _won_from(ways: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Chance that a deal which has just advanced out of a stage is won in the end, by stage, segment and draw."""
    won = np.zeros_like(share)
    for stage in reversed(range(len(share))):
        later = np.einsum("n,ngd->gd", ways[stage, stage + 1 : -1], (share * won)[stage + 1 :])
        won[stage] = ways[stage, -1] + later
    return won


def _amounts(snapshot: Snapshot, segments: list[str], random: np.random.Generator) -> np.ndarray:
    """Mean amount of the wins of the last `LOOKBACK` quarters by segment and draw (bootstrap by deal); a segment without wins
    takes all wins. Missing where no win carries an amount: what a stage costs is then not known."""
    deals = snapshot.opportunities
    member = snapshot.members(deals, "segment")
    since = pd.Timestamp(periods.first_day(last_complete(snapshot) - LOOKBACK + 1))
    won = (deals["status"] == "won") & deals["amount"].notna() & (deals["close_date"] >= since)
    amounts, of = money.to_float(deals.loc[won, "amount"]).to_numpy(), member[won].to_numpy()
    drawn = np.full((len(segments), DRAWS), np.nan)
    for row, segment in enumerate(segments):
        own = amounts[of == segment] if (of == segment).any() else amounts
        if len(own):
            drawn[row] = own[random.integers(0, len(own), (DRAWS, len(own)))].mean(axis=1)
            drawn[row, 0] = own.mean()
    return drawn
