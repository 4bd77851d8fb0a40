"""Aliases that people, other tools and other hosts move: a registration copes, and its history tells who and why."""

import getpass
import multiprocessing
import os
import re
import socket
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from pipelines.record import provenance
from pipelines.register import history, judged, registry
from pipelines.register.history import BY_HAND, History
from pipelines.register.settling import SETTLED
from stages.core import artefacts, files
from stages.judge import degenerate
from tests.pipeline import registry_project as project
from tests.pipeline.registry_project import NAME, another, holders, moves


@pytest.fixture
def client(tmp_path, monkeypatch) -> MlflowClient:
    """A registry whose champion is version 1, with 0.90."""
    return project.start_with_champion(tmp_path, monkeypatch)


def test_each_move_keeps_who_when_why_and_commit(client):
    """The tag reads as a sentence, and reads back."""
    move = History(client, NAME).read("champion")[0]
    assert (move.before, move.after) == ("none", "1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", move.when)
    assert move.who == f"{getpass.getuser()}@{socket.gethostname()}"
    assert move.commit == project.git("rev-parse", "HEAD")[:12]
    assert "there is no champion yet" in move.why
    assert "0.860 >= 0.800" in move.why


FAULT = {"kind": "single_class", "reason": "every pixel is background", "figures": ["accuracy"]}


def _degenerate(value: float, weights: str, fault: dict[str, Any] = FAULT, **rules) -> int:
    project.judge(value, weights=weights)
    content = files.read_json(artefacts.evaluate_metrics("classify"))
    files.write_json(artefacts.evaluate_metrics("classify"), content | {"degenerate": [fault]})
    return int(project.register(**rules).version)


def test_a_degenerate_evaluation_moves_no_alias_but_challenger(client):
    """1.000 on nothing beside a champion of 0.90, and where there is no champion: the tags say why, on version and model."""
    assert _degenerate(1.0, "nothing") == 2
    assert holders() == {"challenger": 2, "champion": 1}
    client.delete_registered_model_alias(NAME, "champion")
    assert _degenerate(0.99, "nothing else") == 3
    assert holders() == {"challenger": 3}
    version = client.get_model_version(NAME, "3")
    assert version.tags["degenerate"] == "single_class (accuracy)"
    assert version.tags["gate.evaluation"].startswith("no: degenerate by accuracy: single_class: every pixel is background")
    assert version.description.startswith("degenerate evaluation, PASS, accuracy 0.990")
    run = client.get_run(version.run_id).data
    assert (run.tags["degenerate"], run.params["degenerate"]) == ("single_class (accuracy)",) * 2
    assert _degenerate(0.98, "to explore", allow_degenerate=True) == 4
    assert holders()["champion"] == 4
    assert client.get_model_version(NAME, "4").tags["gate.evaluation"].startswith("yes: degenerate by accuracy: single_")


def test_a_champion_says_by_which_other_figures_its_evaluation_is_degenerate(client):
    """Version, run, LoggedModel, alias and description say what the evaluation's run says; it is champion all the same."""
    told = "constant_answer (macro_f1)"
    fault = {"kind": "constant_answer", "reason": "saying cat ties", "figures": ["macro_f1"]}
    assert _degenerate(0.95, "better", fault) == 2
    assert holders() == {"challenger": 2, "champion": 2}
    version = client.get_model_version(NAME, "2")
    line = f"nothing degenerate by accuracy was found in it; by other figures: {told}"
    assert version.tags["gate.evaluation"] == f"yes: {line}"
    assert line in History(client, NAME).read("champion")[-1].why
    run, logged = client.get_run(version.run_id).data, client.get_logged_model(judged.model_id(version))
    noted = (version.tags, run.tags, run.params, logged.tags)
    content = files.read_json(artefacts.evaluate_metrics("classify"))
    assert {one["degenerate"] for one in noted} == {told} == {degenerate.concerned(content)}
    assert version.description.startswith("degenerate by other figures: constant\\_answer (macro\\_f1), PASS, accuracy")
    client.set_model_version_tag(NAME, "2", "degenerate", "no")  # as code of before wrote it, and was interrupted
    client.delete_model_version_tag(NAME, "2", SETTLED)
    project.register()
    assert client.get_model_version(NAME, "2").tags["degenerate"] == told


