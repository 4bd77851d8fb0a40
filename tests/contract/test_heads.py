"""Every head learns, gives a loss in both modes, and answers in the form of ``docs/data.md``."""

import pytest
import torch

from stages.core import parts
from stages.core.pixels import Pixels
from stages.parts.heads.unet import soft_dice
from tests.training_project import HEADS

SIZE, CLASSES = 64, 3
PAIRS = [(name, task) for name in parts.known("heads") for task in parts.load("heads", name, "t").TASKS]


def build(name: str, num_classes: int = CLASSES, **changes: object) -> torch.nn.Module:
    backbones, heads = parts.load("backbones", "resnet18", "t"), parts.load("heads", name, "t")
    backbone = backbones.build(backbones.Params(weights="random"), seed=0, pretrained=False)
    torch.manual_seed(0)
    params = heads.Params(**{**HEADS[name], **changes})
    return heads.build(params, backbone=backbone, num_classes=num_classes, size_px=(SIZE, SIZE))


def batch() -> tuple[torch.Tensor, list[dict[str, torch.Tensor]]]:
    """Two pictures with a bright square each, one with a crowd of nothing else and one whose mask ignores a row."""
    images = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 0.2
    targets = []
    for index, (x, y) in enumerate([(8, 8), (30, 24)]):
        images[index, index, y : y + 24, x : x + 24] = 1.0
        mask = torch.zeros(SIZE, SIZE, dtype=torch.int64)
        mask[y : y + 24, x : x + 24] = index + 1
        single = (mask > 0).to(torch.uint8)[None]
        mask = mask.clone()
        mask[0] = 255
        box = torch.tensor([[x, y, x + 24, y + 24]], dtype=torch.float32)
        target = {"label": torch.tensor(index), "boxes": box, "categories": torch.tensor([index + 1])}
        targets.append({**target, "masks": single, "mask": mask})
    return images, targets


def for_task(targets: list[dict[str, torch.Tensor]], task: str) -> list[dict[str, torch.Tensor]]:
    drop = {"classify": ("masks", "mask"), "detect": ("masks", "mask"), "segment": ("masks",), "instance": ("mask",)}[task]
    return [{k: v for k, v in target.items() if k not in drop} for target in targets]


def check_form(task: str, answer: dict[str, torch.Tensor], height: int, width: int) -> None:
    if task == "classify":
        assert answer["scores"].shape == (CLASSES,)
        assert float(answer["scores"].sum()) == pytest.approx(1, abs=1e-5)
    elif task == "segment":
        assert (answer["mask"].shape, answer["mask"].dtype) == ((height, width), torch.uint8)
        assert int(answer["mask"].max()) < CLASSES
    else:
        num = len(answer["scores"])
        assert answer["boxes"].shape == (num, 4)
        assert (answer["labels"].dtype, answer["boxes"].dtype, answer["scores"].dtype) == (
            torch.int64,
            torch.float32,
            torch.float32,
        )
        assert bool((answer["scores"].diff() <= 0).all())
        if num:
            assert 1 <= int(answer["labels"].min()) <= int(answer["labels"].max()) <= CLASSES
            assert float(answer["boxes"].min()) >= 0
            assert float(answer["boxes"][:, 2].max()) <= width
        if task == "instance":
            assert (answer["masks"].shape, answer["masks"].dtype) == ((num, height, width), torch.bool)


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_answers_have_the_contracts_form_for_any_size(name: str, task: str) -> None:
    """Shapes, types and ranges hold for the training size and for another, odd one; in the pixels of the picture given."""
    model = build(name, **({"score_threshold": 0.0} if "rcnn" in name else {})).eval()
    for height, width in ((SIZE, SIZE), (50, 71)):
        with torch.inference_mode():
            answers = model.predict(torch.rand(2, 3, height, width))
        assert len(answers) == 2
        for answer in answers:
            check_form(task, answer, height, width)


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_loss_comes_in_both_modes_and_leaves_the_mode(name: str, task: str) -> None:
    """The same named, finite terms come in training and in evaluation mode (torchvision's detectors give none there)."""
    model, (images, targets) = build(name), batch()
    targets = for_task(targets, task)
    training = model.train().loss(images, targets)
    with torch.no_grad():
        judged = model.eval().loss(images, targets)
    assert set(training) == set(judged)
    assert all(torch.isfinite(v) for v in [*training.values(), *judged.values()])
    assert not any(module.training for module in model.modules())


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_twelve_steps_learn_two_pictures(name: str, task: str) -> None:
    """The loss falls by a sixth on two pictures: gradients reach what they must."""
    model, (images, targets) = build(name).train(), batch()
    targets = for_task(targets, task)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss = sum(model.loss(images, targets).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-3:]) / 3 < 0.83 * losses[0]


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_weights_bring_the_answer_back(name: str, task: str) -> None:
    """A second model with the first one's weights answers the same, to the bit."""
    first, second = build(name).eval(), build(name).eval()
    for parameter in first.parameters():
        parameter.data.mul_(1.1)
    second.load_state_dict(first.state_dict())
    images, _ = batch()
    with torch.inference_mode():
        for one, other in zip(first.predict(images), second.predict(images), strict=True):
            assert all(torch.equal(one[key], other[key]) for key in one)


