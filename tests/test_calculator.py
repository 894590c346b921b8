"""The page "What will I earn?": in a browser its script pays what the engine pays, and it tells and sends nothing."""

from __future__ import annotations

import copy
import datetime as dt
import functools
import html
import http.server
import json
import random
import re
import shutil
import threading
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from test_site import browse, page, topic, write_run

from revops_lib import compensation, money, site, sources
from revops_lib.compensation import Component, Factors, Plan, engine
from revops_lib.compensation.book import Book
from revops_lib.compensation.releases import moves
from revops_lib.site import active, calculator
from revops_lib.snapshot import Snapshot

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = (ROOT / "revops_lib" / "site" / "earn.js").read_text(encoding="utf-8")
POINTS = 1_000
SAMPLE = compensation.plans(Snapshot("data/sample", quarter="2026Q3"))
FACTORS = {"multi_year": {"2": "1.1", "3": "1.25"}, "prepaid": "1.05", "renewal": "1/3"}
TIERS = [{"from": "0", "rate": "0.061"}, {"from": "2/3", "rate": "0.0975"}, {"from": "1.25", "rate": "1/7"}]
PAYS = [{"from": "0", "pays": "4000"}, {"from": "0.7", "pays": "3333.33"}, {"from": "1", "to": "1.5", "pays": "7000"}]
HELD = [{"share": "2/3", "on": "booking"}, {"share": "1/6", "on": {"months": "6"}}, {"share": "1/6", "on": {"months": "3"}}]
TARGET = {"basis": "target", "weight": "0.7", "tiers": [{"from": "0", "rate": "0.8"}, {"from": "0.5", "rate": "1.2"}]}
CASES: dict[str, dict[str, Any]] = {
    "marginal, held, half even": {"tiers": [{**one, "rate": rate} for one, rate in zip(TIERS, ("0.05", "0.15", "0.25"), strict=True)],"payable": HELD, "rounding": "half_even"},
    "marginal, hard cap, up": {"tiers": TIERS, "cap": ("hard", "9000.01", "0"), "payable": HELD, "rounding": "up"},
    "marginal, soft cap, down": {"tiers": TIERS, "cap": ("soft", "7000", "1/3"), "payable": HELD, "rounding": "down"},
    "marginal, cap per deal": {"tiers": TIERS, "cap": ("per_deal", "1500", "0")},
    "marginal, factors": {"tiers": TIERS, "credited": {**FACTORS, "renewal": "0"}, "commissionable": FACTORS, "payable": HELD},
    "whole": {"tiers": TIERS, "tier_application": "whole", "payable": HELD},
    "whole, closed, factors": {
        "tiers": [*TIERS[:2], {**TIERS[2], "to": "1.5"}], "tier_application": "whole", "commissionable": FACTORS,
    },
    "per transaction": {
        "basis": "amount", "tier_application": "per_transaction", "accumulation": "none", "cap": ("per_deal", "4000", "0"),
        "tiers": [{"from": "0", "rate": "0.01"}, {"from": "10000", "rate": "0.05"}, {"from": "50000", "rate": "0.03"}],
        "commissionable": FACTORS,
    },
    "interpolated": {"tiers": PAYS, "tier_application": "interpolated", "payable": HELD, "commissionable": FACTORS},
    "interpolated target": {**TARGET, "tiers": [{**PAYS[0], "pays": "0.6"}, {**PAYS[2], "from": "0.7", "pays": "1.1"}],
                            "tier_application": "interpolated", "accumulation": "year_to_date"},
    "gate": {"tiers": TIERS, "gate": ("bookings", "quarter", "0.5"), "cap": ("hard", "9000", "0"), "payable": HELD,
             "credited": FACTORS},
    "gate of another measure": {"tiers": TIERS, "gate": ("renewals", "year", "0.5")},
    "gate of a quarter in a year": {"tiers": TIERS, "accumulation": "year", "gate": ("bookings", "quarter", "0.4")},
    "month": {**TARGET, "accumulation": "month", "gate": ("bookings", "month", "0.3")},
    "year": {**TARGET, "accumulation": "year"},
    "renewals": {"tiers": TIERS, "measure": "renewals", "credits": ["split"]},
    "leads": {"tiers": [{"from": "0", "rate": "20"}, {"from": "1", "rate": "35.55"}], "measure": "leads", "payable": HELD},
    "team": {"tiers": TIERS, "of": "team"},
}  # fmt: skip


