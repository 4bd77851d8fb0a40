"""Takes credentials out of whatever is shown or kept: a record, a log and a screen are read by others."""

import base64
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from urllib.parse import quote, unquote, urlsplit

from pipelines.secret_names import is_password, names_a_secret

MASK = "***"
SHORTEST = 6  # a shorter value of the environment, such as true, stands in too much else
_NAMES = r"(?:token|passw(?:or)?d|pwd|secret|(?:api|access|account)_?key|signature|sig|credentials?|auth|auth_string)"
_SEVERAL = re.compile(r"[^s]s[_-]?\d*$", re.IGNORECASE)
_QUOTE = r"(?<!\\)\\*+['\"]"  # also behind backslashes, as in JSON within JSON
_SIGNS = re.compile(rf"(?:{_QUOTE}|[\s,;|\[\]{{}}()])+")  # between several secrets
_NAMED = re.compile(  # one in quotes, or what it is called: in quotes, before a quote, before a colon or = with blanks
    rf"(?P<quote>{_QUOTE})(?P<quoted>(?:(?!(?<!\\)(?P=quote))[^\n])*+)(?P=quote)(?P<sign>\s*+[=:])?"
    r"|(?<![^\s,;|\[\]{}()])(?P<name>[^\s,;|\[\]{}()'\"=:]++)"
    r"(?:[=:](?=\\*+['\"][^\s,;|\[\]{}()'\"])|:\s++(?=\S)|\s++[=:]\s*+(?=\S))"  # base64 may end in = before a blank
)
_SLASH = re.compile(r"[/?#]")
_INSIDE = r"(?<![\s\[({,=:;|<>'\"])(?<!^)['\"](?![\s\])},.:;|<>'\"])(?!$)"  # a quote within a word is a password's
_BREAK = re.compile(rf"((?:(?!{_INSIDE})[\s'\"<>])+)")  # no address has these
_DATABASE = r"(?:postgres(?:ql)?|mysql|mariadb|mssql|oracle|cockroachdb|redshift|snowflake)(?:\+\w{1,40})?://"
_V6 = r"\[[0-9a-f.%]*:[0-9a-f:.%]*\](?::\d+)?[/?#]"
_USER = re.compile(  # where a user begins, in a word up to its last @: with a password, which may have / ? #, or alone
    r"(?<=[a-z0-9+.-])://"
    rf"(?:(?!{_V6})(?=(?P<password>[^/:]*:(?!\d+[/?#])))|(?=(?P<alone>[^/?#]*@)))"  # :5000/ is a port
    rf"|{_DATABASE}(?:(?!{_V6})(?=(?P<figures>[^/:]*:))|(?=(?P<token>[^/?#]*@)))",  # SQLAlchemy takes that for a password
    re.IGNORECASE,
)
_INNER = re.compile(r"(?<=[=,;|&?(])(?=[a-z][a-z0-9+.-]*://)", re.IGNORECASE)  # another address within a word begins
_QUERY = re.compile(  # of an address, and of a connection string, which may stand in one, percent-encoded
    rf"(?P<name>(?:[?&;#]|%3B|%26)[\w.-]*{_NAMES}(?:=|%3D))(?P<value>\{{[^{{}}\s]+\}}|%7B[^\s&]{{1,300}}?%7D"
    rf"|(?:(?!%3B|%26)(?:[^&;#\s'\"<>]|{_INSIDE}))+)",  # in braces a ; is the password's
    re.IGNORECASE,
)
_SIGN = r"[\w+/=.~-]"
_LIKELY = rf"(?={_SIGN}{{0,15}}\d|{_SIGN}{{16}})"  # no word of a sentence
_LONG = rf"(?={_SIGN}{{{SHORTEST}}}){_LIKELY}{_SIGN}++"
_SCHEME = r"(?:aws4-hmac-sha256|oauth2|[a-z][a-z-]{0,23}):?"
_PART = r"[a-z][\w-]*+=(?:\\*\"[^\"\n]*+\"|'[^'\n]*+'|[^\s,'\"=][^\s,'\"]*+)"  # response="...", as of digest
_HEADER = re.compile(
    rf"(?P<name>(?:api-?key|[a-z]-token)['\"]?\s*:\s*['\"]?{_LIKELY}){_SIGN}+",
    re.IGNORECASE,
)
_AUTHORIZATION = re.compile(  # in quotes all of it; in a text what is no word of a sentence
    r"(?<![a-z])(?P<name>authorization(?:\\*['\"])?\s*+[:=][ \t]*+)(?:"
    r"(?P<before>[bru]{0,2}(?P<quote>\\*['\"]))(?P<quoted>(?:(?!(?<!\\)(?P=quote))[^\n]){1,4096}+)(?=(?P=quote))"
    rf"|(?P<kind>['\"]?(?!aws4-|basic|bearer){_SCHEME}[ \t]++)(?P<parts>{_PART}(?:[ \t]*+,[ \t]*+{_PART})*+)"
    r"|(?P<scheme>\s*+['\"]?(?:(?:basic|bearer):?\s++"
    rf"|(?:token|api-?key|digest|negotiate)\s++{_LIKELY}"
    rf"|(?<![\r\n])(?!aws4-)(?:{_SCHEME}[ \t]++|(?!oauth2\b))(?={_LONG})))(?:{_SIGN}++(?:[ \t]++{_LONG})*+))",
    re.IGNORECASE,
)
_WITH_SCHEME = re.compile(rf"(?P<scheme>\s*+{_SCHEME}\s++)\S.*", re.IGNORECASE | re.DOTALL)
_KNOWN_BY_FORM = re.compile(_LONG)
_ITEMS = r"[\[{](?P<items>[^\[\]{}\n]++)(?=[\]}])"  # several values
_GIVEN = (  # a value: in quotes, behind b as in Python or behind backslashes as in JSON within JSON too, or up to a blank
    rf"(?:{_ITEMS}|[bruBRU]{{0,2}}(?:"
    r"(?P<quote>['\"])(?P<quoted>(?:\\.|(?!(?P=quote))[^\\\n])++)(?=(?P=quote))"
    r"|(?P<mark>\\+['\"])(?P<escaped>(?:(?!(?<!\\)(?P=mark))[^\n]){1,4096}+)(?=(?P=mark)))"
    rf"|(?P<plain>(?:[^\s&;#'\"<>]|{_INSIDE})++))"
)
_ASSIGNED = (  # a name with its value
    re.compile(  # in a command, a connection string, a table; JSON's numbers too
        r"(?<![\w-])(?P<key>[\w-]++)(?:=|\\*['\"]\s?:\s?(?=[bruBRU]{0,2}\\*['\"]|-?\d|[\[{]))" + _GIVEN
    ),
    re.compile(
        rf"(?<![\w-])(?P<key>[\w-]++)[ \t]{{1,16}}=[ \t]{{1,16}}{_GIVEN}(?=['\"\\\]}}]|[ \t]*+(?:[#;,\r\n]|$))"
    ),  # INI
    re.compile(  # YAML, also in a comment
        rf"(?:(?m:^)[ \t]*+(?:\#++[ \t]*+)?|(?<=[ \t])\#++[ \t]*+)(?:-[ \t]++)?(?P<key>[\w.-]++):[ \t]++"
        rf"{_GIVEN}(?=['\"\\\]}}]|[ \t]*+(?:[#\r\n]|$))"
    ),
    re.compile(  # YAML in brackets: a value ends at a comma or a bracket
        r"(?<=[\[{,])[ \t]*+['\"]?(?P<key>[\w.-]++)(?:['\"]:[ \t]*+|:[ \t]++)"
        r"(?:(?P<quote>['\"])(?P<quoted>(?:\\.|(?!(?P=quote))[^\\\n])++)(?=(?P=quote))|(?P<plain>[^\s,\[\]{}'\"][^,\[\]{}\n]*+))"
        r"(?=['\"]?[ \t]*+(?:[\]}]|,[ \t]*+(?:\r?\n|$|['\"]?[\w.-]++['\"]?:[ \t])))"
    ),
)
_LOGIN = re.compile(  # of curl; docker and chown take numbers there
    r"(?P<name>(?<!\S)(?:-u|--(?:proxy-)?user)(?:[ \t]{1,16}|=)['\"]?[^\s:'\"]{1,256}:)(?!//|\d+(?!\S))[^\s'\"]+"
)
_BLOCK = re.compile(  # YAML: a name and, below it, items or names with values; also where all of it is a comment
    r"(?m:^)(?P<lead>[ \t]*+(?:#++[ \t]*+)?)(?P<key>[\w.-]++):[ \t]*+"
    r"(?P<lines>(?:\r?\n(?P=lead)(?:[ \t]*+-[ \t]++|[ \t]++[\w.-]++:[ \t]++)[^\r\n]*+)++)"
)
_LINE = re.compile(r"(?P<before>\n[ \t#]*+(?:-[ \t]++)?(?:(?P<key>[\w.-]++):[ \t]++)?)(?P<value>[^\r\n]*+)")
_CURL = re.compile(r"\bcurl\b(?:\\\r?\n|[^\n])*+")
_CURLS = re.compile(  # there the option may stand among others and its value may follow at once; in a list of words, too
    r"(?P<name>(?<![^\s'\"])-[0-46aBfgGijJklLMnNOpqRsSvZ#]*+[uU](?:[ \t=]{0,16}|['\"],[ \t]?)"
    r"(?P<quote>\\*['\"])?[^\s:'\"]{0,256}:)"
    r"(?(quote)(?:(?!(?P=quote))[^\n])++|[^\s'\"]++)"
)
_AWS4 = re.compile(r"(?P<name>\bAWS4-HMAC-SHA256\b[^\n]{0,1000}?\bSignature=)[0-9a-f]{16,}", re.IGNORECASE)
DASHED = (  # a value, no option: with a figure, behind two dashes also with a capital or an odd sign
    r"-(?=[^\s='\"]{5})(?=[^\s='\"]*\d)(?:[^\s='\"-]|-(?=[^\s='\"]*(?:[A-Z]|[^\w\s='\".,:/-])))[^\s='\"]*+(?!=)"
)
_OPTION = re.compile(  # a command's option with its value, as a word of its own: in a shell's line, in a list of words
    rf"(?<![\w-])-{{1,2}}(?P<key>\w[\w-]*+)(?:[ \t]{{1,16}}+(?=[^-]|{DASHED})|['\"],\s?(?=['\"]))"
    r"(?:(?P<quote>['\"])(?P<quoted>(?:\\.|(?!(?P=quote))[^\\\n])++)(?=(?P=quote))|(?P<plain>[^\s'\"<>]++))"
)
_PRIVATE = re.compile(r"(?P<name>-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)(?:(?!-----)[\s\S])++")
_LITERAL = re.compile(r"none|true|false|null", re.IGNORECASE)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_NEXT = re.compile(r"(?<![\s,;|])[\s,;|]++(?=[a-z][a-z0-9+.-]*://)", re.IGNORECASE)  # between the addresses of a list


