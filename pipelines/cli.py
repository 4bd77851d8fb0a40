"""The ``rawline`` command."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pipelines import origin
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


@app.command()
def check() -> None:
    """Hold dvc.yaml and the parameter files against the code."""
    from pipelines.agreement import check as agree  # noqa: PLC0415 - only what a command needs is imported

    origin.require(Path.cwd())
    if findings := agree(Path()):
        raise RawlineError("dvc.yaml and params.yaml do not agree with the code:\n" + "\n".join(map(str, findings)))
    click.echo("dvc.yaml and the parameter files agree with the code.")


@app.command()
@click.argument("targets", nargs=-1)
@click.option("--force", is_flag=True, help="Run stages although nothing they read has changed.")
@click.option("--max-parallel", type=click.IntRange(min=1), default=2, show_default=True, help="Stages at a time.")
@click.option("--stage-timeout", type=float, help="End a stage whose commands run longer, in seconds.")
def flow(targets: tuple[str, ...], force: bool, max_parallel: int, stage_timeout: float | None) -> None:
    """Run the pipeline under Prefect, as dvc repro does, independent stages in parallel."""
    origin.require(Path.cwd())
    from pipelines.run_flow import run_flow  # noqa: PLC0415 - only what a command needs is imported

    sys.exit(run_flow(targets, force=force, max_parallel=max_parallel, stage_timeout_s=stage_timeout))


@app.command()
@click.option("--cron", default="0 2 * * *", show_default=True, help="Minute hour day month weekday.")
@click.option("--name", default="nightly", show_default=True, help="Of the deployment.")
@click.option("--timezone", help="IANA name; this machine's by default.")
@click.option("--max-parallel", type=click.IntRange(min=1), default=2, show_default=True, help="Stages at a time.")
@click.option("--stage-timeout", type=float, help="End a stage whose commands run longer, in seconds.")
def serve(cron: str, name: str, timezone: str | None, max_parallel: int, stage_timeout: float | None) -> None:
    """Run the pipeline on a schedule, with a Prefect server, until Ctrl-C."""
    origin.require(Path.cwd())
    from pipelines.serve import serve as serve_flow  # noqa: PLC0415 - only what a command needs is imported

    serve_flow(cron, name, timezone, max_parallel, stage_timeout)


@app.command()
def ui() -> None:
    """Show MLflow's and Prefect's pages on loopback, until Ctrl-C."""
    from pipelines.ui import ui as show  # noqa: PLC0415 - only what a command needs is imported

    show()


@app.command()
@click.argument("model")
@click.argument("pictures", metavar="IMAGE...", nargs=-1, required=True)
@click.option(
    "--draw", "folder", type=click.Path(path_type=Path), help="Write the pictures with the answers drawn in to a folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; masks as COCO run lengths.")
@click.option(
    "--min-score", default=0.5, show_default=True, type=click.FloatRange(0, 1), help="Leave out boxes with a lower score."
)
@click.option("--trust", is_flag=True, help="Run the code of a model from elsewhere without asking.")
def predict(  # noqa: PLR0913, PLR0917 - the options
    model: str, pictures: tuple[str, ...], folder: Path | None, as_json: bool, min_score: float, trust: bool
) -> None:
    """Predict pictures, camera files too, with models:/NAME@ALIAS, models:/NAME/VERSION, a run's or a local model.

    IMAGE is a file, a folder, a pattern, or - for a list on standard input, a path a line. A picture that cannot be read
    gets one line; the others are answered, and the exit status is 1.
    """
    from pipelines.pictures import given  # noqa: PLC0415 - only what a command needs is imported
    from pipelines.show import show  # noqa: PLC0415

    if show(model, given(pictures), min_score=min_score, folder=folder, as_json=as_json, trust=trust):
        sys.exit(1)


class _Develop(click.Command):
    """A command whose options are the stage's parameters: they are loaded when it is called, not with every command."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Load the options."""
        if not self.params:
            from pipelines.develop.command import parameters  # noqa: PLC0415 - only what a command needs is imported

            self.params = parameters()
        return super().get_params(ctx)


@app.command(cls=_Develop)
def develop(**values: Any) -> None:
    """Develop camera files to pictures: files, folders or patterns.

    Options that are not given come from params.yaml; pictures keep their size without --size-px. A file that cannot be
    developed gets one line; the others are developed, and the exit status is 1.
    """
    from pipelines.develop.command import run  # noqa: PLC0415 - only what a command needs is imported

    if run(values):
        sys.exit(1)


@app.command()
@click.argument("task")
def register(task: str) -> None:
    """Register a task's model again, as the stage does; nothing changes when it is there."""
    from pipelines.run_stage import run_stage  # noqa: PLC0415 - only what a command needs is imported

    run_stage("register", task)


@app.command()
@click.argument("targets", nargs=-1)
@click.option("--force", is_flag=True, help="Run stages although nothing they read has changed.")
def repro(targets: tuple[str, ...], force: bool) -> None:
    """Check the parameters, run dvc repro, sum up."""
    from pipelines.repro import repro as reproduce  # noqa: PLC0415 - only what a command needs is imported

    sys.exit(reproduce(targets, force=force))


@app.command()
def summary() -> None:
    """Print figures, verdicts and registered versions of the last run."""
    from pipelines.summary import show  # noqa: PLC0415 - only what a command needs is imported

    show()


@app.command()
def sync() -> None:
    """Send what MLflow has missed."""
    from pipelines.sync import sync as send  # noqa: PLC0415 - only what a command needs is imported

    send()


@app.command()
def doctor() -> None:
    """Look for what is wrong with this installation and print the command that mends it."""
    from pipelines.doctor import doctor as examine  # noqa: PLC0415 - only what a command needs is imported

    sys.exit(examine())


@app.group()
def params() -> None:
    """Work with params.yaml."""


@params.command()
@click.argument("file", type=click.Path(path_type=Path))
def use(file: Path) -> None:
    """Lay a parameter file, for instance params/bccd.yaml, over params.yaml."""
    from pipelines.overlay import use as lay_over  # noqa: PLC0415 - only what a command needs is imported

    for line in lay_over(file) or ["params.yaml says all of that already."]:
        click.echo(line)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a fault ends in one line and a non-zero exit status.

    Args:
        arguments: those of the shell when None: then the current folder's own code is called where it is another copy.
    """
    from pipelines import screens  # noqa: PLC0415 - only what is needed is imported

    screens.guard_screen()
    try:
        if arguments is None:
            origin.follow(Path.cwd())
        app(args=arguments, standalone_mode=False)
    except BaseException as error:  # noqa: BLE001 - the last stop before the user
        from pipelines import faults  # noqa: PLC0415 - only what is needed is imported

        sys.exit(faults.report(error))
