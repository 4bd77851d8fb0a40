"""What an evaluation draws can be read: names of curves cover none, names of objects lie in the picture."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ImageFont

from stages.parts.evaluators import _gallery, _plots

RECALL = np.linspace(0, 1, 101)


def drawn(curves: dict[str, Any], folder: Path, patch: pytest.MonkeyPatch) -> Any:
    """Draw the curves and return the figure, laid out as it is saved."""
    held: list[Any] = []
    save = _plots._save
    patch.setattr(_plots, "_save", lambda figure, path: (save(figure, path), held.append(figure)))
    _plots.precision_recall(folder, curves, RECALL)
    return held[0]


@pytest.mark.parametrize(
    "names", [["cat"], ["RBC", "WBC", "Platelets"], [f"class {n}" for n in range(15)], ["_x", "a$b$", "$"]]
)
def test_every_curve_is_named_beside_the_plot(names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its class as the user wrote it, and the mean; the names lie in the picture, outside of the curves' field."""
    curves = {name: np.clip(1 - RECALL * (n + 1), 0, 1) for n, name in enumerate(names)}
    figure = drawn(curves, tmp_path, monkeypatch)
    (axes,) = figure.axes
    legend = axes.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [*names, "mean"]
    assert not any(text.get_parse_math() for text in legend.get_texts())
    box, field = legend.get_window_extent(), axes.get_window_extent()
    assert box.x0 >= field.x1
    assert box.x1 <= figure.bbox.x1
    assert box.y0 >= 0
    assert field.width > figure.bbox.width / 2


def test_of_many_classes_the_mean_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their names would fill the picture; what the thin curves are is said."""
    curves = {f"class {n}": np.full(101, n / 20) for n in range(20)}
    legend = drawn(curves, tmp_path, monkeypatch).axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["each of 20 classes", "mean"]


@pytest.mark.parametrize("left", [0, 100, 180, 207])
@pytest.mark.parametrize("colour", [_gallery.TRUTH, _gallery.FALSE])
def test_a_name_at_the_edge_is_drawn_whole(left: int, colour: tuple[int, int, int]) -> None:
    """It begins at its box, or as far left of it as the picture's edge asks."""
    text, width = "square 0.85", 208
    blank = np.zeros((width, width, 3), np.uint8)
    box = [(left, 90, min(left + 20, width), 110)]
    named, bare = (_gallery.with_boxes(blank, box, [word], colour, 1) for word in (text, ""))
    columns = np.flatnonzero((named != bare).any((0, 2)))
    asked = ImageFont.load_default(11).getlength(text)
    assert columns[-1] - columns[0] + 1 >= asked - 1
    assert columns[0] == min(left + 2, int(width - asked - 1)) or columns[0] == min(left + 2, int(width - asked))


def test_a_caption_reads_as_a_share_of_the_objects() -> None:
    """Missed and confused ones are among the objects, false ones beside them; each line fits below its picture."""
    assert _gallery.caption({"missed": 4}, 4) == "4 of 4 objects missed"
    assert _gallery.caption({"confused": 1}, 1) == "1 of 1 object confused"
    assert _gallery.caption({"false": 2, "confused": 3}, 5) == "3 of 5 objects confused,\n2 false"
    assert _gallery.caption({"false": 7}, 2) == "7 false beside 2 objects"
    font = ImageFont.load_default(12)
    many = _gallery.caption({"missed": 1000, "false": 1000, "confused": 1000}, 1000).splitlines()
    assert max(font.getlength(line) for line in many) <= _gallery.THUMB_PX
