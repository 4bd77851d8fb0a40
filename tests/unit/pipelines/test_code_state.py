"""Code is clean only where it was compared with the commit and is the same; what git cannot tell is unknown."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.record import code_state, git_command, provenance

FILES = {
    "pipelines/__init__.py": "",
    "stages/__init__.py": "",
    "stages/acquire.py": "SHARE = 1\n",
    "stages/parts/heads/linear.py": "WIDTH = 1\n",
    "dvc.yaml": "stages: {acquire: {cmd: python -m pipelines stage acquire}}\n",
    "params.yaml": "seed: 1\n",
    "dvc.lock": "schema: '2.0'\n",
    "docs/a.md": "words\n",
    "tests/__init__.py": "",
    ".gitignore": "__pycache__/\n*.pyc\nx.py\n/scratch/\n",
}


def git(root: Path, *words: str) -> str:
    name = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "protocol.file.allow=always")
    return subprocess.run(["git", *name, *words], cwd=root, check=True, capture_output=True, text=True).stdout


def fill(root: Path) -> Path:
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a committed project."""
    root = fill(tmp_path / "project")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    return root


def write(name: str, text: str = "OTHER = 2\n") -> Callable[[Path], None]:
    def act(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)

    return act


def rename(root: Path) -> None:
    git(root, "mv", "stages/acquire.py", "stages/collect.py")


def stage_only(root: Path) -> None:
    write("stages/acquire.py")(root)
    git(root, "add", "stages/acquire.py")


def stage_a_new_file(root: Path) -> None:
    write("stages/new.py")(root)
    git(root, "add", "-N", "stages/new.py")


def assume_unchanged(root: Path) -> None:
    git(root, "update-index", "--assume-unchanged", "stages/acquire.py")
    write("stages/acquire.py")(root)


def skip_worktree(root: Path) -> None:
    git(root, "update-index", "--skip-worktree", "stages/acquire.py")
    write("stages/acquire.py")(root)


def same_size_and_time(root: Path) -> None:
    file = root / "stages/acquire.py"
    before = file.stat()
    file.write_text("SHARE = 2\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def link_out(root: Path) -> None:
    (root.parent / "elsewhere.py").write_text(FILES["stages/acquire.py"])
    (root / "stages/acquire.py").unlink()
    (root / "stages/acquire.py").symlink_to(root.parent / "elsewhere.py")


def link_folder_out(root: Path) -> None:
    shutil.move(root / "stages/parts", root.parent / "parts")
    (root / "stages/parts").symlink_to(root.parent / "parts")


def commit_a_link_out(root: Path) -> None:
    link_out(root)
    git(root, "commit", "-qam", "link")


def import_from_beside(root: Path) -> None:
    write("stages/acquire.py", "from helpers import x\n")(root)
    git(root, "commit", "-qam", "import")
    write("helpers.py")(root)


def import_from_beside_and_edit(root: Path) -> None:
    write("stages/acquire.py", "import os, helpers.deep\n")(root)
    write("helpers/deep.py", "import further\n")(root)
    write("further.py", "A = 1\n")(root)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "import")
    write("further.py")(root)


def variables(root: Path) -> None:
    write("dvc.yaml", "vars: [more.yaml]\nstages: {}\n")(root)
    write("more.yaml", "a: 1\n")(root)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "vars")
    write("more.yaml", "a: 2\n")(root)


