"""Reads YAML so that whatever is wrong with it is a fault of the file, of one kind, and names its line."""

from typing import Any

import yaml
from yaml.constructor import ConstructorError, SafeConstructor

LONGEST = 300  # signs of an integer that a float can hold; Python neither reads nor writes one of more than 4,300 digits
_FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = "tag:yaml.org,2002:int"


class ValueFaultError(ConstructorError):
    """A scalar has the form, or tag, of a number or a date and is none, or is of no use; ``problem`` does not quote it."""


class _Checked(SafeConstructor):
    def construct_object(self, node: Any, deep: bool = False) -> Any:
        if node.tag == _INTEGER and len(node.value) > LONGEST:
            problem = f"an integer of {len(node.value):,} signs; expected {LONGEST} at most"
            raise ValueFaultError(None, None, problem, node.start_mark)
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError) as error:  # PyYAML's own, where a tag is wrong
            raise ValueFaultError(
                None, None, f"no number or date ({error})" if str(error) else "no number or date", node.start_mark
            ) from error


class _Loader(_Checked, yaml.SafeLoader):
    """Yaml's own, whose messages show the line."""


class _FastLoader(_Checked, _FAST):
    """In C, for what machines wrote."""


def load(text: str | bytes, *, fast: bool = False) -> Any:
    r"""Return what a YAML text holds.

    Args:
        text: the text.
        fast: read it in C where yaml has that.

    Raises:
        yaml.YAMLError: it is broken, nested deeper than Python can follow, or a value in it is no number or date though it
            has the form of one: the thirteenth month, an integer of thousands of digits.

    Example:
        >>> load("nc: 0x10")
        {'nc': 16}
        >>> load("a: 1\nb: 2026-13-01")
        Traceback (most recent call last):
            ...
        stages.core.yaml_text.ValueFaultError: no number or date (month must be in 1..12)
          in "<unicode string>", line 2, column 4:
            b: 2026-13-01
               ^
    """
    try:
        return yaml.load(text, Loader=_FastLoader if fast else _Loader)  # noqa: S506 - safe loaders
    except RecursionError as error:
        raise yaml.YAMLError("it is nested too deeply") from error
