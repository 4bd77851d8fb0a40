"""Where a model comes from: the commit, the data by their DVC hashes, the parameters, the runs."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlflow.tracking import MlflowClient

from pipelines import settings
from pipelines.graph import Graph
from pipelines.record import booking, lockfile, outputs, provenance
from pipelines.record.names import allowed
from pipelines.record.sender import Sender
from pipelines.register import committed
from pipelines.register.judgement import Code
from stages.core import digests
from stages.core.errors import DataError

UNKNOWN = "unknown"
DATA = "data/"
TRAINING = "finetune"
SOURCES = (TRAINING, "evaluate", "audit")  # what a version is made of; what they read is followed upwards
PATIENCE_S = 10.0
_BY_OUTPUTS = ("rawline.outs", booking.OUTS_EDITED)  # of a stage that ran well, and of one edited meanwhile
_WORDS = {"true": ["with uncommitted changes"], "unknown": ["in an unknown state"]}


@dataclass(frozen=True)
class Lineage:
    """What a version's tags say about its origin.

    Attributes:
        commit: git commit of the code that made the model, or ``unknown``.
        dirty: whether the code that made and judged it differed from a commit: ``true``, ``false`` or ``unknown``.
        lock: SHA-256 of the entries of ``dvc.lock`` that lead to this model, or ``unknown``.
        data: DVC hash by path, for everything those stages read and wrote under ``data/``.
        trained_on: those of ``data`` that the training and the stages before it read.
        params: parameters those stages ran with, as ``dvc.lock`` has them.
        outs: digest of each stage's outputs, by stage; the record's runs carry it.
        code: whether the code that made and judged the model is known and committed.
        seen: what tells so; the runs come in with ``told``.
        states: commit and state by stage: of the stages whose runs the record knows, and of this registration.
    """

    commit: str
    dirty: str
    lock: str
    data: dict[str, str] = field(default_factory=dict)
    trained_on: dict[str, str] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    outs: dict[str, str] = field(default_factory=dict)
    code: Code = field(default_factory=lambda: Code(clean=False, reason="nobody looked"))
    seen: committed.Witness = field(default_factory=lambda: committed.Witness({}, {}, (), {}))
    states: dict[str, str] = field(default_factory=dict)


def trace(task: str) -> Lineage:
    """Trace a task's model in the current folder.

    Raises:
        DataError: ``dvc.lock`` is there but is not valid.
        ParamsError: the same of ``dvc.yaml``.
    """
    graph = lockfile.load_graph(Path.cwd())
    booked = lockfile.bookings(Path(), graph)
    stages = leading(task, booked, graph)
    entries = {name: booked[name] for name in stages if name in booked}
    data: dict[str, str] = {}
    params: dict[str, Any] = {}
    for entry in entries.values():
        data |= lockfile.hashes(entry, "deps") | lockfile.hashes(entry, "outs")
        params |= entry.get("params", {}).get("params.yaml", {})
    training = lockfile.upstream(entries, [f"{TRAINING}@{task}"], _planned(graph))
    read = {path for name in training for path in lockfile.reads(entries.get(name, {}))}
    code = provenance.tags(Path.cwd())
    seen = committed.Witness(entries, code, stages, {})
    return Lineage(
        commit=code.get("rawline.commit", UNKNOWN),
        dirty=code.get("rawline.dirty", UNKNOWN),
        lock=hashlib.sha256(digests.canonical(entries).encode()).hexdigest() if entries else UNKNOWN,
        data={path: value for path, value in sorted(data.items()) if path.startswith(DATA)},
        trained_on={path: value for path, value in data.items() if path in read and path.startswith(DATA)},
        params=dict(sorted(params.items())),
        outs={name: lockfile.output(entry) for name, entry in entries.items()},
        code=committed.judge(seen, Path.cwd()),
        seen=seen,
    )


def leading(task: str, booked: lockfile.Entries, graph: Graph) -> tuple[str, ...]:
    """Return the stages that lead to a task's model and its judgement, each after those that it reads from.

    What DVC booked tells which stage read what another one wrote, and so does ``dvc.yaml``: either is enough, so that one
    which was never booked is among them. An entry that ``dvc.yaml`` has no stage for any more is not.

    Args:
        task: the task.
        booked: what DVC has booked, by address, each path seen from the project's root.
        graph: the stages of ``dvc.yaml``; none where there is no DVC project.
    """
    current = {name: entry for name, entry in booked.items() if not graph.nodes or name in graph.nodes}
    return tuple(lockfile.upstream(current, [f"{stage}@{task}" for stage in SOURCES], _planned(graph)))


def require_joined(task: str) -> None:
    """Refuse a model one of whose stages read something else than the stage above it wrote, by what DVC booked.

    So it is where a stage ran alone (``dvc repro --single-item``) and those behind it did not. What a frozen one read DVC
    leaves as it is, on purpose.

    Raises:
        DataError: the first such stage and what it read.
    """
    graph = lockfile.load_graph(Path.cwd())
    booked = lockfile.bookings(Path(), graph)
    entries = {name: booked[name] for name in leading(task, booked, graph) if name in booked}
    made = {out["path"]: (name, out) for name, entry in entries.items() for out in entry.get("outs", [])}
    frozen = {name for name, node in graph.nodes.items() if node.frozen}
    for name in [name for name in entries if name not in frozen]:
        for dep in entries[name].get("deps", []):
            maker, out = made.get(dep["path"], ("", {}))
            if "md5" in dep.keys() & out.keys() and dep["md5"] != out["md5"]:
                raise DataError(f"{name} read another {dep['path']} than {maker} wrote since, by dvc.lock: rawline repro")


def require_booked(task: str) -> None:
    """Refuse a model or a judgement that is not the one which ``dvc.lock`` books: lineage would tell of another one.

    So it is where a stage was run by hand (``python -m pipelines stage ...``), or its output edited. What DVC has not
    booked, or booked by a hash of before DVC 3, is not asked.

    Raises:
        DataError: the first such output and its stage.
    """
    booked = lockfile.bookings(Path(), lockfile.load_graph(Path.cwd()))
    for name in [f"{stage}@{task}" for stage in SOURCES]:
        for out in booked.get(name, {}).get("outs", []):
            lies = outputs.seen(Path(out["path"]), whole=True)
            if lies is not None and outputs.fits({out["path"]: lies}, {"outs": [out]}) is False:
                raise DataError(
                    f"{out['path']} is not what dvc.lock books of {name} (run by hand, or edited): rawline repro"
                )


def _planned(graph: Graph) -> dict[str, frozenset[str]]:
    """Return what each stage reads from by ``dvc.yaml``; what a frozen one read, which DVC leaves as it is, was booked."""
    return {name: node.upstream for name, node in graph.nodes.items() if not node.frozen}


def told(client: MlflowClient, origin: Lineage, task: str, runs: Mapping[str, str]) -> Lineage:
    """Say whether the code was clean and which commit each stage ran at; the model's commit is that of its training.

    Where the record does not know the training's run, or that ran with edited code which the commit holds by now, the
    model's commit is that of the registration.

    Args:
        client: of the project's MLflow.
        origin: as traced at registration.
        task: the task.
        runs: the runs that made the model and judged it, as ``runs`` names them.
    """
    ran = {stage: dict(client.get_run(run).data.tags) for stage, run in runs.items()}
    names = {short(stage, task): stage for stage in origin.seen.wanted}
    seen = replace(origin.seen, ran={names[stage]: tags for stage, tags in ran.items()})
    code = committed.judge(seen, Path.cwd())
    here = (seen.code.get("rawline.commit", UNKNOWN), seen.code.get("rawline.dirty", UNKNOWN))
    states = {**{stage: _state(tags) for stage, tags in ran.items()}, "register": here}
    texts = {stage: " ".join([one, *_WORDS.get(state, [])]) for stage, (one, state) in states.items()}
    commit, dirty = states.get("finetune", here)
    if commit == UNKNOWN or (code.clean and dirty != "false"):
        commit = here[0]
    worst = "true" if "true" in [state for _, state in states.values()] else UNKNOWN
    return replace(origin, commit=commit, dirty="false" if code.clean else worst, code=code, seen=seen, states=texts)


def _state(tags: Mapping[str, str]) -> tuple[str, str]:
    return tags.get("rawline.commit", UNKNOWN), tags.get("rawline.dirty", UNKNOWN)


def short(stage: str, task: str) -> str:
    """Return a stage's name without the model's task, as a version's tags have it after ``run.`` and ``commit.``.

    Example:
        >>> short("finetune@detect", "detect"), short("pretrain", "detect")
        ('finetune', 'pretrain')
    """
    return allowed(stage.removesuffix(f"@{task}"))


def runs(client: MlflowClient, task: str, origin: Lineage) -> dict[str, str]:
    """Find the MLflow runs that made the model and judged it, by ``short`` name, as far as the record has them.

    The record is sent behind the stages' back, so that the last runs may still be on their way: those of the task get a few
    seconds, and what ran before them has come by then.
    """
    found: dict[str, str] = {}
    end = time.monotonic() + (PATIENCE_S if any((settings.state() / "spool").glob("*")) else 0)
    late = {f"{stage}@{task}" for stage in SOURCES}
    for stage in sorted(origin.outs, key=lambda name: name not in late):
        while (run := _run(client, stage, origin.outs[stage])) is None and stage in late and time.monotonic() < end:
            time.sleep(0.5)
        if run:
            found[short(stage, task)] = run
    return found


def experiment() -> str:
    """Return the id of the project's experiment; one place makes it."""
    return Sender()._experiment(settings.experiment())  # noqa: SLF001 - see above


def _run(client: MlflowClient, stage: str, outs: str) -> str | None:
    """Return the newest finished run of a stage that wrote these outputs."""
    found: list[Any] = []
    for key in _BY_OUTPUTS:
        words = f"tags.`rawline.stage` = '{stage}' and tags.`{key}` = '{outs}' and tags.`rawline.state` = 'Completed'"
        found += client.search_runs([experiment()], words, max_results=1, order_by=["attributes.start_time DESC"])
    newest = max(found, key=lambda run: int(run.info.start_time), default=None)
    return str(newest.info.run_id) if newest else None
