"""No output of a command, and no file that it leaves, holds a secret of an address or of the environment."""

import base64
import contextlib
import io
import json
import re
import socket
import string
import sys
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from pipelines import redaction
from tests.pipeline import toy

SECRET = "s3cr3tW0rd"  # noqa: S105 - it is nobody's
LETTERS = string.ascii_letters + string.digits + "-._~%:/+@?#!$&*()[]{}|^`\\,;="  # all but what ends a word


@pytest.fixture
def port() -> int:
    """A port of loopback where nothing answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


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
    ],
)  # fmt: skip
def test_tokens_are_not_shown(text: str) -> None:
    """Tokens in queries, headers and before the host are masked, and what is given to a secret's name; not what follows."""
    shown = redaction.redact(text.format(SECRET))
    assert SECRET not in shown
    for rest in ("page=1", "state=1", "host=b)", " --port=1", "x=1", " there", " h", "/repo.git"):
        assert shown.endswith(rest) or not text.endswith(rest)


PLAIN = [
    "http://127.0.0.1:5000/#/x@y", "models:/m@champion", "me@home.org", "a: b@c", "sqlite:////a/b@c.db", str(Path.cwd()),
    "Authorization: token expired", "the api-key: see docs/record.md", "password: it's wrong", "no password given",
    "max_tokens=4096", "pad_token=[PAD]", "token=None, password=None", "use_auth_token=True", "PWD=/home/me/project",
    "bypass=always", "compass=northern", "sort_key=created", "cache_key=data/raw", "SECRET_NAME=somewhere", "eos_token=2",
    "a password = 4 words", "{'token_count': '123456', 'sort_key': 'created'}", "it's 'http://h:80' and me@home",
    "f'{a}' @b", '{"PASS": "green", "FAIL": "red"}', "PASS=3", "set `PASSWORD=` and", "password=***",
    "--token-file=/run/secrets/it", "password=", "secret=''",
]  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_plain_text_stays_as_it_is(text: str) -> None:
    """Addresses without credentials, mail addresses, aliases, paths and sentences about secrets are shown whole."""
    assert redaction.redact(text) == text


@given(st.lists(st.sampled_from([*PIECES, "password", "token_", "-", "_", '"', "\\", "x-api-key: ", "s3cr3t"]), max_size=24))
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


@pytest.mark.parametrize("name", [
    "PGPASSWORD", "MYSQL_PWD", "SSHPASS", "DB_PASS", "CLIENT_SECRET", "OIDC_SECRET_1", "GITHUB_TOKEN", "TOKEN_PROD",
    "AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "AWS_SECRET_ACCESS_KEY", "SSH_PRIVATE_KEY", "GPG_PASSPHRASE",
    "OPENAI_KEY", "GITHUB_PAT", "API_KEY_OPENAI", "MYPASS", "SLACK_WEBHOOK", "DISCORD_WEBHOOK_URL",
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
        "PASSES",
    ],
)  # fmt: skip
def test_other_variables_are_shown(name: str) -> None:
    """A folder, the place of a secret and words that only look alike."""
    assert not redaction.secrets({name: SECRET})


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


COMMANDS = {
    "sync": ["sync"],
    "doctor": ["doctor"],
    "register": ["register", "classify"],
    "predict": ["predict", "models:/m@champion", "a.png"],
    "predict an address": ["predict", f"http://me:{SECRET}@127.0.0.1:1/model", "a.png", "--trust"],
    "an unknown word": ["sync", f"--to=http://me:{SECRET}@127.0.0.1:1"],
    "repro": ["repro"],
}


@pytest.mark.slow
@pytest.mark.parametrize(("command", "scheme"), [*((name, "http") for name in COMMANDS), ("sync", "postgresql")])
def test_no_command_shows_or_keeps_a_secret(command: str, scheme: str, port: int, tmp_path: Path) -> None:
    """Against a server that does not answer: neither the screen nor any file below the project holds the password."""
    project = toy.make(tmp_path)
    uri = f"{scheme}://me:{SECRET}@127.0.0.1:{port}" + ("/db" if scheme == "postgresql" else "")
    project.env = {"MLFLOW_TRACKING_URI": uri, "PREFECT_API_URL": f"http://me:{SECRET}@127.0.0.1:{port}/api"}
    (tmp_path / "a.png").write_bytes(b"")
    done = project.rawline(*COMMANDS[command])
    assert SECRET not in done.stdout + done.stderr
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]
    assert command in ("sync", "repro") or done.returncode