def made(name: str, *changes: dict[str, Any]) -> Plan:
    """A plan with a component for each change of the plain one."""
    values = copy.deepcopy(sources.read_yaml(ROOT / "tests" / "account_executive.yml"))
    values["rounding"]["mode"] = changes[0].get("rounding", "half_up")
    values["pay"] = {"base": "1", "variable": "31234.57"}
    (plain,), values["components"] = values["components"], []
    for number, change in enumerate(changes):
        own = {key: value for key, value in change.items() if key != "rounding"} | {"component": f"part {number}"}
        for key, names in (("cap", ("kind", "amount", "share_above")), ("gate", ("measure", "period", "at_least"))):
            if key in own:
                own[key] = dict(zip(names, own[key], strict=True))
        values["components"].append({**plain, **own})
    return compensation.planfile.read(values, {}, name)


PLANS = [*SAMPLE, *(made(name, change) for name, change in CASES.items())]


# --- the plain way: the engine on credits, with and without the deal ------------------------------------------------------


def factor(factors: Factors, deal: dict[str, Any]) -> Fraction:
    product = factors.renewal if deal["renewal"] else Fraction(1)
    product *= factors.prepaid if deal["prepaid"] else 1
    signed = [one for years, one in factors.multi_year if deal["years"] >= years]
    return product * signed[-1] if signed else product


def counts(part: Component, measure: str, factors: Factors, deal: dict[str, Any]) -> int:
    if measure == "leads":
        return int(deal["leads"]) * 100
    is_theirs = {"own": ["own"], "reports": ["reports"], "team": ["reports", "team"]}[part.of]
    if deal["of"] not in is_theirs or deal["kind"] not in part.kinds or (measure == "renewals" and not deal["renewal"]):
        return 0
    return money.round_half_up(int(deal["amount"]) * factor(factors, deal))


SPAN = {"none": "quarter", "year_to_date": "year"}


def told(factors: Factors) -> str:
    """Factors as the page writes them into the name of a position."""
    years = [{"years": years, "factor": str(one)} for years, one in factors.multi_year]
    found = {"multi_year": years, "prepaid": str(factors.prepaid), "renewal": str(factors.renewal)}
    return "null" if factors == Factors() else json.dumps(found, separators=(",", ":"))


def place(part: Component, measure: str, period: str) -> str:
    own = told(part.credited) if measure == part.measure else "null"
    return " ".join([measure, SPAN.get(period, period), part.of, "+".join(part.kinds), own])


def quota_of(measure: str, period: str) -> str:
    return f"{measure} {'quarter' if period == 'none' else period}"


def over(part: Component) -> str:
    assert part.gate is not None
    return "year_to_date" if part.gate.period == "year" else part.gate.period


def is_judged_apart(part: Component) -> bool:
    return part.gate is not None and part.accumulation == "year"


