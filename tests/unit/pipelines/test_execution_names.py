"""What an execution is called in MLflow's table: the kind first, whatever is left of its folder."""

import re
from pathlib import Path

import pytest

from pipelines.record import execution as executions
from pipelines.record import mending
from stages.core import files


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder whose journals stay unsent."""
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path))
    monkeypatch.setenv(executions.RECORDER, "off")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kind", ["dvc", "repro", "stage"])
def test_kind_and_time_name_it_and_the_id_stays_a_tag(kind: str) -> None:
    """The table cuts names at their end; a name that was given stays."""
    execution = executions.open_execution(kind)
    about = executions.describe(execution)
    assert re.fullmatch(rf"{kind} \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d", about["name"])
    assert re.sub(r"\D", "", about["name"]) == re.sub(r"\D", "", execution[:15])
    (parent,) = executions.folder(execution).glob("execution.jsonl")
    assert execution in parent.read_text()
    assert executions.describe(executions.open_execution("flow", name="amber-otter"))["name"] == "amber-otter"


def test_what_is_left_of_a_folder_is_named_by_its_id() -> None:
    """Where both descriptions are lost, kind, time and name come from the id; of an odd one the id is the name."""
    for execution, kind, name in (
        ("20261130-022222-dvc-18913-1d8230a3", "dvc", "dvc 2026-11-30 02:22:22"),
        ("odd", "stage", "odd"),
    ):
        place = executions.folder(execution)
        place.mkdir(parents=True)
        (place / "acquire.1-1.jsonl").write_text('{"t": 1, "kind": "open", "name": "acquire", "stage": "acquire"}\n')
        mending.mend(execution)
        found = files.read_json(place / "execution.json")
        assert (found["id"], found["kind"], found["name"]) == (execution, kind, name)
