"""A model's code is clean when every file that dvc.lock books for its stages equals the commit."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from pipelines.register import committed

STAGES = ("finetune@x", "audit@x")
CLEAN = {"rawline.commit": "", "rawline.dirty": "false"}


def git(*words: str) -> str:
    return subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words], check=True, capture_output=True, text=True
    ).stdout.strip()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture(params=["", "part of a larger repository"])
def place(request, tmp_path, monkeypatch) -> dict[str, str]:
    """A project, at the root of its repository or below it, whose code is committed; give the state that git tells."""
    root = tmp_path / request.param
    root.mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    monkeypatch.chdir(root)
    Path("train.py").write_bytes(b"EPOCHS = 3\n")
    Path("empty.py").write_bytes(b"")
    git("add", "-A")
    git("commit", "-q", "-m", "x")
    return {**CLEAN, "rawline.commit": git("rev-parse", "HEAD")}


def entries(**books: str) -> dict:
    """Return entries of dvc.lock whose stages booked ``train.py`` and ``empty.py`` as they are, or as the words say."""
    files = {"data/in": "0" * 32, "../outside/x.py": "0" * 32, "train.py": md5(Path("train.py").read_bytes())}
    files |= {"empty.py": md5(b"")}
    found = {}
    for stage in STAGES:
        own = files | ({"train.py": books["train"]} if stage.startswith("finetune") and "train" in books else {})
        found[stage] = {"cmd": "x", "deps": [{"path": path, "md5": value} for path, value in own.items()]}
    return found


def judge(found: dict, state: dict[str, str], **ran: dict[str, str]):
    """Judge code, by the runs of stages where there are any (``finetune`` and ``audit``)."""
    runs = {f"{stage}@x": tags for stage, tags in ran.items()}
    return committed.judge(committed.Witness(found, state, STAGES, runs), Path.cwd())


def run(dirty: str, *changes: str, **tags: str) -> dict[str, str]:
    told = {"rawline.changes": "; ".join(changes)} if changes else {}
    return {"rawline.commit": "a" * 40, "rawline.dirty": dirty, **told, **tags}


def test_code_that_is_booked_as_committed_is_clean(place):
    """Data and what lies outside of the project do not count."""
    found = judge(entries(), place)
    assert found.clean, found.reason
    commit = place["rawline.commit"][:12]
    assert found.reason == (
        f"all 2 files of code that dvc.lock books equal commit {commit}; "
        "finetune@x, audit@x by dvc.lock alone: no run is on record here"
    )


def test_a_cached_stage_made_with_edited_code_stays_unclean_after_other_commits(place):
    """The edit was taken back and something else committed: the model was made by code that no commit holds."""
    edited = entries(train=md5(b"EPOCHS = 99\n"))
    assert not judge(edited, place).clean
    Path("other.py").write_text("x = 1\n")
    git("add", "-A")
    git("commit", "-q", "-m", "y")
    found = judge(edited, {**place, "rawline.commit": git("rev-parse", "HEAD")})
    assert not found.clean
    assert "finetune@x ran another train.py" in found.reason
    Path("train.py").write_bytes(b"EPOCHS = 99\n")
    git("commit", "-qam", "the edit itself")
    assert judge(edited | {"audit@x": edited["finetune@x"]}, place).clean


def test_code_that_no_commit_holds_is_unclean(place):
    """A file that is booked but not committed."""
    Path("new.py").write_text("x = 1\n")
    found = entries()
    found["audit@x"]["deps"].append({"path": "new.py", "md5": md5(b"x = 1\n")})
    assert "audit@x ran another new.py" in judge(found, place).reason


@pytest.mark.parametrize(("state", "reason"), [
    ({"rawline.commit": "", "rawline.dirty": "false"}, "commit is unknown"),
    ({"rawline.dirty": "true"}, "has uncommitted changes"),
    ({"rawline.dirty": "unknown"}, "is in an unknown state"),
])  # fmt: skip
def test_an_unknown_or_edited_working_tree_is_never_clean(place, state, reason):
    """Whatever dvc.lock says: the registration itself and what it packs come from this tree."""
    found = judge(entries(), {**place, **state})
    assert not found.clean
    assert reason in found.reason
    del place["rawline.dirty"]
    assert not judge(entries(), place).clean


def test_a_stage_without_an_entry_is_unknown_code(place):
    """A stage that ran outside of DVC leaves no entry."""
    found = entries()
    del found["audit@x"]
    assert "dvc.lock does not say which code ran: it has no audit@x" in judge(found, place).reason


def test_without_git_nothing_is_clean(place, monkeypatch):
    """A git that fails answers for no file."""
    monkeypatch.setenv("PATH", "")
    assert committed.contents(["train.py"], Path.cwd()) == {}
    assert not judge(entries(), place).clean


def test_a_run_that_the_record_calls_clean_is_clean(place):
    """Whatever the code of today is: the run's own commit holds what it ran with."""
    found = judge(entries(train="0" * 32), place, finetune=run("false"), audit=run("false"))
    assert found.clean
    assert found.reason == "finetune@x, audit@x ran at commit aaaaaaaaaaaa, as the record says"
    assert not judge(entries(train="0" * 32), place, audit=run("false")).clean


