"""The parent run shows what its execution knows of every task, and never a number that it did not make or book."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from pipelines.overlay import merge
from pipelines.record import entities, headline
from stages.core import params as parameters
from tests.pipeline import toy

ROOT = Path(__file__).parents[2]

WRITES = """
    import json
    if name.startswith("evaluate"):
        figure = {"value": p.num_epochs / 10, "low": p.num_epochs / 20, "high": 1.0, "n": 60}
        content = {"accuracy": figure, "undefined": {"value": None, "low": None, "high": None, "n": 0},
                   "per_class": {"cat": {"f1": 0.5}}, "verdict": "PASS"}
        even = {"kind": "exact", "reason": "all right", "figures": ["accuracy"]}
        content["degenerate"] = [even, {"kind": "few_units", "reason": "six", "figures": []}] if p.num_epochs == 1 else []
        Path("data/metrics").mkdir(parents=True, exist_ok=True)
        Path("data/metrics/evaluate_classify.json").write_text(json.dumps(content))
    yield Note("written")
"""
FIGURES = {"accuracy": 0.1, "accuracy.low": 0.05, "accuracy.high": 1.0, "accuracy.n": 60.0, "undefined.n": 0.0}


@pytest.fixture
def project(tmp_path: Path) -> toy.Project:
    """Return a toy whose evaluation leaves a metrics file that depends on its parameter."""
    made = toy.make(tmp_path / "project")
    text = (made.root / "toy.py").read_text().replace('    yield Note("written")\n', WRITES.lstrip("\n"))
    (made.root / "toy.py").write_text(text)
    graph = yaml.safe_load((made.root / "dvc.yaml").read_text())
    command = graph["stages"]["acquire"]["cmd"].replace("acquire", "evaluate classify")
    graph["stages"]["evaluate"] = {
        "foreach": ["classify"],
        "do": {"cmd": command, "deps": ["data/finetune/classify"], "params": ["evaluate.classify"],
               "outs": ["data/evaluate/classify"], "metrics": ["data/metrics/evaluate_classify.json"]},
    }  # fmt: skip
    (made.root / "dvc.yaml").write_text(yaml.safe_dump(graph, sort_keys=False))
    return made


def figures(scale: float = 1.0) -> dict[str, float]:
    """Return what the parent should show when the evaluation's parameter is ``scale``."""
    changed = {"accuracy": 0.1 * scale, "accuracy.low": 0.05 * scale}
    return {f"classify/{name}": pytest.approx(value) for name, value in {**FIGURES, **changed}.items()}


@pytest.mark.slow
def test_executions_compare_whether_their_stages_ran_were_cached_or_failed(project: toy.Project) -> None:
    """Own numbers where it ran, the booked ones where it was cached (folder moved on or not), none where it failed.

    Beside them stands why they say nothing, until a later evaluation says something.
    """
    assert project.dvc("repro").returncode == 0
    project.settle()
    project.set("finetune.detect", num_epochs=4)
    (project.root / "data/metrics/evaluate_classify.json").unlink()
    assert project.dvc("repro").returncode == 0
    project.settle()
    project.set("acquire", num_epochs=3)
    project.set("finetune.classify", fail="data")
    assert project.dvc("repro").returncode != 0
    project.settle()
    project.set("finetune.classify", fail="")
    project.set("evaluate.classify", num_epochs=2)
    assert project.dvc("repro").returncode == 0
    project.settle()
    ran, cached, failed, mended = project.parents()
    assert ran.data.metrics == cached.data.metrics == figures()
    assert headline.CACHED not in ran.data.tags
    assert cached.data.tags[headline.CACHED] == "evaluate@classify"
    assert ran.data.tags["verdict.classify"] == cached.data.tags["verdict.classify"] == "PASS"
    assert ran.data.tags["degenerate.classify"] == cached.data.tags["degenerate.classify"] == "exact (accuracy), few_units"
    assert (mended.data.metrics, mended.data.tags["degenerate.classify"]) == (figures(2), "no")
    assert not [tag for tag in failed.data.tags if tag.startswith("degenerate")]
    assert failed.data.metrics == {}
    assert "verdict.classify" not in failed.data.tags
    assert failed.data.tags[headline.MISSING] == "evaluate@classify (NotReached)"
    assert ran.data.params["finetune.classify.num_epochs"] == "3"
    assert cached.data.params["finetune.detect.num_epochs"] == "4"
    assert failed.data.params["acquire.num_epochs"] == "3"
    assert {"seed", "name", "acquire.num_epochs"} <= set(ran.data.params)
    experiment = project.client.get_experiment_by_name("toy")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


SECOND = """
from pathlib import Path
place = Path("data/metrics/evaluate_classify.json")
place.write_text(place.read_text().replace("0.1", "0.9"))
"""


@pytest.mark.long
def test_a_figure_that_a_second_command_changed_is_shown_as_dvc_booked_it(project: toy.Project) -> None:
    """The stage noted 0.1 before it; the execution that made it and the next one, which found it cached, show 0.9."""
    (project.root / "second.py").write_text(SECOND)
    graph = yaml.safe_load((project.root / "dvc.yaml").read_text())
    body = graph["stages"]["evaluate"]["do"]
    body["cmd"] = [body["cmd"], f"{sys.executable} second.py"]
    (project.root / "dvc.yaml").write_text(yaml.safe_dump(graph, sort_keys=False))
    for epochs in (3, 4):
        project.set("finetune.detect", num_epochs=epochs)
        assert project.dvc("repro").returncode == 0
        project.settle()
    ran, cached = project.parents()
    assert cached.data.tags[headline.CACHED] == "evaluate@classify"
    assert ran.data.metrics == cached.data.metrics == {**figures(), "classify/accuracy": 0.9}


