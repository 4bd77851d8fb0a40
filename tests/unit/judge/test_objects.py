"""One picture's row: who neither helps nor harms, how many detections count, and what stays of a picture."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.judge import average_precision as ap
from stages.judge import detection_rows, detections, objects, panels
from stages.judge.objects import Rule
from stages.maths import geometry, rle

SIDE = 200
HERE = geometry.place(SIDE, SIDE, "none", None)


def mark(box: tuple[float, ...], label: int = 1, **more: Any) -> dict[str, Any]:
    """Return a COCO annotation."""
    return {"bbox": list(box), "area": box[2] * box[3], "category_id": label, **more}


def said(*boxes: tuple[float, ...], labels: Any = 1, scores: Any = None) -> dict[str, np.ndarray]:
    """Return a model's answer: boxes xywh, the first the surest."""
    corners = np.array(boxes, float).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    falling = np.linspace(0.99, 0.6, len(corners)) if scores is None else scores
    return {"boxes": corners, "labels": np.broadcast_to(labels, len(corners)), "scores": np.asarray(falling)}


def judged(
    marks: list[dict[str, Any]], answer: dict[str, np.ndarray], rule: Rule, num_classes: int = 2
) -> detection_rows.Rows:
    """Observe one picture."""
    seen = detections.truth(marks, HERE, masks=False), detections.answer(answer, HERE, "", masks=False)
    return detection_rows.gather([objects.observe(*seen, rule, num_classes)], num_classes)


def figure(rows: detection_rows.Rows, name: str = "map50", rule: ap.Rule = "coco") -> float:
    """Read a figure."""
    panel = panels.of_precision(detection_rows.tables(rows), rule)
    return float(panel.values(np.ones((1, rows.num_pictures)))[0][panel.names.index(name)])


