"""Where pictures have no label an audit asks for the class that each holds most of, and its page says what was asked."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.core import artefacts, dataset, files, images
from stages.parts import evaluators
from tests.fake_models import Prediction
from tests.judging import answer, judged, project

CORNERS = np.array(
    [[1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1]], np.float32
)  # x, y, width, height to two corners


def test_a_group_of_difficult_objects_is_not_taken_for_one_treated_worse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Discs are missed more often than not wherever they are: the site that holds most of them does not fail."""
    made = project(tmp_path, monkeypatch, num_images=450, labels=False, masks=False)
    marks, random = made.annotations(), np.random.default_rng(0)
    discs = [np.mean([mark["category_id"] == 1 for mark in marks[name]] or [0]) >= 0.5 for name in made.manifest["image_id"]]
    sites = np.where(random.random(len(discs)) < np.where(discs, 0.9, 0.1), "A", "B")
    manifest = made.manifest.loc[:, [c for c in made.manifest if not c.startswith("group_")]].assign(group_site=sites)
    manifest.to_parquet(artefacts.PREPROCESSED / "manifest.parquet")
    data = dataset.read(artefacts.PREPROCESSED)

    def missed(row: Any) -> Prediction:
        random = np.random.default_rng([1, int(row.image_id, 16)])
        found = [mark for mark in marks[row.image_id] if random.random() >= (0.55 if mark["category_id"] == 1 else 0.02)]
        corners = np.array([mark["bbox"] for mark in found], np.float32).reshape(-1, 4) @ CORNERS
        labels = np.array([mark["category_id"] for mark in found], np.int64)
        return {"boxes": corners, "labels": labels, "scores": (0.5 + 0.5 * random.random(len(found))).astype(np.float32)}

    judged("detect", data, monkeypatch, missed)
    content = files.read_json(artefacts.audit_metrics("detect"))
    assert content["verdict"] == "UNDECIDED"
    assert any("given the classes of the pictures it is not shown to be larger" in reason for reason in content["reasons"])
    page = (artefacts.audited("detect") / "report.html").read_text(encoding="utf-8")
    assert "The class of a picture is the one that it holds most of (objects by their number" in page


@pytest.mark.parametrize("task", ["detect", "segment"])
def test_what_a_picture_holds_is_what_its_truth_holds(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects by category, as counted in the annotations; pixels by class but for the background, as in the masks."""
    data = project(tmp_path, monkeypatch, num_images=30, labels=False)
    judged(task, data, monkeypatch, answer(task, data))
    test, folder = data.subset("test"), artefacts.evaluated(task)
    judge = evaluators.load(task, evaluators.settings(folder), test, folder)
    if task == "detect":
        names, num = test.manifest["image_id"], len(data.info.categories)
        expected = [np.bincount([m["category_id"] - 1 for m in test.annotations()[name]], minlength=num) for name in names]
    else:
        masks, num = [images.read_mask(data.root / path) for path in test.manifest["mask"]], len(data.info.mask_classes)
        expected = [np.bincount(mask[mask != images.IGNORE].astype(int), minlength=num)[1:] for mask in masks]
    assert judge.contents().toarray().tolist() == np.array(expected).tolist()
