"""A screen hides a secret whose name and value come one by one, shows a line when it is due, and loses nothing."""

import io
import itertools
import json
import pprint
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO, cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipelines import screens
from pipelines.redaction import redact
from tests.pipeline import toy

SECRET = "Zx9qKf3Lm8"  # noqa: S105 - it is nobody's


def _screen(**options: Any) -> tuple[screens.Screen, io.BytesIO]:
    below = io.BytesIO()
    return screens.Screen(io.TextIOWrapper(below, "utf-8", newline="", **options)), below


def _printed(*words: str, **options: Any) -> Callable[[TextIO], None]:
    return lambda out: print(*words, file=out, **options)


def _bytewise(out: TextIO) -> None:
    for part in (b"password=", SECRET.encode(), b"\n"):
        out.buffer.write(part)


PARTS: dict[str, Callable[[TextIO], None]] = {
    "words": _printed("password:", SECRET),
    "a sign between": _printed("password", SECRET, sep="="),
    "an option": _printed("--password", SECRET),
    "json": lambda out: json.dump({"a": 1, "password": SECRET}, out),
    "yaml": lambda out: yaml.safe_dump({"a": 1, "password": SECRET}, out),
    "pprint": lambda out: pprint.PrettyPrinter(stream=out).pprint({"password": SECRET, "x": "y" * 100}),
    "bytes": _bytewise,
    "lines": lambda out: out.writelines(["password=", SECRET, "\n"]),
    "colours": lambda out: Console(file=out, force_terminal=True).print({"password": SECRET}, style="bold"),
    "a bar": lambda out: out.writelines(["\r\x1b[2K", "password", ": ", SECRET, "\n"]),
    "as grep colours": _printed(f"\x1b[01;31m\x1b[Kpassword\x1b[m\x1b[K: {SECRET}"),
    "another charset": _printed(f"password:\x1b(B\x1b[m {SECRET}"),
    "a link": _printed(f"password:\x1b]8;;http://x\x1b\\ {SECRET}"),
    "a block": _printed(f"passwords:\n  - a1b2c3d4\n  - {SECRET}"),
    "an address": lambda out: out.writelines(["http://", "me", ":", SECRET, "@host\n"]),
}


@pytest.mark.parametrize("options", [{}, {"line_buffering": True}, {"write_through": True}])
@pytest.mark.parametrize("parts", PARTS)
def test_what_is_written_in_parts_is_hidden_as_a_whole(parts: str, options: dict[str, bool]) -> None:
    """Whoever writes it: print, json, yaml, pprint, bytes."""
    screen, below = _screen(**options)
    PARTS[parts](cast("TextIO", screen))
    screen.flush()
    assert SECRET.encode() not in below.getvalue()
    assert b"***" in below.getvalue()


LINES = [
    f"password: {SECRET}",
    f"x=1 --password {SECRET} there",
    f"http://me:{SECRET}@host/x",
    f"token={SECRET}, a",
    "no secret",
]
CUTS = st.lists(st.integers(0, 60), max_size=8)


@given(st.lists(st.sampled_from(LINES), min_size=1, max_size=4), CUTS, st.sampled_from(["\n", "\r\n", "\r"]))
def test_lines_are_hidden_wherever_they_are_cut(lines: list[str], cuts: list[int], end: str) -> None:
    """Each line is shown as by itself, as text and as bytes."""
    text = "".join(line + end for line in lines)
    places = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    parts = [text[a:b] for a, b in itertools.pairwise(places)]
    for bytewise in (False, True):
        screen, below = _screen()
        for part in parts:
            screen.buffer.write(part.encode()) if bytewise else screen.write(part)
        screen.flush()
        assert below.getvalue().decode() == "".join(redact(line) + end for line in lines)


@given(
    st.lists(
        st.sampled_from(["a ", "b:", "\x1b[1m", "\x1b[2K", "\n", "\r", "\r\n", "é", "no word", "."]) | st.none(), max_size=30
    )
)
def test_nothing_is_lost_and_all_is_shown_at_a_flush(parts: list[str | None]) -> None:
    """None is a flush; text and bytes keep their order."""
    screen, below = _screen()
    said = b""
    for number, part in enumerate(parts):
        if part is None:
            screen.flush()
            assert below.getvalue() == said
        elif number % 5 == 4:
            screen.flush()
            screen.buffer.write(part.encode())
        else:
            screen.write(part)
        said += (part or "").encode()
    screen.close()
    assert below.closed


