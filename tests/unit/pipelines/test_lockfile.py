"""What dvc.lock says about a stage is read as DVC means it."""

import copy
import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.graph import Graph, Node
from pipelines.record import contents, dvc_cache, freshness, lockfile

PARAMS = {"params.yaml": ("train.a", "seed")}
NODE = Node("train@a", ("run a",), ("code.py", "data/in", "data/raw"), PARAMS, ("data/out",), (), frozenset({"make"}))


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project whose lock fits it."""
    (tmp_path / "code.py").write_text("x = 1\n")
    (tmp_path / "params.yaml").write_text("seed: 7\ntrain: {a: {rate: 0.00001, sizes: [1, 2]}}\n")
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/1.png").write_bytes(b"1")
    code = hashlib.md5(b"x = 1\n", usedforsecurity=False).hexdigest()
    lock = f"""
schema: '2.0'
stages:
  make:
    cmd: make
    outs: [{{path: data/in, md5: aaaa.dir, size: 10, nfiles: 2}}]
  train@a:
    cmd: run a
    deps: [{{path: code.py, md5: {code}}}, {{path: data/in, md5: aaaa.dir}}, {{path: data/raw, md5: cccc.dir}}]
    params: {{params.yaml: {{seed: 7, train.a: {{rate: 1e-05, sizes: [1, 2]}}}}}}
    outs: [{{path: data/out, md5: bbbb.dir}}]
"""
    (tmp_path / "dvc.lock").write_text(lock)
    (tmp_path / "data/out").mkdir()
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path))
    monkeypatch.setattr(dvc_cache, "_folder", lambda root: root / "elsewhere")
    listed = {"data/raw": contents.listing(tmp_path / "data/raw")}
    freshness.note(listed, {"deps": [{"path": "data/raw", "md5": "cccc.dir"}]})
    return tmp_path


def _fresh(workdir: Path, node: Node = NODE) -> bool | None:
    return freshness.is_fresh(node, lockfile.read(workdir / "dvc.lock"), workdir)


def test_an_entry_that_fits_is_fresh(workdir: Path) -> None:
    """Also where DVC writes a small number as 1e-05, which YAML 1.1 reads as a word."""
    assert _fresh(workdir)


def test_a_folder_that_no_stage_made_is_the_one_that_was_read(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its listing when a run was booked; else DVC says, once; what DVC cannot say is not known."""
    monkeypatch.setattr(freshness.dvc_hashes, "folder", lambda *_: None)
    (workdir / "data/raw/1.png").write_bytes(b"22")
    assert _fresh(workdir) is None
    asked: list[str] = []
    monkeypatch.setattr(freshness.dvc_hashes, "folder", lambda _root, path: asked.append(path) or "dddd.dir")
    assert [_fresh(workdir), _fresh(workdir), asked] == [False, False, ["data/raw"]]


def test_what_dvc_calls_changed_is_not_fresh(workdir: Path) -> None:
    """An input, output or key that the graph has and the entry has not; what is missing; an output that was edited."""
    for change in (
        {"deps": (*NODE.deps, "new.py")},
        {"outs": ("data/out", "data/new")},
        {"params": {"params.yaml": ("new",)}},
    ):
        (workdir / "new.py").write_text("")
        assert _fresh(workdir, replace(NODE, **change)) is False, change
    entry = {"cmd": "run a", "deps": [{"path": "gone", "md5": "aa"}], "outs": [{"path": "code.py", "md5": "x", "size": 99}]}
    lone = Node("lone", ("run a",), (), {}, ("code.py",), (), frozenset())
    assert freshness.is_fresh(replace(lone, deps=("gone",), outs=()), {"lone": {**entry, "outs": []}}, workdir) is False
    assert freshness.is_fresh(lone, {"lone": {**entry, "deps": []}}, workdir) is False
    whole = replace(NODE, deps=(), outs=(), params={"params.yaml": ()})
    params = {"params.yaml": {"seed": 7, "train": {"a": {"rate": "1e-05", "sizes": [1, 2]}}}}
    assert freshness.is_fresh(whole, {NODE.name: {"cmd": "run a", "params": params}}, workdir)
    (workdir / "params.yaml").write_text("seed: 7\n")
    assert freshness.is_fresh(whole, {NODE.name: {"cmd": "run a", "params": params}}, workdir) is False
    (workdir / "params.yaml").unlink()
    assert _fresh(workdir) is False


def test_an_entry_that_books_more_than_the_graph_has_is_not_known_to_fit(workdir: Path) -> None:
    """DVC passes over what ``dvc.yaml`` has no longer: the bytes were made of more."""
    assert _fresh(workdir, replace(NODE, deps=NODE.deps[:2])) is None
    assert _fresh(workdir, replace(NODE, params={"params.yaml": ("seed",)})) is None


