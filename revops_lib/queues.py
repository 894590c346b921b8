"""Waiting lines with many agents: how many wait, how long, and how many agents a promise needs (Erlang C, 1917)."""

from __future__ import annotations

from math import ceil, exp


def share_waiting(arrivals: float, handling: float, agents: int) -> float:
    """Share of cases that wait at all: arrivals per second at random, handled for `handling` seconds on average; 1 when the
    agents cannot keep up.

    >>> round(share_waiting(0.2, 240, 55), 6)
    0.238701
    """
    load = arrivals * handling
    if agents <= load:
        return 1.0
    blocked = 1.0  # Erlang B, by its recursion: no factorial overflows
    for n in range(1, agents + 1):
        blocked = load * blocked / (n + load * blocked)
    return blocked / (1 - load / agents * (1 - blocked))


def service_level(arrivals: float, handling: float, agents: int, within: float) -> float:
    """Share of cases that wait at most `within` seconds.

    >>> round(service_level(0.2, 240, 55, 15), 6)
    0.845883
    """
    load = arrivals * handling
    if agents <= load:
        return 0.0
    return 1 - share_waiting(arrivals, handling, agents) * exp(-(agents - load) * within / handling)


def agents_needed(arrivals: float, handling: float, within: float, target: float) -> int:
    """The fewest agents with whom the share `target` (below 1) waits at most `within` seconds.

    >>> agents_needed(0.2, 240, 20, 0.8)
    54
    """
    agents = max(ceil(arrivals * handling), 1)
    while service_level(arrivals, handling, agents, within) < target:
        agents += 1
    return agents
