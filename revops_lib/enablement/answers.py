"""What the notebook says: the headline, notes, checks, metrics and advice."""

from __future__ import annotations

from functools import partial

import pandas as pd

from .. import statistics
from ..snapshot import Snapshot
from .qualification import BANDS
from .ramp import FIRST_WIN, FULL
from .training import APART, FEW, FOUND, NOT_FOUND, UNSEEN, training_course

TRUST = (
    "The content trust score, the share of the playbook's pages within their review date, is not in the data: it stands on the "
    "status page of the site and on the board pack (playbook freshness). Views and downloads are no score, and no revenue is "
    "called influenced: every deal is influenced by something."
)


def headline(effects: pd.DataFrame | str, ramps: pd.DataFrame | str, linked: pd.DataFrame | str) -> str:
    """The answer in a few sentences: what a training's effect would have to be to show, and then what it was; how long new
    people need; what goes with known deals. `effects`, `ramps`, `linked`: what `training_effect`, `ramp`, `association` return;
    a text is why it is not known, and it stands where nothing is known at all."""
    said = []
    if isinstance(effects, pd.DataFrame):
        said += [_effect(row) for _, row in effects.iterrows()]
    if isinstance(ramps, pd.DataFrame):
        said.append(_ramp(ramps))
    if isinstance(linked, pd.DataFrame) and len(told := linked.dropna(subset="value")):
        said.append(_linked(told.iloc[0]))
    reasons = [text for text in (effects, ramps, linked) if isinstance(text, str)]
    return " ".join(said) or next(iter(reasons), "No deal was scored in time.")


def _effect(row: pd.Series) -> str:
    would = f"{row['training']}: " + (
        f"an effect of {row['mde']:.0%} on the {row['measure']} of deals would have shown in most cases"
        if pd.notna(row["mde"]) else "what would have shown is not known"
    )  # fmt: skip
    among = f"{row['n_trained']:,} trained beside {row['n_controls']:,} others"
    if row["verdict"] in (FEW, APART):
        why = "they moved apart before it already" if row["verdict"] == APART else "too few people"
        return f"{would}; no effect can be told among {among}: {why}."
    seen = f"seen {row['effect']:+.0%} ({row['low']:+.0%} to {row['high']:+.0%}) among {among}"
    return f"{would}; {seen}: {row['verdict']}."


def _ramp(ramps: pd.DataFrame) -> str:
    told = []
    for name, what in ((FIRST_WIN, "won a first deal"), (FULL, "had a full quarter")):
        row = ramps[(ramps["milestone"] == name) & (ramps["member"] == "company")]
        if len(row) and pd.notna(row["median"].iloc[0]):
            told.append(f"{what} within {row['median'].iloc[0]:.0f} months")
        elif len(row):
            told.append(f"fewer than half {what} so far")
    return f"Of new people half {' and '.join(told)}; who is on the way or has left is counted as not there."


def _linked(row: pd.Series) -> str:
    return (
        f"Deals with evidence for half of the letters when they entered {row['stage']} had {row['value']:.1f} times the odds "
        f"of being won ({row['low']:.1f} to {row['high']:.1f}): an association, not an effect."
    )


def design(effects: pd.DataFrame) -> pd.DataFrame:
    """What each training's comparison can find at all, before looking at what came; columns as in `training_effect`."""
    return effects[["training", "measure", "mde", "n_trained", "n_controls", "n_left_out", "n_also"]]


def found(effects: pd.DataFrame) -> pd.DataFrame:
    """What came, with what was before: one row per training; `n_least` is the smaller group compared."""
    columns = ["training", "mde", "verdict", "effect", "low", "high", "p", "pre_trend_p",
               "placebo", "placebo_low", "placebo_high"]  # fmt: skip
    return effects[columns].assign(n_least=effects[["n_trained", "n_controls"]].min(axis=1), unit="share")


def course(snapshot: Snapshot, effects: pd.DataFrame, *, training: str = "", level: float = 0.95) -> pd.DataFrame:
    """`training_course` of the training named, or of the one with most people; with the column training."""
    name = training or effects.sort_values("n_trained", ascending=False, kind="stable")["training"].iloc[0]
    rows = training_course(snapshot, training=name, level=level)
    return rows.assign(training=name, unit="share")


def published(ramps: pd.DataFrame) -> pd.DataFrame:
    """`ramp` without who has left and who is still on the way, which is one person soon."""
    return ramps.drop(columns=["n_reached", "n_left", "n_waiting"])


def people(effects: pd.DataFrame | str, ramps: pd.DataFrame | str) -> int | None:
    """The fewest persons behind a part of the headline; None where it is about no persons."""
    counts = [] if isinstance(effects, str) else effects[["n_trained", "n_controls"]].min().tolist()
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
        for row in effects[effects["n_left_out"] > 0].itertuples():
            told.append(
                f"{row.n_left_out:,} people completed {row.training} but were not there long enough before it to be compared."
            )
    if isinstance(linked, pd.DataFrame) and len(late := linked.dropna(subset=["value", "with_hindsight"])):
        row = late.iloc[0]
        told.append(
            f"With the scores as they stand now the odds in {row['stage']} would seem {row['with_hindsight']:.1f} times, "
            f"not {row['value']:.1f}: deals that go well are filled in, so only scores of the day the deal moved on count."
        )
    return [*told, TRUST]


def metrics(
    effects: pd.DataFrame | str, ramps: pd.DataFrame | str, known: pd.DataFrame | str, linked: pd.DataFrame | str,
    *, by: str, level: float,
) -> pd.DataFrame:  # fmt: skip
    """Rows of the results file: what would have shown, effects, months to each milestone, win shares and odds ratios."""
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
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=statistics.RESULT_COLUMNS)


_ADVICE = {
    FOUND: ("Train those who wait, in groups at different times, and look again", "M"),
    NOT_FOUND: ("Watch five calls of trained people: do they do what was taught? If not, change the training or stop it", "M"),
    UNSEEN: ("Do not judge it by these numbers: train more groups at different times, or look at what people do on calls", "M"),
    APART: ("Choose the next groups by lot: these went different ways before the training", "M"),
    FEW: ("Train in groups of five or more, at different times, so that those who wait can be compared", "M"),
}


def recommendations(effects: pd.DataFrame | str, known: pd.DataFrame | str) -> pd.DataFrame:
    """What to do about it, one row per advice: finding, action, owner, effort (S, M, L). None is priced: no amount is an effect
    of enablement alone."""
    rows = []
    if isinstance(effects, pd.DataFrame):
        rows += [(f"{row.training}: {row.verdict}", _ADVICE[row.verdict][0], "enablement manager", _ADVICE[row.verdict][1])
                 for row in effects.itertuples()]  # fmt: skip
    if isinstance(known, pd.DataFrame):
        first = known[known["stage"] == known["stage"].iloc[0]]
        n, unscored = first["n"].sum(), first.loc[first["known"] == BANDS[0], "n"].sum()
        if unscored:
            finding = f"{unscored:,} of {n:,} deals entered {first['stage'].iloc[0]} with nothing scored"
            rows.append((finding, "Ask for the letters in the deal review, before the stage is changed", "sales managers", "S"))
    advice = pd.DataFrame(rows, columns=["finding", "action", "owner", "effort"])
    return advice.assign(expected_amount=float("nan"), low=float("nan"), high=float("nan"))