@pytest.mark.long
def test_a_container_shows_a_figure_when_dvc_has_booked_it(project: toy.Project) -> None:
    """The execution is closed before that; an evaluation that dvc does not book gives none, ever."""
    project.env["RAWLINE_CONTAINED"] = "1"
    graph = (project.root / "dvc.yaml").read_text()
    claimed = graph.replace("- data/evaluate/classify\n", "- data/evaluate/classify\n      - data/none\n")
    (project.root / "dvc.yaml").write_text(claimed)
    assert project.dvc("repro").returncode != 0
    assert project.rawline("sync").returncode == 0
    (failed,) = project.parents()
    assert failed.data.metrics == {}
    assert failed.data.tags[headline.MISSING] == "evaluate@classify (Failed)"
    (project.root / "dvc.yaml").write_text(graph)
    assert project.dvc("repro").returncode == 0
    assert project.rawline("sync").returncode == 0
    project.settle()
    later = project.parents()[1]
    assert later.data.metrics == figures()
    assert later.data.tags.get(headline.MISSING, headline.NONE) == headline.NONE


def test_a_metrics_file_of_another_form_is_passed_over(tmp_path: Path) -> None:
    """DVC takes YAML, TOML and lists as metrics; they hold no figure of ours and harm nobody."""
    assert headline._read(b"accuracy: 0.9\n") is None
    assert headline._read(json.dumps([1, 2]).encode()) is None
    assert headline._read(b'{"loss": 0.1}') is None
    assert headline._read(b"\xff\xfe") is None


def test_figures_of_which_nobody_asked_whether_they_say_something_do_not_read_as_sound() -> None:
    """An evaluation of before has its figures marked; another stage's file says nothing of them."""
    content = json.dumps({"miou": {"value": 1.0, "low": 1.0, "high": 1.0, "n": 6}}).encode()
    assert headline._read(content, "evaluate")["tags"] == {"degenerate": "unknown"}
    assert headline._read(content, "finetune")["tags"] == {}


CHANGED = {
    "pretrain.resnet18.weights": "imagenet",
    "pretrain.simclr.temperature": 0.5,
    "finetune.classify.linear.dropout": 0.3,
    "finetune.classify.full.backbone_scale": 0.1,
    "finetune.detect.faster_rcnn.anchor_px": [8.0, 16.0],
    "finetune.segment.unet.width": 64,
    "acquire.scenes.bias": 0.0,
    "acquire.roots": ["/data/more"],
    "augment.offline": [{"name": "Affine", "rotate": [-3, 3], "p": 0.9}],
}


def nested(name: str, value: object) -> dict[str, object]:
    """Return an overlay that sets one value."""
    for word in reversed(name.split(".")):
        value = {word: value}
    return value  # type: ignore[return-value]


@pytest.mark.parametrize("name", CHANGED)
def test_what_makes_the_models_differs_in_the_table(name: str) -> None:
    """A changed value of a chosen part, or a changed list, is one parameter that differs, under its name in the file."""
    raw = parameters.read(ROOT / "params.yaml")
    before = headline.parameters(raw)
    after = headline.parameters(merge(raw, nested(name, CHANGED[name])))
    assert {key for key in before | after if before.get(key) != after.get(key)} == {name}
    if isinstance(CHANGED[name], list):
        assert json.loads(after[name]) == CHANGED[name]
        assert ": " not in after[name]


def test_parts_that_are_not_chosen_stay_out() -> None:
    """The project's file keeps another method and another task's head beside the chosen ones; they make nothing."""
    shown = headline.parameters(parameters.read(ROOT / "params.yaml"))
    assert not [key for key in shown if key.startswith(("pretrain.denoising_autoencoder.", "finetune.instance."))]
    assert not [key for key in shown if key.startswith(("pretrain.compute.", "acquire.gate."))]
    assert (
        shown["register.classify.min_quality"]
        == parameters.read(ROOT / "params.yaml")["register"]["classify"]["min_quality"]
    )
    raw = {"acquire": {"source": "voc", "voc": {"a": {"b": 1, "c": [2]}}, "coco": {"a": 1}}}
    assert headline.parameters(raw) == {"acquire.source": "voc", "acquire.voc.a.b": 1, "acquire.voc.a.c": "[2]"}


def test_a_parameter_longer_than_mlflow_takes_is_told_by_its_digest() -> None:
    """Two long policies that differ at their end are not shown as equal; one that fits is shown as it is."""
    texts = ["x" * entities.MAX_PARAM, "x" * entities.MAX_PARAM + "a", "x" * entities.MAX_PARAM + "b"]
    shown = [entities.params({"augment.online": text})[0].value for text in texts]
    assert shown[0] == texts[0]
    assert len(set(shown)) == 3
    assert all(len(text) <= entities.MAX_PARAM for text in shown)
