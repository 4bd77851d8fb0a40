"""A module beside the project's packages counts as code however it is imported, and whenever."""

import os
import sys
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from pipelines.__main__ import SourceOnly
from pipelines.record import code_state, provenance
from tests.unit.pipelines.code_project import commit, project, write

__all__ = ["project"]  # a fixture

MISSING = "helpers.py is not in the commit"
WAYS = {
    "if": "if True: import helpers",
    "two statements": "import json; import helpers",
    "several names": "import os, json as j, helpers",
    "a continued line": "import os, \\\n        helpers",
    "a list in brackets": "from helpers.deep import (\n        x,\n    )",
    "import_module": 'importlib.import_module("helpers")',
    "import_module alone": 'import_module("helpers.deep", None)',
    "__import__": '__import__("helpers")',
    "no Python of today": "print 'text'; import helpers",
}
OTHERS = {
    "text": '"""import helpers"""',
    "a relative import": "from . import helpers",
    "a word": 'open_it("helpers")',
    "a part of a name": "import json.helpers, helpers_of_another",
}


@pytest.mark.parametrize(
    ("line", "dirty"), [*((line, "true") for line in WAYS.values()), *((line, "false") for line in OTHERS.values())]
)
def test_an_import_inside_a_function_is_found_in_every_form(project: Path, line: str, dirty: str) -> None:
    """The module is not in the commit: what imports it is dirty, what only resembles an import is not."""
    write(project / "stages/acquire.py", f"def run():\n    {line}\n")
    commit(project)
    write(project / "helpers.py")
    found = provenance.tags(project)
    assert (found["rawline.dirty"], found.get("rawline.changes")) == (dirty, MISSING if dirty == "true" else None)


@pytest.mark.parametrize(
    ("name", "dirty"),
    [
        ("helpers", "true"), ("stages/late_one", "true"), ("src/mypkg/deep", "true"), ("committed", None),
        (".venv/elsewhere", None), ("env/lib/site-packages/installed", None), ("env/lib/own", None),
    ],
)  # fmt: skip
def test_a_module_that_is_loaded_late_counts_at_the_end(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str, dirty: str | None
) -> None:
    """No source names it: what was loaded by the end of the run is held against the commit."""
    write(project / "committed.py")
    commit(project)
    write(project / ".venv/pyvenv.cfg")
    monkeypatch.setattr(sys, "prefix", str(project / "env"))
    before, loaded = provenance.tags(project), code_state.loaded(project)
    assert (before["rawline.dirty"], provenance.late(project, before, loaded)) == ("false", {})
    write(project / f"{name}.py")
    module = ModuleType(name.removeprefix(".venv/").replace("/", "."))
    module.__file__ = str(project / f"{name}.py")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    changes = f"{name}.py is not in the commit" if dirty else None
    found = provenance.late(project, before, loaded)
    assert (found.get("rawline.dirty"), found.get("rawline.changes")) == (dirty, changes)
    known = {**before, "rawline.dirty": "true", "rawline.changes": "stages/a.py differs"}
    told = f"{changes}; stages/a.py differs" if dirty else None
    assert provenance.late(project, known, loaded).get("rawline.changes") == told
    names = [f"stages/{number}.py differs" for number in range(12)]
    known["rawline.changes"] = "; ".join([*names, "and 4 more"])
    told = "; ".join([str(changes), *names[:-1], "and 5 more"]) if dirty else None
    assert provenance.late(project, known, loaded).get("rawline.changes") == told


LATE_AT_END: dict[str, tuple[str, str | None, str | None]] = {  # source when it was loaded, at the end, what is said
    "as committed": ("A = 1\n", "A = 1\n", None),
    "edited after it was loaded": ("A = 1\n", "A = 2\n", None),
    "removed after it was loaded": ("A = 1\n", None, None),
    "put back after it was loaded": ("A = 2\n", "A = 1\n", "differs"),
    "edited, and removed": ("A = 2\n", None, "differs"),
    "edited, and edited again": ("A = 2\n", "A = 3\n", "differs"),
}


