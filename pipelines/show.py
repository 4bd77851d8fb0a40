"""Shows predictions: as a table, as JSON, as pictures."""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import click
import numpy as np

from pipelines import draw, predict, redaction, screens, tables
from stages.core import files, images
from stages.core.errors import DataError, RawlineError
from stages.core.text import escaped

TOP = 3
ROWS = 100  # pictures a table


def show(  # noqa: PLR0913 - the command's own words
    name: str, paths: Iterable[Path], *, min_score: float, folder: Path | None, as_json: bool, trust: bool = False
) -> int:
    """Predict pictures and show what came out as it comes; return how many could not be read.

    Args:
        name: the model, see ``predict.predict``.
        paths: the pictures.
        min_score: boxes with a lower score are left out.
        folder: where drawn pictures go; None draws nothing.
        as_json: print one JSON list instead of tables.
        trust: run the code of a model from elsewhere without asking.
    """
    given = predict.predict(name, paths, min_score, trust=trust)
    card: Any = next(given)
    results = (result for result in given if isinstance(result, predict.Result))
    names: dict[str, int] = {}
    faults = 0
    for result in _as_json(results) if as_json else _as_tables(card, results):
        if result.answer is None:
            faults += 1
            click.echo(f"rawline: {escaped(result.fault)}", err=True)
        elif folder:
            _draw(card, result, folder / free_name(result.path, names))
    return faults


def _as_json(results: Iterable[predict.Result]) -> Iterator[predict.Result]:
    """Print one list, an entry as soon as it is there; it is closed whatever happens."""
    comma, out = "", screens.unguarded()  # a class may be called token or password
    click.echo("[", nl=False, file=out)
    try:
        for result in results:
            click.echo(f"{comma}\n{json.dumps(_plain(result))}", nl=False, file=out)
            comma = ","
            yield result
    finally:
        click.echo("\n]", file=out)


def _as_tables(card: Mapping[str, Any], results: Iterable[predict.Result]) -> Iterator[predict.Result]:
    """Print a table for every so many pictures, so that the first are seen before the last are read."""
    rest = iter(results)
    while some := list(islice(rest, ROWS)):
        _table(card, some)
        yield from some


def _table(card: Mapping[str, Any], results: list[predict.Result]) -> None:
    from rich.table import Table  # noqa: PLC0415 - only this command needs it
    from rich.text import Text  # noqa: PLC0415

    table = Table()
    for head in ("picture", "size", *HEADS[card["task"]]):
        table.add_column(head, no_wrap=True)
    for result in results:
        if result.answer:
            size = f"{result.answer['width']} x {result.answer['height']}"
            for number, row in enumerate(rows(card["task"], result.answer)):
                cells = (*(("", "") if number else (escaped(str(result.path)), size)), *row)
                table.add_row(*map(Text, cells))  # a name such as a[1].png is no markup
    if table.row_count:
        tables.show(table)


HEADS = {
    "classify": ("class", "score"),
    "detect": ("class", "score", "box x, y, x, y"),
    "instance": ("class", "score", "box x, y, x, y", "area, px"),
    "segment": ("class", "area, %"),
}


def rows(task: str, answer: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the lines that a table shows for one picture: best classes, boxes by score, or areas by size."""
    if task == "classify":
        best = sorted(answer["scores"].items(), key=lambda item: -item[1])[:TOP]
        return [(name, f"{score:.3f}") for name, score in best]
    if task == "segment":
        areas = sorted(answer["areas"].items(), key=lambda item: -item[1])
        return [(name, f"{area:.1%}") for name, area in areas if area > 0]
    from stages.maths import rle  # noqa: PLC0415 - brings pycocotools

    found = []
    for index in np.argsort(-np.asarray(answer["scores"]), kind="stable"):
        box = ", ".join(f"{v:.0f}" for v in answer["boxes"][index])
        area = (f"{rle.area(answer['masks'][index], 0, 0)}",) if task == "instance" else ()
        found.append((answer["names"][index], f"{answer['scores'][index]:.3f}", box, *area))
    return found or [("nothing found", *[""] * (len(HEADS[task]) - 1))]


def _plain(result: predict.Result) -> dict[str, Any]:
    """Return a result as JSON can hold it."""
    if result.answer is None:
        return {"picture": str(result.path), "error": redaction.redact(result.fault)}
    return {"picture": str(result.path), **files.tidy(result.answer)}


def free_name(path: Path, taken: dict[str, int]) -> str:
    """Return a file name of its own for a drawn picture, also where two folders have files of one name.

    Args:
        path: the picture.
        taken: names that are used, and how often they were asked for; the new one is added.
    """
    name = path.stem
    while name.casefold() in taken:
        taken[path.stem.casefold()] += 1
        name = f"{path.stem}-{taken[path.stem.casefold()]}"
    taken[name.casefold()] = 1
    return f"{name}.png"


def _arrays(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer whose masks are arrays, to be drawn."""
    from stages.maths import rle  # noqa: PLC0415 - brings pycocotools

    height, width = answer["height"], answer["width"]
    found = dict(answer)
    found |= {key: np.asarray(answer[key]) for key in ("boxes", "labels") if key in answer}
    if "masks" in answer:
        found["masks"] = [rle.decode(mask, height, width) for mask in answer["masks"]]
    if "mask" in answer:
        found["mask"] = np.zeros((height, width), np.uint8)
        for index, mask in enumerate(answer["mask"].values()):
            found["mask"][rle.decode(mask, height, width)] = index
    return found


def _draw(card: Mapping[str, Any], result: predict.Result, target: Path) -> None:
    from stages.parts.cameras import _preparation  # noqa: PLC0415 - develops camera files

    recipe = card["recipe"]
    plain = {"fit": "none", "size_px": None, "simulate_raw": False, "output": "srgb"}
    whole = {**recipe, "preprocess": {**recipe["preprocess"], **plain}}
    drawn = _arrays(result.answer or {})
    try:
        image = _preparation.prepare(whole, result.path).image
        images.write_png(target, draw.draw(image, card["task"], list(card["classes"]), drawn))
    except OSError as error:
        raise DataError(f"{escaped(str(target))} cannot be written: {error.strerror}") from error
    except RawlineError as error:
        raise DataError(escaped(f"{result.path} cannot be drawn: {error}")) from error