GRID = [(16.0 * (i % 12), 14.0 * (i // 12), 10.0, 10.0) for i in range(150)]


@pytest.mark.parametrize(("side", "sizes"), [(32.0, {"small", "medium"}), (96.0, {"medium", "large"}), (33.0, {"medium"})])
def test_an_object_on_the_border_of_two_sizes_is_of_both(side: float, sizes: set[str]) -> None:
    """COCO's ranges hold both of their ends: it is there in both, and found in both."""
    box = (10.0, 10.0, side, side)
    rows = judged([mark(box)], said(box), Rule(0.5, 100))
    found = {}
    for area in set(ap.AREAS) - {"all"}:
        panel = panels.of_precision(detection_rows.tables(rows, area))
        found[area] = float(panel.values(np.ones((1, 1)))[0][panel.names.index("map50")])
    assert {area for area, value in found.items() if value == pytest.approx(1)} == sizes
    assert all(np.isnan(value) for area, value in found.items() if area not in sizes)


def test_the_number_of_detections_is_a_parameter() -> None:
    """A perfect model on 150 objects of a class: 1 where all count, COCO's two thirds and the picture named at 100."""
    marks, answer = [mark(box) for box in GRID], said(*GRID)
    for most in (None, 150, 500):
        rows = judged(marks, answer, Rule(0.5, most))
        assert figure(rows) == pytest.approx(1)
        assert rows.columns["found"].all()
        assert detection_rows.confusion(rows)[0].tolist() == [150, 0, 0]
        assert detection_rows.above(rows, most).tolist() == []
    rows = judged(marks, answer, Rule(0.5, 100))
    assert figure(rows) == pytest.approx(0.663, abs=1e-3)
    assert rows.columns["found"].sum() == 100
    assert detection_rows.confusion(rows)[0].tolist() == [100, 0, 50]
    assert detection_rows.above(rows, 100).tolist() == [0]


def test_the_cap_is_of_each_class() -> None:
    """As in COCOeval the surest of each class count: a hundred of one class take no place of another."""
    marks = [mark(box) for box in GRID[:100]] + [mark(box, 2) for box in GRID[100:]]
    rows = judged(marks, said(*GRID, labels=[1] * 100 + [2] * 50), Rule(0.5, 100))
    assert figure(rows) == pytest.approx(1)
    assert detection_rows.above(rows, 100).size == 0


@pytest.mark.parametrize("rule", ["coco", "voc2007", "voc2010"])
@pytest.mark.parametrize("finds_all", [True, False])
def test_difficult_objects_neither_help_nor_harm(rule: ap.Rule, finds_all: bool) -> None:
    """VOC: a model that finds all and one that finds the easy object alone both get 1, by every figure."""
    easy, hard = (10.0, 10.0, 30.0, 30.0), [(60.0 + 40 * i, 60.0, 30.0, 30.0) for i in range(2)]
    marks = [mark(easy), *(mark(box, difficult=1) for box in hard)]
    rows = judged(marks, said(*hard, hard[0], easy) if finds_all else said(easy), Rule(0.5, None, rule))
    assert figure(rows, rule=rule) == pytest.approx(1)
    assert rows.columns["found"].tolist() == [True]
    assert detection_rows.confusion(rows).tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_crowds_take_detections_of_their_class_alone() -> None:
    """Five detections inside a crowd are excused everywhere; one of another class is a false one everywhere."""
    crowd = mark((60.0, 60.0, 120.0, 120.0), iscrowd=1)
    inside = [(65.0 + 20 * i, 70.0, 15.0, 60.0) for i in range(5)]
    one = (5.0, 5.0, 20.0, 20.0)
    rows = judged([crowd, mark(one)], said(*inside, one), Rule(0.5))
    assert figure(rows) == pytest.approx(1)
    assert detection_rows.confusion(rows).tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert rows.columns["came"].tolist() == [objects.EXCUSED] * 5 + [objects.RIGHT]
    rows = judged([crowd, mark(one), mark((5.0, 100.0, 20.0, 20.0), 2)], said(inside[0], one, labels=[2, 1]), Rule(0.5))
    assert detection_rows.confusion(rows)[2].tolist() == [0, 1, 0]
    assert detection_rows.tables(rows)[1].wrong[0].tolist() == [True]


@pytest.mark.parametrize(("score", "counts"), [(0.5, True), (0.499999, False)])
def test_a_detection_exactly_at_the_score_counts(score: float, counts: bool) -> None:
    """In recall, confusion matrix and gallery alike, right or false; what lies below is in none of them."""
    box, elsewhere = (10.0, 10.0, 30.0, 30.0), (120.0, 120.0, 30.0, 30.0)
    rows = judged([mark(box)], said(box, elsewhere, scores=[score, score]), Rule(0.5))
    assert rows.columns["found"].tolist() == rows.columns["seen"].tolist() == [counts]
    assert rows.columns["came"].tolist() == ([objects.RIGHT, objects.WRONG] if counts else [objects.UNSURE] * 2)
    assert detection_rows.confusion(rows).tolist() == [[int(counts), 0, int(not counts)], [0, 0, 0], [int(counts), 0, 0]]


@pytest.mark.parametrize(
    ("flag", "box", "less"),
    [
        ("difficult", (0.0, 0.0, 10.0, 20.0), (0.0, 0.0, 9.0, 20.0)),
        ("iscrowd", (10.0, 0.0, 20.0, 20.0), (11.0, 0.0, 20.0, 20.0)),
    ],
)
def test_an_overlap_of_exactly_a_half_excuses(flag: str, box: tuple[float, ...], less: tuple[float, ...]) -> None:
    """IoU 200 / 400 with a difficult object, 200 of the 400 pixels in a crowd; a pixel less and it is false."""
    spared, lone = mark((0.0, 0.0, 20.0, 20.0), **{flag: 1}), mark((100.0, 100.0, 20.0, 20.0))
    for one, came in ((box, objects.EXCUSED), (less, objects.WRONG)):
        rows = judged([spared, lone], said(one), Rule(0.5))
        assert rows.columns["came"].tolist() == [came]
        assert detection_rows.confusion(rows)[2].tolist() == [int(came == objects.WRONG), 0, 0]
        assert detection_rows.tables(rows)[0].wrong[0].tolist() == [came == objects.WRONG]


def test_voc_counts_a_second_detection_of_an_object_as_false() -> None:
    """VOC asks for the object that is overlapped most, taken or not; COCO lets the detection fall to the next one."""
    marks = [mark((0.0, 0.0, 20.0, 20.0)), mark((4.0, 0.0, 20.0, 20.0))]
    answer = said((1.0, 0.0, 20.0, 20.0), (1.0, 0.0, 20.0, 20.0))
    coco, voc = (judged(marks, answer, Rule(0.5, None, rule)) for rule in ("coco", "voc2010"))
    assert detection_rows.tables(coco)[0].right[0].tolist() == [True, True]
    assert detection_rows.tables(voc)[0].right[0].tolist() == [True, False]
    assert figure(voc, rule="voc2010") == pytest.approx(0.5)


@given(st.integers(0, 10_000))
def test_voc_averages_are_those_of_a_naive_curve(seed: int) -> None:
    """Eleven points and the area, computed as VOCap.m writes them down, from the same hits."""
    random = np.random.default_rng(seed)
    num, total = int(random.integers(1, 30)), int(random.integers(1, 12))
    hits = random.random(num) < 0.5
    hits[np.flatnonzero(hits)[total:]] = False
    where = np.arange(num)
    table = ap.Matches(-where.astype(float), where, hits[None], ~hits[None], np.array([0]), np.array([float(total)]), num)
    recall = np.cumsum(hits) / total
    precision = np.cumsum(hits) / (where + 1)
    eleven = np.mean([max(precision[recall >= t / 10], default=0) for t in range(11)])
    padded = np.concatenate([[0], recall])
    area = sum((padded[i + 1] - padded[i]) * precision[i:].max() for i in range(num))
    for rule, expected in (("voc2007", eleven), ("voc2010", area)):
        assert ap.average_precision(table, np.ones((1, num)), rule=rule)[0, 0] == pytest.approx(expected)


def test_sizes_are_those_of_the_users_picture() -> None:
    """An object of 80 px in 640 x 480, letterboxed to 256, is medium, not small; so is what is found of it."""
    at = geometry.place(640, 480, "letterbox", 256)
    placed = geometry.place_annotation(
        mark((100.0, 200.0, 80.0, 80.0), segmentation=[[100, 200, 180, 200, 180, 280, 100, 280]]), at
    )
    assert placed["area"] == pytest.approx(32.0**2)
    x, y, w, h = placed["bbox"]
    inside = np.zeros((1, 256, 256), bool)
    inside[0, round(y) : round(y + h), round(x) : round(x + w)] = True
    answer = {**said((x, y, w, h)), "masks": inside}
    for masks in (False, True):
        seen = detections.truth([placed], at, masks=masks), detections.answer(answer, at, "", masks=masks)
        rows = detection_rows.gather([objects.observe(*seen, Rule(0.5, masks=masks), 1)], 1)
        assert rows.columns["object_areas"].tolist() == [6400]
        assert [detection_rows.tables(rows, area)[0].num_objects for area in ("small", "medium", "large")] == [0, 1, 0]
        assert detection_rows.tables(rows, "medium")[0].right[0].tolist() == [True]
        assert not detection_rows.tables(rows, "small")[0].wrong.any()


def test_what_is_said_of_the_padding_is_cut_off() -> None:
    """A box that spills over a letterbox's padding is judged as the user gets it: cut at the picture's edge."""
    at = geometry.place(200, 100, "letterbox", 200)
    placed = geometry.place_annotation(mark((20.0, 0.0, 50.0, 40.0)), at)
    answer = detections.answer(said((20.0, 0.0, 50.0, 90.0)), at, "", masks=False)
    row = objects.observe(detections.truth([placed], at, masks=False), answer, Rule(0.5), 1)
    assert row.right[0].tolist() == [1023]


def test_a_row_keeps_no_pixels() -> None:
    """Forty pictures with masks of 512 px: what stays is counted in kilobytes, and the peak is that of one picture."""
    box, size = (40.0, 40.0, 300.0, 300.0), 512
    at = geometry.place(size, size, "none", None)
    inside = np.zeros((20, size, size), bool)
    inside[:, 40:340, 40:340] = True
    truth_mark = mark(box, segmentation=rle.encode(inside[0]))
    answer = {**said(*[box] * 20), "masks": inside}

    def observed(num: int) -> tuple[int, int]:
        tracemalloc.start()
        rows = [
            objects.observe(
                detections.truth([truth_mark] * 5, at, masks=True),
                detections.answer(answer, at, "", masks=True),
                Rule(0.5, masks=True),
                1,
            )
            for _ in range(num)
        ]
        left, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(rows) == num
        return left, peak

    observed(1)
    few, many = observed(4), observed(40)
    assert many[0] / 40 < 16_000
    assert many[1] - few[1] < 36 * 16_000
