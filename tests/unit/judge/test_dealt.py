"""Answers dealt to other pictures: to another unit, of the same shape where there is one, and moved by shares where not."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco

from stages.judge import constants, dealt, detection_rows, detections, labels, objects, panels, units
from stages.judge.classes import f1, share
from stages.judge.detections import Answer
from stages.judge.draws import Draws
from stages.maths import geometry
from stages.maths.geometry import Placement

Ints, Floats = NDArray[np.int64], NDArray[np.float64]
RULES: list[tuple[bool, Any]] = [(False, "coco"), (True, "coco"), (True, "voc2010")]
PLAIN = geometry.place(100, 50, "none", None)
LARGE = Placement(100, 50, 200, 100, 240, 240, 20, 70)  # letterboxed to twice the size


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.lists(st.integers(0, 2), min_size=40, max_size=40))
def test_each_picture_gets_the_answer_of_another_unit(clips, shapes):
    """Of the same shape where another unit has it; one unit alone gets none; a unit's pictures get one other unit's."""
    found, shapes = units.of(clips), shapes[: len(clips)]
    deals = dealt.deals([str(n) for n in range(len(clips))], found, shapes)
    assert bool(deals) == (found.num > 1)
    for deal in deals:
        for row, other in enumerate(deal.tolist()):
            assert clips[row] != clips[other]
            rivals = {c for c, s in zip(clips, shapes, strict=True) if s == shapes[row]} - {clips[row]}
            assert (shapes[other] == shapes[row]) == bool(rivals)
        given_by = {(clips[row], shapes[row], clips[other]) for row, other in enumerate(deal.tolist())}
        assert len(given_by) == len({(a, b) for a, b, _ in given_by})


def test_single_pictures_are_dealt_without_a_rest():
    """Each answer is given once a deal, no two deals are alike, names alone decide, and many pictures are dealt once."""
    names = [f"{n:04d}" for n in range(300)]
    deals = dealt.deals(names, units.alone(300))
    assert len(deals) == dealt.MOST
    assert all(sorted(deal) == list(range(300)) for deal in deals)
    assert all((one != other).all() for i, one in enumerate(deals) for other in deals[:i])
    again, others = dealt.deals(names, units.alone(300)), dealt.deals(names[::-1], units.alone(300))
    assert np.array_equal(deals, again)
    assert not np.array_equal(deals, others)
    assert [len(dealt.deals([""] * n, units.alone(n))) for n in (1000, 1001, 1501, 9000)] == [3, 2, 1, 1]


def kept(answer: Answer, path: Path) -> Answer:
    """Write an answer after one of nothing, and read it back as it is dealt."""
    spool = dealt.Spool(path)
    spool.add(answer.chosen(np.zeros(0, np.int64)))
    spool.add(answer)
    with path.open("rb") as stream:
        stream.seek(spool.offsets[1])
        return dealt.moved(dealt._read(json.loads(stream.readline())), PLAIN, PLAIN)


@pytest.mark.parametrize("masks", [False, True])
def test_what_is_kept_comes_back_to_the_bit(masks, tmp_path):
    """Labels, scores, boxes, masks and their areas, as they were judged."""
    random = np.random.default_rng(0)
    corners = random.uniform(0, 25, (4, 4)) + np.array([0, 0, 25, 25])
    said = {"boxes": corners, "labels": np.array([1, 2, 1, 2]), "scores": random.random(4)}
    answer = detections.answer(said | {"masks": random.random((4, 50, 100)) > 0.5}, PLAIN, "", masks=masks)
    back = kept(answer, tmp_path / "answers")
    for name in ("labels", "scores", "boxes", "areas"):
        assert np.array_equal(getattr(answer, name), getattr(back, name)), name
    if masks:
        assert np.array_equal(answer.mask_areas, back.mask_areas)
        assert np.array_equal(coco.decode(answer.masks), coco.decode(back.masks))


def test_answers_move_by_shares_of_the_picture():
    """A box and a mask of the left third come to the left third of a picture twice as large on a padded canvas, and back."""
    inside = np.zeros((1, 50, 100), bool)
    inside[0, 10:40, 0:30] = True
    said = {"boxes": np.array([[0.0, 10, 30, 40]]), "labels": np.array([1]), "scores": np.array([0.5]), "masks": inside}
    answer = detections.answer(said, PLAIN, "", masks=True)
    there = dealt.moved(answer, PLAIN, LARGE)
    assert there.boxes.tolist() == [[20.0, 90.0, 60.0, 60.0]]
    expected = np.zeros((240, 240), np.uint8)
    expected[90:150, 20:80] = 1
    assert np.array_equal(coco.decode(there.masks)[..., 0], expected)
    assert (there.areas.tolist(), there.mask_areas.tolist()) == ([900.0], [900.0])
    back = dealt.moved(there, LARGE, PLAIN)
    assert back.boxes.tolist() == answer.boxes.tolist()
    assert np.array_equal(coco.decode(back.masks), coco.decode(answer.masks))
    assert np.array_equal(dealt.moved_mask(inside[0].astype(np.uint8), PLAIN, LARGE), expected)


def test_throws_of_a_die_are_seldom_taken_for_looking():
    """Of 200 pictures: blind labels beat those of others in some 2.5 % of 200 throws, and in not more than 5.

    Labels that are right in 60 % of the pictures, where chance is right in a third, always do.
    """
    random, number = np.random.default_rng(0), 200
    deals = dealt.deals([str(n) for n in range(number)], units.alone(number))
    draws = Draws(number, 300, lambda: np.random.default_rng(1))

    def shown(share_known: float) -> list[bool]:
        truth, thrown = random.integers(0, 3, (2, number))
        said = np.where(random.random(number) < share_known, truth, thrown)

        def figures(answers):
            held = labels.counts(truth, answers, 3)
            return [panels.mean("x", "x", "pictures", held, read) for read in (share, f1)]

        gains = constants.gains(figures(said), [figures(said[deal]) for deal in deals], draws)
        return [gain.low > 0 for gain in gains]

    assert np.mean([shown(0.0) for _ in range(200)]) <= 0.05
    assert np.all([shown(0.4) for _ in range(20)])


@pytest.mark.parametrize("rule", [objects.Rule(0.4, 3, masks=masks, average_precision=ap) for masks, ap in RULES])
def test_a_dealt_answer_is_observed_as_far_as_headlines_ask(rule: objects.Rule) -> None:
    """Matches over all areas and what was found are those of a whole observation; nothing else is matched."""
    random, rows = np.random.default_rng(2), {True: [], False: []}
    for _ in range(20):
        num = int(random.integers(0, 9))
        there, said = (scene(num, random) for _ in range(2))
        flags = random.random((2, num)) < 0.2
        truth = detections.Truth(*there[:3], flags[0], flags.any(axis=0), there[3])
        answer = Answer(there[0], random.random(num), *said[1:3], said[2], said[3])
        for whole, found in rows.items():
            found.append(objects.observe(truth, answer, rule, 3, whole=whole))
    own, few = (detection_rows.gather(rows[whole], 3) for whole in (True, False))
    for table, other in zip(detection_rows.tables(own), detection_rows.tables(few), strict=True):
        assert all(np.array_equal(getattr(table, f.name), getattr(other, f.name)) for f in fields(table))
    kept = ("order", "labels", "scores", "objects", "object_labels", "object_areas", "found")
    assert all(np.array_equal(own.columns[name], few.columns[name]) for name in kept)
    assert own.columns["found"].any()
    assert own.columns["right"][1:].any()
    assert not few.columns["right"][1:].any()
    assert not few.columns["came"].any()
    assert not few.columns["box_right"].size


def scene(num: int, random: np.random.Generator) -> tuple[Ints, Floats, Floats, list[Any]]:
    """Return labels, boxes, areas and masks of objects that lie about four places of a picture, some of them large."""
    corner, side = random.integers(0, 2, (num, 2)) * 45 + random.integers(0, 4, (num, 2)), random.integers(25, 45, (num, 2))
    canvas = np.zeros((num, 100, 100), np.uint8)
    for mask, (x, y), (w, h) in zip(canvas, corner, side, strict=True):
        mask[y : y + h, x : x + w - (x % 2) * 3] = 1
    coded = [coco.encode(np.asfortranarray(mask)) for mask in canvas]
    boxes = np.concatenate([corner, side], axis=1).astype(np.float64)
    return random.integers(0, 3, num), boxes, canvas.sum(axis=(1, 2)).astype(np.float64), coded
