"""Compares the receipts under ``data/registered`` with the registry, and brings the two together.

A receipt says what follows from the files alone: which model, by digest, should be registered. DVC may restore it from its
cache, in a fresh clone or after a change was taken back; then nothing was registered, and DVC cannot know. Versions and
aliases are therefore read from the registry, never from the receipt.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from pipelines import settings
from pipelines.record import contents
from pipelines.redaction import redact
from stages.core import artefacts, files
from stages.core import params as parameters
from stages.core.errors import DataError, InfrastructureError, RawlineError
from stages.core.figures import plural


@dataclass(frozen=True)
class Standing:
    """What the registry has of a receipt.

    Attributes:
        name: registered model.
        digest: of the registration that the receipt names.
        version: its number; None where the registry lacks it.
        aliases: those that it holds.
        settled: its registration came to its end.
        champion: the version that is champion; None for none.
        challenger: likewise.
        problem: why the registry could not be asked.
        waits_for: what it lacks to become champion that may come without a new model, where it lacks nothing else.
        others: versions of the same name that the registry has beside it.
    """

    name: str
    digest: str
    version: int | None = None
    aliases: tuple[str, ...] = ()
    settled: bool = False
    champion: int | None = None
    challenger: int | None = None
    problem: str = ""
    waits_for: str = ""
    others: int = 0

    def __str__(self) -> str:
        """Say it in one line."""
        if self.problem:
            return f"{self.name}: {self.problem}"
        if self.version is None and self.others:
            told = f"{self.name}: the version of this model is not in the registry (rawline repro registers it)"
            champion = "" if self.champion is None else f"; champion is version {self.champion}"
            return f"{told}, which has {plural(self.others, 'other version')}{champion}"
        if self.version is None:
            return f"{self.name} is not in the registry (rawline repro registers it)"
        other = "" if self.champion in (None, self.version) else f"; champion is version {self.champion}"
        state = "" if self.settled else "; its registration was interrupted (rawline repro ends it)"
        return f"{self.name} version {self.version} ({', '.join(self.aliases) or 'no alias'}{other}{state})"


def standing(task: str) -> Standing | None:
    """Return how the registry stands to a task's receipt; None where there is no receipt that can be read."""
    try:
        receipt = files.read_json(artefacts.receipt(task))
        name, digest = str(receipt["name"]), str(receipt["digest"])
    except (RawlineError, KeyError, TypeError):
        return None
    file = settings.sqlite_file(settings.registry_uri())
    if file is not None and not file.exists():  # asking would make it
        return Standing(name, digest)
    mark = [name, digest, _state(file)]
    if file is not None and (known := _remembered(task, mark)):
        return known
    try:
        found = _ask(name, digest)
    except InfrastructureError as error:
        return Standing(name, digest, problem=redact(str(error)))
    if file is not None and mark[-1] == _state(file):  # nobody wrote while it was asked
        files.write_json(_memory(task), {"mark": mark, "standing": asdict(found)})
    return found


def is_behind(task: str) -> bool:
    """Tell whether a task's receipt was made of other figures than those that lie here, by the hashes that it names.

    An evaluation alone was repeated, or a registration is still to come or has failed. What is not known says nothing: a
    receipt of before, which names no hashes, a broken one, or figures that are gone.
    """
    try:
        told = dict(files.read_json(artefacts.receipt(task))["figures"])
    except (RawlineError, KeyError, TypeError, ValueError):
        return False
    return any((now := contents.file_hash(Path(path))) and now != then for path, then in told.items())


def _memory(task: str) -> Path:
    """Return the file of what the registry said last: asking brings MLflow, seconds that an idle run need not pay."""
    return settings.state() / "standing" / f"{task}.json"


def _state(file: Path | None) -> list[list[Any]]:
    """Return what changes with every write to a local registry: times and sizes of the database and its journals."""
    parts = [file.with_name(file.name + end) for end in ("", "-wal", "-journal")] if file else []
    return [[part.name, (found := part.stat()).st_mtime_ns, found.st_size] for part in parts if part.exists()]


def _remembered(task: str, mark: list[Any]) -> Standing | None:
    """Return what the registry said last, unless it was written since, or told less than is asked today."""
    try:
        content = files.read_json(_memory(task))
        raw = content["standing"]
        if content["mark"] != mark or set(raw) != {field.name for field in fields(Standing)}:
            return None
        return Standing(**{**raw, "aliases": tuple(raw["aliases"])})
    except (DataError, KeyError, TypeError):
        return None


def _ask(name: str, digest: str) -> Standing:
    from pipelines.register import registry, settling  # noqa: PLC0415 - brings mlflow

    with registry.reachable() as client:
        version, versions = registry.find(client, name, digest), registry.versions(client, name)
        found = {alias: registry.holder(client, name, alias) for alias in (registry.CHALLENGER, registry.CHAMPION)}
        lacks = settling.waits_for(client, version)
        waits_for = "" if settling.JUDGED in lacks else " and ".join(lacks)  # to judge a champion anew is no idle run's work
    holders = {alias: int(one.version) if one else None for alias, one in found.items()}
    own = int(version.version) if version else None
    return Standing(
        name,
        digest,
        own,
        tuple(alias for alias, holder in holders.items() if own is not None and holder == own),
        version is not None and settling.SETTLED in version.tags,
        holders[registry.CHAMPION],
        holders[registry.CHALLENGER],
        waits_for=waits_for,
        others=len(versions) - (version is not None),
    )


def reconcile() -> list[str]:
    """Register what a receipt names and the registry lacks; return what was done, or why not, in one line each.

    Call it after DVC, whose cache restores receipts without anything being registered. The receipts stay as they are, so
    that DVC sees no change.
    """
    return [line for task in parameters.read().get("tasks") or {} for line in _reconcile(str(task))]


def _reconcile(task: str) -> Iterator[str]:
    before = standing(task)
    if before is None or (before.settled and not before.waits_for):
        return
    if before.problem:
        yield f"{before.name}: nobody knows whether its version is registered: {before.problem}"
        return
    why = _why(before)
    try:
        done = _register(task, before.digest)
    except RawlineError as error:
        yield f"{before.name}: {why}, and it could not be registered: {redact(str(error))}"
        return
    after = standing(task)
    if before.settled and (not done or after == before):  # what it waits for has not come yet
        return
    yield (
        f"{before.name}: {why}; now {after}"
        if done
        else (f"{before.name}: {why}, but data and parameters are no longer those of its receipt: dvc repro register@{task}")
    )


def _why(before: Standing) -> str:
    if before.version is None:
        return "the registry lacked it"
    return f"it waited for {before.waits_for}" if before.settled else "its registration had been interrupted"


def _register(task: str, digest: str) -> bool:
    """Register a task's model; False where what lies here is not what the receipt names."""
    from pipelines.register import evidence, steps  # noqa: PLC0415 - brings mlflow
    from pipelines.run_stage import load_job  # noqa: PLC0415 - see above

    module, job = load_job("register", task, parameters.read(), Path())
    if steps.fingerprint(task, job.params, evidence.test_data()) != digest:
        return False
    deque(module.run(job), maxlen=0)
    return True
