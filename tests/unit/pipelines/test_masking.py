"""Parameters and YAML go to the record without credentials; YAML stays YAML, and what is no secret keeps its bytes."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipelines import masking
from pipelines.record import entities
from pipelines.record.journal import Journal

SECRET = "s3cr3tW0rd"  # noqa: S105 - it is nobody's
ADDRESS = f"https://me:{SECRET}@host.example/data.zip?token={SECRET}"
SHOWN = "https://***@host.example/data.zip?token=***"
KEPT = Path(__file__).parents[3] / "params.yaml"
PLAIN = st.sampled_from(
    ["a", "seed", "7", "0.5", "null", "yes", "é: ü", "# no", "a b", "- x", "&x", "", "it's", 'a"b', "x\ny\n"]
)
SECRETS = st.sampled_from([ADDRESS, f"curl -u me:{SECRET} h", f'{{"token": "{SECRET}"}}', f"password={SECRET}"])
VALUES = PLAIN | SECRETS | st.integers(0, 99) | st.booleans() | st.none()
TREES = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd") | PLAIN, inner, max_size=4)
)


def _masked(tree: Any) -> Any:
    """Mask value by value, as the document should be: a second way that knows no text."""
    if isinstance(tree, dict):
        return {key: _masked(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_masked(value) for value in tree]
    return masking.redact(tree) if isinstance(tree, str) else tree


@given(TREES, st.booleans() | st.none(), st.sampled_from([20, 80, 1000]))
def test_a_document_means_what_it_meant_but_for_its_secrets(tree: Any, flow: bool | None, width: int) -> None:
    """In blocks, in brackets, folded, quoted or not: it reads back as its values masked one by one."""
    text = yaml.safe_dump({"root": tree}, default_flow_style=flow, width=width, allow_unicode=True)
    shown = masking.document(text)
    assert yaml.safe_load(shown) == {"root": _masked(tree)}
    assert SECRET not in shown
    assert shown == text or SECRET in text


def test_comments_anchors_and_names_count() -> None:
    """A secret in a comment goes, an anchor stays, and what is given to a secret's name is hidden whatever it is."""
    text = (
        f"# from {ADDRESS}\r\na: &x {ADDRESS}  # {ADDRESS}\r\nb: *x\r\npassword: 12345678\r\nc: |\r\n  {ADDRESS}\r\nd: 1\r\n"
    )
    shown = masking.document(text)
    assert SECRET not in shown
    assert "12345678" not in shown
    assert yaml.safe_load(shown) == {"a": SHOWN, "b": SHOWN, "password": "***", "c": f"{SHOWN}\n", "d": 1}
    assert shown.startswith(f"# from {SHOWN}\r\na: &x ")
    assert shown.endswith("\nd: 1\r\n")


COMMENTED = [f"password: {SECRET}", f"db: {{user: ann, password: {SECRET}}}", f"API_KEYS: [{SECRET}, {SECRET}2]",
             f"api_keys:\n  - {SECRET}\n  - {SECRET}2", f"secrets:\n  db: {SECRET}"]  # fmt: skip


@pytest.mark.parametrize("text", COMMENTED)
def test_what_is_commented_out_is_hidden_as_if_it_were_not(text: str) -> None:
    """A value tried before is a secret still; what stands around it, and counts of tokens or keys, stays."""
    lines = "".join(f"# {line}\n" for line in text.split("\n"))
    for written in (f"{text}\nseed: 7\n", f"{lines}seed: 7  # max_tokens: 123456\n", f"a:\n  b: 1\n{lines}  c: 2\n"):
        shown = masking.document(written)
        assert SECRET not in shown
        assert yaml.safe_load(shown).keys() == yaml.safe_load(written).keys()
        assert shown.count("\n") == written.count("\n")
        assert ("ann" in shown) == ("ann" in written)
    plain = "# max_tokens: 123456\ntokens_per_image: 123456  # keypoints: [123456]\nimage_keys: [a123456]\n"
    assert masking.document(plain) == plain


