"""Ends a command in good order when it is told to: by Ctrl-C, SIGTERM, or SIGHUP when its terminal was closed."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Interrupt:
    """Whether one of the signals came.

    Attributes:
        number: the signal, 0 while none came.
    """

    number: int = 0

    @property
    def status(self) -> int:
        """Return the exit status that says so: 128 and the signal's number."""
        return 128 + self.number if self.number else 0

    def wait(self) -> None:
        """Sleep until one comes; it ends the block of ``interruptible``."""
        while True:
            signal.pause()


def heard(*numbers: int) -> list[int]:
    """Return the signals without SIGHUP where this process was told to ignore it: ``nohup`` means that."""
    deaf_to_it = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [number for number in numbers if not (number == signal.SIGHUP and deaf_to_it)]


@contextlib.contextmanager
def interruptible(*numbers: int) -> Iterator[Interrupt]:
    """End the block on a signal, in good order; a second signal does not cut the clearing short.

    Args:
        numbers: the signals taken over; ``ENDING`` when none is given.
    """
    interrupt = Interrupt()

    def handle(number: int, _frame: FrameType | None) -> None:
        if not interrupt.number:
            interrupt.number = number
            raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in heard(*numbers or ENDING)}
    try:
        yield interrupt
    except BaseException as error:
        if isinstance(error, Exception | SystemExit):
            raise
        interrupt.number = interrupt.number or signal.SIGTERM  # Prefect's own TerminationSignal
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def deaf() -> Iterator[None]:
    """Ignore signals to end in the block: what is being cleared away must not be left half done."""
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDING if main}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def hangup_ends() -> Iterator[None]:
    """Let SIGHUP do in the block what SIGTERM does there, whoever handles that."""
    if threading.current_thread() is not threading.main_thread() or not heard(signal.SIGHUP):
        yield
        return
    before = signal.signal(signal.SIGHUP, _as_term)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _as_term(number: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    if callable(handler):
        handler(number, frame)
    elif handler is not signal.SIG_IGN:
        raise SystemExit(128 + number)