@pytest.mark.parametrize(("changes", "clean"), [
    (["train.py differs"], True),
    (["train.py differs", "empty.py differs"], True),
    (["train.py is not in the commit", "empty.py differs"], True),
    (["train.py differs", "pipelines/run_stage.py differs"], False),
    (["train.py differs", "dvc.yaml differs"], False),
    (["train.py differs", "secret.py is not in the commit"], False),
    (["train.py is missing"], False),
    (["train.py differs", "and 3 more"], False),
    ([], False),
])  # fmt: skip
@pytest.mark.parametrize("dirty", ["true", "unknown"])
def test_a_run_with_edits_is_clean_once_every_edit_is_a_booked_file_of_the_commit(place, dirty, changes, clean):
    """What the record knows of edits and dvc.lock does not book may have been anything."""
    found = judge(entries(), place, finetune=run(dirty, *changes), audit=run("false"))
    assert found.clean == clean, found.reason
    assert clean or "finetune@x ran with" in found.reason
    assert not judge(entries(train="0" * 32), place, finetune=run(dirty, *changes)).clean


@pytest.mark.parametrize(("then", "now", "clean"), [
    (b"x = 1\n", b"x = 1\n", True),
    (b"x = 1\n", b"x = 2\n", False),
    (b"x = 1\n", None, False),
    (None, b"x = 1\n", False),
])  # fmt: skip
def test_a_new_file_is_committed_code_once_the_commit_has_the_bytes_that_ran(place, then, now, clean):
    """Write a part, run, commit: that is the commit's code. Other bytes, none, or a file that nobody booked are not."""
    found = entries()
    if then is not None:
        found["finetune@x"]["deps"].append({"path": "part.py", "md5": md5(then)})
    if now is not None:
        Path("part.py").write_bytes(now)
        git("add", "-A")
        git("commit", "-q", "-m", "the part")
    told = judge(found, place, finetune=run("true", "part.py is not in the commit"), audit=run("false"))
    assert told.clean == clean, told.reason


GRAPH = """
stages:
  finetune:
    foreach: ${tasks}
    do:
      {cmd: train x, deps: [data/in, ../outside/x.py, train.py, empty.py], params: [seed, 'tasks.${key}'], outs: [data/out]}
  audit:
    foreach: ${tasks}
    do: {cmd: x, deps: [data/in, ../outside/x.py, train.py, empty.py], outs: [data/audited]}
"""
EDITS = {
    "cmd": ("train x", "train y"),
    "a command of another stage": ("cmd: x", "cmd: y"),
    "deps": ("train.py, empty.py], params", "train.py, empty.py, data/secret], params"),
    "params": ("[seed, ", "["),
    "a file of params": ("[seed, ", "[{other.yaml: null}, seed, "),
    "outs": ("[data/out]", "[data/out, data/more]"),
    "no such stage": ("audit:", "other:"),
}


