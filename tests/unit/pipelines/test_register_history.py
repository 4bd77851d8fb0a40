"""A line of an alias's history says who moved it and at which commit, and never calls clean what nobody knows."""

import socket
from types import SimpleNamespace

import pytest

from pipelines.record import provenance
from pipelines.register import history

COMMIT = "0123abcd" * 5


@pytest.mark.parametrize(("code", "told"), [
    ({"mlflow.user": "ann", "rawline.commit": COMMIT, "rawline.dirty": "false"}, "ann@{host}, commit 0123abcd0123"),
    ({"mlflow.user": "ann", "rawline.commit": COMMIT, "rawline.dirty": "true"}, "ann@{host}, commit 0123abcd0123+edits"),
    ({"mlflow.user": "ann", "rawline.commit": COMMIT}, "ann@{host}, commit 0123abcd0123+unknown"),
    ({"rawline.dirty": "unknown"}, "unknown@{host}, commit unknown+unknown"),
])  # fmt: skip
def test_a_commit_is_marked_where_the_code_is_not_it(monkeypatch, code, told):
    """Edited code and an unknown state are told apart from the commit itself; the line can be read back."""
    monkeypatch.setattr(provenance, "tags", lambda _root: code)
    who = told.format(host=socket.gethostname())
    assert history._who() == who
    line = f"1 -> 3 at {history.stamp()} by {who}: not shown to be worse"
    assert history._LINE.fullmatch(line).groups()[3:5] == tuple(who.split(", commit "))


class _Registry:
    """A registered model in memory; ``after`` is called after each write."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.aliases: dict[str, str] = {}
        self.after = lambda: None

    def get_registered_model(self, _name):
        return SimpleNamespace(tags=dict(self.tags), aliases=dict(self.aliases))

    def get_model_version_by_alias(self, _name, alias):
        return SimpleNamespace(version=self.aliases[alias])

    def set_registered_model_tag(self, _name, key, text):
        self.tags[key] = text
        self.after()

    def delete_registered_model_tag(self, _name, key):
        del self.tags[key]

    def set_registered_model_alias(self, _name, alias, version):
        self.aliases[alias] = version
        self.after()


@pytest.fixture
def model(monkeypatch) -> _Registry:
    """A registered model whose champion is version 1."""
    monkeypatch.setattr(provenance, "tags", lambda _root: {"mlflow.user": "ann"})
    found = _Registry()
    found.aliases["champion"] = "1"
    found.tags["alias_history.champion.0001"] = "none -> 1"
    return found


def moved(model: _Registry) -> list[tuple[str, str, str]]:
    return [(one.before, one.after, one.why) for one in history.History(model, "m").read("champion")]


MADE = [("none", "1", ""), ("1", "2", "better")]


@pytest.mark.parametrize("step", [1, 2, 3])
def test_another_clone_that_looks_between_the_steps_of_a_move_finds_nothing_amiss(model, step):
    """Announced, made, told: after each of them the other's look notes nothing, and the move stands once."""
    said, count = [], []

    def look() -> None:
        count.append(1)
        if len(count) == step:
            said.extend(history.History(model, "m").notice())

    model.after = look
    assert not history.History(model, "m").move("champion", "1", "2", "better")
    assert said == []
    assert moved(model) == MADE
    assert len(model.tags) == 2
    assert not any(history.ANNOUNCED in text for text in model.tags.values())


@pytest.mark.parametrize("step", [1, 2])
def test_a_move_that_was_killed_stands_once_or_not_at_all(model, step):
    """Killed before the alias moved it is no move, and made again it stands once; killed after it is told by the next."""
    count = []

    def kill() -> None:
        count.append(1)
        if len(count) == step:
            raise KeyboardInterrupt

    model.after = kill
    with pytest.raises(KeyboardInterrupt):
        history.History(model, "m").move("champion", "1", "2", "better")
    model.after = lambda: None
    assert moved(model) == MADE[:step]
    assert history.History(model, "m").notice() == []
    history.History(model, "m").move("champion", model.aliases["champion"], "2", "better")
    assert moved(model) == MADE
    assert len(model.tags) == 2
    assert not any(history.ANNOUNCED in text for text in model.tags.values())


def test_two_clones_that_make_one_move_at_once_note_it_once(model):
    """Both settle the version that both found: one line."""
    count = []

    def other() -> None:
        count.append(1)
        if len(count) == 1:
            history.History(model, "m").move("champion", "1", "2", "better")

    model.after = other
    assert not history.History(model, "m").move("champion", "1", "2", "better")
    assert moved(model) == MADE
    assert len(model.tags) == 2


def test_a_move_that_was_announced_by_nobody_was_made_by_hand(model):
    """It is noted once, whoever looks."""
    model.aliases["champion"] = "3"
    assert history.History(model, "m").notice() == [f"champion moved from version 1 to 3: {history.BY_HAND}"]
    assert history.History(model, "m").notice() == []
    assert moved(model)[-1] == ("1", "3", history.BY_HAND)


