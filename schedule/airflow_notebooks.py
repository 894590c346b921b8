"""Airflow 3 with the papermill provider: each notebook a task of its own, for those who want to see and retry them singly.

Not what is published: plain papermill does not verify what it leaves, keeps its parameters in it, and calls cells completed
that never ran. So what these tasks write stays in a private folder that nothing publishes. Parameters hold no secrets.
"""

import json
from datetime import date, timedelta
from pathlib import Path

import pendulum
from airflow.providers.papermill.operators.papermill import PapermillOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

HOUSE = "/srv/revops"  # the checkout
DATA = f"{HOUSE}/data/company"
PRIVATE = "/srv/revops-private"  # neither in the checkout nor in anything that is published
NOTEBOOKS = ("quality", "kpis", "forecast", "bottlenecks", "diagnosis", "compensation", "enablement")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def as_of(moment) -> str:
    """The last day that counts at a moment: yesterday where the company is, or the day the data are known until."""
    dataset = json.loads((Path(DATA) / "dataset.json").read_text(encoding="utf-8"))
    yesterday = moment.in_timezone(dataset["timezone"]).date() - timedelta(days=1)
    return min(yesterday, date.fromisoformat(dataset["known_until"])).isoformat()


def quarter(moment) -> str:
    """The fiscal quarter of that day, named after the year in which the fiscal year ends."""
    dataset = json.loads((Path(DATA) / "dataset.json").read_text(encoding="utf-8"))
    day, last_month = date.fromisoformat(as_of(moment)), MONTHS.index(dataset["fiscal_year_end"]) + 1
    year = day.year + (day.month > last_month)
    return f"{year}Q{(day.month - last_month - 1) % 12 // 3 + 1}"


with DAG(
    dag_id="revops_notebooks",
    schedule="47 6 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="Europe/Paris"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=30), "execution_timeout": timedelta(hours=1)},
    user_defined_macros={"as_of": as_of, "quarter": quarter},
):
    folder = f"{PRIVATE}/{{{{ quarter(data_interval_end) }}}}"
    make = BashOperator(task_id="folder", bash_command=f"mkdir -p -m 700 {folder}", do_xcom_push=False)
    for stem in NOTEBOOKS:
        make >> PapermillOperator(
            task_id=stem,
            input_nb=f"{HOUSE}/notebooks/{stem}.ipynb",
            output_nb=f"{folder}/{stem}.ipynb",
            parameters={
                "quarter": "{{ quarter(data_interval_end) }}",
                "as_of": "{{ as_of(data_interval_end) }}",
                "data": DATA,
            },
            kernel_name="python3",
        )
