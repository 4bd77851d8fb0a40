"""Figures of the evaluation equal those of other libraries on the saved predictions."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sklearn import metrics as sk
from torchmetrics.segmentation import MeanIoU

from stages import evaluate
from stages.core import artefacts, files, images
from stages.core.dataset import Dataset
from stages.core.errors import DataError
from stages.parts import evaluators
from tests.fake_models import scores
from tests.judging import answer, judged, project


def test_classify_equals_scikit_learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accuracy, macro F1 and each class' figures are scikit-learn's on the saved table."""
    data = project(tmp_path, monkeypatch)
    judged("classify", data, monkeypatch, answer("classify", data, bias=0.4))
    content = files.read_json(artefacts.evaluate_metrics("classify"))
    table = pd.read_parquet(artefacts.evaluated("classify") / "predictions.parquet")
    assert table["image_id"].tolist() == data.subset("test").manifest["image_id"].tolist()
    assert content["accuracy"]["value"] == pytest.approx(sk.accuracy_score(table["label"], table["predicted"]), abs=1e-6)
    assert content["macro_f1"]["value"] == pytest.approx(
        sk.f1_score(table["label"], table["predicted"], average="macro"), abs=1e-6
    )
    expected = sk.precision_recall_fscore_support(table["label"], table["predicted"], labels=list(data.info.labels))
    for index, name in enumerate(data.info.labels):
        figures = [content["per_class"][name][key]["value"] for key in ("precision", "recall", "f1")]
        figures.append(content["per_class"][name]["n"])
        assert figures == pytest.approx([e[index] for e in expected], abs=1e-6)
    plotted = pd.read_csv(artefacts.evaluated("classify") / "confusion.csv")
    assert sorted(zip(plotted["actual"], plotted["predicted"], strict=True)) == sorted(
        zip(table["label"], table["predicted"], strict=True)
    )


def test_the_twin_stands_beside_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin's accuracy and the paired difference are those of the saved predictions."""
    data = project(tmp_path, monkeypatch)
    judged("classify", data, monkeypatch, answer("classify", data), answer("classify", data, bias=0.6, seed=1))
    content = files.read_json(artefacts.evaluate_metrics("classify"))
    table = pd.read_parquet(artefacts.evaluated("classify") / "predictions.parquet")
    twin = (table["scratch_predicted"] == table["label"]).mean()
    assert content["scratch"]["accuracy"]["value"] == pytest.approx(twin, abs=1e-6)
    gain = content["gain_over_scratch"]
    assert gain["value"] == pytest.approx((table["predicted"] == table["label"]).mean() - twin, abs=1e-6)
    assert 0 < gain["low"] < gain["value"] < gain["high"]
    assert "without pretraining" in (artefacts.audited("classify") / "report.html").read_text(encoding="utf-8")


