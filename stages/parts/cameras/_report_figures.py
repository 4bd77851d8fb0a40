"""The camera report's figures: by file, by camera and sensitivity, by audit group."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.maths import photon_transfer
from stages.maths.photon_transfer import Noise
from stages.parts.cameras._measured import Measured

GREY = 0.18  # the signal at which noise is stated
UNSURE = 1 / 3
Key = tuple[str, int | None]


@dataclass(frozen=True)
class Taken:
    """The files of one camera at one sensitivity, and their noise (None where too few patches were flat)."""

    camera: str
    iso: int | None
    items: tuple[Measured, ...]
    noise: Noise | None

    @property
    def title(self) -> str:
        """Name camera and sensitivity."""
        return f"{self.camera}, ISO {self.iso}" if self.iso else self.camera


def by_camera(items: Sequence[Measured]) -> list[Taken]:
    """Gather the files by camera and sensitivity and estimate the noise of each."""
    return [
        Taken(camera, iso or None, own, photon_transfer.fit([item.patches for item in own]))
        for (camera, iso), own in _gathered(items, lambda item: (item.camera, item.iso or 0)).items()
    ]


def groups(items: Sequence[Measured]) -> dict[str, dict[str, tuple[Measured, ...]]]:
    """Gather the files by each audit column; files without a value are left out."""
    columns = sorted({column for item in items for column in item.groups})
    return {
        column: _gathered([item for item in items if column in item.groups], lambda item, c=column: item.groups[c])
        for column in columns
    }


def _gathered(items: Iterable[Measured], key: Callable[..., Any]) -> dict[Any, tuple[Measured, ...]]:
    found: dict[Any, list[Measured]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return {name: tuple(found[name]) for name in sorted(found)}


def figures(items: Sequence[Measured], taken: Sequence[Taken]) -> dict[str, Any]:
    """Return the figures of some files; what is not known is None.

    Args:
        items: the files.
        taken: all of the data set's files by camera, for their noise.
    """
    noise = {(own.camera, own.iso): own.noise for own in taken}
    models = [found for item in items if (found := noise[item.camera, item.iso or None])]
    return {
        "num_files": len(items),
        "clipped_share": float(np.mean([item.clipped_share for item in items])),
        "clipped_share_by_color": np.mean([item.clipped for item in items], axis=0).tolist(),
        "stops_below_saturation": _mean(item.stops for item in items),
        "gains": np.median([item.gains for item in items], axis=0).tolist(),
        "num_without_white_balance": sum(item.without_gains for item in items),
        "num_without_color_matrix": sum(not item.matrix_known for item in items),
        "num_suspicious": sum(bool(item.suspicions) for item in items),
        "noise_at_grey": _mean(model.std(GREY) for model in models) if len(models) == len(items) else None,
        "noise_is_sure": len(models) == len(items) and all(model.scatter <= UNSURE for model in models),
        "color_error_ciede2000": _mean(item.delta_e for item in items),
        "cpsnr_db": _mean(item.cpsnr for item in items),
        "num_with_truth": sum(item.delta_e is not None for item in items),
    }


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def noise_figures(noise: Noise | None) -> dict[str, Any] | None:
    """Return a noise estimate as numbers; shares of the range from black to white."""
    if noise is None:
        return None
    return {
        "read_noise": float(np.sqrt(noise.read)),
        "full_well_electrons": 1 / noise.shot if noise.shot > 0 else None,
        "noise_at_grey": noise.std(GREY),
        "scatter": noise.scatter,
        "is_sure": noise.scatter <= UNSURE,
    }


def content(items: Sequence[Measured]) -> dict[str, Any]:
    """Return all figures as JSON can hold them."""
    taken = by_camera(items)
    return {
        "num_files": len(items),
        "all": figures(items, taken) if items else None,
        "by_camera": [
            {"camera": own.camera, "iso": own.iso, **figures(own.items, taken), "noise": noise_figures(own.noise)}
            for own in taken
        ],
        "by_group": {
            column: {name: figures(own, taken) for name, own in found.items()} for column, found in groups(items).items()
        },
    }


def rows(items: Sequence[Measured]) -> list[dict[str, Any]]:
    """Return one row per file for a table."""
    return [
        {
            "file": item.name,
            "camera": item.camera,
            "iso": item.iso,
            "width": item.width,
            "height": item.height,
            "cfa": item.pattern,
            "black_level": " ".join(f"{level:g}" for level in item.black_level),
            "white_level": item.white_level,
            **{f"gain_{name}": round(gain, 4) for name, gain in zip(("red", "green", "blue"), item.gains, strict=True)},
            "white_balance_stated": not item.without_gains,
            "color_matrix_known": item.matrix_known,
            **{f"clipped_{n}": round(share, 6) for n, share in zip(("red", "green", "blue"), item.clipped, strict=True)},
            "stops_below_saturation": None if item.stops is None else round(item.stops, 3),
            "color_error_ciede2000": None if item.delta_e is None else round(item.delta_e, 4),
            "cpsnr_db": None if item.cpsnr is None else round(item.cpsnr, 3),
            "suspicions": "; ".join(item.suspicions),
        }
        for item in items
    ]


def repeated(items: Sequence[Measured], shown: int) -> tuple[list[tuple[str, str]], int]:
    """Return the first suspicions with their files, and how many there are beside them."""
    lines = [(item.name, line) for item in items for line in item.suspicions]
    return lines[:shown], max(0, len(lines) - shown)


def patterns(items: Sequence[Measured]) -> str:
    """Name the patterns of some files, the commonest first."""
    return ", ".join(name for name, _ in Counter(item.pattern for item in items).most_common())
