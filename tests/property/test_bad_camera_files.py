"""A camera file that cannot be used ends in one line that names it and says what to do; nobody sees a traceback."""

from pathlib import Path

import numpy as np
import pytest

from stages import preprocess
from stages.core import params
from stages.core.errors import DataError
from tests.raws import make_dng

BASE = params.read(Path(__file__).parents[2] / "params.yaml")["preprocess"]
WHOLE = make_dng(np.random.default_rng(0).integers(64, 4000, (60, 80)).astype(np.uint16))
CASES = {
    "empty": (b"", "empty; copy it again"),
    "text": (b"this is no picture " * 40, "no camera file that LibRaw knows; expected DNG"),
    "text beginning like TIFF": (b"II*\x00 and then only words " * 40, "no camera file|cut short|cannot be decoded"),
    "cut in the pixels": (WHOLE[: len(WHOLE) - 400], "cut short.*copy it again"),
    "cut in the tags": (WHOLE[:150], "no camera file|cut short|cannot be decoded|damaged"),
    "white level 0": (make_dng(np.full((20, 20), 70, np.uint16), white_level=0), "white level.* 0.* not above.*params.yaml"),
    "black above white": (
        make_dng(np.full((20, 20), 70, np.uint16), black_level=(500,) * 4, white_level=400),
        "white level.* 400 .*not above .*500.*params.yaml",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_one_line(name: str, tmp_path: Path) -> None:
    """Empty, foreign, cut, or with levels that contradict each other."""
    content, line = CASES[name]
    path = tmp_path / "bad one.dng"
    path.write_bytes(content)
    with pytest.raises(DataError, match=line) as caught:
        preprocess.prepare({"seed": 7, "preprocess": BASE}, path)
    assert "bad one.dng" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("neutral", [(0, 1, 0.7), (1, 1, 1), (0, 0, 0)])
def test_gains_that_say_nothing_are_stood_in_for(neutral: tuple) -> None:
    """Zeros or ones as the white balance leave the file usable: the picture itself gives one, and this is told."""
    mosaic = np.random.default_rng(0).integers(64, 4000, (60, 80)).astype(np.uint16)
    done = preprocess.prepare({"seed": 7, "preprocess": BASE}, make_dng(mosaic, neutral=neutral)).development
    assert done is not None
    assert done.without_gains
    assert min(done.gains) == 1
