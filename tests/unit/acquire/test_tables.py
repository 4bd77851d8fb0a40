"""A table is read as spreadsheets of any country write it, or refused in one line that says what was found."""

import io
from csv import writer
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines import overlay
from stages.core import params as parameters
from stages.core.errors import DataError
from stages.parts.sources import _layout, _table
from tests import sources

CELLS = st.text("ab ,;\t\"'ä\n", max_size=6)
ROOT = Path(__file__).parents[3]


def put(path: Path, rows: list[list[str]], delimiter: str, mark: str = "") -> Path:
    """Write a table as the standard library does."""
    text = io.StringIO(newline="")
    writer(text, delimiter=delimiter).writerows(rows)
    path.write_bytes((mark + text.getvalue()).encode())
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(_table.DELIMITERS)),
    st.sampled_from(["", "\ufeff"]),
    st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5),
)
def test_a_table_reads_the_same_whatever_separates_its_cells(
    tmp_path: Path, delimiter: str, mark: str, rows: list[tuple[str, str, str]]
) -> None:
    """With a byte order mark and without; delimiters, quotes and line ends within a cell are the cell's own."""
    table = put(tmp_path / "t.csv", [["path", "label", "note, or; so"], *map(list, rows)], delimiter, mark)
    found = _table.read(table, ["path", "label"], {"path", "label"}, _layout.Fence(tmp_path))
    assert [tuple(row.values()) for row in found] == [tuple(map(str.strip, row)) for row in rows]


@pytest.mark.parametrize("delimiter", sorted(_table.DELIMITERS))
def test_a_missing_column_is_told_with_what_was_found(tmp_path: Path, delimiter: str) -> None:
    """The columns, and what separates them."""
    table = put(tmp_path / "t.csv", [["file", "label"], ["a", "b"]], delimiter)
    word = _table.DELIMITERS[delimiter]
    with pytest.raises(DataError, match=rf"^\S+: the column path is missing; found file, label, separated by {word}$"):
        _table.read(table, ["path", "label"], set(), _layout.Fence(tmp_path))
    long = put(tmp_path / "u.csv", [["path", "label"], ["a", "b", "c"]], delimiter)
    with pytest.raises(
        DataError, match=rf"row 2: more cells than columns, separated by {word}; quote a value that holds one$"
    ):
        _table.read(long, ["path"], set(), _layout.Fence(tmp_path))


@pytest.mark.parametrize("delimiter", sorted(_table.DELIMITERS))
def test_decimal_commas_are_named(tmp_path: Path, delimiter: str) -> None:
    """They would be words to the audit; a comma in a text, in a label or a path is the user's own."""
    head = ["path", "label", "light"]
    table = put(tmp_path / "t.csv", [head, ["1,5", "2,5", "3"], ["a", "b", ""], ["c", "d", "-0,25"]], delimiter)
    with pytest.raises(
        DataError, match=r"^\S+, row 4: light is '-0,25', with a decimal comma; write -0\.25 in that column$"
    ):
        _table.read(table, ["path", "label"], {"path", "label"}, _layout.Fence(tmp_path))
    plain = put(tmp_path / "u.csv", [head, ["1,5", "2,5", "3,5 or so"], ["a", "b", "4,5"]], delimiter)
    assert [row["light"] for row in _table.read(plain, ["path"], {"path", "label"}, _layout.Fence(tmp_path))] == [
        "3,5 or so",
        "4,5",
    ]


@pytest.mark.parametrize("delimiter", sorted(_table.DELIMITERS))
def test_the_example_of_a_table_brings_pictures_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delimiter: str) -> None:
    """The example's own rows, and more of their kind: unit, splits and groups are those that it tells of."""
    example = ROOT / "params/csv.yaml"
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    overlay.use(example, tmp_path / "params.yaml")
    found = parameters.read(tmp_path / "params.yaml")["acquire"]
    shown = [line[1:].strip().split(",") for line in example.read_text().splitlines()[1:4]]
    rows = [[*shown[1 + n % 2]] for n in range(12)]
    for n, row in enumerate(rows):
        row[0], row[3] = f"images/{n}.png", f"p{n // 2 * 2 + n % 2}"
        sources.put(tmp_path / "set" / row[0], sources.picture(n))
    put(tmp_path / "set" / found["csv"]["table"], [shown[0], *rows], delimiter, "\ufeff")
    monkeypatch.chdir(tmp_path)
    data, _ = sources.run("csv", tmp_path / "set", found["csv"], unit=found["unit"])
    assert sorted(data.groups()) == ["group_age", "group_patient", "group_scanner"]
    assert set(data.manifest["unit"]) == {row[3] for row in rows}
    given = {row[0]: row[2] for row in rows}
    drawn = data.manifest.set_index("source")["split"].to_dict()
    assert {name for name, split in drawn.items() if split == "test"} == {n for n, split in given.items() if split == "test"}
    assert data.info.labels == ("benign", "malignant")
