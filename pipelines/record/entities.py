"""Turns events of a journal into MLflow's entities, within its limits on names and lengths."""

import hashlib
from collections.abc import Iterator
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from pipelines import masking
from pipelines.record.events import Event
from pipelines.record.names import allowed

MAX_PARAM = 6000
MAX_TAG = 5000
DIGEST = 36  # MLflow's limit, and the length of a DVC directory hash


def metrics(event: Event) -> list[Metric]:
    """Return the numbers of an event, each with its time and step."""
    return [Metric(allowed(key), float(value), event["t"], event.get("step") or 0) for key, value in event["values"].items()]


def params(values: dict[str, Any]) -> list[Param]:
    """Return parameters without secrets; of a longer one than MLflow takes a digest, so that no two are shown as equal."""
    return [Param(allowed(key), _within(str(value))) for key, value in masking.parameters(values).items()]


def _within(text: str) -> str:
    """Return a text of at most ``MAX_PARAM`` characters.

    Example:
        >>> _within("[1,2]"), len(_within("[1,2]" * 2000))
        ('[1,2]', 91)
    """
    if len(text) <= MAX_PARAM:
        return text
    return f"sha256 {hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()} of {len(text)} characters"


def dataset(item: dict[str, Any]) -> DatasetInput:
    """Return a data set by reference: DVC's hash is its digest."""
    digest = item["digest"][:DIGEST]
    data = Dataset(item["name"], digest, source_type="dvc", source=item["source"], profile=item.get("profile"))
    return DatasetInput(data, [InputTag("mlflow.data.context", item["context"])])


def slices(items: list[Any], size: int) -> Iterator[list[Any]]:
    """Yield the items by so many at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def tags(values: dict[str, Any]) -> list[RunTag]:
    """Return tags, cut to MLflow's length."""
    return [RunTag(allowed(key), str(value)[:MAX_TAG]) for key, value in values.items()]
