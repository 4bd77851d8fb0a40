"""Plots that several evaluators draw: the data for ``dvc plots`` as CSV, the picture for people as PNG."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.judge.confusion import percent_records

MOST_CASES = 100_000
MANY = 16  # classes from which on the cells carry no numbers


def confusion(folder: Path, counts: NDArray[np.generic], names: Sequence[str], *, cases: bool) -> None:
    """Write a confusion matrix: ``confusion.csv`` (records), ``confusion_counts.csv`` and ``confusion.png``.

    Args:
        folder: where to.
        counts: (K, K), row = truth, column = prediction.
        names: K names.
        cases: for ``dvc plots`` one record per case, if there are at most ``MOST_CASES``; else each row over 100 records.
    """
    total = np.asarray(counts)
    cases = cases and int(total.sum()) <= MOST_CASES
    pairs = (
        [(t, p) for t, p in np.ndindex(total.shape) for _ in range(int(total[t, p]))] if cases else percent_records(total)
    )
    table = pd.DataFrame([(names[t], names[p]) for t, p in pairs], columns=["actual", "predicted"])
    table.to_csv(folder / "confusion.csv", index=False, lineterminator="\n")
    whole = pd.DataFrame(np.asarray(counts), index=pd.Index(names, name="actual \\ predicted"), columns=list(names))
    whole.to_csv(folder / "confusion_counts.csv", lineterminator="\n")
    _confusion_picture(folder / "confusion.png", np.asarray(counts, np.float64), names)


def _confusion_picture(path: Path, counts: NDArray[np.float64], names: Sequence[str]) -> None:
    num = len(names)
    figure, axes = _figure(max(3.4, 0.55 * num + 2), max(3.0, 0.5 * num + 1.6))
    total = counts.sum(1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(num), names, rotation=45, ha="right")
    axes.set_yticks(range(num), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("truth")
    if num < MANY:
        for row in range(num):
            for column in range(num):
                if counts[row, column]:
                    ink = "white" if share[row, column] > 0.6 else "#222222"  # noqa: PLR2004 - dark cell
                    axes.text(column, row, _short(counts[row, column]), ha="center", va="center", color=ink, fontsize=8)
    _save(figure, path)


def precision_recall(folder: Path, curves: dict[str, NDArray[np.float64]], recall: NDArray[np.float64]) -> None:
    """Draw precision over recall at IoU 0.5.

    Writes ``pr_curve.csv`` (mean of the classes), ``pr_curves.csv`` (each class) and ``pr_curve.png``.

    Args:
        folder: where to.
        curves: class name to (R,) precision, NaN where the class has no object.
        recall: (R,) the recall at which it holds.
    """
    table = pd.DataFrame({"recall": recall, **curves})
    table.round(6).to_csv(folder / "pr_curves.csv", index=False, lineterminator="\n")
    mean = table[list(curves)].mean(axis=1)
    pd.DataFrame({"recall": recall, "precision": mean}).round(6).to_csv(
        folder / "pr_curve.csv", index=False, lineterminator="\n"
    )
    figure, axes = _figure(4.6, 3.6)
    for name, precision in curves.items():
        if np.isfinite(precision).any():
            axes.plot(recall, precision, linewidth=1, label=name)
    axes.plot(recall, mean, linewidth=2.4, color="#222222", label="mean")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision at IoU 0.5")
    _legend(axes, len(curves))
    _save(figure, folder / "pr_curve.png")


def _legend(axes: Any, num: int) -> None:
    """Name the curves beside the plot, where none lies below the names; of many classes all have one name."""
    lines = axes.get_lines()
    names = [line.get_label() for line in lines]
    if num >= MANY and len(lines) > 1:
        lines, names = [lines[0], lines[-1]], [f"each of {num} classes", names[-1]]
    legend = axes.legend(lines, names, fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    for text in legend.get_texts():
        text.set_parse_math(False)  # a class may be called a$b$


def bars(folder: Path, names: Sequence[str], values: Sequence[float]) -> None:
    """Write the IoU of each class, ``iou.csv`` and ``iou.png``; an undefined one is marked so."""
    pd.DataFrame({"class": names, "iou": values}).round(6).to_csv(folder / "iou.csv", index=False, lineterminator="\n")
    figure, axes = _figure(4.6, 0.34 * len(names) + 1.1)
    axes.barh(range(len(names)), np.nan_to_num(values), color="#3b6ea5", height=0.62)
    for row, value in enumerate(values):
        axes.text(
            np.nan_to_num(value) + 0.01, row, f"{value:.2f}" if np.isfinite(value) else "undefined", va="center", fontsize=8
        )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.12), xlabel="IoU")
    _save(figure, folder / "iou.png")


def _figure(width: float, height: float) -> tuple[Any, Any]:
    """Open a figure without pyplot, whose global state and windows nothing here needs."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - heavy, only who draws needs it
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Software": None})


def _short(count: float) -> str:
    """Write a count in at most four characters."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if count >= size:
            unit = 1e3 if letter == "k" else size
            return f"{count / unit:.0f}{letter}"
    return f"{count:.0f}"
