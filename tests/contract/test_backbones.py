"""Every backbone gives four features at the strides that heads rely on."""

from urllib.error import URLError

import pytest
import torch
from torchvision.models import resnet18
from torchvision.transforms.functional import normalize

from stages.core import parts
from stages.core.errors import InfrastructureError
from stages.core.pixels import Pixels
from stages.parts.backbones import _resnet

PACKED = Pixels("packed_raw", (0.2, 0.15, 0.15, 0.1), (0.1, 0.12, 0.12, 0.08))
NAMES = parts.known("backbones")


def build(name: str, seed: int = 0) -> torch.nn.Module:
    module = parts.load("backbones", name, "test")
    return module.build(module.Params(weights="random"), seed=seed, pretrained=False)


@pytest.mark.parametrize("name", NAMES)
def test_features_have_the_promised_strides_and_widths(name: str) -> None:
    """A (B, 3, H, W) picture becomes features at stride 4, 8, 16, 32 with ``channels`` widths."""
    net = build(name).eval()
    with torch.inference_mode():
        features = net(torch.rand(1, 3, 64, 96))
    shapes = [tuple(f.shape) for f in features]
    assert shapes == [(1, c, 64 // s, 96 // s) for c, s in zip(net.channels, (4, 8, 16, 32), strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_belongs_to_one_stage(name: str) -> None:
    """``stages()`` covers all weights exactly once, so that partial tuning can count them."""
    net = build(name)
    found = [id(p) for stage in net.stages() for p in stage.parameters()]
    assert sorted(found) == sorted(id(p) for p in net.parameters())


def test_seed_alone_decides_the_weights() -> None:
    """Equal seeds give equal weights whatever the global generator's state, and leave that state as it was."""
    torch.manual_seed(1)
    first, after = build("resnet18", 5).state_dict(), torch.rand(1)
    torch.manual_seed(1)
    untouched = torch.rand(1)
    torch.manual_seed(2)
    second, other = build("resnet18", 5).state_dict(), build("resnet18", 6).state_dict()
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert not torch.equal(first["stem.0.weight"], other["stem.0.weight"])
    assert torch.equal(after, untouched)


def test_features_are_torchvisions_own() -> None:
    """The last feature, pooled, equals torchvision's network with the same weights on normalised pictures."""
    ours, theirs = build("resnet18").eval(), resnet18(weights=None).eval()
    renamed = {"stem.0": "conv1", "stem.1": "bn1"}
    state = {}
    for key, value in ours.state_dict().items():
        head = ".".join(key.split(".")[:2])
        state[key.replace(head, renamed.get(head, head), 1)] = value
    missing = theirs.load_state_dict(state, strict=False)
    assert set(missing.missing_keys) == {"fc.weight", "fc.bias"}
    assert not missing.unexpected_keys
    theirs.fc = torch.nn.Identity()
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        expected = theirs(normalize(images, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        assert torch.allclose(ours(images)[-1].mean(dim=(2, 3)), expected, atol=1e-5)


def test_batch_norm_learns() -> None:
    """BatchNorm is not frozen: torchvision's pyramid builder freezes it by default, which ruins random weights."""
    net = build("resnet18")
    norms = [m for m in net.modules() if "BatchNorm" in type(m).__name__]
    assert len(norms) == 20
    assert all(isinstance(m, torch.nn.BatchNorm2d) and m.weight.requires_grad for m in norms)


def test_weights_out_of_reach_end_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network the download of ImageNet weights says so, and what to do."""

    def refuse(*_: object, **__: object) -> None:
        raise URLError("no route")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    module = parts.load("backbones", "resnet18", "test")
    with pytest.raises(InfrastructureError, match="weights: random"):
        module.build(module.Params(weights="IMAGENET1K_V1"), seed=0, pretrained=True)
    module.build(module.Params(weights="IMAGENET1K_V1"), seed=0, pretrained=False)  # needs no download


@pytest.mark.parametrize("name", NAMES)
def test_packed_mosaics_have_a_first_convolution_of_their_own(name: str) -> None:
    """Four channels go in, normalised by their own means; the features have the same form and all weights a stage."""
    module = parts.load("backbones", name, "test")
    net = module.build(module.Params(weights="random"), seed=3, pretrained=False, pixels=PACKED).eval()
    again = module.build(module.Params(weights="random"), seed=3, pretrained=False, pixels=PACKED)
    assert torch.equal(net.state_dict()["stem.0.weight"], again.state_dict()["stem.0.weight"])
    with torch.inference_mode():
        features = net(torch.rand(1, 4, 64, 96))
    assert [f.shape[1] for f in features] == list(net.channels)
    assert net.pixels == PACKED
    plain = build(name, 3).state_dict()["stem.0.weight"]
    assert float(net.state_dict()["stem.0.weight"].std()) == pytest.approx(float(plain.std()), rel=0.05)


def test_weights_made_for_colours_answer_a_grey_mosaic_as_a_grey_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloaded weights are spread over the two greens, so that what is equal in all channels gives what it gave."""
    state = resnet18(weights=None).state_dict()
    monkeypatch.setattr(_resnet, "_fetch", lambda _name, _weights: state)
    module = parts.load("backbones", "resnet18", "test")
    flat = Pixels("packed_raw", (0.5,) * 4, (0.5,) * 4), Pixels("linear_rgb", (0.5,) * 3, (0.5,) * 3)
    packed, plain = (
        module.build(module.Params(weights="IMAGENET1K_V1"), seed=0, pretrained=True, pixels=p).eval() for p in flat
    )
    grey = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        for one, other in zip(packed(grey.expand(1, 4, 64, 64)), plain(grey.expand(1, 3, 64, 64)), strict=True):
            assert torch.allclose(one, other, rtol=1e-3, atol=1e-3)
