"""An augmentation policy: albumentations transforms by name, serialised with the data, applied with a seed for each picture.

What albumentations does, and what is done about it here:

* A wrong argument is only warned about: here it is an error.
* Each DataLoader worker draws the same random numbers, in each epoch again: here every call brings the seed of its picture.
* Labels and boxes come back as floats: here boxes are float32 and labels are those that went in, by index.
* Masks are filled with 0, which is a class: here with 255, ignore, and 0 in the masks of single objects.
* Most transforms know 8 bit and float alone: 16-bit pictures are changed as float32 in [0, 1] and rounded again.
* Some are made for sRGB and would do something else, or nothing right, to linear light: there they are refused.
* Boxes are loose after a rotation: where an object has a mask, the box is drawn around the mask again.
"""

import os
import re
import threading
import warnings
from collections.abc import Mapping, Sequence
from inspect import isclass, signature
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import ParamsError, nearest
from stages.core.images import IGNORE
from stages.core.pixels import SRGB, Pixels, codes

_GROUPS = ("OneOf", "SomeOf", "Sequential")
_PROBE_SEED = 0
_LEVELS = np.float32(65535)
_SRGB_ALONE = frozenset((
    "AutoContrast", "CLAHE", "ColorJitter", "Equalize", "HEStain", "HueSaturationValue", "ISONoise", "ImageCompression",
    "InvertImg", "PlanckianJitter", "Posterize", "RGBShift", "RandomBrightnessContrast", "RandomFog", "RandomGamma",
    "RandomGravel", "RandomRain", "RandomSnow", "RandomSunFlare", "RandomToneCurve", "Solarize", "Spatter", "TextImage",
    "ToGray", "ToRGB", "ToSepia",
))  # fmt: skip
_LOCK = threading.Lock()  # filters of warnings are global


class Sample(NamedTuple):
    """A picture with its truth.

    Attributes:
        image: (H, W, C) uint8 srgb or uint16; see ``core.pixels``.
        boxes: (N, 4) float32 xyxy in pixels.
        labels: (N,) int64, whatever the caller means by them.
        masks: (N, H, W) uint8 0 or 1, one mask for each box, or None.
        mask: (H, W) uint8 class index, 255 = ignore, or None.
        kept: (N,) int64 index of each box among those that went in.
        applied: names of the transforms that were drawn, in order.
    """

    image: NDArray[Any]
    boxes: NDArray[np.float32] = np.zeros((0, 4), np.float32)
    labels: NDArray[np.int64] = np.zeros(0, np.int64)
    masks: NDArray[np.uint8] | None = None
    mask: NDArray[np.uint8] | None = None
    kept: NDArray[np.int64] = np.zeros(0, np.int64)
    applied: tuple[str, ...] = ()