DETECTORS = [(name, task) for name, task in PAIRS if task in ("detect", "instance")]


@pytest.mark.parametrize(("name", "task"), DETECTORS)
def test_boxes_without_area_do_not_reach_the_loss(name: str, task: str) -> None:
    """A box of no width stops torchvision's training or makes it infinite; here the loss is that of the other boxes."""
    model, (images, targets) = build(name).eval(), batch()
    clean = for_task(targets, task)
    flat = torch.tensor([[5.0, 5.0, 5.0, 20.0]])
    spoiled = []
    for target in clean:
        more = {
            "boxes": torch.cat([target["boxes"], flat]),
            "categories": torch.cat([target["categories"], torch.tensor([1])]),
        }
        masks = {"masks": torch.cat([target["masks"], target["masks"] * 0])} if "masks" in target else {}
        spoiled.append({**target, **more, **masks})
    found = []
    for some in (clean, spoiled):
        torch.manual_seed(0)
        with torch.no_grad():
            found.append(model.loss(images, some))
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])


@pytest.mark.parametrize(("name", "task"), DETECTORS)
def test_pictures_without_objects_are_welcome(name: str, task: str) -> None:
    """A batch in which no picture has an object gives a finite loss."""
    model, (images, targets) = build(name).train(), batch()
    empty = [
        {k: v[:0] if k in ("boxes", "categories", "masks") else v for k, v in t.items()} for t in for_task(targets, task)
    ]
    assert torch.isfinite(sum(model.loss(images, empty).values()))


@pytest.mark.parametrize(("name", "task"), DETECTORS)
def test_pictures_keep_their_size_and_are_normalised_once(name: str, task: str) -> None:
    """Torchvision would bring pictures to 800 px and normalise a second time: the backbone must see them as they are."""
    model, (images, _) = build(name).eval(), batch()
    seen = []
    handle = model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    with torch.inference_mode():
        model.predict(images)
    handle.remove()
    assert torch.equal(seen[0], images)


@pytest.mark.parametrize(("name", "task"), DETECTORS)
def test_one_anchor_size_for_each_map(name: str, task: str) -> None:
    """Four or five anchor sizes fit the pyramid; three are refused at the door, with a clear line."""
    for sizes in ([8.0, 16.0, 32.0, 64.0], [8.0, 16.0, 32.0, 64.0, 128.0]):
        model = build(name, anchor_px=sizes).eval()
        anchors = model.rpn.anchor_generator.cell_anchors
        levels = model.pyramid(model.backbone(torch.rand(1, 3, SIZE, SIZE)))
        assert len(levels) == len(anchors) == len(sizes)
        sides = [float((a[1, 2] - a[1, 0]).round()) for a in anchors]  # ratio 1 is the second of three
        assert sides == sizes
    with pytest.raises(ValueError, match="anchor_px"):
        build(name, anchor_px=[8.0, 16.0, 32.0])


