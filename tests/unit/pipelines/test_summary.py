"""The summary says what there is and leaves open what there is not."""

import json
from dataclasses import replace
from pathlib import Path

import click
import pytest
import yaml

from pipelines import last_run, registered, summary
from pipelines.record import contents
from pipelines.record import execution as executions
from pipelines.record.journal import Journal
from pipelines.record.processes import Owner, owner
from pipelines.registered import Standing
from stages.core import artefacts, files
from stages.parts import reports


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a project with two tasks of which one is done."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("tasks: {classify: {}, detect: {}}\nregister: {classify: {metric: macro_f1}}\n")
    figures = {
        "accuracy": {"value": 0.9, "low": 0.85, "high": 0.94, "n": 160},
        "macro_f1": {"value": 0.88, "low": 0.8, "high": 0.92, "n": 160},
        "per_class": {"a": {"f1": 1.0}},
    }
    files.write_json(artefacts.evaluate_metrics("classify"), figures)
    files.write_json(artefacts.audit_metrics("classify"), {"verdict": "FAIL", "reasons": ["night is 12 points worse"]})
    found = Standing("x-classify", "d" * 64, 3, ("challenger",), settled=True, champion=2, challenger=3)
    monkeypatch.setattr(registered, "standing", lambda task: found if task == "classify" else None)
    artefacts.evaluate_metrics("detect").write_text("{half")
    return tmp_path


def test_figures_verdict_and_version_stand_together(capsys: pytest.CaptureFixture[str]) -> None:
    """The figure that the gate judges comes first, each with interval and count."""
    summary.show()
    text = capsys.readouterr().out
    assert text.index("macro_f1 0.880 [0.800, 0.920], n = 160") < text.index("accuracy 0.900 [0.850, 0.940], n = 160")
    assert "audit FAIL: night is 12 points worse" in text
    assert "x-classify version 3 (challenger; champion is version 2)" in text
    assert "rawline predict models:/x-classify/3 PICTURE" in text


def test_a_degenerate_evaluation_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """By the figure that the gate judges: what concerns another one is not said of it."""
    content = files.read_json(artefacts.evaluate_metrics("classify"))
    faults = [
        {"kind": "few_units", "reason": "six", "figures": []},
        {"kind": "constant_answer", "reason": "ties", "figures": ["accuracy"]},
    ]
    files.write_json(artefacts.evaluate_metrics("classify"), content | {"degenerate": faults})
    assert summary.lines()[0].nothing == ("few_units: six",)
    summary.show()
    assert "degenerate evaluation: few_units: six" in click.unstyle(capsys.readouterr().out)
    assert summary.lines()[0].beside == ("constant_answer (accuracy): ties",)
    faults[1] |= {"figures": ["macro_f1", "accuracy"]}
    files.write_json(artefacts.evaluate_metrics("classify"), content | {"degenerate": faults})
    assert summary.lines()[0].nothing == ("few_units: six", "constant_answer (macro_f1, accuracy): ties")
    summary.show()
    assert "degenerate evaluation: constant_answer (macro_f1, accuracy): ties" in click.unstyle(capsys.readouterr().out)
    files.write_json(artefacts.evaluate_metrics("classify"), content | {"degenerate": []})
    summary.show()
    assert "degenerate" not in capsys.readouterr().out


def test_a_figure_by_which_the_evaluation_says_nothing_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    """Though the gate judges by another one: kind in its line, reason once below; what the audit makes of it stays."""
    content = files.read_json(artefacts.evaluate_metrics("classify"))
    fault = {"kind": "constant_answer", "reason": "saying cat ties: 0.9", "figures": ["accuracy"]}
    given = content | {"degenerate": [fault], "degenerate_asked": ["accuracy", "macro_f1"]}
    files.write_json(artefacts.evaluate_metrics("classify"), given)
    told = "The evaluation is degenerate (constant_answer) by accuracy, so nothing passes by it"
    audit = {"verdict": "UNDECIDED", "reasons": [f"{told}: {fault['reason']}."]}
    files.write_json(artefacts.audit_metrics("classify"), audit)
    summary.show()
    text = click.unstyle(capsys.readouterr().out)
    assert "accuracy 0.900 [0.850, 0.940], n = 160; degenerate: constant_answer\n" in text
    assert "macro_f1 0.880 [0.800, 0.920], n = 160\n" in text
    assert "degenerate by other figures: constant_answer (accuracy): saying cat ties: 0.9\n" in text
    assert f"audit UNDECIDED: {told}.\n" in text
    assert "degenerate evaluation:" not in text


