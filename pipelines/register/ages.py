"""Tells which of two registered models is the older one: by when their weights were first registered, whatever the version.

The same weights may be registered again, under other rules, after another evaluation or with another ``model.json`` (which
holds settings that change no answer, too); that makes them no newer. Nor does it that their version was deleted meanwhile,
or the whole registered model was, or got another name: the LoggedModel that it was made of is left, and says of which
weights it is, for which registered model a version was made of it, under which number and when. What counts was registered
under the registered model that is there now, whatever its name was then, or under the name that it has now.

Of one registered model the number tells, since a clock may be set back. One that is made anew counts its versions from 1:
between two of them time tells. Where it may be one or may be two, and number and time contradict each other, a model counts
as the older one: it must be shown to be better.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from stages.core import digests

MODEL = digests.MODEL
WEIGHTS = digests.WEIGHTS
PLACE = "artifacts/model"  # in a package
FIRST = "first_registered"  # of a LoggedModel: when a version was first made of it, in ms since 1970
REGISTRATIONS = "registrations"  # of a LoggedModel: each version made of it, see ``entry``
MOST = 20  # registrations that a LoggedModel keeps, the first ones: a tag holds 5,000 signs
LONGEST = 18  # digits of a number that is believed
NEW = float("inf")


@dataclass(frozen=True)
class Model:
    """What tells a model's weights from another's.

    Attributes:
        weights: SHA-256 of their file; empty where it is not known: a version of before whose files are gone.
        whole: digest of weights and card, which tells such a one; empty where that is not known either.
    """

    weights: str = ""
    whole: str = ""

    def is_like(self, other: "Model") -> bool:
        """Tell whether two models have the same weights, as far as anybody knows."""
        if self.weights and other.weights:
            return self.weights == other.weights
        return bool(self.whole) and self.whole == other.whole

    def tags(self) -> dict[str, str]:
        """Return the tags that keep it."""
        return {key: value for key, value in ((WEIGHTS, self.weights), (MODEL, self.whole)) if value}


UNKNOWN = Model()


@dataclass(frozen=True)
class Registration:
    """One registration of weights.

    Attributes:
        model: the weights.
        number: the version's; 0 where nobody knows it.
        when: the version was made, in ms since 1970.
        since: when its registered model was made, in ms since 1970, which tells it from others of its name; None where
            nobody knows it.
    """

    model: Model
    number: int
    when: float
    since: float | None


@dataclass(frozen=True)
class Ages:
    """Which weights were registered, and when.

    Attributes:
        models: the weights of each version that is ours, by number; ``UNKNOWN`` where nobody can tell: a version of ours
            from before the tags whose files are gone.
        made: when each version was made, by number, in ms since 1970.
        since: when the registered model was made that is there now, in ms since 1970.
        before: what was registered under this registered model, or another one of its name, its version there or not.
        renamed: the registered model is known to have had another name: others of its name may have come after it.
    """

    models: Mapping[int, Model]
    made: Mapping[int, float]
    since: float
    before: tuple[Registration, ...] = ()
    renamed: bool = False

    def older(self, model: Model, champion: int) -> bool:
        """Tell whether a model's weights were registered before the champion's were; the champion's own were not.

        A version of which nobody knows the weights may have been this model: it makes the model older, never newer.
        """
        theirs = self.models.get(champion, UNKNOWN)
        if theirs.is_like(model):
            return False
        seen = [*self.before, *(self._there(number, one) for number, one in self.models.items())]
        own = [one for one in seen if one.model == UNKNOWN or one.model.is_like(model)]
        others = [self._there(champion, theirs), *(one for one in seen if one.model.is_like(theirs))]
        return any(all(self._may_precede(one, other) for other in others) for one in own)

    def _there(self, number: int, model: Model) -> Registration:
        return Registration(model, number, self.made.get(number, NEW), self.since)

    def _may_precede(self, one: Registration, other: Registration) -> bool:
        """Tell whether a registration was before another one, as far as anybody knows."""
        unknown = None in (one.since, other.since)
        if one.since == other.since and not unknown:
            return one.number < other.number
        if unknown and one.number <= other.number:  # the same number twice: of two registered models
            return True
        came_last = not (unknown or self.renamed) and other.since == self.since  # that of now
        return one.when <= other.when or came_last


def of(folder: Path) -> Model:
    """Return what tells the model in a folder."""
    return Model(digests.weights(folder), digests.model(folder))


def since(client: MlflowClient, name: str) -> float:
    """Return when the registered model was made that has a name now, in ms since 1970; another name leaves that as it is."""
    return float(client.get_registered_model(name).creation_timestamp)


def number(raw: Any) -> int:
    """Return a number of a tag; 0 where there is none that is believed."""
    text = str(raw)
    return int(text) if text.isdecimal() and len(text) <= LONGEST else 0


def entry(client: MlflowClient, version: ModelVersion) -> dict[str, Any]:
    """Return what a LoggedModel keeps of a version that was made of it: number, time and registered model of that time."""
    made = int(since(client, version.name))
    return {"name": version.name, "version": str(version.version), "at": int(version.creation_timestamp), "since": made}


def registered(logged: LoggedModel) -> float:
    """Return when a version was first made of a LoggedModel, in ms since 1970; of one of before when it was packed."""
    told = str(logged.tags.get(FIRST, ""))
    return float(number(told) or logged.creation_timestamp)


def tagged(tags: Mapping[str, str]) -> Model:
    """Return the model that the tags of a version or a LoggedModel tell; ``UNKNOWN`` where they tell none."""
    return Model(str(tags.get(WEIGHTS, "")), str(tags.get(MODEL, "")))


def versions_of(logged: LoggedModel) -> list[dict[str, Any]]:
    """Return the versions that a LoggedModel's tag names; none where somebody else wrote something else there.

    Example:
        >>> from types import SimpleNamespace
        >>> texts = '[{"name": "m", "version": "1"}]', "by hand", '{"name": "m"}', "[1]", "[" * 9999
        >>> [versions_of(SimpleNamespace(tags={MLFLOW_MODEL_VERSIONS: text})) for text in texts]
        [[{'name': 'm', 'version': '1'}], [], [], [], []]
    """
    return _listed(logged, MLFLOW_MODEL_VERSIONS)


def entries(logged: LoggedModel) -> list[dict[str, Any]]:
    """Return what a LoggedModel keeps of the versions made of it, see ``entry``; one of before nothing."""
    return _listed(logged, REGISTRATIONS)


def _listed(logged: LoggedModel, tag: str) -> list[dict[str, Any]]:
    with suppress(ValueError, RecursionError):
        found = json.loads(logged.tags.get(tag, "[]"))
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return []
