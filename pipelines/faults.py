"""Turns whatever ended a command into one clear line and an exit status; a traceback goes to a file."""

import errno
import os
import signal
import sys
import time
import traceback
from typing import IO, cast

import click

from pipelines import settings
from pipelines.redaction import redact
from pipelines.screens import Screen
from stages.core.errors import InfrastructureError, RawlineError
from stages.core.text import escaped

FULL = (errno.ENOSPC, errno.EDQUOT)
INTERRUPTED = 128 + signal.SIGINT


def report(error: BaseException) -> int:
    """Print the line and return the exit status.

    Args:
        error: what reached the command line's end.
    """
    match error:
        case SystemExit(code=code):
            status = code if isinstance(code, int) else _say(str(code)) if code else 0
        case KeyboardInterrupt() | click.Abort():
            status = _say("interrupted", INTERRUPTED)
        case click.ClickException():
            error.show(file=cast("IO[str]", Screen(sys.stderr)))
            status = error.exit_code
        case RawlineError():
            status = _say(str(error), os.EX_TEMPFAIL if _may_pass(error) else 1)
        case _:
            status = _say(_line(error))
    return status


def _may_pass(error: RawlineError) -> bool:
    """Tell whether another try may help, as exit status 75 says (sysexits.h): not with a full disk."""
    return isinstance(error, InfrastructureError) and getattr(error.__cause__, "errno", None) not in FULL


def _line(error: BaseException) -> str:
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return "not enough memory; use smaller batches or pictures (params.yaml), or close other programs"
    if isinstance(error, OSError) and error.errno in FULL:
        return f"no space left on the disk{_where(error)}; free some (rawline doctor says how) and run again"
    return _unexpected(error)


def _unexpected(error: BaseException) -> str:
    text = " ".join(str(error).split())
    line = f"{type(error).__name__}: {text[:300]}"
    folder = settings.state() / "tracebacks"
    place = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place.write_text(redact("".join(traceback.format_exception(error))), encoding="utf-8")
    except OSError as second:
        return f"{line} (the traceback could not be kept: {second})"
    return f"{line} (traceback: {place})"


def _where(error: OSError) -> str:
    return f" while writing {error.filename}" if error.filename else ""


def _say(text: str, status: int = 1) -> int:
    shown = "\n".join(map(escaped, redact(text).split("\n")))  # a file's name may hold what steers the terminal
    click.echo(f"rawline: {shown}", err=True)
    return status
