"""Device and precision are chosen as the parameters say."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from stages.core import compute
from stages.core.compute import Compute
from stages.core.errors import InfrastructureError


@pytest.mark.parametrize(
    ("flags", "fast"), [("fpu avx512_bf16 amx_tile", True), ("fpu amx_bf16", True), ("fpu avx2", False)]
)
def test_bf16_where_the_cpu_has_it(tmp_path: Path, flags: str, fast: bool) -> None:
    """A CPU multiplies bfloat16 in hardware when its flags name AMX or AVX512-BF16."""
    (tmp_path / "cpuinfo").write_text(f"flags\t: {flags}\n")
    assert compute.cpu_has_bf16(tmp_path / "cpuinfo") is fast
    assert compute.cpu_has_bf16(tmp_path / "absent") is False


@pytest.mark.parametrize(("capability", "wanted"), [((7, 0), False), ((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_bf16_where_the_gpu_has_it(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], wanted: bool) -> None:
    """``auto`` is bfloat16 from compute capability 8.0 on; older GPUs only imitate it, which torch counts as support."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    properties = SimpleNamespace(major=capability[0], minor=capability[1])
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda *_: properties)
    monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda *_: True)
    assert torch.cuda.is_bf16_supported()
    machine = compute.prepare(Compute(device="cuda", precision="auto", threads=1))
    assert (machine.device, machine.bf16) == ("cuda", wanted)


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_precision_is_what_was_asked(precision: str, dtype: torch.dtype) -> None:
    """Inside ``autocast`` a convolution gives the type of the precision that was asked for."""
    machine = compute.prepare(Compute(device="cpu", precision=precision, threads=1))
    with machine.autocast():
        assert torch.nn.Conv2d(3, 4, 3)(torch.rand(1, 3, 8, 8)).dtype == dtype


def test_asking_for_a_missing_gpu_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """``device: cuda`` on a machine without one says so; ``auto`` takes the CPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InfrastructureError, match="no CUDA device"):
        compute.prepare(Compute(device="cuda", precision="auto", threads=1))
    assert compute.prepare(Compute(device="auto", precision="fp32", threads=1)).device == "cpu"


def test_pictures_become_channels_last_fractions() -> None:
    """uint8 (B, H, W, 3) becomes float32 (B, 3, H, W) in [0, 1] without a copy into another order of memory."""
    machine = compute.prepare(Compute(device="cpu", precision="fp32", threads=1))
    batch = machine.images(torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3).expand(2, 4, 5, 3).contiguous())
    assert batch.shape == (2, 3, 4, 5)
    assert batch[0, :, 0, 0].tolist() == pytest.approx([0, 0.2, 1])
    assert batch.is_contiguous(memory_format=torch.channels_last)


def test_seeded_leaves_the_generator_alone() -> None:
    """Draws inside repeat, and those after it are what they would have been without it."""
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    found = []
    for _ in range(2):
        with compute.seeded(9):
            found.append(torch.rand(2))
    assert torch.equal(found[0], found[1])
    assert torch.equal(torch.rand(2), expected)