@pytest.mark.parametrize("first", ["password: ", "password=", "--password ", "http://me:", f"token={SECRET[:3]}"])
def test_what_follows_a_flush_is_hidden_by_what_was_shown(first: str) -> None:
    """A prompt, and a line of which a part was due: the value is still the name's; nothing of the rest is lost."""
    screen, below = _screen()
    screen.write(first)
    screen.flush()
    assert below.getvalue().decode() == first
    screen.write(f"{SECRET}@host there\n" if "http" in first else f"{SECRET}\n")
    screen.write("and on\n")
    screen.flush()
    assert SECRET.encode() not in below.getvalue()
    assert below.getvalue().endswith(b"***@host there\nand on\n" if "http" in first else b"***\nand on\n")


@pytest.mark.parametrize("first", ["password=", "password: ", "--password ", "x=1 --password "])
def test_a_value_of_any_length_is_hidden_over_flushes(first: str) -> None:
    """Its name is remembered however long ago it was written."""
    screen, below = _screen()
    screen.write(f"{first}{'a1' * 750}")
    for _ in range(3):
        screen.flush()
        screen.write(SECRET * 60)
    screen.flush()
    screen.write(f"{SECRET}\nand on\n")
    screen.flush()
    assert SECRET[4:] not in below.getvalue().decode()
    assert below.getvalue().endswith(b"\nand on\n")
    assert len(screen._line._given) <= screens.OVERLAP


def test_what_was_hidden_at_a_flush_stays_hidden() -> None:
    """Also where the whole line reads as a sentence."""
    screen, below = _screen()
    screen.write(f"password: {SECRET}")
    screen.flush()
    screen.write(" is it\n")
    screen.flush()
    assert below.getvalue() == b"password: *** is it\n"


