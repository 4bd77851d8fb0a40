"""An augmentation policy: what albumentations gets wrong is put right, and truth follows the picture."""

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from stages.core.errors import ParamsError
from stages.core.pixels import Pixels
from stages.core.policy import Policy, Sample, load_online, probe, refuse, serialise
from stages.core.seeds import derive

SPATIAL: list[dict[str, Any]] = [
    {"name": "Affine", "rotate": [-25, 25], "scale": [0.7, 1.3], "translate_percent": [-0.15, 0.15], "p": 1.0},
    {"name": "HorizontalFlip", "p": 0.5},
]
COLOURS: list[dict[str, Any]] = [{"name": "RandomBrightnessContrast", "p": 0.8}, {"name": "GaussNoise", "p": 0.5}]


def _policy(entries: list[dict[str, Any]], min_visibility: float = 0.1) -> Policy:
    return load_online({"online": json.loads(json.dumps(serialise(entries, min_visibility, "augment.online")))})


def _sample(*, with_masks: bool = True, size: int = 96) -> Sample:
    """Return a black picture with two rectangles of plain colours, their boxes and their masks."""
    image = np.zeros((size, size, 3), np.uint8)
    image[20:50, 10:40] = (255, 0, 0)
    image[55:85, 50:90] = (0, 255, 0)
    boxes = np.array([[10, 20, 40, 50], [50, 55, 90, 85]], np.float32)
    masks = np.stack([(image[..., 0] > 0), (image[..., 1] > 0)]).astype(np.uint8)
    mask = (masks[0] * 4 + masks[1] * 7).astype(np.uint8)
    return Sample(image, boxes, np.array([4, 7]), masks if with_masks else None, mask)


def _coloured(image: np.ndarray, channel: int) -> list[int]:
    seen = image[..., channel] > 127
    rows, columns = seen.any(1).nonzero()[0], seen.any(0).nonzero()[0]
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def _equal(one: Sample, two: Sample) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("with_masks", [True, False])
def test_boxes_and_masks_follow_pixels(with_masks: bool) -> None:
    """The box of an object is the box of its coloured pixels: tight with masks, around them without."""
    policy, before = _policy(SPATIAL), _sample(with_masks=with_masks)
    for seed in range(30):
        after = policy(before, seed)
        for box, label in zip(after.boxes, after.labels, strict=True):
            truth = np.array(_coloured(after.image, 0 if label == 4 else 1))
            if with_masks:
                np.testing.assert_allclose(box, truth, atol=1.01)
            else:
                assert (box[:2] <= truth[:2] + 1.5).all()
                assert (box[2:] >= truth[2:] - 1.5).all()
        if after.masks is not None:
            for mask, label in zip(after.masks, after.labels, strict=True):
                assert set(np.unique(mask)) <= {0, 1}
                assert ((after.mask == label) != (mask == 1)).mean() < 0.001


def test_uncovered_pixels_are_ignored_in_masks_and_absent_in_objects() -> None:
    """What a turn brings into the picture is 255 in the index mask, not class 0, and 0 in the masks of objects."""
    policy = _policy([{"name": "Affine", "rotate": [30, 30], "p": 1.0}])
    after = policy(_sample(), 0)
    assert after.mask is not None
    assert after.masks is not None
    assert after.mask[0, 0] == 255
    assert set(np.unique(after.mask)) == {0, 4, 7, 255}
    assert after.masks[:, 0, 0].tolist() == [0, 0]


def test_labels_and_types_come_back_as_they_went_in() -> None:
    """Labels stay int64 and boxes float32 (albumentations returns floats), empty or not, whatever the numbers mean."""
    policy = _policy(SPATIAL)
    after = policy(_sample(), 3)
    assert after.labels.dtype == np.int64
    assert after.boxes.dtype == np.float32
    assert set(after.labels) <= {4, 7}
    empty = policy(Sample(_sample().image, masks=np.zeros((0, 96, 96), np.uint8)), 3)
    assert empty.boxes.shape == (0, 4)
    assert empty.labels.dtype == np.int64
    assert empty.masks is not None
    assert empty.masks.shape == (0, 96, 96)


def test_colours_alone_leave_the_truth_alone() -> None:
    """Without a change of geometry boxes and masks are what they were, to a thousandth of a pixel."""
    before = _sample()
    after = _policy(COLOURS)(before, 5)
    np.testing.assert_allclose(after.boxes, before.boxes, atol=1e-3)
    np.testing.assert_array_equal(after.mask, before.mask)
    np.testing.assert_array_equal(after.masks, before.masks)


def test_the_seed_decides_and_nothing_else() -> None:
    """Equal seeds give equal results in any order, thread or copy of the policy; other seeds, epochs and pictures differ."""
    policy, sample = _policy([*SPATIAL, *COLOURS]), _sample()
    seeds = [derive(7, "online", epoch, name) for epoch in range(3) for name in ("a", "b")]
    one_by_one = [policy(sample, seed) for seed in seeds]
    assert not any(_equal(one_by_one[0], other) for other in one_by_one[1:])
    backwards = [policy(sample, seed) for seed in reversed(seeds)][::-1]
    with ThreadPoolExecutor(4) as pool:
        threads = list(pool.map(lambda seed: policy(sample, seed), seeds))
    copied = pickle.loads(pickle.dumps(policy))  # noqa: S301 - our own
    for expected, *others in zip(one_by_one, backwards, threads, [copied(sample, s) for s in seeds], strict=True):
        assert all(_equal(expected, other) for other in others)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_workers_do_not_repeat_each_others_numbers() -> None:
    """In a DataLoader, two workers draw different changes, and the next epoch draws others than the last."""
    torch = pytest.importorskip("torch")
    policy, sample = _policy(SPATIAL), _sample()

    class Pictures(torch.utils.data.Dataset):  # type: ignore[misc, name-defined]
        epoch = 0

        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> Any:
            return policy(sample, derive(7, self.epoch, index)).image.astype(np.int64).sum()

    drawn = []
    for epoch in range(2):
        data = Pictures()
        data.epoch = epoch
        drawn += [int(v) for v in torch.utils.data.DataLoader(data, num_workers=2, batch_size=None)]
    assert len(set(drawn)) == len(drawn)