def redact(text: object) -> str:
    """Return text without user names and passwords of addresses, tokens in queries, and secrets of the environment.

    Example:
        >>> redact("http://me:s3cr3t@host:5000/api?token=abc&page=1 failed")
        'http://***@host:5000/api?token=***&page=1 failed'
    """
    shown = str(text)
    for pattern in _held(tuple(os.environ.items())):
        shown = pattern.sub(MASK, shown)
    shown = "".join(map(_without_user, _BREAK.split(shown)))
    for pattern in (_QUERY, _HEADER, _AWS4, _LOGIN, _PRIVATE):
        shown = pattern.sub(rf"\g<name>{MASK}", shown)
    shown = _AUTHORIZATION.sub(_without_key, shown)
    shown = _CURL.sub(lambda line: _CURLS.sub(rf"\g<name>{MASK}", line[0]), shown)
    for pattern in (*_ASSIGNED, _OPTION):
        shown = pattern.sub(_without_value, shown)
    return _BLOCK.sub(_without_lines, shown)


def is_secret(name: str, value: str) -> bool:
    """Tell whether a value is a secret by its name; of a token, which has many meanings, only one that is long enough.

    Example:
        >>> is_secret("db.password", "x"), is_secret("pad_token", "[PAD]"), is_secret("token", "None")
        (True, False, False)
    """
    short = len(value) < SHORTEST and not is_password(name)
    return not short and any(map(str.isalnum, value)) and not _LITERAL.fullmatch(value) and names_a_secret(name)


