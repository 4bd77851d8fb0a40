"""What every evaluator must hold, whatever its task."""

from pathlib import Path
from typing import Any

import pytest

from stages import audit, evaluate
from stages.core import artefacts, checkpoint, dataset, figures, files, parts
from stages.core.errors import DataError, ParamsError
from stages.core.stage import Keep, Metrics, Progress, Tags
from stages.parts import evaluators
from tests import judging
from tests.fake_models import FakeModel, loader
from tests.judging import TASKS, answer, judged, project, run

tasks = pytest.mark.parametrize("task", TASKS)


def everything(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def numbers(content: Any) -> list[float]:
    """Return every number in a metrics file."""
    if isinstance(content, dict):
        return [n for value in content.values() for n in numbers(value)]
    return [content] if isinstance(content, (int, float)) else []


def test_each_task_has_its_evaluator() -> None:
    """The family holds exactly the tasks that a model can be trained for."""
    assert parts.known("evaluators") == tuple(sorted(checkpoint.CLASSES))


@tasks
def test_headline_figures_carry_interval_and_count(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each headline figure lies in its interval and has a count; nothing is -1; predictions, plots and gallery are there."""
    data = project(tmp_path, monkeypatch)
    judged(task, data, monkeypatch, answer(task, data, bias=0.3))
    content = files.read_json(artefacts.evaluate_metrics(task))
    headline = figures.headlines(content)
    wanted = {"classify": "accuracy", "detect": "map50", "instance": "map50", "segment": "miou"}[task]
    assert headline[wanted]["n"] > 0
    for figure in headline.values():
        assert set(figure) - {"covers"} == {"value", "low", "high", "n", "pictures"}
        assert figure["pictures"] > 0
        assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1
        assert figure["low"] < figure["high"]
    assert min(numbers(content)) >= 0
    names = set(everything(artefacts.evaluated(task)))
    assert {"confusion.csv", "confusion.png", "worst.png", evaluators.SETTINGS} <= names


@tasks
def test_the_audit_finds_the_bias(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that fails in the unusual setting fails the audit, which names that setting."""
    data = project(tmp_path, monkeypatch)
    judged(task, data, monkeypatch, answer(task, data, bias=0.7))
    content = files.read_json(artefacts.audit_metrics(task))
    assert content["verdict"] == "FAIL"
    assert "unusual" in content["reasons"][0]
    first = next(iter(content["by_group"].values()))
    assert first["setting"]["gap"]["p"] < 0.05
    assert first["setting"]["worst_group"]["name"] == "unusual"


@tasks
def test_the_audit_invents_nothing(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that errs alike everywhere does not fail."""
    data = project(tmp_path, monkeypatch)
    judged(task, data, monkeypatch, answer(task, data))
    assert files.read_json(artefacts.audit_metrics(task))["verdict"] != "FAIL"


@tasks
def test_the_same_inputs_give_the_same_bytes(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluated and audited twice, every file is the same, pictures and page too."""
    data = project(tmp_path, monkeypatch, num_images=60)
    judged(task, data, monkeypatch, answer(task, data, bias=0.4))
    first = {**everything(artefacts.evaluated(task)), **everything(artefacts.audited(task)), **everything(artefacts.METRICS)}
    judged(task, data, monkeypatch, answer(task, data, bias=0.4))
    second = {
        **everything(artefacts.evaluated(task)),
        **everything(artefacts.audited(task)),
        **everything(artefacts.METRICS),
    }
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []


@tasks
def test_records_tell_what_happens(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress reaches its total, metrics are every number of the file, undefined ones named, and what is kept exists."""
    data = project(tmp_path, monkeypatch, num_images=60)
    judged(task, data, monkeypatch, answer(task, data))
    for stage in (evaluate, audit):
        records = run(stage, task)
        assert [(r.done, r.total) for r in records if isinstance(r, Progress)][-1][0] > 0
        assert all(isinstance(v, float) for r in records if isinstance(r, Metrics) for v in r.values.values())
        assert all(r.path.exists() for r in records if isinstance(r, Keep))
        told = {name: value for r in records if isinstance(r, Metrics) for name, value in r.values.items()}
        where = artefacts.evaluate_metrics(task) if stage is evaluate else artefacts.audit_metrics(task)
        written = figures.numbers({k: v for k, v in files.read_json(where).items() if k != "settings"})
        assert written.items() <= told.items()
        assert all(name.startswith("group/") for name in told.keys() - written.keys())
        words = {name: word for r in records if isinstance(r, Tags) for name, word in r.values.items()}
        lost = figures.undefined(files.read_json(where))
        named = words["undefined"].split(", ") if "undefined" in words else []
        assert sorted(named) == (sorted(lost) if stage is evaluate else [])
        assert words.get("verdict") == files.read_json(where).get("verdict")


@tasks
def test_an_empty_test_split_is_one_clear_line(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a test picture the stage says so and writes nothing."""
    data = project(tmp_path, monkeypatch, num_images=12, split_shares=(0.5, 0.5, 0))
    monkeypatch.setattr(checkpoint, "load", loader(best=FakeModel(task, data, answer(task, data))))
    with pytest.raises(DataError, match="test split"):
        run(evaluate, task)
    assert not artefacts.evaluated(task).exists()


@tasks
def test_a_model_of_other_classes_is_refused(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model trained on other classes than the data set has is not judged."""
    data = project(tmp_path, monkeypatch, num_images=24)
    model = FakeModel(task, data, answer(task, data))
    model.card["classes"] = ["cat", "dog"]
    monkeypatch.setattr(checkpoint, "load", loader(best=model))
    with pytest.raises(DataError, match="knows the classes"):
        run(evaluate, task)


def test_a_parameter_of_another_task_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A score threshold belongs to detect and instance: missing there or given elsewhere, the message names it."""
    data = project(tmp_path, monkeypatch, num_images=24).subset("test")
    for name in judging.FOUND:
        without = {key: value for key, value in judging.FOUND.items() if key != name}
        with pytest.raises(ParamsError, match=name):
            evaluators.load("detect", without, data, tmp_path)
    with pytest.raises(ParamsError, match="min_score"):
        evaluators.load("classify", {"min_score": 0.5}, data, tmp_path)


@tasks
def test_without_group_columns_nothing_passes(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set without group columns is UNDECIDED, and the page says why."""
    data = project(tmp_path, monkeypatch, num_images=60, groups=False)
    judged(task, data, monkeypatch, answer(task, data))
    content = files.read_json(artefacts.audit_metrics(task))
    assert content["verdict"] == "UNDECIDED"
    assert "no group column," in content["reasons"][0]
    assert "no group column," in (artefacts.audited(task) / "report.html").read_text(encoding="utf-8")
    assert dataset.read(artefacts.PREPROCESSED).groups() == []


def test_a_single_group_is_nothing_to_compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every column has one group alone, the verdict is UNDECIDED and says so."""
    data = project(tmp_path, monkeypatch, num_images=60)
    manifest = data.manifest.assign(group_ink="dark", group_setting=None)
    manifest.to_parquet(artefacts.PREPROCESSED / "manifest.parquet", index=False)
    judged("classify", data, monkeypatch, answer("classify", data))
    content = files.read_json(artefacts.audit_metrics("classify"))
    assert content["verdict"] == "UNDECIDED"
    assert "nothing could be compared" in content["reasons"][0]
