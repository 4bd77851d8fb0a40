"""The code that runs is the code whose hash DVC books: that of the folder in which DVC works, or one line refuses."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pipeline import chain_project, copied_project
from tests.pipeline.copied_project import BIN, HOME, OUT, STAGE, Copy, md5, source

RAWLINE = str(BIN / "rawline")  # of the clone that the environment belongs to: another one than the copy


def holds(copy: Copy, mark: str, lock: str | None = None) -> None:
    """Code booked and output booked are those of one mark."""
    assert copy.booked(lock) == (md5(source(mark)), md5(mark))


def refusals(text: str) -> list[str]:
    """Return our lines; there must be no traceback among the others."""
    assert "Traceback" not in text
    return [line for line in text.splitlines() if line.startswith("rawline: ")]


def experiment(copy: Copy, name: str) -> str:
    """Return the dvc.lock of an experiment."""
    (ref,) = copy.git("for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{name}").split()
    return copy.git("show", f"{ref}:dvc.lock")


def code(copy: Copy) -> tuple[str, str | None]:
    """Return what the last execution says of its code; it names the commit that is checked out."""
    journal = max((copy.root / ".rawline/spool").glob("*/execution.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    tags: dict[str, str] = json.loads(journal.read_text().splitlines()[0])["tags"]
    assert tags["rawline.commit"] == copy.git("rev-parse", "HEAD").strip()
    return tags["rawline.dirty"], tags.get("rawline.changes")


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """Make a clone that has code of its own and shares an environment."""
    return copied_project.make(tmp_path / "copy")


def test_dvc_repro_runs_the_folder_s_own_code(copy: Copy) -> None:
    """As committed, and edited; the environment's own clone has another stage of that name."""
    copy.dvc("repro")
    holds(copy, "first")
    copy.mark("second")
    copy.dvc("repro")
    holds(copy, "second")
    assert (copy.root / OUT).read_text() == "second"


def test_a_second_worktree_runs_its_own_edit(copy: Copy, tmp_path: Path) -> None:
    """The worktree's hash is booked, so the worktree's code must run."""
    copy.git("worktree", "add", "-q", str(tmp_path / "tree"))
    tree = Copy(tmp_path / "tree")
    tree.mark("edited")
    tree.dvc("repro")
    holds(tree, "edited")
    copy.dvc("repro")
    holds(copy, "first")


@pytest.mark.slow
@pytest.mark.parametrize("words", [("repro",), ("stage", "acquire")])
def test_the_command_of_another_clone_runs_the_current_folder_s_code(copy: Copy, words: tuple[str, ...]) -> None:
    """Also the check of the parameters: only the copy's code knows its key."""
    copy.mark("by hand")
    copy.run(RAWLINE, *words)
    assert (copy.root / OUT).read_text() == "by hand"
    if words[0] == "repro":
        holds(copy, "by hand")


def test_parameters_are_judged_by_the_current_folder_s_code(copy: Copy) -> None:
    """Both ways: a key of the copy's is right, one that only the other clone knows is wrong."""
    (copy.root / "over.yaml").write_text("acquire: {only_here: 2}\n")
    assert "acquire.only_here: 1 -> 2" in copy.run(RAWLINE, "params", "use", "over.yaml")
    (copy.root / "over.yaml").write_text("acquire: {source: scenes}\n")
    (line,) = refusals(copy.run(RAWLINE, "params", "use", "over.yaml", status=1))
    assert "acquire.source is unknown" in line


@pytest.mark.long
def test_the_flow_runs_the_current_folder_s_code(copy: Copy, tmp_path: Path) -> None:
    """Under Prefect too, from the command of another clone."""
    copy.mark("flow")
    home = {"PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90"}
    copy.env = home
    copy.run(RAWLINE, "flow")
    holds(copy, "flow")


def test_without_activation_rawline_repro_runs(copy: Copy) -> None:
    """PATH holds neither rawline nor a fitting python."""
    copy.env = {"PATH": "/usr/bin:/bin"}
    copy.run(RAWLINE, "repro")
    holds(copy, "first")


def test_without_activation_a_bare_dvc_says_what_is_missing(copy: Copy, tmp_path: Path) -> None:
    """Whichever python comes first on PATH names itself and the remedy; nothing is booked."""
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')  # as one without our packages
    python.chmod(0o755)
    copy.env = {"PATH": f"{python.parent}:/usr/bin:/bin"}
    (line,) = refusals(copy.dvc("repro", status=None))
    assert "lacks click, pydantic" in line
    assert ".venv/bin/rawline repro" in line
    assert not (copy.root / "dvc.lock").exists()


