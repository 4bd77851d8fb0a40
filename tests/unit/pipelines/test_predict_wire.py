"""Whatever a model's process sends, the parent ends in one line or has a whole answer; nothing that is sent is run."""

import contextlib
import io
import json
import os
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import predict_wire, predict_worker
from stages.core.errors import DataError, InfrastructureError
from stages.maths import rle

MASK = rle.encode(np.eye(6, 8, dtype=bool))
SIZE = {"width": 8, "height": 6}
OBJECTS = {"boxes": [[0, 0, 4, 5.5]], "labels": [1], "names": ["cat"], "scores": [0.5]}
ANSWERS: dict[str, dict[str, Any]] = {
    "classify": {**SIZE, "label": "cat", "scores": {"cat": 0.75, "dog": 0.25}},
    "detect": {**SIZE, **OBJECTS},
    "instance": {**SIZE, **OBJECTS, "masks": [MASK]},
    "segment": {**SIZE, "mask": {"ground": MASK}, "areas": {"ground": 1.0}},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def sent(*messages: dict[str, Any]) -> io.BytesIO:
    out = io.BytesIO()
    for message in messages:
        predict_worker.say(out, **message)
    return io.BytesIO(out.getvalue())


@pytest.mark.parametrize("task", ANSWERS)
def test_a_whole_answer_arrives_as_it_was(task: str) -> None:
    """Numbers, names and masks of every task, sent by the worker as arrays or lists."""
    arrays = {
        k: np.asarray(v, np.float32) if k in ("boxes", "scores") and task != "classify" else v
        for k, v in ANSWERS[task].items()
    }
    pipe = sent({"kind": "answer", "answer": arrays})
    found = predict_wire.answer(task, predict_wire.receive(pipe)["answer"])
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(ANSWERS[task]))


@given(st.sampled_from(sorted(ANSWERS)), st.data())
def test_a_spoiled_answer_is_one_line(task: str, data: st.DataObject) -> None:
    """Any value in any place: an answer of the right form, or a DataError of one line."""
    key = data.draw(st.sampled_from(sorted(ANSWERS[task])))
    spoiled = {**ANSWERS[task], key: data.draw(JSON)}
    try:
        found = predict_wire.answer(task, spoiled)
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either is right
    else:
        assert found.keys() == ANSWERS[task].keys()


@pytest.mark.parametrize(
    "counts",
    ["", "o", "ooooooooooooo", "0" * 9, "PPPP", "\x00", "ö", MASK["counts"][:-1], MASK["counts"] + "9", "o" * 10**6 + "0"],
)
def test_run_lengths_that_do_not_fit_are_refused(counts: str) -> None:
    """Cut, endless, too long, of foreign letters: the C code behind never reads them."""
    with pytest.raises(DataError):
        predict_wire.answer("instance", {**ANSWERS["instance"], "masks": [{**MASK, "counts": counts}]})


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_run_lengths_are_read_as_coco_writes_them(height: int, width: int, scale: int, seed: int) -> None:
    """Runs of any mask, column by column from the first pixel that is not set, are those of the mask itself."""
    mask = np.kron(np.random.default_rng(seed).random((height, width)) < 0.5, np.ones((scale, scale), dtype=bool))
    lengths = predict_wire.runs(rle.encode(mask)["counts"])
    read = np.concatenate([np.full(length, place % 2, dtype=bool) for place, length in enumerate(lengths)])
    assert np.array_equal(read, mask.T.ravel())


@pytest.mark.parametrize("wrong", [{"size": [6, 9]}, {"size": [2**40, 1]}])
def test_masks_of_another_size_are_refused(wrong: dict[str, Any]) -> None:
    """A mask has the picture's size."""
    with pytest.raises(DataError):
        predict_wire.answer("segment", {**ANSWERS["segment"], "mask": {"ground": {**MASK, **wrong}}})


@given(st.binary(max_size=64))
def test_bytes_that_are_no_message_are_one_line(content: bytes) -> None:
    """Noise is an end or an error of ours."""
    with contextlib.suppress(EOFError, InfrastructureError):
        assert isinstance(predict_wire.receive(io.BytesIO(content)), dict)


def test_a_length_beyond_the_limit_is_not_read() -> None:
    """A process cannot have the parent take all memory."""
    pipe = io.BytesIO((2**50).to_bytes(8, "big") + b"x")
    with pytest.raises(InfrastructureError, match="at most"):
        predict_wire.receive(pipe)
    assert pipe.tell() == 8


def test_a_pickle_is_not_opened(tmp_path: Any) -> None:
    """What runs code when it is unpickled, runs none here."""

    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    content = pickle.dumps(Evil())
    with pytest.raises(InfrastructureError):
        predict_wire.receive(io.BytesIO(len(content).to_bytes(8, "big") + content))
    assert not (tmp_path / "ran").exists()


def test_deep_nesting_is_one_line() -> None:
    """A message nested deeper than Python's stack is refused."""
    content = b"[" * 10**6
    with pytest.raises(InfrastructureError):
        predict_wire.receive(io.BytesIO(len(content).to_bytes(8, "big") + content))


def test_a_card_that_is_none_is_one_line() -> None:
    """Task and classes are checked, and names cannot steer a terminal."""
    for card in (
        {},
        None,
        {"task": "draw", "classes": ["a"]},
        {"task": "classify", "classes": []},
        {"task": "classify", "classes": [1]},
    ):
        with pytest.raises(DataError):
            predict_wire.card(card)
    assert predict_wire.card({"task": "classify", "classes": ["a\x1b[2J"]})["classes"] == ["a?[2J"]
