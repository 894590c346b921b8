import json
from pathlib import Path

import pandas as pd
import pytest

from revops_lib import tables
from revops_lib.errors import CannotWrite, DataRefused

ROOT = Path(__file__).resolve().parent.parent


def deals(**columns):
    return tables.conform("opportunities", pd.DataFrame({"opportunity_id": ["a", "b"], "status": ["open", "won"], **columns}))


@pytest.mark.parametrize("name", tables.TABLES)
def test_an_empty_table_obeys_its_schema(name):
    tables.check(name, tables.empty(name))


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ({"status": ["open", "maybe"]}, ["status", "'maybe'", "opportunity_id b"]),
        ({"opportunity_id": ["a", "a"]}, ["opportunity_id"]),
        ({"currency": ["EUR", "euro"]}, ["currency", "'euro'"]),
        ({"forecast_category": ["commit", "sure"]}, ["forecast_category", "'sure'"]),
    ],
)
def test_a_broken_schema_names_table_column_and_ids(columns, names):
    with pytest.raises(DataRefused) as refused:
        tables.check("opportunities", deals(**columns))
    for name in ["table opportunities", *names]:
        assert name in str(refused.value)


def test_own_columns_pass_through_as_text():
    frame = deals(colour=["red", None])
    assert frame.columns[-1] == "colour" and frame["colour"].tolist()[0] == "red"
    tables.check("opportunities", frame)


def test_a_new_import_keeps_the_companys_own_plans_and_dictionary(tmp_path):
    """Else pay would silently follow the plans of the sample company."""
    to = tmp_path / "data"
    tables.write(to, {"opportunities": deals()}, {"name": "x"})
    (to / "plans" / "scenarios").mkdir(parents=True)
    for own in ("plans/ours.yml", "plans/scenarios/more.yml", "kpis.yml"):
        (to / own).write_text(own, encoding="utf-8")
    tables.write(to, {"stages": tables.empty("stages")}, {"name": "y"})
    assert [(to / own).read_text(encoding="utf-8") for own in ("plans/ours.yml", "plans/scenarios/more.yml", "kpis.yml")] == [
        "plans/ours.yml", "plans/scenarios/more.yml", "kpis.yml",
    ]  # fmt: skip
    assert not (to / "opportunities.parquet").exists()


def test_a_dataset_is_replaced_as_a_whole_and_equal_frames_give_equal_bytes(tmp_path):
    to = tmp_path / "data"
    tables.write(to, {"opportunities": deals()}, {"name": "x"}, {"note.md": "é"})
    first = {path.name: path.read_bytes() for path in to.iterdir()}
    tables.write(to, {"opportunities": deals()}, {"name": "x"})
    second = {path.name: path.read_bytes() for path in to.iterdir()}
    assert set(first) - set(second) == {"note.md"}
    assert second["opportunities.parquet"] == first["opportunities.parquet"]
    assert json.loads(second["dataset.json"]) == {"name": "x"}
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(CannotWrite, match="not a dataset"):
        tables.write(tmp_path, {"opportunities": deals()}, {})
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "keep"


def test_a_failing_write_leaves_the_old_dataset(tmp_path, monkeypatch):
    to = tmp_path / "data"
    tables.write(to, {"opportunities": deals()}, {"name": "old"})
    before = {path.name: path.read_bytes() for path in to.iterdir()}

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables.pyarrow.parquet, "write_table", full)
    with pytest.raises(CannotWrite, match="No space left"):
        tables.write(to, {"opportunities": deals()}, {"name": "new"})
    assert {path.name: path.read_bytes() for path in to.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_the_dictionary_in_data_readme_is_the_generated_one():
    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    assert tables.dictionary() in text, "regenerate it: make dictionary"