def test_a_figure_outside_of_its_own_interval_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """No stage writes one: somebody edited the file. A bound that equals the figure is none, nor is one that is rounded."""
    content = files.read_json(artefacts.evaluate_metrics("classify"))
    edge = {"value": 1.0, "low": 0.9, "high": 0.999999, "n": 160}
    given = content | {"accuracy": content["accuracy"] | {"value": 0.903, "low": 0.0, "high": 0.015}, "macro_f1": edge}
    files.write_json(artefacts.evaluate_metrics("classify"), given)
    summary.show()
    text = click.unstyle(capsys.readouterr().out)
    assert text.count("outside of its own interval") == 1
    assert "edited by hand? accuracy 0.903 lies outside of its own interval [0.000, 0.015]" in text
    files.write_json(artefacts.evaluate_metrics("classify"), content)
    assert summary.lines()[0].edited == ()


FIGURE = {"value": 0.9, "low": 0.8, "high": 0.9, "n": 160}
ODD = {
    "a word for a number": {"accuracy": FIGURE | {"value": "x"}},
    "no number": {"accuracy": FIGURE | {"value": float("nan")}},
    "a bound without end": {"accuracy": FIGURE | {"low": float("-inf")}},
    "a number that no float holds": {"accuracy": FIGURE | {"value": 10**400}},
    "a count in words": {"accuracy": FIGURE | {"n": "many"}},
    "a kind alone": {"accuracy": FIGURE, "degenerate": "few_units"},
    "a fault without a reason": {"accuracy": FIGURE, "degenerate": [{"kind": "exact", "figures": []}]},
    "a figure asked": {"accuracy": FIGURE, "degenerate": [], "degenerate_asked": 5},
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD.keys())
def test_figures_that_no_stage_wrote_cannot_be_read(content: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON the file is well: its path is named in one line, and nothing of it is shown."""
    artefacts.evaluate_metrics("classify").write_text(json.dumps(content))
    (task, _) = summary.lines()
    assert (task.figures, task.nothing, task.broken) == ([], (), (artefacts.evaluate_metrics("classify").as_posix(),))
    summary.show()
    text = capsys.readouterr().out
    assert f"{artefacts.evaluate_metrics('classify').as_posix()} cannot be read (rawline repro makes it anew)" in text
    assert "accuracy" not in text


@pytest.mark.parametrize("content", [{"verdict": ["PASS"]}, {"reasons": 5}, {"verdict": "FAIL", "reasons": {"a": 1}}])
def test_an_audit_that_no_stage_wrote_cannot_be_read(content: dict[str, object]) -> None:
    """The figures beside it are shown all the same."""
    artefacts.audit_metrics("classify").write_text(json.dumps(content))
    (task, _) = summary.lines()
    assert task.broken == (artefacts.audit_metrics("classify").as_posix(),)
    assert task.verdict == "-"
    assert task.figures


@pytest.mark.parametrize("failed", [False, True])
def test_every_reason_of_a_degenerate_evaluation_is_told_once(failed: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever mends one must know of the other before the next training; a FAIL beside them keeps its own reason."""
    content = files.read_json(artefacts.evaluate_metrics("classify"))
    whys = {"absent_class": "no disc; add some", "few_units": "six; add test pictures"}
    faults = [{"kind": kind, "reason": why, "figures": []} for kind, why in whys.items()]
    files.write_json(artefacts.evaluate_metrics("classify"), content | {"degenerate": faults})
    reasons = [*reports.nothing(whys), *(["night is 12 points worse"] if failed else [])]
    files.write_json(artefacts.audit_metrics("classify"), {"verdict": "UNDECIDED", "reasons": reasons})
    summary.show()
    text = click.unstyle(capsys.readouterr().out)
    assert [text.count(why) for why in whys.values()] == [1, 1]
    assert ("audit UNDECIDED: night is 12" if failed else "UNDECIDED: nothing passes on a degenerate evaluation") in text
    assert all(why in reasons[0] for why in whys.values())


def test_what_is_missing_is_left_open_and_what_is_broken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A half-written file does not end the summary, and is not taken for one that nobody has written."""
    done, broken = summary.lines()
    assert (done.verdict, done.broken) == ("FAIL", ())
    assert (broken.figures, broken.verdict, broken.model) == ([], "-", "-")
    summary.show()
    named = f"{artefacts.evaluate_metrics('detect')} cannot be read (rawline repro makes it anew)"
    assert named in capsys.readouterr().out
    artefacts.evaluate_metrics("detect").unlink()
    summary.show()
    text = capsys.readouterr().out
    assert "detect    not yet evaluated" in text
    assert "cannot be read" not in text


def _execution(kind: str, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> str:
    """Begin an execution of a process, with one stage that has begun, and send nothing of it."""
    monkeypatch.setenv(executions.RECORDER, "off")
    execution = executions.open_execution(kind, owner=owner)
    stage = Journal(executions.folder(execution) / "finetune@classify.1.jsonl")
    stage.write("open", name="finetune@classify", stage="finetune@classify", experiment="x", **owner.noted())
    return execution


def test_a_run_that_ended_early_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One whose process is gone was killed in that stage; one that still lives, and one that ended well, is not told."""
    gone, told = Owner(2**22 + 1, 1.0), "ended early: finetune@classify was killed; rawline repro goes on"
    execution = _execution("repro", gone, monkeypatch)
    summary.show()
    assert f"the last run ({executions.title(execution)}) {told}" in capsys.readouterr().out
    for status in ("FAILED", "KILLED", "FINISHED"):
        Journal(executions.folder(execution) / "execution.jsonl").write("end", status=status, message="")
        summary.show()
        assert ("ended early" in capsys.readouterr().out) == (status != "FINISHED")


def test_a_run_with_nothing_to_do_ends_the_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed trial whose parameter was taken back is no run to go on with; one that fails later is."""
    _execution("repro", Owner(2**22 + 1, 1.0), monkeypatch)
    assert "ended early" in last_run.broken_off()
    last_run.settle()
    assert last_run.broken_off() == ""
    later = {"status": "FAILED", "states": {"acquire": {"state": "Failed"}}}
    files.write_json(executions.archive("29990101-000000-repro-1-1d8230a3"), later)
    assert "acquire failed" in last_run.broken_off()


def test_a_run_that_goes_on_has_not_ended_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is this very process'; and a stage that was run alone says nothing of the project's last run."""
    _execution("repro", owner(), monkeypatch)
    assert last_run.broken_off() == ""


def test_a_stage_that_was_run_alone_is_no_last_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody goes on with it by rawline repro; without any run there is nothing to tell."""
    assert last_run.broken_off() == ""
    _execution("stage", Owner(2**22 + 1, 1.0), monkeypatch)
    assert last_run.broken_off() == ""


def test_an_archived_run_tells_how_it_ended() -> None:
    """The note that stays when MLflow has everything says status and states; a broken one says nothing."""
    place = executions.archive("20261130-022222-dvc-18913-1d8230a3")
    states = {"evaluate@detect": {"state": "Failed"}, "acquire": {"state": "Completed"}}
    files.write_json(place, {"status": "FAILED", "states": states})
    line = "the last run (dvc 2026-11-30 02:22:22) ended early: evaluate@detect failed; rawline repro goes on"
    assert last_run.broken_off() == line
    files.write_json(place, {"status": "FINISHED", "states": states})
    assert last_run.broken_off() == ""
    place.write_text("{half")
    assert last_run.broken_off() == ""


def test_without_a_registered_model_no_prediction_is_offered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A receipt that DVC pulled is no model in the registry: the summary says what registers it."""
    monkeypatch.setattr(registered, "standing", lambda _: Standing("x-classify", "d" * 64))
    summary.show()
    text = capsys.readouterr().out
    assert "x-classify is not in the registry (rawline repro registers it)" in text
    assert "rawline predict" not in text


def test_of_a_deleted_version_beside_others_that_very_one_is_missed() -> None:
    """The model's name is in the registry: what is not is the version that the receipt names."""
    one = Standing("x-classify", "d" * 64, champion=2, others=1)
    told = "x-classify: the version of this model is not in the registry (rawline repro registers it)"
    assert str(one) == f"{told}, which has 1 other version; champion is version 2"
    assert str(replace(one, champion=None, others=3)) == f"{told}, which has 3 other versions"


BEHIND = "these figures are not that version's, and not registered yet: rawline repro"


def test_figures_of_another_model_than_the_registered_one_say_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An evaluation was repeated and not registered: told by the bytes that the receipt names, whoever registered them."""
    told = {str(path): contents.file_hash(path) for path in (artefacts.evaluate_metrics("classify"),)}
    receipt = {"name": "x-classify", "digest": "d" * 64, "figures": told}
    files.write_json(artefacts.receipt("classify"), receipt)
    old = {"cmd": "x", "deps": [{"path": str(artefacts.evaluate_metrics("classify")), "md5": "0" * 32}], "outs": []}
    (project / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"register@classify": old}}))
    summary.show()
    assert "not that version's" not in capsys.readouterr().out
    files.write_json(artefacts.evaluate_metrics("classify"), {"macro_f1": {"value": 0.2, "low": 0.1, "high": 0.3, "n": 160}})
    summary.show()
    text = capsys.readouterr().out
    assert BEHIND in text
    assert "try that version (these figures are another model's)" in text


@pytest.mark.parametrize("receipt", [
    '{"name": "x-classify", "digest": "d"}', '{"figures": ["a"]}', '["figures"]', "{half", None,
])  # fmt: skip
def test_what_nobody_knows_says_nothing_of_the_figures(
    project: Path, capsys: pytest.CaptureFixture[str], receipt: str | None
) -> None:
    """A receipt of before, a broken one or none, and a dvc.lock with the marks of a merge end no summary."""
    if receipt:
        artefacts.receipt("classify").parent.mkdir(exist_ok=True)
        artefacts.receipt("classify").write_text(receipt)
    (project / "dvc.lock").write_text("<<<<<<< HEAD\nstages: [\n")
    summary.show()
    assert BEHIND not in capsys.readouterr().out
