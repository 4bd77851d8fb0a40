"""Where and how a model computes: device, precision, threads, repeatability."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from stages.core.errors import InfrastructureError
from stages.core.params import Params

if TYPE_CHECKING:
    import torch

# Threads that wait for each other must sleep, not spin: with another stage on the same cores, spinning made a training
# ten times slower. OpenMP reads it when torch is loaded, which is after this line.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

CPU_FLAGS = Path("/proc/cpuinfo")
FAST_BF16 = ("amx_bf16", "avx512_bf16")


class Compute(Params):
    """Device and precision of a stage that trains.

    Attributes:
        device: ``auto`` takes CUDA where there is one, else the CPU.
        precision: ``auto`` is bfloat16 autocast where the device multiplies it in hardware (CUDA from compute capability 8.0
            on, CPUs with AMX or AVX512-BF16), else float32.
        threads: CPU threads; 0 leaves torch's choice (one per core). Another number of threads may give other last bits.
    """

    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["auto", "bf16", "fp32"]
    threads: Annotated[int, Field(ge=0, le=256)]


@dataclass(frozen=True)
class Machine:
    """A device made ready.

    Attributes:
        device: ``cpu`` or ``cuda``.
        bf16: compute in bfloat16 where autocast holds it safe.
    """

    device: str
    bf16: bool

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context for a forward pass."""
        import torch  # noqa: PLC0415 - heavy; only those who compute need it

        return torch.autocast(self.device, dtype=torch.bfloat16) if self.bf16 else nullcontext()

    def put(self, module: "torch.nn.Module") -> "torch.nn.Module":
        """Move a module here, its convolution weights channels-last (1.5 times the speed on CPU and GPU)."""
        import torch  # noqa: PLC0415 - heavy; only those who compute need it

        return module.to(self.device).to(memory_format=torch.channels_last)

    def images(self, batch: "torch.Tensor") -> "torch.Tensor":
        """Turn (B, H, W, C) uint8 or uint16 into (B, C, H, W) float32 in [0, 1] here; channels-last by nature."""
        return floats(batch.to(self.device))


def floats(batch: "torch.Tensor") -> "torch.Tensor":
    """Turn (B, H, W, C) uint8 or uint16 into (B, C, H, W) float32 in [0, 1]."""
    import torch  # noqa: PLC0415 - heavy; only those who compute need it

    return batch.permute(0, 3, 1, 2).float().div(torch.iinfo(batch.dtype).max)


def prepare(params: Compute) -> Machine:
    """Make torch repeatable in this process and return where to compute.

    Raises:
        InfrastructureError: CUDA is asked for and there is none.
    """
    import torch  # noqa: PLC0415 - heavy; only those who compute need it

    device = params.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise InfrastructureError("compute.device is 'cuda' but torch finds no CUDA device; 'auto' takes what there is")
    if params.threads:
        torch.set_num_threads(params.threads)
    _repeatable(device)
    return Machine(device, _wants_bf16(device, params.precision))


def _repeatable(device: str) -> None:
    import torch  # noqa: PLC0415 - heavy; only those who compute need it

    # A few CUDA kernels (roi_align backward, some upsampling) have no repeatable form: torch warns there and goes on.
    torch.use_deterministic_algorithms(mode=True, warn_only=device == "cuda")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # set through its module's class
    if device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False


def _wants_bf16(device: str, precision: str) -> bool:
    if precision != "auto":
        return precision == "bf16"
    if device == "cuda":
        import torch  # noqa: PLC0415 - heavy; only those who compute need it

        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return cpu_has_bf16()


def cpu_has_bf16(source: Path = CPU_FLAGS) -> bool:
    """Tell whether this CPU multiplies bfloat16 matrices in hardware (elsewhere bfloat16 is slower than float32)."""
    try:
        flags = source.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False
    return any(flag in flags for flag in FAST_BF16)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator inside the block and put its state back after it.

    For initialisers and libraries that draw from global state; our own draws take generators.
    """
    import torch  # noqa: PLC0415 - heavy; only those who compute need it

    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
