"""Figures that others published or computed on the same data come out, digit by digit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from stages import audit
from stages.core.dataset import Dataset, Info
from stages.judge import average_precision as ap
from stages.judge import classes, detection_rows, detections, labels, objects, panels
from stages.judge.confusion import mean_defined
from stages.judge.detection_matching import voc_match
from stages.maths import geometry, rle
from stages.parts.evaluators.classify import TABLE, Classify
from tests.judging import AUDIT

JUDGE = Path(__file__).parents[4] / "shared" / "data" / "judge"
pytestmark = pytest.mark.skipif(not JUDGE.is_dir(), reason="needs ../shared/data/judge")
COCO = JUDGE / "coco_sample"


def coco_rows(kind: str, most: int) -> detection_rows.Rows:
    """Observe COCO's own sample, 100 pictures, by boxes or by masks."""
    truth = json.loads((COCO / "instances_val2014_100.json").read_text())
    said = json.loads((COCO / f"instances_val2014_fake{kind}100_results.json").read_text())
    order = {c["id"]: place for place, c in enumerate(truth["categories"])}
    masks = kind == "segm"
    found = []
    for image in sorted(truth["images"], key=lambda one: one["id"]):
        size = image["height"], image["width"]
        at = geometry.place(image["width"], image["height"], "none", None)
        marks = [
            {**m, "category_id": order[m["category_id"]] + 1} for m in truth["annotations"] if m["image_id"] == image["id"]
        ]
        dets = [m for m in said if m["image_id"] == image["id"]]
        boxes = np.array([m.get("bbox") or rle_box(m["segmentation"]) for m in dets], float).reshape(-1, 4)
        coded = [rle.decode(m["segmentation"], *size) for m in dets] if masks else []
        prediction: dict[str, Any] = {
            "boxes": np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1),
            "labels": np.array([order[m["category_id"]] + 1 for m in dets], np.int64),
            "scores": np.array([m["score"] for m in dets]),
            "masks": np.array(coded, bool).reshape(-1, *size),
        }
        there, answer = detections.truth(marks, at, masks=masks), detections.answer(prediction, at, "", masks=masks)
        found.append(objects.observe(there, answer, objects.Rule(0.0, most, masks=masks), len(order)))
    return detection_rows.gather(found, len(order))


def rle_box(segmentation: dict[str, Any]) -> list[float]:
    """Return the box of a mask."""
    rows, columns = np.nonzero(rle.decode(segmentation, *segmentation["size"]))
    return [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1] if rows.size else [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("bbox", ".505 .697 .573 .586 .519 .501 .387 .594 .595 .640 .566 .564"),
        ("segm", ".320 .562 .299 .387 .310 .327 .268 .415 .417 .469 .377 .381"),
    ],
)
def test_cocos_own_sample(kind: str, expected: str) -> None:
    """The twenty-four figures of COCO's sample: average precision and recall, by size, at 1, 10 and 100 detections."""
    ones, sizes = np.ones((1, 100)), ("small", "medium", "large")
    held = {most: coco_rows(kind, most) for most in (1, 10, 100)}
    read = {area: panels.of_precision(detection_rows.tables(held[100], area)) for area in ap.AREAS}
    named = {area: dict(zip(panel.names, panel.values(ones)[0], strict=True)) for area, panel in read.items()}
    ours = [named["all"][name] for name in ("map", "map50", "map75")] + [named[area]["map"] for area in sizes]
    ours += [mean_recall(held[most]) for most in (1, 10)] + [named["all"]["ar"]] + [named[area]["ar"] for area in sizes]
    assert [f"{value:.3f}"[1:] for value in ours] == expected.split()


def mean_recall(rows: detection_rows.Rows) -> float:
    """Return COCO's average recall."""
    each = [ap.average_recall(table, np.ones((1, rows.num_pictures)))[0] for table in detection_rows.tables(rows)]
    return float(mean_defined(np.array(each)))


def voc_sample() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Read objects (G, 4) and detections (D, 5), the score first, by picture."""
    read = []
    for folder in ("groundtruths", "detections"):
        files = sorted((JUDGE / "voc_sample" / folder).glob("*.txt"))
        read.append(
            {f.stem: np.array([line.split()[1:] for line in f.read_text().splitlines() if line], float) for f in files}
        )
    return read[0], read[1]


def voc_overlaps(said: np.ndarray, there: np.ndarray, pixel: int) -> np.ndarray:
    """Return (D, G), with VOC's one pixel more a side or without it."""
    low = np.maximum(said[:, None, :2], there[None, :, :2])
    high = np.minimum(said[:, None, :2] + said[:, None, 2:], there[None, :, :2] + there[None, :, 2:])
    common = (high - low + pixel).clip(0).prod(axis=2)
    areas = [(boxes[:, 2:] + pixel).prod(axis=1) for boxes in (said, there)]
    return np.asarray(common / (areas[0][:, None] + areas[1][None] - common))


