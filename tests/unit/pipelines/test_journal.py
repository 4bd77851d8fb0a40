"""A journal keeps every whole event, whatever happens to its writer."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.record.journal import Journal, Sent


@given(values=st.lists(st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False)), max_size=8), cut=st.integers(0, 30))
def test_whole_events_survive_a_torn_last_line(tmp_path_factory, values: list[dict[str, float]], cut: int) -> None:
    """After a write cut off anywhere, earlier events are there and later ones can be added."""
    journal = Journal(tmp_path_factory.mktemp("journal") / "run.jsonl")
    for value in values:
        journal.write("metrics", values=value)
    size = journal.path.stat().st_size if values else 0
    journal.write("note", text="x" * 20)
    with journal.path.open("r+b") as handle:
        handle.truncate(size + cut)
    journal.write("end", status="FINISHED")
    kinds = [event["kind"] for event, _ in journal.events()]
    assert [event["values"] for event, _ in journal.events() if event["kind"] == "metrics"] == values
    assert kinds[-1] == "end"
    assert journal.ending() is not None


def test_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """An offset given back later yields exactly what came after it."""
    journal = Journal(tmp_path / "run.jsonl")
    journal.write("note", text="a")
    (_, offset), *_ = journal.events()
    journal.write("note", text="b")
    assert [event["text"] for event, _ in journal.events(offset)] == ["b"]


def test_a_kept_file_is_a_copy(tmp_path: Path) -> None:
    """Changing the original afterwards does not change what is sent; equal names do not collide."""
    journal = Journal(tmp_path / "run.jsonl")
    source = tmp_path / "plot.csv"
    for text in ("one", "two"):
        source.write_text(text)
        journal.keep(source, "plots")
    files = [journal.files / event["file"] for event, _ in journal.events()]
    assert [file.read_text() for file in files] == ["one", "two"]
    assert {file.name for file in files} == {"plot.csv"}


def test_numpy_numbers_and_paths_are_written(tmp_path: Path) -> None:
    """What a stage yields need not be plain Python."""
    journal = Journal(tmp_path / "run.jsonl")
    journal.write("params", values={"a": np.float32(0.5), "b": np.arange(2), "c": Path("x")})
    ((event, _),) = journal.events()
    assert event["values"] == {"a": 0.5, "b": [0, 1], "c": "x"}


def test_settled_means_every_byte_was_sent(tmp_path: Path) -> None:
    """A journal that grew after it was sent is not settled."""
    journal = Journal(tmp_path / "run.jsonl")
    journal.write("note", text="a")
    size = journal.path.stat().st_size
    journal.note_sent(Sent(size, "id"))
    assert journal.is_told()
    assert not journal.is_settled(), "files wait"
    journal.note_sent(Sent(size, "id", kept=size))
    assert journal.is_settled()
    journal.write("note", text="b")
    assert not journal.is_settled()