def announced(model: _Registry) -> None:
    """Announce a move of the champion from version 1 to 2 that is never made."""

    def kill() -> None:
        raise KeyboardInterrupt

    model.after = kill
    with pytest.raises(KeyboardInterrupt):
        history.History(model, "m").move("champion", "1", "2", "better")
    model.after = lambda: None


@pytest.mark.parametrize("looks", [True, False])
def test_an_announced_move_claims_no_later_one_of_a_person(model, looks):
    """A person moves to 3 and on to the version that was announced: that is the person's, who gave up those before."""
    announced(model)
    held = history.History(model, "m")
    model.aliases["champion"] = "3"
    if looks:
        assert len(held.notice()) == 1
    else:
        model.tags["alias_history.champion.0002.0a1b2c"] = FOUND.format("1", "3", history.BY_HAND)
    model.aliases["champion"] = "2"
    assert held.notice() == [f"champion moved from version 3 to 2: {history.BY_HAND}"]
    assert moved(model) == [("none", "1", ""), ("1", "3", history.BY_HAND), ("3", "2", history.BY_HAND)]
    assert held.former() == []
    assert not any(history.ANNOUNCED in text for text in model.tags.values())


def test_an_announced_move_is_withdrawn_when_its_version_is_decided_anew(model):
    """The gate refuses it this time; whoever then chooses it by hand is the one who did."""
    announced(model)
    held = history.History(model, "m")
    held.withdraw("3")
    assert len(model.tags) == 2
    held.withdraw("2")
    assert len(model.tags) == 1
    model.aliases["champion"] = "2"
    assert held.notice() == [f"champion moved from version 1 to 2: {history.BY_HAND}"]


def test_tags_that_a_person_wrote_are_passed_over():
    """Keys that are not of our form are somebody else's, whatever they say; ours are read in their order."""
    tags = {
        f"alias_history.champion.{end}": "none -> 1" for end in ("note", "", "1.note", "-1", "1e3", "\u0662", "9" * 5000)
    }
    ours = {
        "alias_history.champion.0002.0a1b2c": "1 -> 2",
        "alias_history.champion.1": "none -> 1",
        "alias_history.champion": "1 -> 2",
    }
    client = SimpleNamespace(get_registered_model=lambda _name: SimpleNamespace(tags=tags | ours, aliases={}))
    assert [one.after for one in history.History(client, "m").read("champion")] == ["1", "2"]


LINE = "{} -> {} at 2026-11-29T06:40:12Z by ann@studio, commit 0123abcd4567: {}"
FOUND = "{} -> {}: {}; who moved it, and when, is not known; noticed at 2026-11-29T06:40:12Z by ann@studio, commit 0123"


@pytest.mark.parametrize(("moves", "now", "former"), [
    ([], "none", []),
    ([(LINE, "none", "1", "good")], "1", []),
    ([(LINE, "none", "1", "good"), (LINE, "1", "2", "good"), (LINE, "2", "5", "good")], "5", ["2", "1"]),
    ([("{} -> {}", "none", "1", ""), (FOUND, "1", "2", history.INTERRUPTED)], "2", ["1"]),
    ([(LINE, "1", "2", "good"), (FOUND, "2", "1", history.BY_HAND)], "1", []),
    ([(LINE, "1", "2", "good"), (FOUND, "2", "3", history.BY_HAND), (LINE, "3", "4", "good")], "4", ["3"]),
    ([(LINE, "1", "2", "good"), (FOUND, "2", "none", history.BY_HAND), (LINE, "none", "3", "good")], "3", []),
    ([(LINE, "1", "2", "good"), (LINE, "2", "1", "given back")], "1", ["2"]),
])  # fmt: skip
def test_former_champions_are_those_since_a_person_last_chose_one(moves, now, former):
    """Whoever takes a champion back by hand has given up the one that was there, whatever its figures."""
    tags = {f"alias_history.champion.{n:04d}.0a1b2c": text.format(*words) for n, (text, *words) in enumerate(moves)}
    client = SimpleNamespace(get_registered_model=lambda _name: SimpleNamespace(tags=tags, aliases={"champion": now}))
    holder = history.History(client, "m")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history.History, "holder", lambda *_: now)
        assert holder.former() == former


def test_what_was_given_back_was_no_former_champion(model):
    """Version 3 overwrote the move to 2 and gave it back: it is no mark. Made champion by the gate afterwards, it is one."""
    own = history.History(model, "m")
    own.notice()
    own.move("champion", "1", "2", "better")
    own.note("champion", "2", "3", "lost update")
    own.note("champion", "3", "2", f"{history.GIVEN_BACK}; worse")
    assert own.former() == ["1"]
    own.move("champion", "2", "3", "better by now")
    own.move("champion", "3", "4", "better still")
    assert own.former() == ["3", "2", "1"]
