"""Event logs: what follows what, sequences, durations, rework, waiting, timers; equal to a plain loop and to pm4py.

pm4py is AGPL and no dependency: what is expected of public logs is what pm4py 2.7.23.11 printed for them; a truth test runs it
beside us in an environment of its own (`.ci/peer`).
"""

import hashlib
import json
import shutil
import subprocess
from collections import Counter, defaultdict
from pathlib import Path
from statistics import fmean, median

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, SHARED

from revops_lib import sources
from revops_lib.bottlenecks.eventlog import ARROW, event_log
from revops_lib.bottlenecks.flow import directly_follows, durations, rework, variants
from revops_lib.bottlenecks.usable import unusable
from revops_lib.bottlenecks.waits import handoffs, timers, waiting
from revops_lib.errors import DataRefused, NoHistory
from revops_lib.snapshot import Snapshot
from revops_lib.worktime import Calendar

SMALL, RECEIPT = SHARED / "data" / "eventlog_small", SHARED / "data" / "eventlog_receipt"
PEER = ROOT / ".peers" / "pm4py" / "bin" / "python"
DAY = 86_400  # seconds, the unit of pm4py
LOGS = {
    "running": SMALL / "running-example.csv",
    "broken": SMALL / "running_example_broken.csv",
    "traffic": SMALL / "roadtraffic100traces.csv",
    "interval": SMALL / "interval_event_log.csv",
    "receipt": RECEIPT / "receipt.csv.gz",
}
# What pm4py 2.7.23.11 answers (discover_dfg, discover_performance_dfg, get_variants, get_all_case_durations,
# get_rework_cases_per_activity) for the times at which work was done: pairs, steps, variants, cases, seconds of all cases.
PRINTED = {
    "running": (16, 36, 6, 6, 5_801_340.0, {"check ticket": 2, "decide": 2, "examine casually": 1, "reinitiate request": 1}),
    "broken": (18, 28, 6, 6, 5_718_300.0, {"check ticket": 1, "decide": 1, "examine casually": 1}),
    "traffic": (18, 290, 10, 100, 2_699_733_600.0, {"Payment": 10}),
    "interval": (15, 6_843, 10, 1_266, 2_661_761_485.0, {"send reminder": 316}),
    "receipt": (99, 7_143, 116, 1_434, 670_056_454.479, None),
}
# The same for pairs: activity, next, n, mean and median seconds.
RUNNING = [
    ("check ticket", "decide", 6, 181_960, 129_300), ("examine casually", "check ticket", 4, 47_970, 48_120),
    ("decide", "pay compensation", 3, 514_160, 521_400), ("decide", "reinitiate request", 3, 66_400, 91_800),
    ("decide", "reject request", 3, 154_240, 97_560), ("register request", "examine casually", 3, 32_240, 3_840),
    ("check ticket", "examine casually", 2, 92_430, 92_430), ("examine casually", "decide", 2, 375_420, 375_420),
    ("examine thoroughly", "check ticket", 2, 309_090, 309_090), ("register request", "check ticket", 2, 39_120, 39_120),
    ("check ticket", "examine thoroughly", 1, 95_820, 95_820), ("examine thoroughly", "decide", 1, 76_740, 76_740),
    ("register request", "examine thoroughly", 1, 83_040, 83_040), ("reinitiate request", "check ticket", 1, 252_900, 252_900),
    ("reinitiate request", "examine casually", 1, 73_080, 73_080),
    ("reinitiate request", "examine thoroughly", 1, 2_880, 2_880),
]  # fmt: skip

# get_service_time of the log with begins and ends, seconds.
SERVICE = {
    "working_mean": {"cancel order": 1100.922, "confirm payment": 843.2791, "make delivery": 2111.2213, "pay": 720.8782,
                     "place order": 2521.8491, "prepare delivery": 1758.4356, "send invoice": 803.0790,
                     "send reminder": 1212.0823},
    "working_median": {"cancel order": 787, "confirm payment": 446, "make delivery": 1459, "pay": 352, "place order": 568,
                       "prepare delivery": 437, "send invoice": 380, "send reminder": 1107.5},
}  # fmt: skip


