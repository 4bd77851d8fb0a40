"""Times work beside a rival and says how much faster it is; ratios count, seconds depend on the machine."""

import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

SHARED = Path("../shared/data")


def machine() -> str:
    """Name the processor and the cores that were there."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{model}, {psutil.cpu_count()} cores, Python {platform.python_version()}"


@dataclass(frozen=True)
class Entry:
    """One line of ``bench.json``.

    Attributes:
        name: dotted, its first word the part of the project.
        value: the figure itself.
        unit: of the figure.
        rival: what it was measured beside; None where the figure stands alone.
        ratio: how many times better than the rival; None without one.
        machine: where.
    """

    name: str
    value: float
    unit: str
    rival: str | None = None
    ratio: float | None = None
    machine: str = field(default_factory=machine)

    def row(self) -> dict[str, object]:
        """Return the entry as a dictionary for JSON."""
        return asdict(self)


def best(work: Callable[[], object], *, seconds: float = 1.0, least: int = 3) -> float:
    """Return the shortest of several timings: the one least disturbed by others.

    Args:
        work: what is timed; called once before, to warm it up.
        seconds: how long to go on.
        least: how many timings at least.
    """
    work()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def race(ours: Callable[[], object], rival: Callable[[], object], *, rounds: int = 5) -> tuple[float, float]:
    """Time two works in turns, so that a disturbance meets both.

    Returns:
        The shortest seconds of ours and of the rival.
    """
    pairs = [(best(ours, seconds=0.2, least=1), best(rival, seconds=0.2, least=1)) for _ in range(rounds)]
    return min(p[0] for p in pairs), min(p[1] for p in pairs)