def graphed(place: dict[str, str], text: str) -> tuple[dict, dict[str, str]]:
    """Commit a ``dvc.yaml``; return what dvc booked by ``GRAPH``, and the state that git tells."""
    Path(".dvc").mkdir(exist_ok=True)
    Path("params.yaml").write_text("seed: 7\ntasks: {x: {head: linear}}\n")
    Path("other.yaml").write_text("a: 1\n")
    Path("dvc.yaml").write_text(text)
    git("add", "dvc.yaml")
    git("commit", "-qm", "the graph")
    found = entries()
    found["finetune@x"] |= {"cmd": "train x", "params": {"params.yaml": {"seed": 7, "tasks.x": {"head": "linear"}}}}
    found["finetune@x"] |= {"outs": [{"path": "data/out", "md5": "1" * 32}]}
    found["audit@x"] |= {"outs": [{"path": "data/audited", "md5": "2" * 32}]}
    return found, {**place, "rawline.commit": git("rev-parse", "HEAD")}


@pytest.mark.parametrize("change", ["dvc.yaml differs", "dvc.yaml is not in the commit"])
def test_an_edit_of_the_graph_is_clean_once_the_commit_resolves_to_what_was_booked(place, monkeypatch, change):
    """The committed edit is the one that ran; comments and other stages count for nothing."""
    monkeypatch.setenv("RAWLINE_ROOT", str(Path.cwd()))
    found, state = graphed(place, f"# a word\n{GRAPH}  later: {{cmd: z}}\n")
    told = judge(found, state, finetune=run("true", "train.py differs", change), audit=run("true", change))
    assert told.clean, told.reason


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_the_graph_that_was_taken_back_is_told_by_what_was_booked(place, monkeypatch, edit):
    """Whoever ran another command and wrote the committed one again leaves the other one in dvc.lock, in any stage."""
    monkeypatch.setenv("RAWLINE_ROOT", str(Path.cwd()))
    found, state = graphed(place, GRAPH.replace(*EDITS[edit]))
    told = judge(found, state, finetune=run("true", "dvc.yaml differs"))
    assert not told.clean
    assert "finetune@x ran with another dvc.yaml" in told.reason
    assert "dvc repro --force " in told.reason
    assert judge(found, state, finetune=run("false"), audit=run("false")).clean


@pytest.mark.parametrize("edit", EDITS)
def test_a_stage_without_a_run_is_compared_with_the_committed_graph(place, monkeypatch, edit):
    """One that was pulled, or is the user's own, has nothing but its booking to say with what command it ran."""
    monkeypatch.setenv("RAWLINE_ROOT", str(Path.cwd()))
    found, state = graphed(place, GRAPH.replace(*EDITS[edit]))
    told = judge(found, state)
    assert not told.clean
    assert "in dvc.lock are not the commit's" in told.reason
    assert "dvc repro --force " in told.reason
    found, state = graphed(place, f"# a word\n{GRAPH}")
    assert judge(found, state).clean


@pytest.mark.parametrize("tag", ["rawline.edited_while_running", "rawline.outs_edited"])
def test_code_that_was_edited_as_it_ran_is_never_clean(place, tag):
    """Not even where commit and booking agree: nobody knows which of the two ran."""
    found = judge(entries(), place, finetune=run("false"), audit=run("false", **{tag: "x"}))
    assert not found.clean
    assert "edited while it ran: audit@x" in found.reason


@pytest.mark.parametrize(("deps", "reason"), [
    ([], "books no file of code for audit@x"),
    ([{"path": "src", "md5": "0" * 32 + ".dir"}], "of src dvc.lock books one hash for audit@x"),
])  # fmt: skip
def test_a_stage_without_a_booked_file_of_code_is_unknown(place, deps, reason):
    """No file that differs is no proof where no file was looked at, unless the stage's run is on record as clean."""
    found = entries()
    found["audit@x"]["deps"] = [{"path": "data/in", "md5": "0" * 32}, *deps]
    told = judge(found, place)
    assert not told.clean
    assert reason in told.reason
    assert judge(found, place, audit=run("false")).clean


