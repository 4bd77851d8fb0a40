"""The doctor's remedy for a torn cache keeps every whole copy of a picture, and each thing that it says can be done."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import cache_examination
from pipelines.doctor import Finding

STAGES = """stages:
  thumbs:
    cmd: mkdir -p data/thumbs && cp data/raw/1.png data/thumbs/t.png && echo made > data/thumbs/own && echo ran >> ran.txt
    deps: [data/raw]
    outs: [data/thumbs]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with a user's own pictures under ``dvc add`` and a stage that has run; no remote."""
    root = tmp_path / "project"
    (root / "data/raw/one's own").mkdir(parents=True)
    monkeypatch.chdir(root)
    monkeypatch.setenv("RAWLINE_ROOT", str(root))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    for name in ("1.png", "2.png", "one's own/3.png"):
        (root / "data/raw" / name).write_text(f"picture {name}")
    _shell("dvc init --no-scm --quiet && dvc add --quiet data/raw")
    (root / "dvc.yaml").write_text(STAGES)
    _shell("dvc repro --quiet")
    return root


def _shell(line: str, status: int = 0) -> str:
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == status, (line, done.stdout, done.stderr)
    return done.stdout + done.stderr


def _object(content: str) -> Path:
    """Return the object of the cache that holds a text."""
    return next(file for file in cache_examination._objects().glob("*/*") if file.read_text() == content)


def _list_of(owner: str) -> Path:
    """Return the object that lists the files of a folder."""
    text = Path(owner).read_text(encoding="utf-8")
    return next(file for file in cache_examination._objects().glob("*/*.dir") if file.parent.name + file.name in text)


def _torn(place: Path) -> Finding:
    """Tear an object and return what the doctor says."""
    place.chmod(0o644)
    place.write_text("torn")
    (finding,) = cache_examination.cache()
    assert finding.state == "broken"
    return finding


def _files() -> dict[str, str]:
    return {str(place): place.read_text() for place in sorted(Path("data").rglob("*")) if place.is_file()}


WHERE = {
    "a picture": lambda: _object("picture 2.png"),
    "a picture that a stage copied": lambda: _object("picture 1.png"),
    "the list of pictures": lambda: _list_of("data/raw.dvc"),
    "a stage's file": lambda: _object("made\n"),
    "the list of a stage's files": lambda: _list_of("dvc.lock"),
}


@pytest.mark.parametrize("what", WHERE)
def test_the_mend_fills_the_cache_from_the_copy_that_is_whole(what: str, project: Path) -> None:
    """No file of the project changes, no stage runs again, DVC and the doctor are content; the torn bytes are kept aside."""
    place = WHERE[what]()
    before, whole = _files(), place.read_text()
    finding = _torn(place)
    _shell(finding.mend)
    assert _files() == before
    assert place.read_text() == whole
    assert [file.read_text() for file in cache_examination.AWAY.iterdir()] == ["torn"]
    assert "up to date" in _shell("dvc status")
    assert Path("ran.txt").read_text() == "ran\n"
    assert [one.state for one in cache_examination.cache()] == ["ok"]


def test_where_the_picture_was_edited_nothing_is_booked_and_both_copies_stay(project: Path) -> None:
    """The picture in the folder is another one than was booked: the mend stops, as the note says, and deletes neither."""
    place = _object("picture 2.png")
    Path("data/raw/2.png").write_text("edited")
    pointer, before = Path("data/raw.dvc").read_text(), _files()
    finding = _torn(place)
    _shell(finding.mend, status=255 if "thumbs" in finding.mend else 1)
    assert (Path("data/raw.dvc").read_text(), _files()) == (pointer, before)
    assert "answer n and delete nothing" in finding.advice
    assert [file.read_text() for file in cache_examination.AWAY.iterdir()] == ["torn"]


def test_the_note_fetches_what_only_a_remote_has(project: Path) -> None:
    """The picture is gone from its folder and torn in the cache: the command in the note brings it back."""
    _shell(f"dvc remote add --quiet -d store {project.parent / 'store'} && dvc push --quiet")
    place, before = _object("picture 2.png"), _files()
    Path("data/raw/2.png").unlink()
    finding = _torn(place)
    _shell(finding.mend, status=1)
    _shell(finding.advice.partition("delete nothing; ")[2].partition(" fetches")[0])
    assert _files() == before
    assert [one.state for one in cache_examination.cache()] == ["ok"]


def test_a_stage_makes_anew_what_is_nowhere_whole(project: Path) -> None:
    """Torn in the cache and gone from its folder, a stage's file is made again by the command that the note names."""
    before = _files()
    place = _object("made\n")
    Path("data/thumbs/own").unlink()
    finding = _torn(place)
    _shell(finding.mend, status=1)
    assert finding.advice.endswith("; rawline repro makes it anew")
    _shell("dvc repro --quiet")
    assert _files() == before
    assert place.read_text() == "made\n"


def test_what_no_output_here_names_is_only_moved_aside(project: Path) -> None:
    """An object of another commit: no output is committed for it, and the note says who has it."""
    place = cache_examination._objects() / "00" / ("1" * 30)
    place.parent.mkdir(exist_ok=True)
    place.write_text("x")
    before = _files()
    finding = _torn(place)
    assert "dvc commit" not in finding.mend
    assert "other commits" in finding.advice
    _shell(finding.mend)
    assert _files() == before
    assert [one.state for one in cache_examination.cache()] == ["ok"]


@pytest.mark.parametrize("kind", ["symlink", "hardlink", "reflink,symlink"])
def test_what_is_linked_to_the_cache_is_left_where_it_is(kind: str, project: Path) -> None:
    """The object is the only copy: to move it away would leave a link that leads nowhere."""
    _shell(f"dvc config cache.type {kind} && dvc checkout --relink --quiet")
    before = sorted(str(place) for place in project.joinpath("data").rglob("*"))
    finding = _torn(_object("picture 2.png"))
    assert finding.mend == ""
    assert "there is no second copy, so move none" in finding.advice
    assert sorted(str(place) for place in project.joinpath("data").rglob("*") if place.exists()) == before


@pytest.mark.parametrize("kind", ["symlink", "hardlink"])
def test_a_link_of_an_earlier_setting_is_seen_by_the_file_itself(kind: str, project: Path) -> None:
    """The setting is gone, and DVC leaves the links that it made under it."""
    _shell(f"dvc config cache.type {kind} && dvc checkout --relink --quiet && dvc config --unset cache.type")
    torn = _object("picture 2.png")
    assert project.joinpath("data/raw/2.png").samefile(torn)
    finding = _torn(torn)
    assert finding.mend == ""
    assert "there is no second copy, so move none" in finding.advice
    assert project.joinpath("data/raw/2.png").exists()


def test_an_object_that_something_else_is_linked_to_is_moved(project: Path) -> None:
    """A backup by hard links and links to whole objects lose nothing: the user's copy is a file of its own."""
    torn, whole = _object("picture 2.png"), _object("picture 1.png")
    (project / "backup").hardlink_to(torn)
    (project / "data/raw/1.png").unlink()
    (project / "data/raw/1.png").symlink_to(whole.absolute())
    assert "mv " in _torn(torn).mend