def library() -> ModuleType:
    """Return albumentations, imported when first needed (2 s) and kept from asking the network for its version."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations  # noqa: PLC0415 - heavy

    return albumentations  # type: ignore[no-any-return]


def serialise(entries: Sequence[Mapping[str, Any]], min_visibility: float, where: str) -> dict[str, Any]:
    """Turn a list from ``params.yaml`` into a policy that ``Policy`` loads.

    Args:
        entries: ``{name: class in albumentations, p: probability, ...}`` with the class's own arguments; ``OneOf``,
            ``SomeOf`` and ``Sequential`` take ``transforms``, a list of the same kind.
        min_visibility: share of a box's area, 0 to 1, that must stay inside the picture, or the box is dropped.
        where: the list's key in ``params.yaml``, for error messages.

    Raises:
        ParamsError: an unknown name or argument, or a value the class refuses.
    """
    transforms = [_transform(entry, f"{where}[{index}]") for index, entry in enumerate(entries)]
    return _composed(transforms, min_visibility, where)


def _composed(transforms: list[Any], min_visibility: float, where: str) -> dict[str, Any]:
    album = library()
    boxes = album.BboxParams(
        "pascal_voc",
        ["index"],
        min_visibility=min_visibility,
        min_width=1,
        min_height=1,
        clip=True,
        filter_invalid_bboxes=True,
    )
    try:
        with _LOCK, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Got processor for bboxes")  # colours alone leave boxes as they are
            content: dict[str, Any] = album.Compose(transforms, bbox_params=boxes).to_dict()
    except NotImplementedError as error:
        raise ParamsError(
            f"{where} cannot be written down: {' '.join(str(error).split())} (params.yaml: {where})"
        ) from error
    content["transform"]["bbox_params"] |= {"filter_invalid_bboxes": True}  # left out by albumentations 2.0.8
    return content


def _transform(entry: Mapping[str, Any], where: str) -> Any:
    """Build one transform from its entry."""
    arguments = {key: value for key, value in entry.items() if key not in ("name", "transforms")}
    name, album = entry.get("name"), library()
    known = [n for n, v in vars(album).items() if isclass(v) and issubclass(v, album.BasicTransform)]
    if name not in (*known, *_GROUPS):
        raise ParamsError(f"{where}.name is {name!r}; {_short(str(name), [*known, *_GROUPS])} (params.yaml: {where})")
    kind = getattr(album, str(name))
    if name in _GROUPS:
        inner = entry.get("transforms") or []
        if not inner:
            raise ParamsError(f"{where}.transforms is empty; {name} needs a list to draw from (params.yaml: {where})")
        arguments["transforms"] = [_transform(e, f"{where}.transforms[{i}]") for i, e in enumerate(inner)]
    elif "transforms" in entry:
        raise ParamsError(f"{where}.transforms: {name} takes none; {', '.join(_GROUPS)} do (params.yaml: {where})")
    takes = signature(kind.__init__).parameters
    for key in arguments:
        if key not in takes:
            raise ParamsError(
                f"{where}.{key} is no argument of {name}; {nearest(key, set(takes) - {'self'})} (params.yaml: {where})"
            )
    if "fill_mask" in takes and takes["fill_mask"].default is not None:
        arguments.setdefault("fill_mask", IGNORE)  # where None is the default, the mask is left as it is
    return _built(kind, arguments, where)


def _built(kind: Any, arguments: dict[str, Any], where: str) -> Any:
    """Call the class; its warnings are errors, because they say that an argument was not taken."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return kind(**arguments)
    except (ValueError, TypeError, Warning) as error:
        raise ParamsError(
            f"{where}: {kind.__name__} refuses its arguments: {_first_error(error)} (params.yaml: {where})"
        ) from error


def _first_error(error: Exception) -> str:
    """Return the first fault of pydantic's list in one line, or the message."""
    details = getattr(error.__cause__, "errors", None)
    if not callable(details):
        return " ".join(str(error).split())
    first = details()[0]
    return f"{first['loc'][0]} is {first['input']!r}; {first['msg']}"


def _short(name: str, known: Sequence[str]) -> str:
    """Offer the nearest name without the hundred others."""
    found = re.match(r"did you mean '\w+'\?", nearest(name, known))
    return found.group() if found else "expected a class of albumentations, for instance Affine"


class Policy:
    """Applies a serialised policy; the same seed gives the same result in any thread, worker or order.

    Args:
        content: what ``serialise`` returned.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = dict(content)
        self._local = threading.local()

    def __getstate__(self) -> dict[str, Any]:
        return self.content

    def __setstate__(self, content: dict[str, Any]) -> None:
        self.__init__(content)  # type: ignore[misc]

    def __bool__(self) -> bool:
        return bool(self.content["transform"]["transforms"])

    def __call__(self, sample: Sample, seed: int) -> Sample:
        """Change one picture and its truth.

        Args:
            sample: what goes in; ``kept`` and ``applied`` are ignored.
            seed: derive it from the run's seed, the epoch and the ``image_id`` (``core.seeds.derive``).

        Returns:
            The same, changed; boxes that lost too much are gone, ``kept`` says which stayed.

        Raises:
            ParamsError: a transform changed the picture's size or type.
        """
        compose = self._compose()
        compose.set_random_seed(seed)
        image = sample.image if sample.image.dtype == np.uint8 else sample.image / _LEVELS
        inputs: dict[str, Any] = {"image": image, "bboxes": sample.boxes, "index": np.arange(len(sample.boxes))}
        inputs |= {} if sample.mask is None else {"mask": sample.mask}
        inputs |= {"masks": sample.masks} if sample.masks is not None and len(sample.masks) else {}
        out = _applied(compose, inputs)
        image = out["image"]
        given = inputs["image"]
        if not isinstance(image, np.ndarray) or image.shape != given.shape or image.dtype != given.dtype:
            names = ", ".join(name for name, _ in out["applied_transforms"])
            made = f"{getattr(image, 'dtype', type(image))} {tuple(image.shape)}"
            raise ParamsError(f"{names} made {made} of {given.dtype} {given.shape}; size and type must stay")
        image = image if sample.image.dtype == np.uint8 else codes(image)
        kept = np.asarray(out["index"]).astype(np.int64).reshape(-1)
        changed = np.asarray(out["bboxes"], dtype=np.float32).reshape(-1, 4)
        applied = tuple(name for name, _ in out["applied_transforms"])
        masks = sample.masks
        if masks is not None:
            every = np.asarray(out["masks"], dtype=np.uint8) if len(masks) else masks
            kept, changed, masks = _follow_masks(kept, changed, sample.boxes, every)
        return Sample(np.ascontiguousarray(image), changed, sample.labels[kept], masks, out.get("mask"), kept, applied)

    def _compose(self) -> Any:
        """Return this thread's own transforms: drawing changes their state."""
        if not hasattr(self._local, "compose"):
            with _LOCK, warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Got processor for bboxes")  # see _composed
                compose = library().from_dict(self.content)
            compose.save_applied_params = True
            self._local.compose = compose
        return self._local.compose