SHOWS = """
import sys
from pathlib import Path
from pipelines import cli, predict
from stages.core.errors import DataError

def answers(name, paths, min_score, trust):
    yield {"task": "classify", "classes": ["cat", "dog"], "recipe": {}}
    for path in paths:
        found = {"width": 8, "height": 6, "label": "cat", "scores": {"cat": 0.75, "dog": 0.25}}
        yield predict.Result(path, None if path.stem == "bad" else found, "bad.png is missing")

predict.predict = answers
cli.main(sys.argv[1:])
"""
OUTPUTS = {
    "summary": ["summary"],
    "a table and a fault": ["predict", "m", "a.png", "bad.png"],
    "json": ["predict", "m", "a.png", "bad.png", "--json"],
    "a usage error": ["predict"],
    "an error": ["register", "nothing"],
}
HELD = {
    "a token": {"GITHUB_TOKEN": SECRET},
    "a password": {"MLFLOW_TRACKING_URI": f"http://me:{SECRET}@127.0.0.1:1"},
    "a token as user name": {"SOMEWHERE": f"https://{SECRET}@host/x"},
    "a short password": {"SOMEWHERE": "https://me:pw@host/x"},
}


@pytest.mark.parametrize("command", OUTPUTS)
def test_what_is_no_secret_is_printed_as_without_secrets(command: str, tmp_path: Path) -> None:
    """Whatever the environment holds, the bytes of both streams and the exit status are the same."""
    (tmp_path / "params.yaml").write_text("tasks: {classify: {}, detect: {}}\n")
    (tmp_path / "shows.py").write_text(SHOWS)

    def told(held: dict[str, str]) -> tuple[str, str, int]:
        done = toy.Project(tmp_path, {"PYTHONPATH": str(toy.HOME), **held}).run(
            sys.executable, "shows.py", *OUTPUTS[command]
        )
        return done.stdout, done.stderr, done.returncode

    plain = told({})
    assert plain[0] + plain[1]
    for name, held in HELD.items():
        if name == "a token" or command == "json":
            assert told(held) == plain, name
    if command == "json":
        assert [entry.get("label") for entry in json.loads(plain[0])] == ["cat", None]


def test_bytes_are_redacted_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes bytes, or wraps the stream below, shows no secret either; what is no text passes as it is."""
    monkeypatch.setenv("GITHUB_TOKEN", SECRET)
    below = io.BytesIO()
    screen = redaction.Screen(io.TextIOWrapper(below, "utf-8"))
    screen.buffer.write(f"a {SECRET} ".encode() + b"\xff\n")
    screen.writelines(["b ", SECRET])
    screen.flush()
    assert below.getvalue() == b"a *** \xff\nb ***"
    with pytest.raises(TypeError):
        screen.write(b"x")  # type: ignore[arg-type] - as a text stream does


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


def test_a_user_name_that_stands_in_paths_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the person who runs it, and ssh's git, are no secrets; in the address they are left out all the same."""
    monkeypatch.setenv("USER", "annamaria")
    monkeypatch.setenv("ORIGIN", "ssh://annamaria@host/x git+ssh://git@host/y")
    assert redaction.redact("/home/annamaria/git") == "/home/annamaria/git"


def test_prefects_login_is_masked_in_every_form_and_shown_on_demand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whole, its second half, in base64 as it is sent; only what its reader asked for shows it."""
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "rawline:w0rd-of-mine")
    sent = base64.b64encode(b"rawline:w0rd-of-mine").decode()
    for form in ("rawline:w0rd-of-mine", "w0rd-of-mine", sent):
        assert form not in redaction.redact(f"it sent {form} there")
    monkeypatch.setattr(sys, "stdout", redaction.Screen(sys.stdout))
    redaction.guard_screen()
    sys.stdout.write("rawline:w0rd-of-mine")
    redaction.reveal("type rawline:w0rd-of-mine")
    said = capsys.readouterr().out
    assert said.count("w0rd-of-mine") == 1
    assert "type rawline:w0rd-of-mine" in said
