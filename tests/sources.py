"""Runs the acquire stage on small sets in every layout; the gate's rules are those of params.yaml."""

import json
import pickle
import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from stages import acquire
from stages.core import artefacts, dataset, params
from stages.core.stage import Job, Note
from stages.parts.sources import scenes as embedded

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"
VOC = {
    "images": "JPEGImages", "annotations": "Annotations", "image_sets": None, "masks": None, "classes": None,
    "corners": "edges", "keep_difficult": True, "label_from": "none",
}  # fmt: skip
COCO = {
    "annotations": {"all": "instances.json"}, "images": "images", "metadata": None, "classes": None, "label_from": "none",
}  # fmt: skip
CSV = {
    "table": "pictures.csv", "path_column": "path", "label_column": "label", "split_column": "split",
    "mask_column": None, "mask_classes": [], "classes": None,
}  # fmt: skip
TORCHVISION = {
    "dataset": "CIFAR10", "download": False, "year": "2007", "images": "{split}", "annotations": {}, "keep_difficult": False,
}  # fmt: skip
SCENES = {"num_images": 60, "size_px": 64, "bias": 0.9, "light_ink_share": 0.25, "max_others": 3}


def job(source: str, path: Path, part: dict[str, Any], *, gate: dict[str, Any] | None = None, **values: Any) -> Job[Any]:
    """Return the stage's job: params.yaml's values, with those of the test."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["acquire"]
    content = {k: v for k, v in content.items() if k not in ("scenes", source)}
    content |= {"val_share": 0.0, "test_share": 0.0} if source == "raw" else {}  # a few camera files, nothing is trained
    content |= {"name": "test", "source": source, "path": str(path), source: part, **values}
    content["gate"] = {**content["gate"], **(gate or {})}
    section = params.section(acquire.Params, content, "acquire")
    return Job(section.values, section.choices, 7, Path("work"))


def run(source: str, path: Path, part: dict[str, Any], **values: Any) -> tuple[dataset.Dataset, dict[str, list[str]]]:
    """Run the stage in the current folder; return the data set and the files of each kind of finding."""
    list(acquire.run(job(source, path, part, **values)))
    found: dict[str, list[str]] = {}
    for finding in findings():
        found.setdefault(finding["kind"], []).append(finding["file"])
    return dataset.read(artefacts.ACQUIRED), found


def findings() -> list[dict[str, Any]]:
    """Return what the gate found in the last run of the stage."""
    return list(json.loads((artefacts.ACQUIRED / "gate.json").read_text(encoding="utf-8"))["findings"])


def notes(source: str, path: Path, part: dict[str, Any], **values: Any) -> list[str]:
    """Run the stage; return the lines it says."""
    return [record.text for record in acquire.run(job(source, path, part, **values)) if isinstance(record, Note)]


def picture(seed: int, size: tuple[int, int] = (40, 30), form: str = "PNG") -> bytes:
    """Return a file with noise, (width, height) pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    out = BytesIO()
    Image.fromarray(pixels).save(out, format=form)
    return out.getvalue()


def torn_avif() -> bytes:
    """Return an AVIF file that lost the table of its parts: the decoder raises a RuntimeError."""
    return picture(7, form="AVIF").replace(b"iloc", b"free")


