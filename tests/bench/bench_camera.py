"""The camera: quality on Kodak and McMaster, speed beside the libraries, the whole chain, files in and out.

Protocol of quality: RGGB mosaics of the 8-bit references, a border of 10 px left out, the mean over pictures of the CPSNR.
Speed is one thread's unless said; rivals are timed in turns with ours on the same frame; where ours writes to memory that
was there before, so does the rival if it can.
``default`` is the demosaicer of ``params.yaml``, ``fast`` is malvar2004.
"""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import colour_demosaicing
import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from pipelines.develop.one import develop_file
from stages.core import dng, images, parts, raw
from stages.maths import tile_kernels, tiling
from stages.parts.cameras import _tone
from stages.parts.cameras._development import develop
from stages.parts.white_balances import camera as camera_balance
from tests.bench import rivals
from tests.bench.harness import SHARED, Entry, race

BORDER = 10
HEIGHT, WIDTH = 2048, 3072
FAST = "malvar2004"
SECTION = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
RECIPE = {"seed": SECTION["seed"], "preprocess": SECTION["preprocess"] | {"fit": "none", "size_px": None}}
DEFAULT = str(RECIPE["preprocess"]["demosaicer"])
MATRIX = np.array([[0.6722, -0.0635, -0.0963], [-0.4287, 1.2460, 0.2028], [-0.0908, 0.2162, 0.5668]])
Demosaicer = Callable[[NDArray[np.float32], str], NDArray[np.float32]]


def build(name: str) -> tiling.Demosaicer:
    """Build a demosaicer by its name."""
    module = parts.load("demosaicers", name, "bench")
    found: tiling.Demosaicer = module.build(module.Params())
    return found


