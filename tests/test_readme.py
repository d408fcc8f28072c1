"""The README runs: every Python block, printing what the README says it prints."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize(("code", "printed"), BLOCKS, ids=[code.split("\n", 1)[0][:40] for code, _ in BLOCKS])
def test_python_blocks(code: str, printed: str) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102  # our own text

    assert out.getvalue() == printed


def test_every_python_block_says_what_it_prints() -> None:
    assert README.count("```python") == len(BLOCKS) >= 5


def test_the_two_commands_are_one_line_each() -> None:
    commands = [line for line in README.splitlines() if line.startswith("python3 -m venv")]

    assert [command.rpartition("/")[2] for command in commands] == ["freerouter demo", "pytest"]


def test_the_first_example_is_short() -> None:
    assert len([line for line in BLOCKS[0][0].splitlines() if line.strip()]) <= 15


def test_every_variable_is_in_the_table() -> None:
    from freerouter_core import Settings

    silent = {"openrouter_show_free_only", "openrouter_prefer_free_models"}
    for name in set(Settings.model_fields) - silent:
        stem = name.upper().removeprefix("OPENROUTER_RETRY_BACKOFF")
        assert stem in README, name
