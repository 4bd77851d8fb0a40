"""What dvc was asked for is read as dvc reads it, and a stage that nobody asked for is nobody's failure."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.graph import Graph, Node
from pipelines.record import absence, wanted
from pipelines.record.execution import StageState


def _node(name: str, *upstream: str) -> Node:
    return Node(name, (), (), {}, (f"data/{name.replace('@', '/')}",), (), frozenset(upstream))


GRAPH = Graph({node.name: node for node in (
    _node("acquire"), _node("preprocess", "acquire"), _node("finetune@a", "preprocess"), _node("finetune@b", "preprocess"),
    _node("audit@a", "finetune@a"), _node("alone"),
)})  # fmt: skip
ALL = frozenset(GRAPH.nodes)
A = {"acquire", "preprocess", "finetune@a"}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("dvc repro", ALL),
        ("dvc repro -q", ALL),
        ("dvc -q repro", ALL),
        ("dvc repro --keep-going", ALL),
        ("dvc repro finetune@a", A),
        ("dvc repro finetune", A | {"finetune@b"}),
        ("dvc repro dvc.yaml:finetune@a alone", A | {"alone"}),
        ("dvc repro data/finetune/a", A),
        ("dvc repro -s finetune@a", {"finetune@a"}),
        ("dvc repro --downstream preprocess", {"preprocess", "finetune@a", "finetune@b", "audit@a"}),
        ("dvc repro --glob 'finetune@*'", A | {"finetune@b"}),
        ("dvc repro -P", ALL),
        ("dvc exp run", ALL),
        ("dvc exp run -n name -S finetune.a=1 finetune@a", A),
        ("dvc repro no-such-stage", None),
        ("dvc exp exec-run --infofile x", None),
        ("dvc nonsense", None),
    ],
)
def test_targets_are_those_that_dvc_takes(command: str, expected: set[str] | None) -> None:
    """Options and targets in any order; what cannot be known is not guessed."""
    found = wanted.stages(GRAPH, {"kind": "dvc", "wanted": None}, command)
    assert found == (None if expected is None else frozenset(expected))


@pytest.mark.parametrize(
    ("folder", "command", "expected"),
    [
        ("docs", "dvc repro -P", ALL),
        ("docs", "dvc repro -P no-such-stage", ALL),
        ("docs", "dvc --cd . repro ../dvc.yaml:finetune@a", A),
        ("data/x", "dvc repro ../../dvc.yaml:finetune", A | {"finetune@b"}),
        ("data/x", "dvc repro -q ./../../dvc.yaml", ALL),
        ("docs", "dvc repro --glob '../dvc.yaml:finetune@*'", A | {"finetune@b"}),
        ("docs", "dvc repro -s ../dvc.yaml:finetune@a", {"finetune@a"}),
        ("docs", "dvc repro -R ..", ALL),
        ("docs", "dvc repro ../data/finetune/a", A),
        ("docs", "dvc repro /p/dvc.yaml:finetune@a", A),
        ("docs", "dvc repro -p ../dvc.yaml:finetune@a", ALL - {"alone"}),
        ("docs", "dvc exp run ../dvc.yaml:finetune@a", A),
        ("docs", "dvc repro finetune@a", None),
        ("docs", "dvc repro", None),
        ("docs", "dvc repro dvc.yaml", None),
        ("docs", "dvc repro data/finetune/a", None),
        ("docs", "dvc repro mydvc.yaml:finetune@a", None),
    ],
)
def test_targets_are_seen_from_where_dvc_was_called(folder: str, command: str, expected: set[str] | None) -> None:
    """A folder's own dvc.yaml is meant where none is named; dvc has gone to the folder of its --cd."""
    about = {"kind": "dvc", "wanted": None, "workdir": "/p", "called_from": folder}
    assert wanted.stages(GRAPH, about, command) == (None if expected is None else frozenset(expected))