DIRTY = {
    "edited": (write("stages/acquire.py"), "stages/acquire.py differs"),
    "graph edited": (write("dvc.yaml", "stages: {}\n"), "dvc.yaml differs"),
    "wrapper edited": (write("pipelines/__init__.py"), "pipelines/__init__.py differs"),
    "edited behind git's back": (same_size_and_time, "stages/acquire.py differs"),
    "staged": (stage_only, "stages/acquire.py differs"),
    "intent to add": (stage_a_new_file, "stages/new.py is not in the commit"),
    "assume-unchanged": (assume_unchanged, "stages/acquire.py differs"),
    "skip-worktree": (skip_worktree, "stages/acquire.py differs"),
    "removed": (lambda root: (root / "stages/acquire.py").unlink(), "stages/acquire.py is missing"),
    "renamed": (rename, "stages/acquire.py is missing; stages/collect.py is not in the commit"),
    "new part": (write("stages/parts/heads/conv.py"), "stages/parts/heads/conv.py is not in the commit"),
    "ignored part": (write("stages/parts/heads/x.py"), "stages/parts/heads/x.py is not in the commit"),
    "compiled part": (write("stages/parts/heads/y.pyc"), "stages/parts/heads/y.pyc is not in the commit"),
    "link out": (link_out, "stages/acquire.py is another kind of file"),
    "folder linked out": (link_folder_out, "stages/parts is not in the commit"),
    "committed link out": (commit_a_link_out, "stages/acquire.py leads out of the code"),
    "module beside": (import_from_beside, "helpers.py is not in the commit"),
    "module beside a module beside": (import_from_beside_and_edit, "further.py differs"),
    "hides an installed package": (write("yaml.py"), "yaml.py is not in the commit"),
    "hides a standard module": (write("json/__init__.py"), "json/__init__.py is not in the commit"),
    "variables": (variables, "more.yaml differs"),
}


@pytest.mark.parametrize("name", DIRTY)
def test_a_difference_in_the_code_is_found_and_named(project: Path, name: str) -> None:
    """Whatever makes other code run than the commit holds, in git's eyes or not."""
    act, named = DIRTY[name]
    act(project)
    found = provenance.tags(project)
    assert (found["rawline.dirty"], found["rawline.changes"]) == ("true", named)
    assert found["rawline.commit"] == git(project, "rev-parse", "HEAD").strip()


CLEAN: dict[str, Callable[[Path], object]] = {
    "as committed": lambda root: None,
    "parameters": write("params.yaml", "seed: 2\n"),
    "lock": write("dvc.lock", "schema: '2.0'\nstages: {}\n"),
    "docs": write("docs/a.md"),
    "tests": write("tests/test_new.py"),
    "data": write("data/notes.py"),
    "caches": write("stages/__pycache__/acquire.cpython-311.pyc"),
    "a script nobody imports": write("scratch.py"),
    "an ignored folder": write("scratch/numpy.py"),
    "mode alone": lambda root: (root / "stages/acquire.py").chmod(0o755),
    "staged and undone": lambda root: (stage_only(root), write("stages/acquire.py", FILES["stages/acquire.py"])(root)),
}


@pytest.mark.parametrize("name", CLEAN)
def test_what_is_no_code_does_not_count(project: Path, name: str) -> None:
    """Parameters, lock, data, docs, tests and a file's mode change nothing of what the code is."""
    CLEAN[name](project)
    found = provenance.tags(project)
    assert (found["rawline.dirty"], found.get("rawline.changes")) == ("false", None)


def test_a_link_inside_of_the_code_is_compared_as_a_link(project: Path) -> None:
    """It is clean while it leads where the commit says, and its target is compared at its own place."""
    (project / "stages/other.py").symlink_to("acquire.py")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "link")
    assert code_state.read(project).dirty == "false"
    (project / "stages/other.py").unlink()
    (project / "stages/other.py").symlink_to("__init__.py")
    assert code_state.read(project).changes == ("stages/other.py differs",)


def broken_index(root: Path) -> None:
    (root / ".git/index").write_bytes(b"no index")


def lost_objects(root: Path) -> None:
    shutil.rmtree(root / ".git/objects")
    (root / ".git/objects").mkdir()


def flagged(root: Path) -> None:
    git(root, "update-index", "--assume-unchanged", "stages/acquire.py")


def submodule(root: Path) -> None:
    git(root, "submodule", "--quiet", "add", str(root), "stages/sub")
    git(root, "commit", "-qm", "submodule")


def no_commit(root: Path) -> None:
    shutil.rmtree(root / ".git")
    git(root, "init", "-q")


