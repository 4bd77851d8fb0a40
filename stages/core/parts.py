"""Finds parts by name: the folder ``stages/parts`` is the registry."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from stages.core.errors import ParamsError, nearest

PARTS = Path(__file__).parent.parent / "parts"
_PACKAGE = __name__.removesuffix(".core.parts")  # a registered model runs its own copy of the package under another name


@cache
def known(family: str) -> tuple[str, ...]:
    """List the parts of a family, by file name.

    Args:
        family: folder under ``stages/parts``, for instance ``demosaicers``.

    Example:
        >>> known("no_such_family")
        ()
    """
    files = (PARTS / family).glob("*.py")
    return tuple(sorted(f.stem for f in files if not f.stem.startswith("_")))


def load(family: str, name: str, where: str) -> ModuleType:
    """Import one part.

    Args:
        family: folder under ``stages/parts``.
        name: file name without ending.
        where: the key in ``params.yaml`` that named it, for the error message.

    Raises:
        ParamsError: the family has no such part.
    """
    if name not in known(family):
        msg = f"{where} is '{name}', no part of stages/parts/{family}; {nearest(name, known(family))}"
        raise ParamsError(f"{msg} (params.yaml: {where})")
    return import_module(f"{_PACKAGE}.parts.{family}.{name}")


@dataclass(frozen=True)
class Choice:
    """A part as ``params.yaml`` chose it.

    Attributes:
        family: folder under ``stages/parts``.
        name: file name without ending.
        params: the part's own typed parameters (its ``Params``).
        module: the imported file.
    """

    family: str
    name: str
    params: Any
    module: ModuleType

    def build(self, **context: Any) -> Any:
        """Build the part: ``module.build(params, **context)``; ``context`` is what the family passes."""
        return self.module.build(self.params, **context)


Choices = Mapping[str, Choice]
