"""Two groups, two times."""

from __future__ import annotations

import pandas as pd


def two_by_two(
    frame: pd.DataFrame, *, outcome: str, treated: str, after: str, cluster: str | None = None, level: float = 0.95
) -> dict[str, float]:
    """Two groups, two times, ordinary least squares: the coefficient of `treated` × `after` (both 0/1 or boolean).

    Standard errors are classical, or clustered with t(G − 1) when `cluster` names a column. Rows with anything missing are left
    out. Keys: att, se, low, high, n, n_clusters (missing without clusters).
    """
    import statsmodels.api as sm

    used = frame[[outcome, treated, after, *([cluster] if cluster else [])]].dropna()
    d, t = used[treated].astype("float64"), used[after].astype("float64")
    model = sm.OLS(used[outcome].astype("float64"), pd.DataFrame({"one": 1.0, "treated": d, "after": t, "both": d * t}))
    by = pd.factorize(used[cluster])[0] if cluster else None
    fit = model.fit() if by is None else model.fit(cov_type="cluster", cov_kwds={"groups": by}, use_t=True)
    low, high = fit.conf_int(1 - level).loc["both"]
    clusters = float("nan") if by is None else by.max() + 1
    return {"att": fit.params["both"], "se": fit.bse["both"], "low": low, "high": high, "n": len(used), "n_clusters": clusters}
