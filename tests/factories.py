"""Tiny synthetic data sets in the contract's layout, for every test that needs one."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pycocotools import mask as rle
from scipy.ndimage import gaussian_filter

from stages.core import dataset, files, images

CLASSES = ("disc", "square", "triangle", "cross", "ring", "bar")
COLOURS = ((214, 64, 56), (52, 120, 214), (64, 168, 84), (222, 168, 40), (150, 84, 190), (60, 190, 190))
SHARES = (0.5, 0.25, 0.25)


def make_dataset(  # noqa: PLR0913 - each knob stands for something a test varies
    root: Path,
    *,
    num_images: int = 24,
    size_px: int = 64,
    split_shares: tuple[float, float, float] = SHARES,
    seed: int = 0,
    masks: bool = True,
    boxes: bool = True,
    labels: bool = True,
    groups: bool = True,
    num_classes: int = 3,
    name: str = "shapes",
) -> dataset.Dataset:
    """Write coloured shapes on noisy backgrounds as a data set's folder and read it back.

    The label of a picture is the class of its first shape; class ``k`` always has colour ``k``, so that any model learns it.
    Every second annotation is a polygon, the others are compressed RLE. The same arguments give the same bytes.

    Args:
        root: the folder to write, for instance ``core.artefacts.PREPROCESSED``; replaced when it exists.
        num_images: pictures in all; classes take turns, so each split has every class once it has ``num_classes`` pictures.
        size_px: height and width, at least 32.
        split_shares: shares of train, val and test.
        seed: what is drawn.
        masks: write index masks (0 background, class index + 1).
        boxes: write COCO annotations, one to three shapes a picture.
        labels: give every picture a label.
        groups: columns ``group_setting`` (usual, unusual: background grey or green) and ``group_ink`` (dark, light).
        num_classes: 1 to 6.
        name: of the data set.
    """
    classes = CLASSES[:num_classes]
    info = dataset.Info(
        name,
        "factory",
        labels=classes if labels else (),
        categories=classes if boxes else (),
        mask_classes=("background", *classes) if masks else (),
    )
    with files.atomic(root) as folder:
        (folder / "images").mkdir(parents=True)
        (folder / "masks").mkdir()
        rows: list[dict[str, Any]] = []
        marks: list[dict[str, Any]] = []
        for index in range(num_images):
            image, mask, shapes, group = _picture(index, size_px, num_classes, np.random.default_rng([seed, index]))
            png = _encoded(folder, image)
            row = {"image_id": png.stem, "path": f"images/{png.name}", "width": size_px, "height": size_px, "mask": None}
            row |= {
                "split": _split(index // num_classes, -(-num_images // num_classes), split_shares),
                "source": f"shape_{index:03d}.png",
            }
            row |= {"label": classes[shapes[0][0]] if labels else None}
            if masks:
                row["mask"] = f"masks/{png.name}"
                images.write_png(folder / str(row["mask"]), mask)
            rows.append(row | (group if groups else {}))
            marks += [_mark(png.stem, shape, number) for number, shape in enumerate(shapes)] if boxes else []
        dataset.write(folder, info, pd.DataFrame(rows), marks)
    return dataset.read(root)


def _encoded(folder: Path, image: NDArray[np.uint8]) -> Path:
    """Write the picture under the name that its content gives it."""
    images.write_png(folder / "new.png", image)
    name = images.image_id((folder / "new.png").read_bytes())
    return (folder / "new.png").rename(folder / "images" / f"{name}.png")


def _split(turn: int, num_turns: int, shares: tuple[float, float, float]) -> str:
    """Give whole turns of all classes to one split, in order."""
    bounds = np.cumsum(shares) / sum(shares) * num_turns
    return dataset.SPLITS[int(np.searchsorted(bounds - 1e-9, turn, side="right").clip(0, 2))]


def _picture(
    index: int, size: int, num_classes: int, random: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], list[tuple[int, NDArray[np.bool_]]], dict[str, str]]:
    """Return the picture, its index mask, its shapes as (class, mask) and its groups."""
    unusual, light = bool(random.integers(2)), bool(random.integers(2))
    back = np.array((90, 140, 90) if unusual else (128, 128, 128), dtype=np.float64)
    image = back + random.normal(0, 12, (size, size, 1))
    mask = np.zeros((size, size), np.uint8)
    classes = [index % num_classes, *random.integers(0, num_classes, random.integers(0, 3))]
    shapes = []
    for kind, quarter in zip(classes, random.permutation(4), strict=False):
        inside = _shape(int(kind), int(quarter), size, random)
        image[inside] = np.array(COLOURS[kind]) * (1.0 if light else 0.7)
        mask[inside] = kind + 1
        shapes.append((int(kind), inside))
    group = {"group_setting": "unusual" if unusual else "usual", "group_ink": "light" if light else "dark"}
    return image.clip(0, 255).astype(np.uint8), mask, shapes, group


def _shape(kind: int, quarter: int, size: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Draw one shape inside a quarter of the picture."""
    half = size // 2
    radius = int(random.integers(half // 4, half // 2 - 1))
    x, y = (int(v) for v in random.integers(radius + 1, half - radius, 2))
    x, y = x + half * (quarter % 2), y + half * (quarter // 2)
    canvas = np.zeros((size, size), np.uint8)
    thin = max(2, radius // 3)
    if kind in (0, 4):
        cv2.circle(canvas, (x, y), radius - (thin // 2 if kind else 0), 1, thin if kind else -1)
    elif kind == 2:  # triangle
        cv2.fillPoly(canvas, [np.array([[x, y - radius], [x + radius, y + radius], [x - radius, y + radius]])], 1)
    else:
        wide, high = {1: (radius, radius), 3: (radius, thin), 5: (radius, thin)}[kind]
        cv2.rectangle(canvas, (x - wide, y - high), (x + wide, y + high), 1, -1)
        if kind == 3:  # cross
            cv2.rectangle(canvas, (x - thin, y - radius), (x + thin, y + radius), 1, -1)
    return canvas.astype(bool)


def _mark(image_id: str, shape: tuple[int, NDArray[np.bool_]], number: int) -> dict[str, Any]:
    """Return the COCO annotation of one shape."""
    kind, inside = shape
    ys, xs = np.nonzero(inside)
    box = [int(xs.min()), int(ys.min()), int(xs.max() - xs.min() + 1), int(ys.max() - ys.min() + 1)]
    if number % 2 == 0:
        outline = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0][0]
        segmentation: Any = [[float(v) for v in outline.reshape(-1)]]
    else:
        code = rle.encode(np.asfortranarray(inside.astype(np.uint8)))
        segmentation = {"size": [int(v) for v in code["size"]], "counts": code["counts"].decode()}
    return {
        "image_id": image_id,
        "category_id": kind + 1,
        "bbox": box,
        "area": int(inside.sum()),
        "iscrowd": 0,
        "segmentation": segmentation,
    }


def texture(seed: int, size: int = 120) -> NDArray[np.uint8]:
    """Return a picture of smooth noise with a finer one on it, three colours alike but for a tint."""
    random = np.random.default_rng(seed)
    rough = sum(gaussian_filter(random.normal(size=(size, size)), s) * s for s in (2, 5, 12))
    grey = 128 + 45 * (rough - rough.mean()) / rough.std()
    return np.stack([grey, 0.9 * grey, 0.8 * grey], axis=2).clip(0, 255).astype(np.uint8)
