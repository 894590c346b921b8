"""Group-time effects averaged, and whether treated and controls moved alike before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from .effects import Effects, with_intervals
from .panel import require, shares

KINDS = ("simple", "group", "event", "calendar")
DRAWS = 10_000  # of the largest of several effects


def aggregate(effects: Effects, kind: str = "simple") -> Effects:
    """Group-time effects averaged: `rows` has one row per member and the last one, "overall".

    `kind` (Callaway & Sant'Anna 2021, section 3): "simple", only overall, each group and period since its start by its
    treated units; "group", each group's mean over its periods, overall by the groups' sizes; "event", each offset over groups
    by treated units, those before the start too, overall the mean of offsets from 0 on; "calendar", each period, overall
    their mean. Columns: member, att, se, df, low, high, n_treated (the most that a comparison had), pre. Effects that are not
    known are left out. UsageError for an unknown kind.
    """
    require(kind, KINDS, "kind")
    rows = effects.rows
    known, post = rows["att"].notna().to_numpy(), rows["offset"].to_numpy(int) >= 0
    size = rows["n_treated"].to_numpy(float)
    by = {"simple": "offset", "group": "group", "event": "offset", "calendar": "period"}[kind]
    used = known & (post | (kind == "event"))
    members = [] if kind == "simple" else sorted(rows.loc[used, by].unique())
    each = [used & (rows[by] == member).to_numpy() for member in members]
    columns = [shares(one * (1.0 if kind == "group" else size)) for one in each]
    late = [bool(post[one].all()) for one in each]
    heft = [(size[one].max() if kind == "group" else 1.0) * is_late for one, is_late in zip(each, late, strict=True)]
    overall = used * size if kind == "simple" else sum((h * c for h, c in zip(heft, columns, strict=True)), np.zeros(len(rows)))
    matrix = np.array([*columns, shares(overall)]).T
    labels = pd.DataFrame({
        "member": pd.Series([*members, "overall"], dtype=object),
        "pre": [*(bool(rows.loc[one, "pre"].any()) for one in each), False],
        "n_treated": [int((size * (column > 0)).max(initial=0)) for column in matrix.T],
    })  # fmt: skip
    att = np.where(matrix.any(axis=0), rows["att"].to_numpy()[known] @ matrix[known], np.nan)  # nothing to average: not known
    design, influence = np.tensordot(matrix.T, effects.design, axes=1), effects.influence[:, known] @ matrix[known]
    found = with_intervals(Effects(labels, influence, design, effects.clusters, effects.level), att)
    return replace(found, rows=found.rows[["member", "att", "se", "df", "low", "high", "n_treated", "pre"]])


def simultaneous(effects: Effects) -> Effects:
    """The same effects with intervals that hold for all of them at once with the chance `level` (Callaway & Sant'Anna 2021,
    section 4): as many standard errors wide as the largest of the effects is in that share of draws of normal errors of
    the clusters, and as much wider as Student's t asks of each. The draws are the same every time.
    """
    from scipy import stats

    rows = effects.rows
    ratio = effects.influence / np.where(rows["se"].notna(), rows["se"], np.inf)
    largest = np.abs(np.random.default_rng(0).normal(size=(DRAWS, len(ratio))) @ ratio).max(axis=1, initial=0)
    wider = stats.t.ppf(0.5 + effects.level / 2, rows["df"]) / stats.norm.ppf(0.5 + effects.level / 2)
    half = max(np.quantile(largest, effects.level), stats.norm.ppf(0.5 + effects.level / 2)) * wider * rows["se"]
    return replace(effects, rows=rows.assign(low=rows["att"] - half, high=rows["att"] + half))


def pre_trend(effects: Effects, *, last: int | None = None) -> dict[str, float]:
    """Whether treated and controls moved alike before: tests that every effect before the start is 0.

    Wald's statistic W jointly, with its small-sample correction (Hotelling 1931): F = W × (G − K) ÷ (K × (G − 1)) with K
    effects and G clusters. `p_each` is the smallest p value of the K effects alone times K (Bonferroni): the one to believe
    with few units, where F rejects too often. With `last` groups are averaged by offset and only the last so many before the
    start are tested: few units cannot carry more. Keys: wald, f, df1 (K), df2 (G − K), p, p_each; missing where it is not
    identified: nothing before the start; F also with as many effects as clusters.
    """
    from scipy import stats

    tested = effects if last is None else aggregate(effects, "event")
    rows = tested.rows
    used = (rows["pre"].astype(bool) & rows["se"].notna()).to_numpy()
    if last is not None:
        used = used & np.array([offset != "overall" and offset >= -last for offset in rows["member"]])
    part, influence = rows[used], tested.influence[:, used]
    values, k, g = part["att"].to_numpy(), int(used.sum()), int((influence != 0).any(axis=1).sum())
    found = dict.fromkeys(("wald", "f", "df1", "df2", "p", "p_each"), np.nan)
    if k == 0:
        return found
    found["p_each"] = min(1.0, float(k * 2 * stats.t.sf((part["att"] / part["se"]).abs(), part["df"]).min()))
    if g - k < 1 or np.linalg.matrix_rank(influence) < k:
        return found
    wald = float(values @ np.linalg.solve(influence.T @ influence, values))
    f = wald * (g - k) / (k * (g - 1))
    return {**found, "wald": wald, "f": f, "df1": k, "df2": g - k, "p": float(stats.f.sf(f, k, g - k))}