def authorization(value: str) -> str:
    """Return what a header ``Authorization`` holds with its scheme alone, and nothing of a key without one.

    Example:
        >>> [authorization(value) for value in ("GenieKey ab-12", "Digest user=me, response=ab", "0123-4567", "required")]
        ['GenieKey ***', 'Digest ***', '***', 'required']
    """
    if found := _WITH_SCHEME.fullmatch(value):
        return f"{found['scheme']}{MASK}"
    several = len(value.split()) > 1
    return MASK if several or _KNOWN_BY_FORM.search(value) else value


def _without_key(found: re.Match[str]) -> str:
    """Mask what a header says of who asks."""
    if found["quoted"]:
        return f"{found['name']}{found['before']}{authorization(found['quoted'])}"
    if found["parts"]:
        return f"{found['name']}{found['kind']}{MASK}" if _KNOWN_BY_FORM.search(found["parts"]) else found[0]
    return f"{found['name']}{found['scheme']}{MASK}"


def _without_value(found: re.Match[str]) -> str:
    """Mask what is given to a secret's name."""
    given = found.groupdict()
    kind = next(kind for kind in ("items", "quoted", "escaped", "plain") if given.get(kind))
    value = found[kind].rstrip(")]},.: \t") if kind == "plain" else found[kind]
    if not is_secret(found["key"], value):
        return found[0]
    begin = found.start(kind) - found.start()
    mask = f"{value[0]}{MASK}{value[0]}" if kind == "items" and value[0] in "'\"" else MASK
    return f"{found[0][:begin]}{mask}{found[0][begin + len(value) :]}"