def test_a_document_and_its_parameters_hide_the_same() -> None:
    """A secret's name may be any key above a value: both go to the record, and one must not tell what the other hides."""
    tree = {
        "secrets": {"db": SECRET},
        "password": {"first": SECRET},
        "headers": {"credentials": {"value": SECRET}},
        "seed": 7,
    }
    shown = yaml.safe_load(masking.document(yaml.safe_dump({"mine": tree})))["mine"]
    flat = {
        f"mine.{key}.{inner}": value for key, part in tree.items() if isinstance(part, dict) for inner, value in part.items()
    }
    assert SECRET not in str(shown)
    assert SECRET not in str(masking.parameters({key: value for key, value in flat.items() if isinstance(value, str)}))
    assert shown["seed"] == 7


def test_what_is_no_yaml_is_masked_all_the_same() -> None:
    """A broken file is the stages' to report; its copy holds no secret either."""
    assert masking.document(f"a: [{ADDRESS}\nb: {{") == f"a: [{SHOWN}\nb: {{"


def test_the_projects_own_parameters_keep_their_bytes() -> None:
    """Nothing in them looks like a secret."""
    text = KEPT.read_text(encoding="utf-8")
    assert masking.document(text) == text


def test_a_journal_holds_no_secret_that_mlflow_would_show(tmp_path: Path) -> None:
    """Parameters, tags, notes, messages and the copies of params.yaml and dvc.lock; names and hashes stay as they were."""
    journal = Journal(tmp_path / "a.jsonl")
    journal.write(
        "open", name="a", experiment="e", tags={"command": f"x --password {SECRET}", "rawline.stage": "token=abcdefg"}
    )
    journal.write(
        "params", values={"acquire.source": ADDRESS, "db.password": 12345678, "seed": 7, "names": f'["{ADDRESS}"]'}
    )
    journal.write("tags", values={"where": ADDRESS})
    journal.write("note", text=f"read {ADDRESS}")
    journal.write("end", status="FAILED", message=f"no answer from {ADDRESS}")
    for name in ("params.yaml", "dvc.lock", "plain.txt"):
        (tmp_path / name).write_text(f"acquire:\n  source: {ADDRESS}\n  seed: 7\n")
        journal.keep(tmp_path / name)
    first, params, tags, note, end = (event for event, _ in journal.events() if event["kind"] != "artifact")
    assert first["tags"] == {"command": "x --password ***", "rawline.stage": "token=abcdefg"}
    assert params["values"] == {"acquire.source": SHOWN, "db.password": "***", "seed": 7, "names": json.dumps([SHOWN])}
    assert (tags["values"], note["text"], end["message"]) == ({"where": SHOWN}, f"read {SHOWN}", f"no answer from {SHOWN}")
    for name in ("params.yaml", "dvc.lock"):
        (kept,) = journal.files.rglob(name)
        assert yaml.safe_load(kept.read_text()) == {"acquire": {"source": SHOWN, "seed": 7}}
        assert SECRET in (tmp_path / name).read_text()


@pytest.mark.parametrize(("name", "value", "shown"), [
    ("acquire.source", ADDRESS, SHOWN), ("acquire.token", SECRET, "***"), ("finetune.epochs", 7, "7"), ("token", 512, "512"),
])  # fmt: skip
def test_no_parameter_of_a_registered_version_is_a_secret(name: str, value: Any, shown: str) -> None:
    """They come from dvc.lock, not from a journal, and pass the same gate."""
    (found,) = entities.params({name: value})
    assert (found.key, found.value) == (name, shown)


@pytest.mark.parametrize(
    "text",
    [
        "db:\n  password: &pw Zx9qKf3Lm8\nlog:\n  words: [connect, *pw]\n",
        "password: &x Zx9qKf3Lm8\nb: *x\n",
        "a: &x Zx9qKf3Lm8\npassword: *x\n",
        "secrets: &s {a: Zx9qKf3Lm8}\nplain: *s\n",
        "plain: &s {a: Zx9qKf3Lm8}\nsecrets: *s\n",
    ],
)
def test_a_value_of_two_names_is_hidden_by_either(text: str) -> None:
    """An anchor of a secret goes, whatever else it is used for."""
    assert "Zx9qKf3Lm8" not in masking.document(text)