@pytest.fixture(scope="session")
def logs(tmp_path_factory):
    """The public logs imported with the example mapping; the one with begins, with the two entries its comment shows."""
    if not SMALL.exists() or not RECEIPT.exists():
        pytest.skip("no public event logs: put them beside the checkout or name their parent in REVOPS_SHARED")
    found = {}
    for name, path in LOGS.items():
        folder = tmp_path_factory.mktemp(name)
        shutil.copy(path, folder / ("events.csv" + (".gz" if path.suffix == ".gz" else "")))
        mapping = begins_too(folder) if name == "interval" else ROOT / "data" / "mappings" / "eventlog.yml"
        sources.import_export(mapping, folder, folder / "data")
        found[name] = Snapshot(folder / "data", quarter="2026Q3")
    return found


def begins_too(folder: Path) -> Path:
    """The example mapping with the list of two entries that it has as a comment."""
    text = (ROOT / "data" / "mappings" / "eventlog.yml").read_text(encoding="utf-8")
    head, comment = text.split("tables:\n")[0], text.split("\n#\n")[-1]
    entries = "".join(f"{line[1:]}\n" for line in comment.splitlines())
    entries = entries.replace("case_id: case,", 'case_id: "case:concept:name",').replace(
        "activity: activity", 'activity: "concept:name"'
    )
    mapping = folder / "mapping.yml"
    mapping.write_text(head + "tables:\n" + entries.replace("at: timestamp", 'at: "time:timestamp"'), encoding="utf-8")
    return mapping


def answers(snapshot, process="process"):
    """What we say, in pm4py's units and shape."""
    follows = directly_follows(snapshot, process=process)
    again = rework(snapshot, process=process)
    return {
        "follows": sorted([r.activity, r.next_activity, r.n, r.mean * DAY, r.median * DAY] for r in follows.itertuples()),
        "variants": sorted([r.variant.split(ARROW), r.n] for r in variants(snapshot, process=process).itertuples()),
        "durations": sorted(durations(snapshot, process=process)["days"] * DAY),
        "rework": dict(zip(again["activity"], again["n_cases"], strict=True)),
    }


# --- pm4py -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOGS)
def test_public_logs_give_what_pm4py_printed(logs, name):
    ours = answers(logs[name])
    pairs, steps, sequences, cases, seconds, again = PRINTED[name]
    assert (len(ours["follows"]), sum(row[2] for row in ours["follows"])) == (pairs, steps)
    assert (len(ours["variants"]), sum(n for _, n in ours["variants"]), len(ours["durations"])) == (sequences, cases, cases)
    assert sum(ours["durations"]) == pytest.approx(seconds)
    assert ours["rework"] == again if again is not None else (len(ours["rework"]), sum(ours["rework"].values())) == (13, 139)


def test_the_directly_follows_graph_of_the_running_example(logs):
    found = directly_follows(logs["running"], process="process")
    rows = [(r.activity, r.next_activity, r.n, round(r.mean * DAY), round(r.median * DAY)) for r in found.itertuples()]
    assert rows == RUNNING and set(found["unit"]) == {"days"}


def test_variants_of_the_receipt_log(logs):
    found = variants(logs["receipt"], process="process")
    assert found["n"].head(2).tolist() == [713, 123]  # pm4py 2.7.23.11
    assert found["variant"].iloc[0].split(ARROW)[0] == "Confirmation of receipt"
    assert found["share"].sum() == pytest.approx(1)
    assert digest(answers(logs["receipt"])) == DIGEST


DIGEST = "36ce9f802cb37f90"  # of pm4py 2.7.23.11's answers for the receipt log


def digest(found):
    """Equal for equal answers, times to the millisecond (sums and doubled medians are whole ones)."""
    follows = [[a, b, n, f"{mean * n:.4f}", f"{half * 2:.4f}"] for a, b, n, mean, half in found["follows"]]
    rest = [found["variants"], [f"{one:.4f}" for one in sorted(found["durations"])], sorted(found["rework"].items())]
    return hashlib.sha256(json.dumps([follows, rest]).encode()).hexdigest()[:16]


def test_working_time_equals_pm4pys_service_time(logs):
    found = waiting(logs["interval"], process="process").set_index("activity")
    for of, told in SERVICE.items():
        assert (found[of] * DAY).to_dict() == pytest.approx(told)
    assert found["n"].sum() == 8_109 and found["n_waited"].sum() == 8_109 - 1_266  # nothing waits for a case's first