def mosaic(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Sample RGGB from (H, W, 3) uint8: (H, W) float32 in 0..1."""
    out = np.empty(image.shape[:2], np.float32)
    for top, left, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        out[top::2, left::2] = image[top::2, left::2, channel]
    return out / 255


def cpsnr(result: NDArray[np.float32], truth: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio over all three channels in dB, after rounding to 8 bit."""
    inner = (slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    rounded = np.clip(np.rint(result * 255), 0, 255)
    return float(10 * np.log10(255**2 / np.mean((rounded[inner] - truth[inner].astype(np.float64)) ** 2)))


def quality(method: Demosaicer, files: list[Path]) -> float:
    """Return a method's mean CPSNR over a set of references."""
    pictures = [images.read_image(file) for file in files]
    return float(np.mean([cpsnr(method(mosaic(p), "RGGB"), p) for p in pictures]))


def measure() -> list[Entry]:
    """Measure quality, demosaicing, chain and files."""
    cv2.setNumThreads(1)
    scene = photograph()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "frame.dng"
        file.write_bytes(as_dng(scene))
        return [*qualities(), *demosaicing(mosaic(scene), file), *chains(file), *files(file)]


def photograph() -> NDArray[np.uint8]:
    """Return a frame of 6 megapixels with the detail of photographs where there are some, else noise."""
    pictures = sorted((SHARED / "kodak").glob("*.png"))
    if not pictures:
        return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    tiles = [
        np.ascontiguousarray(p if p.shape[0] < p.shape[1] else p.swapaxes(0, 1)) for p in map(images.read_image, pictures)
    ]
    return np.block([[[tiles[(4 * y + x) % len(tiles)]] for x in range(4)] for y in range(4)])[:HEIGHT, :WIDTH]


def as_dng(scene: NDArray[np.uint8]) -> bytes:
    """Encode a scene as an uncompressed 14-bit DNG with a camera's black, white balance and colours."""
    numbers = (512 + mosaic(scene) ** 2.2 * (15871 - 512)).astype(np.uint16)
    camera = {"black_level": [512.0] * 4, "white_level": 15871, "neutral": [0.5, 1.0, 0.7], "color_matrix": MATRIX}
    return dng.encode(numbers, pattern="RGGB", model="Bench", iso=100, **camera)


def qualities() -> Iterator[Entry]:
    """Measure each demosaicer on both sets."""
    for group, pattern in (("kodak", "*.png"), ("mcmaster", "*.tif")):
        references = sorted((SHARED / group).glob(pattern))
        if not references:
            continue
        found = {name: quality(build(name), references) for name in parts.known("demosaicers")}
        aliases = {"default": found[DEFAULT], "fast": found[FAST]}
        for name, value in {**aliases, **found}.items():
            yield Entry(f"camera.cpsnr.{group}.{name}", value, "dB")


def into(method: tiling.Demosaicer, frame: NDArray[np.float32], out: NDArray[np.float32]) -> Callable[[], None]:
    """Return a call that demosaics a frame into memory that is there."""
    return lambda: tiling.run(method, frame, "RGGB", tiling.AS_IT_IS, tile_kernels.interleave, out)


def demosaicing(frame: NDArray[np.float32], file: Path) -> Iterator[Entry]:
    """Time demosaicing alone."""
    out, content = np.empty((*frame.shape, 3), np.float32), file.read_bytes()
    menon = colour_demosaicing.demosaicing_CFA_Bayer_Menon2007
    default, fast = build(DEFAULT), build(FAST)
    mine, theirs = race(into(default, frame, out), lambda: menon(frame, "RGGB"), rounds=2)
    yield speed("default_vs_colour_menon", frame.size / mine, "colour-demosaicing Menon 2007", frame.size / theirs)
    mine, theirs = race(into(default, frame, out), rivals.libraw(content, "AHD", developed=False))
    yield speed("default_vs_libraw_ahd", frame.size / mine, "LibRaw AHD", frame.size / theirs)
    mine, theirs = race(into(fast, frame, out), lambda: rivals.filter2d_malvar(frame, out))
    yield speed("fast_vs_filter2d_malvar", frame.size / mine, "cv2.filter2D Malvar", frame.size / theirs)
    for name in parts.known("demosaicers"):
        mine, theirs = race(into(build(name), frame, out), lambda: rivals.filter2d_malvar(frame, out), rounds=2)
        yield speed(name, frame.size / mine, "cv2.filter2D Malvar", frame.size / theirs)


def speed(name: str, ours: float, rival: str, theirs: float, group: str = "speed") -> Entry:
    """Return an entry of pixels a second beside a rival's."""
    return Entry(f"camera.{group}.{name}", ours / 1e6, "MPix/s, 1 thread", f"{rival} {theirs / 1e6:.3g}", ours / theirs)


def chain(frame: raw.Frame, name: str, num_threads: int = 1) -> Callable[[], Any]:
    """Return a call that develops a decoded frame to sRGB uint8 as the stage does."""
    balance = camera_balance.build(camera_balance.Params(**RECIPE["preprocess"]["camera"]))
    tone, method = (
        _tone.Params(**RECIPE["preprocess"]["tone"]),
        tiling.DOMAINS[RECIPE["preprocess"]["demosaic_domain"]](build(name)),
    )
    return lambda: develop(frame, balance=balance, demosaicer=method, tone=tone, num_threads=num_threads)


def chains(file: Path) -> Iterator[Entry]:
    """Time the whole chain from the decoded mosaic to sRGB uint8."""
    frame, content = raw.read(file), file.read_bytes()
    pixels = frame.mosaic.size
    for key, name, rival in (("default_vs_rawpy_ahd", DEFAULT, "AHD"), ("fast_vs_rawpy_linear", FAST, "LINEAR")):
        mine, theirs = race(chain(frame, name), rivals.libraw(content, rival, developed=True))
        yield speed(key, pixels / mine, f"rawpy {rival}", pixels / theirs, "chain")
    two, one = race(chain(frame, DEFAULT, 2), chain(frame, DEFAULT, 1), rounds=40)  # both cores must be undisturbed at once
    yield Entry("camera.chain.two_threads", one / two, "times one thread", "one thread", one / two)


def files(file: Path) -> Iterator[Entry]:
    """Time a file in, a file out, on one thread: uncompressed DNG to TIFF and to JPEG."""
    pixels = raw.read(file).mosaic.size
    for key, name in (("default", DEFAULT), ("fast", FAST)):
        recipe = {**RECIPE, "preprocess": RECIPE["preprocess"] | {"demosaicer": name, name: {}}}
        to = {kind: partial(develop_file, file, file.with_suffix(f".{kind}"), recipe, kind) for kind in ("tiff", "jpg")}
        mine, other = race(to["tiff"], to["jpg"])
        yield Entry(f"camera.end_to_end.{key}_mpix_s", pixels / mine / 1e6, "MPix/s, DNG to TIFF, 1 thread")
        yield Entry(f"camera.end_to_end.{key}_jpeg_mpix_s", pixels / other / 1e6, "MPix/s, DNG to JPEG, 1 thread")