def _applied(compose: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """Call the transforms; what they raise differs from class to class and becomes one line."""
    try:
        return dict(compose(**inputs))
    except Exception as error:
        names = ", ".join(type(t).__name__ for t in compose.transforms)
        height, width = inputs["image"].shape[:2]
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ParamsError(f"{names} fails on {width} x {height}: {reason}") from error


def _follow_masks(
    kept: NDArray[np.int64], changed: NDArray[np.float32], before: NDArray[np.float32], masks: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.uint8]]:
    """Drop objects of which no pixel is left, and draw moved boxes around what is left."""
    masks = np.where(masks == IGNORE, 0, masks).astype(np.uint8)[kept]
    seen = masks.any(axis=(1, 2))
    kept, changed, masks = kept[seen], changed[seen].copy(), masks[seen]
    for index, origin in enumerate(kept):
        if not np.allclose(changed[index], before[origin], atol=0.01):
            rows, columns = masks[index].any(axis=1).nonzero()[0], masks[index].any(axis=0).nonzero()[0]
            changed[index] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return kept, changed, masks


def load_online(policy: Mapping[str, Any]) -> Policy:
    """Return what changes a picture while training.

    Args:
        policy: the content of ``data/augmented/policy.json``.

    Example:
        >>> changer = load_online({"online": serialise([], 0.3, "augment.online")})
        >>> bool(changer)
        False
    """
    return Policy(policy["online"])


def refuse(entries: Sequence[Mapping[str, Any]], output: str, where: str) -> None:
    """See to it that no transform is made for sRGB where pictures are linear light.

    Args:
        entries: as ``params.yaml`` has them.
        output: what the pictures hold; see ``core.pixels``.
        where: the list's key in ``params.yaml``.

    Raises:
        ParamsError: one is; says which.
    """
    if output == "srgb":
        return
    for index, entry in enumerate(entries):
        at = f"{where}[{index}]"
        if entry.get("name") in _SRGB_ALONE:
            text = f"{at}: {entry['name']} is made for srgb, and preprocess.output is {output}"
            instead = (
                "right are geometry, blur, GaussNoise and MultiplicativeNoise (exposure; per_channel: the light's colour)"
            )
            raise ParamsError(f"{text}; {instead} (params.yaml: {at})")
        refuse(entry.get("transforms") or (), output, f"{at}.transforms")


def probe(entries: Sequence[Mapping[str, Any]], height: int, width: int, where: str, pixels: Pixels = SRGB) -> None:
    """Try each transform of a list once, so that one which cannot work fails before the work and not in its middle.

    Args:
        entries: as ``params.yaml`` has them.
        height: of the pictures.
        width: of the pictures.
        where: the list's key in ``params.yaml``.
        pixels: what the pictures hold.

    Raises:
        ParamsError: it fails on such a picture, is made for another kind, or changes size or type.
    """
    refuse(entries, pixels.output, where)
    rng = np.random.default_rng(_PROBE_SEED)
    shape = height, width, pixels.num_channels
    image = (
        rng.integers(0, 65536, shape, dtype=np.uint16) if pixels.is_linear else rng.integers(0, 256, shape, dtype=np.uint8)
    )
    box = np.array([[width / 4, height / 4, width * 3 / 4, height * 3 / 4]], np.float32)
    sample = Sample(image, box, np.zeros(1, np.int64), mask=np.zeros((height, width), np.uint8))
    for index, entry in enumerate(entries):
        at = f"{where}[{index}]"
        policy = Policy(_composed([_transform({**entry, "p": 1.0}, at)], 0.0, at))
        try:
            policy(sample, _PROBE_SEED)
        except ParamsError as error:
            raise ParamsError(f"{at}: {error} (params.yaml: {at})") from error