UNKNOWN = {
    "no repository": (lambda root: shutil.rmtree(root / ".git"), "not a git repository"),
    "no commit": (no_commit, "git rev-parse failed"),
    "lost objects": (lost_objects, "git rev-parse failed"),
    "broken index": (broken_index, "git ls-files failed"),
    "flagged": (flagged, "stages/acquire.py is hidden from git"),
    "submodule": (submodule, "stages/sub is a submodule"),
    "broken graph": (write("dvc.yaml", "vars: ]\n"), "while parsing"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_git_cannot_tell_is_unknown_and_never_clean(project: Path, name: str) -> None:
    """The reason stands where the changes would."""
    act, named = UNKNOWN[name]
    act(project)
    state = code_state.read(project)
    assert state.dirty == "unknown"
    assert named in " ".join(state.changes)
    found = provenance.tags(project)
    assert found["rawline.dirty"] == "unknown"
    assert found["rawline.changes"]
    assert ("rawline.commit" in found) == bool(state.commit)


@pytest.mark.parametrize("fails", ["rev-parse", "ls-tree", "hash-object", "ls-files"])
def test_a_git_that_fails_or_hangs_is_never_clean(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """Each question may fail or stay without an answer."""
    real = shutil.which("git")
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin/git"
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}{os.environ['PATH']}")
    script = '#!/bin/sh\nfor word in "$@"; do [ "$word" = {} ] && {{ {}; }}; done\nexec {} "$@"\n'
    fake.write_text(script.format(fails, "echo broken >&2; exit 3", real))
    fake.chmod(0o755)
    assert code_state.read(project).changes == (f"git {fails} failed: broken",)
    fake.write_text(script.format(fails, "exec sleep 600", real))
    monkeypatch.setattr(git_command, "LIMIT_S", 2.0 if fails == "rev-parse" else 5.0)
    assert code_state.read(project).dirty == "unknown"


def test_without_git_there_is_no_commit_and_nothing_is_clean(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container often has no git."""
    monkeypatch.setenv("PATH", "/nowhere")
    found = provenance.tags(project)
    assert found["rawline.dirty"] == "unknown"
    assert found["rawline.changes"].startswith("git cannot be run")
    assert "rawline.commit" not in found


def test_a_project_in_a_subfolder_is_compared_with_its_own_part_of_the_commit(tmp_path: Path) -> None:
    """What lies beside the project in the repository does not count, what lies in it does; committed or it is not clean."""
    root = fill(tmp_path / "team/project")
    (tmp_path / "team/other.py").write_text("A = 1\n")
    git(tmp_path / "team", "init", "-q")
    git(tmp_path / "team", "add", "other.py")
    git(tmp_path / "team", "commit", "-q", "-m", "not the project")
    assert code_state.read(root).dirty == "true"
    git(tmp_path / "team", "add", "-A")
    git(tmp_path / "team", "commit", "-q", "-m", "the project")
    (tmp_path / "team/other.py").write_text("A = 2\n")
    assert code_state.read(root).dirty == "false"
    write("stages/acquire.py")(root)
    assert code_state.read(root).changes == ("stages/acquire.py differs",)


def test_another_repository_in_the_environment_is_not_asked(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git's hooks run with GIT_DIR and GIT_INDEX_FILE set, of a repository that need not be this one."""
    commit = git(project, "rev-parse", "HEAD").strip()
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    state = code_state.read(project)
    assert (state.commit, state.dirty) == (commit, "false")


def test_a_replaced_commit_does_not_pass_for_the_commit(project: Path) -> None:
    """Git shows a replacement under the first one's name; the code is held against what the name stands for."""
    first = git(project, "rev-parse", "HEAD").strip()
    write("stages/acquire.py")(project)
    git(project, "commit", "-qam", "second")
    second = git(project, "rev-parse", "HEAD").strip()
    git(project, "reset", "-q", "--soft", first)
    git(project, "replace", first, second)
    assert code_state.read(project).dirty == "true"


def test_many_changes_are_counted_and_some_named(project: Path) -> None:
    """A tag of MLflow holds so much and no more."""
    for number in range(40):
        write(f"stages/parts/heads/part{number:02}.py")(project)
    told = provenance.tags(project)["rawline.changes"]
    assert told.endswith("; and 28 more")
    assert len(told) < 2000


def test_a_filter_of_this_clone_hides_no_edit(project: Path) -> None:
    """Git's own status calls it clean, since the filter gives the committed text; what Python runs is another one."""
    (project / ".git/info/attributes").write_text("*.py filter=back\n")
    git(project, "config", "filter.back.clean", "sed s/SHARE.=.2/SHARE\\ =\\ 1/")
    (project / "stages/acquire.py").write_text("SHARE = 2\n")
    assert not git(project, "status", "--porcelain")
    state = code_state.read(project)
    assert (state.dirty, state.changes) == ("true", ("stages/acquire.py differs",))