@given(st.lists(st.integers(0, 30), max_size=6), st.lists(st.booleans(), min_size=8, max_size=8))
def test_letters_may_be_cut_anywhere(cuts: list[int], flushes: list[bool]) -> None:
    """A secret of the environment is hidden where no flush cuts it, and no byte is lost, whether it is text or none."""
    for secret, word in ((True, "pässwörtZ9"), (False, "ä€😀"), (False, "")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DB_PASSWORD", "pässwörtZ9")
            raw = f"a {word} b\n".encode() if word else b"\xc3 \xe2\x82 \xf0\x9f\x98a\xc3\xa4\n\xe2"
            places = [0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]
            screen, below = _screen()
            for number, (start, end) in enumerate(itertools.pairwise(places)):
                screen.buffer.write(raw[start:end])
                if flushes[number] and not secret:
                    screen.buffer.flush()
                    assert below.getvalue() == raw[:end]
            screen.flush()
            assert below.getvalue() == (b"a *** b\n" if secret else raw)


def test_progress_shows_at_once_where_it_did() -> None:
    """A carriage return in a terminal, or unbuffered, a flush anywhere, and lines as they end."""
    screen, below = _screen(line_buffering=True)
    screen.write("\r10 %")
    assert below.getvalue() == b"\r10 %"
    screen.write("\r20 %")
    assert below.getvalue() == b"\r10 %\r20 %"
    screen.write("\na line\n")
    assert below.getvalue().endswith(b"\na line\n")
    screen, below = _screen(write_through=True)
    screen.write("\r30 %")
    assert below.getvalue() == b"\r30 %"
    screen, below = _screen()
    for _ in range(3):
        screen.write(".")
        screen.flush()
    assert below.getvalue() == b"..."


def test_a_line_without_an_end_takes_no_memory_without_an_end() -> None:
    """It passes in pieces that are cut between words, so that a secret in it is hidden and nothing else is lost."""
    screen, below = _screen()
    words = [f"word{number} token={SECRET}{number} " if number % 7 == 0 else f"{number} " for number in range(40_000)]
    for word in words:
        screen.write(word)
        assert len(screen._line._kept) <= screens.LONGEST + len(word)
    screen.write("x" * 3 * screens.LONGEST)
    assert len(screen._line._kept) <= screens.LONGEST
    screen.write("\n")
    screen.flush()
    assert below.getvalue().decode() == "".join(redact(word) for word in words) + "x" * 3 * screens.LONGEST + "\n"


def test_threads_lose_no_line() -> None:
    """Those that print at once; the parts of a line may mix, as ever."""
    screen, below = _screen()
    tasks = [threading.Thread(target=lambda: [screen.write("a line\n") for _ in range(500)]) for _ in range(4)]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join()
    screen.flush()
    assert below.getvalue() == b"a line\n" * 2000


def test_a_screen_that_is_let_go_gives_what_it_has() -> None:
    """As a stream does."""
    below = io.StringIO()
    screens.Screen(below).write("the rest")
    assert below.getvalue() == "the rest"


ENDS = {
    "an end": "",
    "an exit": "sys.exit(3)",
    "an exception": "raise ValueError",
    "a kill": "sys.stdout.flush(); os.kill(os.getpid(), signal.SIGKILL)",
    "an end at once": "sys.stdout.flush(); os._exit(0)",
    "a child": "p = get_context('fork').Process(target=sys.stdout.write, args=(' child',)); p.start(); p.join()",
    "bytes": "sys.stdout.flush(); sys.stdout.buffer.write(b' and bytes')",
    "a question": "input(' so? ')",
}


@pytest.mark.parametrize("end", ENDS)
def test_an_unfinished_line_outlives_its_process(end: str) -> None:
    """Its end, an exception, a kill after a flush, a forked child's own; a question is asked before its answer is read."""
    code = f"""
import os, signal, sys
from multiprocessing import get_context
from pipelines import screens
screens.guard_screen()
sys.stdout.write('the rest')
{ENDS[end]}
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=toy.HOME, input="yes\n", capture_output=True, text=True, check=False
    )
    more = {"a child": " child", "bytes": " and bytes", "a question": " so? "}.get(end, "")
    assert done.stdout == f"the rest{more}"
    expected = {"an exit": 3, "an exception": 1, "a kill": -signal.SIGKILL}
    assert done.returncode == expected.get(end, 0)
    assert done.stderr.endswith("\nValueError\n") if end == "an exception" else done.stderr == ""


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_command_does_its_work_without_a_stream(closed: str, tmp_path: Any) -> None:
    """What would be printed there goes nowhere, also from what it starts; the other stream and the status are the same."""
    (tmp_path / "params.yaml").write_text("tasks: {classify: {}, detect: {}}\n")

    def told(how: str) -> tuple[str, str, int]:
        done = toy.Project(tmp_path, {"PYTHONPATH": str(toy.HOME)}).run(
            "sh", "-c", f'"$0" -m pipelines summary {how}', sys.executable
        )
        return done.stdout, done.stderr, done.returncode

    out, err, status = told("")
    assert out
    assert told(closed) == ("" if " >&-" in f" {closed}" else out, "" if "2>&-" in closed else err, status)
    code = """
import subprocess, sys
from pipelines import screens
screens.guard_screen()
print(1, sys.stdout.isatty(), flush=True)
sys.exit(subprocess.run(['sh', '-c', 'echo 1 && echo 2 >&2'], stdin=subprocess.DEVNULL).returncode)
"""
    started = ["sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, code]
    assert subprocess.run(started, cwd=toy.HOME, check=False).returncode == 0


ENDING = """
import sys, threading, time
from pipelines.screens import guard_screen
guard_screen()
def talk():
    while True:
        print("step", 1, "of a loop that says what it does and loss=0.5" * 8)
threading.Thread(target=talk, daemon=True).start()
time.sleep(0.05)
"""


def test_a_process_ends_while_a_thread_of_it_prints() -> None:
    """A thread that holds the line when Python ends never runs again: nobody waits for it."""
    for _ in range(12):
        done = subprocess.run(
            [sys.executable, "-c", ENDING], cwd=toy.HOME, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60,
            check=False,
        )  # fmt: skip
        assert done.returncode in {0, -signal.SIGABRT}, (
            done.stderr
        )  # Python itself gives up where the thread holds its buffer