def test_undefined_figures_are_null(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class that is never predicted has no precision: null, not 0 and not -1."""
    data = project(tmp_path, monkeypatch)
    judged("classify", data, monkeypatch, lambda row: scores("disc", data.info.labels))
    content = files.read_json(artefacts.evaluate_metrics("classify"))
    assert content["per_class"]["square"]["precision"]["value"] is None
    assert content["per_class"]["square"]["recall"]["value"] == 0


def reference(task: str, kind: str) -> list[float]:
    """Judge the saved predictions of the test split with pycocotools."""
    truth = json.loads((artefacts.PREPROCESSED / "annotations.json").read_text())
    manifest = pd.read_parquet(artefacts.PREPROCESSED / "manifest.parquet")
    test = set(manifest["image_id"][manifest["split"] == "test"])
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth | {"info": {}}
        coco.createIndex()
        said: Any = json.loads((artefacts.evaluated(task) / "predictions.json").read_text())
        other = "bbox" if kind == "segm" else "segmentation"  # with a box beside the mask pycocotools takes the box's area
        run = COCOeval(coco, coco.loadRes([{k: v for k, v in m.items() if k != other} for m in said]), kind)
        run.params.imgIds = [i["id"] for i in truth["images"] if i["rawline_id"] in test]
        run.evaluate()
        run.accumulate()
        run.summarize()
    return [float(v) for v in run.stats]


@pytest.mark.parametrize(
    ("task", "kind", "where"), [("detect", "bbox", ""), ("instance", "segm", ""), ("instance", "bbox", "box")]
)
def test_detections_equal_pycocotools(
    task: str, kind: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mAP of boxes and of masks, and by size, is pycocotools' on the saved COCO results."""
    data = project(tmp_path, monkeypatch, size_px=96)
    judged(task, data, monkeypatch, answer(task, data, bias=0.3))
    content = files.read_json(artefacts.evaluate_metrics(task))
    shown = content[where] if where else content
    expected = reference(task, kind)
    assert [shown[name]["value"] for name in ("map", "map50", "map75")] == pytest.approx(expected[:3], abs=1e-6)
    if not where:
        sizes = [content["by_size"][area]["map"]["value"] for area in ("small", "medium", "large")]
        assert sizes == [pytest.approx(e, abs=1e-6) if e >= 0 else None for e in expected[3:6]]


def test_the_detection_confusion_counts_objects_and_detections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row sums of the saved matrix are the objects of the test split, column sums its detections."""
    data = project(tmp_path, monkeypatch)
    judged("detect", data, monkeypatch, answer("detect", data, bias=0.3))
    table = pd.read_csv(artefacts.evaluated("detect") / "confusion_counts.csv", index_col=0)
    said = json.loads((artefacts.evaluated("detect") / "predictions.json").read_text())
    objects = pd.Series([m["category_id"] for m in data.subset("test").coco["annotations"]]).value_counts().sort_index()
    sure = pd.Series([m["category_id"] for m in said if m["score"] >= 0.5]).value_counts().sort_index()
    assert table.sum(axis=1).tolist()[:-1] == objects.tolist()
    assert table.sum(axis=0).tolist()[:-1] == sure.tolist()
    found = pd.read_parquet(artefacts.evaluated("detect") / "objects.parquet")
    assert (
        found["category"].value_counts().sort_index().tolist()
        == objects.sort_index(key=lambda k: [data.info.categories[i - 1] for i in k]).tolist()
    )


def test_segment_equals_a_naive_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pooled mIoU is that of counting pixels class by class; torchmetrics' per-picture mean is the other definition."""
    data = project(tmp_path, monkeypatch)
    judged("segment", data, monkeypatch, answer("segment", data, bias=0.3))
    content = files.read_json(artefacts.evaluate_metrics("segment"))
    truth, said = masks(data)
    ious = [
        np.sum((truth == k) & (said == k)) / np.sum((truth == k) | (said == k)) for k in range(len(data.info.mask_classes))
    ]
    assert content["miou"]["value"] == pytest.approx(np.mean(ious), abs=1e-6)
    other = MeanIoU(len(ious), input_format="index", per_class=False)(
        torch.from_numpy(said).long(), torch.from_numpy(truth).long()
    )
    assert content["picture_iou"]["value"] != content["miou"]["value"]
    assert abs(float(other) - content["miou"]["value"]) > 1e-4


def masks(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return true and predicted masks of the test split, (N, H, W)."""
    rows = data.subset("test").manifest
    truth = np.stack([images.read_mask(data.root / m) for m in rows["mask"]])
    said = np.stack([images.read_mask(artefacts.evaluated("segment") / "masks" / f"{i}.png") for i in rows["image_id"]])
    return truth, said


def test_a_model_is_not_judged_on_pictures_of_another_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model trained on packed mosaics and a test split of sRGB are refused in one line that names both."""
    data = project(tmp_path, monkeypatch)
    judge = evaluators.load("classify", {}, data.subset("test"), tmp_path)
    pixels = {"output": "packed_raw", "mean": [0.2] * 4, "std": [0.1] * 4}
    card = {"task": "classify", "classes": list(data.info.labels)}
    evaluate._check_card(judge, card, tmp_path)
    with pytest.raises(DataError, match=r"takes packed_raw pictures, .* has srgb"):
        evaluate._check_card(judge, {**card, "pixels": pixels}, tmp_path)