def test_an_undecided_champion_says_what_was_not_audited(client):
    """Let through by allow_undecided: tags and description name what nobody looked at, and why, and an unfinished curve."""
    project.judge(0.95, verdict="UNDECIDED", weights="better")
    (artefacts.finetuned("classify") / "curves.csv").write_text("epoch,val/accuracy\n1,0.1\n2,0.2\n3,0.3\n")
    lines = ["everything: the data set has no group column"]
    audit = files.read_json(artefacts.audit_metrics("classify"))
    files.write_json(artefacts.audit_metrics("classify"), audit | {"left_open": lines})
    assert int(project.register().version) == 2
    assert holders()["champion"] == 2
    version = client.get_model_version(NAME, "2")
    assert version.tags["not_audited"] == lines[0]
    assert "val/accuracy was best in the last of 3 epochs" in version.description
    assert "which is allowed (allow_undecided); not audited: everything" in version.tags["gate.audit"]
    assert "Not audited, or not decided (allow_undecided lets it pass)" in version.description


def test_a_history_of_before_reads_back_and_goes_on(client):
    """Tags that say from and to alone stay readable, and numbers go on after them."""
    for key in [k for k in client.get_registered_model(NAME).tags if k.startswith(history.PREFIX)]:
        client.delete_registered_model_tag(NAME, key)
    for alias in history.ALIASES:
        client.set_registered_model_tag(NAME, f"alias_history.{alias}.0001", "none -> 1")
    another(0.95, "better")
    assert moves() == [("none", "1"), ("1", "2")]
    assert History(client, NAME).read("champion")[1].key.startswith("alias_history.champion.0002.")


def test_champions_cannot_slide_down_in_steps_that_each_are_allowed(client):
    """0.893 follows 0.90, and 0.886 would follow 0.893; a person who takes 0.893 for good opens the way."""
    assert another(0.893, "second") == holders()["champion"] == 2
    project.judge(0.886, weights="third")
    told = project.register().tags
    assert told["gate.champion"].startswith("yes: not shown to be worse than the champion")
    assert told["gate.former"].startswith("no: worse than version 1, the best former champion by 0.014, more than 0.010")
    assert holders() == {"champion": 2, "challenger": 3}
    for version in ("1", "2"):  # what comes of it is found by the next registration
        client.set_registered_model_alias(NAME, "champion", version)
        project.register()
    assert another(0.885, "fourth") == holders()["champion"] == 4


def test_a_former_champion_whose_evidence_is_gone_does_not_count(client):
    """It ends no registration and keeps nobody out; nor does one that was deleted."""
    another(0.893, "second")
    held = [file for file in Path.cwd().rglob("evidence.json") if files.read_json(file)["figure"]["value"] == 0.9]
    assert len(held) == 1
    held[0].write_text("{")
    assert another(0.886, "third") == holders()["champion"] == 3
    client.delete_model_version(NAME, "2")
    assert another(0.88, "fourth") == holders()["champion"] == 4


def test_champion_moved_by_hand_is_noted_and_counts(client):
    """A person's choice is the champion that the next model is judged against; the history says that it was found."""
    another(0.7, "bad")
    client.set_registered_model_alias(NAME, "champion", "2")
    assert another(0.87, "middling") == 3
    assert holders()["champion"] == 3
    assert moves() == [("none", "1"), ("1", "2"), ("2", "3")]
    found = History(client, NAME).read("champion")[1]
    assert (found.why, found.when, found.who, found.commit) == (BY_HAND, "", "", "")
    line = client.get_registered_model(NAME).tags[found.key]
    assert line == f"1 -> 2: {BY_HAND}; {history.NOBODY}; noticed {found.noticed}"
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    assert re.fullmatch(rf"at \S+Z by {re.escape(who)}, commit {project.git('rev-parse', 'HEAD')[:12]}", found.noticed)


def test_a_line_of_before_that_named_the_finder_reads_back_as_found():
    """Its time, its user and its commit are those of the finding."""
    found = history.Move.parse("k", f"1 -> 2 at 2026-11-29T06:40:12Z by ann@studio, commit 0123: {BY_HAND}")
    assert found == history.Move("k", "1", "2", why=BY_HAND, noticed="at 2026-11-29T06:40:12Z by ann@studio, commit 0123")
    assert history.Move.parse("k", "no such line") is None


def test_champion_taken_away_by_hand_stays_away_until_a_new_model(client):
    """Registering the settled model again does not give it back; a new model finds no champion."""
    client.delete_registered_model_alias(NAME, "champion")
    assert any("nothing changes" in line for line in project.said())
    assert "champion" not in holders()
    assert another(0.85, "other") == 2
    assert holders() == {"challenger": 2, "champion": 2}
    assert moves() == [("none", "1"), ("1", "none"), ("none", "2")]


