"""The agreement check finds what DVC cannot see."""

import textwrap
from pathlib import Path

import pytest

from pipelines import overlay
from pipelines.agreement import stages, values
from pipelines.agreement.source import Source
from pipelines.run_stage import load_job
from stages.core import params as parameters

FILES = {
    "stages/__init__.py": '"""Only a docstring."""\n',
    "stages/core/__init__.py": '"""Only a docstring."""\n',
    "stages/core/artefacts.py": "x = 1\n",
    "stages/core/files.py": "from stages.core.errors import Fault\n",
    "stages/core/errors.py": "class Fault(Exception): ...\n",
    "stages/core/types.py": "",
    "stages/core/loader.py": """
        from stages.core import parts
        def load(name): return helper(name)
        def helper(name): return parts.load("heads", name)
        def unused(name): return parts.load("tuning", name)
    """,
    "stages/core/parts.py": "",
    "stages/maths/__init__.py": '"""Only a docstring."""\n',
    "stages/maths/lazy.py": "",
    "stages/parts/__init__.py": '"""Only a docstring."""\n',
    "stages/parts/heads/__init__.py": "SHARED = 1\n",
    "stages/parts/heads/_base.py": "from stages.maths import lazy\n",
    "stages/parts/heads/linear.py": "from stages.parts.heads._base import lazy\n",
    "stages/parts/heads/unet.py": "",
    "stages/parts/tuning/full.py": "",
    "stages/train.py": """
        from typing import TYPE_CHECKING
        from stages.core import artefacts, loader
        if TYPE_CHECKING:
            from stages.core import types
        def run(job):
            from stages.core.files import Fault
            loader.load(job.seed)
            return artefacts.PREPROCESSED, artefacts.finetuned(job.task)
    """,
}
NEEDED = {
    "stages/core/artefacts.py", "stages/core/errors.py", "stages/core/files.py", "stages/core/loader.py",
    "stages/core/parts.py", "stages/train.py", "stages/maths/lazy.py", "stages/parts/heads/__init__.py",
    "stages/parts/heads/_base.py",
}  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """Lay a small tree of modules."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return Source(tmp_path)


def entry(*deps: str, outs: tuple[str, ...] = ("data/finetuned/${key}",)) -> stages.Entry:
    return stages.Entry("train", "train", "${key}", deps, (), outs)


GOOD = (*sorted(NEEDED), "stages/parts/heads/${item.head}.py", "data/preprocessed")


def test_the_closure_has_imports_inside_functions_and_no_docstring_packages(source: Source) -> None:
    """What runs is followed; what only a type checker reads is not."""
    found = {path.as_posix() for path in source.closure("stages.train")}
    own = {"artefacts", "errors", "files", "loader", "parts"}
    assert found == {"stages/train.py"} | {f"stages/core/{name}.py" for name in own}


def test_a_part_loaded_by_a_helper_counts_only_where_the_helper_is_used(source: Source) -> None:
    """Reach goes from function to function: the loader's other function chooses for others."""
    reach = source.reach("stages.train")
    assert reach.families == {("heads", None)}
    assert reach.artefacts == {"PREPROCESSED", "finetuned"}
    assert reach.facts == {"seed"}


@pytest.mark.parametrize("call", [f"{word}('heads')" for word in ("name.partition", "words.rpartition", "apart", "depart")])
def test_a_call_that_only_sounds_like_it_chooses_no_part(source: Source, call: str) -> None:
    """Text methods are no choice of a part; the loader's own calls are, whatever their object is called."""
    (source.root / "stages/other.py").write_text(f"def run(name): return {call}\n", encoding="utf-8")
    assert source.reach("stages.other").families == set()
    (source.root / "stages/chooser.py").write_text('def run(job): return job.part("heads"), _part("tuning", 1)\n')
    assert {family for family, _ in source.reach("stages.chooser").families} == {"heads", "tuning"}


def test_acquire_reads_the_parameters_of_the_chosen_source_alone() -> None:
    """Whoever brings data of their own leaves the embedded set's section where it is, and nothing complains of it."""
    home = Path(__file__).parents[3]
    raw = overlay.merge(parameters.read(home / "params.yaml"), parameters.read(home / "params/bccd.yaml"))
    assert load_job("acquire", None, raw, Path())[1].part("sources").name == "voc"
    assert {"scenes", "voc"} <= set(raw["acquire"])
    (entry,) = [one for one in stages.entries(home) if one.name == "acquire"]
    assert not list(values.compare(entry, raw, Source(home, stages.ROOTS)))


