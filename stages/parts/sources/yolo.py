"""YOLO: ``data.yaml`` names folders and classes; one text file per picture, a line per object, in shares of its size.

    path/data.yaml        train: images/train    val: images/val    test: images/test    names: [cat, dog]
    path/images/train/a.jpg
    path/labels/train/a.txt    class x_center y_center width height      or      class x1 y1 x2 y2 x3 y3 ... (an outline)

A folder may also be a text file that lists pictures. A picture without a text file is one without objects.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from stages.core import images, params, yaml_text
from stages.core.errors import DataError
from stages.core.items import Item, Mark
from stages.parts.sources import _layout, _numbers

_EXPECTED = "YOLO's layout: {config} with names and train, val or test; images/ beside labels/"
_CLASSES = "acquire.yolo.classes"
_BOX, _SMALLEST_OUTLINE = 4, 6


class Params(params.Params):
    """Where things lie.

    Attributes:
        config: name of the YAML in the folder.
        classes: names in index order; null: those of which there is an object, in order of their numbers.
        label_from: ``largest``: a picture's label is the class of its largest object; ``none``: no labels.
    """

    config: str
    classes: tuple[str, ...] | None
    label_from: Literal["none", "largest"]


@dataclass(frozen=True)
class Yolo:
    """The source: its text files are read with their pictures, whose size they need."""

    pictures: tuple[tuple[str, Path, str], ...]
    fence: _layout.Fence
    names: tuple[str, ...]  # of the classes by their numbers in the text files
    categories: tuple[str, ...]
    labels: tuple[str, ...]
    mask_classes: tuple[str, ...]
    remarks: tuple[str, ...]
    category_ids: tuple[int, ...] = ()

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self.pictures)

    def __iter__(self) -> Iterator[Item]:
        """Deliver the pictures by name."""
        for name, file, split in self.pictures:
            yield self._item(name, file, split)

    def _item(self, name: str, file: Path, split: str) -> Item:
        load = _layout.loader(file, self.fence)
        marks: tuple[Mark, ...] = ()
        fault = None
        try:
            content = load()
            load = lambda: content  # noqa: E731 - read once, for the size and for the gate
            marks = _objects(_label_file(file), self.fence, self.names, images.upright_size(content))
            lacking = sorted({mark.category for mark in marks} - set(self.categories))
            fault = f"{_label_file(file).name}: class {lacking[0]}, which {_CLASSES} lacks" if lacking else None
        except ValueError as error:
            fault = str(error)
        except DataError:
            pass  # the gate meets the same fault when it loads the picture, and reports it
        label = _layout.largest(marks) if self.labels else None
        return Item(name, file.suffix.lower(), load, split, label, marks, fault=fault)


def build(params: Params, *, path: Path, seed: int, roots: tuple[Path, ...] = ()) -> Yolo:  # noqa: ARG001 - see the family
    """List the pictures.

    Raises:
        DataError: the layout is another one, ``data.yaml`` is broken, or a class is chosen that it does not name.
    """
    config = _layout.folder(path, _EXPECTED.format(config=params.config)) / params.config
    if not config.is_file():
        raise _layout.wrong(path, _EXPECTED.format(config=params.config))
    fence = _layout.Fence(path, roots)
    content = _config(config, fence)
    declared = _names(config, content)
    root = path / str(content.get("path") or "")
    root = root if fence.holds(root) and root.is_dir() else path  # often the path of the machine that wrote it
    found = [
        (file, split)
        for split in ("train", "val", "test")
        for place in _places(content.get(split))
        for file in _pictures(config, root, place, fence)
    ]
    if not found:
        raise DataError(f"{config}: train, val and test name no picture")
    names: dict[str, tuple[str, Path, str]] = {}
    for file, split in found:
        name = _relative(file, path)
        if name in names:
            raise DataError(f"{config}: {name} stands in {names[name][2]} and in {split}; a picture has one split")
        names[name] = (name, file, split)
    texts = [text for file, _ in found if fence.holds(file) and fence.holds(text := _label_file(file))]
    without = sum(not text.is_file() for text in texts)
    used, outlines = _looked_through((text for text in texts if text.is_file()), fence)
    named = {name for number, name in enumerate(declared) if str(number) in used}
    classes, left_out = _layout.classes(declared, named, params.classes, _CLASSES)
    masks = ("background", *classes) if outlines else ()
    bare = (f"{without} pictures have no text file and count as pictures without objects",) if without else ()
    return Yolo(
        tuple(names[name] for name in sorted(names)), fence, declared, classes,
        classes if params.label_from == "largest" else (), masks, (*left_out, *bare), _ids(declared, classes),
    )  # fmt: skip


def _ids(declared: tuple[str, ...], classes: tuple[str, ...]) -> tuple[int, ...]:
    """Return each class's number in ``data.yaml`` + 1: the ids do not move where one is left out; empty where none was."""
    found = tuple(declared.index(name) + 1 for name in classes)
    return () if found == tuple(range(1, len(classes) + 1)) else found