def test_a_version_deleted_by_hand_is_made_again(client):
    """Deleted, it is registered anew, as the older model that it is; another model copes with the hole, too."""
    client.delete_model_version(NAME, "1")
    assert another(0.85, "other") == 2
    assert holders() == {"challenger": 2, "champion": 2}
    assert another(0.9, "weights") == 3  # not shown to be better
    assert moves()[-1:] == [("none", "2")]
    assert holders() == {"challenger": 3, "champion": 2}


def test_a_deleted_or_renamed_registered_model_begins_anew(client):
    """Nothing of the old name is needed; what carries the new name is left alone."""
    client.rename_registered_model(NAME, "elsewhere")
    assert int(project.register().version) == 1
    assert holders() == {"challenger": 1, "champion": 1}
    assert client.get_registered_model("elsewhere").aliases == {"challenger": 1, "champion": 1}
    client.delete_registered_model(NAME)
    assert int(project.register().version) == 1
    assert holders() == {"challenger": 1, "champion": 1}


def test_a_lowered_floor_promotes_and_raising_it_again_takes_nothing_back(client):
    """Moves stand until a newer decision: the version of the higher floor is settled, the registry names the champion."""
    client.delete_registered_model(NAME)
    project.judge(0.7)
    project.register()
    assert holders() == {"challenger": 1}
    project.register(min_quality=0.5)
    assert holders() == {"challenger": 2, "champion": 2}
    lines = project.said()
    assert holders() == {"challenger": 2, "champion": 2}
    assert any("version 1: no alias" in line and "champion is version 2" in line for line in lines)


@pytest.mark.parametrize("theirs", [0.93, 0.99])
@pytest.mark.parametrize("when", ["before", "after"])
def test_another_hosts_move_at_the_same_moment_is_found(client, monkeypatch, when, theirs):
    """Two hosts decide against version 1: whoever's move comes last, the better one is champion and the loss is recorded."""
    plain = MlflowClient.set_registered_model_alias
    project.judge(theirs, weights="theirs")
    with monkeypatch.context() as patch:  # registered by the other host, which is about to move champion
        patch.setattr(MlflowClient, "set_registered_model_alias", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            project.register()

    def racing(self, name, alias, version):
        if when == "after":
            plain(self, name, alias, version)
        if alias == "champion" and not done:
            done.append(True)
            plain(self, name, alias, "2")
            History(self, name).note("champion", "1", "2", "the other host's")
        if when == "before":
            plain(self, name, alias, version)

    done: list[bool] = []
    project.judge(0.96, weights="ours")
    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", racing)
    assert int(project.register().version) == 3
    found = project.client().get_model_version_by_alias(NAME, "champion")
    assert found.tags["metric.accuracy"].startswith(f"{max(theirs, 0.96):.3f}")
    whys = [move.why for move in History(client, NAME).read("champion")]
    assert any(why.startswith("lost update: another registration moved it to 2") for why in whys)


def _move(root: Path, version: int) -> None:
    os.chdir(root)
    with registry.reachable() as found, registry.exclusive(NAME):
        own = History(found, NAME)
        own.move("challenger", own.holder("challenger"), str(version), "test")


def test_moves_of_several_processes_are_one_after_the_other(client, tmp_path):
    """Four processes move one alias: the history is a chain without a gap, since each reads again before it sets."""
    for weights in "ab":
        another(0.9, weights)
    context = multiprocessing.get_context("fork")
    movers = [context.Process(target=_move, args=(tmp_path, version)) for version in (1, 2, 3, 1)]
    for mover in movers:
        mover.start()
    for mover in movers:
        mover.join()
    assert [mover.exitcode for mover in movers] == [0] * 4
    chain = moves("challenger")
    assert all(one[1] == two[0] for one, two in pairwise(chain))
    assert int(chain[-1][1]) == holders()["challenger"]


def test_a_move_by_code_of_unknown_state_says_so(client, monkeypatch):
    """Git that cannot tell is not git that says clean."""
    monkeypatch.setattr(provenance, "tags", lambda _: {"rawline.commit": "a" * 40, "rawline.dirty": "unknown"})
    History(client, NAME).note("champion", "1", "1", "test")
    assert History(client, NAME).read("champion")[-1].commit == "aaaaaaaaaaaa+unknown"
