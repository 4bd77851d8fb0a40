"""A name says whether its value is a secret: in a variable, a parameter, an option, a header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import redaction, secret_names

SECRET = "s3cr3tW0rd"  # noqa: S105 - it is nobody's


@pytest.mark.parametrize("name", [
    "PGPASSWORD", "MYSQL_PWD", "SSHPASS", "DB_PASS", "CLIENT_SECRET", "OIDC_SECRET_1", "GITHUB_TOKEN", "TOKEN_PROD",
    "AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "AWS_SECRET_ACCESS_KEY", "SSH_PRIVATE_KEY", "GPG_PASSPHRASE",
    "OPENAI_KEY", "GITHUB_PAT", "API_KEY_OPENAI", "MYPASS", "SLACK_WEBHOOK", "DISCORD_WEBHOOK_URL",
    "API_KEYS", "OPENAI_KEYS", "DB_PASSWORDS", "SSH_PASSPHRASES", "GITHUB_TOKENS", "ACCESS_TOKENS_PROD",
    "CLIENT_SECRETS", "WEBHOOK_URLS",
])  # fmt: skip
def test_a_variable_s_name_says_that_it_is_secret(name: str) -> None:
    """Whatever the service is called and whatever stands behind the word."""
    assert SECRET in redaction.secrets({name: SECRET})


@pytest.mark.parametrize(
    "name",
    [
        "PWD", "OLDPWD", "HF_TOKEN_PATH", "SECRET_NAME", "TOKENIZERS_PARALLELISM", "SORT_KEY", "COMPASS", "BYPASS",
        "LOWPASS",
        "AWS_ACCESS_KEY_ID", "API_KEY_FILE", "SSH_PUBLIC_KEY", "CACHE_KEY", "KEY", "PATH", "CDPATH", "WEBHOOK_PORT",
        "PASS", "GPG_KEY",
        "PASSES", "MAX_TOKENS", "SPECIAL_TOKENS", "IMAGE_KEYS", "REQUIRED_KEYS", "API_KEYS_FILE", "SSH_AUTHORIZED_KEYS",
    ],
)  # fmt: skip
def test_other_variables_are_shown(name: str) -> None:
    """A folder, the place of a secret and words that only look alike."""
    assert not redaction.secrets({name: SECRET})


PASSWORDS = [["password"], ["passwd"], ["passphrase"], ["secret"], ["client", "secret"], ["secrets"], ["passwords"]]
OTHERS = [
    ["api", "key"],
    ["apikey"],
    ["access", "token"],
    ["token"],
    ["secret", "access", "key"],
    ["account", "key"],
    ["credentials"],
    ["api", "keys"],
    ["apikeys"],
    ["access", "tokens"],
]
SERVICES = ["aws", "db", "mlflow", "tracking", "github", "my", "smtp", "x"]
USES = ["prod", "openai", "2", "base", "admin", "backup"]
ABOUT = [
    "length",
    "min_length",
    "max_length",
    "count",
    "file",
    "path",
    "name",
    "type",
    "url",
    "id",
    "ttl",
    "version",
    "limit",
]
NO_SECRETS = [  # words of training, of pictures and of data
    "tokenizer", "num_tokens", "max_tokens", "pad_token", "mask_token", "first_pass", "second_pass", "num_pass",
    "forward_pass", "two_pass", "lowpass", "bypass", "pass", "keypoints", "num_keypoints", "monkey", "turkey", "key",
    "image_key", "num_passes", "sort_key", "unit_key", "group_key", "primary_key", "public_key", "hotkey",
    "author", "passenger", "secretary",
    "tokens", "special_tokens", "input_tokens", "tokens_per_image", "access_tokens_per_day", "max_api_tokens",
    "num_api_keys", "keys", "image_keys", "sort_keys", "state_keys", "max_tokens_per_picture",
]  # fmt: skip
STYLES = {
    "snake": "_".join,
    "constant": lambda words: "_".join(words).upper(),
    "kebab": "-".join,
    "header": lambda words: "-".join(map(str.title, words)),
    "camel": lambda words: words[0] + "".join(map(str.title, words[1:])),
}


def _name(style: str, words: list[str]) -> str:
    """Write words as a name; a name of capitals has no words glued to one another."""
    return STYLES[style]([part for word in words for part in word.split("_")])


@given(
    st.sampled_from(sorted(STYLES)),
    st.lists(st.sampled_from(SERVICES), max_size=3),
    st.sampled_from(PASSWORDS + OTHERS),
    st.lists(st.sampled_from(USES), max_size=1),
)
def test_a_secret_is_masked_under_every_name_for_it(style: str, service: list[str], kind: list[str], use: list[str]) -> None:
    """Whatever it is called for, however its name is written, given by =, as an option or in a list of words."""
    name = _name(style, [*service, *kind, *use])
    assert secret_names.names_a_secret(name)
    assert redaction.secrets({name: SECRET}) == {SECRET}
    assert redaction.redact(f"{name}={SECRET} x") == f"{name}=*** x"
    assert redaction.redact(f"run --{name} {SECRET} x") == f"run --{name} *** x"
    assert redaction.redact(f"run --{name}={SECRET} x") == f"run --{name}=*** x"
    assert redaction.redact(f"['--{name}', '{SECRET}', 'x']") == f"['--{name}', '***', 'x']"


@given(
    st.sampled_from(sorted(STYLES)),
    st.lists(st.sampled_from(SERVICES), max_size=3),
    st.sampled_from(PASSWORDS + OTHERS),
    st.sampled_from(ABOUT),
)
def test_what_is_said_about_a_secret_is_shown(style: str, service: list[str], kind: list[str], about: str) -> None:
    """Its length, its place, its count: the last word says what a name is about."""
    name = _name(style, [*service, *kind, about])
    for text in (f"{name}=1234567 x", f"run --{name} 1234567 x"):
        assert redaction.redact(text) == text
    assert not redaction.secrets({name: "1234567"})


@given(st.sampled_from(sorted(STYLES)), st.sampled_from(NO_SECRETS), st.sampled_from(["", "length", "size", "2"]))
def test_a_word_that_only_looks_like_a_secret_is_shown(style: str, word: str, end: str) -> None:
    """A pass over data, a sign that pads, the key of a table and an animal, with a number or a measure behind."""
    name = _name(style, [word, *filter(None, [end])])
    for text in (f"{name}=image_id_2 x", f"{name}=0.1234567", f"run --{name} 1234567 x"):
        assert redaction.redact(text) == text


@pytest.mark.parametrize("end", ["-----END RSA PRIVATE KEY-----\nbye", ""])
def test_a_private_key_is_masked_whole(end: str) -> None:
    """With and without its last line, which a log may have cut."""
    begin = "see -----BEGIN RSA PRIVATE KEY-----"
    assert redaction.redact(f"{begin}\nMIIE{SECRET}\n{SECRET}==\n{end}") == f"{begin}***{end}"


@pytest.mark.parametrize(
    "text",
    [
        f"AWS_SECRET_ACCESS_KEY={SECRET}", f"MLFLOW_TRACKING_PASSWORD={SECRET}", f"--password {SECRET}", "--password ab",
        f"api_key={SECRET}", f"apikey={SECRET}", f"access_token={SECRET}", f"X-Api-Key: {SECRET}", f"me:{SECRET}@host",
        f"Authorization: Bearer {SECRET}", f"https://h/x?sv=2020-08-04&sig={SECRET}%3D&se=1", f"DB_PASSWORD_PROD={SECRET}",
    ],
)  # fmt: skip
def test_the_usual_ways_to_give_a_secret_are_masked(text: str) -> None:
    """A variable, an option, a header, a signed address; what stands around it stays."""
    shown = redaction.redact(f"a http://{text} b" if "@" in text else f"a {text} b")
    assert SECRET not in shown
    assert "***" in shown
    assert shown.startswith("a ")
    assert shown.endswith(" b")
