"""The single models of a series: Theta, exponential smoothing and structural components, all of statsmodels.

Every model answers with the same array: a row per asked probability, a column per future step, in the unit of the series. What
a model says is not trusted blindly: one that fails, or runs away from everything ever seen, is replaced by the seasonal naive.
"""

from __future__ import annotations

import functools
import itertools
import math
import warnings
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

FAR = 3  # ranges of the history by which a forecast may leave it
REFINED = 5  # ETS models whose initial states are estimated; the others have lost by then
PATHS = 1000  # simulated futures of an ETS model without a formula for its spread
Form = tuple[str, str | None, bool, str | None]  # error, trend, damped, seasonal


def mean(
    values: pd.Series, horizon: int, season: int, probabilities: list[float], **refined: int
) -> tuple[np.ndarray, list[str]]:
    """Mean of the models' quantiles (probability × step), and the names of the models that had to be replaced."""
    found = quantiles(values, horizon=horizon, season=season, probabilities=probabilities, **refined)
    return np.mean(list(found.values()), axis=0), [name.split(",")[0] for name in found if name.endswith("replaced")]


def quantiles(
    values: pd.Series, *, horizon: int, season: int, probabilities: list[float], refined: int = REFINED
) -> dict[str, np.ndarray]:
    """Quantiles of the next `horizon` values by each model, one array (probability × step) per model.

    The names are `theta`, `ets`, `components`; a model that failed or ran away comes as `<name>, replaced`. `season` is the
    number of steps of a season, 1 for none. A series that was never negative is not forecast negative. `refined`: how many ETS
    forms get their initial states estimated; 0 is several times faster and a little less exact.
    """
    import statsmodels.tools.sm_exceptions  # noqa: F401, its import shows warnings always; here they are silenced after it

    models: dict[str, Callable[..., np.ndarray]] = {
        "theta": _theta, "ets": functools.partial(_ets, refined=refined), "components": _components,
    }  # fmt: skip
    found = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # a fit that did not converge is judged by where its forecast goes
        for name, model in models.items():
            answer = _or_nothing(model, values, horizon, season, probabilities)
            if answer is not None and is_sane(answer, values):
                found[name] = bounded(answer, values)
            else:
                found[f"{name}, replaced"] = bounded(seasonal_naive(values, horizon, season, probabilities), values)
    return found


