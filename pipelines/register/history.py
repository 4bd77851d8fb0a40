"""Moves aliases and keeps their history: what moved from where to where, when, by whom, at which commit and why.

MLflow keeps no history of aliases. Each move becomes a tag ``alias_history.<alias>.<number>.<letters>`` of the registered
model, for instance ``1 -> 3 at 2026-11-29T06:40:12Z by ann@studio, commit 0123abcd4567: not shown ...``. Of a move that
was found it says that mover and time are not known, and who noticed it. Tags of before had the number alone in their key and
ended after ``1 -> 3``, or named the finder as the mover; both read back. The letters follow from the move: two hosts never
write two moves into one tag, nor one move into two.

A move is announced before the alias moves (``about to move`` at the end of its line) and told after it, in one tag. So
whoever looks between the two, or after a kill there, finds whose move it is. One that was announced and never made is none;
it is withdrawn once the alias has moved otherwise, or its version is decided anew.
"""

import hashlib
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path

from mlflow.tracking import MlflowClient

from pipelines.record import provenance
from pipelines.register import registry

PREFIX = "alias_history."
NONE = "none"
TIME = "%Y-%m-%dT%H:%M:%SZ"
ALIASES = (registry.CHALLENGER, registry.CHAMPION)
MAX_VALUE = 4900  # MLflow takes 5000 characters
BY_HAND = "found moved by hand"
GIVEN_BACK = "given back after a lost update"
INTERRUPTED = "noted late: its registration was interrupted"  # in tags of before
ANNOUNCED = " (about to move)"
_KEY = re.compile(r"(\d{1,9})(?:\.[0-9a-f]+)?", re.ASCII)  # what stands behind the alias
NOBODY = "who moved it, and when, is not known"
_FOUND = re.compile(rf"(\S+) -> (\S+): (.*); {NOBODY}; noticed at (\S+) by (.+?), commit (\S+)", re.DOTALL)
_LINE = re.compile(r"(\S+) -> (\S+)(?: at (\S+) by (.+?), commit (\S+?): (.*))?", re.DOTALL)


@dataclass(frozen=True)
class Move:
    """One change of an alias.

    Attributes:
        key: the tag that holds it.
        before: version that held the alias, ``none`` where there was none.
        after: version that holds it from then on, ``none`` when it was taken away.
        when: UTC; empty for moves of before and for those that were found.
        who: user and host; likewise.
        commit: of the working tree that did it; likewise.
        why: the gate's reasons, or how it was noticed.
        noticed: of a move that was found: when, by whom and at which commit it was noticed; else empty.
        announced: it is about to be made, was made and not told since, or was never made.
        text: its line, as it is told once the alias has moved.
    """

    key: str
    before: str
    after: str
    when: str = ""
    who: str = ""
    commit: str = ""
    why: str = ""
    noticed: str = ""
    announced: bool = False
    text: str = ""

    @classmethod
    def parse(cls, key: str, text: str) -> "Move | None":
        """Read a tag; None where it is no such line."""
        text, announced = text.removesuffix(ANNOUNCED), text.endswith(ANNOUNCED)
        if match := _FOUND.fullmatch(text):
            before, after, why, when, who, commit = match.groups()
        elif match := _LINE.fullmatch(text):
            before, after, when, who, commit, why = (words or "" for words in match.groups())
        else:
            return None
        if why in (BY_HAND, INTERRUPTED):
            return cls(key, before, after, why=why, noticed=f"at {when} by {who}, commit {commit}")
        return cls(key, before, after, when, who, commit, why, announced=announced, text=text)


@dataclass(frozen=True)
class Sight:
    """What one look at the registered model showed of an alias.

    Attributes:
        holder: version that holds it, ``none`` where none does.
        moves: all of its history, the oldest first, announced moves among them.
    """

    holder: str
    moves: tuple[Move, ...]

    def made(self) -> list[Move]:
        """Return the moves that were made: an announced one where it joins on both ends.

        It begins where one before it ends, and the next move, or the alias, begins where it ends: a person may have moved
        the alias to that version later, from another one.
        """
        found: list[Move] = []
        end = self.holder
        for number, one in reversed([*enumerate(self.moves)]):
            if not one.announced or (one.after == end and one.before in self._ends(number)):
                found.append(one)
                end = one.before
        return found[::-1]

    def dangling(self) -> list[Move]:
        """Return the moves that were announced and have not been made."""
        made = self.made()
        return [one for one in self.moves if one.announced and one not in made]

    def _ends(self, number: int) -> set[str]:
        """Return where the alias may have been before a move: where the last one told left it, or one announced since."""
        since = list(takewhile(lambda one: one.announced, reversed(self.moves[:number])))
        told = number - len(since) - 1
        return {*(one.after for one in since), self.moves[told].after if told >= 0 else NONE}