def test_a_file_of_stages_in_another_folder_is_told_apart() -> None:
    """The same name in two files is two stages, and a file or folder as target is what lies in it with what it needs."""
    graph = Graph({**GRAPH.nodes, **{node.name: node for node in (
        _node("sub/dvc.yaml:acquire"), _node("sub/dvc.yaml:score", "acquire", "sub/dvc.yaml:acquire"),
    )}})  # fmt: skip
    both = {"acquire", "sub/dvc.yaml:acquire", "sub/dvc.yaml:score"}
    for folder, command, expected in (
        (".", "dvc repro acquire", {"acquire"}),
        (".", "dvc repro sub/dvc.yaml:acquire", {"sub/dvc.yaml:acquire"}),
        (".", "dvc repro -R sub", both),
        (".", "dvc repro -R sub/", both),
        (".", "dvc repro", ALL),
        ("sub", "dvc repro", both),
        ("sub", "dvc repro acquire", {"sub/dvc.yaml:acquire"}),
        ("sub", "dvc repro ../dvc.yaml:acquire", {"acquire"}),
    ):
        about = {"kind": "dvc", "workdir": "/p", "called_from": folder}
        assert wanted.stages(graph, about, command) == frozenset(expected), (folder, command)


def test_a_lone_stage_wants_itself_and_a_flow_what_it_says() -> None:
    """No command of dvc is needed; a record that lost its command claims nothing."""
    assert wanted.stages(GRAPH, {"kind": "stage"}, "") == frozenset()
    assert wanted.stages(GRAPH, {"kind": "flow", "wanted": ["alone"]}, "") == {"alone"}
    assert wanted.stages(GRAPH, {"kind": "flow", "wanted": None}, "") == ALL
    assert wanted.stages(GRAPH, {"kind": "dvc", "wanted": None}, "") is None
    assert wanted.keeps_going("dvc repro -k")
    assert wanted.keeps_going("dvc --cd docs repro -k ../dvc.yaml:alone")
    assert not wanted.keeps_going("dvc repro")


LINE = Graph({
    name: replace(_node(name, *above), commands=(command,), frozen=name == "frozen", always=name in ("always", "frozen"))
    for name, above, command in (
        ("a", (), "stage a"), ("b", ("a",), "stage b"), ("own", ("b",), "cp x y"), ("c", ("own",), "stage c"),
        ("frozen", ("a",), "stage d"), ("always", (), "stage e"),
    )
})  # fmt: skip


@pytest.mark.parametrize(
    ("command", "ran", "expected"),
    [
        ("dvc repro", (), {"always"}),
        ("dvc repro b", (), {"always"}),
        ("dvc repro --force", (), {"a", "b", "c", "always"}),
        ("dvc repro -f b", (), {"a", "b", "always"}),
        ("dvc repro -f -s b", (), {"b", "always"}),
        ("dvc exp run --force b", (), {"a", "b", "always"}),
        ("dvc repro --force-downstream", (), {"always"}),
        ("dvc repro --force-downstream", ("a",), {"b", "c", "always"}),
        ("dvc repro --force-downstream b", ("a",), {"b", "always"}),
        ("dvc repro --force-downstream", ("b",), {"c", "always"}),
        ("dvc repro --force-downstream -s b", ("a",), {"always"}),
    ],
)
def test_what_runs_whatever_its_entry_says(command: str, ran: tuple[str, ...], expected: set[str]) -> None:
    """By force, below what ran by force, or always; nobody sees whether a stage of the user's ran."""
    assert wanted.regardless(LINE, {"kind": "dvc", "wanted": None}, command, ran) == expected


def test_what_is_forced_is_not_cached() -> None:
    """Its entry fits, and dvc has not run it: it failed before that, or nobody asked for it."""
    for command, ran, told in (("dvc repro -f a b", "a", "NotReached"), ("dvc repro a b", "a", "Cached")):
        about = {"kind": "dvc", "wanted": None}
        known = absence.Known(wanted.stages(LINE, about, command), {}, None, wanted.regardless(LINE, about, command, [ran]))
        found = absence.states(LINE, {ran: StageState("Completed")}, known, lambda _: True)
        assert (found["b"].state, found["always"].state) == (told, "NotAsked")


def test_what_dvc_passes_over_is_not_waited_for() -> None:
    """Below a failure, where it goes on with the rest; it goes on there too where failures are ignored."""
    assert wanted.skipped(LINE, "dvc repro -k", ["b"]) == {"own", "c"}
    assert wanted.skipped(LINE, "dvc repro -k", []) == wanted.skipped(LINE, "dvc repro --ignore-errors", ["b"]) == set()


def test_a_queued_experiment_that_dvc_calls_failed_is_known(tmp_path: Path) -> None:
    """Dvc writes it into the file that it was started with."""
    from dvc.repo.experiments.executor.base import TaskStatus  # noqa: PLC0415

    for status, expected in ((TaskStatus.FAILED, True), (TaskStatus.CANCELED, True), (TaskStatus.SUCCESS, False)):
        (tmp_path / "x.run").write_text(f'{{"status": {status.value}}}')
        assert wanted.has_failed("dvc exp exec-run --infofile x.run", tmp_path) is expected
    assert not wanted.has_failed("dvc exp exec-run --infofile gone.run", tmp_path)
    assert not wanted.has_failed("dvc repro", tmp_path)


