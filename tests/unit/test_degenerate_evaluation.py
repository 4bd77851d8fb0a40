"""An evaluation that says nothing is called so in metrics, report and audit, for every kind of task; a sound one is not."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.register import evidence
from stages.core import artefacts, dataset, files, images, placements
from stages.core.dataset import Dataset
from stages.core.stage import Note, Tags
from stages.judge import degenerate
from stages.maths import geometry
from tests import judging
from tests.fake_models import scores
from tests.judging import TASKS, answer, judged, project

HEADLINE = {"classify": "accuracy", "detect": "map50", "instance": "map50", "segment": "miou"}


def kinds(task: str) -> dict[str, str]:
    """Return what was found that concerns the headline."""
    found = degenerate.of(files.read_json(artefacts.evaluate_metrics(task)), HEADLINE[task])
    assert found is not None
    return found


def audited(task: str) -> tuple[str, str, str]:
    """Return the audit's verdict, its first reason and its page."""
    content = files.read_json(artefacts.audit_metrics(task))
    page = (artefacts.audited(task) / "report.html").read_text(encoding="utf-8")
    return content["verdict"], content["reasons"][0], page


def marked(data: Dataset, change: Any) -> Dataset:
    """Change each annotation of the data set."""
    marks = list(data.coco["annotations"])
    for mark in marks:
        change(mark)
    files.write_json(data.root / "annotations.json", {**data.coco, "annotations": marks})
    return dataset.read(data.root)


def painted(data: Dataset, change: Any) -> Dataset:
    """Change each index mask of the data set."""
    for place in data.manifest["mask"]:
        images.write_png(data.root / place, change(images.read_mask(data.root / place)))
    return data