def test_a_file_that_only_a_later_stage_reads_is_no_doubt_about_an_earlier_one(place):
    """Whoever wrote audit.py while the training ran, and committed it, trained with code of the commit."""
    Path("audit.py").write_bytes(b"x = 1\n")
    git("add", "-A")
    git("commit", "-qm", "the audit")
    found = entries()
    found["audit@x"]["deps"].append({"path": "audit.py", "md5": md5(b"x = 1\n")})
    runs = {"finetune": run("true", "audit.py is not in the commit"), "audit": run("false")}
    assert judge(found, place, **runs).clean
    found["audit@x"]["deps"][-1]["md5"] = md5(b"x = 2\n")
    assert not judge(found, place, **runs).clean


@pytest.mark.parametrize("ran", [b"keep: easy\n", None])
@pytest.mark.parametrize("path", ["refine.json", "words.txt", "Makefile", "refine.cfg"])
def test_whatever_file_a_stage_reads_that_is_no_data_must_be_the_commit_s(place, path, ran):
    """A file of settings steers what a stage does as much as its script, whatever its name ends with."""
    Path(path).write_bytes(b"keep: all\n")
    git("add", path)
    git("commit", "-qm", "settings")
    found = entries()
    found["finetune@x"]["deps"].append({"path": path, "md5": md5(ran or b"keep: all\n")})
    told = judge(found, place)
    assert told.clean == (ran is None), told.reason
    assert told.clean or f"finetune@x ran another {path}" in told.reason


@pytest.mark.parametrize(("pointer", "clean"), [("labels.csv.dvc", True), ("own.dvc", True), ("other.dvc", False)])
def test_a_single_file_that_git_lacks_is_data_where_dvc_tracks_it(place, pointer, clean):
    """A file that neither git nor DVC knows may have steered the stage as nobody can tell any more."""
    path = "own/labels.csv" if pointer == "own.dvc" else "labels.csv"
    found = entries()
    found["finetune@x"]["deps"].append({"path": path, "md5": md5(b"a,b\n")})
    Path(pointer).write_text("outs: []\n")
    git("add", pointer)
    git("commit", "-qm", "data")
    told = judge(found, place)
    assert told.clean == clean, told.reason
    found["finetune@x"]["deps"][-1]["path"] = "s3://bucket/labels.csv"
    assert judge(found, place).clean


@pytest.mark.parametrize(("path", "clean"), [
    ("pictures", True), ("./pictures", True), ("made/refined", True), ("made/table.yaml", True), ("library", False),
])  # fmt: skip
def test_a_folder_of_data_is_no_folder_of_code(place, path, clean):
    """A user's own pictures may lie anywhere, and so may what a stage of the user's writes: no commit holds them."""
    found = entries()
    found["finetune@x"]["params"] = {"params.yaml": {"acquire.path": "pictures/"}}
    found["finetune@x"]["deps"].append({"path": path, "md5": "0" * 32 + ".dir" * (not path.endswith("yaml"))})
    found["audit@x"]["outs"] = [{"path": "made", "md5": "0" * 32 + ".dir"}]
    told = judge(found, place)
    assert told.clean == clean, told.reason


def test_the_commit_is_the_projects_whatever_git_is_told_by_its_caller(place, monkeypatch):
    """Inside a hook of another repository, and with a replacement for the committed file, the commit itself counts."""
    blob = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"], input=b"x = 9\r\n", check=True, capture_output=True
    ).stdout.decode().strip()  # fmt: skip
    git("replace", git("rev-parse", "HEAD:./train.py"), blob)
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert committed.contents(["train.py"], Path.cwd()) == {"train.py": md5(b"EPOCHS = 3\n")}


def test_contents_are_compared_to_the_byte(place):
    """Line ends of another system and bytes that are no text count."""
    content = b"x = 1\r\n# \xff\r"
    Path("odd.py").write_bytes(content)
    git("-c", "core.autocrlf=false", "add", "odd.py")
    git("commit", "-qm", "odd")
    assert committed.contents(["odd.py"], Path.cwd()) == {"odd.py": md5(content)}
