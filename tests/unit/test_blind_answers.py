"""A model that never looks at the picture crowns nobody, whatever it says and however good its figures look.

Each case runs through evaluate, audit and the gate, beside one that looks and is sound.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from pipelines.register import Params, evidence, gate
from stages.core import artefacts, dataset, files, images
from stages.core.dataset import Dataset
from stages.judge import constants, dealt, degenerate
from tests.fake_models import scores
from tests.judging import TASKS, answer, judged, project

RULES = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))["register"]
HEADLINE = {"classify": "macro_f1", "detect": "map50", "instance": "map50", "segment": "miou"}
Code = gate.Code(clean=True, reason="clean")
Made = tuple[Dataset, Callable[[Any], dict[str, Any]]]


def decided(task: str, metric: str, **changes: Any) -> gate.Decision:
    """Ask the gate with a floor that every figure passes and an audit that every verdict passes."""
    rules = (
        RULES[task]
        | {"name": task, "metric": metric, "min_quality": 0.0, "allow_undecided": True, "max_class_drop": None}
        | changes
    )
    return gate.decide(evidence.collect(task, metric), None, Params(**rules), Code)


def found(task: str, metric: str) -> dict[str, str] | None:
    """Return what was found that concerns a figure."""
    return degenerate.of(files.read_json(artefacts.evaluate_metrics(task)), metric)


def value(task: str, metric: str) -> float:
    """Return a headline figure."""
    return float(files.read_json(artefacts.evaluate_metrics(task))[metric]["value"])


def discs(data: Dataset) -> Made:
    """One object near the middle of each picture (portraits, things cut out); the model's disc is the same everywhere."""
    random = np.random.default_rng(0)
    for place in data.manifest["mask"]:
        mask = np.zeros((48, 48), np.uint8)
        x, y, radius = (int(v) for v in random.integers(-3, 4, 3) // (1, 1, 2) + (24, 24, 14))
        images.write_png(data.root / place, cv2.circle(mask, (x, y), radius, 1, -1))
    fixed = cv2.circle(np.zeros((48, 48), np.uint8), (24, 24), 14, 1, -1)
    return data, lambda _: {"mask": fixed}


def pairs(data: Dataset) -> Made:
    """Two objects at usual places (eyes, headlights); the model says the same two boxes everywhere."""
    random, marks = np.random.default_rng(0), []
    for name in data.manifest["image_id"]:
        for left in (6, 30):
            x, y = float(left + random.integers(-1, 2)), float(18 + random.integers(-1, 2))
            ring = [x, y, x + 12, y, x + 12, y + 12, x, y + 12]
            mark = {"image_id": name, "category_id": 1, "bbox": [x, y, 12.0, 12.0], "segmentation": [ring]}
            marks.append(mark | {"area": 144.0, "iscrowd": 0})
    dataset.write(data.root, data.info, data.manifest, marks)
    boxes, masks = np.array([[6, 18, 18, 30], [30, 18, 42, 30]], np.float32), np.zeros((2, 48, 48), bool)
    masks[0, 18:30, 6:18] = masks[1, 18:30, 30:42] = True
    said = {"boxes": boxes, "labels": np.array([1, 1]), "scores": np.array([0.9, 0.8], np.float32), "masks": masks}
    return dataset.read(data.root), lambda _: said


def coin(data: Dataset) -> Made:
    """A label by the throw of a die."""
    random = np.random.default_rng(1)
    return data, lambda _: scores(data.info.labels[random.integers(len(data.info.labels))], data.info.labels)


BLIND = {"segment": (discs, 1, 0.8), "detect": (pairs, 1, 0.99), "instance": (pairs, 1, 0.99), "classify": (coin, 3, 0.25)}


@pytest.mark.parametrize("task", TASKS)
def test_a_model_that_never_looks_crowns_nobody(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """High figures (mIoU 0.84, mAP50 1.0) say nothing of it, by no figure; the audit does not pass and the gate refuses."""
    make, number, least = BLIND[task]
    data, say = make(project(tmp_path, monkeypatch, num_classes=number, num_images=160))
    judged(task, data, monkeypatch, say)
    assert value(task, HEADLINE[task]) >= least
    for metric in files.read_json(artefacts.evaluate_metrics(task))[degenerate.ASKED]:
        assert list(found(task, metric) or {}) == ["constant_answer"], metric
        decision = decided(task, metric)
        assert [check.name for check in decision.checks if not check.holds] == ["evaluation"]
        assert decided(task, metric, allow_degenerate=True).champion
    assert "the answer to another picture is not shown to be worse" in found(task, HEADLINE[task])["constant_answer"]
    audit = files.read_json(artefacts.audit_metrics(task))
    assert audit["verdict"] != "PASS"


@pytest.mark.parametrize("task", ["classify", "segment"])
def test_a_model_that_looks_is_sound_on_the_same_pictures(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That its answer fits its own picture better is shown, though an answer of others' has a high figure, too."""
    make, number, _ = BLIND[task]
    data = make(project(tmp_path, monkeypatch, num_classes=number, num_images=160))[0]
    judged(task, data, monkeypatch, answer(task, data))
    assert found(task, HEADLINE[task]) == {}
    assert decided(task, HEADLINE[task]).champion


def test_a_detector_that_looks_shows_it_by_the_figure_that_can_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes that lie a pixel from each other overlap by half whatever the picture: mAP50 cannot tell there, mAP75 can."""
    data = pairs(project(tmp_path, monkeypatch, num_classes=1, num_images=160))[0]
    truths = data.annotations()

    def looks(row: Any) -> dict[str, Any]:
        corners = [[x, y, x + w, y + h] for x, y, w, h in (mark["bbox"] for mark in truths[row.image_id])]
        return {"boxes": np.array(corners), "labels": np.array([1, 1]), "scores": np.array([0.9, 0.8])}

    judged("detect", data, monkeypatch, looks)
    assert [value("detect", name) for name in ("map50", "map75")] == [1.0, 1.0]
    assert list(found("detect", "map50") or {}) == ["constant_answer"]
    assert found("detect", "map75") == {}
    assert [decided("detect", name).champion for name in ("map50", "map75", "map", "ar")] == [False, True, True, True]


@pytest.mark.parametrize("task", TASKS)
def test_only_figures_that_were_asked_count(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every figure that the gate can take was held against other answers; of one that was not, nobody knows."""
    data = project(tmp_path, monkeypatch)
    judged(task, data, monkeypatch, answer(task, data), answer(task, data, seed=1) if task == "classify" else None)
    where = artefacts.evaluate_metrics(task)
    content = files.read_json(where)
    offered = set(evidence.headlines(content)) - {"gain_over_scratch"}
    assert set(content[degenerate.ASKED]) == offered
    assert all(decided(task, metric).champion for metric in offered - {"pixel_accuracy"})
    metric = HEADLINE[task]
    files.write_json(where, content | {degenerate.ASKED: sorted(offered - {metric})})
    line = decided(task, metric).lines()["evaluation"]
    assert line.startswith(f"no: the evaluation does not say whether it is degenerate by {metric}")
    assert decided(task, metric, allow_degenerate=True).champion


def test_a_gain_over_the_twin_is_no_ground_for_a_crown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands at the top of the metrics, and nobody asked it whether the model looks."""
    data = project(tmp_path, monkeypatch)
    judged("classify", data, monkeypatch, answer("classify", data), answer("classify", data, 0.3, seed=1))
    assert not decided("classify", "gain_over_scratch").champion


@pytest.mark.parametrize("task", ["detect", "instance"])
def test_average_recall_is_asked(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """COCO's average recall of the same boxes everywhere is refused as mAP50 is; two models pair by it."""
    data, say = pairs(project(tmp_path, monkeypatch, num_classes=1, num_images=160))
    judged(task, data, monkeypatch, say)
    assert value(task, "ar") > 0.5
    assert list(found(task, "ar") or {}) == ["constant_answer"]
    assert not decided(task, "ar").champion
    assert len(evidence.collect(task, "ar").replicates) == evidence.NUM_REPLICATES


@pytest.mark.parametrize("task", ["detect", "instance", "segment"])
def test_the_same_test_pictures_are_dealt_alike(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs write the same bytes, and the answers that were kept to be dealt are gone."""
    data = project(tmp_path, monkeypatch)
    told = []
    for _ in range(2):
        judged(task, data, monkeypatch, answer(task, data))
        told.append(artefacts.evaluate_metrics(task).read_bytes())
    assert told[0] == told[1]
    assert not [path for path in artefacts.evaluated(task).rglob("*") if path.name.startswith(".")]


@pytest.mark.parametrize("task", TASKS)
def test_every_deal_is_held_against_the_model(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers are dealt three times, and the gain is that over the mean of all three; one class everywhere is one answer."""
    data, taken = project(tmp_path, monkeypatch, num_images=60), []
    gains = constants.gains
    monkeypatch.setattr(constants, "gains", lambda own, others, draws: taken.append(others) or gains(own, others, draws))
    judged(task, data, monkeypatch, answer(task, data))
    weights = np.ones((1, len(data.subset("test").manifest)))
    figures = [tuple(float(m.values(weights)[0]) for m in one) for one in taken[-1]]
    assert [len(others) for others in taken] == ([1, dealt.MOST] if task in ("classify", "segment") else [dealt.MOST])
    assert len(set(figures)) == dealt.MOST == 3
