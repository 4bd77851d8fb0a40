"""Pauses a served deployment while nobody serves it, and tells that pause from any other."""

from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.exceptions import ObjectNotFound

from pipelines import settings
from stages.core import files
from stages.core.errors import DataError

PAUSED = "Paused by rawline serve when it ended. The next rawline serve resumes it."
"""The deployment's description meanwhile, which its page shows: the mark of our own pause."""


def register(deployment: Any) -> UUID:
    """Register a deployment and return its id; what others have paused stays paused, the deployment or its schedule.

    Without our mark, or where the deployment has changed since we left it, a pause is a person's, or of a ``rawline serve``
    of before, which left no mark.

    Args:
        deployment: Prefect's ``RunnerDeployment``; takes up the pause.
    """
    with get_client(sync_client=True) as client:
        try:
            known = client.read_deployment_by_name(f"{deployment.flow_name}/{deployment.name}")
        except ObjectNotFound:
            known = None
    deployment.paused = known is not None and known.paused and not _is_ours(known)
    planned = known.schedules if known else []
    for schedule in deployment.schedules:
        schedule.active = not planned or any(one.active for one in planned)
    number = UUID(str(deployment.apply()))
    if not deployment.paused:
        _note(number).unlink(missing_ok=True)
    return number


def _is_ours(known: Any) -> bool:
    """Tell whether a pause is as we left it: resuming a deployment and pausing it again leaves our mark, not our time.

    The server changes that time with the deployment's settings alone. Without a note of it the mark counts.
    """
    try:
        noted = files.read_json(_note(known.id))
    except (OSError, DataError):
        noted = None
    return known.description == PAUSED and noted in (None, _stamp(known))


def _note(deployment: UUID) -> Path:
    return settings.state() / "serve-pauses" / f"{deployment}.json"


def _stamp(known: Any) -> dict[str, str]:
    return {"updated": known.updated.isoformat() if known.updated else ""}


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
            with suppress(OSError):  # without it our mark alone tells
                files.write_json(_note(deployment), _stamp(client.read_deployment(deployment)))
    return not known.paused and any(schedule.active for schedule in known.schedules)
