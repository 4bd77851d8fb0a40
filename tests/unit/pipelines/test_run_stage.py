"""What a stage is given by the wrapper."""

from pathlib import Path

import pytest
import yaml

from pipelines import graph, guard, settings
from pipelines.record.journal import Journal
from pipelines.register import registry
from pipelines.run_stage import PER_TASK, STAGES, load_job, work_folder
from stages.core import params as parameters
from stages.core.errors import ParamsError

HOME = Path(__file__).parents[3]
SEEN = {"data/preprocessed": "1" * 32, "stages/pretrain.py": "2" * 32}


def test_a_checkpoint_is_found_again_for_the_same_work_alone() -> None:
    """Parameters, inputs and address name the folder: a training never goes on from what was made of other data."""
    raw = parameters.read(HOME / "params.yaml")
    job = load_job("pretrain", None, raw, HOME)[1]
    own = work_folder("pretrain", job, SEEN)
    assert work_folder("pretrain", job, dict(reversed(SEEN.items()))) == own
    raw["pretrain"]["epochs"] += 1
    longer = load_job("pretrain", None, raw, HOME)[1]
    others = [
        work_folder("pretrain", job, {**SEEN, "data/preprocessed": "3" * 32}),
        work_folder("pretrain", longer, SEEN),
        work_folder("pretrain@other", job, SEEN),
    ]
    assert len({own, *others}) == 4


@pytest.mark.parametrize("stage", STAGES)
def test_a_name_of_which_no_file_can_be_named_is_refused_at_the_door(stage: str) -> None:
    """Before anything runs, by whatever stage comes first; letters of several bytes count as these."""
    raw = parameters.read(HOME / "params.yaml")
    task = "classify" if stage in PER_TASK else None
    for name in ("n" * 300, "n" * (settings.MAX_NAME + 1), "é" * 101):
        told = rf"^name: '{name[:20]}\.\.\.' has \d+ bytes; expected 200 at most, .*\(params\.yaml: name\)$"
        with pytest.raises(ParamsError, match=told):
            load_job(stage, task, {**raw, "name": name}, Path())
    tasks = {**raw["tasks"], "t" * (settings.MAX_TASK + 1): {"head": "linear", "tuning": "linear"}}
    with pytest.raises(ParamsError, match=r"^tasks: 't{20}\.\.\.' has 41 bytes; expected 40 at most"):
        load_job(stage, task, {**raw, "tasks": tasks}, Path())
    assert load_job(stage, task, {**raw, "name": "n" * settings.MAX_NAME}, Path())


def test_the_longest_names_fit_wherever_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of a registered model, MLflow's column for its name, the experiment's; a longer one is no experiment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path))
    name = f"{'n' * settings.MAX_NAME}-{'t' * settings.MAX_TASK}"
    assert len(name) <= 256
    with registry.exclusive(name):
        pass
    for given, used in (("n" * 200, "n" * 200), ("n" * 201, "rawline"), ("é" * 101, "rawline")):
        Path("params.yaml").write_text(yaml.safe_dump({"name": given}))
        assert settings.experiment() == used


def test_a_stage_of_any_name_has_a_journal_and_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused task's address names a journal, and so does a person's own stage; two that begin alike keep apart."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path))
    for address in ("finetune@" + "t" * 300, "sub/" * 90 + "dvc.yaml:é" + "é" * 200):
        journal = Journal(tmp_path / f"{graph.file_name(address)}.{'f' * 12}-{'f' * 8}.jsonl")
        journal.write("note", text="a")
        assert journal.path.is_file()
        with guard.alone(address):
            pass
        assert graph.file_name(address) != graph.file_name(f"{address}é")
