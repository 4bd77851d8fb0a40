"""MLflow's and Prefect's pages on loopback, until Ctrl-C."""

import contextlib
import sys

import click

from pipelines import prefect_server, services, settings
from pipelines.services import HOST, Service

MLFLOW_PORT = 5000


def start_mlflow(port: int = MLFLOW_PORT) -> Service:
    """Start MLflow's server over the project's own record, on this port or the next free one."""
    port = services.free_port(port)
    address = f"http://{HOST}:{port}"
    store = settings.tracking_uri()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1",
        "--backend-store-uri", store, "--registry-store-uri", store, "--default-artifact-root",
        settings.artifact_root().as_uri(),
    ]  # fmt: skip
    return services.start(
        "MLflow's server", command, address, settings.state() / "logs" / f"mlflow-{port}.log", settings.QUIET
    )


def ui(mlflow_port: int = MLFLOW_PORT, prefect_port: int = prefect_server.PORT) -> None:
    """Start what is not running yet, print both addresses, and stop it again on Ctrl-C or SIGTERM.

    Raises:
        InfrastructureError: a server does not start, or the user's Prefect server does not answer.
    """
    with services.interruptible() as interrupted, contextlib.ExitStack() as stack:
        click.echo("Starting MLflow and Prefect (about ten seconds) ...")
        mlflow = None if settings.tracking_uri().startswith("http") else start_mlflow(mlflow_port)
        if mlflow:
            stack.callback(services.stop, mlflow)
        prefect_page = prefect_server.page(stack.enter_context(prefect_server.connected(prefect_port)))
        if mlflow:
            services.wait(mlflow, "/health")
        click.echo(f"MLflow   {mlflow.address if mlflow else settings.tracking_uri()}")
        click.echo(f"Prefect  {prefect_page}")
        click.echo("Press Ctrl-C to stop.")
        interrupted.wait()
    click.echo("Stopped.")
