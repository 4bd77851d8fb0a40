"""Rules of the headline: absent classes, detections that count, the user's own pixels, intervals of classes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from pipelines.register import evidence
from stages.core import artefacts, dataset, digests, figures, files, images, placements
from stages.core.dataset import Dataset
from stages.core.errors import DataError
from stages.core.stage import Note
from stages.judge.validation import Truths, Validation
from stages.maths import geometry
from stages.parts import evaluators
from stages.parts.evaluators import _plots
from tests import judging
from tests.fake_models import scores
from tests.judging import answer, judged, project


def figure(content: dict[str, Any], name: str) -> float:
    """Return a headline figure's value."""
    return float(content[name]["value"])


def without(data: Dataset, name: str) -> Dataset:
    """Take the pictures of a class out of the test split."""
    manifest = data.manifest.copy()
    manifest.loc[(manifest["split"] == "test") & (manifest["label"] == name), "split"] = "train"
    manifest.to_parquet(data.root / "manifest.parquet", index=False)
    return dataset.read(data.root)


def test_macro_f1_counts_a_class_that_was_said_and_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in scikit-learn; the gate judges the same figure, and groups leave such a class out."""
    data = without(project(tmp_path, monkeypatch), "disc")
    wrong = set(data.subset("test").manifest["image_id"][:2])
    judged("classify", data, monkeypatch, lambda r: scores("disc" if r.image_id in wrong else r.label, data.info.labels))
    content = files.read_json(artefacts.evaluate_metrics("classify"))
    table = pd.read_parquet(artefacts.evaluated("classify") / "predictions.parquet")
    expected = sk.f1_score(table["label"], table["predicted"], average="macro")
    assert expected < 0.7
    assert figure(content, "macro_f1") == pytest.approx(expected, abs=1e-6)
    judge = evaluators.load("classify", {}, data.subset("test"), artefacts.evaluated("classify"))
    ones = np.ones((1, len(table)))
    by_name = [{m.name: float(m.values(ones)[0]) for m in found} for found in (judge.headlines(), judge.measures())]
    assert by_name[0]["macro_f1"] == pytest.approx(expected, abs=1e-9)
    assert by_name[1]["macro_f1"] > 0.95
    measure, _ = evidence._measure("classify", "macro_f1", artefacts.evaluated("classify"))
    assert measure is not None
    assert float(measure.values(ones)[0]) == pytest.approx(expected, abs=1e-9)


def test_miou_is_validations_where_a_class_is_only_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One stray pixel of a class that no picture holds counts as that class' 0, in validation and evaluation alike."""
    data = project(tmp_path, monkeypatch, num_images=60)
    rows = data.subset("test").manifest
    kept = [name for name, mask in zip(rows["image_id"], rows["mask"], strict=True) if not _holds(data, mask, 3)]
    manifest = data.manifest[(data.manifest["split"] != "test") | data.manifest["image_id"].isin(kept)]
    manifest.to_parquet(data.root / "manifest.parquet", index=False)
    data = dataset.read(data.root)

    def said(row: Any) -> dict[str, np.ndarray]:
        mask = images.read_mask(data.root / row.mask).copy()
        mask[0, 0] = 3 if row.image_id == kept[0] else mask[0, 0]
        return {"mask": mask}

    judged("segment", data, monkeypatch, said)
    content = files.read_json(artefacts.evaluate_metrics("segment"))
    found = Validation("segment", 4)
    for row in data.subset("test").manifest.itertuples():
        found.mask(images.read_mask(data.root / str(row.mask)), said(row), "")
    assert figure(content, "miou") == pytest.approx(found.figures()["val/miou"], abs=1e-6)
    assert 0.7 < figure(content, "miou") < 0.76
    assert content["per_class"]["triangle"]["iou"]["value"] == 0
    assert (content["per_class"]["triangle"]["n"], content["per_class"]["triangle"]["pictures"]) == (0, 0)


def _holds(data: Dataset, mask: str, label: int) -> bool:
    return bool((images.read_mask(data.root / mask) == label).any())