@dataclass(frozen=True)
class History:
    """The aliases of one registered model; use it inside ``registry.exclusive``.

    Attributes:
        client: of the registry.
        name: registered model.
    """

    client: MlflowClient
    name: str

    def read(self, alias: str) -> list[Move]:
        """Return the moves of an alias that were made, the oldest first."""
        return self._look(alias).made()

    def _look(self, alias: str) -> Sight:
        """Look at holder and history until nothing moves between; tags that are not of our form are somebody else's."""
        first = self.client.get_registered_model(self.name)
        while True:
            again = self.client.get_registered_model(self.name)
            if (first.aliases, first.tags) == (again.aliases, again.tags):
                break
            first = again
        tags = again.tags
        own = [key for key in tags if (end := key.removeprefix(f"{PREFIX}{alias}.")) != key and _KEY.fullmatch(end)]
        moves = filter(None, (Move.parse(key, tags[key]) for key in own))
        return Sight(
            str(again.aliases.get(alias, NONE)), tuple(sorted(moves, key=lambda one: (_number(one.key), one.when, one.key)))
        )

    def holder(self, alias: str) -> str:
        """Return the version that holds an alias, ``none`` where none does."""
        found = registry.holder(self.client, self.name, alias)
        return str(found.version) if found else NONE

    def former(self) -> list[str]:
        """Return the versions that were champion before the present one, the newest first.

        They end at the last move by hand: a person who chose another champion gave up those before. One that a lost update
        made champion, and whose registration gave that back, was none.
        """
        moves = list(reversed(self.read(registry.CHAMPION)))
        since = next((number for number, one in enumerate(moves) if one.why == BY_HAND), len(moves))
        now = self.holder(registry.CHAMPION)
        return [
            one
            for one in dict.fromkeys(move.before for move in moves[:since] if not move.why.startswith(GIVEN_BACK))
            if one not in (NONE, now)
        ]

    def move(self, alias: str, before: str, after: str, why: str) -> str:
        """Announce a move, point the alias at its version, and tell the move.

        The lock holds on this host alone and MLflow has no check-and-set: alias and history are read again before and
        after, so that another host's move is found.

        Args:
            alias: the alias.
            before: who holds it, as the decision had it.
            after: who is to hold it.
            why: the reasons.

        Returns:
            The version that somebody else gave it to meanwhile; empty where nobody interfered.
        """
        sight = self._look(alias)
        known = {one.key for one in sight.made()}
        if sight.holder != before:
            return sight.holder
        if before == after:
            return ""
        own, text = _key(alias, sight, before, after), f"{before} -> {after} {_here()}: {why}"
        self._write(own, text, ANNOUNCED)
        self.client.set_registered_model_alias(self.name, alias, after)
        self._write(own, text)
        others = [one.after for one in self.read(alias) if one.key not in {*known, own}]
        now = self.holder(alias)
        lost = now if now != after else next((one for one in reversed(others) if one != after), "")
        if lost:
            self.note(alias, after, now, f"lost update: another registration moved it to {lost} at the same time")
        return lost

    def note(self, alias: str, before: str, after: str, why: str) -> str:
        """Write one line of a move that is made here; return its key."""
        key = _key(alias, self._look(alias), before, after)
        self._write(key, f"{before} -> {after} {_here()}: {why}")
        return key

    def withdraw(self, version: str) -> None:
        """Withdraw what was announced to move to a version and was never made: it is decided anew."""
        for alias in ALIASES:
            self._delete(one for one in self._look(alias).dangling() if one.after == version)

    def notice(self) -> list[str]:
        """Note every alias that is not where its history left it, and say so in one line each.

        A move that a registration elsewhere makes this moment, or that a killed one made, was announced: it is no news,
        and is told here in its mover's words. One that was never made, from a version that holds the alias no more, is
        withdrawn, so that it never claims a later move.
        """
        lines = []
        for alias in ALIASES:
            sight = self._look(alias)
            moves = sight.made()
            for one in moves:
                if one.announced:
                    self._write(one.key, one.text)
            self._delete(one for one in sight.dangling() if one.before != sight.holder)
            last, now = moves[-1].after if moves else NONE, sight.holder
            if now != last:
                self._write(_key(alias, sight, last, now), f"{last} -> {now}: {BY_HAND}; {NOBODY}; noticed {_here()}")
                lines.append(f"{alias} moved from version {last} to {now}: {BY_HAND}")
        return lines

    def _delete(self, moves: Iterable[Move]) -> None:
        for one in moves:
            self.client.delete_registered_model_tag(self.name, one.key)

    def _write(self, key: str, text: str, end: str = "") -> None:
        self.client.set_registered_model_tag(self.name, key, text[:MAX_VALUE] + end)


def _key(alias: str, sight: Sight, before: str, after: str) -> str:
    """Return the tag of a move that is to follow what was seen: the same for the same move, on whatever host."""
    number = max((_number(one.key) for one in sight.made()), default=0) + 1
    return f"{PREFIX}{alias}.{number:04d}.{hashlib.sha256(f'{before} -> {after}'.encode()).hexdigest()[:6]}"


def _here() -> str:
    return f"at {stamp()} by {_who()}"


def stamp() -> str:
    """Return the time in UTC to the second, as text."""
    return datetime.now(UTC).strftime(TIME)


def _who() -> str:
    """Name user, host and commit."""
    code = provenance.tags(Path.cwd())
    state = {"false": "", "true": "+edits"}.get(code.get("rawline.dirty", ""), "+unknown")  # what nobody knows is not clean
    commit = code.get("rawline.commit", "unknown")[:12] + state
    return f"{code.get('mlflow.user', 'unknown')}@{socket.gethostname()}, commit {commit}"


def _number(key: str) -> int:
    return int(key.removeprefix(PREFIX).split(".")[1])