def test_another_place_on_pythonpath_does_not_come_first(copy: Copy) -> None:
    """The environment's clone stands on PYTHONPATH; the current folder still comes before it."""
    copy.env = {"PYTHONPATH": str(HOME)}
    copy.dvc("repro")
    holds(copy, "first")


def test_where_the_current_folder_does_not_come_first_one_line_refuses(copy: Copy) -> None:
    """PYTHONSAFEPATH takes it off Python's path: the other clone's code would run, and DVC book the folder's."""
    copy.env = {"PYTHONSAFEPATH": "1"}
    (line,) = refusals(copy.dvc("repro", status=None))
    assert "without -P and PYTHONSAFEPATH" in line
    assert str(HOME) in line
    assert not (copy.root / "dvc.lock").exists()
    for command in ("stage acquire", "repro", "register classify", "check", "params use params.yaml", "flow", "serve"):
        (line,) = refusals(copy.run(RAWLINE, *command.split(), status=1))
        assert "DVC books the code of" in line, command
    assert not (copy.root / OUT).exists()


def test_a_module_from_elsewhere_among_the_folder_s_own_is_refused(copy: Copy, tmp_path: Path) -> None:
    """A package that looks for its modules in a second place, and a compiled module instead of a source, are not booked."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more/acquire.py").write_text(source("elsewhere"))
    (copy.root / "stages/__init__.py").write_text(f"__path__.insert(0, {str(tmp_path / 'more')!r})\n")
    (line,) = refusals(copy.dvc("repro", status=None))
    assert str(tmp_path / "more/acquire.py") in line
    assert not (copy.root / "dvc.lock").exists()


def test_a_folder_without_code_runs_no_stage(copy: Copy, tmp_path: Path) -> None:
    """Parameters alone are no project: DVC could book nothing of what would run."""
    bare = Copy(tmp_path / "bare")
    bare.root.mkdir()
    (bare.root / "params.yaml").write_text((copy.root / "params.yaml").read_text())
    (line,) = refusals(bare.run(RAWLINE, "stage", "acquire", status=1))
    assert "holds no pipelines and no stages" in line


EDITS = {
    "the code": """
from pathlib import Path as _Path
if "stage" in __import__("sys").argv:
    _text = _Path(__file__).read_text()
    _Path(__file__).write_text(_text.replace('"fir' + 'st"', '"second"'))
""",
    "the parameters": """
from pathlib import Path as _Path
if "stage" in __import__("sys").argv:
    _text = _Path("params.yaml").read_text()
    _Path("params.yaml").write_text(_text.replace("only_here: 1", "only_here: 2"))
""",
}


@pytest.mark.parametrize("edited", ["the code", pytest.param("the parameters", marks=pytest.mark.long)])
def test_an_edit_before_the_stage_has_begun_is_not_booked_as_what_ran(copy: Copy, edited: str) -> None:
    """Code and parameters are read in the first seconds; what is saved just then did not run, yet DVC books it."""
    (copy.root / STAGE).write_text(source("first") + EDITS[edited])
    told = copy.run(sys.executable, "-m", "pipelines", "repro", status=1)
    assert (copy.root / OUT).read_text() == "first"
    assert "changed while acquire ran" in told
    assert not (copy.root / "dvc.lock").exists()  # nothing else was booked
    copy.run(sys.executable, "-m", "pipelines", "repro")
    assert copy.booked()[1] == md5((copy.root / OUT).read_text()) == md5("second" if edited == "the code" else "first")


def test_a_module_that_is_loaded_late_counts_as_it_was_loaded(copy: Copy) -> None:
    """The stage reads a helper that is another one for the moment of its import: DVC never sees what ran."""
    helper = copy.root / "stages/helper.py"
    helper.write_text('WORD = "kept"\n')
    graph = copy.root / "dvc.yaml"
    graph.write_text(graph.read_text().replace(f"- {STAGE}\n", f"- {STAGE}\n    - stages/helper.py\n"))
    late = """
    helper = Path("stages/helper.py")
    before = helper.read_text()
    helper.write_text('WORD = "passing"\\n')
    from stages.helper import WORD
    helper.write_text(before)
    Path("data/mark.txt").write_text(WORD)
