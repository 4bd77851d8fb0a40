"""Every command that README.md names, run in a fresh clone on tiny data: it succeeds and says no word too much."""

import base64
import re
import signal
import urllib.request

import pytest

from tests.pipeline import fresh_clone
from tests.pipeline.chain_project import HOME
from tests.pipeline.fresh_clone import Clone, left_of

pytestmark = pytest.mark.long
README = (HOME / "README.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"(?:\.venv/bin/)?(?:make|dvc|rawline|source) .+")
INLINE = re.compile(r"`([^`\n]+)`")
NOISE = re.compile(r"Traceback|^\w*(?:Error|Warning)\b", re.MULTILINE)
# What is not run as it stands, and where it is.
APART = {
    "make test": "it runs this test",
    "make ui": "test_make_ui_shows_both_pages_until_ctrl_c",
    'rawline serve --cron "0 2 * * *"': "test_serve_says_when_it_strikes_and_ends_on_ctrl_c",
    "rawline params use params/blood.yaml": "test_long_own_data.py",
}


def commands(text: str) -> list[str]:
    """Return every command in a page, from blocks without a language and from words between backquotes, each once."""
    found, fence = [], None
    for line in text.splitlines():
        if line.strip().startswith("```"):
            fence = None if fence is not None else line.strip()[3:]
        elif fence is None:
            found += INLINE.findall(line)
        elif not fence:
            found.append(line.partition(" #")[0].strip())
    return list(dict.fromkeys(word for word in found if COMMAND.fullmatch(word)))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Give a fresh clone in which ``make repro`` has run, the first command of the README."""
    base = tmp_path_factory.mktemp("readme")
    made = fresh_clone.clone(fresh_clone.origin(base / "origin", ("detect",)).root, base / "project")
    done = made.run("make", "repro")
    assert done.returncode == 0, done.stdout
    assert "scenes-detect version 1" in done.stdout, done.stdout
    assert not NOISE.search(done.stdout), done.stdout
    made.commit("the first run")
    return made


def test_every_command_of_the_page_is_known() -> None:
    """The page names what this file thinks it does: no command is lost to another way of writing, none is left over."""
    found = commands(README)
    assert {"make repro", "dvc repro", "rawline flow", "rawline sync", "dvc dag", *APART} <= set(found)
    assert len(found) >= 20


@pytest.mark.parametrize("command", [command for command in commands(README) if command not in APART])
def test_a_command_does_what_the_page_says(command: str, clone: Clone) -> None:
    """It ends with success, without a traceback and without a library's warning."""
    picture = next((clone.root / "data/preprocessed").rglob("*.png"))
    done = clone.run("bash", "-c", command.replace("PICTURE", str(picture)))
    assert done.returncode == 0, done.stdout
    assert not NOISE.search(done.stdout), done.stdout
    if "--draw out/" in command:
        assert list((clone.root / "out").glob("*.png")), done.stdout


def test_all_is_up_to_date_after_the_first_run(clone: Clone) -> None:
    """The second ``make repro`` says so and runs nothing."""
    clone.git("checkout", "-q", "params.yaml", "dvc.lock")
    assert clone.run("dvc", "checkout").returncode == 0
    done = clone.run("make", "repro")
    assert done.returncode == 0, done.stdout
    assert "up to date" in done.stdout
    assert "Running stage" not in done.stdout


def test_make_ui_shows_both_pages_until_ctrl_c(clone: Clone) -> None:
    """MLflow's and Prefect's pages answer each to the login printed below it; Ctrl-C ends them and everything behind."""
    running = clone.start("make", "ui")
    try:
        running.wait_for(lambda: "Ctrl-C" in running.output)
        pages = dict(re.findall(r"^(MLflow|Prefect) +(http://\S+)", running.output, re.MULTILINE))
        assert set(pages) == {"MLflow", "Prefect"}, running.output
        logins = re.findall(r"^ +login (\S+)", running.output, re.MULTILINE)
        assert len(set(logins)) == 2, running.output
        for (name, page), login in zip(pages.items(), logins, strict=True):
            headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
            asked = urllib.request.Request(page, headers=headers)  # noqa: S310 - loopback
            with urllib.request.urlopen(asked, timeout=120) as answer:  # noqa: S310 - loopback
                assert name.lower() in answer.read().decode().lower()
        family = running.family()
        running.signal(signal.SIGINT)
        running.wait(600)
    finally:
        running.kill()
    assert "Stopped." in running.output
    assert not NOISE.search(running.output), running.output
    assert not left_of(family)


def test_serve_says_when_it_strikes_and_ends_on_ctrl_c(clone: Clone) -> None:
    """The nightly run of the table is planned for two o'clock; Ctrl-C leaves no process."""
    running = clone.start("rawline", "serve", "--cron", "0 2 * * *")
    try:
        running.wait_for(lambda: "Next run" in running.output)
        assert re.search(r"Next run +\d{4}-\d\d-\d\d 02:00", running.output), running.output
        family = running.family()
        running.signal(signal.SIGINT)
        assert running.wait(600) == 0, running.output
    finally:
        running.kill()
    assert "Stopped" in running.output
    assert not NOISE.search(running.output), running.output
    assert not left_of(family)


def test_the_pictures_of_the_page_are_there() -> None:
    """No link of the page leads to a file that is not in the repository."""
    links = re.findall(r"\]\(((?!http)[^)#]+)\)", README)
    assert len(links) > 10
    assert not [link for link in links if not (HOME / link).exists()]
