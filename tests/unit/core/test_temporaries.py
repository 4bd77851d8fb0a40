"""What a killed process left half-made is swept by the next one, and nothing else is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stages.core import files, temporaries

ROOT = Path(__file__).parents[3]
MAKE = """
import sys, time
from pathlib import Path
from stages.core import files
with files.atomic(Path(sys.argv[1])) as made:
    if sys.argv[2] == "folder":
        made.mkdir()
        (made / "picture.png").write_bytes(b"half")
    elif sys.argv[2] == "file":
        made.write_bytes(b"half")
    print("made", flush=True)
    time.sleep(3600)
"""
DAY = temporaries.FORMER_S


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test begin as a process that has swept nothing."""
    monkeypatch.setattr(temporaries, "_swept", set())


def making(target: Path, kind: str) -> subprocess.Popen[str]:
    """Return a process that is in the midst of making something."""
    process = subprocess.Popen(
        [sys.executable, "-c", MAKE, str(target), kind], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ
    )
    assert process.stdout
    assert process.stdout.readline() == "made\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.parametrize("kind", ["folder", "file", "nothing yet"])
def test_what_sigkill_left_is_swept_by_the_next_run(tmp_path: Path, kind: str) -> None:
    """One process is killed and one goes on: the next run removes what the first left, and what the second makes stays."""
    killed, living = making(tmp_path / "acquired", kind), making(tmp_path / "acquired", kind)
    end(killed)
    assert len(list(tmp_path.iterdir())) == 2
    files.write_text(tmp_path / "acquired", "whole")
    left = [path for path in tmp_path.iterdir() if path.name != "acquired"]
    assert len(left) == 1
    assert (left[0] / "acquired.lock").exists()
    end(living)
    assert temporaries.sweep(tmp_path) == left
    assert [path.name for path in tmp_path.iterdir()] == ["acquired"]


def test_it_is_swept_whichever_output_is_made_beside_it(tmp_path: Path) -> None:
    """A stage that is never run again leaves nothing for good: whoever writes to the folder next sweeps it."""
    end(making(tmp_path / "acquired", "folder"))
    files.write_json(tmp_path / "other.json", {})
    assert [path.name for path in tmp_path.iterdir()] == ["other.json"]


def old(path: Path) -> None:
    """Set the time of everything at and below a path two days back."""
    for one in [path, *path.rglob("*")]:
        os.utime(one, ns=((then := one.lstat().st_mtime_ns - 2 * DAY * 10**9), then), follow_symlinks=False)


def test_a_holder_of_the_code_before_is_swept_after_a_day(tmp_path: Path) -> None:
    """It has no lock: while anything in it is younger than a day it may be somebody's, then it is nobody's."""
    made = tmp_path / ".acquired.ab_c12de" / "acquired" / "images"
    made.mkdir(parents=True)
    (made / "a.png").touch()
    old(tmp_path)
    (made / "a.png").touch()
    assert temporaries.sweep(tmp_path) == []
    old(tmp_path)
    assert temporaries.sweep(tmp_path) == [tmp_path / ".acquired.ab_c12de"]


def test_what_is_another_s_stays(tmp_path: Path) -> None:
    """However old: other names, other content, files, links, and the target itself."""
    for folder in (
        ".acquired.settings/mine",  # the name fits, its content does not
        ".acquired.ABCDEFGH/acquired",
        ".acquired.abcdefghi/acquired",
        "acquired.abcdefgh/acquired",
        "elsewhere/kept",
    ):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / ".acquired.ab_c12de").write_text("a file")
    (tmp_path / ".acquired.ab_c12df").symlink_to(tmp_path / "elsewhere")
    (tmp_path / ".acquired.both0000" / "acquired").mkdir(parents=True)
    (tmp_path / ".acquired.both0000" / "notes.txt").touch()
    (tmp_path / ".acquired.both0000" / "acquired.lock").touch()
    before = sorted(tmp_path.rglob("*"))
    old(tmp_path)
    assert temporaries.sweep(tmp_path) == []
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_is_looked_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand files written into one folder cost one look at it."""
    seen = []
    monkeypatch.setattr(temporaries, "sweep", seen.append)
    for number in range(1000):
        files.write_text(tmp_path / f"{number}.txt", "")
    assert seen == [tmp_path]


def test_a_sweep_between_folder_and_lock_costs_another_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes a holder whose lock a sweep took first makes another."""
    hold, given = temporaries._hold, iter([False])
    monkeypatch.setattr(temporaries, "_hold", lambda lock: next(given, None) is None and hold(lock))
    files.write_text(tmp_path / "a.txt", "whole")
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_where_locks_are_unknown_nothing_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without locks nobody can tell whether a process lives: files are written, and holders stay."""
    end(making(tmp_path / "acquired", "file"))

    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(temporaries.fcntl, "flock", refuse)
    files.write_text(tmp_path / "acquired", "whole")
    assert len(list(tmp_path.iterdir())) == 2