def test_the_legal_term_in_the_road_traffic_log_is_a_timer(logs):
    found = timers(logs["traffic"], process="process")
    # An unpaid Italian fine grows 60 days after notification (de Leoni & Mannhardt, Road Traffic Fine Management Process, 2015).
    assert found[["activity", "next_activity", "n", "n_constant", "days"]].to_numpy().tolist() == [
        ["Insert Fine Notification", "Add penalty", 52, 52, 60.0]
    ]
    assert timers(logs["receipt"], process="process").empty


def test_what_is_odd_in_the_public_logs_is_said(logs):
    def said(name):
        return dict(zip(*unusable(logs[name], process="process")[["finding", "n_cases"]].to_numpy().T, strict=True))

    assert said("running") == {} and said("broken") == {}
    assert said("traffic") == {"tied": 8}
    assert said("receipt") == {"single event": 116}
    assert said("interval") == {"not in order": 39, "tied": 1}


PEER_CODE = """
import json, sys
import pandas as pd, pm4py
answers = {}
for name, path in json.loads(sys.argv[1]).items():
    frame = pd.read_csv(path, sep=None, engine="python", dtype=str)
    times = [column for column in ("time:timestamp", "start_timestamp") if column in frame]
    for column in times:
        frame[column] = pd.to_datetime(frame[column], utc=True, format="ISO8601")
    frame = frame[["case:concept:name", "concept:name", *times]]
    log = pm4py.format_dataframe(frame[["case:concept:name", "concept:name", "time:timestamp"]].copy())
    count = pm4py.discover_dfg(log)[0]
    time = pm4py.discover_performance_dfg(log)[0]
    answers[name] = {
        "follows": sorted([a, b, n, time[a, b]["mean"], time[a, b]["median"]] for (a, b), n in count.items()),
        "variants": sorted([list(variant), n] for variant, n in pm4py.get_variants(log).items()),
        "durations": sorted(pm4py.get_all_case_durations(log)),
        "rework": pm4py.get_rework_cases_per_activity(log),
    }
    if len(times) == 2:
        log = pm4py.format_dataframe(frame, start_timestamp_key="start_timestamp")
        answers[name]["service"] = [
            pm4py.get_service_time(log, start_timestamp_key="start_timestamp", aggregation_measure=of) for of in ("mean", "median")
        ]
print(json.dumps(answers))
"""


@pytest.mark.truth
def test_everything_equals_pm4py_run_beside_us(logs, tmp_path):
    if not PEER.exists():
        pytest.skip("pm4py has no environment here: bash .ci/peer")
    drawn = np.random.default_rng(2026)
    frame = random_log(drawn, 400)
    hours = drawn.choice([-8, 0, 1, 2, 5], len(frame))  # every row in an offset of its own
    frame["at"] = [
        f"{at + pd.Timedelta(hours=h):%Y-%m-%d %H:%M:%S}{h:+03d}:00" for at, h in zip(frame["at"], hours, strict=True)
    ]
    names = {"case_id": "case:concept:name", "activity": "concept:name", "at": "time:timestamp"}
    frame.rename(columns=names).to_csv(tmp_path / "events.csv", index=False)
    sources.import_export(ROOT / "data" / "mappings" / "eventlog.yml", tmp_path, tmp_path / "data", max_rejected=1)
    every = {**logs, "random": Snapshot(tmp_path / "data", quarter="2026Q3")}
    paths = {name: str(path) for name, path in {**LOGS, "random": tmp_path / "events.csv"}.items()}
    ran = subprocess.run([PEER, "-c", PEER_CODE, json.dumps(paths)], capture_output=True, text=True, check=True)
    theirs = json.loads(ran.stdout.splitlines()[-1])
    for name, snapshot in every.items():
        ours, peer = answers(snapshot), theirs[name]
        assert [row[:3] for row in ours["follows"]] == [row[:3] for row in peer["follows"]], name
        assert np.array([row[3:] for row in ours["follows"]]) == pytest.approx(
            np.array([row[3:] for row in peer["follows"]])
        ), name
        assert ours["variants"] == peer["variants"] and ours["rework"] == peer["rework"], name
        assert ours["durations"] == pytest.approx(peer["durations"]), name
        print(
            f"| {name} | {len(ours['follows'])} pairs | {len(ours['variants'])} variants | {len(ours['durations'])} cases | equal |"
        )
    found = waiting(logs["interval"], process="process").set_index("activity")
    for column, told in zip(("working_mean", "working_median"), theirs["interval"]["service"], strict=True):
        assert (found[column] * DAY).to_dict() == pytest.approx(told)