@pytest.mark.parametrize("task", TASKS)
def test_a_sound_evaluation_is_not_named(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that errs now and then on a split with all classes: nothing is found, and the page says nothing of it."""
    data = project(tmp_path, monkeypatch)
    judged(task, data, monkeypatch, answer(task, data))
    assert kinds(task) == {}
    assert "Degenerate" not in audited(task)[2]


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_masks_in_black_and_white_give_no_verdict(share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every object 255, every answer background: mIoU 1.000, and it is called what it is wherever it is shown.

    With groups whose gap is nothing the audit would pass; on nothing it does not.
    """
    data = project(tmp_path, monkeypatch, num_classes=1, num_images=100)
    painted(data, lambda mask: np.where(mask == 1, images.IGNORE, 0).astype(np.uint8))
    random = np.random.default_rng(0)

    def said(row: Any) -> dict[str, Any]:
        mask = np.zeros((row.height, row.width), np.uint8)
        mask[0, 0] = random.random() < share
        return {"mask": mask}

    judged("segment", data, monkeypatch, said)
    content = files.read_json(artefacts.evaluate_metrics("segment"))
    assert content["miou"]["value"] == (1.0 if share == 0 else pytest.approx(0.5, abs=0.01))
    found = kinds("segment")
    assert {"single_class", "ignored_class", "constant_answer"} <= set(found)
    assert ("exact" in found) == (share == 0)
    assert "every pixel of the test split is background" in found["single_class"]
    assert "class disc has no pixel that counts" in found["ignored_class"]
    assert "are 255, which means ignore" in found["ignored_class"]
    assert "saying background of every pixel is not shown to be worse: mIoU 1.000" in found["constant_answer"]
    assert evidence.collect("segment", "miou").constant == "background"
    verdict, reason, page = audited("segment")
    assert verdict != "PASS"
    assert "degenerate" in reason
    content = files.read_json(artefacts.audit_metrics("segment"))
    assert len(content["reasons"]) == 1
    assert content["left_open"] == ["everything: the evaluation is degenerate (single_class, ignored_class)"]
    assert "Degenerate: by these figures nothing is shown" in page
    records = judging.run(judging.evaluate, "segment")
    tags = [r.values["degenerate"] for r in records if isinstance(r, Tags) and "degenerate" in r.values]
    assert re.sub(r" \([^)]*\)", "", tags[0]).split(", ") == list(found)
    assert any("degenerate evaluation: single_class" in r.text for r in records if isinstance(r, Note))


def test_a_mask_class_that_the_test_split_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is ignored in these masks: the class is plainly absent."""
    data = project(tmp_path, monkeypatch)
    painted(data, lambda mask: np.where(mask == 3, 0, mask).astype(np.uint8))
    judged("segment", data, monkeypatch, answer("segment", data))
    assert list(kinds("segment")) == ["absent_class"]
    assert "(triangle)" in kinds("segment")["absent_class"]


def test_the_padding_of_a_letterbox_hides_no_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of each canvas is padding, 255 in the masks: the class is absent, not ignored; one more ignored pixel is told."""
    data = project(tmp_path, monkeypatch)
    half = [geometry.Placement(48, 24, 48, 24, 48, 48, 0, 12)] * int((data.manifest["split"] == "test").sum())
    monkeypatch.setattr(placements, "of", lambda _: half)

    def padded(mask: np.ndarray) -> np.ndarray:
        found = np.where(mask == 3, 0, mask).astype(np.uint8)
        found[:12], found[36:] = images.IGNORE, images.IGNORE
        return found

    painted(data, padded)
    judged("segment", data, monkeypatch, lambda row: {"mask": np.where(images.read_mask(data.root / row.mask) == 255, 0, 1)})
    assert "absent_class" in kinds("segment")
    assert "ignored_class" not in kinds("segment")
    painted(data, lambda mask: np.where(np.arange(48 * 48).reshape(48, 48) == 48 * 20, images.IGNORE, mask).astype(np.uint8))
    judged("segment", data, monkeypatch, lambda row: {"mask": np.zeros((48, 48), np.uint8)})
    assert "0.087 % of the pictures' pixels are 255" in kinds("segment")["ignored_class"]


def relabelled(data: Dataset, label: Any) -> Dataset:
    """Give the test pictures other labels, by their place."""
    manifest, places = data.manifest.copy(), np.flatnonzero(data.manifest["split"] == "test")
    for number, place in enumerate(places):
        manifest.loc[place, "label"] = label(number)
    manifest.to_parquet(data.root / "manifest.parquet", index=False)
    return dataset.read(data.root)


def test_labels_that_the_test_split_lacks_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two classes of three remain: the third is absent. One remains: there is nothing to tell apart, and a constant wins."""
    data = relabelled(project(tmp_path, monkeypatch), lambda n: ("disc", "square")[n % 2])
    judged("classify", data, monkeypatch, lambda row: scores(row.label, data.info.labels))
    assert list(kinds("classify")) == ["absent_class"]
    assert "(triangle)" in kinds("classify")["absent_class"]
    data = relabelled(data, lambda _: "disc")
    judged("classify", data, monkeypatch, lambda row: scores(row.label, data.info.labels))
    assert list(kinds("classify")) == ["single_class", "absent_class", "constant_answer"]


def test_a_classifier_that_always_says_one_class_ties_with_a_constant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its accuracy: 90 of 100 pictures are discs. One that is right about the others by macro F1 alone says so."""
    data = relabelled(project(tmp_path, monkeypatch), lambda n: {0: "square", 1: "triangle"}.get(n % 20, "disc"))
    judged("classify", data, monkeypatch, lambda row: scores("disc", data.info.labels))
    assert "constant_answer" in kinds("classify")
    assert files.read_json(artefacts.evaluate_metrics("classify"))["accuracy"]["value"] > 0.85
    assert evidence.collect("classify", "accuracy").constant == "disc"
    assert "so nothing passes by it: always saying disc is not shown to be worse: accuracy" in audited("classify")[1]
    wrong = set(data.subset("test").manifest.query("label == 'disc'")["image_id"].iloc[:9])
    judged(
        "classify", data, monkeypatch,
        lambda row: scores("square" if row.image_id in wrong else row.label, data.info.labels),
    )  # fmt: skip
    content = files.read_json(artefacts.evaluate_metrics("classify"))
    assert "constant_answer" in kinds("classify")
    assert degenerate.of(content, "macro_f1") == {}
    judging.run(judging.audit, "classify", max_gap=0.9, min_worst_group=0.1)
    found = files.read_json(artefacts.audit_metrics("classify"))
    told = {name: {one["verdict"] for one in found["by_group"][name].values()} for name in ("accuracy", "macro_f1")}
    assert told["accuracy"] == {"UNDECIDED"}
    assert "PASS" in told["macro_f1"]
    assert "nothing passes, the evaluation is degenerate (constant_answer) by it: accuracy" in found["left_open"]
    assert not [line for line in found["left_open"] if "everything" in line or ("degenerate" in line and "macro" in line)]
    assert found["reasons"][0].startswith(
        "The evaluation is degenerate (constant_answer) by accuracy, so nothing passes by it"
    )
    records = judging.run(judging.evaluate, "classify")
    tags = [r.values["degenerate"] for r in records if isinstance(r, Tags) and "degenerate" in r.values]
    assert tags == ["constant_answer (accuracy)"]


def test_what_concerns_another_figure_alone_is_told_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects drawn too wide: pixel accuracy does not beat a constant, mIoU does, and no judged figure is called so."""
    data = project(tmp_path, monkeypatch)

    def said(row: Any) -> dict[str, Any]:
        mask = images.read_mask(data.root / row.mask)
        wide = np.maximum.reduce([np.roll(mask, (y, x), (0, 1)) for y in range(-6, 7, 3) for x in range(-6, 7, 3)])
        return {"mask": wide}

    judged("segment", data, monkeypatch, said)
    content = files.read_json(artefacts.evaluate_metrics("segment"))
    assert kinds("segment") == {}
    assert list(degenerate.of(content, "pixel_accuracy") or {}) == ["constant_answer"]
    page = audited("segment")[2]
    assert "Degenerate" not in page
    assert "constant_answer (pixel_accuracy): saying background of every pixel" in page
    records = judging.run(judging.evaluate, "segment")
    assert {"constant_answer (pixel_accuracy)"} == {
        r.values["degenerate"] for r in records if isinstance(r, Tags) and "degenerate" in r.values
    }


@pytest.mark.parametrize("task", ["detect", "instance"])
def test_a_category_of_crowds_alone_is_named(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All squares are crowds: none counts, and the reason says where they went."""
    data = project(tmp_path, monkeypatch)
    data = marked(data, lambda mark: mark.update(iscrowd=int(mark["category_id"] == 2)))
    judged(task, data, monkeypatch, answer(task, data))
    assert list(kinds(task)) == ["ignored_class"]
    assert (
        "class square has no object that counts in the test split: all that the truth has of it"
        in kinds(task)["ignored_class"]
    )


@pytest.mark.parametrize("task", ["detect", "instance"])
def test_a_detector_that_finds_nothing_ties_with_no_answer(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every figure is 0, so is that of an empty answer, whatever floor the gate has."""
    data = project(tmp_path, monkeypatch)

    def said(row: Any) -> dict[str, Any]:
        empty = {"boxes": np.zeros((0, 4), np.float32), "labels": np.zeros(0, np.int64), "scores": np.zeros(0, np.float32)}
        return empty | ({"masks": np.zeros((0, row.height, row.width), bool)} if task == "instance" else {})

    judged(task, data, monkeypatch, said)
    assert list(kinds(task)) == ["constant_answer"]
    assert "the answer to another picture is not shown to be worse: mAP50 0.000" in kinds(task)["constant_answer"]


@pytest.mark.parametrize("task", ["detect", "instance"])
def test_the_same_boxes_in_every_picture_are_a_constant(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One object fills every picture: a box in the middle finds all, and a model that does no better shows nothing.

    The same model is sound where the objects lie elsewhere in each picture.
    """
    data = project(tmp_path, monkeypatch, num_classes=1, num_images=60)
    judged(task, data, monkeypatch, answer(task, data))
    assert kinds(task) == {}
    first = {}
    for mark in data.coco["annotations"]:
        first.setdefault(mark["image_id"], mark["id"])
    size = int(data.manifest["width"].iloc[0])
    data.coco["annotations"] = [mark for mark in data.coco["annotations"] if first[mark["image_id"]] == mark["id"]]
    box = [2.0, 2.0, size - 4.0, size - 4.0]
    ring = [box[0], box[1], size - 2.0, box[1], size - 2.0, size - 2.0, box[0], size - 2.0]
    data = marked(data, lambda mark: mark.update(bbox=box, area=box[2] * box[3], segmentation=[ring]))
    judged(task, data, monkeypatch, answer(task, data))
    assert files.read_json(artefacts.evaluate_metrics(task))["map50"]["value"] > 0.7
    assert list(kinds(task)) == ["constant_answer"]


def test_a_nearly_perfect_detector_is_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One object in 240 missed: COCO's grid reads 100 / 101 under nearly all draws, and yet pictures differ.

    Nothing is named, and the interval is as wide as that of the share found.
    """
    data = project(tmp_path, monkeypatch, num_classes=1, num_images=290)
    plain = {"category_id": 1, "area": 81.0, "iscrowd": 0}
    marks = [
        {**plain, "image_id": name, "bbox": [x + 4 * (n % 2), y + 5 * (n % 3), 9.0, 9.0]}
        for n, name in enumerate(data.manifest["image_id"])
        for x in (2.0, 18.0, 34.0)
        for y in (2.0, 18.0)
    ]
    dataset.write(data.root, data.info, data.manifest, marks)
    data = dataset.read(data.root)
    test = data.manifest[data.manifest["split"] == "test"]["image_id"].tolist()
    missing, truths = set(test[::40]), data.annotations()

    def said(row: Any) -> dict[str, Any]:
        boxes = [[x, y, x + w, y + h] for x, y, w, h in (mark["bbox"] for mark in truths[row.image_id])]
        kept = np.array(boxes[1:] if row.image_id in missing else boxes)
        return {"boxes": kept, "labels": np.ones(len(kept), int), "scores": np.full(len(kept), 0.9)}

    judged("detect", data, monkeypatch, said)
    content = files.read_json(artefacts.evaluate_metrics("detect"))
    assert len(test) >= 100
    assert kinds("detect") == {}
    assert content["map50"]["value"] == pytest.approx(100 / 101)
    assert content["map50"]["high"] - content["map50"]["low"] > 0.5 * (content["recall"]["high"] - content["recall"]["low"])
    assert content["map50"]["low"] < content["map50"]["value"] < content["map50"]["high"]


@pytest.mark.parametrize("task", TASKS)
def test_few_pictures_are_named(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten test pictures are too few for an interval, however well they are answered."""
    data = project(tmp_path, monkeypatch)
    manifest = data.manifest.copy()
    manifest.loc[manifest.index[manifest["split"] == "test"][10:], "split"] = "train"
    manifest.to_parquet(data.root / "manifest.parquet", index=False)
    data = dataset.read(data.root)
    judged(task, data, monkeypatch, answer(task, data))
    assert "has 10 pictures that can be judged, fewer than the 11" in kinds(task)["few_units"]


@pytest.mark.parametrize("task", TASKS)
def test_few_units_are_named_however_many_pictures_they_have(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """300 frames of 8 clips are 8 draws, too few for an interval; 300 frames of 11 clips are not."""
    data = project(tmp_path, monkeypatch, num_images=300, split_shares=(0.0, 0.0, 1.0))
    for clips in (8, 11):
        rows = data.manifest.assign(unit=[f"clip {place % clips}" for place in range(len(data.manifest))])
        rows.to_parquet(data.root / "manifest.parquet", index=False)
        judged(task, dataset.read(data.root), monkeypatch, answer(task, data))
        told = kinds(task).get("few_units", "none")
        short = "the test split has 300 pictures that can be judged, of 8 units, fewer than the 11"
        assert told.startswith("none" if clips >= degenerate.LEAST else short)


@pytest.mark.parametrize("task", TASKS)
def test_one_giant_among_single_pictures_is_few_units(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """41 units of which one has 60 of 100 pictures are worth three: that one decides."""
    data = project(tmp_path, monkeypatch, num_images=100, split_shares=(0.0, 0.0, 1.0))
    rows = data.manifest.assign(unit=["giant"] * 60 + [f"p{place}" for place in range(40)])
    rows.to_parquet(data.root / "manifest.parquet", index=False)
    judged(task, dataset.read(data.root), monkeypatch, answer(task, data))
    assert "41 units of very unequal size, worth 2.7 of equal size" in kinds(task)["few_units"]


def test_an_evaluation_that_does_not_say_is_no_ground_to_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics of before the question was asked: the audit names the remedy and does not pass."""
    data = project(tmp_path, monkeypatch)
    judged("classify", data, monkeypatch, lambda row: scores(row.label, data.info.labels))
    limits = {"max_gap": 0.9, "min_worst_group": 0.1}
    judging.run(judging.audit, "classify", **limits)
    assert audited("classify")[0] == "PASS"
    content = files.read_json(artefacts.evaluate_metrics("classify"))
    del content["degenerate"]
    files.write_json(artefacts.evaluate_metrics("classify"), content)
    judging.run(judging.audit, "classify", **limits)
    assert audited("classify")[0] == "UNDECIDED"
    assert "dvc repro evaluate" in audited("classify")[1]
