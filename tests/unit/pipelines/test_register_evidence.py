"""The gate reads every task's evaluation as it is written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

import stages
from pipelines.register import behaviour, evidence
from pipelines.register.judgement import Figure
from stages.core import artefacts, dataset, digests
from stages.judge import validation
from stages.parts import evaluators
from tests.factories import make_dataset

FIGURE = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9}


def test_headlines_are_what_has_a_value():
    """Tables beside the figures are no figures; an undefined one stays, as undefined."""
    content = {"map50": FIGURE, "map": {**FIGURE, "value": None}, "by_size": {"small": {"n": 1}}, "per_class": {}, "num": 3}
    assert evidence.headlines(content) == {"map": Figure(None, 0.4, 0.6, 9), "map50": Figure(0.5, 0.4, 0.6, 9)}


@pytest.mark.parametrize("row", [
    {"precision": 0.1, "recall": 0.2, "f1": 0.5, "n": 4}, {"map": 0.2, "map50": 0.5, "n": 4}, {"iou": 0.5, "n": 4},
])  # fmt: skip
def test_each_task_has_its_figure_of_a_class(row):
    """F1 for classify, mAP50 for detect and instance, IoU for segment."""
    assert evidence.classes({"per_class": {"cat": row}}) == {"cat": Figure(0.5, n=4)}


def test_a_digest_depends_on_names_and_content_alone(tmp_path):
    """The same files in another folder have the same digest; a byte, a name or a parameter makes another."""
    found = []
    cases = (("a", "x", "f", ""), ("b", "x", "f", ""), ("c", "y", "f", ""), ("d", "x", "g", ""), ("e", "x", "f", "p"))
    for folder, content, name, text in cases:
        (tmp_path / folder / "in").mkdir(parents=True)
        (tmp_path / folder / "in" / name).write_text(content)
        found.append(digests.of(tmp_path / folder / "in", text=text))
    assert found[0] == found[1]
    assert len(set(found)) == 4


@pytest.mark.parametrize(("edit", "counts"), [
    (("stages/judge/objects.py", "THRESHOLD = 0.5", "THRESHOLD = 0.75"), True),
    (("stages/judge/objects.py", "MAX_DETECTIONS = 100", "MAX_DETECTIONS = 10"), True),
    (("stages/judge/objects.py", "MAX_DETECTIONS = 100", "MAX_DETECTIONS = 100  # a comment"), False),
    (("stages/maths/calibration.py", "import numpy as np", "import numpy as np\n\nOTHER = 1"), False),  # another task's
])  # fmt: skip
def test_an_evaluator_of_another_rule_measures_otherwise(tmp_path, monkeypatch, edit, counts):
    """A matching IoU or a cap on detections changes what a figure means; comments and other tasks' formulas do not."""
    before = behaviour.measuring("detect")
    shutil.copytree(Path(stages.__file__).parent, tmp_path / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(behaviour, "stages", SimpleNamespace(__file__=str(tmp_path / "stages" / "__init__.py")))
    assert behaviour.measuring("detect") == before
    file, old, new = edit
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new))
    assert (behaviour.measuring("detect") != before) == counts


def test_evidence_says_how_it_was_measured(tmp_path, monkeypatch):
    """Settings of the evaluator and the classes in their order; an evaluation that left no settings had none."""
    monkeypatch.chdir(tmp_path)
    make_dataset(artefacts.PREPROCESSED, num_images=12, num_classes=4)
    assert evidence.measured("detect", tmp_path)["settings"] == {}
    evaluators.write_settings(tmp_path, {"min_score": 0.3})
    found = evidence.measured("detect", tmp_path)
    assert found["settings"] == {"min_score": 0.3}
    assert found["classes"] == list(dataset.read(artefacts.PREPROCESSED).info.categories) != sorted(found["classes"])


def _edit_picture(row: pd.Series, _root: Path, file: str) -> None:
    image = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    image.flat[0] = (int(image.flat[0]) + 1) % 3
    cv2.imwrite(str(file), image)