def seasonal_naive(values: pd.Series, horizon: int, season: int, probabilities: list[float]) -> np.ndarray:
    """The value of one season before, again, with normal errors that grow per season passed (Hyndman & Athanasopoulos 2021,
    table 5.2). Without a season, the last value again."""
    y = values.to_numpy()
    steps = np.arange(horizon)
    error = np.sqrt(np.mean((y[season:] - y[:-season]) ** 2))
    return _normal(y[len(y) - season + steps % season], error * np.sqrt(steps // season + 1), probabilities)


def drift(values: pd.Series, horizon: int, probabilities: list[float]) -> np.ndarray:
    """The last value plus the mean change (from four values on), with the spread that the changes had.

    The spread is the ⌈(k+1)·level⌉-th smallest of the k changes' distances from their mean, and grows as √(h·(1 + h/(n−1)))
    (Hyndman & Athanasopoulos 2021, table 5.2). It takes two values.
    """
    steps, changes = np.arange(1, horizon + 1), np.diff(values)
    k = len(changes)
    slope = changes.mean() if k >= 3 else 0.0
    missed = np.sort(np.abs(changes - slope))
    ranks = [min(k, math.ceil(round((k + 1) * abs(2 * p - 1), 9))) for p in probabilities]
    spread = np.array([np.sign(p - 0.5) * missed[rank - 1] for p, rank in zip(probabilities, ranks, strict=True)])
    return values.iloc[-1] + slope * steps + spread[:, None] * np.sqrt(steps * (1 + steps / k))


def is_sane(answer: np.ndarray, values: pd.Series) -> bool:
    """Whether every quantile is a number and the middle stays within three ranges of what was ever seen."""
    if not np.isfinite(answer).all():
        return False
    low, high = band(values)
    middle = answer[len(answer) // 2]
    return bool((middle >= low).all() and (middle <= high).all())


def band(values: pd.Series) -> tuple[float, float]:
    """Between which values a forecast is believed: [min − 3R, max + 3R], R = max − min."""
    low, high = float(values.min()), float(values.max())
    reach = FAR * (high - low)
    return low - reach, high + reach


def bounded(answer: np.ndarray, values: pd.Series) -> np.ndarray:
    """The answer within the band, and not below 0 when nothing ever was."""
    low, high = band(values)
    return np.clip(answer, max(low, 0.0) if values.min() >= 0 else low, high)


def _or_nothing(model: Callable[..., np.ndarray], *arguments: Any) -> np.ndarray | None:
    """The model's answer, or None when its algebra breaks down: on some short or flat series it does."""
    try:
        return model(*arguments)
    except (ValueError, ArithmeticError, IndexError, np.linalg.LinAlgError):
        return None


def _normal(middle: np.ndarray, error: np.ndarray, probabilities: list[float]) -> np.ndarray:
    z = np.array([NormalDist().inv_cdf(p) for p in probabilities])
    return middle + z[:, None] * error


def _theta(values: pd.Series, horizon: int, season: int, probabilities: list[float]) -> np.ndarray:
    """The Theta method (Assimakopoulos & Nikolopoulos 2000); it tests for a season and takes it out itself."""
    from statsmodels.tsa.forecasting.theta import ThetaModel

    fitted = ThetaModel(values, period=season, deseasonalize=season > 1).fit()
    middle = fitted.forecast(horizon).to_numpy()
    one_sd = 2 * NormalDist().cdf(-1.0)
    error = fitted.prediction_intervals(horizon, alpha=one_sd)["upper"].to_numpy() - middle
    return _normal(middle, error, probabilities)


def _components(values: pd.Series, horizon: int, season: int, probabilities: list[float]) -> np.ndarray:
    """Local linear trend plus season (Harvey 1989), on logarithms unless something was zero or negative."""
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    is_positive = bool((values > 0).all())
    seen = np.log(values) if is_positive else values
    model = UnobservedComponents(seen, level="lltrend", seasonal=season if season > 1 else None)
    ahead = model.fit(disp=False, cov_type="none").get_forecast(horizon)
    answer = _normal(ahead.predicted_mean.to_numpy(), ahead.se_mean.to_numpy(), probabilities)
    return np.exp(answer) if is_positive else answer


def _ets(values: pd.Series, horizon: int, season: int, probabilities: list[float], *, refined: int) -> np.ndarray:
    """Exponential smoothing in the best of 15 forms by AICc (Hyndman, Koehler, Ord & Snyder 2008).

    Additive or multiplicative error and season, trend none, additive or damped; no multiplicative season under additive error,
    no multiplicative trend, nothing multiplicative unless all values are positive. All forms are ranked with initial states
    from a rule of thumb; those of the best are then estimated, the costly part. A form that runs away gives way to the next.
    """
    is_short = len(values) < 10 + 2 * (season // 2)  # the rule of thumb needs more
    ranked = _fits(values, season, _forms(values, season), "estimated" if is_short else "heuristic")
    if refined and not is_short:
        ranked = _fits(values, season, [form for _, form, _ in ranked[:refined]], "estimated")
    for _, form, fitted in ranked:
        answer = _ets_quantiles(fitted, form, horizon, probabilities)
        if is_sane(answer, values):
            return answer
    raise ValueError("no form of exponential smoothing stays near the history")


def _forms(values: pd.Series, season: int) -> list[Form]:
    is_positive = bool((values > 0).all())
    errors = ("add", "mul") if is_positive else ("add",)
    trends = ((None, False), ("add", False), ("add", True))
    seasons = (None, "add", "mul") if season > 1 else (None,)
    every = [(e, t, d, s) for e, (t, d), s in itertools.product(errors, trends, seasons)]
    return [form for form in every if form[0] == "mul" or form[3] != "mul"]


def _fits(values: pd.Series, season: int, forms: list[Form], initialization: str) -> list[tuple[float, Form, Any]]:
    """AICc, form and fitted model, best first; a form with more parameters than the series can carry is left out."""
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    found = []
    for form in forms:
        error, trend, damped, seasonal = form
        n_parameters = 3 + 2 * (trend is not None) + damped + season * (seasonal is not None)
        if len(values) - n_parameters - 1 <= 0:
            continue
        model = ETSModel(
            values, error=error, trend=trend, damped_trend=damped, seasonal=seasonal,
            seasonal_periods=season if seasonal else None, initialization_method=initialization,
        )  # fmt: skip
        fitted = model.fit(disp=False)
        correction = 2 * n_parameters * (n_parameters + 1) / (len(values) - n_parameters - 1)
        aicc = -2 * fitted.llf + 2 * n_parameters + correction
        if math.isfinite(aicc):
            found.append((aicc, form, fitted))
    return sorted(found, key=lambda fit: fit[0])


def _ets_quantiles(fitted: Any, form: Form, horizon: int, probabilities: list[float]) -> np.ndarray:
    """By the formula where there is one (all additive), else by simulated futures around the forecast, always the same ones."""
    n = fitted.nobs
    if form[0] == "add":
        ahead = fitted.get_prediction(start=n, end=n + horizon - 1)
        return _normal(ahead.predicted_mean.to_numpy(), np.sqrt(ahead.forecast_variance), probabilities)
    paths = fitted.simulate(horizon, anchor="end", repetitions=PATHS, rng=np.random.default_rng(1)).to_numpy()
    spread = np.quantile(paths, probabilities, axis=1) - np.median(paths, axis=1)
    return fitted.forecast(horizon).to_numpy() + spread
