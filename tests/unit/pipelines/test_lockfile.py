"""What dvc.lock says about a stage is read as DVC means it."""

import copy
import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.graph import Graph, Node
from pipelines.record import lockfile

PARAMS = {"params.yaml": ("train.a", "seed")}
NODE = Node("train@a", ("run a",), ("code.py", "data/in", "data/raw"), PARAMS, ("data/out",), (), frozenset({"make"}))


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
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
    return tmp_path


def test_an_entry_that_fits_is_fresh(workdir: Path) -> None:
    """Also where DVC writes a small number as 1e-05, which YAML 1.1 reads as a word, and for a folder only DVC can hash."""
    assert lockfile.is_fresh(NODE, lockfile.read(workdir / "dvc.lock"), workdir)


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
    assert not lockfile.is_fresh(NODE, entries, workdir)


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


def test_a_graph_survives_its_cache() -> None:
    """Freezing and thawing changes nothing."""
    graph = Graph({NODE.name: NODE})
    assert lockfile.thaw(lockfile.freeze(graph)) == graph