def _edit_mark(row: pd.Series, root: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    place = root / "annotations.json"
    content = json.loads(place.read_text())
    number = {one["file_name"]: one["id"] for one in content["images"]}[row["path"]]
    edit(next(a for a in content["annotations"] if a["image_id"] == number))
    place.write_text(json.dumps(content))


def _edit_box(mark: dict[str, Any]) -> None:
    mark["bbox"][0] += 0.5


def _edit_category(mark: dict[str, Any]) -> None:
    mark["category_id"] = 1 + mark["category_id"] % 3


def _edit_label(row: pd.Series, root: Path) -> None:
    table = pd.read_parquet(root / "manifest.parquet")
    other = next(label for label in table["label"].unique() if label != row["label"])
    table.loc[table["image_id"] == row["image_id"], "label"] = other
    table.to_parquet(root / "manifest.parquet")


EDITS = {
    "picture": lambda row, root: _edit_picture(row, root, root / row["path"]),
    "mask": lambda row, root: _edit_picture(row, root, root / row["mask"]),
    "box": lambda row, root: _edit_mark(row, root, _edit_box),
    "category": lambda row, root: _edit_mark(row, root, _edit_category),
    **{
        flag: lambda row, root, flag=flag: _edit_mark(row, root, lambda mark: mark.update({flag: 1}))
        for flag in ("iscrowd", "difficult", "ignore")
    },
    "label": _edit_label,
}


@pytest.mark.parametrize("split", ["test", "train"])
@pytest.mark.parametrize("what", EDITS)
def test_figures_compare_only_on_the_same_pictures_and_truth(tmp_path, monkeypatch, what, split):
    """Whatever is judged of the test split makes other test data, what spares an object too; the training split does not."""
    monkeypatch.chdir(tmp_path)
    make_dataset(artefacts.PREPROCESSED, num_images=12)
    before = evidence.test_data()
    assert evidence.test_data() == before
    table = dataset.read(artefacts.PREPROCESSED).manifest
    EDITS[what](table[table["split"] == split].iloc[0], artefacts.PREPROCESSED)
    assert (evidence.test_data() != before) == (split == "test")


def _mean_of(gains):
    return lambda weights: weights @ gains / gains.size


def test_replicates_of_two_models_are_of_the_same_draws():
    """The same test data give the same weights whoever is judged: a model and its copy never differ; other data do not."""
    gains = np.random.default_rng(0).normal(size=40)
    one, two, other = (evidence.draws(40, test).of(_mean_of(gains)) for test in ("t", "t", "u"))
    assert one.shape == (evidence.NUM_REPLICATES,)
    assert (one == two).all()
    assert (one != other).mean() > 0.9


def test_the_interval_of_a_gain_is_as_precise_as_the_normal_one():
    """On 300 pictures the bootstraps of a mean end where the normal interval does, within a fiftieth of its width.

    The mean over 20 test splits of how far both ends are off; 2000 bootstraps leave 1.2 % of the width, 200 leave 4 %.
    """
    off = []
    for split in range(20):
        gains = np.random.default_rng(split).normal(0.01, 0.2, 300)
        low, high = np.quantile(evidence.draws(300, f"test data {split}").of(_mean_of(gains)), [0.025, 0.975])
        half = NormalDist().inv_cdf(0.975) * gains.std() / np.sqrt(300)
        off += [abs(low - (gains.mean() - half)) / (2 * half), abs(high - (gains.mean() + half)) / (2 * half)]
    assert np.mean(off) < 0.02


def test_a_curve_that_still_rose_is_told_from_its_table(tmp_path):
    """The card says of each kind of task what the training's curve showed; a model without a table says nothing of it."""
    table = tmp_path / "curves.csv"
    assert evidence.unfinished("segment", table) == []
    for task, column in validation.WATCH.items():
        table.write_text(f"epoch,{column}\n1,0.1\n2,0.2\n3,0.3\n4,0.4\n")
        (line,) = evidence.unfinished(task, table)
        assert line.startswith(f"{column} was best in the last of 4 epochs that measured it and was still rising")
        assert f"finetune.{task}.epochs" in line
        table.write_text(f"epoch,{column}\n1,0.1\n2,0.4\n3,0.3\n4,0.2\n")
        assert evidence.unfinished(task, table) == []


def test_names_of_groups_are_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group called 01, TRUE or nan is no number, truth or empty cell to the card; one without a figure stays out."""
    monkeypatch.chdir(tmp_path)
    names = ["01", "1e3", "TRUE", "#N/A", "nan", "None", " a", "1.50"]
    row = {"measure": "accuracy", "columns": "007", "value": 0.5, "low": 0.4, "high": 0.6, "n": 9, "num_pictures": 9}
    rows = [row | {"group": name, "num_units": 9, "compared": True} for name in names]
    rows += [row | {"group": "undefined", "value": None, "compared": True}, row | {"group": "small", "compared": False}]
    where = artefacts.audited("classify") / "groups.csv"
    where.parent.mkdir(parents=True)
    pd.DataFrame(rows).to_csv(where, index=False, lineterminator="\n")
    worst = evidence.worst_groups("classify", "accuracy", 20)
    assert {one["worst groups"] for one in worst} == set(names)
    assert {(one["group by"], one["accuracy"], one["n"]) for one in worst} == {("007", "0.500", "9")}
