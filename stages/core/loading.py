"""Pictures with their truth, batch by batch, the same for the same seed, epoch and picture."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stages.core import images
from stages.core.dataset import Dataset
from stages.core.errors import DataError
from stages.core.params import Params
from stages.core.policy import Sample, load_online
from stages.core.seeds import derive

if TYPE_CHECKING:
    import torch

WITH_BOXES = ("detect", "instance")
AHEAD = 2  # batches made while one trains


class Loading(Params):
    """How pictures come from disk.

    Attributes:
        memory_mb: pictures of up to this many MB in all are kept in memory (decoded), more are read again each epoch.
        workers: threads that read and augment ahead of the training; 0 works in line. Never changes the result.
    """

    memory_mb: Annotated[int, Field(ge=0)]
    workers: Annotated[int, Field(ge=0, le=64)]


@dataclass(frozen=True)
class Item:
    """One picture with the truth that its task needs.

    Attributes:
        image: (H, W, C) uint8 srgb, or uint16; see ``core.pixels``.
        label: index of its class; -1 where the task needs none.
        boxes: (N, 4) float32 xyxy in pixels.
        categories: (N,) int64 COCO category ids.
        masks: (N, H, W) uint8 0 or 1, for ``instance``.
        mask: (H, W) uint8 class index, 255 = ignore, for ``segment``.
    """

    image: NDArray[Any]
    label: int
    boxes: NDArray[np.float32]
    categories: NDArray[np.int64]
    masks: NDArray[np.uint8] | None = None
    mask: NDArray[np.uint8] | None = None


Online = Callable[[Item, int], Item]
Batch = tuple["torch.Tensor", list[dict[str, "torch.Tensor"]]]


class Examples:
    """The pictures of a data set with what a task needs to know about them.

    Args:
        data: the data set, usually one split.
        task: ``classify``, ``detect``, ``segment``, ``instance``, or None for pictures alone.
        memory_mb: see ``Loading``.
    """

    def __init__(self, data: Dataset, task: str | None, memory_mb: int) -> None:
        self.data = data
        self.task = task
        self.ids: list[str] = data.manifest["image_id"].tolist()
        self._rows = data.manifest.to_dict("records")
        self._marks = data.annotations() if task in WITH_BOXES else {}
        size = int((data.manifest["width"].astype(int) * data.manifest["height"].astype(int)).sum())
        size *= data.info.pixels.num_bytes
        self._cache: dict[int, NDArray[Any]] | None = {} if size <= memory_mb * 2**20 else None

    def __len__(self) -> int:
        return len(self.ids)

    def image(self, index: int) -> NDArray[Any]:
        """Return one picture, (H, W, C); see ``core.pixels``."""
        if self._cache is None:
            return self._read(index)
        if index not in self._cache:
            self._cache[index] = self._read(index)
        return self._cache[index]

    def _read(self, index: int) -> NDArray[Any]:
        return self.data.info.pixels.read(self.data.root / self._rows[index]["path"])

    def __getitem__(self, index: int) -> Item:
        """Return one picture with its truth."""
        row, image = self._rows[index], self.image(index)
        label = self.data.info.labels.index(row["label"]) if self.task == "classify" else -1
        mask = images.read_mask(self.data.root / row["mask"]) if self.task == "segment" else None
        marks = [m for m in self._marks.get(self.ids[index], []) if _usable(m)]
        boxes = np.array([m["bbox"] for m in marks], dtype=np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        categories = np.array([m["category_id"] for m in marks], dtype=np.int64)
        masks = _instances(marks, image.shape[:2]) if self.task == "instance" else None
        return Item(image, label, boxes, categories, masks, mask)


def _usable(mark: dict[str, Any]) -> bool:
    """Tell whether training may see an annotation: not ignored, no crowd, with an area (else torchvision stops)."""
    return not (mark.get("iscrowd") or mark.get("ignore")) and mark["bbox"][2] > 0 and mark["bbox"][3] > 0


def _instances(marks: list[dict[str, Any]], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Decode polygons and RLE to (N, H, W)."""
    from pycocotools import mask as rle  # noqa: PLC0415 - only for instance

    height, width = shape
    decoded = []
    for mark in marks:
        code = mark["segmentation"]
        if isinstance(code, list):
            code = rle.merge(rle.frPyObjects(code, height, width))
        elif isinstance(code["counts"], list):
            code = rle.frPyObjects(code, height, width)
        decoded.append(rle.decode(code))
    return np.stack(decoded).astype(np.uint8) if decoded else np.zeros((0, height, width), np.uint8)


