"""A version's tags name the data by DVC's hashes and the runs that made it."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from pipelines.record import lockfile
from pipelines.register import lineage, registry, steps
from stages.core import artefacts, files
from stages.core.errors import DataError
from stages.parts import evaluators
from tests.pipeline import registry_project as project

LOCK = Path(lockfile.NAME)
HASH = "0123456789abcdef0123456789abcdef.dir"
ENTRIES = {
    "preprocess": {
        "cmd": "rawline stage preprocess",
        "deps": [{"path": "data/acquired", "md5": HASH}, {"path": "stages/preprocess.py", "md5": "1" * 32}],
        "params": {"params.yaml": {"preprocess.size_px": 128}},
        "outs": [{"path": "data/preprocessed", "md5": "2" * 32 + ".dir"}],
    },
    "finetune@classify": {
        "cmd": "x",
        "deps": [{"path": "data/preprocessed", "md5": "2" * 32 + ".dir"}],
        "outs": [{"path": "data/finetuned/classify", "md5": "3" * 32 + ".dir"}],
    },
    "finetune@detect": {"cmd": "x", "outs": [{"path": "data/finetuned/detect", "md5": "4" * 32 + ".dir"}]},
    "register@segment": {"cmd": "x", "outs": [{"path": "data/registered/segment.json", "md5": "5" * 32}]},
}


def write(entries) -> None:
    LOCK.write_text(yaml.safe_dump({"schema": "2.0", "stages": entries}))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A project's folder that is the current one."""
    project.make(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture
def ready(tmp_path, monkeypatch):
    """The same with a database that is there, to register in."""
    project.light(monkeypatch)
    return project.start(tmp_path, monkeypatch)


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


@pytest.mark.parametrize("what", ["weights", "model", "evaluation", "settings", "audit", "rules", "test data"])
def test_whatever_goes_into_a_registration_names_it(place, what):
    """Another model, judgement or rule is another registration; nothing else is."""
    params, test = project.job().params, "t" * 64
    before = steps.fingerprint("classify", params, test)
    assert steps.fingerprint("classify", params, test) == before
    folder = artefacts.finetuned("classify")
    edits = {
        "weights": (folder / "best.safetensors", "others"),
        "model": (folder / "model.json", json.dumps({**files.read_json(folder / "model.json"), "name": "other"})),
        "evaluation": (artefacts.evaluate_metrics("classify"), '{"accuracy": {"value": 0.1}}'),
        "settings": (
            artefacts.evaluated("classify") / evaluators.SETTINGS,
            json.dumps({"form": evaluators.FORM, "min_score": 0.3}),
        ),
        "audit": (artefacts.audit_metrics("classify"), '{"verdict": "FAIL"}'),
    }
    if what == "rules":
        params = project.job(min_quality=0.7).params
    elif what == "test data":
        test = "u" * 64
    else:
        place_of, text = edits[what]
        place_of.write_text(text)
    assert steps.fingerprint("classify", params, test) != before


def test_without_git_and_lock_it_says_unknown(place):
    """A stage that runs outside of DVC and git is registered, and its tags do not pretend."""
    shutil.rmtree(".git")
    LOCK.unlink()
    found = lineage.trace("classify")
    assert (found.commit, found.dirty, found.lock, found.data) == ("unknown", "unknown", "unknown", {})


def test_a_broken_lock_is_one_line(place):
    """YAML that does not parse names the file."""
    LOCK.write_text("stages: [")
    with pytest.raises(DataError, match=r"dvc\.lock is not valid"):
        lineage.trace("classify")


def test_an_uncommitted_change_is_said(place):
    """The commit's tag alone would lie about code that was edited since; DVC's rewriting of dvc.lock is no edit."""
    clean = lineage.trace("classify")
    assert (len(clean.commit), clean.dirty, clean.code.clean) == (40, "false", True)
    write({})
    assert lineage.trace("classify").dirty == "false"
    project.book()
    (place / project.CODE).write_text("EPOCHS = 4\n")
    assert lineage.trace("classify").dirty == "true"
    assert not lineage.trace("classify").code.clean


def made(client, commit: str, dirty: str, *changes: str, stage: str = "finetune", **tags: str) -> dict[str, str]:
    """Record a run of a stage; give it by the stage's name."""
    full = f"{stage}@classify" if stage in lineage.SOURCES else stage
    tags |= {"rawline.stage": full, "rawline.commit": commit, "rawline.dirty": dirty}
    tags |= {"rawline.state": "Completed"} | ({"rawline.changes": "; ".join(changes)} if changes else {})
    return {stage: client.create_run(lineage.experiment(), tags=tags).info.run_id}


def told(client, runs: dict[str, str]) -> lineage.Lineage:
    return lineage.told(client, lineage.trace("classify"), "classify", runs)


def test_the_commit_is_the_one_that_the_training_ran_at(place):
    """The registration may come later, at another commit: both are said, by stage."""
    project.git("commit", "-q", "--allow-empty", "-m", "later")
    here = project.git("rev-parse", "HEAD")
    with registry.reachable() as client:
        found = told(client, made(client, "a" * 40, "false"))
    assert (found.commit, found.dirty) == ("a" * 40, "false")
    assert found.states == {"finetune": "a" * 40, "register": here}


def test_an_edit_that_was_committed_later_counts_as_that_commit(place):
    """The training ran with an edit; every file it booked equals the present commit: this one holds the code."""
    here = project.git("rev-parse", "HEAD")
    edit = f"{project.CODE} differs"
    with registry.reachable() as client:
        found = told(client, made(client, "a" * 40, "true", edit))
        assert (found.commit, found.dirty) == (here, "false")
        assert found.states["finetune"] == "a" * 40 + " with uncommitted changes"
        project.book(finetune="f" * 32)
        found = told(client, made(client, "a" * 40, "true", edit))
        assert (found.commit, found.dirty) == ("a" * 40, "true")
        unknown = told(client, {})
    assert (unknown.commit, unknown.dirty) == (here, "unknown")


@pytest.mark.parametrize(("stage", "dirty", "changes"), [
    ("finetune", "false", []),
    ("finetune", "true", ["stages/trainer.py differs", "pipelines/run_stage.py differs"]),
    ("evaluate", "true", ["stages/secret.py is not in the commit"]),
    ("audit", "unknown", []),
])  # fmt: skip
def test_gate_tag_and_card_say_the_same_about_the_code(ready, stage, dirty, changes):
    """The run that made these outputs says how its code stood to the commit; nothing calls clean what it calls edited."""
    outs = lockfile.output(lockfile.read(LOCK)[f"{stage}@classify"])
    with registry.reachable() as client:
        made(client, project.git("rev-parse", "HEAD"), dirty, *changes, stage=stage, **{"rawline.outs": outs})
    version = project.register()
    clean = dirty == "false"
    assert version.tags["gate.code"].startswith("yes: " if clean else "no: "), version.tags["gate.code"]
    assert version.tags["gate"] == ("champion" if clean else "challenger")
    assert version.tags["commit_dirty"] == dirty
    said = {"true": "**with uncommitted changes**", "unknown": "**code state unknown**"}
    assert [word for word in said.values() if word in version.description] == ([said[dirty]] if not clean else [])


NEW_PART = "stages/secret.py is not in the commit"


@pytest.mark.parametrize(("dirty", "changes", "tags", "reason"), [
    ("true", [NEW_PART], {}, "no: refine ran with uncommitted changes that dvc.lock does not book: stages/secret.py"),
    ("false", [], {"rawline.edited_while_running": project.CODE}, "no: what it reads was edited while it ran: refine;"),
    ("false", [], {}, "yes: refine, finetune@classify, evaluate@classify, audit@classify ran at commit "),
    (None, [], {}, "no: dvc.lock differs from commit "),
])  # fmt: skip
def test_a_stage_far_above_the_model_is_asked_how_it_ran(ready, dirty, changes, tags, reason):
    """The run of each stage that leads to the model counts, of whatever name; without one its booked files do."""
    content = yaml.safe_load(LOCK.read_text())["stages"]
    code = {"path": project.CODE, "md5": "f" * 32}  # what ran is no code of today's commit
    content["refine"] = {"cmd": "x", "deps": [code], "outs": [{"path": "data/refined", "md5": "5" * 32}]}
    content["finetune@classify"]["deps"].append({"path": "data/refined", "md5": "5" * 32})
    if dirty == "true":
        code["md5"] = content["audit@classify"]["deps"][1]["md5"]
    write(content)
    head, outs = project.git("rev-parse", "HEAD"), {name: lockfile.output(entry) for name, entry in content.items()}
    with registry.reachable() as client:
        for stage in lineage.SOURCES:
            made(client, head, "false", stage=stage, **{"rawline.outs": outs[f"{stage}@classify"]})
        if dirty:
            made(client, head, dirty, *changes, stage="refine", **tags, **{"rawline.outs": outs["refine"]})
    version = project.register()
    assert version.tags["gate.code"].startswith(reason), version.tags["gate.code"]
    clean = reason.startswith("yes")
    assert (version.tags["gate"], version.tags["commit_dirty"] == "false") == ("champion" if clean else "challenger", clean)
    assert ("commit.refine" in version.tags) == ("run.refine" in version.tags) == (dirty is not None)


@pytest.mark.parametrize("tag", ["rawline.outs", "rawline.outs_edited"])
def test_code_that_was_edited_while_it_trained_never_becomes_champion(ready, tag):
    """Such a run is found by its outputs under either name."""
    outs = lockfile.output(lockfile.read(LOCK)["finetune@classify"])
    with registry.reachable() as client:
        made(client, "a" * 40, "false", **{tag: outs, "rawline.edited_while_running": project.CODE})
    version = project.register()
    assert "edited while it ran: finetune@classify" in version.tags["gate.code"]
    assert (version.tags["gate"], version.tags["commit_dirty"]) == ("challenger", "unknown")


def test_edited_code_stays_challenger_unless_the_rules_allow_any(place, monkeypatch):
    """The version says that it was registered under ``any``."""
    project.light(monkeypatch)
    project.quick(monkeypatch)
    project.book(finetune="f" * 32)
    version = project.register()
    assert project.holders() == {"challenger": 1}
    assert f"finetune@classify ran another {project.CODE}" in version.tags["gate.code"]
    version = project.register(code="any")
    assert project.holders() == {"challenger": 2, "champion": 2}
    assert version.tags["code_policy"] == "any"
    assert version.tags["gate.code"].startswith("yes: any code may register")
    assert version.tags["commit_dirty"] == "unknown"


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
