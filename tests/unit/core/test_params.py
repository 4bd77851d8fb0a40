"""Parameters are checked at the door: typed, complete, no unknown key, one clear line."""

from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from stages.core import params
from stages.core.errors import ParamsError, nearest
from stages.core.params import Params, Part


class Inner(Params):
    """A nested section."""

    size_px: int


class Outer(Params):
    """A section with every kind of field."""

    rate: float = Field(gt=0)
    names: tuple[str, ...]
    inner: Inner


class Chooser(Params):
    """A section that chooses a part."""

    demosaicer: Annotated[str, Part("demosaicers")]


GOOD = {"rate": 1, "names": ["a"], "inner": {"size_px": 3}}


def test_a_complete_section_is_read_with_its_types():
    """A whole number stands for a float, a list for a tuple; nothing else is coerced."""
    read = params.validate(Outer, GOOD, "outer")
    assert read == Outer(rate=1.0, names=("a",), inner=Inner(size_px=3))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rate": "1"}, ["outer.rate is '1'", "number", "(params.yaml: outer.rate)"]),
        ({"rate": 0}, ["outer.rate is 0", "greater than 0"]),
        ({"rate": None}, ["outer.rate is None"]),
        ({"inner": {"size_px": 2.5}}, ["outer.inner.size_px is 2.5"]),
        ({"inner": {"size_px": True}}, ["outer.inner.size_px is True"]),
        ({"inner": {"size_pix": 3, "size_px": 3}}, ["outer.inner.size_pix is unknown", "did you mean 'size_px'?"]),
        ({"rat": 2}, ["outer.rat is unknown", "did you mean 'rate'?"]),
    ],
)
def test_a_wrong_value_is_named_with_its_place(change, words):
    """The message holds the path, the value and what would be right, on one line."""
    with pytest.raises(ParamsError) as caught:
        params.validate(Outer, {**GOOD, **change}, "outer")
    text = str(caught.value)
    assert all(word in text for word in words), text
    assert "\n" not in text


def test_a_missing_key_has_no_hidden_default():
    """A key that is left out is an error, not a default."""
    with pytest.raises(ParamsError, match=r"outer\.rate is missing"):
        params.validate(Outer, {"names": [], "inner": {"size_px": 1}}, "outer")


def test_a_misspelt_part_is_answered_with_the_nearest_name():
    """The known names come from the folder."""
    with pytest.raises(ParamsError, match="did you mean 'malvar2004'"):
        params.section(Chooser, {"demosaicer": "malvr2004"}, "preprocess")


def test_parameters_of_a_part_not_chosen_are_checked_too():
    """A mistake beside the chosen part does not wait until that part is chosen."""
    with pytest.raises(ParamsError, match="unknown"):
        params.section(Chooser, {"demosaicer": "malvar2004", "bilinear": {"no_such": 1}}, "preprocess")


@pytest.mark.parametrize("text", ["a: [1", "- 1", "", "\x00"])
def test_a_broken_file_ends_in_one_line(tmp_path, text):
    """Broken YAML, a list or an empty file is refused with the file's name."""
    file = tmp_path / "params.yaml"
    file.write_text(text)
    with pytest.raises(ParamsError, match=r"params\.yaml") as caught:
        params.read(file)
    assert "\n" not in str(caught.value)


def test_lookup_offers_the_nearest_key():
    """A misspelt path names where it ends."""
    with pytest.raises(ParamsError, match=r"acquire\.sorce is missing.*did you mean 'source'"):
        params.lookup({"acquire": {"source": "voc"}}, "acquire.sorce")


@given(st.sets(st.from_regex(r"[a-z_]{3,12}", fullmatch=True), min_size=1, max_size=8), st.data())
def test_nearest_always_finds_a_name_with_one_letter_dropped(names, data):
    """One missing letter is recognised, whatever the names."""
    name = data.draw(st.sampled_from(sorted(names)))
    place = data.draw(st.integers(0, len(name) - 1))
    misspelt = name[:place] + name[place + 1 :]
    assert "did you mean" in nearest(misspelt, names)
