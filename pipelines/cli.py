"""The ``rawline`` command."""

import sys
from collections.abc import Sequence

import click

from stages.core.errors import RawlineError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def app() -> None:
    """From the camera's raw mosaic to a reviewed vision model."""


@app.command()
@click.argument("name")
@click.argument("task", required=False)
def stage(name: str, task: str | None) -> None:
    """Run one stage as dvc.yaml does, for instance: rawline stage finetune classify."""
    from pipelines.run_stage import run_stage  # noqa: PLC0415 - only what a command needs is imported

    run_stage(name, task)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a user's mistake ends in one line and exit status 1."""
    try:
        app(args=arguments, standalone_mode=True)
    except RawlineError as error:
        click.echo(f"rawline: {error}", err=True)
        sys.exit(1)
