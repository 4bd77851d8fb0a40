"""Tells which of two registered models is the older one: by when their weights were first registered, whatever the version.

The same weights may be registered again, under other rules, after another evaluation or with another ``model.json`` (which
holds settings that change no answer, too); that makes them no newer. Nor does it that their version was deleted meanwhile,
or the whole registered model was, or got another name: the LoggedModel that it was made of is left, and says of which
weights it is, for which registered model a version was made of it, under which number and when.

Of one registered model the number tells, since a clock may be set back. One that is made anew counts its versions from 1:
between two of them time tells. Where it may be one or may be two, and number and time contradict each other, a model counts
as the older one: it must be shown to be better.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from pipelines.register import lineage, registry
from stages.core import digests
from stages.core.errors import DataError, InfrastructureError

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
        before: what was registered under this name, its version there or not.
    """

    models: Mapping[int, Model]
    made: Mapping[int, float]
    since: float
    before: tuple[Registration, ...] = ()

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
        return one.when <= other.when or (not unknown and other.since == self.since)  # what is there now came last


def of(folder: Path) -> Model:
    """Return what tells the model in a folder."""
    return Model(digests.weights(folder), digests.model(folder))


def read(client: MlflowClient, name: str) -> Ages:
    """Return the weights of a registered model's versions; what a version of before lacks is read from its files, once."""
    versions = registry.versions(client, name)
    found = {int(version.version): _model(client, version) for version in versions}
    models = {number: model for number, model in found.items() if model is not None}
    made = {int(version.version): float(version.creation_timestamp) for version in versions}
    tags = {int(version.version): version.tags.get("logged_model", "") for version in versions}
    known = {tags[number]: model for number, model in models.items() if model != UNKNOWN}
    return Ages(models, made, since(client, name), tuple(_before(client, name, tags, known)))


def since(client: MlflowClient, name: str) -> float:
    """Return when the registered model was made that has a name now, in ms since 1970; another name leaves that as it is."""
    return float(client.get_registered_model(name).creation_timestamp)


def _before(client: MlflowClient, name: str, there: Mapping[int, str], known: Mapping[str, Model]) -> Iterator[Registration]:
    """Yield each registration of a LoggedModel's weights under a name, as far as it tells them.

    Args:
        client: of the project's MLflow.
        name: of the registered model, which may have been made anew since.
        there: the id of the LoggedModel that each version was made of, by number.
        known: the weights that a version tells, by the id of the LoggedModel that it was made of.
    """
    for logged in registry.logged_models(client, lineage.experiment(), name):
        left = [one for one in _registrations(logged, name) if one.since or there.get(one.number) != logged.model_id]
        model = (known.get(logged.model_id) or _logged(client, logged)) if left else UNKNOWN
        if model != UNKNOWN:
            yield from (replace(one, model=model) for one in left)


def _registrations(logged: LoggedModel, name: str) -> Iterator[Registration]:
    """Yield each registration of a LoggedModel under a name; of one of before nobody knows the registered model."""
    told = {}
    for one in entries(logged):
        number, when, made = (_number(one.get(key)) for key in ("version", "at", "since"))
        if one.get("name") == name and number and when and made:
            told[number, made] = Registration(UNKNOWN, number, float(when), float(made))
    yield from told.values()
    for number in {_number(one.get("version")) for one in versions_of(logged) if one.get("name") == name}:
        if not any(number == own for own, _ in told):
            yield Registration(UNKNOWN, number, registered(logged), None)


def _number(raw: Any) -> int:
    text = str(raw)
    return int(text) if text.isdecimal() and len(text) <= LONGEST else 0


def entry(client: MlflowClient, version: ModelVersion) -> dict[str, Any]:
    """Return what a LoggedModel keeps of a version that was made of it: number, time and registered model of that time."""
    made = int(since(client, version.name))
    return {"name": version.name, "version": str(version.version), "at": int(version.creation_timestamp), "since": made}


def registered(logged: LoggedModel) -> float:
    """Return when a version was first made of a LoggedModel, in ms since 1970; of one of before when it was packed."""
    told = str(logged.tags.get(FIRST, ""))
    return float(_number(told) or logged.creation_timestamp)


def _logged(client: MlflowClient, logged: LoggedModel) -> Model:
    """Return the weights of a LoggedModel: by its tags, else from its files; where these are gone by weights and card."""
    known = _tagged(logged.tags)
    if known.weights or not known.whole:
        return known
    with TemporaryDirectory(prefix="rawline-") as holder, suppress(InfrastructureError):
        weights = digests.weights(registry.fetch(f"{logged.model_uri}/{PLACE}", Path(holder)))
        if weights:
            client.set_logged_model_tags(logged.model_id, {WEIGHTS: weights})
        return Model(weights, known.whole)
    return known


def _tagged(tags: Mapping[str, str]) -> Model:
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


def _model(client: MlflowClient, version: ModelVersion) -> Model | None:
    """Return the weights of a version; ``UNKNOWN`` where nobody knows them, None for a model that is not ours.

    Raises:
        InfrastructureError: it is ours, its tags do not tell them, and its files are out of reach now.
    """
    known = _tagged(version.tags)
    if known.weights:
        return known
    ours = registry.DIGEST in version.tags or bool(known.whole)
    with TemporaryDirectory(prefix="rawline-") as holder:
        try:
            found = of(registry.download(client, version.name, str(version.version), PLACE, Path(holder)))
        except DataError:
            found = UNKNOWN
        except InfrastructureError:
            if ours:  # it may be this very model, and nobody can tell now
                raise
            found = UNKNOWN
    if not found.weights:
        return known if ours else None
    for key, value in found.tags().items():
        client.set_model_version_tag(version.name, str(version.version), key, value)
    return found
