"""The digests of the code that judges move with all that decides a figure or a verdict, and with nothing that words it."""

import shutil
from pathlib import Path

import pytest

import stages
from stages.core import measuring
from stages.core.errors import DataError
from stages.core.source import Source
from tests.judging import TASKS

EVALUATORS, REPORTS = "stages/parts/evaluators", "stages/parts/reports"
FIGURES = [
    "stages/judge/units.py", "stages/judge/detections.py", "stages/judge/dealt.py", "stages/maths/rle.py",
    "stages/core/placements.py", "stages/core/annotations.py", "stages/core/dataset.py", "stages/core/seeds.py",
    "stages/core/images.py", "stages/core/pixels.py", f"{EVALUATORS}/__init__.py", f"{EVALUATORS}/_objects.py",
]  # fmt: skip
VERDICTS = ["stages/audit.py", "stages/judge/verdicts.py", "stages/judge/columns.py", "stages/core/cells.py"]
# what decides nothing, and what only that brings in
WORDS = ["stages/core/errors.py", "stages/core/figures.py", "stages/judge/meaning.py"]
WORDS += [
    f"{REPORTS}/{name}.py"
    for name in ("__init__", "_amounts", "_definitions", "_open", "_page", "_table", "_template", "_uneven", "_words")
]
PICTURES = ["stages/core/display.py", "stages/maths/colour.py", f"{EVALUATORS}/_gallery.py", f"{EVALUATORS}/_plots.py"]
FILES = [f"stages/core/{name}.py" for name in ("artefacts", "files", "temporaries")] + [f"{EVALUATORS}/_results.py"]
FRAME = [f"stages/core/{name}.py" for name in ("checkpoint", "compute", "params", "parts", "stage", "yaml_text")]
GROUND = [f"stages/core/{name}.py" for name in ("digests", "measuring", "source")]
NOTHING = [*WORDS, *PICTURES, *FILES, *FRAME, *GROUND]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the stages, to be edited."""
    folder = tmp_path_factory.mktemp("code")
    shutil.copytree(Path(stages.__file__).parent, folder / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.parametrize(
    ("file", "moved"),
    [(file, (True, True)) for file in FIGURES]
    + [(file, (False, True)) for file in VERDICTS]
    + [("stages/evaluate.py", (True, False))]
    + [(file, (False, False)) for file in [*NOTHING, "stages/finetune.py", f"{EVALUATORS}/segment.py"]],
)
def test_what_decides_moves_the_digest(root: Path, file: str, moved: tuple[bool, bool]) -> None:
    """What figures are made with counts for evaluation and audit, what judges them for the audit, words for neither."""
    place = root / file
    before, text = (measuring.code("detect", root), measuring.verdicts("detect", root)), place.read_text(encoding="utf-8")
    place.write_text(f"{text}\nLIMIT = 0.75\n", encoding="utf-8")
    try:
        after = measuring.code("detect", root), measuring.verdicts("detect", root)
    finally:
        place.write_text(text, encoding="utf-8")
    assert tuple(one != other for one, other in zip(before, after, strict=True)) == moved


@pytest.mark.parametrize("task", TASKS)
def test_what_an_audit_brings_in_decides_unless_it_is_known_not_to(root: Path, task: str) -> None:
    """A new module counts by itself. One that is set aside takes nothing with it but what is listed here."""
    source = Source(root)
    names = [f"stages.parts.evaluators.{task}", "stages.evaluate", "stages.audit"]
    whole = {path.as_posix() for name in names for path in source.closure(name)}
    kept = {path.as_posix() for name in names for path in source.closure(name, measuring.ASIDE)}
    assert whole - kept == set(NOTHING) & whole
    assert {name for name in measuring.ASIDE if source.module(name) is None} == set()


@pytest.mark.parametrize(
    ("stage", "silent", "other"),
    [
        (
            "evaluate@detect",
            "measured",
            "stages/core/, stages/evaluate.py, stages/judge/, stages/maths/, stages/parts/evaluators/",
        ),
        ("audit@detect", "judged", "stages/audit.py, stages/core/, stages/judge/, stages/maths/, stages/parts/evaluators/"),
    ],
)
def test_a_refusal_names_the_code_that_was_asked(stage: str, silent: str, other: str) -> None:
    """Whoever changed the audit alone is sent there; an evaluation is not asked for the audit's code."""
    with pytest.raises(DataError, match=rf"^{stage} {silent} by other code than lies in {other}; make it again"):
        measuring.require(stage, {measuring.CODE: "a"}, {measuring.CODE: "b"})
    with pytest.raises(DataError, match=rf"^{stage} does not say by which code it {silent}; make it again"):
        measuring.require(stage, {}, {measuring.CODE: "b"})