@pytest.mark.parametrize("edit", ["code", "params", "seed", "upstream", "command", "absent"])
def test_an_entry_that_does_not_fit_is_not(workdir: Path, edit: str) -> None:
    """Code, a parameter, an input, the command: each makes the entry stale."""
    entries = lockfile.read(workdir / "dvc.lock")
    match edit:
        case "code":
            (workdir / "code.py").write_text("x = 2\n")
        case "params":
            (workdir / "params.yaml").write_text("seed: 7\ntrain: {a: {rate: 0.00002, sizes: [1, 2]}}\n")
        case "seed":
            (workdir / "params.yaml").write_text("train: {a: {rate: 0.00001, sizes: [1, 2]}}\n")
        case "upstream":
            entries["make"]["outs"][0]["md5"] = "dddd.dir"
        case "command":
            entries["train@a"]["cmd"] = "run b"
        case "absent":
            del entries["train@a"]
    assert not freshness.is_fresh(NODE, entries, workdir)


@pytest.mark.parametrize(("cache", "there"), [(".dvc/cache", True), ("elsewhere", True), (None, False)])
def test_what_a_stage_made_must_lie_somewhere(workdir: Path, cache: str | None, *, there: bool) -> None:
    """In a clone without the data a stage is up to date where DVC's cache has its outputs, wherever that is."""
    (workdir / "data/out").rmdir()
    if cache:
        place = workdir / cache / "files/md5/bb/bb.dir"
        place.parent.mkdir(parents=True)
        place.write_text("[]")
    assert freshness.is_fresh(NODE, lockfile.read(workdir / "dvc.lock"), workdir) is there


def test_the_signature_names_what_went_in(workdir: Path) -> None:
    """It ignores the order of keys and what came out, and changes with command, parameters and inputs."""
    entry = lockfile.read(workdir / "dvc.lock")["train@a"]
    same: dict[str, Any] = dict(reversed(list(copy.deepcopy(entry).items())))
    same["outs"][0]["md5"] = "other"
    assert lockfile.signature(same) == lockfile.signature(entry)
    assert lockfile.output(same) != lockfile.output(entry)
    same["deps"][0]["md5"] = "other"
    assert lockfile.signature(same) != lockfile.signature(entry)


def test_an_input_edited_while_the_stage_ran_is_named(workdir: Path) -> None:
    """DVC books inputs at the end of a command (issue 11058); what the stage saw at its start tells."""
    entry = lockfile.read(workdir / "dvc.lock")["train@a"]
    seen = lockfile.inputs(NODE, lockfile.read(workdir / "dvc.lock"), workdir)
    params = lockfile.parameters(NODE, workdir)
    assert lockfile.changed(seen, params, entry) == []
    params["params.yaml"]["seed"] = 8
    assert lockfile.changed({**seen, "code.py": "before"}, params, entry) == ["code.py", "params.yaml:seed"]


def test_a_tracked_folder_has_its_hash_in_the_pointer(workdir: Path) -> None:
    """``data/raw.dvc`` names the hash; without it a large folder is listed, never hashed."""
    assert lockfile.inputs(NODE, {}, workdir)["data/raw"].startswith("listing:")
    (workdir / "data/raw.dvc").write_text(yaml.safe_dump({"outs": [{"md5": "eeee.dir", "path": "raw"}]}))
    assert lockfile.inputs(NODE, {}, workdir)["data/raw"] == "eeee.dir"


def test_a_pointer_counts_as_long_as_it_fits_what_lies_there(workdir: Path) -> None:
    """Data that was added without ``dvc add`` is not what the pointer names: a folder is listed then, a file hashed."""
    node = Node("read", ("run",), ("data/own", "data/one.txt"), {}, (), (), frozenset())
    (workdir / "data/own").mkdir()
    for name in ("data/own/a", "data/one.txt"):
        (workdir / name).write_text("a")
    folder = {"outs": [{"md5": "eeee.dir", "size": 1, "nfiles": 1, "path": "own"}]}
    (workdir / "data/own.dvc").write_text(yaml.safe_dump(folder))
    (workdir / "data/one.txt.dvc").write_text(yaml.safe_dump({"outs": [{"md5": "ffff", "size": 1, "path": "one.txt"}]}))
    assert lockfile.inputs(node, {}, workdir) == {"data/own": "eeee.dir", "data/one.txt": "ffff"}
    (workdir / "data/own/b").write_text("b")
    (workdir / "data/one.txt").write_text("longer")
    found = lockfile.inputs(node, {}, workdir)
    assert found["data/own"].startswith("listing:")
    assert found["data/one.txt"] == contents.file_hash(workdir / "data/one.txt")


