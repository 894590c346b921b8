"""What the notebook says: the headline, notes, checks, metrics and advice."""

from __future__ import annotations

from functools import partial

import pandas as pd

from .. import statistics
from ..errors import DataRefused
from ..snapshot import Snapshot
from .qualification import BANDS, WITHIN_DAYS
from .ramp import FIRST_WIN, FULL
from .training import APART, FEW, FEWEST, FOUND, NOBODY, NOT_FOUND, UNSEEN, UNTESTED, WORSE, training_course

TRUST = "Views and downloads of pages are no score, and no revenue is called influenced: every deal is influenced by something."
MEASURED = {"pace": "the pace of deals", "wins": "the number of wins", "won amount": "the amount won"}
MILESTONES = {FIRST_WIN: "a first won deal", FULL: "a quarter at the median of experienced colleagues"}


def headline(effects: pd.DataFrame | str, ramps: pd.DataFrame | str, linked: pd.DataFrame | str) -> str:
    """The answer in a few sentences: what a training's effect would have to be to show, and then what it was; how long new
    people need; what goes with known deals. `effects`, `ramps`, `linked`: what `training_effect`, `ramp`, `association` return;
    a text is why it is not known, and it stands where nothing is known at all."""
    said = []
    if isinstance(effects, pd.DataFrame):
        told = _enough(effects)
        said += [_effect(row) for _, row in told.iterrows()]
        if told.empty:
            said.append(
                "No training can be judged: too few people were trained together, or nobody is left to compare them with."
            )
    if isinstance(ramps, pd.DataFrame):
        said.append(_ramp(ramps))
    if isinstance(linked, pd.DataFrame) and len(told := linked.dropna(subset="value")):
        said.append(_linked(told.iloc[0]))
    reasons = [text for text in (effects, ramps, linked) if isinstance(text, str)]
    return " ".join(said) or next(iter(reasons), "No deal was scored in time.")


def _enough(effects: pd.DataFrame) -> pd.DataFrame:
    """The trainings with people enough to say anything: a tiny one must not silence the others."""
    return effects[~effects["verdict"].isin([FEW, NOBODY])]


def _effect(row: pd.Series) -> str:
    would = f"{row['training']}: " + (
        f"an effect of {row['mde']:.0%} on {MEASURED[row['measure']]} would have shown in most cases"
        if pd.notna(row["mde"]) else "what would have shown is not known"
    )  # fmt: skip
    among = f"{row['n_trained']:,} trained beside {row['n_controls']:,} others"
    if row["verdict"] == APART:
        return f"{would}; no effect can be told among {among}: they moved apart before it already."
    seen = f"seen {row['effect']:+.0%} ({row['low']:+.0%} to {row['high']:+.0%}) among {among}"
    placebo = f"{row['placebo']:+.0%} ({row['placebo_low']:+.0%} to {row['placebo_high']:+.0%})"
    before = f"; the same a year earlier: {placebo}" if pd.notna(row["placebo_low"]) else ""
    return f"{would}; {seen}: {row['verdict']}{before}."


def _ramp(ramps: pd.DataFrame) -> str:
    return f"{'. '.join(_halves(ramps))}. Who left without it is counted as never there."


def _halves(ramps: pd.DataFrame) -> list[str]:
    """For each milestone, when half of all who began were there."""
    told = []
    for name, what in MILESTONES.items():
        for row in ramps[(ramps["milestone"] == name) & (ramps["member"] == "company")].itertuples():
            half = f"{row.low:.0f} to {row.high:.0f}" if pd.notna(row.high) else f"{row.low:.0f} or more"
            reached = f"half had {what} within {row.median:.0f} months ({half})"
            told.append(
                f"Of {row.n:,} who began to sell, {reached if pd.notna(row.median) else f'fewer than half had {what} so far'}"
            )
    return told


def _linked(row: pd.Series) -> str:
    well, others = (f"{100 * row[share]:.0f} of 100" for share in ("well_share", "others_share"))
    return (
        f"Of deals with evidence for half of the letters when they entered {row['stage']}, {well} were won within "
        f"{WITHIN_DAYS} days, of the others {others}: not because of the form, good deals are easier to find out about."
    )


def design(effects: pd.DataFrame) -> pd.DataFrame:
    """What each training's comparison can find at all, before looking at what came; columns as in `training_effect`."""
    columns = ["training", "measure", "mde", "n_trained", "n_controls", "n_least", "n_left_out", "n_also"]
    return effects[columns]


def found(effects: pd.DataFrame) -> pd.DataFrame:
    """What came, with what was before: one row per training; `n_least` is the fewest on a side of one comparison."""
    columns = ["training", "mde", "verdict", "effect", "low", "high", "p", "pre_trend_p",
               "placebo", "placebo_low", "placebo_high", "n_least"]  # fmt: skip
    return effects[columns].assign(unit="share")


