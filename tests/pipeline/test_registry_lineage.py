"""A version's tags name the data by DVC's hashes and the runs that made it."""

import shutil
import subprocess

import pytest
import yaml

from pipelines.record import lockfile
from pipelines.register import lineage, registry
from stages.core.errors import DataError
from tests.pipeline import registry_project as project

HASH = "0123456789abcdef0123456789abcdef.dir"
ENTRIES = {
    "preprocess": {
        "cmd": "rawline stage preprocess",
        "deps": [{"path": "data/acquired", "md5": HASH}, {"path": "stages/preprocess.py", "md5": "1" * 32}],
        "params": {"params.yaml": {"preprocess.size_px": 128}},
        "outs": [{"path": "data/preprocessed", "md5": "2" * 32 + ".dir"}],
    },
    "finetune@classify": {"cmd": "x", "outs": [{"path": "data/finetuned/classify", "md5": "3" * 32 + ".dir"}]},
    "finetune@detect": {"cmd": "x", "outs": [{"path": "data/finetuned/detect", "md5": "4" * 32 + ".dir"}]},
    "register@segment": {"cmd": "x", "outs": [{"path": "data/registered/segment.json", "md5": "5" * 32}]},
}


def write(entries) -> None:
    lineage.LOCK.write_text(yaml.safe_dump({"schema": "2.0", "stages": entries}))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A project's folder that is the current one."""
    project.make(tmp_path, monkeypatch)
    return tmp_path


def test_the_lock_names_what_led_to_this_model(place):
    """Data by path and hash, parameters as they were booked; other tasks do not count, nor does the order of the file."""
    write(ENTRIES)
    found = lineage.trace("classify")
    assert found.data == {
        "data/acquired": HASH,
        "data/finetuned/classify": "3" * 32 + ".dir",
        "data/preprocessed": "2" * 32 + ".dir",
    }
    assert found.params == {"preprocess.size_px": 128}
    write(dict(reversed([*ENTRIES.items()][:2])))
    assert lineage.trace("classify").lock == found.lock
    write({**ENTRIES, "preprocess": {**ENTRIES["preprocess"], "cmd": "other"}})
    assert lineage.trace("classify").lock != found.lock


def test_without_git_and_lock_it_says_unknown(place):
    """A stage that runs outside of DVC and git is registered, and its tags do not pretend."""
    found = lineage.trace("classify")
    assert (found.commit, found.dirty, found.lock, found.data) == ("unknown", "unknown", "unknown", {})


def test_a_broken_lock_is_one_line(place):
    """YAML that does not parse names the file."""
    lineage.LOCK.write_text("stages: [")
    with pytest.raises(DataError, match=r"dvc\.lock is not valid"):
        lineage.trace("classify")


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_an_uncommitted_change_is_said(place):
    """The commit's tag alone would lie about code that was edited since; DVC's rewriting of dvc.lock is no edit."""
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    write(ENTRIES)
    for words in (["init", "-q"], ["add", "params.yaml", "dvc.lock"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], check=True)
    clean = lineage.trace("classify")
    assert (len(clean.commit), clean.dirty) == (40, "false")
    write({})
    assert lineage.trace("classify").dirty == "false"
    (place / "params.yaml").write_text("seed: 8\n")
    assert lineage.trace("classify").dirty == "true"


def test_the_runs_that_made_it_are_found_by_what_they_wrote(place):
    """Of several finished runs of a stage the one with these outputs counts; an unfinished one does not."""
    write(ENTRIES)
    origin = lineage.trace("classify")
    with registry.reachable() as client:
        where = lineage.experiment()

        def run(outs: str, state: str) -> str:
            tags = {"rawline.stage": "finetune@classify", "rawline.outs": outs, "rawline.state": state}
            return client.create_run(where, tags=tags).info.run_id

        right = lockfile.output(ENTRIES["finetune@classify"])
        made = run(right, "Completed")
        run("other", "Completed")
        run(right, "Failed")
        assert lineage.runs(client, "classify", origin) == {"finetune": made}
