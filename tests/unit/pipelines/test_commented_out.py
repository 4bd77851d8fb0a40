"""What is commented out of YAML is masked as if it were not, and what is given by the words before it as if by a name."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipelines import masking
from pipelines.secret_names import names_a_secret

SECRET = "Zx9qKf3Lm8"  # noqa: S105 - it is nobody's
FORMS = [
    f"password: correct horse {SECRET}", f"password : {SECRET}", f"'password': {SECRET}", f'"db password": {SECRET}',
    f"password: 'a''{SECRET}'", f'password: "a\\"{SECRET}"', f"password: &p {SECRET}", f"password: !!str {SECRET}",
    f"password:\n  {SECRET}", f"token: |\n  {SECRET}\n  {SECRET}", f"token: >-\n\n  a b\n  {SECRET}",
    f"? password\n: {SECRET}",
    f"secrets:\n  db:\n    inner: {SECRET}", f"credentials:\n  a:\n  - {SECRET}", f"credentials:\n- b\n- {SECRET}",
    f"secrets: {{db: {{x: {SECRET}}}}}", f"api_keys: [\n  {SECRET},\n  b\n]", f"api_keys: [\n{SECRET},\nb]",
    f"db: {{user: me,\n     password: a {SECRET},\n     x: 1}}", f"- password: a {SECRET}\n- b",
    f"headers:\n  Authorization: Bearer {SECRET}", f"Proxy-Authorization: Basic {SECRET}==",
    f"headers: [{{name: Authorization, value: Bearer {SECRET}}}]", f"curl -H 'Authorization: Bearer {SECRET}' h",
    f"args: [--password, {SECRET}, --epochs, 3]", f"args:\n- run\n- --db-password\n- a b {SECRET}",
    f"auth: [me, {SECRET}]", f"proxy_auth:\n- me\n- {SECRET}", f"env:\n- name: PASSWORD\n  value: {SECRET}",
    f"env: [{{value: {SECRET}, key: API_TOKEN}}]", f"cmd: [curl, -u, 'me:{SECRET}', h]",
    f"cmd: [get, --user, 'me:a {SECRET}']",
    f"cmd:\n- /usr/bin/curl\n- -sSume:{SECRET}\n- h", f"cmd: [curl, -su, 'me:{SECRET}']",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMS)
def test_a_form_is_hidden_live_and_commented_out(text: str) -> None:
    """Behind whatever sign and indent, beside whatever stands around it, a text that is no YAML among them."""
    for live in (f"{text}\n", text.replace("\n", "\r\n"), f"\ufeff# as ever\n{text}\n"):
        shown = masking.document(live)
        assert SECRET not in shown
        assert yaml.safe_load(shown) is not None
    for sign in ("# ", "#", "  # ", "## ", "#\t", "# # "):
        lines = "".join(f"{sign}{line}\n" for line in text.split("\n"))
        sentence = f"{sign}As Ann says, it's [old:\n"
        for written in (
            f"a: 1  # note\n{lines}b: 2\n",
            f"a:\n  b: 1\n{lines}  c: 2\n",
            f"{sentence}{lines}",
            f"a: [\n{lines}",
        ):
            shown = masking.document(written)
            assert SECRET not in shown, written
            assert masking.document(shown) == shown
            if "[\n" not in written:
                assert yaml.safe_load(shown) == yaml.safe_load(written)


@pytest.mark.parametrize("text", [line for line in FORMS if "\n" not in line and line[0] not in "?-"])
def test_a_comment_behind_a_value_is_hidden(text: str) -> None:
    """Behind a value, in brackets, and where a block begins."""
    for written in (
        f"a: 1  # {text}\n",
        f"a: [1,  # {text}\n  2]\n",
        f"a: |  # {text}\n  b\n",
        f"# a: |  # {text}\n#   b\n",
    ):
        shown = masking.document(written)
        assert SECRET not in shown
        assert yaml.safe_load(shown) == yaml.safe_load(written)


KEYS = st.sampled_from(
    ["password", "secrets", "token", "name", "value", "auth", "args", "my api-key", "Authorization", "seed"]
)
WORDS = st.sampled_from(
    [SECRET, f"Bearer {SECRET}", f"a: {SECRET}\n", f"it's {SECRET}", "--password", "-u", f"me:{SECRET}", "7"]
)
TREES = st.recursive(WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))


@given(
    st.dictionaries(KEYS, TREES, min_size=1, max_size=3), st.booleans() | st.none(), st.sampled_from(["# ", "#", "  #  "])
)
def test_comments_hide_what_the_same_text_hides_live(tree: Any, flow: bool | None, sign: str) -> None:
    """Whatever it is made of; keys of several words are in quotes."""
    text = yaml.safe_dump(tree, default_flow_style=flow, width=40).replace("my api-key:", "'my api-key':")
    hidden = masking.document(text).count(SECRET)
    shown = masking.document("a: 1\n" + "".join(f"{sign}{line}\n" for line in text.splitlines()) + "b: 2\n")
    assert shown.count(SECRET) <= hidden
    assert yaml.safe_load(shown) == {"a": 1, "b": 2}


PLAIN = [
    "# the password: see docs/record.md", "# Note: it's [open", "# - - - -", "# max_tokens: 123456  # pad_token: [PAD]",
    "# auth: how it works", "# auth: [a, b, c]", "# %YAML\n# ---\n# token\n# ...", "# https://host/x: token",
    "# a\x07token: c",
    "#!/bin/sh token", "docker: [run, -u, '1000:1000']", "args: [--password, --verbose]  # args: [--token-file, it]",
    "columns: [{name: token_length, value: 123456}]", "Authorization: required", "# sort_key :  created\r\n#  'a' : \"b\"\r",
    "# token:\n#   |\n# - - b: [", "#" * 70 + "\n# Tokens and keys\n" + "#" * 70,
]  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_a_comment_without_a_secret_keeps_its_bytes(text: str) -> None:
    """Sentences, rulers and settings."""
    for written in (f"{text}\n", f"a: 1\n{text}\n", f"{text}\na: [\n"):
        assert masking.document(written) == written


SIGNS = ["#", "# ", " ", "\n", "\r", "\t", "- ", "? ", ": ", "tokens", "a", "[", "]", "{", "}", ",", "'", '"', "|", "\n  "]
SIGNS += ["&a ", "*a", "!t ", "---\n", "\udcff", "\u2028", "\ufeff", "\x07", "%"]


@given(st.lists(st.sampled_from(SIGNS), max_size=30))
def test_whatever_the_text_it_is_masked(pieces: list[str]) -> None:
    """Nothing is raised, and a text without a value stays as it is."""
    text = "".join(pieces)
    assert masking.document(text) == text


@pytest.mark.parametrize("line", [
    "# token: it's: x\n", "# token: [\n", "# - token\n", "# # token: a\n", "#token: 'a\n", "# token: a # token: b ", "# - ",
    "# [token, ", "# {token: ", "token: [\n", "# ? token ", "- ", "token: {", "#\n",
])  # fmt: skip
def test_a_huge_comment_takes_time_by_its_length(line: str) -> None:
    """However deep it nests, too: the library's composer would end the process."""
    begin = time.process_time()
    for sign in ("", "# token\n"):
        masking.document(sign + line * (200_000 // len(line)))
    assert time.process_time() - begin < 60


NAMES = [
    "myPwds",
    "passwd",
    "passphrase",
    "passcode",
    "db_pass",
    "webhook",
    "url",
    "pat",
    "key",
    "api",
    "token",
    "github",
    "n",
]
NAMES += ["auth", "string", "credentials", "secret", "client", "OPENAI", "KEYS", "tokens", "encryption", "ann", "2"]


@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4), st.sampled_from("_-. "))
def test_a_comment_with_a_secrets_name_is_read(words: list[str], between: str) -> None:
    """Comments without a part of such a name are not read as YAML."""
    name = between.join(words)
    assert masking._CUE.search(name) or not names_a_secret(name)


def test_parameters_hide_what_yaml_hides() -> None:
    """Lists and mappings go to the record as values, too; those without a secret keep their type."""
    values = {"args": ["--password", SECRET], "auth": ["me", SECRET], "env": [{"name": "PASSWORD", "value": SECRET}]}
    values |= {"headers.Authorization": f"Bearer {SECRET}", "plain": [1, 2], "pair": (1, "a"), "odd": ["a", Path("b")]}
    values["https://me:pw@h"] = [f"token={SECRET}"]
    shown = masking.parameters(values)
    assert SECRET not in str(shown)
    assert {key: shown[key] for key in ("plain", "pair", "odd")} == {key: values[key] for key in ("plain", "pair", "odd")}
    assert shown["args"] == ["--password", "***"]
    assert shown["headers.Authorization"] == "Bearer ***"


def test_a_line_of_very_many_brackets_is_looked_at_once() -> None:
    """Which of them is still open is asked from the last that closes; it took 18 s."""
    begin = time.process_time()
    masking.document("# token: a: b " + "- [ " * 40_000 + "]\n# token: a: b\n")
    assert time.process_time() - begin < 6
