"""A pause that a person made on Prefect's page outlives rawline serve; its own ends with the next start."""

from contextlib import contextmanager
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
        vars(self.known).update(changes.model_dump(exclude_unset=True))

    def deployment(self) -> Any:
        """Return what a start of rawline serve registers."""
        asked = SimpleNamespace(flow_name="rawline", name="nightly", paused=False, schedules=[SimpleNamespace(active=True)])

        def apply() -> UUID:
            self.known = SimpleNamespace(paused=asked.paused, schedules=asked.schedules, description="the flow's")
            return NUMBER

        asked.apply = apply
        return asked


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    server = Page()

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
