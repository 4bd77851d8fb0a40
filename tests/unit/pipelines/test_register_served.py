"""Whatever form a picture comes in, the model sees that picture and answers in its pixels."""

import base64
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pipelines.register import served
from stages.maths import geometry, rle
from stages.parts.cameras import _preparation

IMAGE = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)


def trained(task: str, found: dict) -> SimpleNamespace:
    card = {"task": task, "classes": ["cat", "dog"], "recipe": {}}
    return SimpleNamespace(card=card, predict=lambda images: [found for _ in images])


@pytest.fixture(autouse=True)
def letterbox(monkeypatch):
    """Prepare pictures for a 40 px square letterbox, which has both a scale and an offset."""

    def prepare(recipe, picture):
        at = geometry.place(picture.shape[1], picture.shape[0], "letterbox", 40)
        return _preparation.Prepared(geometry.place_image(picture, at, 0), at, None)

    monkeypatch.setattr(_preparation, "prepare", prepare)


@pytest.mark.parametrize(("given", "number"), [
    ("a.png", 1), (Path("a.png"), 1), (b"png", 1), (IMAGE, 1), (IMAGE[..., 0], 1), (np.stack([IMAGE] * 3), 3),
    (["a.png", b"png", IMAGE], 3), (pd.Series(["a.png", "b.png"]), 2), (pd.DataFrame({"image": ["a.png"], "other": [1]}), 1),
    (pd.DataFrame({0: [b"png"]}), 1), ({"image": "a.png"}, 1), ({"image": ["a.png", "b.png"]}, 2), ([{"b64": "AA=="}], 1),
    (pd.DataFrame({"image": []}), 0), (np.array(["a.png", "b.png"], dtype=object), 2),
])  # fmt: skip
def test_every_form_is_a_list_of_pictures(given, number):
    """One answer per picture: a bare picture is a batch of one."""
    assert len(served.pictures(given)) == number


def test_bytes_over_rest_are_the_same_bytes():
    """``b64`` is decoded; text is a path; nested lists, as JSON and DataFrames make them, are arrays again."""
    assert served.source({"b64": base64.b64encode(b"png").decode()}) == b"png"
    assert served.source("a.png") == Path("a.png")
    assert np.array_equal(served.source(IMAGE.tolist()), IMAGE)
    assert served.source(memoryview(b"png")) == b"png"


def test_boxes_come_back_in_the_pictures_own_pixels():
    """A box over the letterboxed lower right quarter is the original's; weak ones are left out."""
    at = geometry.place(30, 20, "letterbox", 40)
    boxes = np.vstack([geometry.boxes_to(np.array([[15.0, 10.0, 30.0, 20.0]]), at), [[0, 0, 5, 5]]]).astype(np.float32)
    found = {"boxes": boxes, "labels": np.array([2, 1]), "scores": np.array([0.9, 0.1], np.float32)}
    answer = served.answer(trained("detect", found), IMAGE, min_score=0.5)
    assert np.allclose(answer["boxes"], [[15, 10, 30, 20]], atol=1e-4)
    assert answer["names"] == ["dog"]
    assert (answer["width"], answer["height"]) == (30, 20)


def test_masks_come_back_in_the_pictures_own_pixels():
    """Index masks and object masks have the original's size; as run lengths they are the same masks."""
    at = geometry.place(30, 20, "letterbox", 40)
    truth = np.zeros((20, 30), np.uint8)
    truth[10:, 15:] = 1
    small = geometry.place_mask(truth, at, 0)
    answer = served.answer(trained("segment", {"mask": small}), IMAGE)
    assert answer["mask"].shape == (20, 30)
    assert (answer["mask"] != truth).mean() < 0.08
    assert answer["areas"]["dog"] == pytest.approx(0.25, abs=0.05)
    coded = served.answer(trained("segment", {"mask": small}), IMAGE, masks="rle")
    assert np.array_equal(rle.decode(coded["mask"]["dog"], 20, 30), answer["mask"] == 1)
    found = {
        "boxes": np.zeros((1, 4)),
        "labels": np.array([1]),
        "scores": np.array([0.9]),
        "masks": small[None].astype(bool),
    }
    objects = served.answer(trained("instance", found), IMAGE)
    assert np.array_equal(objects["masks"][0], answer["mask"] == 1)


def test_nothing_found_is_an_empty_answer():
    """No object leaves arrays of length zero, masks of the picture's size."""
    none = {
        "boxes": np.zeros((0, 4)),
        "labels": np.zeros(0, int),
        "scores": np.zeros(0),
        "masks": np.zeros((0, 40, 40), bool),
    }
    answer = served.answer(trained("instance", none), IMAGE)
    assert answer["boxes"].shape == (0, 4)
    assert answer["masks"].shape == (0, 20, 30)
    assert answer["names"] == []


def test_a_class_has_the_best_score():
    """The label is the class with the highest score, and every class is named."""
    answer = served.answer(trained("classify", {"scores": np.array([0.2, 0.8], np.float32)}), IMAGE)
    assert answer["label"] == "dog"
    assert answer["scores"] == pytest.approx({"cat": 0.2, "dog": 0.8})
