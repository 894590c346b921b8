"""The CRM's tables of deals: the event log, with planted duplicates and typing faults, as opportunities and history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .. import money, tables
from .arrivals import Arrivals
from .deals import OMITTED
from .events import FIELDS, Played
from .market import PRODUCTS, Accounts
from .people import TEAMS, Staff
from .world import CURRENCY, DUPLICATES, FAULT, LOST, SOURCES, STAGES, WON, World, day_number

AMOUNT, STAGE, CLOSE, CATEGORY, OWNER = (
    FIELDS.index(name) for name in ("amount", "stage", "close_date", "forecast_category", "owner_id")
)
LOST_REASONS = ("price", "competitor", "no budget", "no decision", "timing")
LOST_SHARES = (0.26, 0.24, 0.18, 0.22, 0.10)


@dataclass(frozen=True)
class Records:
    """`deals` has one row per opportunity, copies at the end; `deal` of the history is the position in it."""

    deals: pd.DataFrame
    history: pd.DataFrame
    copies: pd.DataFrame  # original and copy, positions in deals
    faulty: np.ndarray  # positions in deals


def record(world: World, staff: Staff, accounts: Accounts, played: Played, *, duplicates: bool, fault: bool) -> Records:
    arrivals = played.arrivals
    deals = pd.DataFrame({name: getattr(arrivals, name) for name in
                          ("number", "created", "segment", "source", "account", "product", "owner")})  # fmt: skip
    deals["opportunity_id"] = _identity(3 * arrivals.number)
    deals["spelling"] = 0
    would_be = _faulty(world, staff, arrivals)
    faulty = would_be if fault else would_be[:0]
    events = _with_placeholders(played, faulty)
    originals = _originals(world, deals, would_be) if duplicates else np.empty(0, dtype=np.int64)
    copies = pd.DataFrame({"original": originals, "copy": len(deals) + np.arange(len(originals))})
    rows = _copies(world, staff, accounts, deals.iloc[originals])
    events = pd.concat([events, _copied_events(world, events, copies, rows)], ignore_index=True)
    return Records(pd.concat([deals, rows], ignore_index=True), _known(world, events), copies, faulty)


def _identity(number: np.ndarray) -> np.ndarray:
    """Ids rise with the time of creation and have gaps, as in a real CRM."""
    return np.array([f"O{value:06d}" for value in 10_000 + number], dtype=object)


def _faulty(world: World, staff: Staff, arrivals: Arrivals) -> np.ndarray:
    team = staff.team[arrivals.step, arrivals.owner] == list(TEAMS).index(FAULT["team"])
    recent = arrivals.created >= day_number(FAULT["from"]) * 86_400
    return np.flatnonzero(team & recent & (world.dice.uniform("fault", arrivals.number) < FAULT["share"]))


def _with_placeholders(played: Played, faulty: np.ndarray) -> pd.DataFrame:
    """Faulty deals are created with the placeholder; only winning them brings the real amount."""
    events = played.events.copy()
    amount = events["deal"].isin(faulty) & (events["field"] == AMOUNT)
    events.loc[amount & (events["step"] == played.arrivals.step[events["deal"]]), "value"] = FAULT["placeholder_cents"]
    created = events["value"] == FAULT["placeholder_cents"]
    final = events["step"] == played.won_step[events["deal"]]
    return events[~amount | created | final]


def _originals(world: World, deals: pd.DataFrame, faulty: np.ndarray) -> np.ndarray:
    """Positions of the deals that are entered twice, none of them faulty and none of the last days."""
    last = int(world.calendar.stop[world.calendar.n_known - 1]) - 7
    number, day = deals["number"].to_numpy(), deals["created"].to_numpy() // 86_400
    allowed = np.setdiff1d(np.flatnonzero(day < last), faulty)
    drawn = allowed[np.argsort(world.dice.uniform("duplicate", number[allowed]), kind="stable")]
    recent = day[drawn] >= day_number(DUPLICATES["recent_from"])
    n_recent, n = round(DUPLICATES["n_recent"] * world.scale), round(DUPLICATES["n"] * world.scale)
    return np.sort(np.concatenate([drawn[recent][:n_recent], drawn[~recent][: n - n_recent]]))


def _copies(world: World, staff: Staff, accounts: Accounts, originals: pd.DataFrame) -> pd.DataFrame:
    """The same deals entered again within three days, by their owner or a colleague."""
    cal, dice, rows = world.calendar, world.dice, originals.reset_index(drop=True)
    number, created = rows["number"].to_numpy(), rows["created"].to_numpy()
    day = cal.next_workday(created // 86_400 + (dice.uniform("copy day", number) * 2).astype(np.int64))
    rows["created"] = day * 86_400 + created % 86_400 + 600 + (dice.uniform("copy time", number) * 3_000).astype(np.int64)
    step = (np.searchsorted(cal.start, day, side="right") - 1).tolist()
    cells = zip(step, dice.uniform("colleague", number), rows["segment"], accounts.region[rows["account"]], strict=True)
    colleague = np.array([staff.pick(s, np.array([c]), g, r)[0] for s, c, g, r in cells], dtype=np.int64)
    rows["owner"] = np.where(dice.uniform("copy owner", number) < 0.5, rows["owner"], colleague)
    rows["opportunity_id"] = _identity(3 * number + 1)
    rows["spelling"] = 1 + (dice.uniform("spelling", number) * 3).astype(np.int64)
    return rows


def _copied_events(world: World, events: pd.DataFrame, copies: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """A copy starts with the original's values; nobody works on it, and weeks later somebody notices."""
    number, created = rows["number"].to_numpy(), rows["created"].to_numpy()
    first = events[events["deal"].isin(copies["original"])].drop_duplicates(["deal", "field"])
    values = first.pivot(index="deal", columns="field", values="value").loc[copies["original"]]
    values[OWNER] = rows["owner"].to_numpy()
    shortest, longest = DUPLICATES["weeks_open"]
    weeks = shortest + (world.dice.uniform("weeks open", number) * (longest + 1 - shortest)).astype(np.int64)
    noticed = world.calendar.next_workday(created // 86_400 + 7 * weeks)
    moment = noticed * 86_400 + 8 * 3_600 + (world.dice.uniform("noticed", number) * 8 * 3_600).astype(np.int64)
    changes = [(field, values[field].to_numpy(), created) for field in values]
    changes += [(STAGE, LOST, moment), (CLOSE, noticed, moment), (CATEGORY, OMITTED, moment)]
    return pd.concat(
        [pd.DataFrame({"deal": copies["copy"], "field": f, "value": v, "time": t}) for f, v, t in changes],
        ignore_index=True,
    )


def _known(world: World, events: pd.DataFrame) -> pd.DataFrame:
    """Real changes up to the data's end in order of time, with the value before and who held the deal."""
    end = int(world.calendar.stop[world.calendar.n_known - 1]) * 86_400
    events = events.loc[events["time"] < end, ["deal", "time", "field", "value"]]
    events = events.sort_values(["deal", "field", "time"], kind="stable", ignore_index=True)
    same = (events["deal"].diff() == 0) & (events["field"].diff() == 0)
    events["old"] = events["value"].shift().where(same, -1).astype("int64")
    events = events[events["old"] != events["value"]]
    # At one instant the owner comes first, so that the rows after it are the owner's.
    order = events["field"].map({OWNER: -1}).fillna(events["field"])
    events = events.assign(order=order).sort_values(["deal", "time", "order"], kind="stable", ignore_index=True)
    events["by"] = events["value"].where(events["field"] == OWNER).ffill().astype("int64")
    return events.sort_values(["time", "deal", "order"], kind="stable", ignore_index=True).drop(columns="order")


def history(records: Records, staff: Staff) -> pd.DataFrame:
    events = records.history
    return tables.conform("opportunity_history", pd.DataFrame({
        "change_no": np.arange(1, len(events) + 1),
        "opportunity_id": records.deals["opportunity_id"].to_numpy(dtype=object)[events["deal"]],
        "changed_at": pd.to_datetime(events["time"], unit="s"),
        "field": np.array(FIELDS, dtype=object)[events["field"]],
        "old_value": _text(events["field"].to_numpy(), events["old"].to_numpy(), staff),
        "new_value": _text(events["field"].to_numpy(), events["value"].to_numpy(), staff),
        "changed_by": staff.ids[events["by"]],
    }))  # fmt: skip


def _text(fields: np.ndarray, values: np.ndarray, staff: Staff) -> np.ndarray:
    """Values as the history writes them; -1, before creation, is missing."""
    text = np.full(len(values), None, dtype=object)
    for field, names in ((STAGE, STAGES), (CATEGORY, tables.CATEGORIES), (OWNER, staff.ids)):
        rows = (fields == field) & (values >= 0)
        text[rows] = np.array(names, dtype=object)[values[rows]]
    rows = (fields == CLOSE) & (values >= 0)
    text[rows] = np.datetime_as_string(values[rows].astype("datetime64[D]")).astype(object)
    rows = (fields == AMOUNT) & (values >= 0)
    text[rows] = [f"{cents // 100}.{cents % 100:02d}" for cents in values[rows].tolist()]
    return text


def opportunities(world: World, records: Records, staff: Staff, accounts: Accounts) -> pd.DataFrame:
    """The current state: the last value of every field."""
    deals, events = records.deals, records.history
    last = events.groupby(["deal", "field"])["value"].last().unstack("field").to_numpy()
    state = {field: last[:, field].astype(np.int64) for field in range(len(FIELDS))}
    stage = state[STAGE]
    return tables.conform("opportunities", pd.DataFrame({
        "opportunity_id": deals["opportunity_id"],
        "account_id": accounts.frame["account_id"].to_numpy(dtype=object)[deals["account"]],
        "owner_id": staff.ids[state[OWNER]],
        "name": _names(deals, accounts),
        "type": np.where(_has_bought(deals, events), "expansion", "new"),
        "product_id": PRODUCTS["product_id"].to_numpy(dtype=object)[deals["product"]],
        "source": np.array(SOURCES, dtype=object)[deals["source"]],
        "amount": money.from_cents(pd.Series(state[AMOUNT])),
        "currency": CURRENCY,
        "stage": np.array(STAGES, dtype=object)[stage],
        "status": np.where(stage == WON, "won", np.where(stage == LOST, "lost", "open")),
        "forecast_category": np.array(tables.CATEGORIES, dtype=object)[state[CATEGORY]],
        "created_at": pd.to_datetime(deals["created"], unit="s"),
        "close_date": state[CLOSE].astype("datetime64[D]").astype("datetime64[s]"),
        "lost_reason": pd.Series(_reasons(world, records)).where(stage == LOST),
    })).sort_values("opportunity_id", ignore_index=True)  # fmt: skip


def _names(deals: pd.DataFrame, accounts: Accounts) -> list[str]:
    """Account and product; a copy is spelled a little differently."""
    customer = accounts.frame["name"].to_numpy(dtype=object)[deals["account"]]
    product = PRODUCTS["name"].to_numpy(dtype=object)[deals["product"]]
    forms = ("{} – {}", "{} - {}", "{} {}", "{} – {} (new)")
    return [forms[s].format(c, p) for s, c, p in zip(deals["spelling"], customer, product, strict=True)]


def _has_bought(deals: pd.DataFrame, events: pd.DataFrame) -> np.ndarray:
    """Whether the account had won a deal before this one was created."""
    wins = events[(events["field"] == STAGE) & (events["value"] == WON)]
    first = wins["time"].groupby(deals["account"].to_numpy()[wins["deal"]]).min()
    return (deals["account"].map(first) < deals["created"]).to_numpy()


def _reasons(world: World, records: Records) -> np.ndarray:
    chance = world.dice.uniform("lost reason", records.deals["number"].to_numpy())
    reasons = np.array(LOST_REASONS, dtype=object)[np.searchsorted(np.cumsum(LOST_SHARES)[:-1], chance, side="right")]
    reasons[records.copies["copy"]] = "duplicate"
    return reasons
