"""A value is judged by each name that it has: beside it, from another mapping, before it; what is hidden stays YAML."""

import pytest
import yaml

from pipelines import masking
from pipelines.redaction import redact

SECRET = "Zx9qKf3Lm8"  # noqa: S105 - it is nobody's


@pytest.mark.parametrize("text", [
    "- {{name: x, key: DB_PASSWORD, value: {}}}", "- {{key: x, name: DB_PASSWORD, value: {}}}",
    "- {{value: {}, name: DB_PASSWORD, key: x}}", "- {{name: x, key: Authorization, value: 'SSWS {}'}}",
    "a: &a {{name: DB_PASSWORD}}\nb: {{<<: *a, value: {}}}", "a: &a {{value: {}}}\nb: {{<<: *a, name: DB_PASSWORD}}",
    "a: &a {{name: DB_PASSWORD}}\nb: &b {{<<: *a}}\nc: {{<<: [*b], value: {}}}", "cmd: [app, --password, -{}]",
    "cmd: [app, --password, -zx-{}]", "cmd: [app, --password, --{}]", "auth: me:{}", "basic_auth: 'me:{}'",
    "http:\n  auth: me:{}", "password: !!int '12345678' # {}", "password: &a !!float 12345678{}\nb: *a",
    "password: !!binary {}==", "password: !<tag:yaml.org,2002:int> {}", "password: !!str &a {}\nb: *a",
])  # fmt: skip
def test_a_secret_is_hidden_by_any_of_its_names(text: str) -> None:
    """Live and commented out; the copy loads."""
    live = text.format(SECRET) + "\n"
    shown = masking.document(live)
    assert SECRET not in shown
    assert "***" in str(yaml.safe_load(shown))
    commented = masking.document("a: 1\n" + "".join(f"# {line}\n" for line in live.splitlines()))
    assert SECRET not in commented
    assert masking.document(shown) == shown


@pytest.mark.parametrize("text", [
    "- {name: x, key: sort_key, value: a1234567}", "a: &a {name: b}\nb: {<<: *a, value: a1234567}", "auth: https://host/x1",
    "auth: localhost:8080", "auth: how it works", "author: me:a1234567", "auth: 'note: see 12345678'",
    "cmd: [app, --token, --epochs, 3]", "cmd: [app, --token, -j8, --max-2d-size=3, -std=c++17]",
    "cmd: [app, --password, --num-2d-layers]", "seed: !!int '12345678'",
])  # fmt: skip
def test_what_is_no_secret_keeps_its_bytes(text: str) -> None:
    """Names of other things, ports, options behind an option."""
    assert masking.document(f"{text}\n") == f"{text}\n"


def test_pairs_of_parameters_show_who_asks_alone() -> None:
    """Flat and nested."""
    values = {"http.auth": f"me:{SECRET}", "http": {"basic_auth": f"me:{SECRET}"}}
    assert masking.parameters(values) == {"http.auth": "me:***", "http": {"basic_auth": "me:***"}}


def test_mappings_that_take_over_others_take_time_by_their_length() -> None:
    """Of themselves, too, and of very many keys."""
    text = (
        "a: &a\n"
        + "".join(f"  k{number}: 1\n" for number in range(2_000))
        + "b: {<<: *a, name: PASSWORD, value: 1}\n" * 2_000
    )
    assert yaml.safe_load(masking.document(text))["b"]["value"] == "***"
    assert masking.document("a: &a {<<: *a, name: x, value: 1}\n").startswith("a: &a")


def test_a_value_that_begins_as_an_option_does_is_hidden_in_a_line() -> None:
    """Of a shell or a list of words; options stay."""
    for value in (f"-{SECRET}", f"--{SECRET}", f"-zx-{SECRET}"):
        assert redact(f"run --db-password {value} there") == "run --db-password *** there"
        assert SECRET not in redact(f"['run', '--db-password', '{value}']")
    for text in (
        "run --token --epochs 3",
        "run --token -j8 --max-2d-size=3 -std=c++17 x",
        "run --password --num-2d-layers 3",
    ):
        assert redact(text) == text
