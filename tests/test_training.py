"""What a training changed: a hand-made team, knowledge of the day, and uplifts planted in made-up companies."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from companies import invent
from training_worlds import few, played

from revops_lib import enablement
from revops_lib.enablement import training as rules
from revops_lib.errors import DataRefused, NoHistory, UsageError
from revops_lib.snapshot import Snapshot

QUARTERS = pd.period_range("2022Q1", "2024Q4", freq="Q-DEC")
TRAINED, SINCE = [f"T{n}" for n in range(6)], pd.Period("2023Q3", "Q-DEC")
NEVER = [f"N{n}" for n in range(6)]


def team(company, *, uplift: int = 3, drift: int = 0, **more) -> Path:
    """Twelve sellers who win 3 or 4 deals a quarter, all twice as many from 2023Q3 on; the trained `uplift` more from then."""
    deals, number = [], 0
    for index, rep in enumerate([*TRAINED, *NEVER]):
        for q, quarter in enumerate(QUARTERS):
            wins = (3 + (index * 7 + q * 5 + index * q) % 3 // 2) * (2 if quarter >= SINCE else 1)
            wins += (rep in TRAINED) * ((quarter >= SINCE) * uplift + drift * q)
            for _ in range(wins):
                number += 1
                closed = quarter.start_time + pd.Timedelta(days=number % 80)
                deals.append({"opportunity_id": f"D{number}", "owner_id": rep, "status": "won", "stage": "Won", "amount": "10.00",
                              "currency": "EUR", "created_at": closed - pd.Timedelta(days=9), "close_date": closed})  # fmt: skip
    early = {"opportunity_id": "D0", "owner_id": "T0", "status": "lost", "stage": "Lost", "created_at": pd.Timestamp("2021-10-02"),
             "close_date": pd.Timestamp("2021-10-03")}  # fmt: skip
    given = {
        "reps": [{"rep_id": rep, "hire_date": pd.Timestamp("2020-01-01")} for rep in [*TRAINED, *NEVER]],
        "trainings": [{"rep_id": rep, "training": "Discovery", "completed_date": pd.Timestamp("2023-07-03")} for rep in TRAINED],
        "opportunities": [early, *deals],
    } | more  # fmt: skip
    return company(**given)


def looked_at(folder: Path, **options) -> Snapshot:
    return Snapshot(folder, quarter="2024Q4", **options)


def test_the_effect_is_the_ratio_of_ratios_of_a_plain_loop(company):
    snapshot = looked_at(team(company))
    row = enablement.training_effect(snapshot, measure="wins").iloc[0]
    deals = pd.read_parquet(snapshot.directory / "opportunities.parquet").query("status == 'won'")
    closed = list(zip(deals["owner_id"], pd.PeriodIndex(deals["close_date"], freq="Q-DEC"), strict=True))
    rates = {}
    for name, group in (("trained", TRAINED), ("never", NEVER)):
        per_quarter = {q: sum(owner in group and quarter == q for owner, quarter in closed) for q in QUARTERS}
        base = sum(per_quarter[SINCE - back] for back in range(1, 5)) / 4
        rates[name] = [np.log(per_quarter[q] / base) for q in QUARTERS if q >= SINCE]
    assert row["effect"] == pytest.approx(np.exp(np.mean(rates["trained"]) - np.mean(rates["never"])) - 1)
    assert row["verdict"] == "found" and row["low"] > 0.2 and row["p"] < 0.001
    assert (row["n_trained"], row["n_controls"], row["n_left_out"], row["n_also"]) == (6, 6, 0, 0)


def test_everybody_twice_as_good_is_no_effect_of_the_training(company):
    row = enablement.training_effect(looked_at(team(company, uplift=0)), measure="wins").iloc[0]
    assert row["verdict"] == "not found" and row["low"] < 0 < row["high"]
    assert row["mde"] < 0.2


def test_those_who_moved_apart_before_get_no_effect(company):
    snapshot = looked_at(team(company, drift=1))
    row = enablement.training_effect(snapshot, measure="wins").iloc[0]
    assert row["verdict"] == "moved apart before" and row[["effect", "low", "high", "p"]].isna().all()
    assert row["pre_trend_p"] < 0.05 and row["mde"] > 0
    assert enablement.training_course(snapshot, training="Discovery", measure="wins").empty


def test_the_placebo_is_the_same_question_a_year_earlier():
    rng, quarters = np.random.default_rng(1), pd.period_range("2020Q1", "2024Q4", freq="Q-DEC")
    panel = pd.MultiIndex.from_product([range(40), quarters], names=["rep_id", "quarter"]).to_frame(index=False)
    panel["started"] = pd.PeriodIndex(np.where(panel["rep_id"] < 20, "2023Q3", "NaT"), freq="Q-DEC")
    panel = panel.assign(value=rng.poisson(20, len(panel)), expected=20.0, team=panel["rep_id"])
    before = panel[~(panel["quarter"] >= panel["started"])]
    earlier = enablement.effect_in(before.assign(started=before["started"] - 4))
    found = enablement.effect_in(panel)
    assert [found["placebo"], found["placebo_low"], found["placebo_high"]] == [
        earlier["effect"],
        earlier["low"],
        earlier["high"],
    ]
    apart = panel.assign(value=panel["value"] * np.where((panel["rep_id"] < 20) & (panel["quarter"] >= "2022Q3"), 1.4, 1.0))
    judged = rules.judged(pd.DataFrame([enablement.effect_in(apart)])).iloc[0]
    assert judged["verdict"] == "moved apart before" and judged["placebo_low"] > 0.2


NUMBERS = {"mde": 0.1, "effect": 0.1, "low": -0.1, "high": 0.15, "top": 0.15, "p": 0.2, "pre_trend_p": 0.5, "placebo": 0.0,
           "placebo_low": -0.1, "placebo_high": 0.1, "n_trained": 9, "n_controls": 9, "n_least": 9, "n_left_out": 0, "n_new": 0,
           "n_gone": 0, "n_alone": 0, "n_nobody": 0}  # fmt: skip


@pytest.mark.parametrize(("change", "verdict"), [
    ({"p": 0.01, "low": 0.02}, "found"), ({"p": 0.01, "effect": -0.2, "high": -0.05}, "worse than without it"),
    ({}, "not found"), ({"high": 0.25, "top": 0.25}, "too small to see"),  # whatever the design could have found
    ({"high": 0.15, "top": 0.25}, "too small to see"),  # a narrower interval shown changes nothing
    ({"p": 0.01, "low": 0.02, "pre_trend_p": np.nan, "placebo_low": np.nan, "placebo_high": np.nan}, "not tested before"),
    ({"p": 0.01, "low": 0.02, "pre_trend_p": np.nan}, "found"), ({"placebo_low": 0.01}, "moved apart before"),
    ({"n_trained": 0, "n_alone": 4}, "too few people"), ({"n_trained": 0, "n_nobody": 9}, "nobody to compare with"),
])  # fmt: skip
def test_what_the_numbers_are_called(change, verdict):
    assert rules.judged(pd.DataFrame([{**NUMBERS, **change}]))["verdict"].tolist() == [verdict]


def sellers(trained: int, others: int, *, since: str = "2023Q1", factor: float = 1.0, seed: int = 1) -> pd.DataFrame:
    panel = few(seed, trained, others).assign(team=lambda f: f["rep_id"], expected=40.0)
    panel["value"] = 40.0 + (panel["rep_id"] * 7 + panel["quarter"].astype("int64") * 5) % 11
    panel.loc[panel["rep_id"] < trained, "started"] = pd.Period(since, "Q-DEC")
    panel["value"] *= np.where(panel["quarter"] >= panel["started"], factor, 1.0)
    return panel


def verdict_of(panel: pd.DataFrame, **options) -> pd.Series:
    return rules.judged(pd.DataFrame([enablement.effect_in(panel, **options)])).iloc[0]


@pytest.mark.parametrize(("factor", "verdict"), [(0.7, "worse than without it"), (1.0, "not found"), (1.4, "found")])
@pytest.mark.parametrize("level", [0.5, 0.8, 0.99])
def test_the_verdict_knows_the_sign_and_not_the_level_of_the_intervals_shown(factor, verdict, level):
    row, plain = (verdict_of(sellers(8, 8, factor=factor), **options) for options in ({"level": level}, {}))
    assert row["verdict"] == plain["verdict"] == verdict and row["mde"] == plain["mde"]
    assert [row["placebo_low"], row["placebo_high"]] == [plain["placebo_low"], plain["placebo_high"]]
    assert (row["high"] - row["low"] < plain["high"] - plain["low"]) == (level < 0.95)


def test_of_many_trainings_no_verdict_contradicts_its_interval():
    answers = [enablement.effect_in(sellers(8, 8, factor=f), of=of) for f in np.arange(0.9, 1.12, 0.02) for of in (1, 3)]
    judged = rules.judged(pd.DataFrame(answers))
    outside = (judged["low"] > 0) | (judged["high"] < 0)
    assert (outside == judged["verdict"].isin(["found", "worse than without it"])).all() and outside.nunique() == 2
    one, three = (enablement.effect_in(sellers(8, 8), of=of) for of in (1, 3))
    assert three["mde"] > one["mde"] and three["high"] > one["high"] and three["p"] == pytest.approx(min(1, 3 * one["p"]))


def test_without_a_year_to_compare_with_nothing_is_found():
    short = sellers(8, 8, factor=1.5).query("quarter >= '2022Q1'")
    row = verdict_of(short)
    assert row["verdict"] == "not tested before" and np.isnan(row["pre_trend_p"]) and np.isnan(row["placebo"])


def test_who_is_not_compared_is_counted_by_the_reason():
    everybody = verdict_of(sellers(10, 0))
    assert everybody["verdict"] == "nobody to compare with" and everybody["n_nobody"] == everybody["n_left_out"] == 10
    alone = sellers(6, 8)
    alone["started"] = pd.PeriodIndex(
        [pd.Period("2022Q1", "Q-DEC") + rep if rep < 6 else pd.NaT for rep in alone["rep_id"]], freq="Q-DEC"
    )
    row = verdict_of(alone)
    assert row["verdict"] == "too few people" and row["n_alone"] == row["n_left_out"] == 6
    mixed = sellers(8, 8)
    mixed = mixed[~((mixed["rep_id"] == 0) & (mixed["quarter"] < "2022Q3"))]  # came too late
    mixed = mixed[~((mixed["rep_id"] == 1) & (mixed["quarter"] >= "2023Q1"))]  # left before
    row = verdict_of(mixed)
    assert row[["n_trained", "n_new", "n_gone", "n_alone", "n_nobody", "n_left_out"]].tolist() == [6, 1, 1, 0, 0, 2]


def test_no_comparison_has_fewer_than_five_on_a_side():
    row = verdict_of(sellers(8, 4))
    assert row["verdict"] == "nobody to compare with" and np.isnan(row["effect"])
    assert verdict_of(sellers(8, 5))["n_least"] == 5


def test_teams_trained_together_count_as_one_each():
    panel = few(1, 25, 25, team_shock=0.3)
    by_team, by_seller = enablement.effect_in(panel), enablement.effect_in(panel.assign(team=panel["rep_id"]))
    assert (by_team["errors_by"], by_seller["errors_by"]) == ("team", "seller")
    assert by_team["mde"] > by_seller["mde"] and by_team["high"] - by_team["low"] > by_seller["high"] - by_seller["low"]
    assert by_team["effect"] == by_seller["effect"] and by_team["n_trained"] == 25
    assert enablement.effect_in(few(1, 15, 15))["errors_by"] == "seller, too few teams"
    lots = panel.assign(started=panel["started"].where(panel["rep_id"] % 5 < 2))  # two of every team
    assert enablement.effect_in(lots)["errors_by"] == "seller"


def test_the_team_is_the_one_at_the_training_and_the_first_training_counts(company):
    moved = [{"rep_id": "T0", "hire_date": pd.Timestamp("2020-01-01"), "team": team, "start_date": pd.Timestamp(since), "end_date": end}
             for team, since, end in (("Old", "2020-01-01", pd.Timestamp("2024-01-31")), ("New", "2024-02-01", pd.NaT))]  # fmt: skip
    others = [{"rep_id": rep, "hire_date": pd.Timestamp("2020-01-01"), "team": "Old"} for rep in [*TRAINED[1:], *NEVER]]
    given = [{"rep_id": rep, "training": "Discovery", "completed_date": pd.Timestamp(day)}
             for rep in TRAINED for day in ("2023-07-03", "2024-07-03")]  # fmt: skip
    panel = enablement.sellers_quarters(
        looked_at(team(company, reps=[*moved, *others], trainings=given)), training="Discovery", measure="wins"
    )
    assert panel.groupby("rep_id")["team"].first()["T0"] == "Old"
    assert panel.loc[panel["rep_id"].isin(TRAINED), "started"].unique().tolist() == [SINCE]


def test_too_few_people_get_no_effect(company):
    done = [{"rep_id": rep, "training": "Discovery", "completed_date": pd.Timestamp("2023-07-03")} for rep in TRAINED[:4]]
    row = enablement.training_effect(looked_at(team(company, trainings=done)), measure="wins").iloc[0]
    assert row["verdict"] == "too few people" and np.isnan(row["effect"])


def test_the_smallest_effect_does_not_know_what_came_after(company):
    seen = [enablement.training_effect(looked_at(team(company, uplift=u)), measure="wins")["mde"].iloc[0] for u in (0, 9)]
    assert seen[0] == seen[1]


def test_only_whole_quarters_of_people_who_were_there_count(company):
    reps = [{"rep_id": rep, "hire_date": pd.Timestamp("2020-01-01")} for rep in [*TRAINED[2:], *NEVER[1:]]]
    reps += [{"rep_id": "T0", "hire_date": pd.Timestamp("2023-02-01")},  # trained before four quarters were seen
             {"rep_id": "T1", "hire_date": pd.Timestamp("2020-01-01"), "end_date": pd.Timestamp("2023-12-15")},
             {"rep_id": "N0", "hire_date": None}]  # fmt: skip
    snapshot = looked_at(team(company, reps=reps), as_of="2024-12-30")
    panel = enablement.sellers_quarters(snapshot, training="Discovery", measure="wins")
    spans = panel.groupby("rep_id")["quarter"].agg(["min", "max"]).astype(str)
    assert spans.loc["T0"].tolist() == ["2023Q4", "2024Q3"]  # half a year after the hire, and the last quarter is not over
    assert spans.loc["T1"].tolist() == ["2022Q1", "2023Q3"]
    assert spans.loc["N0"].tolist() == ["2022Q1", "2024Q3"]
    row = enablement.training_effect(snapshot, measure="wins").iloc[0]
    assert (row["n_trained"], row["n_left_out"]) == (5, 1)


def test_a_training_that_is_not_known_yet_is_none(company):
    folder = team(company)
    assert enablement.training_effect(looked_at(folder, as_of="2024-07-01"), measure="wins")["verdict"].tolist() == ["found"]
    with pytest.raises(DataRefused, match="nobody is known to have completed"):
        enablement.training_effect(Snapshot(folder, quarter="2023Q2"), measure="wins")


def test_pace_counts_moves_against_weeks_with_the_owner(company):
    """Two deals, one handed over: T0 has it for 7 weeks in the first stage, N0 for 3 and moves it on."""
    day = pd.Timestamp
    deals = [{"opportunity_id": "A", "owner_id": "N0", "status": "won", "stage": "Won", "created_at": day("2024-01-01"), "close_date": day("2024-04-08")},
             {"opportunity_id": "B", "owner_id": "N0", "status": "lost", "stage": "Lost", "created_at": day("2024-01-01"), "close_date": day("2024-01-15")},
             *({"opportunity_id": f"Z{n}", "owner_id": "T0", "status": "lost", "stage": "Lost", "created_at": day("2023-10-02"), "close_date": day("2023-10-02")} for n in range(3))]  # fmt: skip
    moves = [("A", "2024-01-01", "stage", "Talk"), ("A", "2024-01-01", "owner_id", "T0"), ("A", "2024-02-19", "owner_id", "N0"),
             ("A", "2024-03-11", "stage", "Offer"), ("A", "2024-04-08", "stage", "Won"), ("B", "2024-01-01", "stage", "Talk"),
             ("B", "2024-01-01", "owner_id", "N0"), ("B", "2024-01-15", "stage", "Lost")]  # fmt: skip
    history = [
        {"change_no": n, "opportunity_id": o, "changed_at": day(at), "field": f, "new_value": v}
        for n, (o, at, f, v) in enumerate(moves)
    ]
    folder = company(
        opportunities=deals, opportunity_history=history, tracked=["stage", "owner_id"],
        reps=[{"rep_id": rep, "hire_date": day("2020-01-01")} for rep in ("T0", "N0")],
        trainings=[{"rep_id": "T0", "training": "Discovery", "completed_date": day("2024-04-01")}],
    )  # fmt: skip
    panel = enablement.sellers_quarters(Snapshot(folder, quarter="2024Q2"), training="Discovery").set_index(
        ["rep_id", "quarter"]
    )
    first, second = pd.period_range("2024Q1", "2024Q2", freq="Q-DEC")
    # Talk: 1 move in 7 + 3 + 2 weeks; Offer: 3 weeks in the first quarter, 1 in the second, 1 move in 4.
    assert panel.loc[("T0", first), ["value", "expected"]].tolist() == pytest.approx([0, 7 / 12])
    assert panel.loc[("N0", first), ["value", "expected"]].tolist() == pytest.approx([1, 5 / 12 + 3 / 4])
    assert panel.loc[("N0", second), ["value", "expected"]].tolist() == pytest.approx([1, 1 / 4])


def test_moves_that_nothing_is_expected_of_are_left_out(company):
    """Only T0, trained, ever has an offer open: nobody says how long such a deal takes."""
    day = pd.Timestamp
    deals = [{"opportunity_id": f"Z{n}", "owner_id": rep, "status": "won", "stage": "Won", "created_at": day("2024-01-01"),
              "close_date": day("2024-05-06")} for n, rep in enumerate(["T0", "N0", "N0", "N0"])]  # fmt: skip
    moves = [("Z0", "2024-01-01", "Talk"), ("Z0", "2024-02-05", "Offer"), ("Z0", "2024-05-06", "Won"), ("Z1", "2024-01-01", "Talk"),
             ("Z1", "2024-05-06", "Won")]  # fmt: skip
    history = [{"change_no": n, "opportunity_id": o, "changed_at": day(at), "field": "stage", "new_value": v}
               for n, (o, at, v) in enumerate(moves)]  # fmt: skip
    early = [{"opportunity_id": f"Y{n}", "owner_id": "N0", "status": "lost", "stage": "Lost", "created_at": day("2023-09-01"), "close_date": day("2023-10-02")} for n in range(3)]  # fmt: skip
    folder = company(
        opportunities=[*early, *deals], opportunity_history=history, tracked=["stage"],
        reps=[{"rep_id": rep, "hire_date": day("2020-01-01")} for rep in ("T0", "N0")],
        trainings=[{"rep_id": "T0", "training": "Discovery", "completed_date": day("2024-01-08")}],
    )  # fmt: skip
    panel = enablement.sellers_quarters(Snapshot(folder, quarter="2024Q2"), training="Discovery")
    row = panel.set_index(["rep_id", "quarter"]).loc[("T0", pd.Period("2024Q2", "Q-DEC"))]
    assert row[["value", "expected", "unexpected"]].tolist() == [0, 0, 1]


def test_a_quarter_ends_at_local_midnight_and_history_counts_from_its_first_whole_quarter(company):
    day = pd.Timestamp
    deals = [{"opportunity_id": f"Z{n}", "owner_id": "T0", "status": "won", "stage": "Won", "created_at": day("2023-09-01"),
              "close_date": day("2023-10-02") if n else day("2024-04-01")} for n in range(4)]  # fmt: skip
    moves = [("2023-09-01", "Talk"), ("2024-03-31 22:30", "Won")]  # half past midnight in Paris
    history = [
        {"change_no": n, "opportunity_id": "Z0", "changed_at": day(at), "field": "stage", "new_value": v}
        for n, (at, v) in enumerate(moves)
    ]
    folder = company(
        opportunities=deals, opportunity_history=history, tracked=["stage"], timezone="Europe/Paris",
        reps=[{"rep_id": "T0", "hire_date": day("2020-01-01")}],
        trainings=[{"rep_id": "T0", "training": "Discovery", "completed_date": day("2024-06-03")}],
    )  # fmt: skip
    snapshot = Snapshot(folder, quarter="2024Q2")
    panel = enablement.sellers_quarters(snapshot, training="Discovery").set_index("quarter")
    assert panel["value"].to_dict() == {q: float(str(q) == "2024Q2") for q in panel.index} and len(panel) == 3
    snapshot.dataset["history_since"] = "2024-02-01"
    assert len(enablement.sellers_quarters(snapshot, training="Discovery")) == 1


def test_other_trainings_of_the_same_people_are_counted_and_corrected_for(company):
    given = [{"rep_id": rep, "training": name, "completed_date": pd.Timestamp(on)} for rep, name, on in [
        *((rep, "Discovery", "2023-07-03") for rep in TRAINED), *((rep, "Pricing", "2023-08-01") for rep in [*TRAINED[:2], *NEVER[:3]]),
        ("T5", "Pricing", "2021-01-01")]]  # fmt: skip
    found = enablement.training_effect(looked_at(team(company, trainings=given)), measure="wins").set_index("training")
    assert found["n_also"].to_dict() == {"Discovery": 2, "Pricing": 2}
    alone = enablement.training_effect(looked_at(team(company)), measure="wins")["p"].iloc[0]
    assert found.loc["Discovery", "p"] == pytest.approx(2 * alone)


def test_a_question_that_cannot_be_answered_says_why(company):
    snapshot = looked_at(team(company))
    with pytest.raises(NoHistory):
        enablement.training_effect(snapshot)  # pace needs the stage history
    with pytest.raises(UsageError, match="did you mean wins"):
        enablement.training_effect(snapshot, measure="win")
    with pytest.raises(UsageError, match="did you mean Discovery"):
        enablement.training_effect(snapshot, training="Discovry", measure="wins")
    with pytest.raises(UsageError, match="not yet"):
        enablement.training_effect(snapshot, measure="wins", controls="none")


# --- planted uplifts ---------------------------------------------------------------------------------------------------

SEEDS, SCALE = range(2201, 2401), 3.0


def of_seed(seed: int, scale: float = SCALE) -> list[dict]:
    """The answers for one company with and without the planted uplift, and how much faster the very same deals moved with it."""
    worlds = {planted: played(seed, scale=scale, training=planted) for planted in (True, False)}
    pace = {}
    for planted, panel in worlds.items():
        trained = panel[(panel["quarter"] >= panel["started"]) & (panel["quarter"] < panel["started"] + rules.AFTER)]
        pace[planted] = trained["value"].sum() / trained["expected"].sum()
    rows = []
    for planted, panel in worlds.items():
        row = rules.judged(pd.DataFrame([enablement.effect_in(panel)])).iloc[0].to_dict()
        rows.append({"seed": seed, "planted": planted, "true": np.log(pace[True] / pace[False]), **row})
    return rows


def told(found: pd.DataFrame) -> pd.DataFrame:
    """Per kind of company: mean effect, interval held among those that name an effect, share of each verdict."""
    truth = np.where(found["planted"], np.expm1(found["true"].mean()), 0.0)
    named = found["effect"].notna()
    found = found.assign(held=((found["low"] <= truth) & (truth <= found["high"])).where(named).astype(float))
    verdicts = pd.crosstab(found["planted"], found["verdict"], normalize="index")
    kinds = found.groupby("planted").agg(
        n=("seed", "size"), effect=("effect", "mean"), held=("held", "mean"), mde=("mde", "median")
    )
    return kinds.assign(true=[0.0, np.expm1(found["true"].mean())]).join(verdicts)


@pytest.mark.truth
def test_a_planted_uplift_is_recovered_and_none_is_found_where_none_is():
    """About 96 sellers, 35 trained and compared. Tuned on seeds 1000–1034 (and 1000–1024 of a third of the size)."""
    with ProcessPoolExecutor(2) as pool:
        found = pd.DataFrame([row for rows in pool.map(of_seed, SEEDS) for row in rows])
    summary = told(found)
    print("\n" + summary.round(3).T.to_string())
    without = found[~found["planted"]]
    assert (~without["verdict"].isin([rules.FOUND, rules.WORSE])).mean() >= 0.92
    assert summary.loc[True, "held"] >= 0.90 and summary.loc[False, "held"] >= 0.90
    assert summary.loc[True, "found"] >= 0.6


@pytest.mark.truth
@pytest.mark.parametrize(
    ("trained", "others", "together", "shock"),
    [(5, 5, False, 0), (8, 11, False, 0), (25, 25, True, 0.15), (15, 15, True, 0.15)],
)
def test_few_people_or_teams_do_not_make_effects(trained, others, together, shock):
    """The error of 5 % is held: by people of unequal size, and by teams with good and bad times of their own."""
    rows = []
    for seed in range(3001, 3201):
        panel = few(seed, trained, others, team_shock=shock)
        rows.append(enablement.effect_in(panel if together else panel.assign(team=panel["rep_id"])))
    raw, judged = pd.DataFrame(rows), rules.judged(pd.DataFrame(rows))
    outside = ((raw["low"] > 0) | (raw["high"] < 0)).mean()
    told = judged["verdict"].value_counts(normalize=True).round(3).to_dict()
    print(f"\n{trained} trained, {others} others, {raw['errors_by'].iloc[0]}: {outside:.3f} leave 0 out; {told}")
    if "few" not in raw["errors_by"].iloc[0]:  # fewer than five teams: the error is not held, and it is said
        assert outside <= 0.075


@pytest.mark.truth
def test_whole_companies_say_what_the_played_weeks_say():
    """Laid on disk, read through the gate, asked by the public door: the same moves, and nearly the same effect."""
    gaps = []
    for seed in range(2411, 2417):
        plain = dict.fromkeys(("bottleneck", "drop", "duplicates", "fault"), False)
        folder, _ = invent(seed, scale=SCALE, oracle_paths=0, **plain)
        asked = enablement.effect_in(enablement.sellers_quarters(Snapshot(folder, quarter="2026Q3"), training="Discovery"))
        straight = enablement.effect_in(played(seed, scale=SCALE, training=True))
        gaps.append(np.log1p(asked["effect"]) - np.log1p(straight["effect"]))
    print("\nwhole companies − played weeks, log points: " + ", ".join(f"{gap:+.3f}" for gap in gaps))
    assert np.abs(gaps).max() <= 0.03
