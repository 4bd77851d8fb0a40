"""Tells by a name whether its value is a secret: a variable of the environment, a parameter, an option, a header."""

import re
from functools import lru_cache

LONGEST = 64  # signs of a name that are looked at, the last ones: what a name is for stands at its end
_WORDS = re.compile(r"[_.\-\s]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d+(?:[_.-]|$))")
_NUMBER = re.compile(r"v?\d+")
_ABOUT = re.compile(  # the last word, where a name tells something about a secret: where it is, how long, of what kind
    r"(?:file|path|dir|folder|name|id|arn|ur[li]|type|limit|count|length|size|number|version|header|field|prefix|suffix|label)s?"
    r"|expir\w*|ttl|backend|mode|len|max|min|num|required|policy|enabled|scheme|algorithm|algo|pattern|format|rotation|age|days"
    r"|hours|minutes|seconds|bits|ratio|rate|dims?|embeddings?|dropout|mask|pool(?:ing)?|weights?|vocab|loss|accuracy"
)
_PASSWORD = re.compile(r"passw(?:or)?ds?$|passphrases?$|passcodes?$|.pwds?$(?<!^oldpwd)")
_ROUND = r"first|second|third|fourth|next|last|final|one|two|three|single|double|multi|num|per|each|all|forward|backward"
_NO_PASSWORD = re.compile(  # what stands before "pass" where that is a round, a filter or a way
    rf"(?:{_ROUND}|extra|initial|training|train|warmup|eval|test|full|low|high|band|com|by|ask|tres|sur|over|under)?"
)
_SECRET = re.compile(r"(?:client|app|shared|my)?secrets?|credentials?")
_TOKEN = re.compile(r"(?:access|auth|api|bearer|refresh|session|id|personal|private|security|deploy|bot|my)?token")
_WHOSE = r"access|auth|api|bearer|refresh|session|personal|private|security|deploy|bot"
_SERVICES = r"github|gitlab|hf|huggingface|mlflow|prefect|wandb|slack|npm|pypi|docker|aws|azure|gcp"
_TOKENS = re.compile(rf"(?:{_WHOSE}|{_SERVICES})")  # without such a word before them they are signs of a text
_COUNTS = re.compile(r"num|n|max|min|total|count|number")
_COUNTED = re.compile(r"(?:\w*token|\w*key)s")
_NO_TOKEN = re.compile(  # a sign of a text or a part of a picture
    rf"pad|eos|bos|unk|mask|cls|sep|start|end|stop|image|patch|class|special|max|min|{_ROUND}"
)
_KINDS = r"(?:api|access|secret|account|storage|private|encryption|signing|master|shared)"
_KEY = re.compile(rf"{_KINDS}keys?")
_NO_KEY = re.compile(  # a key that finds or orders something
    r"sort|primary|foreign|partition|public|cache|group|order|row|index|object|field|label|gpg|lookup|hash|hot|image|picture|photo"
    r"|mask|unit|class|category|column|file|path|dict|item|feature|dataset|sample|record|join|merge|date|time"
    r"|metric|param|parameter|tag|split|json|yaml|composite|unique"
    r"|required|allowed|known|extra|optional|missing|ignored?|all|batch|state|meta|metadata|config|authorized"
)


def names_a_secret(name: str) -> bool:
    """Return whether what is given to a name must not be shown.

    A name is read as words (``_``, ``-``, ``.``, capitals). One of them must mean a secret, in its place: a token that
    pads is none, nor is a pass over data, nor a key that finds pictures. The last word decides what the name is about:
    the length of a password is no password. Numbers at the end count a name's kind. Several tokens or keys are secrets as
    one is, where a word says whose or what for, and none where they are counted.

    Example:
        >>> [names_a_secret(name) for name in ("AWS_SECRET_ACCESS_KEY", "dbPassword", "X-Api-Key", "TOKEN_PROD")]
        [True, True, True, True]
        >>> [names_a_secret(name) for name in ("API_KEYS", "passwords", "max_api_tokens", "tokens_per_second", "keypoints")]
        [True, True, False, False, False]
        >>> [names_a_secret(name) for name in ("password_min_length", "first_pass", "IMAGE_KEY", "pad_token", "monkey")]
        [False, False, False, False, False]
    """
    return _judged(name[-LONGEST:])


def is_password(name: str) -> bool:
    """Return whether the name means a secret that people choose, which may be short."""
    return re.search(r"pass|pwd|secret", name, re.IGNORECASE) is not None


@lru_cache(maxsize=4096)
def _judged(name: str) -> bool:
    words = [word.lower() for word in _WORDS.split(name) if word]
    if re.search(r"(?:^|_)webhooks?(?:_ur[il]s?)?$", "_".join(words)):
        return True  # whoever knows its address may use it
    while len(words) > 1 and _NUMBER.fullmatch(words[-1]):
        words.pop()
    if words and (_COUNTS.fullmatch(words[0]) or "per" in words[1:]):
        words = [word for word in words if not _COUNTED.fullmatch(word)]
    if not words or _ABOUT.fullmatch(words[-1]):
        return False
    before = ["", *words]
    return _ends(before[-2], words[-1], name) or any(map(_anywhere, before, words))


def _anywhere(before: str, word: str) -> bool:
    """Return whether a word after another means a secret, whatever stands behind it: where or by whom it is used."""
    if word in ("key", "keys"):
        return re.fullmatch(_KINDS, before) is not None
    if word == "string":
        return before == "auth"
    if word == "token":
        return not _NO_TOKEN.fullmatch(before)
    if word.endswith("tokens"):
        return _TOKENS.fullmatch(word.removesuffix("tokens") or before) is not None
    return bool(_PASSWORD.search(word) or any(kind.fullmatch(word) for kind in (_SECRET, _TOKEN, _KEY)))


def _ends(before: str, word: str, name: str) -> bool:
    """Return whether the last word means a secret that it would not mean within a name."""
    if word.endswith("pass"):
        glued = word.removesuffix("pass")
        return not _NO_PASSWORD.fullmatch(glued or before)
    if word in ("key", "keys"):  # OPENAI_KEY: as variables of the environment are written
        return bool(before) and re.search(r"[_-]KEYS?(?:[_-]?\d+)?$", name) is not None and not _NO_KEY.fullmatch(before)
    return bool(before) and before != "old" and word in ("pat", "pats", "pwd")
