"""No text that is shown or kept holds a secret of an address, of a query, of a header or of the environment."""

import contextlib
import json
import re
import string
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from pipelines import redaction

SECRET = "s3cr3tW0rd"  # noqa: S105 - it is nobody's
LETTERS = string.ascii_letters + string.digits + "-._~%:/+@?#!$&*()[]{}|^`\\,;="  # all but what ends a word


@given(
    st.sampled_from(["http", "https", "postgresql", "mysql+pymysql", "s3", "ssh"]),
    st.text(LETTERS.replace(":", "").replace("/", ""), max_size=8),
    st.text(LETTERS, max_size=20),
    st.sampled_from(["", ":5000", "/a/b", "/a@b", ":5000/x?y=1"]),
)
def test_no_password_of_an_address_is_shown(scheme: str, user: str, password: str, rest: str) -> None:
    """Whatever it consists of and wherever the address stands; the host stays readable."""
    word = f"Q{password}Q"
    shown = redaction.redact(f"MLflow at '{scheme}://{user}:{word}@zzhost{rest}' failed")
    assert word not in shown
    assert shown.startswith(f"MLflow at '{scheme}://***@")
    assert "zzhost" in shown or "@" in rest


@given(st.text(LETTERS, max_size=12), st.sampled_from(["@", "/", "@/", "/@"]), st.text(LETTERS, max_size=12))
@example("p", "@", "ss/w0rd")
def test_a_password_with_an_at_sign_and_a_slash_is_hidden_whole(first: str, sign: str, second: str) -> None:
    """Not percent-encoded, as people write it: neither of its halves is shown."""
    word = f"Q{first}{sign}{second}Q"
    assert redaction.redact(f"http://me:{word}@127.0.0.1:1 failed") == "http://***@127.0.0.1:1 failed"


@given(
    st.text(LETTERS + " '\"<>é", min_size=4, max_size=20),
    st.sampled_from(["MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_URI"]),
)
def test_a_password_of_the_environment_is_hidden_in_every_form(password: str, name: str) -> None:
    """Plain, percent-encoded in whole or in part, in capitals or not, with + for a space, in quotes."""
    word = f"Q{password}Q"
    value = f"http://me:{quote(word, safe='')}@host" if name.endswith("URI") else word
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", "me")
        patch.setenv(name, value)
        forms = [word, quote_plus(word), repr(word)[1:-1], json.dumps(word, ensure_ascii=False)[1:-1]]
        forms += [quote(word, safe=kept) for kept in ("", "/", "@", "/:", "!$&'()*+,;=")]
        forms += [re.sub("%..", lambda code: code[0].lower(), form) for form in forms[-5:]]
        for form in forms:
            assert redaction.redact(f"login with ({form}) failed") == "login with (***) failed"


PIECES = [
    "http://",
    "s3+x.y-z://",
    "1http://",
    "://",
    ":",
    "/",
    "@",
    "?",
    "#",
    "a",
    "b7",
    "5000",
    ":5000/",
    " ",
    "'",
    "<",
    ",",
    "=",
    "&",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.lists(st.sampled_from(PIECES), max_size=12))
def test_a_password_is_hidden_wherever_its_address_stands(before: list[str], after: list[str]) -> None:
    """Behind and before whatever signs, words and other addresses, within a word or not."""
    shown = redaction.redact(f"{''.join(before)}http://me:{SECRET}@host{''.join(after)}")
    assert SECRET not in shown


INSIDE = r"(?<=[^\s([{,=:;|<>'\"])['\"](?=[^\s)\]},.:;|<>'\"])"  # a quote between signs that neither open nor close
RULE = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?:"
    rf"(?=(?:[^\s/:'\"<>]|{INSIDE})*:(?!\d+[/?#])(?:[^\s'\"<>]|{INSIDE})*@)(?:[^\s'\"<>@]|{INSIDE})*@"
    rf"(?:(?:(?!(?<=[=,;|&?(])[a-z][a-z0-9+.-]*://)(?:[^\s'\"<>]|{INSIDE}))*@)?"
    rf"|(?:[^\s/?#'\"<>]|{INSIDE})*@)",
    re.IGNORECASE,
)


