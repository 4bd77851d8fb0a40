"""Reads what a model's process says, which is as trustworthy as the model: nothing is believed before it is checked."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from stages.core.errors import DataError, InfrastructureError

LENGTH = 8
MAX_BYTES = 256 * 2**20  # of one message; the masks of a crowded picture of 100 megapixels have a tenth of that
MAX_BITS = 60  # of a run length; no picture has as many pixels
_Side = Annotated[int, Field(ge=1, le=2**20)]
_Score = Annotated[float, Field(allow_inf_nan=False)]
_Name = Annotated[str, Field(max_length=1000)]
_Objects = Field(max_length=100_000)


class _Given(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Card(_Given):
    """What of ``model.json`` is used: the rest is kept as it is, and only shown."""

    task: Literal["classify", "detect", "instance", "segment"]
    classes: Annotated[list[_Name], Field(min_length=1, max_length=100_000)]


class Mask(_Given):
    """Run lengths of one mask."""

    size: Annotated[list[_Side], Field(min_length=2, max_length=2)]
    counts: str


class _Picture(_Given):
    width: _Side
    height: _Side

    @model_validator(mode="after")
    def _fits(self) -> "_Picture":
        for mask in self.all_masks():
            check_runs(mask, self.width, self.height)
        return self

    def all_masks(self) -> list[Mask]:
        """List the answer's masks."""
        return []


class Classify(_Picture):
    """An answer of ``classify``."""

    label: _Name
    scores: dict[_Name, _Score]


class Segment(_Picture):
    """An answer of ``segment``: run lengths and share of the picture by class."""

    mask: dict[_Name, Mask]
    areas: dict[_Name, _Score]

    def all_masks(self) -> list[Mask]:
        """List the answer's masks."""
        return list(self.mask.values())


class Detect(_Picture):
    """An answer of ``detect``."""

    boxes: Annotated[list[Annotated[list[_Score], Field(min_length=4, max_length=4)]], _Objects]
    labels: Annotated[list[Annotated[int, Field(ge=1)]], _Objects]
    names: Annotated[list[_Name], _Objects]
    scores: Annotated[list[_Score], _Objects]

    @model_validator(mode="after")
    def _as_many(self) -> "Detect":
        if not len(self.boxes) == len(self.labels) == len(self.names) == len(self.scores):
            raise ValueError("boxes, labels, names and scores are not equally many")
        return self


class Instance(Detect):
    """An answer of ``instance``."""

    masks: Annotated[list[Mask], _Objects]

    def all_masks(self) -> list[Mask]:
        """List the answer's masks."""
        if len(self.masks) != len(self.boxes):
            raise ValueError("there is not one mask for each box")
        return self.masks


FORMS: dict[str, TypeAdapter[Any]] = {
    "classify": TypeAdapter(Classify),
    "detect": TypeAdapter(Detect),
    "instance": TypeAdapter(Instance),
    "segment": TypeAdapter(Segment),
}


def check_runs(mask: Mask, width: int, height: int) -> None:
    """Refuse run lengths that do not cover the picture: pycocotools would read past their end.

    Raises:
        ValueError: they do not.
    """
    if mask.size != [height, width]:
        raise ValueError(f"a mask of {mask.size[1]} x {mask.size[0]} in a picture of {width} x {height}")
    if not re.fullmatch(r"[0-o]*[0-O]", mask.counts):  # five bits a letter, from '0'; the sixth says that more follow
        raise ValueError("a mask whose run lengths are no run lengths")
    lengths = runs(mask.counts)
    if min(lengths) < 0 or sum(lengths) != width * height:
        raise ValueError("a mask whose run lengths do not cover the picture")


def runs(counts: str) -> list[int]:
    """Return run lengths from COCO's text: groups of five bits from the lowest, every one from the fourth on a difference.

    Example:
        >>> runs("5X10")
        [5, 40, 0]

    Raises:
        DataError: a number is longer than any picture's.
    """
    lengths: list[int] = []
    number = place = 0
    for letter in counts:
        bits = ord(letter) - ord("0")
        number |= (bits & 31) << place
        place += 5
        if place > MAX_BITS:
            raise DataError("a mask's run lengths hold a number without an end")
        if not bits & 32:
            number -= (bits & 16) << (place - 4)  # the highest bit is the sign
            lengths.append(number + (lengths[-2] if len(lengths) > 2 else 0))  # noqa: PLR2004 - see above
            number = place = 0
    return lengths


def receive(pipe: BinaryIO) -> dict[str, Any]:
    """Return the next message.

    Raises:
        EOFError: the process has ended.
        InfrastructureError: what came is no message, or too long.
    """
    size = int.from_bytes(_exactly(pipe, LENGTH), "big")
    if size > MAX_BYTES:
        raise InfrastructureError(f"the model's process sends {size:,} bytes at once; at most {MAX_BYTES:,} are read")
    try:
        found = json.loads(_exactly(pipe, size))
    except (ValueError, RecursionError) as error:
        raise InfrastructureError("the model's process sends what is no answer") from error
    if not isinstance(found, dict) or not isinstance(found.get("kind"), str):
        raise InfrastructureError("the model's process sends what is no answer")
    return found


def _exactly(pipe: BinaryIO, size: int) -> bytes:
    content = pipe.read(size)
    if len(content) < size:
        raise EOFError
    return content


def card(content: Any) -> dict[str, Any]:
    """Return a model's card, checked.

    Raises:
        DataError: it is none.
    """
    try:
        known = Card.model_validate(content)
    except ValidationError as error:
        raise DataError(f"the model's card is none: {_first(error)}") from error
    return {**content, "classes": [printable(name) for name in known.classes]}


def answer(task: str, content: Any) -> dict[str, Any]:
    """Return an answer, checked, with what it holds beyond the known left out.

    Raises:
        DataError: it is none.
    """
    try:
        found = FORMS[task].validate_python(content)
    except ValidationError as error:
        raise DataError(f"the model's answer is none: {_first(error)}") from error
    return dict(_clean(found.model_dump()))


def _first(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return printable(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}")[:300]


def _clean(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {printable(key): _clean(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_clean(value) for value in content]
    return printable(content) if isinstance(content, str) else content


def printable(text: str) -> str:
    r"""Return text without what could steer a terminal.

    Example:
        >>> printable("cat\x1b[2J")
        'cat?[2J'
    """
    return "".join(letter if letter.isprintable() else "?" for letter in text)
