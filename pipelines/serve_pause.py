"""Pauses a served deployment while nobody serves it, and tells that pause from any other."""

from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.exceptions import ObjectNotFound

PAUSED = "Paused by rawline serve when it ended. The next rawline serve resumes it."
"""The deployment's description meanwhile, which its page shows: the mark of our own pause."""


def register(deployment: Any) -> UUID:
    """Register a deployment and return its id; what others have paused stays paused, the deployment or its schedule.

    Without our mark a pause is a person's, or of a ``rawline serve`` of before, which left none.

    Args:
        deployment: Prefect's ``RunnerDeployment``; takes up the pause.
    """
    with get_client(sync_client=True) as client:
        try:
            known = client.read_deployment_by_name(f"{deployment.flow_name}/{deployment.name}")
        except ObjectNotFound:
            known = None
    deployment.paused = known is not None and known.paused and known.description != PAUSED
    planned = known.schedules if known else []
    for schedule in deployment.schedules:
        schedule.active = not planned or any(one.active for one in planned)
    return UUID(str(deployment.apply()))


def is_held(deployment: Any) -> bool:
    """Tell whether a pause without our mark was found when the deployment was registered."""
    return bool(deployment.paused) or not all(schedule.active for schedule in deployment.schedules)


def pause(deployment: UUID) -> bool:
    """Pause a deployment; False where somebody else has paused it or its schedule, which outlives the next start.

    Raises:
        ObjectNotFound: the server does not know it.
    """
    with get_client(sync_client=True) as client:
        known = client.read_deployment(deployment)
        if not known.paused:
            client.update_deployment(deployment, DeploymentUpdate(paused=True, description=PAUSED))
    return not known.paused and any(schedule.active for schedule in known.schedules)
