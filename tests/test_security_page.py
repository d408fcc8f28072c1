"""docs/security.md: each promise names a test, and that test exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "::" in line]


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, functions)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_each_promise_names_a_test_that_exists(row: str) -> None:
    found = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row)
    assert found, row
    for path, name in found:
        assert name in names_in(ROOT / path), f"{path} has no {name}"


def test_every_promise_names_a_test() -> None:
    tables = re.findall(r"\| promise \| test \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE)
    promises = [row for table in tables for row in table.splitlines()]

    assert len(tables) >= 4
    assert promises == ROWS
