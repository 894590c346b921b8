"""Airflow 3: every morning run what is due and build the site. This is what is published.

Change the paths and the time zone. Secrets, where an import before needs them, come from the workers' environment.
"""

from datetime import timedelta

import pendulum
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

HOUSE = "/srv/revops"  # the checkout, with its .venv (`make setup`)
DATA = f"{HOUSE}/data/company"
RUNS = f"{HOUSE}/runs/company"
SITE = f"{HOUSE}/site"

with DAG(
    dag_id="revops_quarter",
    schedule="17 6 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="Europe/Paris"),
    catchup=False,  # the calendar decides what is due: a missed morning is made up for by the next
    max_active_runs=1,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=30), "execution_timeout": timedelta(hours=3)},
):
    due = BashOperator(
        task_id="due", cwd=HOUSE, bash_command=f".venv/bin/revops due --data {DATA} --out {RUNS}", do_xcom_push=False
    )
    site = BashOperator(
        task_id="site",
        cwd=HOUSE,
        bash_command=f".venv/bin/revops site --runs {RUNS} --to {SITE} --despite-failed",
        do_xcom_push=False,
        trigger_rule="all_done",  # after a failed run, too: the site says so, numbers read “not available”
    )
    both = BashOperator(
        task_id="both", bash_command="true", do_xcom_push=False
    )  # fails where either does, and the DAG run with it
    due >> site >> both
    due >> both
