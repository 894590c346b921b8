"""The arithmetic of `pace`: observed against expected advances, what stages share taken out, chance and the spread between
quarters allowed for, false alarms held down over all rows."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd

from .hazards import ALL, SPAN, WINDOWS, Exposure, rates
from .spells import LOOKBACK

# Of the chance to flag anything by accident: what one quarter and what four may use, for stages and for their segments.
SHARES = {(1, True): 0.50, (1, False): 0.40, (4, True): 0.05, (4, False): 0.05}
USUAL_SPREAD = 0.03  # between quarters (log), where a company's own data say little
LASTING = 0.01  # chance under which four quarters are worth telling of
COMPARABLE = 10  # advances from which a segment can be the one that others are held against


def chosen(data: Exposure, alpha: float) -> pd.DataFrame:
    """One row per row of `ranking`: of one quarter and of four the one that is told, with is_alert, against_best and losses.

    Four are told when they are unlikely by themselves and, each against its share, more so than one; a flag is always told.
    """
    found = pd.concat([compared(data, window) for window in WINDOWS], ignore_index=True)
    found["p"] = found["z"].map(NormalDist().cdf, na_action="ignore").astype("float64")
    found["is_alert"] = _holm(found["p"], found["share"], alpha)
    one, four = (found[found["quarters"] == window].reset_index(drop=True) for window in WINDOWS)
    stands_out = (four["p"] < LASTING) & (four["p"] / four["share"] < one["p"] / one["share"])
    lasting = stands_out & (four["is_alert"] | ~one["is_alert"]) | (four["is_alert"] & ~one["is_alert"])
    return one.where(~lasting, four).astype(one.dtypes)


def ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Rows by stage, the one with most evidence first, and within a stage by z; rows without a past last."""
    p = table["p"].clip(lower=1e-300)
    evidence = p.rdiv(1).groupby(table["stage"]).transform("mean").where(p.notna())
    by = pd.DataFrame({"evidence": -evidence, "stage": table["stage"], "z": table["z"]})
    return table.loc[by.sort_values(["evidence", "stage", "z"], kind="stable").index].reset_index(drop=True)


def compared(data: Exposure, window: int) -> pd.DataFrame:
    """The last `window` quarters against the `LOOKBACK` before, one row per stage and per stage and segment.

    Columns: stage, segment, quarters, n, expected, effect and error (log ratio, common factor removed), z, mean (expected at
    the common factor), slack (variance of its log), share (of alpha), against_best, lost, lost_expected, lost_ratio.
    """
    pace, losses = against_past(data, window), against_past(data, window, "lost")
    turns = 1 / window + 1 / max(int(pace.watched.any(axis=(0, 1)).sum()), 1)
    best = _against_best(data, window)
    parts = []
    stage_pace = pace.over_segments()
    common, common_v = _common_factor(stage_pace, turns)
    for pooled in (True, False) if len(data.segments) > 1 else (True,):
        of, lost = (stage_pace, losses.over_segments()) if pooled else (pace, losses)
        spread = _between_quarters(of)[:, None]
        slack = common_v[:, None] + 1 / (of.past.sum(axis=2) + 0.5) + spread * turns
        mean = of.expected * np.exp(common)[:, None]
        effect = np.log((of.n + 0.5) / (mean + 0.5))
        # Counts on the square-root scale have one variance, few or many (Anscombe 1948).
        z = 2 * (np.sqrt(of.n + 3 / 8) - np.sqrt(mean + 1 / 8)) / np.sqrt(1 + mean * slack)
        unknown = ~of.watched.any(axis=2)
        cells = {
            "n": of.n, "expected": np.where(unknown, 0.0, of.expected), "effect": np.where(unknown, np.nan, effect),
            "error": np.sqrt(1 / (of.n + 0.5) + slack), "z": np.where(unknown, np.nan, z), "mean": mean, "slack": slack,
            "against_best": np.full(of.n.shape, np.nan) if pooled else best, "lost": lost.n,
            "lost_expected": np.where(unknown, 0.0, lost.expected),
            "lost_ratio": np.where(unknown, np.nan, (lost.n + 0.5) / (lost.expected + 0.5)),
        }  # fmt: skip
        names = pd.MultiIndex.from_product([data.stages, [ALL] if pooled else data.segments], names=["stage", "segment"])
        part = pd.DataFrame({name: values.ravel() for name, values in cells.items()}, index=names).reset_index()
        part["share"] = SHARES[window, pooled] / max(int((~unknown).sum()), 1)
        parts.append(part.assign(quarters=window))
    return pd.concat(parts, ignore_index=True).astype({"n": "int64", "lost": "int64"})


@dataclass(frozen=True)
class Pace:
    """Ends observed and expected at the past pace: arrays of stage and segment, the past ones also of quarter; `watched`:
    where somebody was at risk."""

    n: np.ndarray
    expected: np.ndarray
    past: np.ndarray
    past_expected: np.ndarray
    watched: np.ndarray

    def over_segments(self) -> Pace:
        def added(values: np.ndarray) -> np.ndarray:
            return values.sum(axis=1, keepdims=True)

        watched = np.asarray(self.watched.any(axis=1, keepdims=True))
        return Pace(added(self.n), added(self.expected), added(self.past), added(self.past_expected), watched)


