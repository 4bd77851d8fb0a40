"""What models see: linear light and packed mosaics lie where the original lies, and what cannot be made is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from stages import preprocess
from stages.core import artefacts, dataset, files, images, params
from stages.core.errors import DataError, ParamsError
from stages.core.frame import Frame
from stages.core.stage import Job
from stages.maths import geometry, packed
from stages.maths import orientation as exif
from tests.raws import make_dng

BASE = params.read(Path(__file__).parents[2] / "params.yaml")["preprocess"]
PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")


def _recipe(**changes: Any) -> dict[str, Any]:
    return {"seed": 7, "preprocess": {**BASE, **changes}}


def _frame(mosaic: NDArray[np.uint16], pattern: str = "RGGB", orientation: int = 1) -> Frame:
    """Return a camera file whose white balance and levels change nothing."""
    return Frame(mosaic, pattern, (0.0,) * 4, 65535.0, (1.0, 1.0, 1.0), None, orientation)


def _spot(height: int, width: int, top: int, left: int) -> NDArray[np.uint16]:
    """Return a grey mosaic with a bright spot of 4 x 6 pixels that begins with a whole cell."""
    mosaic = np.zeros((height, width), np.uint16)
    mosaic[top : top + 4, left : left + 6] = 60000
    return mosaic


def _centre(light: NDArray[Any]) -> tuple[float, float]:
    """Return the centre of the light, x and y of edges."""
    weight = light.astype(np.float64)
    weight /= weight.sum()
    return float((weight.sum(0) * (np.arange(light.shape[1]) + 0.5)).sum()), float(
        (weight.sum(1) * (np.arange(light.shape[0]) + 0.5)).sum()
    )


def _coverage(num: int, new: int) -> NDArray[np.float64]:
    """Return the share of each of ``new`` pixels that each of ``num`` covers when both lie from edge to edge."""
    edges = np.arange(new + 1) * num / new
    low, high = np.maximum(edges[:-1, None], np.arange(num)), np.minimum(edges[1:, None], np.arange(1, num + 1))
    return np.clip(high - low, 0, None) * new / num


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("height", "width"), [(32, 48), (31, 48), (32, 47), (31, 47)])
@pytest.mark.parametrize(("fit", "size"), [("stretch", 12), ("letterbox", 16), ("none", None)])
def test_packed_pictures_lie_where_the_original_lies(
    height: int, width: int, orientation: int, fit: str, size: int | None
) -> None:
    """Each pixel is the exact area average of what lies below it, however the mosaic ends and was turned."""
    mosaic = _spot(height, width, 12, 20)
    recipe = _recipe(output="packed_raw", fit=fit, size_px=size, pad_value=0)
    done = preprocess.prepare(recipe, _frame(mosaic, orientation=orientation))
    upright = exif.upright(mosaic, orientation)
    assert (done.height, done.width) == upright.shape
    at = done.placement
    expected = _coverage(at.height, at.new_height) @ upright @ _coverage(at.width, at.new_width).T
    for channel in range(4):
        np.testing.assert_allclose(geometry.inside(done.image, at)[..., channel], expected, atol=1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("height", "width"), [(32, 48), (31, 47)])
def test_packed_pictures_that_grow_keep_their_centre(height: int, width: int, orientation: int) -> None:
    """The centre of a spot is where the placement says: half a pixel of the packed picture is a pixel of the mosaic."""
    mosaic = _spot(height, width, 12, 20)
    done = preprocess.prepare(
        _recipe(output="packed_raw", fit="stretch", size_px=96), _frame(mosaic, orientation=orientation)
    )
    x, y = _centre(exif.upright(mosaic, orientation))
    expected = geometry.boxes_to(np.array([[x, y, x, y]]), done.placement)[0, :2]
    for channel in range(4):
        np.testing.assert_allclose(_centre(done.image[..., channel]), expected, atol=0.02)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_channels_are_named_by_colour_not_by_place(pattern: str) -> None:
    """Red, the green beside red, the green beside blue and blue come first to last in every pattern, in full precision."""
    values = {"R": 1000, "B": 4000}
    row = pattern.index("R") // 2
    cell = [values.get(c, 2000 if i // 2 == row else 3000) for i, c in enumerate(pattern)]
    mosaic = np.tile(np.array(cell, np.uint16).reshape(2, 2), (8, 8))
    done = preprocess.prepare(_recipe(output="packed_raw", fit="none", size_px=None), _frame(mosaic, pattern))
    assert done.image.shape == (8, 8, 4)
    np.testing.assert_array_equal(done.image, np.broadcast_to([1000, 2000, 3000, 4000], (8, 8, 4)))


def test_cells_laid_out_again_are_the_mosaic() -> None:
    """A packed picture that was not sized holds the camera's own numbers."""
    mosaic = np.random.default_rng(0).integers(0, 65536, (10, 14), dtype=np.uint16)
    done = preprocess.prepare(_recipe(output="packed_raw", fit="none", size_px=None), _frame(mosaic))
    np.testing.assert_array_equal(packed.mosaic(done.image), mosaic)