def put(path: Path, content: bytes | str) -> Path:
    """Write a file and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def xml(boxes: list[tuple[str, int, int, int, int]], size: tuple[int, int] = (40, 30), difficult: int = 0) -> str:
    """Return a VOC page."""
    head = f"<annotation><size><width>{size[0]}</width><height>{size[1]}</height></size>"
    body = "".join(
        f"<object><name>{n}</name><difficult>{difficult}</difficult><bndbox><xmin>{a}</xmin><ymin>{b}</ymin>"
        f"<xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
        for n, a, b, c, d in boxes
    )
    return head + body + "</annotation>"


def voc(root: Path, num: int = 6) -> tuple[str, dict[str, Any]]:
    """Write a VOC set with lists."""
    for n in range(num):
        put(root / f"JPEGImages/p{n}.jpg", picture(n, form="JPEG"))
        put(root / f"Annotations/p{n}.xml", xml([("cat", 1, 2, 11, 12), ("dog", 20, 5, 30, 25)]))
    for split, part in (("train", range(num - 2)), ("val", [num - 2]), ("test", [num - 1])):
        put(root / f"ImageSets/Main/{split}.txt", "".join(f"p{n}\n" for n in part))
    return "voc", {**VOC, "image_sets": "ImageSets/Main"}


def coco(root: Path, num: int = 6) -> tuple[str, dict[str, Any]]:
    """Write a COCO set with a polygon, run lengths and a plain box per picture, and groups."""
    square = [[2.0, 2.0, 10.0, 2.0, 10.0, 10.0, 2.0, 10.0]]
    plain = {"size": [30, 40], "counts": [30 * 20 + 5, 10, 20, 10, 30 * 40 - 645]}
    images, marks = [], []
    for n in range(num):
        put(root / f"images/p{n}.png", picture(n))
        images.append({"id": n, "file_name": f"p{n}.png", "width": 40, "height": 30})
        for c, box, mask in ((3, [2, 2, 8, 8], square), (7, [20, 5, 2, 10], plain), (3, [30, 20, 5, 5], None)):
            mark = {"id": len(marks), "image_id": n, "category_id": c, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            marks.append(mark if mask is None else {**mark, "segmentation": mask})
    categories = [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}]
    put(root / "instances.json", json.dumps({"images": images, "annotations": marks, "categories": categories}))
    put(root / "metadata.csv", "file_name,stain\n" + "".join(f"p{n}.png,{'ab'[n % 2]}\n" for n in range(num)))
    return "coco", {**COCO, "metadata": "metadata.csv"}


def yolo(root: Path, num: int = 6) -> tuple[str, dict[str, Any]]:
    """Write a YOLO set with boxes and outlines."""
    put(root / "data.yaml", "path: /elsewhere\ntrain: images/train\nval: images/val\nnames: [cat, dog]\nnc: 2\n")
    for n in range(num):
        split = "val" if n == 0 else "train"
        put(root / f"images/{split}/p{n}.png", picture(n))
        put(root / f"labels/{split}/p{n}.txt", "0 0.25 0.5 0.25 0.2\n1 0.6 0.6 0.9 0.6 0.9 0.9\n")
    return "yolo", {"config": "data.yaml", "classes": None, "label_from": "none"}


def imagefolder(root: Path, num: int = 24) -> tuple[str, dict[str, Any]]:
    """Write a folder per class."""
    for n in range(num):
        put(root / ("10", "9")[n % 2] / f"p{n}.png", picture(n))
    return "imagefolder", {"classes": None}


def csv(root: Path, num: int = 12) -> tuple[str, dict[str, Any]]:
    """Write a table."""
    rows = [f"p/{n}.png,{('cat', 'dog')[n % 2]},{('train', 'val', 'test')[n % 3]},phone {n % 2}" for n in range(num)]
    for n in range(num):
        put(root / f"p/{n}.png", picture(n))
    put(root / "pictures.csv", "path,label,split,Camera used\n" + "\n".join(rows) + "\n")
    return "csv", CSV


def raw(root: Path, num: int = 4) -> tuple[str, dict[str, Any]]:
    """Write camera files with a table."""
    source = embedded.build(embedded.Params(**SCENES), path=root, seed=1)
    for n in range(num):
        put(root / f"f{n}.dng", source.item(n).load())
    put(root / "manifest.csv", "file,label,light\n" + "".join(f"f{n}.dng,{'ab'[n % 2]},day\n" for n in range(num)))
    return "raw", {"manifest": "manifest.csv"}


def cifar(root: Path, num: int = 12) -> tuple[str, dict[str, Any]]:
    """Write CIFAR-10's batches as torchvision reads them; the test replaces their checksums."""
    folder = root / "cifar-10-batches-py"
    rng = np.random.default_rng(3)
    for name in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]:
        entry = {"data": rng.integers(0, 256, (num, 3072), dtype=np.uint8), "labels": [n % 10 for n in range(num)]}
        put(folder / name, pickle.dumps(entry))
    put(folder / "batches.meta", pickle.dumps({"label_names": [f"class {n}" for n in range(10)]}))
    return "torchvision", {**TORCHVISION, "dataset": "CIFAR10"}