def _without_lines(found: re.Match[str]) -> str:
    """Mask what stands below a secret's name, each value by its whole path."""

    def shown(line: re.Match[str]) -> str:
        path = f"{found['key']}.{line['key']}" if line["key"] else found["key"]
        return f"{line['before']}{MASK if is_secret(path, line['value']) else line['value']}"

    return found[0].removesuffix(found["lines"]) + _LINE.sub(shown, found["lines"])


@lru_cache(maxsize=8)
def _held(environment: tuple[tuple[str, str], ...]) -> tuple[re.Pattern[str], ...]:
    """Return patterns for the secrets of an environment, the longest first: a screen asks with each line."""
    return tuple(re.compile(_anywhere(secret)) for secret in sorted(secrets(dict(environment)), key=len, reverse=True))


def _without_user(word: str) -> str:
    end, shown = 0, []
    for first, last in _users(word):
        shown += [word[end:first], MASK]
        end = last
    return "".join([*shown, word[end:]])


def _users(word: str) -> Iterator[tuple[int, int]]:
    """Yield where user and password of each address in a word begin and end.

    With a password they end at the last @ before another address begins: it may hold an @, a / and whatever else. A user
    or token alone ends at the last @ before the path, which may hold an @ of its own.
    """
    start, stop = 0, word.rfind("@") + 1
    while start < stop and (found := _USER.search(word, start, stop)):
        first = found.end()
        kind = found.lastgroup
        if kind in ("alone", "token"):
            last = found.end(kind) - 1
        else:
            at = word.index("@", first)
            inner = _INNER.search(word, at, stop)
            last = word.rindex("@", first, inner.start() if inner else stop)
        yield first, last
        start = last + 1


def link(uri: str) -> str:
    """Return an address that can be followed and names nobody; one whose host is not certain stays masked.

    Example:
        >>> link("http://me:s3cr3t@host:5000/"), link("https://me@host/models/name@champion")
        ('http://host:5000/', 'https://host/models/name@champion')
        >>> link("https://me:s3cr/et@host/x")
        'https://***@host/x'
    """
    shown = redact(uri)
    with suppress(ValueError):  # no address to urllib
        _, user, host = urlsplit(uri).netloc.rpartition("@")
        if user and host:
            return re.sub(rf"(?<=//){re.escape(MASK)}@(?={re.escape(host)}(?:[/?#]|$))", "", shown, count=1)
    return shown


def secrets(environment: Mapping[str, str]) -> set[str]:
    """Return what the environment holds that must not be shown, in every form in which a library may write it.

    A short password counts with its user name only: by itself it would be found in too much else.

    Example:
        >>> sorted(secrets({"MLFLOW_TRACKING_URI": "http://me:p%40ssword@h", "MLFLOW_TRACKING_TOKEN": "abcdef"}))
        ['abcdef', 'bWU6cEBzc3dvcmQ=', 'me:p%40ssword', 'me:p@ssword', 'p%40ssword', 'p@ssword']
        >>> sorted(secrets({"PROXY": "http://me:pw@h", "REMOTE": "https://tok3n-abc@h"}))
        ['bWU6cHc=', 'me:pw', 'tok3n-abc']
    """
    return {secret for found in _found(environment) for secret in found if len(secret) >= SHORTEST or _is_pair(secret)}