def test_boxes_and_masks_come_back_in_the_originals_pixels() -> None:
    """What is found on the half-size picture maps to the whole mosaic."""
    done = preprocess.prepare(_recipe(output="packed_raw", fit="none", size_px=None), _frame(_spot(20, 30, 4, 10)))
    assert done.image.shape == (10, 15, 4)
    np.testing.assert_allclose(done.boxes_back(np.array([[5.0, 2.0, 8.0, 4.0]])), [[10, 4, 16, 8]])
    mask = done.mask_back((done.image[..., 0] > 0).astype(np.uint8))
    np.testing.assert_array_equal(mask, _spot(20, 30, 4, 10) > 0)


def test_linear_light_undoes_the_curve() -> None:
    """An ordinary picture becomes linear by IEC 61966-2-1 and is averaged as light; the padding is the same grey."""
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, ::2] = 255
    done = preprocess.prepare(_recipe(output="linear_rgb", fit="stretch", size_px=8), image[:, :2].repeat(4, axis=1))
    assert done.image.dtype == np.uint16
    grey = preprocess.prepare(_recipe(output="linear_rgb", fit="letterbox", size_px=8, pad_value=188), image.repeat(2, 1))
    np.testing.assert_allclose(grey.image[3:5].mean(), 0.5 * 65535, rtol=0.01)  # half the light, not half the code
    np.testing.assert_allclose(grey.image[0], ((188 / 255 + 0.055) / 1.055) ** 2.4 * 65535, atol=0.6)


def test_linear_light_of_a_camera_file_is_its_srgb_before_the_curve() -> None:
    """The curve applied to linear_rgb gives srgb, but for rounding."""
    mosaic = np.random.default_rng(1).integers(64, 4096, (16, 24)).astype(np.uint16)
    content = make_dng(np.kron(mosaic[::4, ::4], np.ones((4, 4), np.uint16)))
    linear, srgb = (
        preprocess.prepare(_recipe(output=o, fit="none", size_px=None), content).image for o in ("linear_rgb", "srgb")
    )
    light = linear / 65535
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(curve * 255 - srgb).max() < 0.51 + 0.01


def test_a_mosaic_cannot_be_made_up(tmp_path: Path) -> None:
    """An ordinary picture is refused for packed_raw in one line that says what to do; a simulated camera makes one."""
    images.write_png(tmp_path / "a.png", np.full((20, 20, 3), 90, np.uint8))
    with pytest.raises(DataError, match=r"a\.png.*simulate_raw") as caught:
        preprocess.prepare(_recipe(output="packed_raw"), tmp_path / "a.png")
    assert "\n" not in str(caught.value)
    done = preprocess.prepare(_recipe(output="packed_raw", simulate_raw=True, size_px=10), tmp_path / "a.png")
    assert done.image.shape == (10, 10, 4)
    assert done.image.std() > 0


def test_tones_do_not_go_with_the_sensors_numbers() -> None:
    """A tone that packed_raw would pass over is refused and named."""
    with pytest.raises(ParamsError, match=r"exposure_ev 1"):
        params.section(
            preprocess.Params, {**BASE, "output": "packed_raw", "tone": {**BASE["tone"], "exposure_ev": 1.0}}, "preprocess"
        )


@pytest.mark.parametrize(("output", "channels"), [("linear_rgb", 3), ("packed_raw", 4)])
def test_means_are_of_the_training_pictures_without_padding(
    output: str, channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data set says what its pictures hold, and the means are those of the written training pictures alone."""
    monkeypatch.chdir(tmp_path)
    rows = []
    with files.atomic(artefacts.ACQUIRED) as folder:
        (folder / "images").mkdir(parents=True)
        for index, split in enumerate(("train", "train", "val", "test")):
            mosaic = np.random.default_rng(index).integers(64, 900 * (index + 1), (40, 60)).astype(np.uint16)
            content = make_dng(mosaic)
            name = images.image_id(content)
            (folder / "images" / f"{name}.dng").write_bytes(content)
            row = {"image_id": name, "path": f"images/{name}.dng", "width": 60, "height": 40, "split": split, "label": "a"}
            rows.append({**row, "source": f"{index}.dng", "mask": None})
        dataset.write(folder, dataset.Info("raws", "test", labels=("a",)), pd.DataFrame(rows), [])
    section = params.section(preprocess.Params, {**BASE, "output": output, "fit": "letterbox", "size_px": 30}, "preprocess")
    list(preprocess.run(Job(section.values, section.choices, 7, Path("work"))))
    data = dataset.read(artefacts.PREPROCESSED)
    train = data.subset("train")
    pictures = [data.info.pixels.read(data.root / path)[5:25] for path in train.manifest["path"]]
    every = np.concatenate([p.reshape(-1, channels) for p in pictures]) / 65535
    np.testing.assert_allclose(data.info.pixels.mean, every.mean(0), atol=1e-6)
    np.testing.assert_allclose(data.info.pixels.std, every.std(0), atol=1e-6)