# --- a plain loop ----------------------------------------------------------------------------------------------------


def random_log(random, n_cases):
    """Cases of 1 to 60 events among 9 activities, mixed in the file; times in whole hours, so that many are tied."""
    length = np.where(random.random(n_cases) < 0.95, random.integers(1, 9, n_cases), random.integers(30, 60, n_cases))
    case = random.permutation(np.repeat(np.arange(n_cases), length))
    at = pd.Timestamp("2026-01-01") + pd.to_timedelta(random.integers(0, 60, len(case)), unit="h")
    frame = pd.DataFrame({"case_id": [f"c{one:05d}" for one in case], "activity": random.choice(list("abcdefghi"), len(case))})
    frame["at"] = at.as_unit("us")
    return frame.drop_duplicates(ignore_index=True)  # of two rows that are alike an import keeps one


def loop(frame):
    """The same answers one event at a time."""
    cases = defaultdict(list)
    for row, (case, activity, at) in enumerate(zip(frame["case_id"], frame["activity"], frame["at"], strict=True)):
        cases[case].append((at, row, activity))
    steps, sequences, days, again, repeats = defaultdict(list), Counter(), {}, Counter(), Counter()
    for case, happened in cases.items():
        happened.sort()
        for (at, _, activity), (later, _, following) in zip(happened, happened[1:], strict=False):
            steps[activity, following].append((later - at).total_seconds() / DAY)
        sequences[ARROW.join(activity for *_, activity in happened)] += 1
        days[case] = (happened[-1][0] - happened[0][0]).total_seconds() / DAY
        for activity, n in Counter(activity for *_, activity in happened).items():
            again[activity] += n > 1
            repeats[activity] += n - 1
    return steps, sequences, days, +again, +repeats


@pytest.mark.parametrize(("seed", "n"), [(1, 1), (2, 7), (3, 60), (4, 400)])
@pytest.mark.parametrize("kind", ["text", "category"])
def test_the_kernel_equals_a_plain_loop(seed, n, kind):
    frame = random_log(np.random.default_rng(seed), n)
    steps, sequences, days, again, repeats = loop(frame)
    log = event_log(frame if kind == "text" else frame.astype({"case_id": "category", "activity": "category"}))
    found = log.directly_follows()
    assert {(r.activity, r.next_activity): r.n for r in found.itertuples()} == {pair: len(each) for pair, each in steps.items()}
    for row in found.itertuples():
        each = steps[row.activity, row.next_activity]
        assert (row.mean, row.median) == pytest.approx((fmean(each), median(each)))
    assert found["n"].is_monotonic_decreasing
    assert dict(zip(log.variants()["variant"], log.variants()["n"], strict=True)) == sequences
    assert dict(zip(log.durations()["case_id"], log.durations()["days"], strict=True)) == pytest.approx(days)
    found = log.rework().set_index("activity")
    assert found["n_cases"].to_dict() == again and found["n_repeats"].to_dict() == repeats


