"""What is true of the made-up company: every number behind it and every planted fact, as plain data and as text."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import periods
from . import submissions
from . import world as laws
from .events import Played
from .oracle import Outlook
from .people import FOREVER, TEAMS, Staff
from .records import Records
from .variants import differences
from .world import OPEN_STAGES, SEGMENTS, World, date_of

FIRST_SCORED = "2022Q1"


def tell(world: World, staff: Staff, played: Played, records: Records, outlooks: list[Outlook] | None,
         planted: dict[str, Any]) -> dict[str, Any]:  # fmt: skip
    """The truth of a generated company; without `outlooks` the oracle is None."""
    return {
        "seed": world.dice.seed - laws.COMPANIES,
        "scale": world.scale,
        "planted": {fact: bool(how) for fact, how in planted.items()},
        "variant": _variant(world, staff),
        "bottleneck": _bottleneck(planted["bottleneck"]) if planted["bottleneck"] else None,
        "drop": _drop(planted["drop"]) if planted["drop"] else None,
        "training": _training(staff) if planted["training"] else None,
        "duplicates": _duplicates(records) if planted["duplicates"] else None,
        "data_entry_fault": _fault(records) if planted["fault"] else None,
        "qualification": _qualification() if planted["qualification"] else None,
        "model": _model(),
        "shock": {str(q): round(float(z), 4) for q, z in zip(world.calendar.quarters, world.shock, strict=True)},
        "rep_segment": {staff.ids[i]: SEGMENTS[staff.focus[i]] for i in _sellers(staff)},
        "rep_effect": {staff.ids[i]: round(float(staff.skill[i]), 4) for i in _sellers(staff)},
        "submissions": {
            "log_bias": submissions.BIAS, "log_noise_sd": submissions.NOISE, "rep_noise_sd": submissions.REP_NOISE,
            "formula": "closed + to come × exp(bias + noise of the date + noise of the rep), per rep",
            "managers": {
                "log_bias": {week: round((1 - submissions.MANAGERS_REMOVE) * bias, 4)
                             for week, bias in submissions.BIAS.items()},
                "manager_noise_sd": submissions.MANAGER_NOISE,
                "formula": "the team's closed + (the team's submissions - closed) × exp(noise of the manager - bias taken"
                           " out), per manager; the noise of the date stays",
            },
        },
        "counts": _counts(played),
        "bookings": _bookings(world, played),
        "oracle": _oracle(world, played, outlooks) if outlooks is not None else None,
    }  # fmt: skip


def _variant(world: World, staff: Staff) -> dict[str, Any] | None:
    """The law that is not the usual company's, and who games when some do."""
    changed = differences(world.variant)
    gamers = {"gaming_reps": staff.ids[staff.gamers].tolist()} if staff.gamers.any() else {}
    return {**changed, **gamers} if changed else None


def _bottleneck(fact: dict[str, Any]) -> dict[str, Any]:
    return {"what": "advance hazard of one stage in one segment", **fact, "log_effect": _log(fact["multiplier"])}


def _drop(fact: dict[str, Any]) -> dict[str, Any]:
    partner = laws.SOURCE_SHARES[:, laws.SOURCES.index("partner")]
    return {
        "what": f"{laws.DRIVERS[fact['driver']]}, of one source or segment; bookings fall", **fact,
        "log_effect": _log(fact["multiplier"]), "quarter": "2026Q3",
        "share_of_new_before": dict(zip(SEGMENTS, partner.tolist(), strict=True)),
    }  # fmt: skip


def _training(staff: Staff) -> dict[str, Any]:
    trained = [i for i in _sellers(staff) if staff.trained[i] < FOREVER]
    return {
        "what": "advance hazard of a trained rep's deals in all stages; who joins a trained team later is trained then",
        "multiplier": laws.TRAINING_MULTIPLIER, "log_effect": _log(laws.TRAINING_MULTIPLIER),
        "teams": {team: laws.TRAINING.get(team) for team in TEAMS},
        "reps": {staff.ids[i]: date_of(staff.trained[i]) for i in trained},
        "never": [staff.ids[i] for i in _sellers(staff) if staff.trained[i] == FOREVER],
    }  # fmt: skip


