"""The camera report: what a data set's camera files are like, as one self-contained page, a table and numbers."""

import base64
import csv
from collections.abc import Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core import files
from stages.parts.cameras import _report_figures as gather
from stages.parts.cameras import _report_plots as plots
from stages.parts.cameras._measured import Measured
from stages.parts.cameras._report_template import PAGE

NUM_THUMBS = 24
_NUM_SUSPICIONS, _NUM_FAULTS = 12, 20
_NUM_PLOTS = 12


def write(folder: Path, items: Sequence[Measured], title: str, demosaicer: str, faults: Sequence[str]) -> dict[str, Any]:
    """Write ``camera.json``, and where there are camera files ``camera.csv`` and ``camera.html``; return the numbers.

    Args:
        folder: an existing folder.
        items: the camera files, in order.
        title: what they are called together.
        demosaicer: that developed them.
        faults: one line for each file that could not be developed.
    """
    content = {**gather.content(items), "faults": list(faults)}
    files.write_json(folder / "camera.json", content)
    if items:
        rows, stream = gather.rows(items), StringIO()
        table = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        files.write_text(folder / "camera.csv", stream.getvalue())
        files.write_text(folder / "camera.html", render(items, content, title, demosaicer))
    return content


def save(
    folder: Path, items: Sequence[Measured], title: str, demosaicer: str, faults: Sequence[str]
) -> dict[str, float | None]:
    """Write the folder whole, also where no picture came from a camera; return the figures for the stage's metrics."""
    with files.atomic(folder) as temporary:
        temporary.mkdir()
        found = write(temporary, items, title, demosaicer, faults)["all"] or {}
    return {"mean_color_error_ciede2000": found.get("color_error_ciede2000"), "mean_cpsnr_db": found.get("cpsnr_db")}


def chosen(num: int) -> list[bool]:
    """Return of each of the files whether its thumbnail is shown: some, spread evenly over all."""
    places = set(np.linspace(0, num - 1, min(num, NUM_THUMBS)).round().astype(int).tolist())
    return [place in places for place in range(num)]


def render(items: Sequence[Measured], content: dict[str, Any], title: str, demosaicer: str) -> str:
    """Return the page; equal input gives equal bytes."""
    from jinja2 import Environment, StrictUndefined, select_autoescape  # noqa: PLC0415 - only who renders needs it
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2

    environment = Environment(
        autoescape=select_autoescape(default=True), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(percent=percent, fixed=fixed, gains=gains, rounded=rounded)
    taken = gather.by_camera(items)
    suspicions, more = gather.repeated(items, _NUM_SUSPICIONS)
    draw = [
        (own.title, len(own.items), Markup(plots.histogram(own.items)), Markup(plots.transfer(own.noise)))  # noqa: S704 - our own SVG of numbers
        for own in sorted(taken, key=lambda own: -len(own.items))[:_NUM_PLOTS]
    ]
    return environment.from_string(PAGE).render(
        title=title,
        demosaicer=demosaicer,
        all=content["all"],
        cameras=[
            {**figures, "title": own.title, "cfa": gather.patterns(own.items), "sizes": _sizes(own.items)}
            for own, figures in zip(taken, content["by_camera"], strict=True)
        ],
        groups=content["by_group"],
        draw=draw,
        num_hidden=max(0, len(taken) - _NUM_PLOTS),
        thumbs=[(_embedded(item.thumbnail), _caption(item)) for item in items if item.thumbnail is not None],
        suspicions=suspicions,
        more=more,
        faults=content["faults"][:_NUM_FAULTS],
        num_faults=len(content["faults"]),
    )


def _sizes(items: Sequence[Measured]) -> str:
    sizes = sorted({(item.width, item.height) for item in items})
    first = f"{sizes[0][0]} x {sizes[0][1]}"
    return first if len(sizes) == 1 else f"{len(sizes)} sizes from {first}"


def _caption(item: Measured) -> str:
    iso = f", ISO {item.iso}" if item.iso else ""
    error = f"\nΔE {item.delta_e:.1f}" if item.delta_e is not None else ""
    return f"{item.name}\n{item.camera}{iso}\n{percent(item.clipped_share)} clipped{error}"


def percent(share: float | None) -> str:
    """Write a share.

    Example:
        >>> percent(0.1234), percent(0.00001), percent(0.0), percent(None)
        ('12.34 %', '< 0.01 %', '0 %', 'unknown')
    """
    if share is None:
        return "unknown"
    return "0 %" if share == 0 else "< 0.01 %" if share < 0.0001 else f"{100 * share:.2f} %"  # noqa: PLR2004 - as printed


def fixed(value: float | None, digits: int = 1, unit: str = "") -> str:
    """Write a number, or that it is unknown.

    Example:
        >>> fixed(2.345, 2, " dB"), fixed(None), fixed(31234.5, 0)
        ('2.35 dB', 'unknown', '31,234')
    """
    return "unknown" if value is None else f"{value:,.{digits}f}{unit}"


def rounded(value: float | None) -> str:
    """Write a number to two digits: an estimate is not better known.

    Example:
        >>> rounded(78698.2), rounded(9444.0), rounded(None)
        ('79,000', '9,400', 'unknown')
    """
    return "unknown" if value is None else f"{float(f'{value:.1e}'):,.0f}"


def gains(values: Sequence[float]) -> str:
    """Write a white balance.

    Example:
        >>> gains([2.0, 1.0, 1.5])
        '2.00 1.00 1.50'
    """
    return " ".join(f"{value:.2f}" for value in values)


def _embedded(image: NDArray[np.uint8] | None) -> str:
    """Return a thumbnail as a data address."""
    from PIL import Image  # noqa: PLC0415 - only where pictures are shown

    if image is None:
        return ""
    stream = BytesIO()
    Image.fromarray(image).save(stream, format="JPEG", quality=88, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
