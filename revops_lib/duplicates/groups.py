"""Pairs that belong together."""

from __future__ import annotations

from collections.abc import Hashable

import pandas as pd

SHARE = 1 / 3  # two groups become one when at least this share of the pairs between them is proposed
Pair = tuple[Hashable, Hashable]


def clusters(pairs: pd.DataFrame) -> pd.DataFrame:
    """Groups of records that look like one, one row per record of a group: cluster, key, n (records in it), score, reason.

    Groups grow from the best pair down; two become one when at least a third of the pairs between them is proposed, so that a
    chain of pairs does not tie everything together. score (0–1) is that of the weakest link, reason says what that link is.
    Clusters are numbered from 1, largest first. `pairs`: columns first, second, score, reason, as `proposals.pairs` makes them.

    >>> made = [("A", "B", 0.99, "same phone"), ("B", "C", 0.97, "same name")]
    >>> clusters(pd.DataFrame(made, columns=["first", "second", "score", "reason"]))
       cluster key  n  score           reason
    0        1   A  3   0.97  B, C: same name
    1        1   B  3   0.97  B, C: same name
    2        1   C  3   0.97  B, C: same name
    """
    links = pairs.sort_values("score", ascending=False, kind="stable", ignore_index=True)
    ends = list(zip(links["first"], links["second"], strict=True))
    group, weakest = _grown(ends)
    links = links.assign(reason=[f"{a}, {b}: {reason}" for (a, b), reason in zip(ends, links["reason"], strict=True)])
    table = pd.DataFrame({"key": pd.Series(list(group), dtype=links["first"].dtype), "group": list(group.values())})
    link = table["group"].map(weakest).astype("int64").to_numpy()
    table = table.assign(
        score=links["score"].astype(float).to_numpy()[link], reason=links["reason"].astype("str").take(link).array
    )
    by_group = table.groupby("group")["key"]
    table = table.assign(n=by_group.transform("size"), least=by_group.transform("min"))
    table = table.sort_values(["n", "least", "key"], ascending=[False, True, True], ignore_index=True)
    return table.assign(cluster=table["group"].factorize()[0] + 1)[["cluster", "key", "n", "score", "reason"]]


def _grown(ends: list[Pair]) -> tuple[dict[Hashable, int], dict[int, int]]:
    """Number of the group of every record, and per group the number of its weakest link. `ends` come best first.

    A pair refused once is asked again: its groups may have grown towards each other through others.
    """
    group: dict[Hashable, int] = {}
    for record in (record for pair in ends for record in pair):
        group.setdefault(record, len(group))
    members = {number: [record] for record, number in group.items()}
    links: dict[int, dict[int, int]] = {number: {} for number in members}
    for one, other in ends:
        links[group[one]][group[other]] = links[group[other]][group[one]] = 1
    weakest: dict[int, int] = {}
    waiting = list(enumerate(ends))
    while True:
        refused = []
        for k, (one, other) in waiting:
            a, b = group[one], group[other]
            if a == b:
                continue
            if links[a][b] < SHARE * len(members[a]) * len(members[b]):
                refused.append((k, (one, other)))
                continue
            for record in members[b]:
                group[record] = a
            members[a] += members.pop(b)
            for third, n in links.pop(b).items():
                del links[third][b]
                if third != a:
                    links[a][third] = links[third][a] = links[a].get(third, 0) + n
            weakest[a] = max(k, weakest.get(a, 0), weakest.pop(b, 0))
        if len(refused) == len(waiting) or not refused:
            return {record: number for record, number in group.items() if len(members[number]) > 1}, weakest
        waiting = refused
