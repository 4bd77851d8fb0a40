"""MLflow's and Prefect's pages on loopback, each behind a login of its own, until Ctrl-C."""

import contextlib
import os
import secrets
import sys
from importlib.metadata import entry_points

import click

from pipelines import interrupts, mlflow_page, prefect_server, screens, services, settings
from pipelines.leash import leash
from pipelines.record import database
from pipelines.redaction import link
from pipelines.repro import prepare_database
from pipelines.services import HOST, Service
from stages.core.errors import InfrastructureError

MLFLOW_PORT = 5000
JOBS = "MLFLOW_SERVER_ENABLE_JOB_EXECUTION"
TRAINING_PAGES = "/#/experiments?workflowType=machine_learning"  # MLflow opens its GenAI pages in a new browser


def start_mlflow(login: str, port: int = MLFLOW_PORT) -> Service:
    """Start MLflow's server over the project's own record, on this port or the next free one.

    Without the consumers of its job queue, unless the environment asks for them: seven processes with 2.4 GB that GenAI's
    evaluations need and no page of ours.

    Args:
        login: what its page asks for; see ``new_login``.
        port: the first that is tried.

    Raises:
        InfrastructureError: the environment does not know the server that asks for a login.
    """
    if not entry_points(group="mlflow.app", name=mlflow_page.NAME):
        told = "this environment was installed before MLflow's page asked for a login"
        raise InfrastructureError(f"{told}; bring it up to date: pip install --editable . (make does)")
    database.prepare()  # its addresses follow a project that was moved
    port = services.free_port(port)
    address = f"http://{HOST}:{port}"
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1",
        "--app-name", mlflow_page.NAME, "--default-artifact-root",
        settings.artifact_root().as_uri(),
    ]  # fmt: skip
    unseen = {  # by all users of the machine, who see the command line
        "MLFLOW_BACKEND_STORE_URI": settings.tracking_uri(), "MLFLOW_REGISTRY_STORE_URI": settings.registry_uri(),
        **mlflow_page.variables(login),
    }  # fmt: skip
    return services.start(
        "MLflow's server",
        command,
        address,
        settings.state() / "logs" / f"mlflow-{port}.log",
        {**settings.QUIET, JOBS: os.environ.get(JOBS, "false"), **unseen},
    )


def new_login() -> str:
    """Make a login for one ``rawline ui``'s MLflow, which is written nowhere but into that server's environment.

    Prefect's lasts, and its clients send it to whoever answers at the address of a server that went: it must not open the
    registry, from which ``rawline predict`` takes code.
    """
    return f"rawline:{secrets.token_urlsafe(18)}"


def ui(mlflow_port: int = MLFLOW_PORT, prefect_port: int = prefect_server.PORT) -> None:
    """Start what is not running yet, print both addresses, and stop it again on Ctrl-C, SIGTERM or ``kill -9``.

    Raises:
        InfrastructureError: a server does not start, or the user's Prefect server does not answer.
    """
    ours = prefect_server.configured() is None
    with interrupts.interruptible() as interrupted, contextlib.ExitStack() as stack:
        click.echo("Starting MLflow and Prefect (about ten seconds) ...")
        prepare_database()
        login = new_login()
        held = stack.enter_context(leash(services.GRACE_S))  # nobody else knows that login, nor ends its server

        def start(port: int) -> Service:
            service = start_mlflow(login, port)
            held.hold(service.process.pid)
            return service

        mlflow = None if settings.tracking_uri().startswith("http") else start(mlflow_port)
        started = stack.enter_context(contextlib.ExitStack())
        if mlflow:
            started.callback(services.stop, mlflow)
        prefect_page = prefect_server.page(stack.enter_context(prefect_server.connected(prefect_port)))
        if mlflow:
            started.pop_all()
            mlflow = services.ready(mlflow, mlflow_page.HEALTH, start)
            stack.callback(services.stop, mlflow)
        click.echo(f"MLflow   {mlflow.address + TRAINING_PAGES if mlflow else link(settings.tracking_uri())}")
        if mlflow:
            screens.reveal(f"         login {login}  (user name:password; new each time)")
        click.echo("         in the list of runs: Columns adds figures and parameters; tick rows, then Compare")
        click.echo(f"Prefect  {prefect_page}")
        if ours:
            screens.reveal(f"         login {prefect_server.login(prefect_server.place())}  (lasts)")
        click.echo("Press Ctrl-C to stop.")
        interrupted.wait()
    click.echo("Stopped.")