@pytest.mark.parametrize("task", ["detect", "instance"])
def test_validation_and_evaluation_agree(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the same pictures and answers, crowds and difficult objects among them, both have the same mAP50."""
    data = project(tmp_path, monkeypatch, num_images=60)
    flags = ({"iscrowd": 1}, {"difficult": 1}, *[{}] * 5)
    marks = [{**mark, **flags[place % 7]} for place, mark in enumerate(data.coco["annotations"])]
    files.write_json(data.root / "annotations.json", {**data.coco, "annotations": marks})
    data = dataset.read(data.root)
    model = answer(task, data, bias=0.3)
    judged(task, data, monkeypatch, model)
    content = files.read_json(artefacts.evaluate_metrics(task))
    test = data.subset("test")
    found, truths = Validation(task, 3), Truths(test)
    for place, row in enumerate(test.manifest.itertuples()):
        marks, at = truths[place]
        found.marks(marks, model(row), at, "")
    figures = found.figures()
    assert figure(content, "map50") == pytest.approx(
        figures["val/mask_map50" if task == "instance" else "val/map50"], abs=1e-6
    )
    if task == "instance":
        assert figure(content["box"], "map50") == pytest.approx(figures["val/map50"], abs=1e-6)
    counted = sum(not (m["iscrowd"] or m.get("difficult")) for m in test.coco["annotations"])
    assert content["map50"]["n"] == content["recall"]["n"] == counted
    table = pd.read_csv(artefacts.evaluated(task) / "confusion_counts.csv", index_col=0)
    assert table.iloc[:-1].to_numpy().sum() == counted


def test_pictures_with_more_objects_than_count_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of one detection of a class: a note names the pictures that hold more, the metrics file has their number."""
    data = project(tmp_path, monkeypatch, num_images=60)
    judged("detect", data, monkeypatch, answer("detect", data))
    notes = [r.text for r in judging.run(judging.evaluate, "detect", max_detections=1) if isinstance(r, Note)]
    test = data.subset("test")
    pairs = pd.Series([(m["image_id"], m["category_id"]) for m in test.coco["annotations"]]).value_counts()
    expected = len({image for (image, _), count in pairs.items() if count > 1})
    content = files.read_json(artefacts.evaluate_metrics("detect"))
    assert content["limit"] == {"max_detections": 1, "num_pictures_above": expected}
    assert any(f"{expected} of {len(test.manifest)} test pictures hold more than 1 objects" in note for note in notes)
    judging.run(judging.evaluate, "detect", max_detections=None)
    assert "limit" not in files.read_json(artefacts.evaluate_metrics("detect"))


def test_pictures_with_more_objects_than_the_head_answers_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that gives two detections a picture: a note counts the pictures of three objects and names its parameter."""
    data = project(tmp_path, monkeypatch, num_images=60)
    judge = evaluators.load("detect", judging.FOUND, data.subset("test"), tmp_path)
    expected = sum(len(marks) > 2 for marks in judge.data.annotations().values())
    head = {"name": "faster_rcnn", "params": {"max_detections": 2}}
    (note,) = judging.evaluate._beyond_the_head(judge, {"task": "detect", "head": head})
    assert note.text.startswith(f"{expected} of {len(judge.data.manifest)} test pictures hold more than the 2 objects")
    assert "finetune.detect.faster_rcnn.max_detections" in note.text
    assert not list(judging.evaluate._beyond_the_head(judge, {"task": "segment", "head": {"name": "unet", "params": {}}}))


@pytest.mark.parametrize("task", judging.TASKS)
def test_each_class_has_an_interval_and_its_counts(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Value within its interval, units and the pictures that hold them; the gate reads the same figures."""
    data = project(tmp_path, monkeypatch, num_images=60)
    judged(task, data, monkeypatch, answer(task, data, bias=0.3))
    content = files.read_json(artefacts.evaluate_metrics(task))
    key = {"classify": "f1", "segment": "iou"}.get(task, "map50")
    read = evidence.classes(content)
    for name, row in content["per_class"].items():
        found = row[key]
        assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1
        assert found["low"] < found["high"]
        assert 0 < found["pictures"] <= next(raw["pictures"] for raw in figures.headlines(content).values())
        assert found["n"] >= found["pictures"] or task in {"classify", "segment"}
        assert (read[name].low, read[name].high, read[name].pictures) == (found["low"], found["high"], found["pictures"])


def test_answers_are_written_in_the_users_own_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Letterboxed pictures: results and areas count the original's pixels, the figures are those of the prepared ones."""
    data = project(tmp_path, monkeypatch, num_images=60, size_px=64)
    judged("detect", data, monkeypatch, answer("detect", data))
    before = files.read_json(artefacts.evaluate_metrics("detect"))
    plain = json.loads((artefacts.evaluated("detect") / "predictions.json").read_text())
    manifest = data.manifest.assign(original_width=256, original_height=256)
    manifest.to_parquet(data.root / "manifest.parquet", index=False)
    with pytest.raises(DataError, match="does not say how"):
        judging.run(judging.evaluate, "detect")
    files.write_json(data.root / "recipe.json", {"preprocess": {"fit": "letterbox", "size_px": 64}})
    judging.run(judging.evaluate, "detect")
    after = files.read_json(artefacts.evaluate_metrics("detect"))
    said = json.loads((artefacts.evaluated("detect") / "predictions.json").read_text())
    assert np.array([m["bbox"] for m in said]) == pytest.approx(4 * np.array([m["bbox"] for m in plain]), abs=1e-5)
    assert after["map50"] == before["map50"]
    assert before["by_size"]["large"]["n"] == 0 < after["by_size"]["large"]["n"]
    found = pd.read_parquet(artefacts.evaluated("detect") / "objects.parquet")
    areas = [m["area"] for m in data.subset("test").coco["annotations"]]
    assert sorted(found["area"]) == pytest.approx(sorted(16 * np.array(areas)))


def test_placements_are_those_of_preprocess() -> None:
    """By recipe and manifest the placement that ``preprocess`` used comes back; a recipe that does not fit is refused."""
    sizes = [(640, 480), (31, 77), (64, 64)]
    rows = pd.DataFrame([{"width": 64, "height": 64, "original_width": w, "original_height": h} for w, h in sizes])
    made = Dataset(Path("nowhere"), dataset.Info("a", "b"), rows, {})
    with pytest.raises(DataError, match="run preprocess again"):
        placements.of(made)
    for fit in ("letterbox", "stretch"):
        found = [placements._placement(made, {"fit": fit, "size_px": 64}, (64, 64), size) for size in sizes]
        assert found == [geometry.place(*size, fit, 64) for size in sizes]
    with pytest.raises(DataError, match="makes 32 x 32"):
        placements._placement(made, {"fit": "letterbox", "size_px": 32}, (64, 64), (640, 480))


def test_answers_carry_the_users_own_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the annotations' own category ids are known, results have them, and the file's name; figures do not change."""
    data = project(tmp_path, monkeypatch, num_images=60)
    judged("detect", data, monkeypatch, answer("detect", data))
    before = files.read_json(artefacts.evaluate_metrics("detect"))
    plain = json.loads((artefacts.evaluated("detect") / "predictions.json").read_text())
    told = files.read_json(data.root / "dataset.json")
    files.write_json(data.root / "dataset.json", {**told, "category_ids": [3, 18, 90]})
    judging.run(judging.evaluate, "detect")
    after = files.read_json(artefacts.evaluate_metrics("detect"))
    assert after.pop(digests.TABLES) != before.pop(digests.TABLES)  # the ids are the tables' own
    assert after == before
    said = json.loads((artefacts.evaluated("detect") / "predictions.json").read_text())
    assert [m["category_id"] for m in said] == [{1: 3, 2: 18, 3: 90}[m["category_id"]] for m in plain]
    assert {m["file_name"] for m in said} <= set(data.manifest["source"])


def test_plot_data_does_not_grow_with_the_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record per case up to a number; beyond it each row of the matrix takes 100 records, as for pixels."""
    counts = np.array([[60, 20], [0, 40]])
    for most, expected in ((120, [60, 20, 40]), (119, [75, 25, 100])):
        monkeypatch.setattr(_plots, "MOST_CASES", most)
        _plots.confusion(tmp_path, counts, ("a", "b"), cases=True)
        table = pd.read_csv(tmp_path / "confusion.csv").value_counts(["actual", "predicted"], sort=False)
        assert table.tolist() == expected
