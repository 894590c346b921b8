"""Deals over time: they are born, advance, are lost, re-opened, re-dated and re-judged, week after week.

All deals move together, one step at a time; what happened goes into an event log.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import tables
from .arrivals import Arrivals
from .events import FIELDS, Log, Open, Played
from .people import Staff
from .world import DISCOUNT, DISCOUNT_SD, LOST, PROPOSAL, TYPICAL_DAYS, WON, World, chances

PIPELINE, COMMIT, CLOSED, OMITTED = map(tables.CATEGORIES.index, ("pipeline", "commit", "closed", "omitted"))
ORIGIN_WEEKS = (1, 4, 8, 12)  # weeks of the quarter at whose start forecasts are made
REQUOTED, REQUOTE_SD = 0.5, 0.10  # share of deals whose amount changes with the proposal, without bias
TO_QUARTER_END = 0.5  # share of expected close dates put on the end of the quarter
PUSHED = 0.45  # chance per week that an overdue close date is moved
REDATED = 0.25  # chance that a move between stages changes the close date
REJUDGED = 0.04  # chance per week that the category is reconsidered without a move
CATEGORY_CUTS = (3.2, 4.8)  # on stage + 0.9 quality + 0.8 noise
COMMIT_FROM = 9  # week from which a rep who games calls everything commit


def play(world: World, staff: Staff, arrivals: Arrivals) -> Played:
    """Run every step the data cover."""
    return _Game(world, staff, arrivals).run()


class _Game:
    """State of all deals while the steps go by; `number` feeds the dice, so a deal's luck is its own."""

    def __init__(self, world: World, staff: Staff, arrivals: Arrivals) -> None:
        self.world, self.staff, self.deals = world, staff, arrivals
        n = len(arrivals)
        self.stage, self.entered = np.zeros(n, dtype=np.int64), arrivals.step.copy()
        self.close, self.category = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self.cents, self.owner = arrivals.cents.copy(), arrivals.owner.copy()
        self.won_step, self.lost_from = np.full(n, -1), np.full(n, -1)
        self.reopen, self.reopened = np.full(n, -1), np.zeros(n, dtype=bool)
        self.log = Log()
        self.origins: list[Open] = []

    def run(self) -> Played:
        cal = self.world.calendar
        births = np.searchsorted(self.deals.step, np.arange(cal.n_known + 1))
        active = np.empty(0, dtype=np.int64)
        for step in range(cal.n_known):
            self._hand_over(step, active)
            active = np.concatenate([active, self._take_up(step)])
            if cal.week[step] in ORIGIN_WEEKS:
                self.origins.append(self._look(step, active))
            active = self._move(step, active)
            self._redate(step, active)
            born = np.arange(births[step], births[step + 1])
            self._open(step, born)
            active = np.concatenate([active, born])
        return self._finish()

    def _hand_over(self, step: int, active: np.ndarray) -> None:
        """Open deals of somebody who left go to a colleague of the region."""
        cal = self.world.calendar
        left = active[self.staff.ends[self.owner[active]] == cal.start[step]]
        region = self.staff.region[step - 1, self.owner[left]] if step else np.empty(0, dtype=np.int64)
        chance = self._chance("handover", left, step)
        self.owner[left] = self.staff.fit(step, self.deals.segment[left], region, chance)
        self.log.add(left, step, "owner_id", self.owner[left])

    def _take_up(self, step: int) -> np.ndarray:
        """Lost deals that are re-opened now, in the stage they were lost from."""
        deals = np.flatnonzero(self.reopen == step)
        deals = deals[self.staff.ends[self.owner[deals]] > self.world.calendar.start[step]]
        self.reopened[deals] = True
        self.stage[deals], self.entered[deals], self.lost_from[deals] = self.lost_from[deals], step, -1
        self.log.add(deals, step, "stage", self.stage[deals])
        self._judge(step, deals, "rejudged")
        self._date(step, deals, "redated")
        return deals

    def _look(self, step: int, active: np.ndarray) -> Open:
        return Open(step, active, self.stage[active], self.entered[active], self.owner[active], self.cents[active])

    def _move(self, step: int, active: np.ndarray) -> np.ndarray:
        """Advance or lose deals; returns those still open. A deal taken up in this step rests until the next."""
        moving = active[self.entered[active] < step]
        quarter = self.world.calendar.quarter[step]
        advance, move = chances(
            self.world, step, self.deals.segment[moving], self.stage[moving], step - self.entered[moving],
            step - self.deals.step[moving], self.deals.quality[moving], self.staff.effect[step, self.owner[moving]],
            self.world.shock[quarter])  # fmt: skip
        luck = self._chance("move", moving, step)
        forward, lost = moving[luck < advance], moving[(luck >= advance) & (luck < move)]
        skips = luck[luck < advance] < self.world.variant.skipped * advance[luck < advance]
        self.stage[forward] = np.minimum(self.stage[forward] + 1 + skips, WON)
        self.entered[forward] = step
        self.log.add(forward, step, "stage", self.stage[forward])
        won = forward[self.stage[forward] == WON]
        self._win(step, won)
        self._lose(step, lost)
        on = forward[self.stage[forward] < WON]
        self._requote(step, on[self.stage[on] == PROPOSAL])
        self._judge(step, on, "judged")
        self._date(step, on[self._chance("redate", on, step) < REDATED], "redated")
        return active[self.stage[active] < WON]

    def _win(self, step: int, won: np.ndarray) -> None:
        factor = np.exp(DISCOUNT + DISCOUNT_SD * self._normal("discount", won))
        factor *= self.world.price[step, self.deals.segment[won]]
        self.cents[won] = np.round(self.cents[won] * factor).astype(np.int64)
        self.won_step[won] = step
        self.log.add(won, step, "amount", self.cents[won])
        self.log.add(won, step, "close_date", self._day(won, step))
        self.log.add(won, step, "forecast_category", CLOSED)

    def _lose(self, step: int, lost: np.ndarray) -> None:
        self.lost_from[lost] = self.stage[lost]
        self.stage[lost] = LOST
        self.log.add(lost, step, "stage", LOST)
        self.log.add(lost, step, "close_date", self._day(lost, step))
        self.log.add(lost, step, "forecast_category", OMITTED)
        again = lost[(self._chance("reopen", lost) < self.world.variant.reopened) & ~self.reopened[lost]]
        self.reopen[again] = step + 2 + (self._chance("reopen when", again) * 7).astype(np.int64)

    def _requote(self, step: int, deals: np.ndarray) -> None:
        deals = deals[self._chance("requote", deals, step) < REQUOTED]
        factor = np.exp(-(REQUOTE_SD**2) / 2 + REQUOTE_SD * self._normal("requoted", deals, step))
        self.cents[deals] = np.round(self.cents[deals] * factor / 1_000).astype(np.int64) * 1_000
        self.log.add(deals, step, "amount", self.cents[deals])

    def _judge(self, step: int, deals: np.ndarray, purpose: str) -> None:
        """The rep's category: a noisy view of stage and quality, or of the calendar."""
        score = self.stage[deals] + 1 + 0.9 * self.deals.quality[deals] + 0.8 * self._normal(purpose, deals, step)
        habit = COMMIT if self.world.calendar.week[step] >= COMMIT_FROM else PIPELINE
        self.category[deals] = np.where(self._gamed(step, deals), habit, np.digitize(score, CATEGORY_CUTS))
        self.log.add(deals, step, "forecast_category", self.category[deals])

    def _gamed(self, step: int, deals: np.ndarray) -> np.ndarray:
        return self.world.gaming[step] & self.staff.gamers[self.owner[deals]]

    def _date(self, step: int, deals: np.ndarray, purpose: str) -> None:
        """A new expected close date: what is left of the typical time, often rounded to the quarter's end."""
        left = 1 - self.stage[deals] / 6
        days = TYPICAL_DAYS[self.deals.segment[deals]] * left * np.exp(0.35 * self._normal(purpose, deals, step))
        self._set_close(step, deals, self.world.calendar.stop[step] + days.astype(np.int64))

    def _redate(self, step: int, active: np.ndarray) -> None:
        """Push overdue close dates; reconsider some categories."""
        overdue = active[self.close[active] < self.world.calendar.start[step]]
        pushed = overdue[self._chance("push", overdue, step) < PUSHED]
        days = 14 - 30 * np.log1p(-self._chance("pushed", pushed, step))
        self._set_close(step, pushed, self.world.calendar.stop[step] + days.astype(np.int64))
        turn = self.world.calendar.week[step] in (1, COMMIT_FROM)
        again = (self._chance("rejudge", active, step) < REJUDGED) | (turn & self._gamed(step, active))
        self._judge(step, active[again], "rejudged")

    def _set_close(self, step: int, deals: np.ndarray, day: np.ndarray) -> None:
        ends = self.world.calendar.quarter_ends
        end = ends[np.minimum(np.searchsorted(ends, day), len(ends) - 1)]
        self.close[deals] = np.where(self._chance("to quarter end", deals, step) < TO_QUARTER_END, end, day)
        self.log.add(deals, step, "close_date", self.close[deals])

    def _open(self, step: int, born: np.ndarray) -> None:
        self.log.add(born, step, "owner_id", self.owner[born])
        self.log.add(born, step, "stage", 0)
        self.log.add(born, step, "amount", self.cents[born])
        self._date(step, born, "dated")
        self._judge(step, born, "judged")

    def _chance(self, purpose: str, deals: np.ndarray, step: int | np.ndarray = 0) -> np.ndarray:
        return self.world.dice.uniform(purpose, self.deals.number[deals], step)

    def _normal(self, purpose: str, deals: np.ndarray, step: int | np.ndarray = 0) -> np.ndarray:
        return self.world.dice.normal(purpose, self.deals.number[deals], step)

    def _day(self, deals: np.ndarray, step: int | np.ndarray) -> np.ndarray:
        """The weekday on which all that happens to a deal in a step happens."""
        cal = self.world.calendar
        return cal.workdays[step, (self._chance("day", deals, step) * cal.n_workdays[step]).astype(int)]

    def _finish(self) -> Played:
        cal, log = self.world.calendar, self.log
        deal, step = np.concatenate(log.deal), np.concatenate(log.step)
        events = pd.DataFrame({"deal": deal, "step": step, "field": np.concatenate(log.field_),
                               "value": np.concatenate(log.value)})  # fmt: skip
        day = self._day(deal, step)
        time = day * 86_400 + 8 * 3_600 + (self._chance("second", deal, step) * 8 * 3_600).astype(np.int64)
        # Hand-overs come first thing in the morning of the step's first working day, before anything else happens.
        handed = (events["field"] == FIELDS.index("owner_id")) & (step > self.deals.step[deal])
        early = cal.workdays[step, 0] * 86_400 + 7 * 3_600 + (self._chance("early", deal, step) * 3_000).astype(int)
        time = np.where(handed, early, np.where(step == self.deals.step[deal], self.deals.created[deal], time))
        late, lag = self._late()
        recorded = (step == self.won_step[deal]) & late[deal] & ~handed
        delayed = cal.next_workday(day + lag[deal]) - day
        events["time"] = np.where(recorded, time + delayed * 86_400, time)
        return Played(self.deals, events, self.won_step, self.owner, self.cents, late, self._next_quarter(late, lag),
                      self.reopened, self.origins)  # fmt: skip

    def _late(self) -> tuple[np.ndarray, np.ndarray]:
        """Which wins were recorded days after they closed, and how many days."""
        everyone = np.arange(len(self.deals))
        cal, step = self.world.calendar, np.maximum(self.won_step, 0)
        variant = self.world.variant
        share = np.where(cal.week[step] == 13, variant.late_at_quarter_end, variant.late)
        lag = 3 + (self._chance("lag", everyone) * 8).astype(np.int64)
        known = cal.next_workday(cal.stop[step] - 1 + lag) < cal.stop[cal.n_known - 1]
        return (self.won_step >= 0) & known & (self._chance("late", everyone) < share), lag

    def _next_quarter(self, late: np.ndarray, lag: np.ndarray) -> np.ndarray:
        cal, everyone = self.world.calendar, np.arange(len(self.deals))
        step = np.maximum(self.won_step, 0)
        recorded = cal.next_workday(self._day(everyone, step) + lag)
        return late & (recorded > cal.quarter_ends[cal.quarter[step]])
