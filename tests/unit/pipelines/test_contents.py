"""Stamps and listings count the files that DVC counts."""

import subprocess
import sys
from pathlib import Path

import pytest
from dvc.fs import localfs
from dvc.repo import Repo

from pipelines.record import contents

RULES = {"none": "# remarks alone\n", "some": ".DS_Store\n*.tmp\n!kept.tmp\nraw/drafts/\n"}
PASSED = ("raw/.git", "raw/one/.hg/store", "raw/other/.dvc/config", "raw/other/7.png")
IGNORED = ("raw/.DS_Store", "raw/one/.DS_Store", "raw/one/half.tmp", "raw/drafts/3.png")
COUNTED = ("raw/1.png", "raw/one/2.png", "raw/one/kept.tmp", "raw/.hidden")


@pytest.fixture(params=RULES)
def rules(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a DVC project with a folder of data in which DVC counts some files only."""
    monkeypatch.chdir(tmp_path)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], check=True)
    Path(".dvcignore").write_text(RULES[request.param])
    for name in (*PASSED, *IGNORED, *COUNTED):
        _write(name)
    return str(request.param)


def _write(name: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(name)


def test_dvc_counts_the_same_files(rules: str) -> None:
    """DVC's own walk is the witness."""
    with Repo() as repo:
        found = repo.dvcignore.find(localfs, f"{Path.cwd()}/raw")
        theirs = {Path(file).relative_to(Path.cwd()).as_posix() for file in found}
    ours = {file.as_posix() for file in contents._files(Path("raw"))}
    assert ours == theirs == {*COUNTED, *(IGNORED if rules == "none" else ())}


def test_what_dvc_ignores_changes_nothing(rules: str) -> None:
    """Another file, or another content, is an edit only where DVC counts it."""
    before = contents.stamp(Path("raw")), contents.listing(Path("raw"))
    _write("raw/two/.DS_Store" if rules == "some" else "raw/.hg/log")
    Path("raw/.git").write_text("another")
    assert (contents.stamp(Path("raw")), contents.listing(Path("raw"))) == before
    _write("raw/two/4.png")
    now = contents.stamp(Path("raw")), contents.listing(Path("raw"))
    assert now[0] != before[0]
    assert now[1] != before[1]
