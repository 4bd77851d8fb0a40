"""Parameters are checked at the door: typed, complete, no unknown key, one clear line."""

from typing import Annotated

import pytest
import yaml
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


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("rate: 1e-3", "outer.rate is '1e-3'; input should be a valid number, which YAML reads as text"),
        ("rate: 1e-3", "write 0.001 (params.yaml: outer.rate)"),
        ("rate: 25E-9", "write 2.5e-08"),
        ("rate: 1e-7", "write 1.0e-07"),
        ("rate: 1e22", "write 1.0e+22"),
        ("rate: '0.5'", "write 0.5"),
        ("inner: {size_px: 1e2}", "write 100"),
    ],
)
def test_a_number_that_yaml_takes_for_text_is_told_how_to_be_written(file, words):
    """YAML 1.1 has no number 1e-3; what the message offers instead is read as that number."""
    content = yaml.safe_load(file)
    with pytest.raises(ParamsError) as caught:
        params.validate(Outer, GOOD | content, "outer")
    assert words in str(caught.value)
    (text,) = [v for v in (content.get("rate"), content.get("inner", {}).get("size_px")) if v is not None]
    written = str(caught.value).partition("write ")[2].partition(" ")[0]
    assert yaml.safe_load(written) == float(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_can_be_written(number):
    """Whatever the number, the offered writing is one that YAML reads as it."""
    text = params._as_number({"type": "float_type", "input": repr(number)}).partition("write ")[2]
    assert yaml.safe_load(text) == number


@pytest.mark.parametrize("word", ["fast", "", "inf", "nan", "1,5", None, True])
def test_other_text_is_not_called_a_number(word):
    """A word in a number's place is told as before."""
    with pytest.raises(ParamsError) as caught:
        params.validate(Outer, {**GOOD, "rate": word}, "outer")
    assert "YAML" not in str(caught.value)


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan"])
@pytest.mark.parametrize(("key", "path"), [("rate", "outer.rate"), ("names", "outer.names.1"), ("inner", "outer.inner.a")])
def test_an_endless_number_is_refused_wherever_it_stands(key, path, value):
    """Infinity lies above every lower limit, and nothing learns at such a rate."""
    text = {"rate": f"rate: {value}", "names": f"names: [1, {value}]", "inner": f"inner: {{a: {value}}}"}[key]
    with pytest.raises(ParamsError, match=rf"^{path} is -?(inf|nan); expected a finite number \(params.yaml: {path}\)$"):
        params.validate(Outer, GOOD | yaml.safe_load(text), "outer")


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


@pytest.mark.parametrize("text", [
    "a: [1", "- 1", "", "\x00", "[" * 5_000, "a: 2026-13-01",
    "a: !!bool maybe", "a: !!int ''", "a: !!timestamp x", f"a: {'9' * 5_000}", f"a: 0x{'f' * 5_000}",
    f"a: -0b{'1' * 20_000}", f"{'9' * 5_000}: a", f"a: {'1:' * 5_000}1", "a: !!int x",
])  # fmt: skip
def test_a_broken_file_ends_in_one_line(tmp_path, text):
    """Broken YAML, a list, an empty file, what looks like a number or date and is none: refused with the file's name."""
    file = tmp_path / "params.yaml"
    file.write_text(text)
    with pytest.raises(ParamsError, match=r"params\.yaml") as caught:
        params.read(file)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


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
