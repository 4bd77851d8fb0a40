"""Of several secrets in one variable of the environment each is masked, and what they are called is not."""

import pytest

from pipelines import redaction


@pytest.mark.parametrize(
    "value",
    [
        '{"classify": "s3cr3t-abc", "detect": "other-s3cr3t"}', '{"classify":"s3cr3t-abc","detect":["other-s3cr3t"]}',
        "{'classify' : b's3cr3t-abc', 'detect': 'other-s3cr3t'}",
        '{"a": {"classify": "s3cr3t-abc"}, "detect": "other-s3cr3t"}',
        '{\\"classify\\": \\"s3cr3t-abc\\", \\"detect\\": \\"other-s3cr3t\\"}',
        "{classify: s3cr3t-abc, detect: other-s3cr3t}", "{classify: 's3cr3t-abc', detect: 'other-s3cr3t'}",
        "classify: s3cr3t-abc\ndetect:\n  - other-s3cr3t\n", "classify=s3cr3t-abc,detect=other-s3cr3t",
        "classify = s3cr3t-abc; detect = other-s3cr3t", 'classify="s3cr3t-abc" detect="other-s3cr3t"',
        "{classify=s3cr3t-abc, detect=other-s3cr3t}", "classify:s3cr3t-abc|detect:other-s3cr3t", "[classify = s3cr3t-abc]",
    ],
)  # fmt: skip
def test_of_pairs_in_one_variable_only_the_values_are_hidden(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they are called is a task's name as well."""
    monkeypatch.setenv("API_KEYS", value)
    text = "evaluate@classify done, register@detect, classify=0.9, detect: 0.8 'classify'"
    assert redaction.redact(text) == text
    assert redaction.redact("login (s3cr3t-abc) failed") == "login (***) failed"
    if "other" in value:
        assert redaction.redact(f"{text} (other-s3cr3t)") == f"{text} (***)"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("c2VjcmV0MQ== b3RoZXIxMg==", ["c2VjcmV0MQ==", "b3RoZXIxMg=="]), ('["c2VjcmV0MQ=", "b3RoZXIxMg="]', ["c2VjcmV0MQ="]),
        ("first-token-1:x9,second=tok", ["first-token-1:x9", "second=tok"]), ('{"db": "a,b;c d"}', ["a,b;c d"]),
        ('{"db": "a: b \\"c\\" d"}', ['a: b "c" d']), ("it's-token-1, that's-token-2", ["it's-token-1", "that's-token-2"]),
    ],
)  # fmt: skip
def test_what_is_no_name_of_a_pair_stays_hidden_whole(value: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret may end in = as base64 does, and hold signs that part others."""
    monkeypatch.setenv("API_KEYS", value)
    for word in words:
        assert word not in redaction.redact(f"login ({word}) failed")


@pytest.mark.parametrize("part", ["\\", '"', "'a\"", '\\"', "a: ", "a =", "a", "a=", '"a":', "{", " "])
def test_the_time_grows_with_the_length_alone(part: str) -> None:
    """A variable may hold 128 KiB, and its signs may open whatever they like; it would take minutes."""
    value = part * (120_000 // len(part))
    assert value in redaction.secrets({"API_KEYS": value})