@pytest.mark.parametrize("case", LATE_AT_END)
@pytest.mark.parametrize("name", ["committed", "new"])
def test_a_module_that_is_loaded_late_counts_as_it_was_compiled(
    project: Path, monkeypatch: pytest.MonkeyPatch, case: str, name: str
) -> None:
    """What ran decides, not what its file holds when the run ends; one that the commit lacks is named in any case."""
    ran, at_end, told = LATE_AT_END[case]
    write(project / "stages/committed.py", "A = 1\n")
    commit(project)
    before, loaded = provenance.tags(project), code_state.loaded(project)
    file = project / f"stages/{name}.py"
    write(file, ran)
    loader = SourceOnly(f"stages.{name}", str(file))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    monkeypatch.setitem(sys.modules, loader.name, module)
    if at_end is None:
        file.unlink()
    else:
        write(file, at_end)
    found = provenance.late(project, before, loaded)
    lacks = "has run and is gone" if at_end is None else "is not in the commit"
    told = told if name == "committed" else lacks
    expected = {"rawline.dirty": "true", "rawline.changes": f"stages/{name}.py {told}"} if told else {}
    assert found == expected


@pytest.mark.parametrize("way", ["Python's path", "a path with dots", "a path through a link", "a loaded module"])
def test_a_package_below_a_folder_of_the_project_counts(project: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Its edit is seen at the start: where Python's path leads to it, and where an editable install has loaded it."""
    for name in ("mypkg/__init__.py", "mypkg/deep.py", "unused.py"):
        write(project / "src" / name)
    write(project / "stages/acquire.py", "import mypkg\n")
    commit(project)
    (project.parent / "link").symlink_to(project)
    paths = {"Python's path": "src", "a path with dots": "stages/../src", "a path through a link": "../link/src"}
    if way in paths:
        monkeypatch.syspath_prepend(os.path.join(project, paths[way]))  # noqa: PTH118 - as the idiom has it
    else:
        module = ModuleType("mypkg.deep")
        module.__file__ = str(project / "src/mypkg/deep.py")
        monkeypatch.setitem(sys.modules, "mypkg.deep", module)
    write(project / "src/unused.py", "1")
    assert provenance.tags(project)["rawline.dirty"] == "false"
    write(project / "src/mypkg/deep.py", "1")
    found = provenance.tags(project)
    assert (found["rawline.dirty"], found["rawline.changes"]) == ("true", "src/mypkg/deep.py differs")


def test_what_was_installed_into_a_folder_of_the_project_is_no_code_of_its_own(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with ``pip install --target``, whose note lists what it installs; a module that none lists counts."""
    write(project / "stages/acquire.py", "import installed_one\n")
    commit(project)
    write(project / "deps/installed_one.py")
    monkeypatch.syspath_prepend(str(project / "deps"))
    assert provenance.tags(project)["rawline.dirty"] == "true"
    for name, listed, dirty in (
        ("METADATA", "installed_one.py,,", "true"), ("RECORD", "installed_one/__init__.py,,\n../installed_one.py,,", "true"),
        ("RECORD", '/installed_one.py,,\n\n"', "true"), ("RECORD", "./installed_one.py,,", "false"),
    ):  # fmt: skip
        write(project / "deps/installed_one-1.0.dist-info" / name, listed)
        assert provenance.tags(project)["rawline.dirty"] == dirty


def test_a_folder_that_is_no_package_hides_no_module(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python takes the module of its name, wherever it comes on its path."""
    write(project / "stages/acquire.py", "import utils\n")
    for name in ("utils/words.py", "src/utils.py"):
        write(project / name)
    commit(project)
    monkeypatch.setattr(sys, "path", [*sys.path, str(project / "src")])
    write(project / "src/utils.py", "1")
    assert provenance.tags(project)["rawline.changes"] == "src/utils.py differs"
