"""What pictures hold: 16 bit comes back to the bit, other kinds are refused, means are the pictures' own."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.core import dataset, files, images, pixels
from stages.core.display import viewable
from stages.core.errors import DataError
from stages.maths import colour, sensor
from tests.factories import make_dataset

RANDOM = np.random.default_rng(0)
PACKED = pixels.Pixels("packed_raw", (0.1, 0.2, 0.2, 0.3), (0.1, 0.1, 0.1, 0.1))
LINEAR = pixels.Pixels("linear_rgb", (0.1, 0.2, 0.3), (0.1, 0.1, 0.1))


@pytest.mark.parametrize("kind", [LINEAR, PACKED])
def test_sixteen_bits_come_back_to_the_bit(kind: pixels.Pixels, tmp_path: Path) -> None:
    """Every channel is stored as it is: a fourth of 0 does not wipe out the others, as transparency would."""
    image = RANDOM.integers(0, 65536, (13, 7, kind.num_channels), dtype=np.uint16)
    image[:4, :, -1] = 0
    image[4:6, :, -1] = 65535
    images.write_png(tmp_path / "a.png", image)
    np.testing.assert_array_equal(kind.read(tmp_path / "a.png"), image)
    images.write_png(tmp_path / "b.png", image)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_the_file_holds_red_first(tmp_path: Path) -> None:
    """Another library, which gives channels as blue, green, red, opacity, finds red, greens and blue where they belong."""
    images.write_png(tmp_path / "a.png", np.array([[[1, 2, 3, 4]]], np.uint16))
    assert cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)[0, 0].tolist() == [3, 2, 1, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((4, 4, 3), np.uint8), "expected uint16"),
        (np.zeros((4, 4, 3), np.uint16), "expected uint16"),
        (b"", "empty, torn"),
        (b"no picture", "empty, torn"),
        (None, "is missing"),
    ],
)
def test_a_file_of_another_kind_ends_in_one_line(content: object, message: str, tmp_path: Path) -> None:
    """8 bit, too few channels, an empty, torn or missing file: the path and what was expected are named."""
    path = tmp_path / "x.png"
    if isinstance(content, np.ndarray):
        images.write_png(path, content)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        PACKED.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_means_are_those_of_all_pixels() -> None:
    """Mean and deviation equal numpy's over the pictures laid end to end; a flat channel divides by 1."""
    pictures = [RANDOM.integers(0, 65536, (5 + n, 6, 4), dtype=np.uint16) for n in range(3)]
    for picture in pictures:
        picture[..., 2] = 500
    found = pixels.measured("packed_raw", map(pixels.moments, pictures))
    every = np.concatenate([p.reshape(-1, 4) for p in pictures]) / 65535
    np.testing.assert_allclose(found.mean, every.mean(0), atol=1e-6)
    np.testing.assert_allclose(np.delete(found.std, 2), np.delete(every.std(0), 2), atol=1e-6)
    assert found.std[2] == 1
    with pytest.raises(DataError, match="train"):
        pixels.measured("packed_raw", [])


def test_the_data_set_says_what_its_pictures_hold(tmp_path: Path) -> None:
    """The kind and its means survive the file; of sRGB the file says nothing, as before there was a choice."""
    data = make_dataset(tmp_path / "data", num_images=3)
    assert "pixels" not in files.read_json(data.root / "dataset.json")
    assert data.info.pixels == pixels.SRGB
    info = dataset.Info("x", "test", labels=("a",), pixels=PACKED)
    dataset.write(data.root, info, data.manifest, [])
    assert dataset.read(data.root).info == info


def test_contradictions_are_refused() -> None:
    """An unknown kind, or means that do not match its channels, end in one line."""
    with pytest.raises(DataError, match="packed_raw"):
        pixels.of({"output": "packed_raw", "mean": [0.1] * 3, "std": [0.1] * 3})
    with pytest.raises(DataError, match="expected one of"):
        pixels.of({"output": "xyz", "mean": [0.1] * 3, "std": [0.1] * 3})
    with pytest.raises(DataError, match="picture 3"):
        PACKED.check(np.zeros((4, 4, 3), np.uint8), "picture 3")


def test_what_is_shown_is_what_was_there() -> None:
    """8-bit sRGB made linear is shown as itself; a grey cell is grey, and its greens count half each."""
    image = RANDOM.integers(0, 256, (6, 5, 3), dtype=np.uint8)
    assert viewable(image) is image
    linear = pixels.codes(sensor.linear_from_srgb(image))
    np.testing.assert_array_equal(viewable(linear), image)
    cell = np.array([[[20000, 10000, 30000, 5000]]], np.uint16)
    shown = colour.srgb_from_linear(np.array([20000, 20000, 5000], np.float32) / 65535)
    np.testing.assert_array_equal(viewable(cell)[0, 0], shown)
