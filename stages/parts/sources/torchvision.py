"""torchvision's own data sets, with its downloaders and checksums.

The set lies in, or is downloaded to, ``path``, laid out as torchvision does. Sets that come as arrays (CIFAR10,
FashionMNIST) become one PNG per picture.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.core import images, params
from stages.core.errors import DataError, InfrastructureError
from stages.core.items import Item
from stages.parts.sources import _coco, _layout, _voc
from stages.parts.sources._sequence import Listed

_VOC = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog", "horse",
    "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
_OWN = images.SUFFIXES | {".xml"}  # pictures and pages, which torchvision lists and this source opens
_TRIMAP = np.array([images.IGNORE, 1, 0, images.IGNORE], dtype=np.uint8)  # 1 the animal, 2 the ground, 3 its border


class Params(params.Params):
    """Which set.

    Attributes:
        dataset: torchvision's class.
        download: let torchvision fetch what is not there (CocoDetection has no downloader).
        year: of VOC, 2007 to 2012.
        images: CocoDetection: folder of the pictures in ``path``; ``{split}`` stands for the split's name.
        annotations: CocoDetection: file by split.
        keep_difficult: VOCDetection: learn from objects marked difficult; judging spares them either way.
    """

    dataset: Literal["OxfordIIITPet", "VOCDetection", "VOCSegmentation", "CIFAR10", "FashionMNIST", "CocoDetection"]
    download: bool
    year: Literal["2007", "2008", "2009", "2010", "2011", "2012"]
    images: str
    annotations: dict[Literal["train", "val", "test"], str]
    keep_difficult: bool


@dataclass(frozen=True)
class Arrays:
    """A set that comes as one array per split: a picture becomes a PNG when its turn comes."""

    parts: tuple[tuple[str, NDArray[np.uint8], list[int]], ...]
    labels: tuple[str, ...]
    categories: tuple[str, ...] = ()
    mask_classes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Count the pictures."""
        return sum(len(pictures) for _, pictures, _ in self.parts)

    def __iter__(self) -> Iterator[Item]:
        """Deliver the pictures, split by split, in torchvision's order."""
        for split, pictures, targets in self.parts:
            for number, (picture, target) in enumerate(zip(pictures, targets, strict=True)):
                content = _png(picture)
                yield Item(f"{split}-{number:05d}.png", ".png", lambda c=content: c, split, self.labels[int(target)])  # type: ignore[misc]


def build(params: Params, *, path: Path, seed: int, roots: tuple[Path, ...] = ()) -> Listed | Arrays:  # noqa: ARG001 - see the family
    """Open the set, downloading it first where that is wanted.

    Raises:
        DataError: it is not there or its checksums are wrong.
        InfrastructureError: the download failed.
    """
    builders: dict[str, Callable[[Params, _layout.Fence], Listed | Arrays]] = {
        "OxfordIIITPet": _pets, "VOCDetection": _voc_boxes, "VOCSegmentation": _voc_masks,
        "CIFAR10": _arrays, "FashionMNIST": _arrays, "CocoDetection": _coco_boxes,
    }  # fmt: skip
    return builders[params.dataset](params, _layout.Fence(path, roots))


def _open(params: Params, fence: _layout.Fence, **arguments: Any) -> Any:
    from torchvision import datasets  # noqa: PLC0415 - three seconds that only this source needs

    kind, path = getattr(datasets, params.dataset), fence.folder
    fence.check_below(path, _OWN)
    try:
        if params.download:
            path.mkdir(parents=True, exist_ok=True)
        return kind(str(path), download=params.download, **arguments)
    except (RuntimeError, FileNotFoundError) as error:
        hint = "" if params.download else "; set acquire.torchvision.download: true to fetch it"
        raise DataError(f"{path} does not hold torchvision's {params.dataset} ({error}){hint}") from error
    except OSError as error:
        raise InfrastructureError(f"the download of {params.dataset} failed: {error}") from error


def _pets(params: Params, fence: _layout.Fence) -> Listed:
    items: list[Item] = []
    classes: tuple[str, ...] = ()
    for split, name in (("train", "trainval"), ("test", "test")):
        found = _open(params, fence, split=name)
        classes = classes or tuple(found.classes)
        for file, mask, label in zip(found._images, found._segs, found._labels, strict=True):  # noqa: SLF001 - files as they are
            items.append(
                Item(
                    Path(file).name, ".jpg", _layout.loader(Path(file), fence), split, found.classes[label],
                    load_mask=_trimap(Path(mask), fence), groups={"group_species": _species(Path(file))},
                )
            )  # fmt: skip
    return Listed(items, classes, (), ("background", "pet"))


