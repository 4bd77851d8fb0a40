"""Code that ran and left no module behind is held against the commit, too."""

import compileall
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.unit.pipelines.code_project import commit, git, write

HOME = Path(__file__).parents[3]
LOOK = f"""
import sys
sys.path.insert(0, '')
sys.path.append({str(HOME)!r})
from pathlib import Path
from pipelines.record import code_state, executed
executed.watch()
import stages.acquire
state = code_state.read(Path.cwd())
print(state.dirty, *state.changes)
late = code_state.late(Path.cwd(), state.commit, {{}})
print(late.dirty, *late.changes)
"""
BY_PATH = """
import importlib.util
spec = importlib.util.spec_from_file_location("own", "tools/own.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
"""
CALLS = {
    "by its path": ("tools/own.py", BY_PATH),
    "run_path": ("tools/own.py", "import runpy; runpy.run_path('tools/own.py')"),
    "compiled": ("tools/own.py", "exec(compile(open('tools/own.py').read(), 'tools/own.py', 'exec'))"),
    "from a folder that was the current one": (
        "tools/own.py",
        "import contextlib, runpy\nwith contextlib.chdir('tools'): runpy.run_path('own.py')",
    ),
    "a name in brackets": ("tools/<own.py", BY_PATH.replace("own.py", "<own.py")),
    "a dot folder": (".plug/own.py", "import sys; sys.path.insert(0, '.plug'); import own"),
    "a dot file": ("tools/.own.py", BY_PATH.replace("own.py", ".own.py")),
    "taken out again": ("src/own.py", "import sys; sys.path.insert(0, 'src'); import own; del sys.modules['own']"),
}


def project(root: Path, code: str) -> Path:
    """Make a repository whose stage runs some code."""
    for name, text in {"stages/__init__.py": "", "stages/acquire.py": code, "dvc.yaml": "stages: {}\n"}.items():
        write(root / name, text)
    git(root, "init", "-q")
    return commit(root)


