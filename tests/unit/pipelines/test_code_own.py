"""What an environment or an installed package put into a project is not its code, and all else there is."""

import csv
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import Mock

import pytest

from pipelines.record import code_state, git_command, provenance
from tests.unit.pipelines.code_project import commit, project, write

__all__ = ["project"]  # a fixture


def _load(patch: pytest.MonkeyPatch, file: Path, name: str = "loaded_one") -> None:
    module = ModuleType(name)
    module.__file__ = str(file)
    patch.setitem(sys.modules, name, module)


def _install(folder: Path, *files: str) -> None:
    """Put files into a folder as pip does, with the note that it leaves."""
    for file in files:
        write(folder / file)
    listed = [f'"{file}"' if "," in file else file for file in files]
    write(folder / "six-1.0.dist-info/RECORD", "".join(f"{file},sha256=x,1\r\n" for file in [*listed, "../../bin/six"]))


@pytest.mark.parametrize("way", ["by its name", "as a part", "loaded", "loaded late"])
@pytest.mark.parametrize("edited", ["helper.py", "deep/helper.py", "six/helper.py", "vendored.py", None])
def test_a_module_beside_what_was_installed_is_the_projects_own(
    project: Path, monkeypatch: pytest.MonkeyPatch, way: str, edited: str | None
) -> None:
    """An edit of it is told, of a committed one that a package brings as well; what else packages brought is not."""
    for name in ("helper.py", "deep/helper.py", "six/helper.py", "vendored.py"):
        write(project / "lib" / name)
    imports = {"by its name": "import helper, deep, six.helper, vendored", "as a part": "from lib import helper"}
    write(project / "stages/acquire.py", imports.get(way, ""))
    commit(project)
    _install(project / "lib", "six/__init__.py", "six/moves.py", "odd,name.py", "vendored.py", "__pycache__/six.pyc")
    if way == "by its name":
        monkeypatch.syspath_prepend(str(project / "lib"))
    before = provenance.tags(project), code_state.loaded(project)
    assert before[0]["rawline.dirty"] == "false"
    if edited:
        write(project / "lib" / edited, "1")
    if way.startswith("loaded"):
        for name in ("six/__init__.py", "odd,name.py", *filter(None, [edited])):
            _load(monkeypatch, project / "lib" / name, name)
    found = provenance.late(project, *before) if way == "loaded late" else provenance.tags(project)
    told = ("true", f"lib/{edited} differs") if edited else ("false", None)
    assert (found.get("rawline.dirty", "false"), found.get("rawline.changes")) == told


