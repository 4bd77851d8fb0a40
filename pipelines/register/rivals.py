"""The champions that the gate holds a model against: the present one, and the best of those before it."""

from collections.abc import Collection, Generator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.tracking import MlflowClient

from pipelines import forms
from pipelines.register import history, judging, registry
from pipelines.register.judgement import Evidence, Former, Unjudged
from stages.core import files
from stages.core.errors import DataError
from stages.core.stage import Note

EVIDENCE = "artifacts/evidence/evidence.json"


@dataclass(frozen=True)
class Rival:
    """The champion that a model is judged against.

    Attributes:
        version: its number, ``none`` where there is no champion.
        evidence: what it shows on the present test data, or why it cannot be judged; None where there is no champion.
    """

    version: str
    evidence: Evidence | Unjudged | None


NOBODY = Rival(history.NONE, None)


def of(client: MlflowClient, name: str, version: str, task: str, found: Evidence) -> Generator[Note, None, Rival]:
    """Return the rival, after a line where it must be judged anew.

    What was stored with the version counts where it is about the same figure, measured alike on the same test data, and says
    whether its evaluation was degenerate. One that has no such evidence (test data or evaluator changed, it was made by hand
    or by another tool, or before evidence said these things) answers the present test pictures now.

    Args:
        client: of the registry.
        name: registered model.
        version: that holds the alias, ``none`` for none.
        task: the task.
        found: the candidate's evidence.
    """
    if version == history.NONE:
        return NOBODY
    stored = _stored(client, name, version)
    if stored is not None and stored.about == found.about and stored.degenerate is not None:
        return Rival(version, stored)
    why = "it has no evidence" if stored is None else _difference(stored, found)
    yield Note(f"{name}: judging champion version {version} on the present test pictures ({why})")
    return Rival(version, judging.judge(client, name, version, task, found.metric))


def best(client: MlflowClient, name: str, former: Collection[str], found: Evidence) -> Former | None:
    """Return the former champion with the highest figure on the present test data, with the others, by what was stored.

    None is judged anew for this: where the evidence is gone, broken, of other test data or measured otherwise, or does not
    say whether it is degenerate, that version does not count.

    Args:
        client: of the registry.
        name: registered model.
        former: versions that were champion.
        found: the candidate's evidence.
    """
    there = [one for one in registry.versions(client, name) if str(one.version) in former]
    numbers = [str(one.version) for one in there if one.tags.get("test_data") == found.test_data]
    stored = [(number, _stored(client, name, number)) for number in numbers]
    fit = [(number, one) for number, one in stored if one is not None and _counts(one, found)]
    if not fit:
        return None
    number, first = max(fit, key=lambda pair: pair[1].figure.value or 0.0)
    return Former(number, first, tuple(one for other, one in fit if other != number))


def _counts(stored: Evidence, found: Evidence) -> bool:
    return stored.about == found.about and stored.degenerate is not None


def _difference(stored: Evidence, found: Evidence) -> str:
    if (stored.metric, stored.test_data) != (found.metric, found.test_data):
        return "its evidence is of other test data or another figure"
    if stored.measured != found.measured:
        return "its evidence was measured otherwise"
    return "its evidence does not say whether it is degenerate"


def _stored(client: MlflowClient, name: str, version: str) -> Evidence | None:
    """Return the evidence that a version carries; None where it has none that can be read."""
    with TemporaryDirectory(prefix="rawline-") as holder:
        try:
            raw = files.read_json(registry.download(client, name, version, EVIDENCE, Path(holder)))
            return Evidence.from_json(raw) if forms.is_evidence(raw) else None
        except (AttributeError, DataError, KeyError, TypeError, ValueError):
            return None