def course(snapshot: Snapshot, effects: pd.DataFrame, *, training: str = "", level: float = 0.95) -> pd.DataFrame:
    """`training_course` of the training named, or of the one with most people; with the column training."""
    name = training or effects.sort_values("n_trained", ascending=False, kind="stable")["training"].iloc[0]
    rows = training_course(snapshot, training=name, measure=effects["measure"].iloc[0], level=level)
    return rows.assign(training=name, unit="share")


def published(ramps: pd.DataFrame) -> pd.DataFrame:
    """`ramp` without who has left and who is still on the way, which is one person soon."""
    return ramps.drop(columns=["n_reached", "n_left", "n_waiting"])


def people(effects: pd.DataFrame | str, ramps: pd.DataFrame | str) -> int | None:
    """The fewest persons behind a part of the headline; None where it is about no persons."""
    counts = [] if isinstance(effects, str) else _enough(effects)["n_least"].tolist()
    counts += [] if isinstance(ramps, str) else ramps.loc[ramps["member"] == "company", "n"].tolist()
    return int(min(counts)) if counts else None


def checks(snapshot: Snapshot, ramps: pd.DataFrame | str, known: pd.DataFrame | str) -> pd.DataFrame:
    """Whether parts sum to the whole, one row per check: check, expected, found, holds."""
    newest = snapshot.newest
    rows = [("nothing later than the snapshot's day", f"before {snapshot.cutoff}", str(newest), newest < snapshot.cutoff)]
    if isinstance(ramps, pd.DataFrame):
        whole, parts = (ramps.loc[which, "n"].sum() for which in (ramps["member"] == "company", ramps["member"] != "company"))
        rows.append(("groups sum to all new people", f"{whole:,}", f"{parts:,}", whole == parts))
        ends = ramps[["n_reached", "n_left", "n_waiting"]].to_numpy().sum()
        rows.append(("there, gone and on the way sum to all", f"{ramps['n'].sum():,}", f"{ends:,}", ends == ramps["n"].sum()))
    if isinstance(known, pd.DataFrame):
        n, ends = known["n"].sum(), known[["won", "lost", "n_open"]].to_numpy().sum()
        rows.append(("won, lost and open sum to the deals", f"{n:,}", f"{ends:,}", n == ends))
    return pd.DataFrame(rows, columns=["check", "expected", "found", "holds"])


def notes(snapshot: Snapshot, effects: pd.DataFrame | str, linked: pd.DataFrame | str) -> list[str]:
    """What the source cannot tell and what a number must not be taken for, in sentences."""
    told = [*snapshot.limits, *snapshot.lacking("trainings", "qualifications")]
    if isinstance(effects, pd.DataFrame):
        for _, row in effects.iterrows():
            told += _compared(row)
    if isinstance(linked, pd.DataFrame) and len(late := linked.dropna(subset=["value", "with_hindsight"])):
        row = late.iloc[0]
        told.append(
            f"With the scores as they stand now the odds in {row['stage']} would seem {row['with_hindsight']:.1f} times, "
            f"not {row['value']:.1f}: deals that go well are filled in, so only scores of the day the deal moved on count."
        )
    return [*told, TRUST]


_LEFT_OUT = {
    "n_new": "were not there in all four quarters before it, and are not compared",
    "n_gone": "were in no whole quarter since",
    "n_alone": "had it in a quarter with fewer than five people",
    "n_nobody": "had it when fewer than five others were left to compare them with",
}


def _compared(row: pd.Series) -> list[str]:
    """Who is not in the comparison and why, and what the comparison cannot keep apart."""
    told = [f"{_people(row[name])} completed {row['training']} but {why}." for name, why in _LEFT_OUT.items() if row[name]]
    if row["errors_by"] == "seller, too few teams":
        told.append(
            f"{row['training']}: whole teams were trained together, fewer than five of them or beside them. Whatever else "
            "happened to a team is in the effect and not in its interval, which is too narrow."
        )
    if row["n_unexpected"]:
        told.append(
            f"{row['training']}: {row['n_unexpected']:,} moves in stages and segments only trained people had do not count."
        )
    if pd.notna(row["effect"]):
        told.append(f"{row['training']}: to have moved alike before is no proof of moving alike after (Roth 2022).")
    return told


def _people(n: int) -> str:
    return f"{n:,} people" if n >= FEWEST else "Fewer than five people"


