"""The Prefect server of a ``rawline serve``: missed aloud when it is away, and started again where it is ours."""

import contextlib
import time

import click
import httpx

from pipelines import prefect_server
from pipelines.redaction import redact
from stages.core.errors import InfrastructureError

ANSWER_S = 5.0
TEND_S = 10.0
LOOK_S = 1.0
REFUSALS = (401, 403, 404)  # a secret that is missing or wrong, or no Prefect at this address
BUSY = (408, 429)


class Server:
    """What a schedule depends on.

    Attributes:
        api: the API's address.
        losses: how often it was away.
    """

    def __init__(self, api: str, stack: contextlib.ExitStack, *, ours: bool) -> None:
        """Take over a server that answers.

        Args:
            api: the API's address.
            stack: takes up the change of Prefect's settings when the server comes back at another address.
            ours: it is the shared server, which may be started again; a configured one is waited for.
        """
        self.api, self.losses = api, 0
        self._stack, self._ours = stack, ours
        self._tended = time.monotonic()
        self._said = ""

    @property
    def page(self) -> str:
        """Return the address of its page."""
        return prefect_server.page(self.api)

    def answers(self) -> bool:
        """Tell whether it answers; of ours, whether it is still ours that does, and no program that took its port."""
        if self._ours:
            return prefect_server.announced(prefect_server.place()) == self.api
        return prefect_server.answers(self.api, ANSWER_S)

    def has_moved(self) -> bool:
        """Tell whether another program may answer at its address: ours is not there any more."""
        return self._ours and not self.answers()

    def tend(self) -> None:
        """Start it again where it is ours and gone; does so every few seconds at most, and never complains."""
        if not self._ours or time.monotonic() - self._tended < TEND_S:
            return
        if not self.answers():
            self._restore()
        self._tended = time.monotonic()

    def wait(self, why: str) -> None:
        """Wait until it answers, and say so.

        Args:
            why: what went wrong; said where it answers all the same.
        """
        time.sleep(LOOK_S)
        if self.answers():
            self._say(f"Prefect's server at {self.page} is in trouble and asked again ({why})")
            return
        self.losses += 1
        self._say(f"Prefect's server at {self.page} is away; the schedule waits for it")
        while not (self._restore() if self._ours else self.answers()):
            time.sleep(LOOK_S)
        self._say(f"Prefect's server answers at {self.page}; the schedule goes on")

    def _restore(self) -> bool:
        try:
            api = prefect_server.restored(self.api)
        except (InfrastructureError, OSError) as fault:  # no memory for a process, a full disk: a run goes on meanwhile
            self._say(f"Prefect's server cannot be started again: {fault}; it is tried again")
            return False
        if api != self.api:
            self._stack.enter_context(prefect_server.using(api))
            self.api = api
        return True

    def _say(self, line: str) -> None:
        if line != self._said:
            click.echo(f"rawline: {redact(line)}", err=True)
        self._said = line


def refusal(error: BaseException) -> str | None:
    """Return the server's word when it does not let us in; None for everything else.

    Example:
        >>> refusal(OSError("connection refused")) is None
        True
    """
    answer = _answer(error)
    return f"{answer.status_code} {answer.reason_phrase}" if answer is not None and answer.status_code in REFUSALS else None


def is_outage(error: BaseException) -> bool:
    """Tell what may pass from a slip of ours: the server is away, or this machine lacks memory or room for a while."""
    return is_away(error) or any(isinstance(cause, OSError) for cause in (error, error.__cause__))


def is_away(error: BaseException) -> bool:
    """Tell whether the server is away or busy; Prefect wraps some of its client's errors in a RuntimeError."""
    if (answer := _answer(error)) is not None:
        return answer.is_server_error or answer.status_code in BUSY
    return any(isinstance(cause, httpx.HTTPError) for cause in (error, error.__cause__))


def _answer(error: BaseException) -> httpx.Response | None:
    found = [cause.response for cause in (error, error.__cause__) if isinstance(cause, httpx.HTTPStatusError)]
    return found[0] if found else None
