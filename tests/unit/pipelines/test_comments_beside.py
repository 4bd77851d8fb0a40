"""A value that is itself commented out, and what is indented by tabs or stands below a broken line, is hidden as well."""

import pytest
import yaml

from pipelines import masking

SECRET = "Zx9qKf3Lm8"  # noqa: S105 - it is nobody's


@pytest.mark.parametrize("text", [
    "password: # {}", "password:  #{}", "password: x # was {}", "password: ${{DB}}\n  # {}",
    "password: ${{DB}}\n    # was {}",
    "password:\n#  {}", "password:\n  # {}\n  new", "db:\n  password: null # '{}'\n  x: 1", "- password: # {}\n- b",
    "secrets: # {}\n  db: 1", "x: {{password: abcdef, # {}\n  y: 1}}",
])  # fmt: skip
def test_a_value_that_is_commented_out_is_hidden(text: str) -> None:
    """Behind the name, behind another value or below it and deeper; live, and where all of it is a comment once more."""
    live = text.format(SECRET) + "\n"
    for written in (live, live.replace("\n", "\r\n"), "a: 1\n" + "".join(f"# {line}\n" for line in live.splitlines())):
        shown = masking.document(written)
        assert SECRET not in shown
        assert yaml.safe_load(shown) is not None
        assert masking.document(shown) == shown


@pytest.mark.parametrize("text", [
    "password: # ask Ann\n# abcd12345678\nb: 1\n", "password:\n# the next section 12345678\nb: 1\n",
    "token: 512  # abcd12345678\n", "password: null  # optional, see docs/record.md, DB_PASSWORD_2 or https://h/x1y2z3\n",
    "seed: 7  # abcd12345678\n", "password:\n# abcd12345678\n",
])  # fmt: skip
def test_a_comment_that_is_no_value_stays(text: str) -> None:
    """A sentence, what stands no deeper than the name, and what is beside something else."""
    assert masking.document(text) == text


@pytest.mark.parametrize("sign", ["#\t", "# ", "#", "  #\t"])
def test_tabs_indent_as_blanks_do(sign: str) -> None:
    """Several levels below the name and below an item, commented out, and in a text that is no YAML by its tabs."""
    for lines in (["db_password:", "\tprod:", "\t\teu: {}"], ["env:", "\t- name: DB_PASSWORD", "\t  value: {}"]):
        commented = "".join(f"{sign}{line}\n" for line in lines).format(SECRET)
        shown = masking.document(f"a: 1\n{commented}b: 2\n")
        assert SECRET not in shown
        assert yaml.safe_load(shown) == {"a": 1, "b": 2}
        assert SECRET not in masking.document("".join(f"{line}\n" for line in lines).format(SECRET))
    assert (
        masking.document("#\ta:\n#\t\tseed: 7\n# pad_token:\n#\t[PAD]\n") == "#\ta:\n#\t\tseed: 7\n# pad_token:\n#\t[PAD]\n"
    )


@pytest.mark.parametrize(
    "line", ["prod: a: b", "it's: [open", "prod: {}: b", "prod: [open", "prod: 'open", "a sentence, so: to: say"]
)
def test_a_line_that_is_no_yaml_hides_what_stands_below(line: str) -> None:
    """In what is commented out and in a broken file: the keys above count, and the name beside a value."""
    broken = line.format(SECRET)
    for text in (
        f"db_password:\n  {broken}\n  dev:\n    eu: {SECRET}\n",
        f"env:\n  - name: DB_PASSWORD\n    {broken}\n    value: {SECRET}\n",
        f"db:\n  token:\n    {broken}\n    {broken}\n    inner: {{x: {SECRET}}}\n",
    ):
        commented = "".join(f"# {one}\n" for one in text.splitlines())
        shown = masking.document(f"a: 1\n{commented}b: 2\n")
        assert SECRET not in (shown if line != "prod: {}: b" or "env" not in text else shown.replace(broken, ""))
        assert masking.document(shown) == shown
        assert yaml.safe_load(shown) == {"a": 1, "b": 2}
    assert (
        masking.document("# note: a: b\n#   - it's [open\n#   seed: 12345678\n")
        == "# note: a: b\n#   - it's [open\n#   seed: 12345678\n"
    )