def test_long_sequences_are_told_apart_where_numbers_would_overflow():
    """Cases of 70 events differ in one place only, early, late or in length."""
    base = list("abcdefghij" * 7)
    others = [base, ["b", *base[1:]], [*base[:-1], "a"], base[:-1], [*base, "a"], base]
    rows = [(f"c{case}", activity, place) for case, each in enumerate(others) for place, activity in enumerate(each)]
    frame = pd.DataFrame(rows, columns=["case_id", "activity", "at"])
    frame["at"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(frame["at"], unit="D")
    found = event_log(frame).variants()
    assert found["n"].tolist() == [2, 1, 1, 1, 1]
    assert set(found["variant"]) == {ARROW.join(each) for each in others}


def test_medians_where_group_and_time_do_not_fit_into_one_number():
    """A century between two events and a thousand activities."""
    random = np.random.default_rng(5)
    n = 3_000
    frame = pd.DataFrame(
        {"case_id": random.integers(0, 40, n).astype("str"), "activity": random.integers(0, 1_000, n).astype("str")}
    )
    frame["at"] = pd.Timestamp("1700-01-01") + pd.to_timedelta(random.integers(0, 200_000, n), unit="D").as_unit("us")
    steps = loop(frame)[0]
    for row in event_log(frame).directly_follows().itertuples():
        assert row.median == pytest.approx(median(steps[row.activity, row.next_activity]))


# --- hand-worked -----------------------------------------------------------------------------------------------------


@pytest.fixture
def process(company):
    """A function that lays a process on disk: `process([(case, activity, at, …)], columns)`."""

    def lay(rows, names=("case_id", "activity", "at"), **more):
        table = [
            {"event_no": i, "process": "orders", **dict(zip(names, row, strict=True))} for i, row in enumerate(rows, start=1)
        ]
        return Snapshot(company(events=table, **more), quarter="2026Q1")

    return lay


def test_repeats_cost_the_time_until_the_next_event(process):
    snapshot = process([("1", "check", "2026-01-01"), ("1", "fix", "2026-01-02"), ("1", "check", "2026-01-04"),
                        ("1", "ship", "2026-01-09"), ("2", "check", "2026-01-05"), ("2", "check", "2026-01-06")])  # fmt: skip
    found = rework(snapshot, process="orders")
    # Case 1 checks again for 5 days; the second check of case 2 is not followed by anything yet.
    assert found.to_numpy().tolist() == [["check", 2, 2, 1.0, 5.0, "days"]]


def test_working_days_are_one_unit_everywhere(process):
    office = Calendar("UTC", hours=(("08:00", "16:00"),))
    snapshot = process(
        [("1", "ask", "2026-01-09 12:00"), ("1", "reply", "2026-01-12 12:00"), ("1", "reply", "2026-01-13 12:00")]
    )
    found = directly_follows(snapshot, process="orders", calendar=office)  # Friday noon to Monday noon: one working day
    assert found[["n", "mean", "median"]].to_numpy().tolist() == [[1, 1.0, 1.0], [1, 1.0, 1.0]]
    assert durations(snapshot, process="orders", calendar=office)[["days", "unit"]].to_numpy().tolist() == [
        [2.0, "working days"]
    ]
    assert durations(snapshot, process="orders")["days"].tolist() == [4.0]


TIMED = ("case_id", "activity", "lifecycle", "at", "resource")


def test_waiting_against_working_time(process):
    snapshot = process([
        ("1", "draft", "start", "2026-01-01", "ann"), ("1", "draft", "complete", "2026-01-02", "ann"),
        ("1", "sign", "start", "2026-01-05", "bob"), ("1", "sign", "complete", "2026-01-06", "bob"),  # waited 3 days
        ("2", "draft", "start", "2026-01-01", "ann"), ("2", "draft", "complete", "2026-01-04", "ann"),
        ("2", "sign", "start", "2026-01-03", "bob"), ("2", "sign", "complete", "2026-01-10", "bob"),  # began before: no wait
        ("3", "draft", "start", "2026-01-01", "ann"),  # not done yet
        ("4", "draft", "complete", "2026-01-03", "ann"), ("4", "draft", "start", "2026-01-07", "ann"),  # done before it began
    ], TIMED)  # fmt: skip
    found = waiting(snapshot, process="orders").set_index("activity")
    assert found.loc["sign", ["n", "working_mean", "n_waited", "waiting_mean", "waiting_share"]].tolist() == [
        2,
        4.0,
        2,
        1.5,
        3 / 11,
    ]
    assert found.loc["draft", ["n", "working_mean", "n_waited"]].tolist() == [2, 2.0, 0]
    odd = unusable(snapshot, process="orders").set_index("finding")
    assert odd[["n_events", "n_cases", "first_cases"]].loc[["done before begun", "not paired"]].to_numpy().tolist() == [
        [1, 1, "4"], [1, 1, "3"]]  # fmt: skip
    assert odd.loc["done before begun", "sentence"] == (
        "Work done before it began: 1 event in 1 case; left out of working and waiting time."
    )
    passed = handoffs(snapshot, process="orders")
    assert passed.to_numpy().tolist() == [["ann", "bob", 2, 5.0, 5.0, "days"]]  # done to done: 4 and 6 days


def test_a_log_without_begins_or_people_says_so(process):
    snapshot = process([("1", "a", "2026-01-01"), ("1", "b", "2026-01-02")])
    with pytest.raises(DataRefused, match="when work began"):
        waiting(snapshot, process="orders")
    with pytest.raises(DataRefused, match="do not say who"):
        handoffs(snapshot, process="orders")


def stay(n, days, of="quiet", after="closed", start="2026-01-02 10:07"):
    """n cases, one a day, that end after so many days each."""
    begin = pd.Timestamp(start) + pd.to_timedelta(np.arange(n), unit="D")
    end = begin + pd.to_timedelta(days, unit="D")
    return [row for i in range(n) for row in ((f"{after}{i}", of, begin[i]), (f"{after}{i}", after, end[i]))]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (stay(12, 30.0), [["quiet", 12, 12, 30.0, "minute"]]),
        (stay(12, np.r_[np.full(7, 30.0), np.linspace(1, 29, 5)]), [["quiet", 12, 7, 30.0, "minute"]]),
        (stay(12, np.r_[np.full(5, 30.0), np.linspace(1, 29, 7)]), []),  # fewer than half
        (stay(12, 30 + np.linspace(0, 0.4, 12)), [["quiet", 12, 12, 30.0, "day"]]),  # a job that runs some time of the day
        (stay(9, 30.0), []),  # too few
        (stay(12, 1 / 48), []),  # half an hour is work
        (stay(12, 1.0, start="2026-01-02"), []),  # dates only: most things take a day
        (stay(40, np.random.default_rng(3).lognormal(3, 1, 40)), []),  # a queue
    ],
)
def test_a_fixed_time_is_a_timer_and_a_spread_one_is_not(process, rows, expected):
    found = timers(process(rows), process="orders")
    assert found[["activity", "n", "n_constant", "days", "precision"]].to_numpy().tolist() == expected
    assert found["sentence"].str.contains("a timer, not a queue").all()