@given(st.lists(st.sampled_from([piece for piece in PIECES if piece != "://"]), max_size=24))
def test_text_is_masked_as_one_pattern_over_all_of_it_would(pieces: list[str]) -> None:
    """The pattern without bounds is the reference: what is hidden, and what stays readable, is the same."""
    text = "".join(pieces)
    assert redaction.redact(text) == RULE.sub(r"\g<scheme>***@", text)


@pytest.mark.parametrize(
    "text",
    [
        "http://" + "a" * 20_000 + ":b/c" * 2_000, "a" * 200_000, "http://a:b/" * 20_000, "http://me:" * 20_000 + "@h",
        "x@" * 50_000 + "http://a:b/" * 10_000, "?" + "token" * 40_000, "authorization" + " " * 100_000,
        "token_" * 40_000 + "=", "a='" * 50_000, 'password="' * 20_000, "authorization: token " * 10_000,
        "pa'" * 50_000, "x-token:" * 20_000, "-token: " * 20_000,
        'password=\\"' * 20_000, "password = " * 20_000, " " * 200_000, "-u a:" * 20_000, "--password " * 20_000,
        "AWS4-HMAC-SHA256 " * 5_000, "curl " * 40_000, "curl -" + "s" * 200_000, "curl -u '" * 20_000,
        "{password: " * 20_000,
        "# " * 100_000, " # password: " * 20_000, "password=[" * 20_000, "secrets:\n - a\n" * 10_000,
        "{password: " + "a " * 99_000,
        "password:\n" * 20_000, "\\" * 200_000, "password" + "\\" * 200_000,
    ],
)  # fmt: skip
def test_each_sign_is_looked_at_once(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pattern of addresses goes over no sign twice, and each word ends where its open end finds what it looks for."""
    looked: list[int] = []
    pattern = redaction._USER

    class Counted:
        def search(self, word: str, start: int, stop: int) -> re.Match[str] | None:
            assert word[stop - 1] == "@"
            found = pattern.search(word, start, stop)
            looked.append((found.end() if found else stop) - start)
            return found

    monkeypatch.setattr(redaction, "_USER", Counted())
    redaction.redact(text)
    assert sum(looked) <= len(text)
    assert pattern.pattern.startswith("(?<=[a-z0-9+.-])://"), "it begins at a sign, not with a run of any length"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("git+ssh://git@github.com/org/repo.git@1a2b3c", "git+ssh://***@github.com/org/repo.git@1a2b3c"),
        ("https://me@host:5000/models/name@champion", "https://***@host:5000/models/name@champion"),
        ("https://a:b@h1/x?next=https://c:d@h2/y", "https://***@h1/x?next=https://***@h2/y"),
        ("https://me@h1/https://c:d@h2/y", "https://***@h1/https://***@h2/y"),
        ("http://[::1]:5000/api/name@champion", "http://[::1]:5000/api/name@champion"),
        ("http://me:pw@[::1]:5000/api", "http://***@[::1]:5000/api"),
        ("postgresql://me:2024/Winter@host/db", "postgresql://***@host/db"),
        ("mysql+pymysql://me:4711?Winter@host/db", "mysql+pymysql://***@host/db"),
        ("http://host:5000/a@b", "http://host:5000/a@b"),
    ],
)
def test_a_mask_takes_the_user_and_leaves_the_host(text: str, shown: str) -> None:
    """A user alone ends before the host, a password before the next address; figures are a port, but to SQLAlchemy."""
    assert redaction.redact(f"see {text} there") == f"see {shown} there"


@given(
    st.sampled_from(["http", "https", "postgresql", "mysql+pymysql"]),
    st.text(LETTERS + " '\"<>é", min_size=4, max_size=20),
)
@example("http", "it'sS3cret")
@example("postgresql", "2024/Winter")
@example("postgresql", "4711?Winter")
@example("postgresql", 'a"bWinter')
@example("postgresql", "a bWinter")
def test_a_password_with_which_an_address_works_is_hidden(scheme: str, password: str) -> None:
    """Whatever the library that opens it takes for one: in its address and by itself."""
    value = f"{scheme}://me:{password}@host:5000/db"
    with contextlib.suppress(ValueError, ArgumentError):
        found = urlsplit(value).password if scheme.startswith("http") else make_url(value).password
        if found and len(str(found)) >= redaction.SHORTEST:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("MLFLOW_TRACKING_URI", value)
                shown = redaction.redact(f"MLflow at {value} refused ({found})")
            assert str(found) not in shown
            assert shown.endswith("(***)")


@given(st.text(LETTERS + "@@//::", max_size=30), st.sampled_from(["http://", "https://me@", "https://me:pw@"]))
def test_a_link_leads_to_the_host_that_urllib_sees_or_stays_masked(text: str, begin: str) -> None:
    """It never names a host of its own."""
    uri = f"{begin}zzhost/{text}"
    made = redaction.link(uri)
    assert redaction.MASK in made or urlsplit(made).netloc == "zzhost"


@pytest.mark.parametrize(
    "text",
    [
        "http://host/api?token={}&page=1", "https://host/x?a=1&api_key={}", "https://h/?X-Amz-Signature={}",
        "Authorization: Bearer {}", "{{'authorization': 'Basic {}'}}", "https://{}@host/repo.git",
        "Authorization: Token {}", "{{'Authorization': 'token {}'}}", 'authorization: Token token="{}"', "X-Api-Key: {}",
        "curl -H 'x-vault-token: {}' h", "{{'X-Auth-Token': '{}'}}", "http://h/#access_token={}&state=1",
        "http://me:pa'{}@h", "see 'http://me:pa\"s's{}@h' there", "https://me:a!'{}@h/x", "https://h/?token=it's{}",
        "password={}", "connect(user=a, password='{}', host=b)", "--db-password={} --port=1", "DB_PASS={}", 'api_key="{}"',
        "OPENAI_KEY={}", "spring.datasource.password={}", "{{'password': 'a \\'{}'}}", "token={}, x=1", "(secret={})",
        '{{\\"password\\": \\"{}\\"}}', '{{\\"password\\": \\"a\\\\\\"{}\\"}}',
        "{{'password': b'{}'}}", '{{"password":8{}, "x": 1}}', "password = {}",
        "[default]\naws_secret_access_key = {}\nx=1", "[db]\npassword = '{}' ; of ann", "password: {}",
        "db:\n  - password: {}  # ann's",
        "login --password {} --port=1", "--api-key '{}' there", "curl -u me:{} h",
        "curl --proxy-user 'me:{}' h", "curl --user=me:{} h",
        "curl -ume:{} h", "curl -sSLume:{} h", "curl -su me:{} h", "curl -s \\\n -Ume:{} h", "curl -u 'me:a {}' h",
        "curl -u :{} h",
        "['curl', '-ume:{}', 'h']", "['curl', '-s', '-u', 'me:{}']",
        "{{password: {}, user: ann}} there", "{{user: ann, password: {}}} there",
        "{{password: a {}, x: 1}} h",
        "a: {{b: {{api_key: {}}}, c: [1, 2]}} there", '{{"password": {}, user: ann}} h', "{{user: ann,\n password: {}}}",
        "# password: {}", "seed: 7  # password: {}", "  ## - password: {}", "# db: {{password: {}, user: ann}} there",
        "API_KEYS: [{0}, {0}]", '{{"api_keys": ["{}", "b"], "x": 1}} h', "{{'passwords': ['a b', '{}']}} there",
        "API_KEYS=[b,{}] h",
        "secrets: {{db: {}}}", "api_keys:\n  - {0}\n  - {0}\nx=1", "# api_keys:\n#   - {}\n# x=1", "secrets:\n  db: {}\nx=1",
    ],
)  # fmt: skip
def test_tokens_are_not_shown(text: str) -> None:
    """Tokens in queries, headers and before the host are masked, and what is given to a secret's name; not what follows."""
    shown = redaction.redact(text.format(SECRET))
    assert SECRET not in shown
    assert "user: ann" not in text or "user: ann" in shown
    for rest in ("page=1", "state=1", "host=b)", " --port=1", "x=1", " there", " h", "/repo.git"):
        assert shown.endswith(rest) or not text.endswith(rest)


AWS = "Authorization: AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260101/x/s3/aws4_request, SignedHeaders=host, Signature="


def test_what_signs_a_request_is_not_shown() -> None:
    """Amazon's header has a comma and a blank between its parts."""
    shown = redaction.redact(f"{AWS}{'0f' * 32}\nHost: zzhost")
    assert "0f0f" not in shown
    assert shown.endswith("SignedHeaders=host, Signature=***\nHost: zzhost")


PLAIN = [
    "http://127.0.0.1:5000/#/x@y", "models:/m@champion", "me@home.org", "a: b@c", "sqlite:////a/b@c.db", str(Path.cwd()),
    "Authorization: token expired", "the api-key: see docs/record.md", "password: it's wrong", "no password given",
    "max_tokens=4096", "pad_token=[PAD]", "token=None, password=None", "use_auth_token=True", "PWD=/home/me/project",
    "bypass=always", "compass=northern", "sort_key=created", "cache_key=data/raw", "SECRET_NAME=somewhere", "eos_token=2",
    "a password = 4 words", "{'token_count': '123456', 'sort_key': 'created'}", "it's 'http://h:80' and me@home",
    "f'{a}' @b", '{"PASS": "green", "FAIL": "red"}', "PASS=3", "set `PASSWORD=` and", "password=***",
    "--token-file=/run/secrets/it", "password=", "secret=''", "docker run -u 1000:1000 image", "fetch -u https://host/x",
    "pad_token: [PAD]", '{"token": 7, "tokens": 123456}', "  accuracy: 0.913",
    "# the password: see docs/record.md", "# password: it's wrong",
    "no luck, password: wrong, try it", "# tokens_per_image: 123456", "{max_tokens: 123456, keypoints: [123456, 7]}",
    "API_KEYS: []", "max_api_tokens: [123456]", "image_keys: [created, changed]", "special_tokens:\n  - '[BEGIN]'\n",
    "secrets:\n  file: /run/secrets/it\n", "password:\n  must be longer", "docker run -u1000:1000 image", "sort -u:{}",
    "curl -o a:b h", "--token-file it", "rawline.signature = 0123abcdef",
]  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_plain_text_stays_as_it_is(text: str) -> None:
    """Addresses without credentials, mail addresses, aliases, paths and sentences about secrets are shown whole."""
    assert redaction.redact(text) == text


NAMES = ["password", "token_", "-", "_", '"', "\\", "x-api-key: ", "s3cr3t", "\n", ": ", "-u "]
NAMES += ["curl -su", "{", "}", "[", "]", ", ", "# ", "\n - "]


@given(st.lists(st.sampled_from([*PIECES, *NAMES]), max_size=24))
def test_what_was_masked_stays_as_it_is(pieces: list[str]) -> None:
    """A text that goes through two hands, a log and a screen, loses nothing more."""
    once = redaction.redact("".join(pieces))
    assert redaction.redact(once) == once


def test_secrets_of_the_environment_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token or password by itself, as a library's exception may hold it, quoted or in base64, is masked."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:p%40ssw0rd@host")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", SECRET)
    monkeypatch.setenv("PREFECT_API_KEY", "pnu_123456")
    for word in (SECRET, "p@ssw0rd", "p%40ssw0rd", "bWU6cEBzc3cwcmQ=", "pnu_123456"):
        assert word not in redaction.redact(f"failed with ({word}) in it")


@pytest.mark.parametrize(("name", "value"), [
    ("MLFLOW_TRACKING_URI", f"mssql+pyodbc:///?odbc_connect=DRIVER%3D%7BODBC+18%7D%3BUID%3Dann%3BPWD%3D{SECRET}%3BEncrypt%3Dyes"),
    ("MLFLOW_TRACKING_URI", f"mssql+pyodbc:///?odbc_connect=UID%3Dann%3BPWD%3D{SECRET}"),
    ("MLFLOW_TRACKING_URI", f"mssql+pyodbc:///?odbc_connect=UID%3Dann%3BPWD%3D%7Ba%3B{SECRET}%7D"),
    ("CONNECTION", f"Driver=x;UID=ann;PWD={{a;{SECRET}}};Encrypt=yes"),
    ("AZURE_STORAGE_CONNECTION_STRING", f"DefaultEndpointsProtocol=https;AccountName=ann;AccountKey={SECRET}==;E=x"),
])  # fmt: skip
def test_connection_strings_are_shown_without_their_secrets(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """In the address of a SQL server too; by themselves and in what a library says of them, the rest stays readable."""
    shown = redaction.redact(f"no answer from {value} here")
    assert SECRET not in shown
    assert shown.startswith("no answer from ")
    assert shown.endswith(" here")
    assert "ann" in shown or "CONNECTION" not in name
    assert not value.endswith("yes") or shown.endswith("yes here")
    monkeypatch.setenv(name, value)
    assert SECRET not in redaction.redact(f"login failed ({unquote(value)})")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("http://tok3n-abcdef0123@host", ["tok3n-abcdef0123"]),
        ("http://me:pw@host/x", ["me:pw", "bWU6cHc="]),
        ("redis://:s3cret@host", ["s3cret"]),
        ("http://a:b1@one,http://me:hunter22@two", ["a:b1", "me:hunter22", "hunter22"]),
        ("postgresql://me:p/w@rd77@host/db", ["p/w@rd77", "me:p/w@rd77"]),
        ("http://t%C3%B6ken-1@host", ["töken-1", "t%C3%B6ken-1"]),
    ],
)
def test_whatever_stands_before_a_host_is_not_shown(uri: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without a password, short or long, in each address of a list, whatever the variable is called."""
    monkeypatch.setenv("SOMEWHERE", uri)
    for word in words:
        shown = redaction.redact(f"failed for {uri} ({word})")
        assert word not in shown
        assert shown.startswith("failed for ")
        assert shown.endswith("(***)")


def test_each_of_several_secrets_in_one_variable_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library names the one that it used; a password with a comma is one."""
    monkeypatch.setenv("GITHUB_TOKENS", "first-token-1, second-token-2")
    monkeypatch.setenv("DB_PASSWORD", "before,afterwards")
    assert redaction.redact("(first-token-1) (second-token-2) (afterwards)") == "(***) (***) (afterwards)"
    monkeypatch.setenv("API_KEYS", '["sk-abcdefgh1", "sk-zyxw12345"]')
    monkeypatch.setenv("GITLAB_TOKENS", "a=named-token-1,b:named-token-2")
    assert redaction.redact("sk-zyxw12345 (named-token-1) named-token-2") == "*** (***) ***"


def test_a_user_name_that_stands_in_paths_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the person who runs it, and ssh's git, are no secrets; in the address they are left out all the same."""
    monkeypatch.setenv("USER", "annamaria")
    monkeypatch.setenv("ORIGIN", "ssh://annamaria@host/x git+ssh://git@host/y")
    assert redaction.redact("/home/annamaria/git") == "/home/annamaria/git"