@pytest.mark.parametrize(("name", "task"), DETECTORS)
def test_first_loss_is_small_because_batch_norm_is_alive(name: str, task: str) -> None:
    """Torchvision's builder freezes BatchNorm on random weights and starts with a loss of thousands; here it is below 5."""
    model, (images, targets) = build(name).train(), batch()
    losses = model.loss(images, for_task(targets, task))
    assert all(float(value.detach()) < 5 for value in losses.values())


@pytest.mark.parametrize(("name", "task"), DETECTORS)
def test_boxes_stay_float32_under_bfloat16(name: str, task: str) -> None:
    """Under bfloat16 autocast proposals and boxes are float32: bfloat16 knows whole pixels only above 128."""
    model, (images, targets) = build(name, score_threshold=0.0).eval(), batch()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        levels = model.pyramid(model.backbone(images))
        listed, _ = model.transform(list(images), None)
        proposals, _ = model.rpn(listed, levels, None)
        answers = model.predict(images)
        losses = model.loss(images, for_task(targets, task))
    assert all(level.dtype == torch.float32 for level in levels.values())
    assert all(p.dtype == torch.float32 for p in proposals)
    fractions = torch.cat([a["boxes"].flatten() for a in answers]) % 0.25
    assert len(fractions.unique()) > 4
    assert all(torch.isfinite(v) for v in losses.values())


def test_ignored_pixels_do_not_count() -> None:
    """What stands under 255 changes neither term of U-Net's loss, and a picture all ignored gives zero cross-entropy."""
    logits = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    truth = torch.randint(0, 3, (1, 8, 8), generator=torch.Generator().manual_seed(1))
    truth[:, :2] = 255
    changed = logits.clone()
    changed[:, :, :2] += 7 * torch.randn(1, 3, 2, 8, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(soft_dice(logits, truth), soft_dice(changed, truth), atol=1e-6)
    model, (images, targets) = build("unet").eval(), batch()
    with torch.no_grad():
        losses = model.loss(images, [{**t, "mask": torch.full_like(t["mask"], 255)} for t in targets])
    assert float(losses["pixel"]) == 0
    assert all(torch.isfinite(v) for v in losses.values())


def test_dice_of_a_perfect_answer_is_zero() -> None:
    """Soft Dice is 0 for the truth itself and near 1 for its opposite; absent classes do not count."""
    truth = torch.zeros(1, 8, 8, dtype=torch.int64)
    truth[:, 4:] = 1
    hot = torch.nn.functional.one_hot(truth, 3).permute(0, 3, 1, 2).float()
    assert float(soft_dice(hot * 100, truth)) == pytest.approx(0, abs=1e-5)
    assert float(soft_dice(hot.flip(2) * 100, truth)) > 0.99


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_heads_take_what_their_backbone_takes(name: str, task: str) -> None:
    """On packed mosaics of four channels each head learns in every weight, and answers in the same form."""
    pixels = Pixels("packed_raw", (0.2, 0.15, 0.15, 0.1), (0.1, 0.12, 0.12, 0.08))
    backbones, heads = parts.load("backbones", "resnet18", "t"), parts.load("heads", name, "t")
    backbone = backbones.build(backbones.Params(weights="random"), seed=0, pretrained=False, pixels=pixels)
    model = heads.build(heads.Params(**HEADS[name]), backbone=backbone, num_classes=CLASSES, size_px=(SIZE, SIZE))
    images, targets = batch()
    packed = images[:, [0, 1, 1, 2]]
    torch.stack(list(model.loss(packed, for_task(targets, task)).values())).sum().backward()
    assert backbone.stem[0].weight.grad.abs().sum() > 0
    with torch.inference_mode():
        for answer in model.eval().predict(packed):
            check_form(task, answer, SIZE, SIZE)