def _config(file: Path, fence: _layout.Fence) -> dict[str, Any]:
    try:
        content = yaml_text.load(fence.text(file))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)  # the error's own words show what stands there
        why = f": {error.problem}" if isinstance(error, yaml_text.ValueFaultError) else "" if mark else f": {error}"
        raise DataError(f"{file} is broken YAML{f' at line {mark.line + 1}' if mark else ''}{why}") from error
    if not isinstance(content, dict) or "names" not in content:
        raise DataError(f"{file}: expected a mapping with names and train, val or test")
    return content


def _names(file: Path, content: dict[str, Any]) -> tuple[str, ...]:
    names = content["names"]
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            raise DataError(f"{file}: names has the numbers {sorted(names, key=str)}; expected 0 to {len(names) - 1}")
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise DataError(f"{file}: names is {names!r}; expected a list of classes")
    if content.get("nc") not in (None, len(names)):
        raise DataError(f"{file}: nc is {content['nc']}, but names has {len(names)} classes")
    return tuple(str(name) for name in names)


def _places(value: Any) -> list[str]:
    return [] if not value else [str(v) for v in value] if isinstance(value, list) else [str(value)]


def _pictures(config: Path, root: Path, place: str, fence: _layout.Fence) -> list[Path]:
    target = root / place
    if place.startswith("../") and not (fence.holds(target) and target.exists()):
        target = root / place.removeprefix("../")  # Roboflow writes ../train/images for train/images
    try:
        fence.inside(target)
    except DataError as error:
        raise DataError(f"{config} names {place}: {error}") from error
    if target.is_dir():
        return _layout.pictures(target)
    if target.is_file():
        lines = (line.strip() for line in fence.text(target).splitlines())
        return [root / line for line in lines if line]
    raise DataError(f"{config} names {place}, which does not exist")


def _relative(file: Path, path: Path) -> str:
    return file.relative_to(path).as_posix() if file.is_relative_to(path) else file.as_posix()


def _label_file(file: Path) -> Path:
    """Return the text file of a picture: the last folder named images becomes labels."""
    parts = list(file.parts)
    places = [i for i, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def _looked_through(files: Iterable[Path], fence: _layout.Fence) -> tuple[set[str], bool]:
    """Return the class numbers that the text files name, and whether any line is an outline."""
    used: set[str] = set()
    outlines = False
    for file in files:
        try:
            lines = [line.split() for line in fence.text(file).splitlines() if line.strip()]
        except DataError:
            continue  # reported with its picture
        used |= {words[0].lstrip("+0") or "0" for words in lines}
        outlines = outlines or any(len(words) > _BOX + 1 for words in lines)
    return used, outlines


def _objects(file: Path, fence: _layout.Fence, classes: tuple[str, ...], size: tuple[int, int]) -> tuple[Mark, ...]:
    """Read a text file.

    Raises:
        ValueError: a line is malformed or names a class that is not there.
    """
    if not file.is_file():
        return ()
    try:
        lines = fence.text(file).splitlines()
    except DataError as error:
        raise ValueError(str(error)) from error
    return tuple(
        _mark(f"{file.name}, line {n}", line.split(), classes, size) for n, line in enumerate(lines, 1) if line.strip()
    )


def _mark(where: str, words: list[str], classes: tuple[str, ...], size: tuple[int, int]) -> Mark:
    try:
        first, *values = (_numbers.number(word, f"word {place}") for place, word in enumerate(words, 1))
    except ValueError as error:
        raise ValueError(f"{where}: {error}; expected a class number and numbers") from error
    if not words[0].lstrip("+-").isdecimal():
        raise ValueError(f"{where}: word 1 is no class number; expected a class number and numbers")
    number = int(first)
    if not 0 <= number < len(classes):
        raise ValueError(f"{where}: class {number}; data.yaml names {len(classes)} classes, 0 to {len(classes) - 1}")
    width, height = size
    if len(values) == _BOX:
        x, y, w, h = values[0] * width, values[1] * height, values[2] * width, values[3] * height
        return Mark(classes[number], (x - w / 2, y - h / 2, w, h))
    if len(values) < _SMALLEST_OUTLINE or len(values) % 2:
        raise ValueError(f"{where}: {len(values)} numbers after the class; expected 4, or 6 and more in pairs")
    xs, ys = [v * width for v in values[::2]], [v * height for v in values[1::2]]
    ring = [value for corner in zip(xs, ys, strict=True) for value in corner]
    return Mark(classes[number], (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)), [ring])
