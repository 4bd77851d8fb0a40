"""What Prefect's server says of a flow run's cancellation is believed, and its silence is no cancellation."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from prefect.states import Cancelled, Cancelling, Completed, Running

from pipelines import flow_server


def _answering(monkeypatch: pytest.MonkeyPatch, answer) -> None:
    @contextmanager
    def client(**_words):
        yield SimpleNamespace(read_flow_run=answer)

    monkeypatch.setattr(flow_server, "get_client", client)


@pytest.mark.parametrize(("state", "cancelled"), [
    (Cancelling(), True), (Cancelled(), True), (Running(), False), (Completed(), False), (None, False),
])  # fmt: skip
def test_a_run_cancelled_on_its_page_is_cancelled(monkeypatch, state, cancelled):
    """As soon as the server says so, before a runner has done anything."""
    _answering(monkeypatch, lambda _id: SimpleNamespace(state=state))
    assert flow_server.is_cancelled() is cancelled


def test_a_server_that_does_not_answer_cancels_nothing(monkeypatch):
    """A training does not die of a question."""

    def broken(_id):
        raise ConnectionError("away")

    _answering(monkeypatch, broken)
    assert flow_server.is_cancelled() is False
