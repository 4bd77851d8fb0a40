"""A pause that a person made on Prefect's page outlives rawline serve; its own ends with the next start."""

from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.exceptions import ObjectNotFound

from pipelines import serve_pause
from pipelines.serve_pause import PAUSED

NUMBER = uuid4()


class Page:
    """Prefect's server with one deployment, or none, and what a person does on its page."""

    def __init__(self) -> None:
        self.known: SimpleNamespace | None = None
        self.turn = 0

    def read_deployment_by_name(self, name: str) -> SimpleNamespace:
        """Return the deployment."""
        assert name == "rawline/nightly"
        return self.read_deployment(NUMBER)

    def read_deployment(self, _number: UUID) -> SimpleNamespace:
        """Return the deployment as it is now."""
        if self.known is None:
            raise ObjectNotFound(Exception("gone"))
        return SimpleNamespace(**vars(self.known))

    def update_deployment(self, _number: UUID, changes: Any) -> None:
        """Change what was given."""
        self.change(**changes.model_dump(exclude_unset=True))

    def change(self, **values: Any) -> None:
        """Change the deployment as a client or a person does; the server notes when."""
        self.turn += 1
        vars(self.known).update(values, updated=datetime.fromtimestamp(self.turn, UTC))

    def deployment(self) -> Any:
        """Return what a start of rawline serve registers."""
        asked = SimpleNamespace(flow_name="rawline", name="nightly", paused=False, schedules=[SimpleNamespace(active=True)])

        def apply() -> UUID:
            self.known = self.known or SimpleNamespace(id=NUMBER)
            self.change(paused=asked.paused, schedules=asked.schedules, description="the flow's")
            return NUMBER

        asked.apply = apply
        return asked


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Page:
    server = Page()
    monkeypatch.setenv("RAWLINE_ROOT", str(tmp_path))

    @contextmanager
    def client(**_: Any) -> Any:
        yield server

    monkeypatch.setattr(serve_pause, "get_client", client)
    return server


def start(page: Page) -> bool:
    """Register the deployment; tell whether it is held."""
    asked = page.deployment()
    assert serve_pause.register(asked) == NUMBER
    return serve_pause.is_held(asked)


def test_our_own_pause_ends_with_the_next_start(page: Page) -> None:
    """It is written where the page shows it, and gone when the deployment is served again."""
    assert not start(page)
    assert serve_pause.pause(NUMBER)
    assert page.known
    assert (page.known.paused, page.known.description) == (True, PAUSED)
    assert not start(page)
    assert (page.known.paused, page.known.description) == (False, "the flow's")


@pytest.mark.parametrize("what", ["deployment", "schedule"])
def test_a_persons_pause_stays_until_a_person_ends_it(page: Page, what: str) -> None:
    """When it is registered again, in one serving or in the next ones."""
    start(page)
    assert page.known
    owner, word = (page.known, "paused") if what == "deployment" else (page.known.schedules[0], "active")
    setattr(owner, word, what == "deployment")
    for _ in range(2):
        assert start(page)
        assert start(page)
        assert not serve_pause.pause(NUMBER)
    page.known.paused, page.known.schedules[0].active = False, True
    assert not start(page)
    assert serve_pause.pause(NUMBER)


def test_a_person_who_resumed_and_paused_again_is_heard(page: Page) -> None:
    """The mark of our pause is still there; that the deployment was touched since tells the two apart, start after start."""
    start(page)
    assert serve_pause.pause(NUMBER)
    assert page.known
    page.change(paused=False)
    page.change(paused=True)
    assert page.known.description == PAUSED
    for _ in range(2):
        assert start(page)
        assert not serve_pause.pause(NUMBER)
    page.change(paused=False)
    for _ in range(2):
        assert not start(page)
        assert serve_pause.pause(NUMBER)


def test_without_its_note_the_mark_of_our_pause_counts(page: Page, tmp_path: Path) -> None:
    """A rawline serve of before left none, and a full disk takes none."""
    start(page)
    assert serve_pause.pause(NUMBER)
    (note,) = (tmp_path / ".rawline/serve-pauses").iterdir()
    note.write_text("{")
    assert not start(page)
    assert serve_pause.pause(NUMBER)
    note.unlink()
    assert not start(page)