def test_each_stage_is_read_where_dvc_books_it(workdir: Path) -> None:
    """In the ``dvc.lock`` beside its ``dvc.yaml``, by its address, with each path seen from the project's root."""
    page = Node("docs/dvc.yaml:page", ("make",), ("docs/a", "data/out"), {}, ("docs/b",), (), frozenset(), wdir="docs")
    above = Node("docs/dvc.yaml:up", ("make",), ("data/out",), {}, ("data/c",), (), frozenset(), wdir=".")
    (workdir / "docs").mkdir()
    (workdir / "docs/dvc.lock").write_text("""
stages:
  page:
    cmd: make
    deps: [{path: a, md5: aa}, {path: ../data/out, md5: bbbb.dir}]
    params: {values.yaml: {word: x}}
    outs: [{path: b, md5: bb}]
  up: {cmd: make, deps: [{path: data/out, md5: bbbb.dir}], outs: [{path: data/c, md5: cc}]}
""")
    graph = Graph({node.name: node for node in (NODE, page, above)})
    assert lockfile.names(graph) == ["docs/dvc.lock", "dvc.lock"]
    entries = lockfile.bookings(workdir, graph)
    assert set(entries) == {"make", "train@a", "docs/dvc.yaml:page", "docs/dvc.yaml:up"}
    assert lockfile.hashes(entries["docs/dvc.yaml:page"], "deps") == {"docs/a": "aa", "data/out": "bbbb.dir"}
    assert lockfile.hashes(entries["docs/dvc.yaml:page"], "outs") == {"docs/b": "bb"}
    assert entries["docs/dvc.yaml:page"]["params"] == {"docs/values.yaml": {"word": "x"}}
    assert lockfile.hashes(entries["docs/dvc.yaml:up"], "outs") == {"data/c": "cc"}


def test_a_graph_survives_its_cache() -> None:
    """Freezing and thawing changes nothing."""
    graph = Graph({NODE.name: NODE, "docs/dvc.yaml:b": replace(NODE, name="docs/dvc.yaml:b", wdir="docs")})
    assert lockfile.thaw(lockfile.freeze(graph)) == graph


@pytest.mark.parametrize(
    "file", ["more.yaml", "docs/dvc.yaml", "docs/params.yaml", "docs/words.yaml", ".dvcignore", ".dvc/config"]
)
def test_a_graph_follows_all_that_dvc_reads_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    """The graph of before is not used when another folder's file of stages or a file of values has changed."""
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path))
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    for folder in (".dvc", "docs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "dvc.yaml").write_text("vars: [more.yaml]\nstages: {make: {cmd: 'run ${word}'}}\n")
    (tmp_path / "docs/dvc.yaml").write_text("stages: {make: {cmd: 'run ${word}', vars: [words.yaml]}}\n")
    found = []
    for word in ("one", "two"):
        text = f"vars: [words.yaml]\n# {word}\n" if file.endswith("dvc.yaml") else f"word: {word}\n"
        (tmp_path / file).write_text(text)
        monkeypatch.setattr(lockfile.graphs, "read", lambda _, word=word: Graph({word: NODE}))
        found.append([*lockfile.load_graph(tmp_path).nodes])
    monkeypatch.setattr(lockfile.graphs, "read", None)
    assert [*lockfile.load_graph(tmp_path).nodes] == [NODE.name]
    assert found == [["one"], ["two"]]


@pytest.mark.parametrize("known", [False, True], ids=["a clone", "a submodule"])
@pytest.mark.parametrize("folder", ["docs", "docs/inner"])
def test_a_graph_follows_the_stages_of_a_repository_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, known: bool
) -> None:
    """DVC reads every dvc.yaml below the project; git names a repository there by its folder, new or as a submodule."""
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path))
    (tmp_path / folder).mkdir(parents=True)
    for place in (".", "docs", folder):
        subprocess.run(["git", "init", "-q"], cwd=tmp_path / place, check=True)
    (tmp_path / ".dvc").mkdir()
    for place in (".", folder):
        (tmp_path / place / "dvc.yaml").write_text("stages: {}\n")
    if known:
        for place in dict.fromkeys((folder, "docs")):
            subprocess.run(["git", "add", "."], cwd=tmp_path / place, check=True)
            who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
            subprocess.run(["git", *who, "commit", "-qm", "x"], cwd=tmp_path / place, check=True)
        subprocess.run(["git", "-c", "advice.addEmbeddedRepo=false", "add", "docs"], cwd=tmp_path, check=True)
    for word in ("one", "two"):
        (tmp_path / folder / "dvc.yaml").write_text(f"stages: {{}}  # {word}\n")
        monkeypatch.setattr(lockfile.graphs, "read", lambda _, word=word: Graph({word: replace(NODE, name=word)}))
        assert [*lockfile.load_graph(tmp_path).nodes] == [word]


def test_without_git_a_graph_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else lists the files of stages without walking through the data."""
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    for word in ("one", "two"):
        monkeypatch.setattr(lockfile.graphs, "read", lambda _, word=word: Graph({word: NODE}))
        assert [*lockfile.load_graph(tmp_path).nodes] == [word]