def _species(file: Path) -> str:
    """Tell cats from dogs as the set does: the names of cats' breeds begin with a capital."""
    return "cat" if file.name[0].isupper() else "dog"


def _trimap(file: Path, fence: _layout.Fence) -> Callable[[], NDArray[np.uint8]]:
    read = _layout.mask_loader(file, fence)

    def load() -> NDArray[np.uint8]:
        values = read()
        if values.max(initial=0) >= len(_TRIMAP):
            raise DataError(f"{file}: value {values.max()} in a trimap; expected 1, 2 or 3")
        return np.asarray(_TRIMAP[values])

    return load


def _voc_sets(params: Params, fence: _layout.Fence) -> Iterator[tuple[str, Any]]:
    names = ("train", "val", "test") if params.year == "2007" else ("train", "val")
    for name in names:
        try:
            yield name, _open(params, fence, year=params.year, image_set=name)
        except DataError:
            if name != "test":
                raise  # VOC 2007's test set is a download of its own and may be absent


def _voc_boxes(params: Params, fence: _layout.Fence) -> Listed:
    items = []
    for split, found in _voc_sets(params, fence):
        for file, target in zip(map(Path, found.images), map(Path, found.targets), strict=True):
            page = _voc.read(target, fence, "pixels", params.keep_difficult)
            strange = sorted({mark.category for mark in page.marks} - set(_VOC))
            fault = page.fault or (f"{target.name} names the class {strange[0]}, no class of VOC" if strange else None)
            items.append(
                Item(file.name, ".jpg", _layout.loader(file, fence), split, marks=page.marks, size=page.size, fault=fault)
            )
    return Listed(items, (), _VOC)


def _voc_masks(params: Params, fence: _layout.Fence) -> Listed:
    items = [
        Item(
            Path(file).name,
            ".jpg",
            _layout.loader(Path(file), fence),
            split,
            load_mask=_layout.mask_loader(Path(target), fence),
        )
        for split, found in _voc_sets(params, fence)
        for file, target in zip(found.images, found.targets, strict=True)
    ]
    return Listed(items, (), (), ("background", *_VOC))


def _arrays(params: Params, fence: _layout.Fence) -> Arrays:
    parts, classes = [], ()
    for split, train in (("train", True), ("test", False)):
        found = _open(params, fence, train=train)
        targets = [int(target) for target in found.targets]
        parts.append((split, np.asarray(found.data), targets))
        classes = tuple(name.strip() for name in found.classes)
    return Arrays(tuple(parts), classes)


def _coco_boxes(params: Params, fence: _layout.Fence) -> Listed:
    from torchvision import datasets  # noqa: PLC0415 - three seconds that only this source needs

    path = _layout.folder(fence.folder, "COCO's pictures and annotation files; CocoDetection has no downloader")
    if not params.annotations:
        raise DataError(
            "acquire.torchvision.annotations is empty; expected for instance {train: annotations/instances_train2017.json}"
        )
    books, items = [], []
    for split, file in sorted(params.annotations.items()):
        folder = path / params.images.format(split=split)
        books.append(_coco.read(path / file, fence))
        try:
            found = datasets.CocoDetection(str(folder), str(path / file))
        except (OSError, KeyError, ValueError) as error:
            raise DataError(f"{path / file} cannot be opened by torchvision's CocoDetection ({error})") from error
        wanted = {found.coco.imgs[number]["file_name"] for number in found.ids}
        items += [
            item for item in _coco.items(books[-1], folder, fence, split, labels=False, groups={}) if item.name in wanted
        ]
    classes, left_out = _layout.classes(_coco.merged(books), _coco.used(books))
    masks = ("background", *classes) if _coco.has_masks(books) else ()
    return Listed(items, (), classes, masks, left_out, _coco.category_ids(books, classes))


def _png(picture: NDArray[np.uint8]) -> bytes:
    out = BytesIO()
    Image.fromarray(picture).save(out, format="PNG", compress_level=1)
    return out.getvalue()
