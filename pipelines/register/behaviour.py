"""Names what code does, comments and layout apart: that which travels with a model, and that which measures models."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import stages
from pipelines.register import served
from stages.core import measuring as measures
from stages.core.source import Source

ENTRANCES = ("stages.core.checkpoint", "stages.parts.cameras._preparation", "stages.maths.rle")
CHOICES = (("demosaicer", "demosaicers"), ("white_balance", "white_balances"))


def digest(card: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the code that a model runs to answer a picture; comments, docstrings and layout do not count.

    Args:
        card: content of ``model.json``: it names the parts.
    """
    found = _closure(*ENTRANCES, *_parts(card))
    own = measures.meaning(Path(served.__file__).read_text(encoding="utf-8"))
    return measures.joined([*measures.texts(_root(), found), own])


def measuring(task: str) -> str:
    """Return the SHA-256 of the code that makes figures of answers and truth, as the evaluation says which it was."""
    return measures.code(task, _root())


def deciding(task: str) -> str:
    """Return the SHA-256 of the code that judges figures by group, as the audit says which it was."""
    return measures.verdicts(task, _root())


def _root() -> Path:
    return Path(str(stages.__file__)).parent.parent


def _closure(*names: str) -> set[Path]:
    source = Source(_root())
    return {path for name in names for path in source.closure(name)}


def _parts(card: Mapping[str, Any]) -> Iterator[str]:
    for family, key in (("backbones", "backbone"), ("heads", "head")):
        if key in card:
            yield f"stages.parts.{family}.{card[key]['name']}"
    recipe = (card.get("recipe") or {}).get("preprocess", {})
    yield from (f"stages.parts.{family}.{recipe[key]}" for key, family in CHOICES if key in recipe)