def _states(
    ran: dict[str, str], asked: set[str] | None, fresh: tuple[str, ...] = (), code: int | None = None
) -> dict[str, str]:
    known = absence.Known(None if asked is None else frozenset(asked), {}, code)
    had = {name: StageState(state) for name, state in ran.items()}  # type: ignore[arg-type]
    return {name: s.state for name, s in absence.states(GRAPH, had, known, lambda node: node.name in fresh).items()}


def test_nobody_else_s_stage_becomes_red() -> None:
    """Only what was wanted can be missed; below a failure it is not reached; a fresh stage is cached, wanted or not."""
    ran = {"acquire": "Completed", "preprocess": "Failed"}
    found = _states(ran, A)
    assert found == {"finetune@a": "NotReached", "finetune@b": "NotAsked", "audit@a": "NotAsked", "alone": "NotAsked"}
    assert _states(ran, set(ALL), ("alone",))["alone"] == "Cached"
    assert _states(ran, set(ALL))["alone"] == "NotReached", "dvc ends at the first failure"
    assert _states({"acquire": "Completed"}, A, ("preprocess", "finetune@a"))["finetune@a"] == "Cached"


def test_what_was_wanted_and_not_run_means_that_dvc_failed_unless_it_says_otherwise() -> None:
    """Nothing failed here, so dvc itself did, or was stopped; with status 0 it left the stage as it is."""
    ran = {"acquire": "Completed", "preprocess": "Completed"}
    assert _states(ran, A)["finetune@a"] == "NotReached"
    assert _states(ran, A, code=0)["finetune@a"] == "NotAsked"
    assert set(_states(ran, None).values()) == {"NotAsked"}
    assert {absence.STATUS[state] for state in ("NotAsked", "Cached")} == {"FINISHED"}


def test_below_what_is_not_up_to_date_nothing_is() -> None:
    """An entry that fits its own inputs was made from what lies above it as it was; all stages run, or none is cached."""
    fresh = tuple(GRAPH.nodes)
    chain = ("preprocess", "finetune@a", "audit@a")
    assert set(_states({"acquire": "Completed"}, {"acquire"}, fresh).values()) == {"Cached"}
    edited = tuple(name for name in fresh if name != "preprocess")
    found = _states({"acquire": "Completed"}, {"acquire"}, edited)
    assert [found[name] for name in chain] == ["NotAsked"] * 3
    assert found["alone"] == "Cached"
    killed = _states({"acquire": "Completed", "preprocess": "Completed", "finetune@a": "Killed"}, A, fresh)
    assert (killed["audit@a"], killed["finetune@b"]) == ("NotAsked", "Cached")


def test_a_frozen_stage_is_left_alone_and_makes_nobody_red() -> None:
    """DVC does not run it and ends well; what was made below it is not of the parameters of now."""
    nodes = {name: replace(node, frozen=name == "preprocess") for name, node in GRAPH.nodes.items()}
    graph = Graph(nodes)
    for asked, told in ((ALL, {}), (None, {}), (ALL, dict.fromkeys(("preprocess", "finetune@a"), "Cached"))):
        known = absence.Known(asked, told, None)
        ran = {"acquire": StageState("Completed"), "alone": StageState("Completed")}
        found = absence.states(graph, ran, known, lambda node: node.name != "preprocess")
        assert {state.state for state in found.values()} == {"NotAsked"}, found
        assert "frozen" in found["preprocess"].message
        whole = absence.states(graph, ran, known, lambda _: True)
        assert {state.state for state in whole.values()} == {"Cached"}
    assert wanted.stages(graph, {"kind": "dvc", "wanted": None}, "dvc repro audit@a") == {
        "preprocess",
        "finetune@a",
        "audit@a",
    }


@pytest.mark.parametrize("command", ["", "dvc", "dvc repro --no-such-option", "dvc 'unclosed"])
def test_a_command_that_dvc_does_not_take_is_read_without_a_word(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Nobody's error is printed for what another version or no dvc at all was called with."""
    assert not wanted.keeps_going(command)
    assert not wanted.allows_missing(command)
    assert capfd.readouterr() == ("", "")