"""
    (copy.root / STAGE).write_text(source("first").replace("    yield Note", f"{late}    yield Note"))
    told = copy.run(sys.executable, "-m", "pipelines", "repro", status=1)
    assert (copy.root / OUT).read_text() == "passing"
    assert "stages/helper.py" in told
    assert not (copy.root / "dvc.lock").exists()  # nothing else was booked


def test_the_chain_s_copy_is_what_runs(tmp_path: Path) -> None:
    """Tests of the whole chain copy the code; an edit of the copy must tell in what its stages do."""
    project = chain_project.make(tmp_path / "project", ("classify",))
    (project.root / "stages/acquire.py").write_text("raise RuntimeError('the copy ran')\n")
    assert "the copy ran" in project.run("dvc", "repro", "acquire").stdout


@pytest.mark.slow
def test_a_temporary_experiment_runs_the_edit_it_books(copy: Copy) -> None:
    """Dvc exp run --temp works in a folder of its own, with the edited file; the workspace keeps its edit."""
    copy.mark("temp")
    copy.env = {"RAWLINE_RECORDER": "off"}  # keeps the journal where it can be read
    copy.dvc("exp", "run", "--temp", "--name", "temp")
    holds(copy, "temp", experiment(copy, "temp"))
    assert (copy.root / STAGE).read_text() == source("temp")
    assert code(copy) == ("true", "stages/acquire.py differs")
    copy.git("checkout", "-q", "--", STAGE)
    copy.dvc("exp", "run", "--temp", "-S", "acquire.only_here=2", "--name", "values")
    assert code(copy) == ("false", None)


@pytest.mark.long
def test_a_queued_experiment_runs_the_edit_it_was_queued_with(copy: Copy) -> None:
    """Queued with an edit, run after the edit was checked out again: the edit's hash is booked, so the edit runs."""
    copy.mark("queued")
    copy.dvc("exp", "run", "--queue", "--name", "queued")
    copy.git("checkout", "-q", "--", STAGE)
    copy.dvc("queue", "start")
    end = time.monotonic() + 300
    while not any(word in (said := copy.dvc("queue", "status")) for word in ("Success", "Failed")):
        assert time.monotonic() < end, said
        time.sleep(1)
    assert "Success" in said, copy.dvc("queue", "logs", "queued", status=None)
    holds(copy, "queued", experiment(copy, "queued"))
    assert (copy.root / STAGE).read_text() == source("first")
    copy.dvc("queue", "stop", "--kill", status=None)


def test_this_clone_s_own_command_needs_no_second_start() -> None:
    """Where the command already is the folder's own, nothing is started in its stead."""
    code = "import os; os.execv = lambda *_: print('started again'); from pipelines.cli import main; main()"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], cwd=HOME, env=environment, capture_output=True, text=True, check=True
    )
    assert "started again" not in done.stdout
    assert "Commands:" in done.stdout


@pytest.mark.long
def test_a_source_of_equal_size_and_time_is_the_one_that_runs(copy: Copy) -> None:
    """Archives, rsync and two checkouts within a second leave such a source beside the bytecode of another one.

    The stage, the package's own module and a module below it.
    """
    stage = copy.root / STAGE
    package, below = copy.root / "stages/__init__.py", copy.root / "stages/core/mark.py"
    texts = {
        stage: source("1").replace('"1"', "stages.MARK + mark.MARK + '1'"),
        package: 'MARK = "1"\n',
        below: 'MARK = "1"\n',
    }
    texts[stage] = f"import stages\nfrom stages.core import mark\n{texts[stage].partition(chr(10) * 2)[2]}"
    moment = time.time_ns() // 10**9 - 100
    for mark in "12":
        for file, text in texts.items():
            file.write_text(text.replace("'1'", f"'{mark}'").replace('"1"', f'"{mark}"'))
            os.utime(file, (moment, moment))
        if mark == "1":  # what an import without our start leaves beside the sources
            copy.run(sys.executable, "-m", "compileall", "-q", "stages", "pipelines")
        copy.dvc("repro", "--force")
        assert (copy.root / OUT).read_text() == mark * 3


def test_what_reads_a_module_finds_its_source(copy: Copy) -> None:
    """Files beside modules, source texts and numba's cache are found as before; others' modules keep their bytecode."""
    looks = [
        "import runpy, sys, pipelines.cli", "pipelines.cli.main = lambda words: None", "import pipelines.__main__ as start",
        "start.main()", "import inspect, importlib.resources, yaml", "from stages.judge import detection_matching as ours",
        "assert 'def ' in inspect.getsource(ours)", "assert ours.__loader__.__class__.__name__ == 'SourceOnly'",
        "assert yaml.__loader__.__class__.__name__ == 'SourceFileLoader'", "print(ours.__file__)",
        "assert importlib.resources.files('stages').joinpath('core/params.py').is_file()",
        "kept = [f for f in vars(ours).values() if hasattr(f, 'py_func') and f._cache.cache_path]",
        "assert kept and all(f._cache.cache_path.startswith(sys.argv[1]) for f in kept)",
    ]  # fmt: skip
    (copy.root / "look.py").write_text("\n".join(looks))
    copy.env["NUMBA_CACHE_DIR"] = ""
    assert str(copy.root) in copy.run(sys.executable, "look.py", str(copy.root))
