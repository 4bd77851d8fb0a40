"""Whatever form a picture comes in, the model sees that picture and answers in its pixels."""

import base64
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from pipelines.register import served
from stages.core import raw
from stages.maths import geometry, rle
from stages.parts.cameras import _preparation
from tests import sources

IMAGE = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)


def trained(task: str, found: dict) -> SimpleNamespace:
    card = {"task": task, "classes": ["cat", "dog"], "recipe": {}}
    return SimpleNamespace(card=card, predict=lambda images: [found for _ in images])


def repr_of(form: object) -> str:
    """Return a short name of a form; nested ones have no plain repr."""
    return str(form)[:25] if not isinstance(form, dict) or "image" not in form else f"image {type(form['image'])}"


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
    """``b64``, plain text and a data URI are decoded; nested lists, as JSON and DataFrames make them, are arrays again."""
    coded = base64.b64encode(b"png").decode()
    for form in ({"b64": coded}, coded, f"data:image/png;base64,{coded}", {"image": coded}, {"image": {"b64": coded}}):
        assert served.source(form) == b"png"
    assert served.source(Path("a.png")) == Path("a.png")
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


@given(st.text() | st.sampled_from(["/dev/zero", "/etc/passwd", "../a.png", "file:///etc/passwd", "a.png", "/etc/aaaa"]))
def test_text_is_never_a_path(text):
    """Whatever text a request holds, in whatever form, the model is given bytes or the text is refused."""
    for form in (text, {"image": text}, {"b64": text}, {"image": {"b64": text}}):
        try:
            assert isinstance(served.source(form), bytes)
        except ValueError as error:
            assert "base64" in str(error)  # noqa: PT017 - either is right


class Own(served.Rawline):
    """A model that runs the project's code and answers every picture that can be prepared."""

    def __init__(self):
        self._own = served.modules()
        self._model = trained("classify", {"scores": np.array([0.2, 0.8], np.float32)})


def test_a_refused_picture_does_not_end_the_others():
    """Its answer is its number and the reason; where nothing can be answered the reason is the exception's one line."""
    first, second, third = Own().predict(None, [IMAGE, "/dev/zero", IMAGE])
    assert first["label"] == third["label"] == "dog"
    assert list(second) == ["error"]
    assert second["error"].startswith("picture 2 of 3: '/dev/zero' is no base64")
    with pytest.raises(MlflowException, match="'/etc/passwd' is no base64") as caught:
        Own().predict(None, "/etc/passwd")
    assert "\n" not in str(caught.value)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    assert Own().predict(None, []) == []


@pytest.mark.parametrize(
    "content", [sources.torn_avif(), sources.picture(1, form="EPS"), b"hello"], ids=["AVIF", "EPS", "text"]
)
def test_a_file_that_cannot_be_decoded_costs_its_row_alone(content, monkeypatch):
    """Whatever its decoder raises, in whatever form it was sent; the others of the request are answered."""
    letterboxed = _preparation.prepare
    monkeypatch.setattr(_preparation, "prepare", lambda recipe, picture: letterboxed(recipe, raw.read_any(picture)))
    first, second, third = Own().predict(None, [IMAGE, {"b64": base64.b64encode(content).decode()}, IMAGE])
    assert first["label"] == third["label"] == "dog"
    assert second["error"].startswith("picture 2 of 3: ")


LISTS = IMAGE.tolist()
DEEP: dict = {"image": "x"}
for _ in range(5000):
    DEEP = {"image": DEEP}


@pytest.mark.parametrize(
    "form",
    [
        {"b64": None}, {"b64": 5}, {"b64": {}}, {"b64": ["AA=="]}, 5, 0.5, None, True, {}, {"foo": 1}, {"image": None}, DEEP,
        {"image": {"image": "AA=="}}, {"image": {"foo": 1}}, ["abc"], [], [[]], [1, 2], [None], [[1, 2], [3]],
        IMAGE / 255.0, np.full((4, 4), np.nan), np.full((4, 4), 256), np.full((4, 4), -1), [[0, 300], [1, 1]],
        [[0.5, 1.0], [1, 1]], np.ones((4, 4), bool), np.array([[None]]), np.ones(3, np.uint8), [[[1, 2, 3], ["a", 2, 3]]],
        IMAGE.astype(np.float32),
    ],
    ids=repr_of,
)  # fmt: skip
def test_what_is_no_picture_costs_its_row_alone(form):
    """One line says what a picture is; nothing is rounded, cut off or followed without end; the others are answered."""
    first, second, third = Own().predict(None, [IMAGE, form, IMAGE])
    assert first["label"] == third["label"] == "dog"
    text = second["error"]
    assert text.startswith("picture 2 of 3: ")
    assert served.FORM in text
    assert len(text) < 300
    assert "\n" not in text


@pytest.mark.parametrize(
    "whole",
    [{"b64": None}, {"b64": 5}, 5, 0.5, None, {}, {"foo": 1}, {"image": None}, DEEP, {"image": 5}, ["abc"], [5], [None]],
    ids=repr_of,
)
def test_a_call_without_a_picture_ends_in_one_line(whole):
    """Whatever was given in a batch's place; over REST the status is 400."""
    with pytest.raises(MlflowException, match=r"is no base64|a picture is base64 text") as caught:
        Own().predict(None, whole)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("form", "number"),
    [
        (LISTS, 1), (IMAGE[..., 0].tolist(), 1), ([LISTS], 1), ([LISTS, LISTS], 2), ({"image": LISTS}, 1),
        ({"image": [LISTS, LISTS]}, 2), (IMAGE.astype(np.int64), 1), (np.stack([IMAGE] * 2).astype(np.int64), 2),
        (pd.DataFrame({"image": [LISTS]}), 1), (pd.DataFrame({"image": [LISTS, LISTS]}), 2), ([IMAGE[..., 0]] * 2, 2),
        (pd.DataFrame({"image": [{"image": LISTS}]}), 1),
    ],
)  # fmt: skip
def test_nested_lists_are_whole_pictures(form, number):
    """As JSON and DataFrames hold them: each is a picture of the size that was sent, never one for each of its rows."""
    found = Own().predict(None, form)
    assert [(one["width"], one["height"]) for one in found] == [(30, 20)] * number


def test_instances_that_mlflow_gathers_are_pictures_again():
    """``{"instances": [{"b64": ..}, {"b64": ..}]}`` reaches the model as one mapping of arrays."""
    assert served.pictures({"b64": np.array(["AA==", "AB=="])}) == [{"b64": "AA=="}, {"b64": "AB=="}]