def content_trust(*, pages_in_time: int, pages: int) -> pd.DataFrame:
    """The share of the playbook's pages that are verified in time, as the run counted them: one row.

    Columns: pages, in_time (verified no longer ago than the page says, and since then unchanged), value, unit. All pages are
    counted, so there is no interval. It says nothing about deals. Raises DataRefused where nothing was counted (-1).

    >>> content_trust(pages_in_time=17, pages=20)["value"].tolist()
    [0.85]
    """
    if pages < 1:
        what, do = "the pages of the playbook were not counted here", "`revops run` and `revops playbook status` count them"
        raise DataRefused(what, "parameter pages", do)
    counted = {"pages": [pages], "in_time": [pages_in_time], "value": [pages_in_time / pages], "unit": ["share"]}
    return pd.DataFrame(counted)


def metrics(
    effects: pd.DataFrame | str, ramps: pd.DataFrame | str, known: pd.DataFrame | str, linked: pd.DataFrame | str,
    trust: pd.DataFrame | str, *, by: str, level: float,
) -> pd.DataFrame:  # fmt: skip
    """Rows of the results file: what would have shown, effects, months to each milestone, win shares and odds ratios, and the
    share of pages verified in time."""
    parts, tidy = [], partial(statistics.tidy, level=level)
    if isinstance(effects, pd.DataFrame):
        own = effects.assign(n=effects[["n_trained", "n_controls"]].min(axis=1))
        of_training = partial(tidy, by="training", member="training", unit="share")
        parts.append(of_training(own.drop(columns=["low", "high"]), metric="training_detectable", value="mde"))
        parts.append(of_training(own, metric="training_effect", value="effect"))
    if isinstance(ramps, pd.DataFrame):
        for milestone, metric in ((FIRST_WIN, "months_to_first_win"), (FULL, "months_to_full_productivity")):
            own = ramps[ramps["milestone"] == milestone]
            all_of_them = own["member"] == "company"
            median = partial(tidy, metric=metric, value="median", unit="months")
            parts += [median(own[all_of_them]), median(own[~all_of_them], by=by, member="member")]
    if isinstance(known, pd.DataFrame):
        cells = known.assign(cell=known["stage"] + " / " + known["known"].astype("str"))
        parts.append(tidy(cells, metric="won_by_known", by="stage / known", member="cell", unit="share"))
    if isinstance(linked, pd.DataFrame):
        parts.append(tidy(linked, metric="odds_of_known_deals", by="stage", member="stage", unit="ratio"))
    if isinstance(trust, pd.DataFrame):
        parts.append(statistics.tidy(trust, metric="content_trust", unit="share", n="pages"))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=statistics.RESULT_COLUMNS)


PLANNED = "Plan capacity and first quotas with these months; ask those who took longest what they had to wait for"
ASKED = "Write the letters down in the deal review, before the stage is changed: the next answer then rests on more deals"
_ADVICE = {
    FOUND: "Train those who wait, in groups at different times, and look again",
    WORSE: "Stop it for now and ask five of the trained why; train nobody else before you know",
    UNTESTED: "Take it as a first sign only: whether they moved alike before is not known; train the next groups by lot",
    NOBODY: "Next time let a group of five or more wait: where everybody is trained at once nobody is left to compare with",
    NOT_FOUND: "Watch five calls of trained people: do they do what was taught? If not, change the training or stop it",
    UNSEEN: "Do not judge it by these numbers: train more groups at different times, or look at what people do on calls",
    APART: "Choose the next groups by lot: these went different ways before the training",
    FEW: "Train in groups of five or more, at different times, so that those who wait can be compared",
}


def recommendations(effects: pd.DataFrame | str, ramps: pd.DataFrame | str, known: pd.DataFrame | str) -> pd.DataFrame:
    """What to do about it, one row per advice: finding, action, owner, effort (S, M, L). None is priced: no amount is an effect
    of enablement alone."""
    rows = []
    if isinstance(effects, pd.DataFrame):
        rows += [
            (f"{row.training}: {row.verdict}", _ADVICE[row.verdict], "enablement manager", "M") for row in effects.itertuples()
        ]
    if isinstance(ramps, pd.DataFrame):
        rows += [(finding, PLANNED, "enablement manager", "S") for finding in _halves(ramps[ramps["n"] >= FEWEST])[-1:]]
    if isinstance(known, pd.DataFrame):
        first = known[known["stage"] == known["stage"].iloc[0]]
        n, unscored = first["n"].sum(), first.loc[first["known"] == BANDS[0], "n"].sum()
        if unscored:
            finding = f"{unscored:,} of {n:,} deals entered {first['stage'].iloc[0]} with nothing scored"
            rows.append((finding, ASKED, "sales managers", "S"))
    advice = pd.DataFrame(rows, columns=["finding", "action", "owner", "effort"])
    return advice.assign(expected_amount=float("nan"), low=float("nan"), high=float("nan"))
