"""Whom is sold to, what, and where it came from: accounts, products, leads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .. import money, tables
from .world import CURRENCY, REGIONS, SEGMENTS, World

PER_SEGMENT = (850, 500, 290)  # accounts at scale 1
REGION_SHARES = (0.46, 0.27, 0.27)  # the North has two teams
COUNTRIES = {"North": ("Germany", "Netherlands", "Sweden"), "South": ("Italy", "Spain"), "West": ("France", "Ireland")}
INDUSTRIES = ("Manufacturing", "Retail", "Finance", "Health", "Logistics", "Software")
EMPLOYEES = ((8, 99), (100, 999), (1_000, 20_000))

PRODUCTS = pd.DataFrame(
    [
        ("P1", "Core", "Platform", "6000.00", "2020-01-01"),
        ("P2", "Plus", "Platform", "18000.00", "2020-01-01"),
        ("P3", "Insight", "Platform", "48000.00", "2024-02-01"),
        ("P4", "Onboarding", "Services", "5000.00", "2020-01-01"),
        ("P5", "Integration", "Services", "25000.00", "2020-01-01"),
        ("P6", "Advisory", "Services", "40000.00", "2020-01-01"),
    ],
    columns=["product_id", "name", "family", "list_price", "launch_date"],
)
# Which product a segment buys, before and after the launch of Insight.
PRODUCT_SHARES = np.array([
    [0.58, 0.14, 0.08, 0.14, 0.04, 0.02],
    [0.20, 0.40, 0.14, 0.06, 0.14, 0.06],
    [0.05, 0.35, 0.28, 0.02, 0.16, 0.14],
])  # fmt: skip
# Leads that come to nothing, per deal of the source.
NOT_CONVERTED = {"inbound": 3.0, "outbound": 2.2, "partner": 0.7, "event": 3.5}


@dataclass(frozen=True)
class Accounts:
    segment: np.ndarray
    region: np.ndarray
    frame: pd.DataFrame  # without owner

    def of_segment(self, segment: int) -> np.ndarray:
        return np.flatnonzero(self.segment == segment)


def products() -> pd.DataFrame:
    return tables.conform("products", PRODUCTS.assign(
        list_price=PRODUCTS["list_price"].astype(money.DTYPE), currency=CURRENCY,
        launch_date=pd.to_datetime(PRODUCTS["launch_date"])))  # fmt: skip


def accounts(world: World) -> Accounts:
    rng = world.dice.rng("accounts")
    segment = rng.permutation(np.repeat(np.arange(3), [max(3, round(n * world.scale)) for n in PER_SEGMENT]))
    n = len(segment)
    region = rng.choice(3, n, p=REGION_SHARES)
    low, high = np.log(np.array(EMPLOYEES, dtype=float)).T
    ids = np.array([f"A{i:05d}" for i in range(1, n + 1)], dtype=object)
    # Subsidiaries belong to a large account, which itself belongs to nobody.
    parent = np.where((segment < 2) & (rng.random(n) < 0.08), ids[rng.choice(np.flatnonzero(segment == 2), n)], None)
    chosen = rng.random(n)
    frame = pd.DataFrame({
        "account_id": ids, "name": [f"Customer {i:04d}" for i in range(1, n + 1)], "parent_id": parent,
        "segment": np.array(SEGMENTS, dtype=object)[segment],
        "industry": np.array(INDUSTRIES, dtype=object)[rng.integers(0, len(INDUSTRIES), n)],
        "region": np.array(REGIONS, dtype=object)[region],
        "country": [_country(REGIONS[r], c) for r, c in zip(region, chosen, strict=True)],
        "n_employees": np.exp(low[segment] + rng.random(n) * (high - low)[segment]).astype(int),
    })  # fmt: skip
    return Accounts(segment, region, frame)


def _country(region: str, chance: float) -> str:
    return COUNTRIES[region][int(chance * len(COUNTRIES[region]))]


def leads(world: World, opportunities: pd.DataFrame, first_owner: np.ndarray) -> pd.DataFrame:
    """One lead per deal, accepted the moment the deal is created, and the leads that came to nothing.

    Copies of a deal have no lead of their own and are not in `opportunities` here.
    """
    rng = world.dice.rng("leads")
    n = len(opportunities)
    created = opportunities["created_at"].to_numpy().astype("datetime64[s]").astype(np.int64)
    source = opportunities["source"].to_numpy(dtype=object)
    waited = (rng.gamma(2.0, 6.0, n) * 86_400).astype(np.int64)
    won = {
        "created_at": created - waited, "mql_at": created - (waited * rng.uniform(0.1, 0.9, n)).astype(np.int64),
        "sql_at": created, "source": source, "account_id": opportunities["account_id"].to_numpy(dtype=object),
        "opportunity_id": opportunities["opportunity_id"].to_numpy(dtype=object), "owner_id": first_owner,
    }  # fmt: skip
    parent = np.repeat(np.arange(n), rng.poisson([NOT_CONVERTED[s] for s in source]))
    failed = _failed(world, rng, created[parent] + (rng.normal(0, 10, len(parent)) * 86_400).astype(np.int64))
    failed |= {"source": source[parent], "owner_id": first_owner[parent]}
    both = pd.concat([pd.DataFrame(won), pd.DataFrame(failed)], ignore_index=True)
    both = both.sort_values(["created_at", "opportunity_id"], kind="stable", ignore_index=True)
    both["lead_id"] = [f"L{i:06d}" for i in range(1, len(both) + 1)]
    for column in ("created_at", "mql_at", "sql_at", "disqualified_at"):
        both[column] = pd.to_datetime(both[column], unit="s")
    return tables.conform("leads", both)


def _failed(world: World, rng: np.random.Generator, created: np.ndarray) -> dict[str, np.ndarray]:
    """Leads without a deal: most never qualify; what lies beyond the data's end has not happened yet."""
    end = (int(world.calendar.stop[world.calendar.n_known - 1])) * 86_400 - 1
    n = len(created)
    created = np.minimum(created, end - rng.integers(0, 86_400 * 5, n))
    reached = rng.random(n)
    mql = np.where(reached < 0.45, created + (rng.gamma(2.0, 4.0, n) * 86_400).astype(np.int64), np.nan)
    sql = np.where(reached < 0.12, mql + rng.gamma(2.0, 4.0, n) * 86_400 // 1, np.nan)
    last = np.fmax(np.fmax(created, mql), sql)
    dropped = np.where(rng.random(n) < 0.85, last + rng.gamma(2.0, 10.0, n) * 86_400 // 1, np.nan)
    mql, sql, dropped = (np.where(moment > end, np.nan, moment) for moment in (mql, sql, dropped))
    return {"created_at": created, "mql_at": mql, "sql_at": sql, "disqualified_at": dropped}
