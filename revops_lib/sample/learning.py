"""Who was trained when, and what sellers wrote down of their deals: trainings and qualifications.

Its random numbers are its own: no other table changes with them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import tables
from .people import FOREVER, Staff
from .records import STAGE, Records
from .world import OPEN_STAGES, QUALIFICATION, WON, World, date_of, day_number

NAME = "Discovery"  # of the training
UNSCORED = 0.08  # share of deals of which nobody writes anything down
PER_STAGE, LETTER_SD, CUTS = 0.45, 0.6, (0.2, 1.4, 2.6)  # on the log odds of a score above 0, above 1, above 2


def trainings(world: World, staff: Staff) -> pd.DataFrame:
    """One row per trained seller; whether it changed anything is the option `training` of `sample.generate`."""
    who = np.flatnonzero(staff.trained < FOREVER)
    days = world.calendar.next_workday(staff.trained[who])
    return tables.conform("trainings", pd.DataFrame(
        {"rep_id": staff.ids[who], "training": NAME, "completed_date": [date_of(day) for day in days]}
    ))  # fmt: skip


def qualifications(world: World, records: Records, quality: np.ndarray, *, log_odds: float) -> pd.DataFrame:
    """Scores on the days a deal enters a stage, a row where a letter's score is new or has changed; they never fall.

    `quality` per deal: a deal better by one standard deviation has `log_odds` higher odds of each score or more. Of some won
    deals everything is filled in days after the win, which says nothing about the deal before.
    """
    number = records.deals["number"].to_numpy()
    begun = records.deals["created"].to_numpy() // 86_400 >= day_number(QUALIFICATION["from"])
    scored = np.flatnonzero(begun[: len(quality)] & (world.dice.uniform("scored", number[: len(quality)]) >= UNSCORED))
    stages = records.history[(records.history["field"] == STAGE) & records.history["deal"].isin(scored)]
    stages = stages.assign(day=stages["time"] // 86_400)[["deal", "value", "day"]]
    stages = stages.merge(pd.DataFrame({"letter": range(len(tables.LETTERS))}), how="cross")
    rows = pd.concat([
        _levels(world, stages[stages["value"] < len(OPEN_STAGES)], number, quality, log_odds),
        _filled_in(world, stages[stages["value"] == WON], number),
    ]).sort_values(["deal", "letter", "day", "score"], kind="stable")  # fmt: skip
    rows["score"] = rows.groupby(["deal", "letter"])["score"].cummax()
    rows = rows.drop_duplicates(["deal", "letter", "day"], keep="last").drop_duplicates(["deal", "letter", "score"])
    return tables.conform("qualifications", pd.DataFrame({
        "opportunity_id": records.deals["opportunity_id"].to_numpy(dtype=object)[rows["deal"]],
        "letter": np.array(tables.LETTERS, dtype=object)[rows["letter"]], "score": rows["score"].astype("str").to_numpy(),
        "scored_date": rows["day"].to_numpy().astype("datetime64[D]").astype("datetime64[s]"),
    })).sort_values(["opportunity_id", "scored_date", "letter"], ignore_index=True)  # fmt: skip


def _levels(world: World, stages: pd.DataFrame, number: np.ndarray, quality: np.ndarray, log_odds: float) -> pd.DataFrame:
    deal, letter = stages["deal"].to_numpy(), stages["letter"].to_numpy()
    luck = world.dice.uniform("evidence", len(tables.LETTERS) * number[deal] + letter)
    easy = LETTER_SD * world.dice.normal("letter", np.arange(len(tables.LETTERS)))
    level = log_odds * quality[deal] + PER_STAGE * stages["value"] + easy[letter] + np.log(luck / (1 - luck))
    return stages[["deal", "letter", "day"]].assign(score=np.digitize(level, CUTS))


def _filled_in(world: World, won: pd.DataFrame, number: np.ndarray) -> pd.DataFrame:
    deal = won["deal"].to_numpy()
    after = 1 + (world.dice.uniform("filled in on", number[deal]) * 5).astype(np.int64)
    day = world.calendar.next_workday(won["day"].to_numpy() + after)
    late = won[["deal", "letter"]].assign(day=day, score=3)
    end = world.calendar.stop[world.calendar.n_known - 1]
    return late[(world.dice.uniform("filled in", number[deal]) < QUALIFICATION["filled_in"]) & (day < end)]
