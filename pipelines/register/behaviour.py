"""Names what code does, comments and layout apart: that which travels with a model, and that which measures models."""

import ast
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import stages
from pipelines.agreement.source import Source
from pipelines.register import served

ENTRANCES = ("stages.core.checkpoint", "stages.parts.cameras._preparation", "stages.maths.rle")
MEASURES = ("stages/judge/", "stages/maths/", "stages/parts/evaluators/")
CHOICES = (("demosaicer", "demosaicers"), ("white_balance", "white_balances"))


def digest(card: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the code that a model runs to answer a picture; comments, docstrings and layout do not count.

    Args:
        card: content of ``model.json``: it names the parts.
    """
    found = _closure(*ENTRANCES, *_parts(card))
    own = meaning(Path(served.__file__).read_text(encoding="utf-8"))
    return _hash([*_texts(found), own])


def measuring(task: str) -> str:
    """Return the SHA-256 of the code that makes figures of answers and truth: a task's evaluator and what it judges with."""
    return _hash(_texts({path for path in _closure(f"stages.parts.evaluators.{task}") if _measures(path)}))


def _measures(path: Path) -> bool:
    return path.as_posix().startswith(MEASURES)


def _root() -> Path:
    return Path(str(stages.__file__)).parent.parent


def _closure(*names: str) -> set[Path]:
    source = Source(_root())
    return {path for name in names for path in source.closure(name)}


def _texts(found: set[Path]) -> list[str]:
    return [f"{path.as_posix()}\n{meaning((_root() / path).read_text(encoding='utf-8'))}" for path in sorted(found)]


def _hash(texts: list[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _parts(card: Mapping[str, Any]) -> Iterator[str]:
    for family, key in (("backbones", "backbone"), ("heads", "head")):
        if key in card:
            yield f"stages.parts.{family}.{card[key]['name']}"
    recipe = (card.get("recipe") or {}).get("preprocess", {})
    yield from (f"stages.parts.{family}.{recipe[key]}" for key, family in CHOICES if key in recipe)


def meaning(text: str) -> str:
    """Return code without comments, docstrings and layout.

    Example:
        >>> meaning("limit = (3)  # why") == meaning("limit=3")
        True
    """
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            kept = [s for s in node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
            node.body = kept or [ast.Pass()]
    return ast.unparse(tree)