def test_a_policy_survives_the_file() -> None:
    """Serialised to JSON and loaded, a policy is the same, bit for bit in its results."""
    content = serialise([*SPATIAL, {"name": "OneOf", "p": 0.5, "transforms": COLOURS}], 0.3, "augment.online")
    loaded = json.loads(json.dumps(content))
    assert (
        json.loads(json.dumps(Policy(loaded)._compose().to_dict()))["transform"]["transforms"]
        == loaded["transform"]["transforms"]
    )
    for seed in range(5):
        assert _equal(Policy(content)(_sample(), seed), Policy(loaded)(_sample(), seed))


def test_boxes_cut_below_the_visible_share_are_dropped_with_their_masks() -> None:
    """An object pushed out of the picture is gone, box, label and mask; ``kept`` says which one stayed."""
    policy = _policy([{"name": "Affine", "translate_percent": {"x": [-0.35, -0.35], "y": [0, 0]}, "p": 1.0}], 0.5)
    after = policy(_sample(), 0)
    assert after.kept.tolist() == [1]
    assert after.labels.tolist() == [7]
    assert after.masks is not None
    assert len(after.masks) == len(after.boxes) == 1
    assert after.applied == ("Affine",)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "HorizontalFlp"}, "did you mean 'HorizontalFlip'"),
        ({"p": 0.5}, "name is None"),
        ({"name": "Affine", "rotat": 3}, "rotat is no argument of Affine; did you mean 'rotate'"),
        ({"name": "Affine", "rotate": "x"}, "rotate is 'x'"),
        ({"name": "Affine", "p": 1.5}, r"less than or equal to 1"),
        ({"name": "HorizontalFlip", "transforms": []}, "takes none"),
        ({"name": "OneOf", "p": 0.5}, "is empty"),
        ({"name": "OneOf", "transforms": [{"name": "Blu"}]}, r"transforms\[0\]\.name is 'Blu'; did you mean 'Blur'"),
    ],
)
def test_wrong_entries_end_in_one_line(entry: dict[str, Any], message: str) -> None:
    """A wrong name, argument or value is an error that names the key; albumentations would only warn."""
    with pytest.raises(ParamsError, match=message) as caught:
        serialise([entry], 0.3, "augment.online")
    assert "params.yaml: augment.online[0]" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "RandomCrop", "height": 9, "width": 9},
        {"name": "RandomCrop", "height": 900, "width": 9},
        {"name": "Normalize"},
        {"name": "Mosaic"},
        {"name": "FDA"},
    ],
)
def test_transforms_that_cannot_work_fail_before_the_work(entry: dict[str, Any]) -> None:
    """What changes size or type, or needs more than a picture, is found by the probe, however seldom it would be drawn."""
    with pytest.raises(ParamsError, match=r"params\.yaml: augment\.offline\[0\]") as caught:
        probe([{**entry, "p": 0.01}], 40, 50, "augment.offline")
    assert "\n" not in str(caught.value)


PACKED = Pixels("packed_raw", (0.2,) * 4, (0.1,) * 4)


def test_sixteen_bit_pictures_keep_their_precision() -> None:
    """Geometry moves the 16-bit numbers of all four channels themselves; a factor is a factor in each, clipped at white."""
    image = np.random.default_rng(0).integers(0, 65536, (12, 12, 4), dtype=np.uint16)
    flipped = _policy([{"name": "HorizontalFlip", "p": 1.0}])(Sample(image), 1).image
    np.testing.assert_array_equal(flipped, image[:, ::-1])
    brighter = _policy([{"name": "MultiplicativeNoise", "multiplier": [1.5, 1.5], "p": 1.0}])(Sample(image), 1).image
    np.testing.assert_allclose(brighter, np.minimum(image * 1.5, 65535), atol=1)


@pytest.mark.parametrize("output", ["linear_rgb", "packed_raw"])
@pytest.mark.parametrize(
    ("entry", "where"),
    [
        ({"name": "HueSaturationValue"}, "augment.online[0]"),
        ({"name": "OneOf", "transforms": [{"name": "Blur"}, {"name": "CLAHE"}]}, "augment.online[0].transforms[1]"),
    ],
)
def test_what_is_made_for_srgb_is_refused_for_linear_light(entry: dict[str, Any], where: str, output: str) -> None:
    """The transform, its place and the output are named, with what is right instead; sRGB takes it."""
    with pytest.raises(ParamsError, match=f"made for srgb, and preprocess.output is {output}") as caught:
        refuse([entry], output, "augment.online")
    assert str(caught.value).startswith(where + ":")
    assert "MultiplicativeNoise" in str(caught.value)
    assert "\n" not in str(caught.value)
    refuse([entry], "srgb", "augment.online")


def test_what_cannot_take_four_channels_fails_before_the_work() -> None:
    """The probe tries each transform on such a picture as the data has."""
    probe([{"name": "Affine", "rotate": 5}, {"name": "GaussNoise"}], 40, 50, "augment.online", PACKED)
    with pytest.raises(ParamsError, match=r"ChromaticAberration.*augment\.online\[0\]"):
        probe([{"name": "ChromaticAberration"}], 40, 50, "augment.online", PACKED)