def order(num: int, batch_size: int, seed: int | None) -> list[NDArray[np.int64]]:
    """Divide ``num`` indices into batches of nearly equal size, at most ``batch_size``.

    Nearly equal, because BatchNorm cannot train on a last batch of one.

    Args:
        num: number of pictures.
        batch_size: the most pictures in one batch.
        seed: of the shuffle; None keeps the order.

    Example:
        >>> [b.tolist() for b in order(5, 4, None)]
        [[0, 1, 2], [3, 4]]
    """
    indices = np.arange(num) if seed is None else np.random.default_rng(seed).permutation(num)
    return np.array_split(indices, max(1, -(-num // batch_size))) if num else []


def batches(
    examples: Examples, plan: Sequence[NDArray[np.int64]], workers: int, online: Online | None = None, seed: int = 0
) -> Iterator[Batch]:
    """Yield batches as tensors.

    Args:
        examples: where they come from.
        plan: indices of each batch; see ``order``.
        workers: see ``Loading``.
        online: changes an item, given a seed of its own; None leaves it as it is.
        seed: of this epoch; an item's seed follows from it and the picture's ``image_id``, never from order or worker.

    Yields:
        (B, H, W, C) uint8 or uint16 and one dictionary per picture; see ``stages/parts/heads``.
    """

    def make(index: int) -> Item:
        item = examples[index]
        return online(item, derive(seed, examples.ids[index])) if online else item

    if not workers:
        for indices in plan:
            yield collate([make(int(i)) for i in indices])
        return
    with ThreadPoolExecutor(workers) as pool:
        ahead: list[list[Future[Item]]] = []
        for indices in plan:
            ahead.append([pool.submit(make, int(i)) for i in indices])
            if len(ahead) > AHEAD:
                yield collate([future.result() for future in ahead.pop(0)])
        for futures in ahead:
            yield collate([future.result() for future in futures])


def online(policy: dict[str, Any] | None) -> Online | None:
    """Return what changes an item while training; None where the policy changes nothing.

    Args:
        policy: the content of ``data/augmented/policy.json``, or None.
    """
    changer = load_online(policy) if policy else None
    if not changer:
        return None

    def change(item: Item, seed: int) -> Item:
        sample = changer(Sample(item.image, item.boxes, item.categories, item.masks, item.mask), seed)
        return Item(sample.image, item.label, sample.boxes, sample.labels, sample.masks, sample.mask)

    return change


def collate(items: Sequence[Item]) -> Batch:
    """Stack pictures of one size and turn the truth into tensors."""
    import torch  # noqa: PLC0415 - heavy; only those who train need it

    shapes = {item.image.shape for item in items}
    if len(shapes) > 1:
        raise DataError(f"pictures of sizes {sorted(shapes)} cannot stand in one batch; preprocess gives one size")
    return torch.from_numpy(np.stack([item.image for item in items])), [_target(item) for item in items]


def _target(item: Item) -> dict[str, "torch.Tensor"]:
    import torch  # noqa: PLC0415 - heavy; only those who train need it

    target = {"label": torch.tensor(item.label), "boxes": torch.from_numpy(item.boxes)}
    target["categories"] = torch.from_numpy(item.categories)
    if item.masks is not None:
        target["masks"] = torch.from_numpy(item.masks)
    if item.mask is not None:
        target["mask"] = torch.from_numpy(item.mask.astype(np.int64))
    return target


def require(data: Dataset, task: str, split: str) -> None:
    """See to it that a data set has what a task learns from.

    Raises:
        DataError: no pictures in the split, or the annotation that the task needs is missing; says which and where.
    """
    rows, where = data.manifest, f"{data.root}, split '{split}'"
    if not len(rows):
        raise DataError(f"{where} has no pictures; the task '{task}' needs some (params.yaml: acquire splits)")
    if task == "classify":
        _require_labels(data, where)
    if task in WITH_BOXES and not any(_usable(mark) for mark in data.coco["annotations"]):
        raise DataError(f"{where} has no box with an area; the task '{task}' needs annotations.json (params.yaml: tasks)")
    if task == "instance" and not all(mark.get("segmentation") for mark in data.coco["annotations"] if _usable(mark)):
        raise DataError(f"{where} has boxes without a segmentation; 'instance' needs one each ('detect' does not)")
    if task == "segment" and (not data.info.mask_classes or rows["mask"].isna().any()):
        missing = int(rows["mask"].isna().sum())
        text = f"{where} lacks the mask of {missing} of {len(rows)} pictures; 'segment' needs all and mask_classes"
        raise DataError(f"{text} (params.yaml: tasks, acquire.gate.no_mask)")


def _require_labels(data: Dataset, where: str) -> None:
    rows = data.manifest
    if rows["label"].isna().any() or len(data.info.labels) < 2:  # noqa: PLR2004 - one class is no choice
        num = int(rows["label"].isna().sum())
        raise DataError(
            f"{where}: {num} of {len(rows)} pictures have no label, {len(data.info.labels)} classes are known; "
            "'classify' needs a label for every picture and two classes (params.yaml: tasks)"
        )
    unknown = sorted(set(rows["label"]) - set(data.info.labels))
    if unknown:
        raise DataError(f"{where} has the label '{unknown[0]}', which dataset.json does not list: {data.info.labels}")


def empty_classes(data: Dataset, task: str) -> list[str]:
    """List the classes of a task without a picture (``classify``), object (``detect``, ``instance``) or pixel (``segment``).

    Masks are read until every class was met: as a rule a few of them.
    """
    if task == "classify":
        present = set(data.manifest["label"])
        return [name for name in data.info.labels if name not in present]
    if task in WITH_BOXES:
        ids = {mark["category_id"] for mark in data.coco["annotations"] if _usable(mark)}
        return [name for index, name in enumerate(data.info.categories) if index + 1 not in ids]
    return _without_pixel(data) if task == "segment" else []


def _without_pixel(data: Dataset) -> list[str]:
    missing = dict(enumerate(data.info.mask_classes))
    for path in data.manifest["mask"]:
        if not missing:
            break
        for value in np.flatnonzero(np.bincount(images.read_mask(data.root / str(path)).ravel())):
            missing.pop(int(value), None)
    return list(missing.values())