def test_a_complete_entry_has_no_findings(source: Source) -> None:
    """Code, the family's imports, the templated part and both paths are there."""
    assert list(stages.compare(entry(*GOOD), source)) == []


@pytest.mark.parametrize("gone", sorted(NEEDED))
def test_every_missing_import_is_named_to_the_line(source: Source, gone: str) -> None:
    """Whichever dependency is left out, the line to add is printed."""
    (finding,) = stages.compare(entry(*(dep for dep in GOOD if dep != gone)), source)
    assert (finding.add, finding.remove) == ((gone,), ())
    assert f"  + - {gone}" in str(finding)


def test_what_nothing_imports_is_reported(source: Source) -> None:
    """A dependency too many runs the stage without need."""
    (finding,) = stages.compare(entry(*GOOD, "stages/core/types.py"), source)
    assert finding.remove == ("stages/core/types.py",)
    (finding,) = stages.compare(entry(*GOOD, "stages/parts/tuning/${item.tuning}.py"), source)
    assert finding.remove == ("stages/parts/tuning/${item.tuning}.py",)


def test_an_untemplated_part_is_reported(source: Source) -> None:
    """One part alone would not follow a change of the choice."""
    found = list(stages.compare(entry(*(d for d in GOOD if "${item" not in d), "stages/parts/heads/unet.py"), source))
    assert [finding.add for finding in found] == [("stages/parts/heads/${...}.py",)]


def test_paths_must_be_those_of_the_artefacts(source: Source) -> None:
    """A path the code does not use, and one it uses that is missing, are both named."""
    wrong = entry(*(d for d in GOOD if d != "data/preprocessed"), "data/preproccessed")
    missing, extra = stages.compare(wrong, source)
    assert (missing.add, extra.remove) == (("data/preprocessed",), ("data/preproccessed",))


def test_a_part_that_imports_the_part_beside_it_is_reported(source: Source) -> None:
    """DVC refuses a path that stands twice, so shared code belongs in a helper."""
    (source.root / "stages/parts/heads/linear.py").write_text("from stages.parts.heads import unet\n", encoding="utf-8")
    whys = [finding.why for finding in stages.compare(entry(*GOOD), source)]
    assert any("imports the part unet" in why for why in whys)


def test_the_entry_is_read_as_written(tmp_path: Path) -> None:
    """Templates stay, options of outputs go, foreign commands are left alone."""
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n"
        "  a: {cmd: echo x}\n"
        "  b:\n    foreach: ${tasks}\n    do:\n      cmd: python -m pipelines stage b ${key}\n      deps: ['x/${key}']\n"
        "      metrics:\n        - 'm/${key}.json': {cache: false}\n",
        encoding="utf-8",
    )
    assert stages.entries(tmp_path) == [stages.Entry("b", "b", "${key}", ("x/${key}",), (), ("m/${key}.json",))]


@pytest.mark.parametrize(
    "body",
    [
        "cmd: rawline stage b",
        "cmd: .venv/bin/rawline stage b",
        "cmd: [mkdir -p x, python -m pipelines stage b]",
        "cmd: python3 -m pipelines.cli stage b",
        "cmd: python -m pipelines stage b && touch x",
        "{cmd: python -m pipelines stage b, wdir: stages}",
        "foreach: [x]\n    do: {cmd: 'rawline stage b ${item}'}",
    ],
)
def test_a_stage_of_ours_is_started_with_the_folder_s_own_code_or_reported(tmp_path: Path, body: str) -> None:
    """Each other way to start one may run code that DVC does not book; a foreign command is nobody's business."""
    (tmp_path / "dvc.yaml").write_text(f"stages:\n  a: {{cmd: echo pipelines}}\n  b:\n    {body}\n", encoding="utf-8")
    (finding,) = stages.commands(tmp_path)
    assert (finding.stage, finding.what) == ("b", "cmd")
    assert "python -m pipelines stage" in finding.why
    (tmp_path / "dvc.yaml").write_text("stages:\n  b: {cmd: python -m pipelines stage b}\n", encoding="utf-8")
    assert list(stages.commands(tmp_path)) == []


def test_a_parameter_file_lies_over_another() -> None:
    """Values merge key by key; the set of tasks is replaced, so that an overlay can leave one out."""
    base = {"seed": 1, "a": {"x": 1, "y": {"z": 2}}, "tasks": {"detect": {"head": "h"}}}
    over = {"a": {"y": {"z": 3}}, "tasks": {"classify": {"head": "l"}}}
    assert values.merge(base, over) == {"seed": 1, "a": {"x": 1, "y": {"z": 3}}, "tasks": {"classify": {"head": "l"}}}