def _duplicates(records: Records) -> dict[str, Any]:
    ids = records.deals["opportunity_id"].to_numpy(dtype=object)
    pairs = [{"original": ids[a], "copy": ids[b]} for a, b in records.copies.itertuples(index=False)]
    return {"what": "deals entered twice; the copy is lost as duplicate after 3 to 12 weeks or still open",
            "n": len(pairs), "pairs": pairs}  # fmt: skip


def _fault(records: Records) -> dict[str, Any]:
    ids = records.deals["opportunity_id"].to_numpy(dtype=object)[records.faulty].tolist()
    fact = laws.FAULT
    return {"what": "amount 1.00 typed when creating a deal; the real amount comes only with the win",
            "team": fact["team"], "from": fact["from"], "share": fact["share"], "n": len(ids),
            "opportunity_ids": ids}  # fmt: skip


def _qualification() -> dict[str, Any]:
    return {
        "what": "log odds of each score or more, per standard deviation of the deal's quality; quality makes deals advance and"
                " keeps them from being lost, the scores themselves do nothing",
        **laws.QUALIFICATION,
        "filled_in_means": "share of won deals of which everything is scored 3 some days after the win, planted or not",
    }  # fmt: skip


def _model() -> dict[str, Any]:
    def table(hazards: np.ndarray) -> dict[str, dict[str, float]]:
        return {s: dict(zip(OPEN_STAGES, row.tolist(), strict=True)) for s, row in zip(SEGMENTS, hazards, strict=True)}

    def by_segment(values: np.ndarray) -> dict[str, float]:
        return {s: round(float(v), 4) for s, v in zip(SEGMENTS, values, strict=True)}

    return {
        "step": "week of the calendar quarter; week 13 lasts until the quarter's end",
        "chance_to_move": "1 - exp(-(advance + lost) × weeks in the step), shared in proportion",
        "advance": "table × exp(quality effect + rep effect + training + ramp + shock + stay effect; when contracting"
                   " also rush + season)",
        "lost": "table × exp(quality effect + age effect × weeks since creation)",
        "advance_hazard": table(laws.ADVANCE), "lost_hazard": table(laws.LOSS),
        "quality_effect": {"sd": 1.0, "advance": laws.QUALITY_ON_ADVANCE, "lost": laws.QUALITY_ON_LOSS},
        "age_effect": laws.AGE_ON_LOSS,
        "stay_effect": {"per_week": round(laws.STAY_ON_ADVANCE, 5), "up_to_weeks": laws.STAY_LIMIT},
        "rush_by_week": {w: float(laws.RUSH[w]) for w in range(1, 14)},
        "closing_season": laws.CLOSING_SEASON.tolist(),
        "arrivals_per_week": by_segment(laws.ARRIVALS), "growth_per_week": laws.GROWTH,
        "arrival_season": laws.SEASON.tolist(),
        "source_shares": {s: dict(zip(laws.SOURCES, row.tolist(), strict=True))
                          for s, row in zip(SEGMENTS, laws.SOURCE_SHARES, strict=True)},
        "amount_median": by_segment(np.exp(laws.LOG_AMOUNT)), "amount_log_sd": by_segment(laws.LOG_AMOUNT_SD),
        "won_amount": {"log_mean": laws.DISCOUNT, "log_sd": laws.DISCOUNT_SD},
        "shock": {"rho": laws.SHOCK_RHO, "sd": laws.SHOCK_SD}, "rep_sd": laws.REP_SD,
        "ramp": {"weeks": laws.RAMP_WEEKS, "log_effect_on_first_day": laws.RAMP_EFFECT},
    }  # fmt: skip


def _counts(played: Played) -> dict[str, Any]:
    return {
        "wins_recorded_late": int(played.late.sum()),
        "wins_recorded_in_a_later_quarter": int(played.late_quarter.sum()),
        "deals_reopened": int(played.reopened.sum()),
    }


def _bookings(world: World, played: Played) -> dict[str, dict[str, float]]:
    """Per quarter of the close date: wins and their amount in EUR."""
    cal, won = world.calendar, played.won
    quarter = cal.quarter[played.won_step[won]]
    cents = np.bincount(quarter, played.final_cents[won], len(cal.quarters))
    wins = np.bincount(quarter, minlength=len(cal.quarters))
    return {str(q): {"wins": int(n), "amount": round(float(c) / 100, 2)}
            for q, n, c in zip(cal.quarters, wins, cents, strict=True)}  # fmt: skip


