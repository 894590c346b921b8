"""Team sizing: the two worked examples of the source, a plain count beside the formula, and the table that the page shows."""

import math
import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops_lib import cli
from revops_lib.errors import UsageError
from revops_lib.sizing import Team, operations_team

PAGE = Path(__file__).resolve().parent.parent / "playbook" / "operations" / "sizing.md"
SERVICE = {"support": 25, "onboarding": 25, "back office": 25, "success": 25}
SALES = {"prospecting": 50, "selling": 50}


def test_a_customer_service_of_100_needs_at_least_four_to_five():
    """French market texts, 2023-2025: support 25, onboarding 25, back office 25, success 25."""
    team = operations_team(SERVICE)
    assert (team.least, team.low) == (4, 5)


def test_a_sales_force_of_100_needs_at_least_two():
    """French market texts, 2023-2025: prospecting 50, selling 50."""
    assert operations_team(SALES).least == 2


@given(st.dictionaries(st.text(min_size=1), st.integers(1, 500), min_size=1, max_size=12))
def test_a_plain_count_says_the_same(functions):
    def counted(served):
        people = Fraction(0)
        for n in functions.values():
            people += 1 if n < served else Fraction(n, served)
        return math.ceil(people)

    team = operations_team(functions)
    assert team == Team(len(functions), counted(20), counted(10))
    assert team.least <= team.low <= team.high


@pytest.mark.parametrize(
    "functions", [{}, {"support": 0}, {"support": -3}, {"support": 2.5}, {"support": True}, {"support": None}]
)
def test_what_is_no_number_of_people_is_refused(functions):
    with pytest.raises(UsageError):
        operations_team(functions)


def test_the_command_says_what_the_function_says(capsys):
    given = [f"{name}={people}" for name, people in SERVICE.items()]
    assert cli.main(["playbook", "sizing", *given]) == 0
    assert capsys.readouterr().out == "at least 4, one per function; 5 once mature; 10 while structuring\n"


@pytest.mark.parametrize("given", ["support", "support=", "=25", "support=2.5", "support=-3", "support=0"])
def test_the_command_refuses_what_is_no_number_of_people(given):
    assert cli.main(["playbook", "sizing", given]) == 2
    assert cli.main(["playbook", "sizing", "selling=50", "selling=5"]) == 2


def test_the_table_of_the_page_is_what_the_function_says():
    rows = re.findall(
        r"^\| ([^|]*\d[^|]*) \| (\d+) \| (\d+) \| (\d+) \|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    shown = {}
    for served, *team in rows:
        functions = {name.strip(): int(n) for name, n in re.findall(r"([a-z][a-z ]*?) (\d+)", served)}
        shown[tuple(functions.items())] = Team(*map(int, team))
    assert {tuple(SERVICE.items()), tuple(SALES.items())} <= set(shown)
    assert shown == {functions: operations_team(dict(functions)) for functions in shown}
