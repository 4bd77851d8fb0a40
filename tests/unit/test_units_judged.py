"""From the manifest's column of units to figures, verdicts and what the gate compares: n in units and pictures."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
import pytest

from pipelines.register import evidence
from stages import audit, evaluate
from stages.core import artefacts, dataset, figures, files, images
from stages.core.dataset import Dataset
from stages.core.stage import Metrics, Note
from stages.judge import statistics, units
from stages.judge.average_precision import AREAS
from tests import judging
from tests.fake_models import other, scores

FRAMES = 4
HEADLINE = {"classify": "accuracy", "detect": "map50", "segment": "miou"}


def _with_units(data: Dataset, *, column: str = "", torn: int = 0) -> Dataset:
    """Give the pictures of each split units of four, by place; the first ``torn`` of test are those of training."""
    rows = data.manifest.copy()
    place = rows.groupby("split").cumcount()
    rows["unit"] = rows["split"] + (place // FRAMES).astype(str)
    tear = (rows["split"] == "test") & (place // FRAMES < torn)
    rows.loc[tear, "unit"] = rows["unit"].str.replace("test", "train")
    if column:
        rows[column] = rows["unit"]
    rows.to_parquet(data.root / "manifest.parquet", index=False)
    info = files.read_json(data.root / "dataset.json")
    files.write_json(data.root / "dataset.json", info | ({"unit": column} if column else {}))
    return dataset.read(data.root)


def _judged(task: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **told: Any) -> tuple[Dataset, dict[str, Any], Any]:
    data = _with_units(judging.project(folder, monkeypatch), **told)
    judging.judged(task, data, monkeypatch, judging.answer(task, data), judging.answer(task, data, seed=1))
    return data, *(files.read_json(m(task)) for m in (artefacts.evaluate_metrics, artefacts.audit_metrics))


@pytest.mark.parametrize("task", HEADLINE)
def test_every_figure_says_its_units(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headlines, classes, groups and the worst group count units beside pictures; page, table and text show them."""
    data, found, _ = _judged(task, tmp_path, monkeypatch)
    test = data.subset("test")
    num = len(set(test.units()))
    headlines = figures.headlines(found)
    assert headlines
    for name, raw in headlines.items():
        assert (raw["units"], raw["pictures"]) == (num, len(test.manifest)), name
    for raw in found["per_class"].values():
        for figure in (f for f in raw.values() if figures.is_figure(f)):
            assert figure.get("units", figure["pictures"]) <= min(num, figure["pictures"])
    table = pd.read_csv(artefacts.audited(task) / "groups.csv")
    assert (table["num_units"] <= table["num_pictures"]).all()
    assert (table["num_units"] < table["num_pictures"]).any()
    page = (artefacts.audited(task) / "report.html").read_text()
    assert f"{len(test.manifest)} test pictures of {num} units (near copies made them)" in page
    name, raw = next(iter(headlines.items()))
    assert f"{num} units" in str(figures.text(name, raw))
    worst = evidence.worst_groups(task, HEADLINE[task])
    assert any(row["n"].endswith("units") for row in worst)