def _found(environment: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    people = {environment.get(name) for name in ("USER", "LOGNAME")}  # stands in paths, and is no secret
    for name, value in environment.items():
        if names_a_secret(name):
            yield (value, unquote(value))
            if _SEVERAL.search(name):
                yield tuple(_several(value))
            who, colon, word = value.partition(":")
            if colon and name.lower().endswith("auth_string"):  # Prefect sends it in base64
                yield _forms(who, word)
        for match in _QUERY.finditer(value):
            yield (match["value"], unquote(match["value"]))
        yield from _parsed(value)
        for given in _given(value):
            first, colon, password = given.partition(":")
            if colon:
                yield _forms(first, password)
            elif first not in people:
                yield first, unquote(first)
    if user := environment.get("MLFLOW_TRACKING_USERNAME"):
        yield _forms(user, environment.get("MLFLOW_TRACKING_PASSWORD", ""))


def _several(value: str) -> Iterator[str]:
    """Yield each of several secrets, of pairs the second alone: their names stand in much else."""
    for quoted in (found["quoted"] for found in _NAMED.finditer(value) if found["quoted"] and not found["sign"]):
        yield from (quoted, re.sub(r"\\(.)", r"\1", quoted))
    for piece in _SIGNS.split(_NAMED.sub(lambda found: " " if found["sign"] or found["name"] else found[0], value)):
        yield piece
        yield from () if "://" in piece else re.split(r"[=:]+", piece)[1:]


def _given(value: str) -> Iterator[str]:
    """Yield what stands before the @ of each address in a value: a user name or token, with or without a password.

    Where an @ stands before and after the first slash it is told in both readings: the latter may be the path's.
    """
    if "://" in value:
        for word in (word for part in _NEXT.split(value) for word in _BREAK.split(part)):
            for first, last in _users(word):
                given = word[first:last]
                if given:
                    yield given
                short = _SLASH.split(given, maxsplit=1)[0].rpartition("@")[0]
                if short and _SLASH.search(given):
                    yield short


@lru_cache(maxsize=1024)
def _parsed(value: str) -> tuple[tuple[str, ...], ...]:
    """Return user and password of each address that a value is, as the library that opens it reads them.

    It takes a quote, a blank or a slash in a password, which within a text would end the address.
    """
    found = (_read(part) for part in _NEXT.split(value) if _ADDRESS.match(part))
    return tuple(_forms(*read) for read in found if read and read[1])


def _read(address: str) -> tuple[str, str] | None:
    """Return user and password, percent-encoded; None where the library takes it for no address."""
    if re.match(_DATABASE, address, re.IGNORECASE):
        from sqlalchemy.engine import make_url  # noqa: PLC0415 - takes a while
        from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

        with suppress(ArgumentError, ValueError):
            url = make_url(address)
            return quote(url.username or "", safe=""), quote(str(url.password or ""), safe="")
        return None
    with suppress(ValueError):
        parts = urlsplit(address)
        return parts.username or "", parts.password or ""
    return None


def _forms(user: str, password: str) -> tuple[str, ...]:
    plain = unquote(password)
    both = f"{unquote(user)}:{plain}"
    return password, plain, f"{user}:{password}", both, base64.b64encode(both.encode()).decode()


def _is_pair(secret: str) -> bool:
    user, _, password = secret.partition(":")
    return bool(user and password)


def _anywhere(secret: str) -> str:
    """Return a pattern for a secret, also percent-encoded, whole or in part; a short one counts as a word of its own."""
    letters = "".join(map(_written, secret))
    return letters if len(secret) >= SHORTEST else rf"(?<!\w){letters}(?!\w)"


def _written(letter: str) -> str:
    """Return a pattern for a letter as it stands in texts, in addresses and in what Python or JSON quotes."""
    if letter.isascii() and letter.isalnum():
        return letter
    encoded = "".join(f"%{byte:02x}" for byte in letter.encode("utf-8", "surrogateescape"))
    return rf"(?:\\?{re.escape(letter)}|(?i:{encoded}){'|[+]' if letter == ' ' else ''})"