def test_a_term_in_days_survives_the_change_of_the_clock(company):
    """Closed 30 days later at the same time of day in Paris; the clock changes on 29 March."""
    begin = pd.Series(pd.date_range("2026-03-10 09:00", periods=12, tz="Europe/Paris"))
    rows = [{"case_id": f"{i}", "activity": name, "at": (at + pd.DateOffset(days=days)).tz_convert("UTC").tz_localize(None)}
            for i, at in enumerate(begin) for name, days in (("quiet", 0), ("closed", 30))]  # fmt: skip
    events = [{"event_no": i, "process": "orders", **row} for i, row in enumerate(rows)]
    found = timers(Snapshot(company(events=events, timezone="Europe/Paris"), quarter="2026Q2"), process="orders")
    assert found[["days", "n_constant", "precision"]].to_numpy().tolist() == [[30.0, 12, "minute"]]


def test_a_term_from_the_beginning_is_seen_behind_steps_in_between(process):
    """Every case is closed 30 days after it was opened, whatever was answered in between."""
    random = np.random.default_rng(8)
    rows = []
    for i in range(20):
        begin = pd.Timestamp("2026-02-01") + pd.Timedelta(hours=13 * i)
        between = sorted(random.uniform(1, 29, 2))
        days = [("opened", 0.0), ("answered", between[0]), ("answered", between[1]), ("closed", 30.0)]
        rows += [(f"{i}", name, begin + pd.Timedelta(days=day)) for name, day in days]
    found = timers(process(rows), process="orders")
    assert found["activity"].isna().tolist() == [True]
    assert found["sentence"].tolist() == ["closed comes 30 days after the first event in 20 of 20 cases: a timer, not a queue."]


# --- deals, bad input, later data ------------------------------------------------------------------------------------


def test_flow_of_the_sample_adds_up():
    snapshot = Snapshot("data/sample", quarter="2026Q3")
    follows, sequences, cases = (of(snapshot) for of in (directly_follows, variants, durations))
    assert follows["n"].sum() == (cases["n_events"] - 1).sum() == ((sequences["n_events"] - 1) * sequences["n"]).sum()
    assert sequences["n"].sum() == len(cases) == len(snapshot.opportunities)
    assert timers(snapshot).empty  # the sample's deals close when they close
    trial = timers(snapshot, process="subscriptions").iloc[0]
    assert (trial["activity"], trial["next_activity"], trial["days"], trial["share"]) == ("Trial", "Ended", 30.0, 1.0)