@pytest.mark.parametrize("task", HEADLINE)
def test_a_gap_says_the_units_of_all_its_groups(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Units have pictures in several groups: counted one by one in those compared, in file and metrics of the run alike."""
    monkeypatch.setitem(judging.AUDIT, "min_group", 4)
    data, _, verdict = _judged(task, tmp_path, monkeypatch)
    rows = data.subset("test").manifest
    table = pd.read_csv(artefacts.audited(task) / "groups.csv").query("compared")
    (logged,) = (dict(record.values) for record in judging.run(audit, task) if isinstance(record, Metrics))
    shared = 0
    for measure, columns in verdict["by_group"].items():
        for column, entry in ((column, entry) for column, entry in columns.items() if "gap" in entry):
            compared = table[(table["measure"] == measure) & (table["columns"] == column)]
            of = rows[[f"group_{name}" for name in column.split(" x ")]].agg(", ".join, axis=1).isin(compared["group"])
            pictures, num = int(of.sum()), rows.loc[of, "unit"].nunique()
            assert (entry["gap"]["pictures"], entry["gap"]["units"]) == (pictures, num), (measure, column)
            assert logged[f"by_group/{measure}/{column}/gap.units"] == num
            shared += num < compared["num_units"].sum()
    assert shared > 2


def _counted(name: str, unit: str, what: Any) -> dict[str, int]:
    """Return n, pictures and, where they differ, units of things listed one by one, each with its picture and unit."""
    units_of, pictures = (what[column].nunique() for column in (unit, name))
    return {"n": len(what), "pictures": pictures, **({"units": units_of} if units_of != pictures else {})}


def _holders(task: str, data: Dataset) -> Iterator[tuple[tuple[str, ...], dict[str, int]]]:
    """Yield where in the metrics file a count of a class or size stands, and what it must be, counted one by one."""
    rows = data.subset("test").manifest[["image_id", "unit", "label", "mask"]]
    if task == "classify":
        said = rows.assign(label=pd.read_parquet(artefacts.evaluated(task) / "predictions.parquet")["predicted"])
        for name in data.info.labels:
            for figure, table in (("recall", rows), ("f1", rows), ("precision", said)):
                yield ("per_class", name, figure), _counted("image_id", "unit", table[table["label"] == name])
    elif task == "segment":
        pixels = {
            name: images.read_mask(data.root / mask).ravel()
            for name, mask in zip(rows["image_id"], rows["mask"], strict=True)
        }
        for index, name in enumerate(data.info.mask_classes):
            held = rows.assign(num=[int((pixels[image] == index).sum()) for image in rows["image_id"]])
            yield ("per_class", name, "iou"), _counted("image_id", "unit", held.loc[held.index.repeat(held["num"])])
    else:
        found = pd.read_parquet(artefacts.evaluated(task) / "objects.parquet").merge(rows, on="image_id")
        for name in data.info.categories:
            for figure in ("map", "map50", "recall"):
                yield ("per_class", name, figure), _counted("image_id", "unit", found[found["category"] == name])
        for size, (low, high) in {"small": (0, 32**2), "medium": (32**2, 96**2)}.items():
            part = found[(found["area"] >= low) & (found["area"] <= high)]
            for figure in ("map", "map50", "ar"):
                yield ("by_size", size, figure), _counted("image_id", "unit", part)


@pytest.mark.parametrize("task", judging.TASKS)
def test_of_a_class_or_size_those_are_counted_that_hold_it(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures and units beside each n are those that hold that n, of precision those of which the class was said."""
    data = _with_units(judging.project(tmp_path, monkeypatch, num_images=60, size_px=96))
    judging.judged(task, data, monkeypatch, judging.answer(task, data, bias=0.3))
    content = files.read_json(artefacts.evaluate_metrics(task))
    wanted = dict(_holders(task, data))
    found = {at: content[at[0]][at[1]][at[2]] for at in wanted}
    assert {at: {key: raw[key] for key in ("n", "pictures", "units") if key in raw} for at, raw in found.items()} == wanted
    assert any(count["pictures"] < len(data.subset("test").manifest) for count in wanted.values())
    for (kind, name, figure), count in wanted.items():
        beside = {key: content[kind][name].get(key) for key in ("n", "pictures", "units")}
        assert figure == "precision" or beside == {key: count.get(key) for key in beside}


def test_intervals_of_sizes_rest_on_who_holds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All found in the few pictures that hold such objects: the interval is Wilson's of what those are worth by them."""
    data = judging.project(tmp_path, monkeypatch, num_images=60, num_classes=1, size_px=96)
    truths = data.annotations()

    def said(row: Any) -> dict[str, Any]:
        marks = truths[row.image_id]
        corners = np.array([(x, y, x + w, y + h) for x, y, w, h in (m["bbox"] for m in marks)], np.float32).reshape(-1, 4)
        labels = np.array([mark["category_id"] for mark in marks], np.int64)
        return {"boxes": corners, "labels": labels, "scores": np.full(len(marks), 0.9, np.float32)}

    judging.judged("detect", data, monkeypatch, said)
    content = files.read_json(artefacts.evaluate_metrics("detect"))
    seen = pd.read_parquet(artefacts.evaluated("detect") / "objects.parquet")
    told = 0
    for size in ("small", "medium"):
        low, high = AREAS[size]
        counts = seen[seen["area"].between(low, high)].groupby("image_id").size().to_numpy()
        for one in content["by_size"][size].values():
            if isinstance(one, dict) and one["value"] == 1.0:
                assert one["pictures"] == counts.size < content["map"]["pictures"]
                worth = counts.sum() ** 2 / (counts**2).sum()
                assert one["low"] == pytest.approx(float(statistics.wilson(1.0, worth)[0]), abs=1e-6)
                told += 1
    assert told


def test_intervals_and_groups_rest_on_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Units of pictures that fare alike: the interval is that of so many draws, twice as wide."""
    data = _with_units(judging.project(tmp_path, monkeypatch))
    known = dict(zip(data.manifest["image_id"], data.units(), strict=True))

    def answered(row: Any) -> Any:
        right = np.random.default_rng(crc32(known[row.image_id].encode())).random() < 0.7
        labels = data.info.labels
        return scores(row.label if right else other(row.label, labels), labels, 0.8)

    judging.judged("classify", data, monkeypatch, answered, answered)
    told = files.read_json(artefacts.evaluate_metrics("classify"))["accuracy"]
    bare = data.manifest.drop(columns="unit")
    bare.to_parquet(data.root / "manifest.parquet", index=False)
    judging.run(evaluate, "classify")
    plain = files.read_json(artefacts.evaluate_metrics("classify"))["accuracy"]
    assert told["value"] == plain["value"]
    assert 0 < plain["value"] < 1
    assert "units" not in plain
    assert (told["high"] - told["low"]) / (plain["high"] - plain["low"]) == pytest.approx(2, abs=0.35)


def test_a_gain_over_a_constant_rests_on_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Right in all pictures of 7 clips of 12, wrong in all others: 84 pictures would show a gain, 12 draws do not."""
    data = judging.project(tmp_path, monkeypatch)
    places = {name: place for place, name in enumerate(data.subset("test").manifest["image_id"])}
    labels, found = data.info.labels, {}

    def answered(row: Any) -> Any:
        right = places[row.image_id] % 12 < 7
        return scores(row.label if right else other(row.label, labels), labels, 0.8)

    for told in (True, False):
        named = {name: f"clip {place % 12}" if told else name for name, place in places.items()}
        rows = data.manifest.assign(unit=[named.get(name, name) for name in data.manifest["image_id"]])
        rows.to_parquet(data.root / "manifest.parquet", index=False)
        judging.judged("classify", dataset.read(data.root), monkeypatch, answered)
        content = files.read_json(artefacts.evaluate_metrics("classify"))
        found[told] = [fault["figures"] for fault in content["degenerate"] if fault["kind"] == "constant_answer"]
    assert "accuracy" in found[True][0]
    assert found[False] == []


def test_the_column_of_units_is_not_audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its groups is a single draw: it is left out with a sentence, and hinders no verdict."""
    _, _, verdict = _judged("classify", tmp_path, monkeypatch, column="group_patient")
    assert verdict["not_audited"] == {}
    assert not any("patient" in column for column in verdict["by_group"]["accuracy"])
    page = (artefacts.audited("classify") / "report.html").read_text()
    assert "patient tells which pictures are one unit, and was not audited" in page


def test_evaluation_says_that_units_are_torn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two units stand in training and test: metrics and a note have their number and that of pictures."""
    data = _with_units(judging.project(tmp_path, monkeypatch), torn=2)
    judging.judged("classify", data, monkeypatch, judging.answer("classify", data))
    assert files.read_json(artefacts.evaluate_metrics("classify"))["torn_units"] == {"units": 2, "pictures": 2 * FRAMES}
    said = [record.text for record in judging.run(evaluate, "classify") if isinstance(record, Note)]
    (line,) = [text for text in said if "learnt from" in text]
    assert line.startswith("8 test pictures belong to 2 units whose other pictures are learnt from")
    assert evidence.notes(files.read_json(artefacts.evaluate_metrics("classify"))) == [f"{line}."]
    assert line in files.read_json(artefacts.audit_metrics("classify"))["left_open"]


def test_evaluation_says_that_near_copies_are_learnt_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three test pictures have copies in train or val: metrics, note, card, what is left open and the page say so."""
    data = judging.project(tmp_path, monkeypatch)
    rows = data.manifest.copy()
    learnt, judged = (rows["image_id"][(rows["split"] == "test") == here].tolist() for here in (False, True))
    copies = {judged[0]: learnt[:2], judged[1]: learnt[-1:], judged[2]: [learnt[0], "gone"], judged[3]: ["gone"]}
    for held, told in (({}, {}), (copies, {"pictures": 3})):
        rows["near_copies"] = [held.get(name) for name in rows["image_id"]]
        rows.to_parquet(data.root / "manifest.parquet", index=False)
        judging.judged("classify", dataset.read(data.root), monkeypatch, judging.answer("classify", data))
        found = files.read_json(artefacts.evaluate_metrics("classify"))
        assert found.get("torn_near_copies", {}) == told
        assert "torn_units" not in found
        said = [record.text for record in judging.run(evaluate, "classify") if isinstance(record, Note)]
        lines = [text for text in said if text.startswith("of 3 test pictures a copy or near copy is learnt from")]
        assert len(lines) == len(told)
        assert evidence.notes(found) == [f"{line}." for line in lines]
        left_open = files.read_json(artefacts.audit_metrics("classify"))["left_open"]
        assert [line for line in left_open if "near copy" in line] == lines
        page = (artefacts.audited("classify") / "report.html").read_text()
        assert ("that no training has seen" in page) == (not told)


def test_units_of_validation_are_learnt_from_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The best epoch is chosen by them."""
    data = _with_units(judging.project(tmp_path, monkeypatch), torn=2)
    rows = data.manifest.assign(split=data.manifest["split"].replace("train", "val"))
    rows.to_parquet(data.root / "manifest.parquet", index=False)
    judging.judged("classify", dataset.read(data.root), monkeypatch, judging.answer("classify", data))
    assert files.read_json(artefacts.evaluate_metrics("classify"))["torn_units"] == {"units": 2, "pictures": 2 * FRAMES}


def test_what_is_left_open_counts_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of too few units are too small, however many pictures; a column that tells units leaves everything open."""
    _, _, verdict = _judged("classify", tmp_path, monkeypatch)
    assert any(line.startswith("too few units to tell: ") for line in verdict["left_open"])
    judging.run(audit, "classify", min_group=30)
    told = files.read_json(artefacts.audit_metrics("classify"))["left_open"]
    assert any(line.startswith("fewer than two groups of 30 units: ") for line in told)
    data = _with_units(judging.project(tmp_path, monkeypatch, groups=False), column="group_patient")
    judging.judged("classify", data, monkeypatch, judging.answer("classify", data), judging.answer("classify", data))
    found = files.read_json(artefacts.audit_metrics("classify"))
    assert found["left_open"] == ["everything: the data set has no group column but patient, which tells units"]
    (reason,) = found["reasons"]
    assert reason.startswith(
        "The data set has no group column but patient, which tells units, so nothing could be audited: add"
    )


def test_the_gate_compares_by_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evidence has replicates of units, not outcomes of pictures; other units are other test data."""
    data, _, _ = _judged("classify", tmp_path, monkeypatch)
    found = evidence.collect("classify", "accuracy")
    assert found.outcomes == {}
    spread = np.std([value for value in found.replicates if value is not None])
    assert found.figure.units == len(set(data.subset("test").units()))
    assert "units" in str(found.figure)
    right = pd.read_parquet(artefacts.evaluated("classify") / "predictions.parquet")
    held = units.of(data.subset("test").units())
    gained = np.bincount(held.codes, (right["label"] == right["predicted"]).to_numpy(float) - found.figure.value)
    assert spread == pytest.approx(np.sqrt((gained**2).sum()) / len(right), rel=0.1)
    data.manifest.drop(columns="unit").to_parquet(data.root / "manifest.parquet", index=False)
    judging.run(evaluate, "classify")
    judging.run(audit, "classify")
    plain = evidence.collect("classify", "accuracy")
    assert plain.test_data != found.test_data
    assert len(plain.outcomes) == len(right)
    assert json.loads(json.dumps(plain.to_json()))["figure"]["units"] is None


def test_recall_of_unequal_units_rests_on_what_they_are_worth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One unit of ten pictures among singles, all objects found: the interval is Wilson's of Kish's number, by hand."""
    data = judging.project(tmp_path, monkeypatch, num_images=60)
    test = data.subset("test").manifest["image_id"].tolist()
    rows = data.manifest.copy()
    rows["unit"] = ["big" if name in test[:10] else name for name in rows["image_id"]]
    rows.to_parquet(data.root / "manifest.parquet", index=False)
    truths = data.annotations()

    def said(row: Any) -> dict[str, Any]:
        marks = truths[row.image_id]
        corners = np.array([(x, y, x + w, y + h) for x, y, w, h in (m["bbox"] for m in marks)], np.float32).reshape(-1, 4)
        return {"boxes": corners, "labels": np.array([m["category_id"] for m in marks]), "scores": np.full(len(marks), 0.9)}

    judging.judged("detect", dataset.read(data.root), monkeypatch, said)
    content = files.read_json(artefacts.evaluate_metrics("detect"))
    wanted = [(content["recall"], {label for label, _ in _numbered(data)})]
    wanted += [(content["per_class"][name]["recall"], {label}) for label, name in _numbered(data)]
    for found, labels in wanted:
        objects = [sum(mark["category_id"] in labels for mark in truths[name]) for name in test]
        of_units = np.array([sum(objects[:10]), *objects[10:]])
        worth = of_units.sum() ** 2 / (of_units**2).sum()
        assert found["value"] == 1.0
        assert found["low"] == pytest.approx(float(statistics.wilson(1.0, worth, freedom=worth - 1)[0]), abs=1e-6)


def _numbered(data: Dataset) -> list[tuple[int, str]]:
    return list(enumerate(data.info.categories, start=1))
