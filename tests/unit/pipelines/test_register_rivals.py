"""The champion is judged anew wherever what is stored with it is about something else, and in its own pixels."""

import json
from types import SimpleNamespace

import pytest

from pipelines.register import judging, registry, rivals
from pipelines.register.judgement import Evidence, Figure, Former, Unjudged
from tests.unit.pipelines.test_register_gate import evidence

ANEW = Unjudged("asked now")
MEASURED = {"settings": {"min_score": 0.3}, "classes": ["a", "b"], "code": "c" * 64}


def _rival(monkeypatch: pytest.MonkeyPatch, stored: Evidence | None) -> tuple[list[str], object]:
    monkeypatch.setattr(rivals, "_stored", lambda *_: stored)
    monkeypatch.setattr(judging, "judge", lambda *_: ANEW)
    lines = []
    steps = rivals.of(None, "shapes", "3", "classify", evidence(measured=MEASURED))
    while True:
        try:
            lines.append(next(steps).text)
        except StopIteration as end:
            return lines, end.value.evidence


@pytest.mark.parametrize(("stored", "reason"), [
    (None, "it has no evidence"),
    (evidence(test_data="u" * 64), "other test data or another figure"),
    (evidence(measured=MEASURED, degenerate=None), "does not say whether it is degenerate"),
    (evidence(metric="f1", figure=Figure(0.9, 0.8, 1.0, 200)), "other test data or another figure"),
    (evidence(measured={**MEASURED, "settings": {"min_score": 0.9}}), "was measured otherwise"),
    (evidence(measured={**MEASURED, "classes": ["b", "a"]}), "was measured otherwise"),
    (evidence(measured={**MEASURED, "code": "e" * 64}), "was measured otherwise"),
    (evidence(measured=None), "was measured otherwise"),
])  # fmt: skip
def test_what_is_stored_counts_for_the_same_figure_on_the_same_data_alone(monkeypatch, stored, reason):
    """An F1 of 0.9 is no accuracy of 0.9, a recall at score 0.9 none at 0.3, last month's test pictures not this month's."""
    lines, found = _rival(monkeypatch, stored)
    assert found is ANEW
    assert reason in lines[0]
    assert "version 3" in lines[0]


def test_the_same_figure_on_the_same_data_is_not_asked_for_again(monkeypatch):
    """A pass over the test split is saved where its answer is there."""
    stored = Evidence.from_json(json.loads(json.dumps(evidence(0.7, measured=MEASURED).to_json())))
    assert _rival(monkeypatch, stored) == ([], stored)


def test_the_best_former_champion_is_told_by_what_is_stored_about_the_same(monkeypatch):
    """Other test data, another figure, no evidence, and versions that are gone do not count; what may be a constant does."""
    constant = {"constant_answer": "always saying cat is as good"}
    stored = {
        "9": evidence(0.91, degenerate=constant), "10": evidence(0.99, degenerate=None),
        "1": evidence(0.90), "2": evidence(0.93), "3": evidence(0.99, metric="f1"), "4": None, "5": evidence(0.98),
        "6": evidence(figure=Figure(None)), "7": evidence(0.97, test_data="u" * 64),
    }  # fmt: skip
    listed = [SimpleNamespace(version=int(n), tags={"test_data": "u" * 64 if n == "7" else "t" * 64}) for n in stored]
    monkeypatch.setattr(registry, "versions", lambda *_: listed)
    monkeypatch.setattr(rivals, "_stored", lambda _client, _name, number: stored[number])
    found = rivals.best(None, "shapes", ["1", "2", "3", "4", "6", "7", "8", "9", "10"], evidence())
    assert found == Former("2", stored["2"], (stored["9"], stored["1"], stored["6"]))
    assert rivals.best(None, "shapes", ["4", "8"], evidence()) is None


PLAIN = {"preprocess": {"size_px": 64, "fit": "stretch", "simulate_raw": None}, "seed": 1}
SIMULATED = {"preprocess": {"size_px": 64, "fit": "stretch", "simulate_raw": {"iso": 800}}, "seed": 1}


@pytest.mark.parametrize(("own", "own_pixels", "now", "same"), [
    (PLAIN, "srgb", PLAIN, True),
    (PLAIN, "srgb", {**PLAIN, "seed": 2}, True),  # a seed that nothing is drawn from
    (SIMULATED, "srgb", SIMULATED, True),
    (SIMULATED, "srgb", {**SIMULATED, "seed": 2}, False),  # other noise lies on the pictures
    (PLAIN, "srgb", SIMULATED, False),
    (PLAIN, "linear_rgb", PLAIN, False),
    (None, "srgb", PLAIN, False),
    ({"preprocess": {**PLAIN["preprocess"], "fit": "letterbox"}, "seed": 1}, "srgb", PLAIN, False),
])  # fmt: skip
def test_prepared_pictures_are_a_model_s_own_where_recipe_noise_and_pixels_agree(own, own_pixels, now, same):
    """Anything else and the model gets the originals, which it prepares itself."""
    data = SimpleNamespace(info=SimpleNamespace(pixels=SimpleNamespace(output="srgb")))
    card = {"recipe": own, "pixels": {"output": own_pixels, "mean": [0.5] * 3, "std": [0.2] * 3}}
    assert judging._sees_the_same(card, now, data) is same
