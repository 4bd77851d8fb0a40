"""Handwriting on photographs of textures, taken by two simulated cameras: no download, and a bias that is known.

Every picture has one principal object, the largest, whose class is the picture's label, and up to three smaller ones of any
class. In training and validation the environment (the texture) is the class's own with probability ``bias``, otherwise it is
drawn at random; light ink makes up ``light_ink_share``. The test split is a balanced design: every environment, ink, light
and camera meets every class equally often, whatever the bias. The same seed with another bias changes environments alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stages.core import dng, params, seeds
from stages.core.items import Item, Mark
from stages.maths import painting, rle, sensor

CLASSES = ("zero", "two", "three", "four", "six", "seven")
_DIGITS = (0, 2, 3, 4, 6, 7)
CAMERAS = {
    "a": sensor.Sensor(
        name="Rawline A", pattern="RGGB", black_level=(256, 256, 256, 256), white_level=4095,
        color_matrix=((0.80, -0.22, -0.07), (-0.60, 1.45, 0.16), (-0.12, 0.19, 0.70)), full_well=30_000, read_noise=6.0,
    ),
    "b": sensor.Sensor(
        name="Rawline B", pattern="GBRG", black_level=(1008, 1016, 1030, 1024), white_level=16383,
        color_matrix=((0.62, -0.10, -0.06), (-0.42, 1.22, 0.22), (-0.05, 0.14, 0.52)), full_well=22_000, read_noise=9.0,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Light:
    """How the scene is lit: colour in linear sRGB, exposure (1 = white fills the sensor) and ISO."""

    color: tuple[float, float, float]
    exposure: float
    iso: int


LIGHTS = {"day": Light((1.0, 1.0, 1.0), 0.9, 100), "night": Light((1.25, 1.0, 0.62), 0.03, 1600)}
# The colour that turns a grey photograph into the ground it shows, in linear sRGB, mean about 0.3.
ENVIRONMENTS = {"grass": (0.20, 0.34, 0.09), "gravel": (0.30, 0.27, 0.23), "brick": (0.42, 0.19, 0.12)}
INKS = {"dark": (0.015, 0.016, 0.022), "light": (0.95, 0.92, 0.86)}
_PRINCIPAL, _OTHER = (0.55, 0.80), (0.24, 0.34)  # height by the picture's height
_COVERED, _OVERLAP, _ATTEMPTS = 0.5, 0.1, 20
SPLITS = (("train", 0.60), ("val", 0.15), ("test", 0.25))


class Params(params.Params):
    """What is painted.

    Attributes:
        num_images: pictures in all; 60 % train, 15 % validation, 25 % test.
        size_px: edge of the mosaic.
        bias: probability that a picture of train or val stands on its class's own environment; else it is drawn at random.
        light_ink_share: share of light ink in train and val.
        max_others: most smaller objects beside the principal one.
    """

    num_images: Annotated[int, Field(ge=60)]
    size_px: Annotated[int, Field(ge=64, le=512, multiple_of=2)]
    bias: Annotated[float, Field(ge=0, le=1)]
    light_ink_share: Annotated[float, Field(ge=0, le=1)]
    max_others: Annotated[int, Field(ge=0, le=6)]


@dataclass(frozen=True)
class Plan:
    """What stands in one picture; its principal object's class first among ``classes``."""

    name: str
    split: str
    classes: tuple[int, ...]
    environment: str
    ink: str
    light: str
    camera: str


