"""What is wrong is said on one line, whatever a strange file holds."""

import pytest

from schemas.errors import DataError


@pytest.mark.parametrize(
    ("cell", "shown"),
    [("two\nlines", "two\\nlines"), ("a\x1b[31mred", "a\\x1b[31mred"), ("\x0b", "\\x0b"), ("café 日本", "café 日本")],
)
def test_an_error_is_one_line_without_control_characters(cell, shown):
    error = DataError(f"it has {cell}.", where="a  b.csv", remedy="Mend it.")
    assert str(error) == f"a  b.csv: it has {shown}. Mend it."
    assert error.what == f"it has {cell}."