def drawn(plan: Plan, seed: random.Random) -> dict[str, Any]:
    """What somebody might type: boundaries and cents among it."""
    (part,) = plan.components
    quota = seed.choice([10_000_000, seed.randint(1, 30_000_000), 7_777_777])
    edges = [0, quota, quota * 2 // 3, quota // 2, quota // 2 - 1, quota * 5 // 4]
    before = seed.choice([seed.randint(0, 2 * quota), seed.choice(edges)])
    key = place(part, part.measure, part.accumulation)
    given: dict[str, Any] = {
        "quotas": {quota_of(part.measure, part.accumulation): str(quota)}, "attained": {key: str(before)}, "starts": {}, "bases": {},
        "variable": str(seed.randint(1, 9_000_000)), "quarter": seed.randint(1, 4), "month": seed.randint(1, 12),
    }  # fmt: skip
    if is_judged_apart(part):
        given["starts"][key] = str(seed.randint(0, before))
    if part.schedule.application == "whole":
        given["bases"][key] = str(seed.choice([before, seed.randint(0, 2 * quota)]))
    if part.gate:
        gated = place(part, part.gate.measure, over(part))
        given["quotas"].setdefault(quota_of(part.gate.measure, over(part)), str(seed.choice([quota, 0, 5_000_000])))
        given["attained"].setdefault(gated, str(seed.randint(0, quota)))
    given["deals"] = [
        {"amount": str(seed.choice([seed.randint(0, quota), seed.randint(0, 20_000_000), 1_000_000])), "leads": seed.randint(0, 40),
         "kind": seed.choice(["split", "overlay"]), "of": seed.choice(["own", "reports", "team", part.of, part.of]),
         "years": seed.randint(0, 4), "prepaid": seed.random() < 0.5, "renewal": seed.random() < 0.5}
        for _ in range(2)
    ]  # fmt: skip
    return given


def target_of(plan: Plan, part: Component, given: dict[str, Any]) -> int:
    annual = money.round_half_up(int(given["variable"]) * (part.weight or Fraction(0)))
    first, last = {
        "month": (given["month"], given["month"]), "year": (1, 12), "year_to_date": (1, 3 * given["quarter"]),
    }.get(part.accumulation, (3 * given["quarter"] - 2, 3 * given["quarter"]))  # fmt: skip
    return compensation.by_weights(annual, [Fraction(1)] * 12, first, last)


def by_engine(plan: Plan, points: list[dict[str, Any]]) -> list[list[tuple[int, int]]]:
    """Paid, and held of it, for each deal of each point: what it adds to everything that the engine pays in its window."""
    (part,) = plan.components
    if part.gate is None:  # what is paid on other lines does not depend on a deal
        lines = paid(plan, part, points, 2)
        own = lines.loc[lines["deal"].str.startswith("2"), ["paid", "held"]].itertuples(index=False, name=None)
        return [[first, second] for first, second in zip(own, own, strict=True)]
    sums = [paid(plan, part, points, deals).groupby("rep_id")[["paid", "held"]].sum() for deals in range(3)]
    steps = [list((after - before).itertuples(index=False, name=None)) for before, after in pairwise(sums)]
    return [list(both) for both in zip(*steps, strict=True)]


def paid(plan: Plan, part: Component, points: list[dict[str, Any]], deals: int) -> pd.DataFrame:
    """Lines of what came before and of the first deals of each point, one rep each; cents."""
    rows, key = [], place(part, part.measure, part.accumulation)
    for i, given in enumerate(points):
        start, before = int(given["starts"].get(key, 0)), int(given["attained"].get(key, 0))
        paid_on, is_open = int(given["bases"].get(key, before)), gate_is_open(part, given, given["deals"][:deals])
        if part.accumulation != "none":
            rows += [(f"R{i:04}", "0", start, start, True), (f"R{i:04}", "1", before - start, paid_on - start, is_open)]
        for number, deal in enumerate(given["deals"][:deals]):
            credit, base = (counts(part, part.measure, one, deal) for one in (part.credited, part.commissionable))
            rows.append((f"R{i:04}", f"2{number}", credit, base, is_open))
    about = {"window": "now", "event_date": pd.Timestamp(2026, 7, 1), "line": "", "kind": part.kinds[0], "part": 0}
    table = pd.DataFrame(rows, columns=["rep_id", "deal", "credit", "base", "gated"]).assign(**about)
    index = pd.MultiIndex.from_tuples([(f"R{i:04}", "now") for i in range(len(points))])
    quotas = [int(given["quotas"][quota_of(part.measure, part.accumulation)]) for given in points]
    targets = [target_of(plan, part, given) if part.basis == "target" else 1 for given in points]
    found = engine.earned(part, table, pd.Series(quotas, index=index), targets=pd.Series(targets, index=index))
    found = engine.settled([part], found)
    return found.assign(paid=found["pay"] + found["held"])


def gate_is_open(part: Component, given: dict[str, Any], deals: list[dict[str, Any]]) -> bool:
    gate = part.gate
    if gate is None:
        return True
    quota = int(given["quotas"][quota_of(gate.measure, over(part))])
    factors = part.credited if gate.measure == part.measure else Factors()
    attained = int(given["attained"][place(part, gate.measure, over(part))])
    attained += sum(counts(part, gate.measure, factors, deal) for deal in deals)
    return quota > 0 and Fraction(attained, quota) >= gate.at_least


# --- the page in a browser ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of the home page, the calculator and the page it links, on the sample."""
    place = tmp_path_factory.mktemp("earn")
    playbook = place / "playbook"
    playbook.mkdir()
    for name in ("_config.yml", "reports.yml", "scan.yml", "earn.md"):
        shutil.copyfile(ROOT / "playbook" / name, playbook / name)
    (playbook / "_toc.yml").write_text("format: jb-book\nroot: index\nparts: []\n", encoding="utf-8")
    for name, label in (("index", "home"), ("compensation", "dispute-statement")):
        text = f"---\nowner: Sales\n---\n# Page\n\n({label})=\n## Part\n\n[Earn](earn.md)\n"
        (playbook / f"{name}.md").write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "playbook" / "_static", playbook / "_static")
    write_run(place / "runs", "2026Q3", [topic("quality")])
    manifest = {"data": str(ROOT / "data" / "sample")}
    (place / "runs" / "2026Q3" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return site.build(runs=place / "runs", to=place / "site", playbook=playbook, preview=True).parent


WATCH = """<!doctype html><meta charset="utf-8"><iframe width="390" height="800"></iframe><pre id="found"></pre><script src="given.js"></script><script>
const frame = document.querySelector("iframe");
const text = (key, value) => typeof value === "bigint" ? String(value) : value;
const told = (found) => { document.getElementById("found").textContent = JSON.stringify(found, text); };
frame.onload = async () => {
  const inside = frame.contentWindow;
  try { told(await (WORK)(inside, inside.document, given)); } catch (failure) { told(String(failure)); }
};
frame.src = "PAGE";
</script>"""


def in_browser(address: str, work: str, tmp_path: Path, given: Any = None) -> Any:
    """What a function of the page's window, its document and something given makes there."""
    (tmp_path / "given.js").write_text(f"const given = {json.dumps(given)};", encoding="utf-8")
    watch = tmp_path / "watch.html"
    watch.write_text(WATCH.replace("PAGE", address).replace("WORK", work), encoding="utf-8")
    shown = browse(watch.as_uri(), tmp_path, "--allow-file-access-from-files")
    found = re.search(r'<pre id="found">(.*?)</pre>', shown, re.DOTALL)
    assert found and found[1], shown[-2000:]
    return json.loads(html.unescape(found[1]))


def plans_of(built: Path) -> list[dict[str, Any]]:
    shown = next(attributes for _, attributes in page(built / "earn.html").tags if attributes.get("id") == "earn")
    found: list[dict[str, Any]] = json.loads(shown["data-plans"] or "")
    return found


def test_the_page_pays_what_the_engine_pays_to_the_cent(built: Path, tmp_path: Path) -> None:
    shipped = {plan["name"]: plan for plan in plans_of(built)}
    assert list(shipped) == [plan.name for plan in SAMPLE]
    jobs: list[list[Any]] = []
    expected = []
    for plan in PLANS:
        seed = random.Random(plan.name)
        points = [drawn(plan, seed) for _ in range(POINTS)]
        jobs.append([shipped.get(plan.name, compensation.exported(plan)), points])
        expected.append(by_engine(plan, points))
    work = """(inside, page, jobs) => jobs.map(([plan, points]) => points.map((given) => inside.earn.pays(plan, given).map(
        (one) => [one.missing, one.deals.map((deal) => [deal.pays, deal.held, deal.now, deal.unknown])])))"""
    found = in_browser((built / "earn.html").as_uri(), work, tmp_path, jobs)
    assert not isinstance(found, str), found
    for plan, (_, points), right, shown in zip(PLANS, jobs, expected, found, strict=True):
        for given, own, ((missing, deals),) in zip(points, right, shown, strict=True):
            if missing:
                assert missing == "target" and target_of(plan, plan.components[0], given) == 0
                continue
            for (pays, held), (shown_pays, shown_held, now, unknown) in zip(own, deals, strict=True):
                assert (int(shown_pays), int(now)) == (pays, pays - int(shown_held)), (plan.name, given)
                assert set(unknown) <= {"held"} and ("held" in unknown or int(shown_held) == held), (plan.name, given)


# What totals cannot tell is named: the plan's part, how much of the quota is attained before a deal of 60 %, and what is named.
HIDDEN = {
    "a cap over deals that stand alone": ({**CASES["per transaction"], "cap": ("hard", "900", "0")}, "0", "cap"),
    "a gate over deals that stand alone": ({**CASES["per transaction"], "gate": ("bookings", "quarter", "0.5")}, "0", "gate"),
    "a gate opened, with a cap per deal": ({**CASES["marginal, cap per deal"], "gate": ("bookings", "quarter", "0.5")}, "0.2", "gate"),
    "a gate of the quarter, opened for other months": (
        {"tiers": TIERS, "accumulation": "month", "gate": ("bookings", "quarter", "0.5")}, "0.2", "months",
    ),
    "a cap of the year, with a gate of each quarter": (
        {**CASES["gate of a quarter in a year"], "cap": ("hard", "9000", "0")}, "0.2", "cap",
    ),
    "the last cent of what is held, after a cap per deal": ({**CASES["marginal, cap per deal"], "payable": HELD}, "0.2", "held"),
}  # fmt: skip


def test_what_totals_cannot_tell_is_said_and_not_guessed(built: Path, tmp_path: Path) -> None:
    jobs = []
    for name, (change, attained, _) in HIDDEN.items():
        plan = made(name, change)
        given = drawn(plan, random.Random(1))
        given["quotas"] = dict.fromkeys(given["quotas"], "10000000")
        given["attained"] = {key: str(int(Fraction(attained) * 10_000_000)) for key in given["attained"]}
        deal = {"amount": "6000000", "leads": 0, "kind": "split", "of": "own", "years": 1, "prepaid": False, "renewal": False}
        jobs.append([compensation.exported(plan), {**given, "deals": [deal]}])
    work = "(inside, page, jobs) => jobs.map(([plan, given]) => inside.earn.pays(plan, given)[0].deals[0].unknown)"
    found = in_browser((built / "earn.html").as_uri(), work, tmp_path, jobs)
    assert found == [[code] for *_, code in HIDDEN.values()]


def test_what_is_held_is_cut_as_the_engine_releases_it(built: Path, tmp_path: Path) -> None:
    (part,) = made("held", CASES["whole"]).components
    given = {"part": compensation.exported(made("held", CASES["whole"]))["components"][0], "held": [*range(40), 33_333_33]}
    work = "(inside, page, given) => given.held.map((cents) => inside.earn.waiting(given.part, BigInt(cents)))"
    found = in_browser((built / "earn.html").as_uri(), work, tmp_path, given)
    for cents, shown in zip(given["held"], found, strict=True):
        right = moves(0, cents, dt.date(2026, 7, 1), part.payable, None, [], None)
        told = [(move.pay, move.why) for move in right]
        assert [(int(own), when) for own, when in shown if int(own)] == told


# Types into the fields as a person does, and tells what the page then says.
TYPED = """async (inside, page, given) => {
  const told = [];
  const type = async (id, value) => {
    const input = page.getElementById(id);
    input.value = value;
    input.dispatchEvent(new inside.Event(input.id === "earn-plan" ? "change" : "input", { bubbles: true }));
    await new Promise((done) => setTimeout(done, 400));
  };
  const loaded = () => inside.performance.getEntriesByType("resource").map((one) => one.name);
  const before = loaded();
  for (const [id, value] of given) {
    await type(id, value);
    const fields = [...page.querySelectorAll("#earn input, #earn select")];
    told.push({
      answer: page.getElementById("earn-answer").textContent,
      labels: fields.map((one) => [...one.labels].map((label) => label.textContent).join()),
      wrong: fields.filter((one) => one.getAttribute("aria-invalid") === "true").map((one) => one.id),
      here: [...page.querySelectorAll("#earn tbody tr")].map((row) => row.lastChild.textContent),
      points: page.querySelector("#earn polyline")?.getAttribute("points").split(" ").length ?? 0,
    });
  }
  const kept = [Object.keys(inside.localStorage).sort(), inside.sessionStorage.length, page.cookie, inside.location.search, inside.location.hash];
  const wide = page.documentElement.scrollWidth;
  return { told, wide, more: loaded().slice(before.length), kept };
}"""
STEPS = [
    ("earn-own-0", "100 000"),
    ("earn-own-1", "80.000,50"),
    ("earn-amount", "1o"),
    ("earn-amount", "$30,000.25"),
    ("earn-years", ""),
    ("earn-plan", "1"),
    ("earn-own-0", "50000"),
    ("earn-own-1", "30000"),
    ("earn-variable", "10000"),
    ("earn-amount", "20000"),
    ("earn-plan", "2"),
    ("earn-own-0", "4"),
    ("earn-own-1", "3"),
    ("earn-leads", "3"),
    ("earn-plan", "4"),
]


def test_the_page_asks_answers_and_sends_nothing(built: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    class Told(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *values: object) -> None:
            asked.append(self.requestline)

    served = shutil.copytree(built, tmp_path / "served" / "site").parent
    (served / "given.js").write_text(f"const given = {json.dumps(STEPS)};", encoding="utf-8")
    (served / "watch.html").write_text(WATCH.replace("PAGE", "site/earn.html").replace("WORK", TYPED), encoding="utf-8")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Told, directory=str(served)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_address[1]}/watch.html"
        shown = browse(address, tmp_path, "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
    finally:
        server.shutdown()
        server.server_close()
    by_net = json.loads(html.unescape(re.findall(r'<pre id="found">(.*?)</pre>', shown, re.DOTALL)[0]))
    by_file = in_browser((built / "earn.html").as_uri(), TYPED, tmp_path, STEPS)
    assert by_net == by_file
    assert by_net["more"] == [] and by_net["kept"] == [["mode", "theme"], 0, "", "", ""]  # the theme keeps its colours
    assert asked and all(line.startswith("GET /") and "000" not in line.split("?")[0] for line in asked)
    assert not re.search(
        r"fetch|XMLHttp|sendBeacon|WebSocket|EventSource|import\(|Storage|cookie|indexedDB|innerHTML|eval", SCRIPT
    )

    assert by_net["wide"] <= 390  # a phone
    told = by_net["told"]
    wrong, right, empty, success, development, other = (told[i] for i in (2, 3, 4, 9, 13, 14))
    assert wrong["wrong"] == ["earn-amount"] and "no amount" in wrong["answer"]
    assert empty["wrong"] == ["earn-years"] and "no whole number" in empty["answer"] and not empty["points"]
    # 2,000 a quarter at target: 10,000 of the deal up to 80 % of the quota at 0.8, 10,000 more at 1.8 times 4 cents
    assert success["answer"].startswith("This deal pays 1,040.00 EUR. The next 10,000 after that would pay 800.00 EUR.")
    assert not any("renewal" in label for label in success["labels"][-2:])  # every deal that it pays on is one
    # the published shape: one lead more to the quota of 4 at 625, two above it at 750
    assert development["answer"] == "These leads pay 2,125.00 EUR. The next lead after that would pay 750.00 EUR."
    (plan,) = [plan for plan in SAMPLE if plan.name == "account_executive"]
    before, after, more = 8_000_050, 8_000_050 + 3_000_025, 8_000_050 + 4_000_025
    pays, now = (plan.pay(upto, 10_000_000) - plan.pay(start, 10_000_000) for start, upto in ((before, after), (after, more)))
    held = money.round_half_up(Fraction(plan.pay(after, 10_000_000), 5)) - money.round_half_up(
        Fraction(plan.pay(before, 10_000_000), 5)
    )
    assert right["answer"] == (
        f"This deal pays {pays / 100:,.2f} EUR: {(pays - held) / 100:,.2f} EUR on booking, {held / 100:,.2f} EUR 3 months after the "
        f"booking. The next 10,000 after that would pay {now / 100:,.2f} EUR."
    )
    assert right["here"] == ["you are here", "after the deal", ""] and right["points"] > 60 and not right["wrong"]
    assert right["labels"][:3] == ["Role", "Your quota of the quarter, won deals", "Attained so far this quarter, won deals"]
    assert all(label for step in by_net["told"] for label in step["labels"])
    assert not any("quota" in label for label in other["labels"])  # the solution engineer's tiers are money


def test_the_page_tells_nothing_of_a_person_and_weighs_little(built: Path) -> None:
    for plan in SAMPLE:
        quota = replace(plan.quota, annual=987_654_321, of_measure={"bookings": 987_654_321})
        assert compensation.exported(replace(plan, base=1, variable=2, quota=quota)) == compensation.exported(plan)
    said = (built / "earn.html").read_text(encoding="utf-8")
    snapshot = Snapshot("data/sample", quarter="2026Q3")
    for table, column in (("quotas", "rep_id"), ("reps", "rep_id"), ("quotas", "amount")):
        for value in {str(value) for value in snapshot.table(table)[column] if str(value) not in ("0.00", "None")}:
            assert value not in said and value.replace(".", "") not in said, (table, value)
    assert {path.name for path in built.rglob("earn.*")} == {"earn.html", "earn.js", "earn.css"}
    parts = [
        json.dumps(plans_of(built)).encode(),
        *((built / "_static" / name).read_bytes() for name in ("earn.js", "earn.css")),
    ]
    assert sum(map(len, parts)) < 40_000


def test_a_title_that_is_markup_stays_a_title(tmp_path: Path) -> None:
    (tmp_path / "_static").mkdir()
    title = "\"><script>alert(1)</script><img src=x onerror='alert(1)'> PLANS"
    plan = compensation.exported(replace(SAMPLE[0], title=title))
    (tmp_path / calculator.PLANS).write_text(json.dumps([plan]), encoding="utf-8")
    (tmp_path / "earn.html").write_text('<div class="earn-calculator docutils">\n<p>x</p>\n</div>', encoding="utf-8")
    calculator.put(tmp_path, tmp_path)
    text = (tmp_path / "earn.html").read_text(encoding="utf-8")
    seen = active.Page("earn.html", text)
    assert (seen.active, seen.scripts, seen.forms) == ([], ["_static/earn.js"], [])
    assert plans_of(tmp_path) == [plan]


def test_factors_are_those_of_the_credits(company: Any) -> None:
    """What `counts` says of a deal is what the library credits: years, payment in advance and renewal, rounded once."""
    plan = made("factors", CASES["marginal, factors"])
    (part,) = plan.components
    seed = random.Random(7)
    deals: list[dict[str, Any]] = [
        {"amount": str(seed.randint(1, 10_000_000)), "kind": "split", "of": "own", "years": i % 4, "prepaid": i % 3 == 0, "renewal": i % 5 == 0}
        for i in range(60)
    ]  # fmt: skip
    day = pd.Timestamp(2026, 8, 3)
    won = {"account_id": "A", "owner_id": "R", "stage": "Won", "status": "won", "created_at": "2025-01-01", "close_date": day}
    names = [f"D{i:02}" for i in range(len(deals))]
    data = company(
        reps=[{"rep_id": "R", "role": plan.role, "start_date": pd.Timestamp(2020, 1, 1)}],
        opportunities=[
            {**won, "opportunity_id": name, "amount": Decimal(deal["amount"]).scaleb(-2), "currency": "EUR", "type": "renewal" if deal["renewal"] else "new"}
            for name, deal in zip(names, deals, strict=True)
        ],
        credits=[{"opportunity_id": name, "rep_id": "R", "kind": "split", "share": 1.0} for name in names],
        contracts=[
            {"opportunity_id": name, "signed_date": day, "term_months": 12 * int(deal["years"]) + 5, "is_prepaid": deal["prepaid"]}
            for name, deal in zip(names, deals, strict=True)
        ],
    )  # fmt: skip
    book = Book(Snapshot(data, quarter="2026Q3"), plan)
    found = book.credits(part.measure, credited=part.credited, commissionable=part.commissionable)
    expected = [tuple(counts(part, part.measure, one, deal) for one in (part.credited, part.commissionable)) for deal in deals]
    assert list(found[["credit", "base"]].itertuples(index=False, name=None)) == expected


# Two parts of a plan: at one place in one quota, and of two measures with a quota each.
FIRST = {"tiers": TIERS, "credited": FACTORS, "commissionable": FACTORS, "payable": HELD}
ALL = {**FACTORS, "renewal": "1"}
BOTH = {
    "one place": (FIRST, {**TARGET, "credited": FACTORS, "commissionable": FACTORS, "gate": ("bookings", "quarter", "0.5"),
                          "cap": ("hard", "9000", "0")}),
    "two measures": (FIRST, {"tiers": TIERS, "measure": "renewals", "credits": ["split"], "credited": ALL, "commissionable": ALL}),
}  # fmt: skip
REPS = [f"R{number:03}" for number in range(100)]


@pytest.mark.whole
@pytest.mark.parametrize("name", BOTH)
def test_two_parts_of_a_plan_pay_what_the_library_pays_by_credits_and_contracts(
    built: Path, tmp_path: Path, company: Any, name: str
) -> None:
    """Nothing of what a deal counts is computed here: deals, credits and contracts of a company, with the last deal and without."""
    plan, seed = made(name, *BOTH[name]), random.Random(name)
    quotas = {(rep, measure): seed.choice([10_000_000, seed.randint(5_000_000, 20_000_000)]) for rep in REPS
              for measure in ("bookings", "renewals")}  # fmt: skip
    deals = [{"deal": f"{rep}-{number}", "rep": rep, "amount": seed.randint(1, 9_000_000), "years": seed.randint(0, 4),
              "prepaid": seed.random() < 0.5, "renewal": seed.random() < 0.5, "kind": "overlay" if seed.random() < 0.2 else "split"}
             for rep in REPS for number in range(3)]  # fmt: skip
    last = [deal for deal in deals if deal["deal"].endswith("2")]
    snapshots = [
        Snapshot(won_by(company, plan, quotas, some), quarter="2026Q3")
        for some in ([deal for deal in deals if deal not in last], deals)
    ]
    before, after = (sums(snapshot, plan) for snapshot in snapshots)
    jobs = []
    for deal in last:
        given: dict[str, Any] = {"attained": {}, "starts": {}, "bases": {}, "quarter": 3, "month": 1, "variable": "3123457"}
        given["quotas"] = {f"{measure} quarter": str(quotas[deal["rep"], measure]) for measure in ("bookings", "renewals")}
        for part in plan.components:
            credits = Book(snapshots[0], plan).credits(part.measure, credited=part.credited, commissionable=part.commissionable)
            own = credits[(credits["rep_id"] == deal["rep"]) & credits["kind"].isin(part.kinds)]
            given["attained"][place(part, part.measure, part.accumulation)] = str(own["credit"].sum())
        jobs.append({**given, "deals": [{**deal, "amount": str(deal["amount"]), "of": "own", "leads": 0}]})
    work = """(inside, page, given) => given.jobs.map((job) => inside.earn.pays(given.plan, job).map(
        ({ deals: [deal] }) => [String(deal.pays), String(deal.held)]))"""
    given = {"plan": compensation.exported(plan), "jobs": jobs}
    found = in_browser((built / "earn.html").as_uri(), work, tmp_path, given)
    assert not isinstance(found, str), found
    for deal, shown in zip(last, found, strict=True):
        expected = [tuple(after.get(key, (0, 0))[i] - before.get(key, (0, 0))[i] for i in (0, 1))
                    for key in ((deal["rep"], part.name) for part in plan.components)]  # fmt: skip
        assert [(int(pays), int(held)) for pays, held in shown] == expected, deal
    assert all(sum(int(shown[part][0]) != 0 for shown in found) > 20 for part in (0, 1))


def won_by(company: Any, plan: Plan, quotas: dict[tuple[str, str], int], deals: list[dict[str, Any]]) -> Path:
    """A company that won some deals in the third quarter, of each rep in their order."""
    day = {deal["deal"]: pd.Timestamp(2026, 7, 1 + int(deal["deal"][-1])) for deal in deals}
    won = {"account_id": "A", "stage": "Won", "status": "won", "created_at": "2025-01-01", "currency": "EUR"}
    folder: Path = company(
        reps=[{"rep_id": rep, "role": plan.role, "start_date": pd.Timestamp(2020, 1, 1)} for rep in REPS],
        quotas=[
            {"rep_id": rep, "quarter": "2026Q3", "measure": measure, "amount": Decimal(cents).scaleb(-2), "currency": "EUR"}
            for (rep, measure), cents in quotas.items()
        ],
        opportunities=[
            {**won, "opportunity_id": deal["deal"], "owner_id": deal["rep"], "close_date": day[deal["deal"]],
             "amount": Decimal(deal["amount"]).scaleb(-2), "type": "renewal" if deal["renewal"] else "new"}
            for deal in deals
        ],
        credits=[{"opportunity_id": deal["deal"], "rep_id": deal["rep"], "kind": deal["kind"], "share": 1.0} for deal in deals],
        contracts=[
            {"opportunity_id": deal["deal"], "signed_date": day[deal["deal"]], "term_months": 12 * deal["years"] + 5,
             "is_prepaid": deal["prepaid"]}
            for deal in deals
        ],
    )  # fmt: skip
    return folder


def sums(snapshot: Snapshot, plan: Plan) -> dict[tuple[str, str], tuple[int, int]]:
    """Cents paid, with what is held, and held, by rep and part."""
    lines = compensation.entries(snapshot, plan)
    cents = lines.assign(held=money.to_cents(lines["held"]), pay=money.to_cents(lines["pay"]))
    found = cents.groupby(["rep_id", "component"])[["pay", "held"]].sum()
    return {key: (int(pay + held), int(held)) for key, pay, held in found.itertuples(name=None)}


def test_the_curve_is_what_the_plan_pays_at_each_of_its_points(built: Path, tmp_path: Path) -> None:
    quota, given = 10_000_000, {"variable": "3123457", "quarter": 2, "month": 5}
    jobs = []
    for plan in PLANS:
        (part,) = plan.components
        jobs.append([compensation.exported(plan), {**given, "quotas": {quota_of(part.measure, part.accumulation): str(quota)}}])
    work = """(inside, page, jobs) => jobs.map(([plan, given]) => inside.earn.curve(plan.components[0], given, 25000000n).map(
        ([credit, cents]) => [String(credit), String(cents)]))"""
    found = in_browser((built / "earn.html").as_uri(), work, tmp_path, jobs)
    for plan, points in zip(PLANS, found, strict=True):
        (part,) = plan.components
        if part.cap is not None and part.cap.kind == "per_deal" and part.accumulation != "none":
            part = replace(part, cap=None)  # the curve is of all deals of the period, a cap looks at each
        assert len(points) > 60 and points[-1][0] == "25000000"
        goal = target_of(plan, part, given) if part.basis == "target" else 0
        assert [int(cents) for _, cents in points] == [part.pay(int(credit), quota, goal) for credit, _ in points], plan.name


@pytest.mark.parametrize(
    ("published", "tables", "manifest", "said"),
    [
        (False, ["plan", "terms"], {"data": str(ROOT / "data" / "sample")}, "there is no run yet"),
        (True, ["curve"], {"data": str(ROOT / "data" / "sample")}, "not published here"),
        (True, ["plan", "terms"], {"data": "nowhere"}, "not where this site was built"),
        (True, ["plan", "terms"], {}, "not where this site was built"),
        (True, ["plan", "terms"], {"data": str(ROOT / "data" / "sample")}, "The plans as in force on"),
    ],
)
def test_without_plans_the_page_says_why(
    tmp_path: Path, published: bool, tables: list[str], manifest: dict[str, str], said: str
) -> None:
    (tmp_path / "2026Q3").mkdir()
    (tmp_path / "2026Q3" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    reports = [{"quarter": "2026Q3", "as_of": "2026-09-30"}] if published else []
    calculator.write(tmp_path, reports, {"compensation": {"tables": tables}}, runs=tmp_path, root=tmp_path)
    assert said in (tmp_path / "reference" / "_earn.md").read_text(encoding="utf-8")
    assert (tmp_path / calculator.PLANS).exists() == said.startswith("The plans")