@pytest.mark.parametrize("name", ["new.py", "six/new.py", "deep/new.py"])
def test_a_module_that_neither_commit_nor_package_holds_counts(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Also within a package's folder, and where an installed one of its name stands before it on Python's path."""
    write(project / "stages/acquire.py", "import new, six.new, deep.new\n")
    commit(project)
    _install(project / "lib", "six/moves.py")
    monkeypatch.setattr(sys, "path", [str(project / "lib"), str(project / "src"), *sys.path])
    assert provenance.tags(project)["rawline.dirty"] == "false"
    write(project / "lib" / name)
    assert provenance.tags(project)["rawline.changes"] == f"lib/{name} is not in the commit"
    (project / "lib" / name).unlink()
    write(project / "src" / name)
    assert provenance.tags(project)["rawline.changes"] == f"src/{name} is not in the commit"


@pytest.mark.parametrize("folder", [".venv/lib/site-packages", "env/lib", ".dvc/tmp", "layer/site-packages"])
def test_a_committed_module_is_the_projects_own_wherever_it_lies(
    project: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """In an environment, in what DVC keeps and where packages are installed; its neighbour there is not."""
    monkeypatch.setattr(sys, "prefix", str(project / "env"))
    write(project / folder / "mine.py")
    commit(project)
    write(project / folder / "other.py")
    for name in ("mine", "other"):
        _load(monkeypatch, project / folder / f"{name}.py", name)
    assert provenance.tags(project)["rawline.dirty"] == "false"
    write(project / folder / "mine.py", "1")
    assert provenance.tags(project)["rawline.changes"] == f"{folder}/mine.py differs"
    write(project / folder / "mine.py")
    write(project / "stages/acquire.py", "import mine, other\n")
    commit(project)
    monkeypatch.delitem(sys.modules, "mine")
    monkeypatch.syspath_prepend(str(project / folder))
    write(project / folder / "mine.py", "1")
    assert provenance.tags(project)["rawline.changes"] == f"{folder}/mine.py differs"


@pytest.mark.parametrize("place", [".venv/lib/site-packages", "../outside", "lib"])
@pytest.mark.parametrize(
    ("link", "way"),
    [("mypkg", "Python's path"), *((link, way) for link in ("mypkg", "mypkg/deep.py") for way in ("loaded", "loaded late"))],
)
def test_a_link_from_an_environment_leads_to_the_projects_own(
    project: Path, monkeypatch: pytest.MonkeyPatch, place: str, link: str, way: str
) -> None:
    """A linked folder, as ``flit install --symlink`` makes it, and a linked file; the environment's own files stay out."""
    for name in ("__init__.py", "deep.py"):
        write(project / "src/mypkg" / name)
    write(project / ".gitignore", "/lib\n")
    write(project / "stages/acquire.py", "import mypkg\n")
    commit(project)
    _install(project / place, "six.py", "mypkg/deep.py")
    (project / place / "mypkg/deep.py").unlink()
    if link == "mypkg":
        (project / place / "mypkg").rmdir()
    (project / place / link).symlink_to(project / "src" / link)
    if way == "Python's path":
        monkeypatch.syspath_prepend(str(project / place))
    before = provenance.tags(project), code_state.loaded(project)
    write(project / "src/mypkg/deep.py", "1")
    if way != "Python's path":
        _load(monkeypatch, project / place / "mypkg/deep.py")
        _load(monkeypatch, project / place / "six.py", "six_of_it")
    found = provenance.late(project, *before) if way == "loaded late" else provenance.tags(project)
    assert found["rawline.dirty"] == "true"
    assert "src/mypkg/deep.py differs" in found["rawline.changes"]
    assert "six" not in found["rawline.changes"]


def test_an_environment_in_a_project_that_is_reached_through_a_link_is_not_its_own(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by the path through the link nor by where it leads."""
    link = project.parent / "link"
    link.symlink_to(project)
    write(project / "env/lib/os_of_it.py")
    for prefix in (link, project):
        monkeypatch.setattr(sys, "prefix", str(prefix / "env"))
        for root in (link, project):
            _load(monkeypatch, root / "env/lib/os_of_it.py")
            assert [code_state.loaded(place) for place in (link, project)] == [{}, {}]


def test_the_notes_of_packages_are_read_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a package with thousands of files, however many of them are loaded: each start of a stage asks."""
    files = [f"big/part_{number % 50}/module_{number}.py" for number in range(5_000)]
    write(project / "lib/big-1.0.dist-info/RECORD", "".join(f"{file},sha256=x,1\n" for file in files))
    for file in files:
        _load(monkeypatch, project / "lib" / file, file)
    read, asked = Mock(wraps=csv.reader), Mock(wraps=git_command.run)
    monkeypatch.setattr(csv, "reader", read)
    monkeypatch.setattr(git_command, "run", asked)
    assert code_state.loaded(project) == {}
    assert (read.call_count, asked.call_count) == (1, 1)


def test_where_git_does_not_say_what_is_committed_all_counts_as_loaded_late(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage starts all the same; at its end nothing passes unseen."""
    _install(project / "lib", "six.py")
    _load(monkeypatch, project / "lib/six.py")
    _load(monkeypatch, project / "stages/acquire.py", "stages.acquire")
    before = provenance.tags(project)
    assert {*code_state.loaded(project)} == {"stages/acquire.py"}
    monkeypatch.setattr(git_command, "ELSEWHERE", ())
    monkeypatch.setenv("GIT_DIR", str(project / "none"))
    assert code_state.loaded(project) == {}
    assert provenance.late(project, before, {})["rawline.dirty"] == "unknown"
