"""The command itself; its options come from the stage's parameters, which are loaded only when it is called."""

import os
from pathlib import Path
from typing import Any

import click

from pipelines.develop import batch, options, writing

FIXED = [
    click.Argument(["files"], nargs=-1, required=True),
    click.Option(["--out", "-o"], required=True, type=click.Path(path_type=Path), help="Folder of the results."),
    click.Option(["--simulate"], is_flag=True, help="Render ordinary pictures to a mosaic first, by the simulated camera."),
    click.Option(
        ["--format", "kind"],
        metavar="[jpg|png|tiff|tiff16|npy]",
        help="srgb: jpg (quality 95, 4:4:4), png, tiff (8 bit); linear_rgb: tiff (32-bit float), tiff16 (65535 is white); "
        "packed_raw: tiff (four channels, float), npy. The first is the default.",
    ),
    click.Option(["--threads", "num_threads"], type=click.IntRange(min=1), help="Threads in all; a core each by default."),
    click.Option(["--report"], is_flag=True, help="Write camera.html about the files beside the results (and json, csv)."),
    click.Option(["--params"], type=click.Path(path_type=Path), help="Parameter file instead of params.yaml."),
]


def parameters() -> list[click.Parameter]:
    """Return the command's arguments and options."""
    return [*FIXED, *options.options()]


def run(values: dict[str, Any]) -> int:
    """Run the command with what was given; return how many files failed.

    Raises:
        ParamsError: an option is wrong.
    """
    simulate, given = values["simulate"], {s.name: values[s.name] for s in options.settings()}
    recipe = options.recipe(given, simulate=simulate, file=values["params"])
    kind = writing.kind(recipe["preprocess"].get("output", "srgb"), values["kind"])
    plan = batch.Plan(values["out"], recipe, kind, values["num_threads"] or _cores(), values["report"])
    return batch.develop(values["files"], plan)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
