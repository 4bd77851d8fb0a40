"""Every self-supervised method gives a loss that teaches its backbone and depends on the seed alone."""

import pytest
import torch
from lightly.loss import NTXentLoss

from stages.core import parts
from stages.core.pixels import CHANNELS, Pixels
from stages.parts.ssl import _views
from tests.training_project import PRETRAIN

NAMES = parts.known("ssl")


def build(name: str) -> torch.nn.Module:
    backbones, methods = parts.load("backbones", "resnet18", "t"), parts.load("ssl", name, "t")
    backbone = backbones.build(backbones.Params(weights="random"), seed=0, pretrained=False)
    torch.manual_seed(0)
    return methods.build(methods.Params(**PRETRAIN[name]), backbone=backbone, size_px=(64, 64))


@pytest.mark.parametrize("name", NAMES)
def test_loss_reaches_every_weight_of_the_backbone(name: str) -> None:
    """One finite number comes out, and each weight of the backbone gets a gradient."""
    method = build(name)
    loss = method(torch.rand(6, 3, 64, 64), 1)
    assert loss.shape == ()
    assert torch.isfinite(loss)
    loss.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in method.backbone.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_views_follow_from_the_seed(name: str) -> None:
    """The same seed gives the same loss to the bit whatever the global generator; another seed another one."""
    method, images = build(name).eval(), torch.rand(6, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.manual_seed(1)
        first = method(images, 5)
        torch.manual_seed(2)
        assert torch.equal(method(images, 5), first)
        assert not torch.equal(method(images, 6), first)


@pytest.mark.parametrize("name", NAMES)
def test_learning_lowers_the_loss(name: str) -> None:
    """Ten steps on one batch with one seed make the loss smaller."""
    method = build(name).train()
    images = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    images = torch.nn.functional.interpolate(images, size=(64, 64))
    optimizer = torch.optim.AdamW(method.parameters(), lr=1e-3)
    losses = []
    for _ in range(10):
        loss = method(images, 3)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert min(losses[-3:]) < 0.9 * losses[0]


@pytest.mark.parametrize(("flip", "sign"), [(0.0, 1), (1.0, -1)])
def test_crops_keep_left_and_right(flip: float, sign: int) -> None:
    """Brightness that rises from left to right rises in every crop, and falls in every mirrored one."""
    ramp = torch.linspace(0, 1, 48).view(1, 1, 1, 48).expand(5, 3, 40, 48)
    seen = _views.random_resized_crop(ramp, 32, (0.3, 0.6), torch.Generator().manual_seed(4), flip)
    assert bool((sign * seen.diff(dim=-1) > 0).all())
    widths = (seen.amax(dim=(1, 2, 3)) - seen.amin(dim=(1, 2, 3))) * 48 / 47
    assert bool((widths**2 > 0.3 * 3 / 4 - 0.05).all())
    assert bool((widths**2 < 0.6 * 4 / 3 + 0.05).all())


def test_views_stay_pictures() -> None:
    """Views are inside [0, 1] up to rounding and as large as asked."""
    seen = _views.view(torch.rand(8, 3, 40, 60), 9, 32, (0.2, 1.0), 0.8)
    assert seen.shape == (8, 3, 32, 32)
    assert float(seen.min()) >= -1e-5
    assert float(seen.max()) <= 1 + 1e-5


def test_blur_keeps_flat_colour_and_grey_is_luma() -> None:
    """A flat picture is blurred into itself; grey weighs the channels as BT.601 says."""
    flat = torch.tensor([0.2, 0.5, 0.8]).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    assert torch.allclose(_views.blur(flat, 1.5), flat, atol=1e-6)
    assert float(_views.grey(flat)[0, 1, 3, 3]) == pytest.approx(0.299 * 0.2 + 0.587 * 0.5 + 0.114 * 0.8)


def test_contrastive_loss_is_the_papers() -> None:
    """Lightly's NT-Xent equals the formula of the paper written out, a row and a pair at a time."""
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(4, 8, generator=generator) for _ in range(2))
    rows = torch.nn.functional.normalize(torch.cat([first, second]), dim=1)
    total = 0.0
    for i in range(8):
        others = [j for j in range(8) if j != i]
        top = torch.exp(rows[i] @ rows[(i + 4) % 8] / 0.2)
        total += -float(torch.log(top / sum(torch.exp(rows[i] @ rows[j] / 0.2) for j in others)))
    assert float(NTXentLoss(temperature=0.2)(first, second)) == pytest.approx(total / 8, rel=1e-5)


def test_contrast_is_not_rounded_under_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under bfloat16 autocast the contrastive loss of features is their float32 loss, where lightly's alone is another."""
    method, generator = build("simclr"), torch.Generator().manual_seed(0)
    picture = torch.randn(32, 64, generator=generator)
    features = [(picture + 0.3 * torch.randn(32, 64, generator=generator)).bfloat16() for _ in range(2)]
    exact = float(method.criterion(*(one.float() for one in features)))
    views = iter(features)
    monkeypatch.setattr(method, "_project", lambda *_: next(views))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert float(method(torch.zeros(32, 3, 8, 8), 1)) == pytest.approx(exact, rel=1e-6)
        assert float(method.criterion(*(one.float() for one in features))) != pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("output", ["linear_rgb", "packed_raw"])
@pytest.mark.parametrize("name", NAMES)
def test_methods_learn_from_linear_light(name: str, output: str) -> None:
    """Pictures of either kind give a finite loss that depends on the seed alone and reaches the first convolution."""
    num = CHANNELS[output]
    pixels = Pixels(output, (0.15,) * num, (0.1,) * num)
    backbones, methods = parts.load("backbones", "resnet18", "t"), parts.load("ssl", name, "t")
    backbone = backbones.build(backbones.Params(weights="random"), seed=0, pretrained=False, pixels=pixels)
    method = methods.build(methods.Params(**PRETRAIN[name]), backbone=backbone, size_px=(64, 64))
    images = torch.rand(6, num, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.4
    loss = method(images, 1)
    assert torch.isfinite(loss)
    loss.backward()
    assert float(backbone.stem[0].weight.grad.abs().sum()) > 0
    method.eval()
    with torch.inference_mode():
        assert torch.equal(method(images, 5), method(images, 5))


def test_the_light_of_a_view_is_one_a_camera_could_have_seen() -> None:
    """Jitter keeps the two greens of a cell equal and moves red and blue against them; the mean of the cell is its grey."""
    cells = torch.rand(5, 1, 12, 12).expand(5, 4, 12, 12) * 0.3
    seen = _views.jitter(cells, 0.5, torch.Generator().manual_seed(0), "packed_raw")
    assert torch.equal(seen[:, 1], seen[:, 2])
    assert not torch.allclose(seen[:, 0], seen[:, 1])
    grey = _views.grey(torch.tensor([0.4, 0.2, 0.2, 0.0]).view(1, 4, 1, 1), "packed_raw")
    assert torch.allclose(grey, torch.full((1, 4, 1, 1), 0.2))