def fashion(root: Path, num: int = 10) -> tuple[str, dict[str, Any]]:
    """Write Fashion-MNIST's IDX files as torchvision reads them."""
    rng = np.random.default_rng(4)
    for name in ("train", "t10k"):
        pixels = rng.integers(0, 256, (num, 28, 28), dtype=np.uint8)
        put(root / f"FashionMNIST/raw/{name}-images-idx3-ubyte", struct.pack(">4I", 2051, num, 28, 28) + pixels.tobytes())
        put(
            root / f"FashionMNIST/raw/{name}-labels-idx1-ubyte",
            struct.pack(">2I", 2049, num) + bytes(n % 10 for n in range(num)),
        )
    return "torchvision", {**TORCHVISION, "dataset": "FashionMNIST"}


def pets(root: Path, num: int = 4) -> tuple[str, dict[str, Any]]:
    """Write Oxford-IIIT Pet's files as torchvision reads them."""
    for split, start in (("trainval", 0), ("test", num)):
        lines = []
        for n in range(start, start + num):
            breed, number = (("Abyssinian", 1), ("beagle", 2))[n % 2]
            put(root / f"oxford-iiit-pet/images/{breed}_{n}.jpg", picture(n, form="JPEG"))
            trimap = Image.fromarray(np.random.default_rng(n).integers(1, 4, (30, 40), dtype=np.uint8))
            (root / "oxford-iiit-pet/annotations/trimaps").mkdir(parents=True, exist_ok=True)
            trimap.save(root / f"oxford-iiit-pet/annotations/trimaps/{breed}_{n}.png")
            lines.append(f"{breed}_{n} {number} {number} 1")
        put(root / f"oxford-iiit-pet/annotations/{split}.txt", "\n".join(lines) + "\n")
    return "torchvision", {**TORCHVISION, "dataset": "OxfordIIITPet"}


def torchvision_voc(root: Path, *, masks: bool) -> tuple[str, dict[str, Any]]:
    """Write VOC 2007 as torchvision reads it."""
    base = root / "VOCdevkit/VOC2007"
    for n in range(4):
        put(base / f"JPEGImages/p{n}.jpg", picture(n, form="JPEG"))
        put(base / f"Annotations/p{n}.xml", xml([("cat", 1, 1, 10, 10)]))
        mask = np.zeros((30, 40), dtype=np.uint8)
        mask[:10, :10] = 8
        (base / "SegmentationClass").mkdir(exist_ok=True)
        Image.fromarray(mask).save(base / f"SegmentationClass/p{n}.png")
    for kind in ("Main", "Segmentation"):
        put(base / f"ImageSets/{kind}/train.txt", "p0\np1\np2\n")
        put(base / f"ImageSets/{kind}/val.txt", "p3\n")
    return "torchvision", {**TORCHVISION, "dataset": "VOCSegmentation" if masks else "VOCDetection"}


def torchvision_coco(root: Path) -> tuple[str, dict[str, Any]]:
    """Write COCO as torchvision's CocoDetection reads it."""
    coco(root)
    part = {**TORCHVISION, "dataset": "CocoDetection", "images": "images", "annotations": {"train": "instances.json"}}
    return "torchvision", part


def scenes(root: Path) -> tuple[str, dict[str, Any]]:
    """Return the embedded set, small."""
    return "scenes", SCENES


LAYOUTS: dict[str, Callable[[Path], tuple[str, dict[str, Any]]]] = {
    "scenes": scenes, "voc": voc, "coco": coco, "yolo": yolo, "imagefolder": imagefolder, "csv": csv, "raw": raw,
    "CIFAR10": cifar, "FashionMNIST": fashion, "OxfordIIITPet": pets, "CocoDetection": torchvision_coco,
    "VOCDetection": lambda root: torchvision_voc(root, masks=False),
    "VOCSegmentation": lambda root: torchvision_voc(root, masks=True),
}  # fmt: skip
