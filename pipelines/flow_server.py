"""What a flow run asks Prefect's server; a server that is away is no reason to end a stage."""

import time

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL

from pipelines import prefect_server

ASK_S = 5.0
PATIENCE_S = 900.0
"""How long a flow whose work is done waits for a server that is away, before it ends without having told it."""
LOOK_S = 1.0


def is_cancelled() -> bool:
    """Tell whether the flow run was cancelled on its page: a runner sends a signal, a plain run must ask.

    False when the server does not answer: nobody could have cancelled it there.
    """
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(flow_run.id).state
    except Exception:  # noqa: BLE001 - whatever Prefect's client raises: a training must not die of a question
        return False
    return bool(state and (state.is_cancelling() or state.is_cancelled()))


def wait_for(patience_s: float | None = None) -> bool:
    """Wait until Prefect's server answers; tell whether it does.

    Args:
        patience_s: how long; PATIENCE_S when None.
    """
    api = PREFECT_API_URL.value()
    if not api or prefect_server.answers(api):
        return True
    patience_s = PATIENCE_S if patience_s is None else patience_s
    get_run_logger().warning("Prefect's server at %s is away; its word is awaited for %.0f s", api, patience_s)
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if prefect_server.answers(api):
            return True
        time.sleep(LOOK_S)
    return False
