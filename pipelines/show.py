"""Shows predictions: as a table, as JSON, as pictures."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from pipelines import draw, predict
from stages.core import files, images
from stages.core.errors import DataError, RawlineError

TOP = 3


def show(name: str, paths: list[Path], *, min_score: float, folder: Path | None, as_json: bool) -> int:
    """Predict pictures and show what came out; return how many could not be read.

    Args:
        name: the model, see ``predict.predict``.
        paths: the pictures.
        min_score: boxes with a lower score are left out.
        folder: where drawn pictures go; None draws nothing.
        as_json: print one JSON list instead of a table.
    """
    given = predict.predict(name, paths, min_score)
    card: Any = next(given)
    results = [result for result in given if isinstance(result, predict.Result)]
    if as_json:
        click.echo(json.dumps([_plain(result) for result in results], indent=1))
    else:
        _table(card, results)
    names = _names(results) if folder else {}
    for result in results:
        if result.answer is None:
            click.echo(f"rawline: {result.fault}", err=True)
        elif folder:
            _draw(card, result, folder / names[result.path])
    return sum(result.answer is None for result in results)


def _table(card: Mapping[str, Any], results: list[predict.Result]) -> None:
    from rich.console import Console  # noqa: PLC0415 - only this command needs it
    from rich.table import Table  # noqa: PLC0415

    table = Table()
    for head in ("picture", "size", *HEADS[card["task"]]):
        table.add_column(head, overflow="fold", no_wrap=head != "picture")
    for result in results:
        if result.answer:
            size = f"{result.answer['width']} x {result.answer['height']}"
            for number, row in enumerate(rows(card["task"], result.answer)):
                table.add_row(*(("", "") if number else (str(result.path), size)), *row)
    if table.row_count:
        Console().print(table)


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
    found = []
    for index in np.argsort(-np.asarray(answer["scores"]), kind="stable"):
        box = ", ".join(f"{v:.0f}" for v in answer["boxes"][index])
        area = (f"{int(answer['masks'][index].sum())}",) if task == "instance" else ()
        found.append((answer["names"][index], f"{answer['scores'][index]:.3f}", box, *area))
    return found or [("nothing found", *[""] * (len(HEADS[task]) - 1))]


def _plain(result: predict.Result) -> dict[str, Any]:
    """Return a result as JSON can hold it: masks as COCO run lengths."""
    if result.answer is None:
        return {"picture": str(result.path), "error": result.fault}
    from stages.maths import rle  # noqa: PLC0415 - brings pycocotools

    plain = {k: v for k, v in result.answer.items() if k not in ("mask", "masks")}
    if "masks" in result.answer:
        plain["masks"] = [rle.encode(mask) for mask in result.answer["masks"]]
    if "mask" in result.answer:
        mask = result.answer["mask"]
        plain["mask"] = {name: rle.encode(mask == index) for index, name in enumerate(result.answer["areas"])}
    return {"picture": str(result.path), **files.tidy(plain)}


def _names(results: list[predict.Result]) -> dict[Path, str]:
    """Give each picture a file name of its own, also where two folders have files of one name."""
    taken: dict[str, int] = {}
    names = {}
    for result in results:
        number = taken[result.path.stem] = taken.get(result.path.stem, 0) + 1
        names[result.path] = f"{result.path.stem}{'' if number == 1 else f'-{number}'}.png"
    return names


def _draw(card: Mapping[str, Any], result: predict.Result, target: Path) -> None:
    from stages.parts.cameras import _preparation  # noqa: PLC0415 - develops camera files

    recipe = card["recipe"]
    plain = {"fit": "none", "size_px": None, "simulate_raw": False, "output": "srgb"}
    whole = {**recipe, "preprocess": {**recipe["preprocess"], **plain}}
    try:
        image = _preparation.prepare(whole, result.path).image
        images.write_png(target, draw.draw(image, card["task"], list(card["classes"]), result.answer or {}))
    except OSError as error:
        raise DataError(f"{target} cannot be written: {error.strerror}") from error
    except RawlineError as error:
        raise DataError(f"{result.path} cannot be drawn: {error}") from error