@pytest.mark.parametrize(
    ("rule", "pixel", "expected"), [("voc2007", 1, 26.84), ("voc2010", 1, 24.57), ("voc2010", 0, 22.54)]
)
def test_vocs_two_averages(rule: ap.Rule, pixel: int, expected: float) -> None:
    """Fifteen objects, twenty-four boxes, IoU 0.3: by 11 points, and by all points with VOC's pixel and without."""
    objects_by, said_by = voc_sample()
    scores, pictures, right, held = [], [], [], []
    for number, (name, there) in enumerate(objects_by.items()):
        said = said_by[name][np.argsort(-said_by[name][:, 0], kind="stable")]
        ious = voc_overlaps(said[:, 1:], there, pixel)
        hit = voc_match(ious, np.zeros(len(there), bool), np.array([0.3]))[0] >= 0
        scores += said[:, 0].tolist()
        pictures += [number] * len(said)
        right += hit.tolist()
        held.append(len(there))
    order = np.argsort(-np.array(scores), kind="stable")
    found = np.array(right)[None, order]
    table = ap.Matches(
        np.array(scores)[order],
        np.array(pictures)[order],
        found,
        ~found,
        np.arange(len(held)),
        np.array(held, float),
        len(held),
    )
    value = ap.average_precision(table, np.ones((1, len(held))), rule=rule)[0, 0]
    assert 100 * value == pytest.approx(expected, abs=0.005)


def test_cifar10_predictions() -> None:
    """Somebody's model on CIFAR-10's test set: accuracy and macro F1 as published, and as scikit-learn has them."""
    folder = JUDGE / "cifar10_predictions"
    truth, given = np.load(folder / "labels.npy"), np.load(folder / "probabilities.npy")
    said = given.argmax(1)
    rows = [labels.observe(int(t), {"scores": p}, "") for t, p in zip(truth, given, strict=True)]
    held = labels.counts([row.truth for row in rows], [row.said for row in rows], 10)
    ones = np.ones((1, truth.size))
    assert float(classes.share(*held.under(ones))[0, 0]) == pytest.approx(0.9294, abs=1e-12)
    macro = float(panels.mean("f", "f", "pictures", held, classes.f1).values(ones)[0])
    assert macro == pytest.approx(0.92949, abs=5e-6)
    assert macro == pytest.approx(sk.f1_score(truth, said, average="macro"), abs=1e-12)


def test_compas_by_group(tmp_path: Path) -> None:
    """ProPublica's table of 2016: who was called a risk and was none, and who was called none and was one, by group.

    7,214 people of six groups. One less the recall of each class is its published rate, in points of two digits; accuracy by
    group is that of J. Dressel, H. Farid, "The accuracy, fairness, and limits of predicting recidivism" (2018). That rates
    so far apart go with one accuracy is why the recall of each class stands in the table of groups.
    """
    counts = pd.read_csv(JUDGE / "compas_counts.csv")
    people = counts.loc[counts.index.repeat(counts["count"])].reset_index(drop=True)
    names = np.array(["stays", "returns"], dtype=object)
    manifest = pd.DataFrame({"image_id": [f"{n:04d}" for n in people.index], "group_race": people["race"]})
    manifest["label"] = names[people["two_year_recid"]]
    said = {"predicted": names[people["high_risk"]], "score": 1.0, "truth_score": 1.0}
    manifest[["image_id", "label"]].assign(**said).to_parquet(tmp_path / TABLE, index=False)
    judge = Classify(Dataset(tmp_path, Info("compas", "counts", labels=tuple(names)), manifest, {}), tmp_path)
    params = audit.Params(**AUDIT)
    columns, others = audit.group_columns(judge, params)
    found = {c.measure.name: c for _, _, c in audit.compared(judge, columns, params, 7)}
    assert others == {}
    for name, low, high in (("recall/stays", 44.85, 23.45), ("recall/returns", 27.99, 47.72), ("accuracy", 36.2, 33.0)):
        one = found[name]
        of = dict(zip(one.grouping.names, one.estimates, strict=True))
        shown = [100 * (1 - of[group].value) for group in ("African-American", "Caucasian")]
        assert shown == pytest.approx([low, high], abs=0.05 if name == "accuracy" else 0.005), name
        assert [of[group].num_pictures for group in ("African-American", "Caucasian")] == [3696, 2454]
    assert found["recall/stays"].estimates[0].n == 990 + 805
    rates = found["recall/stays"]
    place = [rates.compared.index(rates.grouping.names.index(group)) for group in ("Caucasian", "African-American")]
    gap, low, high = (bound[place[0], place[1]] for bound in rates.pairs())
    assert gap == pytest.approx(0.2140, abs=1e-4)
    assert 0.18 < low < gap < high < 0.25
