"""Whoever reads ``dvc.lock`` gets the whole file, waits for nobody's long work, and takes DVC's lock from nobody."""

import threading
from pathlib import Path

import pytest
import zc.lockfile
from dvc.lock import make_lock

from pipelines import dvc_hashes, dvc_lock, graph
from pipelines.record import lockfile
from stages.core.errors import ParamsError
from tests.projects import dvc, make_project

READERS = {
    "graph": lambda root: set(graph.read(root).nodes),
    "dependencies": lambda root: dvc_hashes.dependencies(root, "a"),
    "entries": lambda root: lockfile.read(root / "dvc.lock"),
}


def booked(root: Path, *config: str) -> Path:
    """Run a project of one stage and return its ``dvc.lock``."""
    make_project(root, "stages:\n  a: {cmd: cp data out, deps: [data], outs: [out]}\n")
    if config:
        dvc(root, "config", *config)
    (root / "data").write_text("1")
    dvc(root, "repro", "-q")
    return root / "dvc.lock"


@pytest.mark.parametrize("reader", READERS)
def test_readers_wait_until_dvc_has_written_its_lock_file(
    tmp_path: Path, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC rewrites dvc.lock in place, under its lock: nobody takes half of it for the whole."""
    monkeypatch.setattr(dvc_lock, "PATIENCE_S", 600.0)
    book = booked(tmp_path)
    whole, expected = book.read_text(), READERS[reader](tmp_path)

    def finish(holder: zc.lockfile.LockFile) -> None:
        book.write_text(whole)
        holder.close()

    for torn in (whole[: len(whole) // 2], "schema: '2.0'\n", "stages:\n"):
        holder = zc.lockfile.LockFile(str(tmp_path / ".dvc/tmp/lock"))
        book.write_text(torn)
        timer = threading.Timer(0.7, finish, (holder,))
        timer.start()
        assert READERS[reader](tmp_path) == expected
        timer.join()


def test_a_lock_held_for_long_stops_no_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC also holds its lock while it hashes or checks out; then a reader goes on, and a broken file is named."""
    book = booked(tmp_path)
    monkeypatch.setattr(dvc_lock, "PATIENCE_S", 0.2)
    holder = zc.lockfile.LockFile(str(tmp_path / ".dvc/tmp/lock"))
    assert set(graph.read(tmp_path).nodes) == {"a"}
    book.write_text("stages:\n")
    with pytest.raises(ParamsError, match=r"^dvc\.lock cannot be read"):
        graph.read(tmp_path)
    holder.close()


def test_a_reader_takes_dvc_s_lock_of_hard_links_from_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the file alone is the lock: a reader that made it would lock DVC out for good; one that is held is respected."""
    monkeypatch.setattr(dvc_lock, "PATIENCE_S", 6.0)  # as long as this test holds the lock
    book = booked(tmp_path, "core.hardlink_lock", "true")
    place, whole = tmp_path / ".dvc/tmp/lock", book.read_text()
    for reader in READERS.values():
        reader(tmp_path)
    assert not place.exists()
    dvc(tmp_path, "status")
    holder = make_lock(str(place), tmp_dir=str(place.parent), hardlink_lock=True)
    holder.lock()
    claim = place.read_text()
    book.write_text("stages:\n")
    timer = threading.Timer(0.2, lambda: book.write_text(whole))
    timer.start()
    assert set(lockfile.read(book)) == {"a"}, "half of the file was read"
    timer.join()
    assert place.read_text() == claim
    holder.unlock()