def test_events_after_the_day_change_nothing(process):
    rows = [("1", "a", "2026-01-01"), ("1", "b", "2026-01-05"), ("2", "a", "2026-01-02")]
    early = process(rows)
    late = process([*rows[:2], ("2", "z", "2026-07-01"), rows[2], ("3", "a", "2026-07-01")])
    for of in (directly_follows, variants, durations, rework, timers, unusable):
        pd.testing.assert_frame_equal(of(early, process="orders"), of(late, process="orders"))


def test_unsorted_and_tied_rows_are_ordered_and_said(process):
    snapshot = process([("1", "c", "2026-01-03"), ("1", "a", "2026-01-01"), ("1", "b", "2026-01-03"), ("2", "a", "2026-01-01")])
    assert variants(snapshot, process="orders")["variant"].tolist() == ["a", "a → c → b"]  # tied: as the file has them
    odd = unusable(snapshot, process="orders")
    assert odd["sentence"].tolist() == [
        "Events that stand after a later one of their case: 1 event in 1 case; put in order of time.",
        "Events at the same time as the one before: 1 event in 1 case; the order of the source decides.",
        "Cases of one event: 1 case; no step, a duration of 0 days.",
    ]
    assert not odd["is_excluded"].any()


def test_cases_of_one_event_have_no_step(process):
    snapshot = process([("1", "a", "2026-01-01"), ("2", "a", "2026-01-02"), ("3", "b", "2026-01-02")])
    assert directly_follows(snapshot, process="orders").empty and rework(snapshot, process="orders").empty
    assert timers(snapshot, process="orders").empty
    assert variants(snapshot, process="orders")[["variant", "n", "n_events"]].to_numpy().tolist() == [["a", 2, 1], ["b", 1, 1]]
    assert durations(snapshot, process="orders")["days"].tolist() == [0.0, 0.0, 0.0]
    assert unusable(snapshot, process="orders")[["finding", "n_cases"]].to_numpy().tolist() == [["single event", 3]]


def test_a_step_dated_before_the_one_it_follows_is_left_out(company):
    leads = [{"lead_id": "good", "created_at": "2026-01-01", "mql_at": "2026-01-03"},
             {"lead_id": "bad", "created_at": "2026-01-05", "mql_at": "2026-01-02"}]  # fmt: skip
    deals = [{"opportunity_id": "d", "status": "open", "created_at": "2026-01-01"}]
    snapshot = Snapshot(company(leads=leads, opportunities=deals), quarter="2026Q1")
    assert durations(snapshot, process="leads")["case_id"].tolist() == ["good"]
    odd = unusable(snapshot, process="leads").iloc[0]
    assert (odd["finding"], odd["n_cases"], odd["n_events"], odd["is_excluded"]) == ("negative duration", 1, 2, True)
    assert odd["sentence"] == "A step dated before the step it follows: 1 case; left out, with all 2 events."
    both = [{**one, "mql_at": "2025-12-01"} for one in leads]
    with pytest.raises(DataRefused, match="no event of the process 'leads' can be counted"):
        durations(Snapshot(company(leads=both, opportunities=deals), quarter="2026Q1"), process="leads")


def test_unknown_deals_and_stages_are_said(company):
    def change(number, deal, stage, at):
        return {"change_no": number, "opportunity_id": deal, "changed_at": at, "field": "stage", "new_value": stage}

    deals = [{"opportunity_id": "d", "status": "open", "created_at": "2026-01-01"}]
    history = [
        change(1, "d", "Talk", "2026-01-01"),
        change(2, "d", "Parked", "2026-01-05"),
        change(3, "ghost", "Talk", "2026-01-01"),
    ]
    snapshot = Snapshot(company(tracked=["stage"], opportunities=deals, opportunity_history=history), quarter="2026Q1")
    odd = unusable(snapshot).set_index("finding")
    assert odd["is_excluded"].to_dict() == {"unknown case": True, "unknown stage": False}
    assert odd.loc["unknown case", "first_cases"] == "ghost"
    assert directly_follows(snapshot)[["activity", "next_activity", "n"]].to_numpy().tolist() == [["Talk", "Parked", 1]]


def test_deals_without_a_history_are_refused(company):
    deals = [{"opportunity_id": "d", "status": "open", "created_at": "2026-01-01"}]
    with pytest.raises(NoHistory):
        directly_follows(Snapshot(company(opportunities=deals), quarter="2026Q1"))