def look(root: Path, how: str = LOOK) -> list[str]:
    """Run the stage in a process of its own; return what is said of the code, and of what was loaded late."""
    done = subprocess.run(
        [sys.executable, "-c", how], cwd=root, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("way", CALLS)
def test_code_that_leaves_no_module_is_no_part_of_the_commit(way: str, tmp_path: Path) -> None:
    """By its path, by runpy, under its name, from a folder with a dot, taken out of the modules again: dirty, and named."""
    place, code = CALLS[way]
    root = project(tmp_path, code)
    (root / place).parent.mkdir(exist_ok=True)
    (root / place).write_text("X = 1\n")
    first, late = look(root)
    assert first == late == f"true {place} is not in the commit"
    git(root, "add", "-Af")
    git(root, "commit", "-qm", "y")
    assert look(root) == ["false", "false"]
    (root / place).write_text("X = 2\n")
    assert look(root) == [f"true {place} differs"] * 2


@pytest.mark.parametrize("name", ["<string>", "<made>.py", "<made>.0", "made.py", "lib/made.py"])
def test_code_that_was_made_is_no_file(name: str, tmp_path: Path) -> None:
    """As torch, attrs and dataclasses make it: its name is no path, and nothing is gone."""
    root = project(tmp_path, f"exec(compile('x = 1', {name!r}, 'exec'))")
    assert look(root) == ["false", "false"]


UNLINK = "\nfrom pathlib import Path\nPath({place!r}).unlink()"
REMAINS = {
    "gone": UNLINK,
    "a folder": UNLINK + "\nPath({place!r}).mkdir()",
}
GONE = {way: CALLS[way] for way in ("by its path", "run_path", "a dot folder", "taken out again")} | {
    "by its whole path": ("tools/own.py", "import os, runpy; runpy.run_path(os.path.abspath('tools/own.py'))"),
    "beside": ("own.py", "import own"),
    "among the stages": ("stages/own.py", "import stages.own"),
}


@pytest.mark.parametrize("remains", REMAINS)
@pytest.mark.parametrize("way", GONE)
def test_code_that_ran_and_is_gone_is_told(way: str, remains: str, tmp_path: Path) -> None:
    """Written, run and deleted while the stage is loaded or later: no commit holds it, and nobody can look at it now."""
    place, code = GONE[way]
    root = project(tmp_path, code + REMAINS[remains].format(place=place))
    (root / place).parent.mkdir(exist_ok=True)
    (root / place).write_text("X = 1\n")
    assert look(root) == [f"true {place} has run and is gone"] * 2


def test_code_that_is_gone_when_it_runs_is_told(tmp_path: Path) -> None:
    """Compiled under its relative name while it was there; a name of which no file was there is none."""
    code = "own = compile(open('own.py').read(), 'own.py', 'exec')" + UNLINK.format(place="own.py") + "\nexec(own)"
    root = project(tmp_path, code)
    (root / "own.py").write_text("X = 1\n")
    assert look(root) == ["true own.py has run and is gone"] * 2


def test_code_that_is_read_and_never_runs_is_not_told(tmp_path: Path) -> None:
    """A tree of it is made, with its name."""
    code = "import ast\nast.parse(open('own.txt').read(), 'own.txt')" + UNLINK.format(place="own.txt")
    root = project(tmp_path, code)
    (root / "own.txt").write_text("X = 1\n")
    assert look(root) == ["false", "false"]


RUN = """
def late():
    from pathlib import Path
    own = Path("own.py")
    old = own.read_text()
{before}
    own.write_text("X = 2\\n")
    {call}
    own.write_text(old)
"""
SWAPPED = {
    "imported": ("", "import own as module; assert module.X == 2"),
    "run_path": ("", "import runpy; runpy.run_path('own.py')"),
    "run_path by its whole path": ("", "import runpy; runpy.run_path(str(own.resolve()))"),
    "run again": ("    import runpy; runpy.run_path('own.py')", "runpy.run_path('own.py')"),
}
STARTED = f"""
import sys
sys.path.insert(0, '')
sys.path.append({str(HOME)!r})
from pathlib import Path
from pipelines.record import code_state, executed, provenance
executed.watch()
import stages.acquire
loaded, tags = code_state.loaded(Path.cwd()), provenance.tags(Path.cwd())
start = dict(tags)
getattr(stages.acquire, 'late', lambda: None)()
tags |= provenance.late(Path.cwd(), tags, loaded)
for one in start, tags:
    print(one['rawline.dirty'], one.get('rawline.changes', ''))
"""


@pytest.mark.parametrize("way", SWAPPED)
@pytest.mark.parametrize("late", [False, True])
def test_code_counts_as_it_was_compiled(way: str, late: bool, tmp_path: Path) -> None:
    """A committed file was another one when it ran, and was put back: before the run was opened, or in it."""
    before, call = SWAPPED[way]
    code = RUN.format(before=before, call=call)
    root = project(tmp_path, code + ("" if late else "late()\ndel late\n"))
    (root / "own.py").write_text("X = 1\n")
    commit(root)
    start = "false " if late else "true own.py differs"
    assert look(root, STARTED) == [start, "true own.py differs"]


def test_code_that_ran_again_as_committed_is_clean(tmp_path: Path) -> None:
    """At the start and late, edited after that; from bytecode too, which another Python may have made otherwise."""
    call = "import runpy; runpy.run_path('own.py'); import other\n"
    root = project(tmp_path, f"{call}def late():\n    {call}    open('own.py', 'a').write('X = 2')\n")
    for name in ("own.py", "other.py"):
        (root / name).write_text('"""What optimizing takes out."""\n\nX = 1\n')
    commit(root)
    assert look(root, STARTED) == ["false "] * 2
    git(root, "checkout", ".")
    compileall.compile_dir(root, quiet=1, optimize=[0, 2])
    assert look(root, STARTED) == ["false "] * 2
    git(root, "checkout", ".")
    kept = root / "__pycache__"
    (kept / f"other.{sys.implementation.cache_tag}.pyc").write_bytes(next(kept.glob("other.*.opt-2.pyc")).read_bytes())
    assert look(root, STARTED) == ["false "] * 2


def test_a_module_in_an_archive_is_the_archive(tmp_path: Path) -> None:
    """``lib.zip`` on Python's path."""
    root = project(tmp_path, "import sys; sys.path.insert(0, 'lib.zip'); import own")
    with ZipFile(root / "lib.zip", "w") as archive:
        archive.writestr("own.py", "X = 1\n")
    assert look(root) == ["true lib.zip is not in the commit"] * 2


@pytest.mark.parametrize("folder", ["env", ".env", "tools/.conda"])
def test_an_environment_is_known_by_its_signs(folder: str, tmp_path: Path) -> None:
    """Not by its name: ``pyvenv.cfg``, or what conda keeps."""
    root = project(tmp_path, f"import sys; sys.path.insert(0, '{folder}/lib'); import own")
    (root / folder / "lib").mkdir(parents=True)
    (root / folder / "lib/own.py").write_text("X = 1\n")
    assert look(root) == [f"true {folder}/lib/own.py is not in the commit"] * 2
    if "conda" in folder:
        (root / folder / "conda-meta").mkdir()
    else:
        (root / folder / "pyvenv.cfg").touch()
    assert look(root) == ["false", "false"]
