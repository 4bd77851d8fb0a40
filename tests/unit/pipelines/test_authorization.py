"""Of a header Authorization nothing but its scheme is shown, whatever that is, wherever it stands."""

import pytest
import yaml

from pipelines import masking
from pipelines.redaction import redact

KEY = "0a1b2c3d-4e5f-6789-abcd-ef0123456789"
VALUES = [
    KEY,
    f"username=me {KEY}",
    f"Digest username=me, response={KEY}",
    f"AWS4-HMAC-SHA256 Credential=x, Signature={KEY}",
]
VALUES += [f"{scheme} {KEY}" for scheme in (
    "GenieKey", "SSWS", "JWT", "OAuth", "OAuth2", "Key", "hmac", "PRIVATE-TOKEN", "Bearer:", "Bearer", "Basic",
    "Token", "ApiKey",
)]  # fmt: skip


@pytest.mark.parametrize("name", ["Authorization", "Proxy-Authorization"])
@pytest.mark.parametrize("value", VALUES)
def test_a_key_is_hidden_in_every_form(value: str, name: str) -> None:
    """In YAML and in what is commented out of it, in parameters flat and nested; their words may lack a digit there."""
    for told in (value, value.replace(KEY, "correcthorse battery")):
        lines = yaml.safe_dump({"headers": {name: told}}, width=1000)
        commented = "".join(f"# {line}\n" for line in lines.splitlines())
        for shown in (
            masking.document(lines),
            masking.document(f"a: 1\n{commented}"),
            masking.parameters({f"headers.{name}": told}),
            masking.parameters({"headers": {name: told}}),
            redact({name: told}),
        ):
            assert KEY not in str(shown)
            assert "battery" not in str(shown)
        assert yaml.safe_load(masking.document(lines)).keys() == {"headers"}


@pytest.mark.parametrize("value", [value for value in VALUES if "AWS4" not in value and not value.startswith("username")])
@pytest.mark.parametrize("form", ["{}: {} there", "curl -H '{}: {}' h", '{{"{}": "{}", "x": 1}}', "> {}: {}\n> Host: x"])
def test_a_key_is_hidden_on_screens_and_in_logs(value: str, form: str) -> None:
    """Up to the end of the header: what follows stays, and so does a second pass."""
    shown = redact(form.format("Authorization", value))
    assert KEY not in shown
    assert shown.endswith(form.rsplit("{}", maxsplit=1)[-1].replace("}}", "}"))
    assert redact(shown) == shown


@pytest.mark.parametrize("text", [
    "Authorization: required", "authorization: see section 4.2", "authorization: failed for user=ann, code=4",
    "Authorization:\nContent-Length: 1234567", "Authorization: http://host1234567/x", "preauthorization: abc12345 x",
    '{"Authorization": "Bearer"}', "Authorization: Digest realm=me",
])  # fmt: skip
def test_what_is_no_key_is_shown(text: str) -> None:
    """Sentences, what follows an empty header, and other names."""
    assert redact(text) == text


@pytest.mark.parametrize("part", ["", "a ", "'", "a b=", 'a b="', "\\'", "a1b2c3d ", "token ", "a b=c, "])
def test_the_time_grows_with_the_length_alone(part: str) -> None:
    """Each is looked at once; it would take minutes."""
    text = f"authorization: {part}" * 10_000 + f"authorization: a {part * 20_000}"
    assert redact(text).startswith("authorization:")
