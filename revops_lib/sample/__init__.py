"""A made-up B2B company with known truth: deals, people, money and six planted facts.

`world` holds its laws (calendar, hazards, dice), `people` who sells, `market` to whom and what, `arrivals` the new
deals, `deals` plays the weeks into `events`, `oracle` looks ahead with the true hazards, `records`, `ledger`,
`agreements`, `learning` and `submissions` turn the story into canonical tables, `truth` tells it. `variants` are companies
with one other law.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from .. import tables
from ..errors import UsageError
from . import agreements, arrivals, deals, learning, ledger, market, oracle, people, records, submissions, variants
from . import truth as story
from . import world as laws

ORACLE_PATHS, FEW_PATHS, LARGEST_WITH_ORACLE = 300, 8, 4.0


def write(directory: Path, *, seed: int = 1, scale: float = 1.0, **options: Any) -> dict[str, Any]:
    """Invent a company and lay it in `directory` as a dataset with `truth.yml` and `README.md`; returns the truth.

    The same seed and scale give the same bytes. `scale` multiplies deals, accounts and reps; 1 is about 50 wins a
    quarter at the end; `options` are those of `generate`. Raises UsageError for a scale outside 0.1 to 1000,
    CannotWrite when the folder holds anything but a dataset.
    """
    frames, truth = generate(seed, scale, **options)
    dataset = {
        "name": "sample", "known_until": laws.KNOWN_UNTIL.isoformat(), "timezone": laws.TIMEZONE,
        "fiscal_year_end": "DEC", "currency": laws.CURRENCY, "tracked": list(tables.TRACKED),
        "files": [], "aliases": [], "quarantined": [],
    }  # fmt: skip
    tables.write(directory, frames, dataset, {"truth.yml": story.text(truth), "README.md": story.readme(truth)})
    return truth


def generate(
    seed: int = 1, scale: float = 1.0, *, bottleneck: bool | Mapping[str, Any] = True,
    drop: bool | Mapping[str, Any] = True, training: bool = True, duplicates: bool = True, fault: bool = True,
    qualification: bool = True, variant: str | None = None, oracle_paths: int | None = None,
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:  # fmt: skip
    """Canonical tables of a made-up company, and its truth; each planted fact can be left out, two can be another.

    `bottleneck`: stage, segment (None: all), from (first day, the start of a week) and multiplier of the advance hazard.
    `drop`: driver (`world.DRIVERS`), segment and source (None: all; a source only for new opportunities), from, multiplier.
    What a mapping leaves out is as in the usual company. `training` False: people are trained, and nothing changes by it;
    `qualification` False: the scores of a deal's letters say nothing about the deal.
    `variant` names one law that is not the usual company's (`variants.VARIANTS`): skips, regime, gaming, late_logged or
    reopened; the oracle knows it. A deal that neither a planted fact nor the variant touches has the same history with
    and without it. `oracle_paths` is the number of simulated paths behind the oracle; 0 (the default above scale 4)
    leaves it out of the truth, and submitted forecasts then rest on few paths. Raises UsageError for a scale outside
    0.1 to 1000, a negative seed or an unknown variant.
    """
    if not (0.1 <= scale <= 1_000 and seed >= 0):
        raise UsageError(f"seed {seed} or scale {scale:g} is out of range", "sample",
                         "use a seed from 0 on and a scale from 0.1 to 1000")  # fmt: skip
    slow, fall = (
        {**usual, **(given if isinstance(given, Mapping) else {})} if given else None
        for usual, given in ((laws.BOTTLENECK, bottleneck), (laws.DROP, drop))
    )
    world = laws.world(seed, scale, bottleneck=slow, drop=fall, variant=variants.named(variant))
    staff, accounts = people.hire(world, training=training), market.accounts(world)
    played = deals.play(world, staff, arrivals.arrive(world, staff, accounts))
    recorded = records.record(world, staff, accounts, played, duplicates=duplicates, fault=fault)
    paths = (ORACLE_PATHS if scale <= LARGEST_WITH_ORACLE else 0) if oracle_paths is None else oracle_paths
    outlooks = oracle.look_ahead(world, staff, played, paths=paths or FEW_PATHS)
    planted = {"bottleneck": slow, "drop": fall, "training": training, "duplicates": duplicates, "fault": fault}
    planted["qualification"] = qualification
    truth = story.tell(world, staff, played, recorded, outlooks if paths else None, planted)
    frames = _frames(world, staff, accounts, played, recorded, outlooks)
    log_odds = laws.QUALIFICATION["log_odds"] if qualification else 0.0
    frames["trainings"] = learning.trainings(world, staff)
    frames["qualifications"] = learning.qualifications(world, recorded, played.arrivals.quality, log_odds=log_odds)
    return frames, truth


def _frames(world: laws.World, staff: people.Staff, accounts: market.Accounts, played: deals.Played,
            recorded: records.Records, outlooks: list[oracle.Outlook]) -> dict[str, pd.DataFrame]:  # fmt: skip
    opportunities = records.opportunities(world, recorded, staff, accounts)
    ids = recorded.deals["opportunity_id"].to_numpy(dtype=object)
    led = opportunities[opportunities["opportunity_id"].isin(ids[: len(played.arrivals)])]  # copies have no lead
    won = opportunities.set_index("opportunity_id").loc[ids[played.won], ["close_date", "amount"]].reset_index()
    credits, signed = ledger.credits(world, staff, played, ids), agreements.contracts(world, played, won)
    questioned = agreements.disputes(staff, won, credits)
    leads = market.leads(world, led, staff.ids[played.arrivals.owner])
    return {
        "stages": _stages(),
        "accounts": _accounts(world, staff, accounts, opportunities),
        "reps": staff.frame,
        "products": market.products(),
        "leads": leads,
        "opportunities": opportunities,
        "opportunity_history": records.history(recorded, staff),
        "forecast_submissions": submissions.submissions(world, staff, outlooks),
        "quotas": ledger.quotas(world, staff),
        "credits": credits,
        "contracts": signed,
        "invoices": agreements.invoices(world, played, won, signed),
        "objectives": agreements.objectives(world, staff),
        "disputes": questioned,
        "adjustments": agreements.adjustments(questioned),
        "subscriptions": ledger.subscriptions(world, played, accounts),
        "spend": agreements.spend(world, staff, leads),
    }


def _stages() -> pd.DataFrame:
    n = len(laws.OPEN_STAGES)
    return tables.conform("stages", pd.DataFrame({
        "stage": laws.STAGES, "position": range(1, n + 3), "status": ["open"] * n + ["won", "lost"],
        "probability": [*laws.PROBABILITIES, 1.0, 0.0],
    }))  # fmt: skip


def _accounts(world: laws.World, staff: people.Staff, accounts: market.Accounts,
              opportunities: pd.DataFrame) -> pd.DataFrame:  # fmt: skip
    """Accounts with their owner: who owns the latest deal if still selling, else a colleague of the region."""
    last = world.calendar.n_known - 1
    latest = opportunities.sort_values("created_at", kind="stable").groupby("account_id")["owner_id"].last()
    owner = accounts.frame["account_id"].map(latest)
    missing = ~owner.isin(staff.ids[staff.load[last] > 0]).to_numpy()
    chance = world.dice.rng("account owners").random(len(owner))
    chosen = owner.to_numpy(dtype=object)
    rep = staff.fit(last, accounts.segment[missing], accounts.region[missing], chance[missing])
    chosen[missing] = staff.ids[rep]
    return tables.conform("accounts", accounts.frame.assign(owner_id=chosen))