def against_past(data: Exposure, window: int, end: str = "advanced") -> Pace:
    ended = getattr(data, end)
    past, now = slice(SPAN - window - LOOKBACK, SPAN - window), slice(SPAN - window, SPAN)
    rate = rates(ended[:, :, past].sum(axis=2), data.days[:, :, past].sum(axis=2))[:, :, None]
    expected = (data.days * rate).sum(axis=(3, 4))
    n, watched = ended.sum(axis=(3, 4)), data.days.sum(axis=(3, 4)) > 0
    return Pace(n[:, :, now].sum(axis=2), expected[:, :, now].sum(axis=2), n[:, :, past], expected[:, :, past],
                 watched[:, :, past])  # fmt: skip


def _common_factor(pace: Pace, turns: float) -> tuple[np.ndarray, np.ndarray]:
    """What the other stages share: precision-weighted mean of their log ratios, and its variance, for each stage. At most 0: a
    slow market excuses a stage, but a stage as fast as ever is not slow because another one sped up."""
    y = np.log((pace.n + 0.5) / (pace.expected + 0.5))[:, 0]
    v = (1 / (pace.n + 0.5) + 1 / (pace.past.sum(axis=2) + 0.5))[:, 0] + _between_quarters(pace) * turns
    w = np.where(pace.watched.any(axis=(1, 2)), 1 / v, 0.0)
    others = w.sum() - w
    with np.errstate(invalid="ignore", divide="ignore"):
        shared = np.where(others > 0, ((w * y).sum() - w * y) / others, 0.0)
        return np.minimum(shared, 0.0), np.where(others > 0, 1 / others, 0.0)


def _between_quarters(pace: Pace) -> np.ndarray:
    """Variance of log(observed ÷ expected) between past quarters, what a quarter's cells share removed, by stage: one estimate
    for all, but in the last stage, where closing has its seasons, its own when that is larger."""
    of = pace.past_expected.shape
    y = np.log((pace.past + 0.5) / (pace.past_expected + 0.5)).reshape(-1, of[2])
    w = np.where(pace.watched, pace.past_expected + 0.5, 0.0).reshape(-1, of[2])
    for axis in (0, 1):
        total = w.sum(axis=axis, keepdims=True)
        y = y - (w * y).sum(axis=axis, keepdims=True) / np.where(total > 0, total, 1)
    is_last = np.repeat(np.arange(of[0]) == of[0] - 1, of[1])
    found = np.full(of[0], _spread(y, w))
    found[-1] = max(found[-1], _spread(y[is_last], w[is_last]))
    return found


def _spread(y: np.ndarray, w: np.ndarray) -> float:
    """Variance of cells (rows) between quarters beyond chance, posterior mean: half-Cauchy prior on the standard deviation
    (Gelman 2006), chi-square likelihood of the weighted squares."""
    cells, turns = (w.sum(axis=1) > 0).sum(), (w.sum(axis=0) > 0).sum()
    freedom = int((w > 0).sum() - cells - (turns - 1) * (cells > 1))
    if freedom <= 0:
        return USUAL_SPREAD**2
    squares, total = (w * y**2).sum(), w.sum(axis=1)
    lost = (w**2).sum(axis=1) / np.where(total > 0, total, 1)
    gain = (total - lost).sum() * (1 - 1 / cells if cells > 1 else 1) / freedom
    spread = np.arange(0.0005, 0.5, 0.0005)
    scale = 1 + spread**2 * gain
    log_likelihood = -freedom / 2 * np.log(scale) - squares / (2 * scale) - np.log1p((spread / USUAL_SPREAD) ** 2)
    return float(np.average(spread**2, weights=np.exp(log_likelihood - log_likelihood.max())))


def _against_best(data: Exposure, window: int) -> np.ndarray:
    """Pace of each segment ÷ that of the fastest one at the same stage, for equal weeks in it (indirect standardisation by all
    segments of the stage in these quarters); missing where no other segment has enough advances."""
    now = slice(SPAN - window, SPAN)
    days, advanced = data.days[:, :, now].sum(axis=(2, 4)), data.advanced[:, :, now].sum(axis=(2, 4))
    with np.errstate(invalid="ignore", divide="ignore"):
        usual = np.nan_to_num(advanced.sum(axis=1) / days.sum(axis=1))
        n, expected = advanced.sum(axis=2), (days * usual[:, None]).sum(axis=2)
        pace = np.where(expected > 0, n / expected, np.nan)
        fastest = np.where(n >= COMPARABLE, pace, 0).max(axis=1, keepdims=True)
        return np.where(fastest > 0, pace / fastest, np.nan)


def _holm(p: pd.Series, share: pd.Series, alpha: float) -> pd.Series:
    """Which tests stay significant after Holm's weighted correction (Holm 1979): at each step `alpha` is split over the shares
    of the tests that are left."""
    order = (p / share).dropna().sort_values(kind="stable")
    of = share[order.index]
    left = of.sum() - of.cumsum() + of
    steps = order <= alpha / np.maximum(left, of)
    return steps.cummin().reindex(p.index, fill_value=False).astype(bool)