@dataclass(frozen=True)
class Scenes:
    """The source; see the head of the file."""

    params: Params
    seed: int
    labels: tuple[str, ...] = CLASSES
    categories: tuple[str, ...] = CLASSES
    mask_classes: tuple[str, ...] = ("background", *CLASSES)
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Count the pictures."""
        return self.params.num_images

    def __iter__(self) -> Iterator[Item]:
        """Paint and expose one picture after the other."""
        for index in range(len(self)):
            yield self.item(index)

    @cached_property
    def digits(self) -> dict[str, list[NDArray[np.float64]]]:
        """Handwriting of each split by class: no sample stands in two splits."""
        from sklearn.datasets import load_digits  # noqa: PLC0415 - a second that only this source needs

        content = load_digits()
        order = seeds.generator(self.seed, "scenes", "handwriting").permutation(len(content.target))
        ends = [round(len(order) * share) for share in np.cumsum([share for _, share in SPLITS])]
        pools = np.split(order, ends[:-1])
        return {
            split: [content.images[pool[content.target[pool] == digit]] for digit in _DIGITS]
            for (split, _), pool in zip(SPLITS, pools, strict=True)
        }

    @cached_property
    def grounds(self) -> dict[str, NDArray[np.float64]]:
        """Photographs of the environments, (H, W) linear, mean 1."""
        from skimage import data  # noqa: PLC0415 - only this source needs it

        photos = {name: sensor.linear_from_srgb(getattr(data, name)()) for name in ENVIRONMENTS}
        return {name: photo / photo.mean() for name, photo in photos.items()}

    def plan(self, index: int) -> Plan:
        """Decide what stands in a picture."""
        split, position = _split(index, self.params.num_images)
        rng = seeds.generator(self.seed, "scenes", "plan", index)
        own_drawn, ink_drawn, drawn = rng.random(), rng.random(), rng.integers(0, 12, 16)
        others = int(rng.integers(self.params.max_others + 1))
        names, principal = list(ENVIRONMENTS), position % len(CLASSES)
        round_ = position // len(CLASSES)
        if split == "test":
            environment, rest = names[round_ % 3], round_ // 3
            ink, light, camera = (list(pair)[rest >> shift & 1] for pair, shift in ((INKS, 0), (LIGHTS, 1), (CAMERAS, 2)))
        else:
            environment = own(principal) if own_drawn < self.params.bias else names[drawn[0] % 3]
            ink = "light" if ink_drawn < self.params.light_ink_share else "dark"
            light, camera = list(LIGHTS)[drawn[1] % 2], list(CAMERAS)[drawn[2] % 2]
        classes = (principal, *(int(c) % len(CLASSES) for c in drawn[3 : 3 + others]))
        return Plan(f"scene-{index:05d}.dng", split, classes, environment, ink, light, camera)

    def item(self, index: int) -> Item:
        """Paint, light and expose one picture."""
        plan = self.plan(index)
        rng = seeds.generator(self.seed, "scenes", "paint", index)
        objects = self._objects(plan, rng)
        areas = painting.visible([layer > _COVERED for _, layer in objects])
        scene = self._ground(plan.environment, rng)
        mask = np.zeros(scene.shape[:2], dtype=np.uint8)
        for (c, layer), area in zip(objects, areas, strict=True):
            scene = painting.paint(scene, layer, np.array(INKS[plan.ink]) * rng.uniform(0.85, 1.0, 3))
            mask[area] = c + 1
        content = _expose(scene, plan, seeds.derive(self.seed, "scenes", "noise", index))
        marks = tuple(
            Mark(CLASSES[c], painting.bounding_box(area), rle.encode(area))
            for (c, _), area in zip(objects, areas, strict=True)
        )
        return Item(
            name=plan.name, suffix=".dng", load=lambda: content, split=plan.split, label=CLASSES[plan.classes[0]],
            marks=marks, load_mask=lambda: mask, groups=_groups(plan),
        )  # fmt: skip

    def _objects(self, plan: Plan, rng: np.random.Generator) -> list[tuple[int, NDArray[np.float64]]]:
        """Return class and coverage of each object; the principal one comes last and so lies on top of the others."""
        size, found = self.params.size_px, []
        taken = np.zeros((size, size), dtype=bool)
        for position, c in enumerate(plan.classes):
            pool = self.digits[plan.split][c]
            share = rng.uniform(*(_PRINCIPAL if position == 0 else _OTHER))
            coverage = painting.stroke(pool[rng.integers(len(pool))], round(share * size), rng.uniform(-12, 12))
            layer = _free_place(coverage, taken, rng)
            if layer is not None:
                found.append((c, layer))
                x, y, w, h = (int(n) for n in painting.bounding_box(layer > _COVERED))
                taken[y : y + h, x : x + w] = True
        return found[::-1]

    def _ground(self, environment: str, rng: np.random.Generator) -> NDArray[np.float64]:
        """Cut a piece out of a photograph, turned and mirrored at random, in the colour of its ground."""
        photo, size = self.grounds[environment], self.params.size_px
        top, left = (rng.integers(n - size + 1) for n in photo.shape)
        piece = np.rot90(photo[top : top + size, left : left + size], int(rng.integers(4)))
        color = np.array(ENVIRONMENTS[environment]) * rng.uniform(0.85, 1.15, 3)
        return np.asarray((piece[..., None] * color).clip(0, 1))


def _free_place(
    coverage: NDArray[np.float64], taken: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float64] | None:
    """Put a stroke where at most a tenth of its box is taken; None where twenty attempts find no such place."""
    size, (height, width) = len(taken), coverage.shape
    for _ in range(_ATTEMPTS):
        top, left = (int(rng.integers(size - n + 1)) for n in (height, width))
        if taken[top : top + height, left : left + width].mean() <= _OVERLAP:
            return painting.place(coverage, top, left, size)
    return None


def own(principal: int) -> str:
    """Return the environment that a class mostly stands on where there is a bias."""
    return list(ENVIRONMENTS)[principal % len(ENVIRONMENTS)]


def build(params: Params, *, path: Path, seed: int, roots: tuple[Path, ...] = ()) -> Scenes:  # noqa: ARG001 - see the family
    """Return the source."""
    return Scenes(params, seed)


def _split(index: int, total: int) -> tuple[str, int]:
    """Return the split of a picture and its position within it."""
    start, reached = 0, 0.0
    for name, share in SPLITS:
        reached += share
        end = round(total * reached)
        if index < end:
            return name, index - start
        start = end
    raise IndexError(index)


def _groups(plan: Plan) -> dict[str, str]:
    setting = "usual" if plan.environment == own(plan.classes[0]) else "unusual"
    return {
        "group_environment": plan.environment, "group_ink": plan.ink, "group_light": plan.light,
        "group_camera": plan.camera, "group_setting": setting,
    }  # fmt: skip


def _expose(scene: NDArray[np.float64], plan: Plan, seed: int) -> bytes:
    camera, light = CAMERAS[plan.camera], LIGHTS[plan.light]
    mosaic = sensor.expose(scene, camera, light.color, light.exposure, light.iso, seed)
    return dng.encode(
        mosaic, pattern=camera.pattern, black_level=camera.black_level, white_level=camera.white_level,
        neutral=sensor.neutral(camera, light.color).tolist(), color_matrix=np.array(camera.color_matrix),
        model=camera.name, iso=light.iso,
    )  # fmt: skip
