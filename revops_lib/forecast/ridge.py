"""A logistic regression that stays calm with few cases: coefficients are shrunk towards 0."""

from __future__ import annotations

import numpy as np

PENALTY = 2.0  # 1 / variance of the normal prior on a coefficient of a standardised column
STEPS = 30
DECAY = 0.95  # weight of a quarter relative to the one after it, for whoever learns from quarters


class Ridge:
    """P(y) = 1 / (1 + exp(−x·b)), fitted by Newton steps with a normal prior on every coefficient but the first (the constant).

    Columns are standardised with the weights; a column that does not vary gets the coefficient 0.
    Source: le Cessie & van Houwelingen 1992.

    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> model = Ridge(x, np.array([0, 0, 1, 1]))
    >>> bool(model.log_odds(np.array([[3.0]]))[0] > 0 > model.log_odds(np.array([[0.0]]))[0])
    True
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None, *, penalty: float = PENALTY) -> None:
        w = np.ones(len(y)) if weights is None else weights
        total = w.sum()
        self._mean = w @ x / total
        spread = np.sqrt(np.maximum(w @ (x - self._mean) ** 2 / total, 0))
        self._scale = np.where(spread > 1e-9, spread, np.inf)
        z = self._standardised(x)
        prior = np.full(z.shape[1], penalty)
        prior[0] = 1e-6

        def height(b: np.ndarray) -> tuple[np.ndarray, float]:
            """Log-odds, and log-likelihood with log-prior: what is climbed."""
            odds = z @ b
            return odds, float(w @ (y * odds - np.logaddexp(0, odds)) - prior @ b**2 / 2)

        b = np.zeros(z.shape[1])
        b[0] = np.log((w @ y + 0.5) / (w @ (1 - y) + 0.5))
        odds, reached = height(b)
        for _ in range(STEPS):
            p = 1 / (1 + np.exp(-odds))
            slope = z.T @ (w * (y - p)) - prior * b
            curve = (z * (w * p * (1 - p))[:, None]).T @ z + np.diag(prior)
            step = np.linalg.solve(curve, slope)
            odds, found = height(b + step)
            while found < reached - 1e-9 * abs(reached):  # few cases: a full step may leap over the top
                step = step / 2
                odds, found = height(b + step)
            b, reached = b + step, found
            if np.abs(step).max() < 1e-4:  # the next step would be of its square
                break
        self._coefficients = b
        self.slopes = b[1:] / self._scale  # per unit of each column

    def log_odds(self, x: np.ndarray) -> np.ndarray:
        return self._standardised(x) @ self._coefficients

    def chance(self, x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-self.log_odds(x)))

    def _standardised(self, x: np.ndarray) -> np.ndarray:
        return np.column_stack([np.ones(len(x)), (x - self._mean) / self._scale])