def _oracle(world: World, played: Played, outlooks: list[Outlook]) -> list[dict[str, Any]]:
    """Bookings of complete quarters: mean and quantiles from the true model at the start of a week, and what came."""
    cal, actual = world.calendar, _bookings(world, played)
    rows = []
    for view in outlooks:
        quarter = cal.quarters[cal.quarter[view.step]]
        if not periods.quarter(FIRST_SCORED) <= quarter < cal.quarters[-1]:
            continue
        total = view.closed.sum() + view.paths
        low, middle, high = np.quantile(total, [0.1, 0.5, 0.9])
        rows.append({
            "quarter": str(quarter), "week": int(cal.week[view.step]), "paths": len(total),
            "mean": _euro(total.mean()), "p10": _euro(low), "p50": _euro(middle), "p90": _euro(high),
            "closed": _euro(view.closed.sum()), "actual": _euro(actual[str(quarter)]["amount"]),
        })  # fmt: skip
    return rows


def _sellers(staff: Staff) -> list[int]:
    return np.flatnonzero(staff.role == "account_executive").tolist()


def _log(multiplier: float) -> float:
    return round(float(np.log(multiplier)), 4)


def _euro(value: float) -> int:
    return round(float(value))


def text(truth: dict[str, Any]) -> str:
    import yaml

    class Plain(yaml.SafeDumper):
        """Never writes anchors: a number that stands twice is written twice."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    head = "# What is true of this made-up company, written by `revops sample`. Amounts in EUR, effects as logs.\n"
    return head + yaml.dump(truth, Dumper=Plain, sort_keys=False, default_flow_style=None, width=120,
                            allow_unicode=True)  # fmt: skip


def readme(truth: dict[str, Any]) -> str:
    """How the dataset was made and what is planted in it."""
    return "\n".join([
        "# A made-up company with known truth",
        "",
        f"Written by `revops sample` with seed {truth['seed']} and scale {truth['scale']:g}: nothing in it exists.",
        "Deals arrive, advance and are lost by weekly hazards that differ by stage and segment and depend on the",
        "deal's quality, the rep, the age, a market shock shared by all deals of a quarter and the rush at its end.",
        "The same seed gives the same bytes. `truth.yml` holds every number, and what the best possible forecast was",
        "(`oracle`).",
        "",
        "Planted, so that methods can show that they find it:",
        "",
        *[f"- {sentence}" for sentence in _planted(truth)],
        "",
        "Also in it, as in real life: wins recorded late, re-opened deals, pushed close dates, leavers whose deals",
        "were handed over, new hires who ramp, submitted forecasts that are too high early in the quarter, and managers",
        "who take half of that out of their team's sum.",
        "",
    ])  # fmt: skip


def _planted(truth: dict[str, Any]) -> list[str]:
    sentences = []
    if law := truth["variant"]:
        sentences.append(f"Variant {law['name']}: {law['what']}.")
    if fact := truth["bottleneck"]:
        where = f"{fact['stage']} in {fact['segment'] or 'all segments'}"
        sentences.append(f"Bottleneck: {where} advances {fact['multiplier']:g} times as fast from {fact['from']} on.")
    if fact := truth["drop"]:
        what = laws.DRIVERS[fact["driver"]]
        where = " ".join(fact[key] for key in ("segment", "source") if fact.get(key)) or "all"
        sentences.append(
            f"Revenue drop in {fact['quarter']}: {what} × {fact['multiplier']:g} ({where}) from {fact['from']} on."
        )
    if fact := truth["training"]:
        days = ", ".join(f"{team} {day or 'never'}" for team, day in fact["teams"].items())
        sentences.append(f"Training: deals of trained reps advance {fact['multiplier']:g} times as fast ({days}).")
    if fact := truth["qualification"]:
        sentences.append(f"Qualification: better deals score higher from {fact['from']} on; scores do not make deals better.")
    if fact := truth["duplicates"]:
        sentences.append(f"Duplicates: {fact['n']} deals entered twice.")
    if fact := truth["data_entry_fault"]:
        habit = f"types 1.00 as amount in {fact['share']:.0%} of its new deals"
        sentences.append(f"Data-entry fault: team {fact['team']} {habit} from {fact['from']} on ({fact['n']} deals).")
    return sentences or ["nothing."]
