"""Messages that were written for callers of the library, as the command prints them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import freerouter_core
from freerouter_core.apps.cli.log_lines import tell_warnings
from freerouter_core.apps.cli.shell_words import in_shell
from freerouter_core.client.config import RouterConfig
from freerouter_core.events import log
from freerouter_core.runtime.loop.watchdog import Watchdog

CORE = Path(freerouter_core.__file__).parent
OPTIONS = "|".join(RouterConfig.__dataclass_fields__)
PYTHON = re.compile(rf"\b(?:router|Router|Provider)\b[.(]|\b(?:{OPTIONS})=")
"""What only a caller of the library can write."""
FOR_CALLERS = {"guards", "reports", "evaluation", "router.py", "config.py", "providers.py"}
"""What the command does not let one do wrong."""


def texts(node: ast.AST) -> Iterator[str]:
    """The texts of an expression. What is filled in reads NAME."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(
            str(part.value) if isinstance(part, ast.Constant) else "NAME" for part in node.values
        )
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from texts(child)


def hints() -> list[str]:
    """Every hint of the package."""
    found: set[str] = set()
    for path in CORE.rglob("*.py"):
        if FOR_CALLERS & {*path.parts, path.name}:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            named = isinstance(node, ast.keyword) and node.arg == "hint"
            if isinstance(node, ast.Assign):
                named = "hint" in ast.unparse(node.targets[0])
            if named:
                found.update(texts(node))
    return sorted(found)


def test_no_hint_speaks_python_in_the_shell() -> None:
    assert len(hints()) > 60
    assert [hint for hint in hints() if PYTHON.search(in_shell(hint))] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("raise max_tokens: the JSON was cut", "raise --max-tokens: the JSON was cut"),
        ("wait longer with max_wait=…", "wait longer with --max-wait"),
        (
            "set GROQ_API_KEY or pass api_key=…",
            "keep it with `freerouter keys set`, or set GROQ_API_KEY",
        ),
        (
            "allow more time with timeout=…, or lower max_tokens",
            "allow more time with --timeout, or lower --max-tokens",
        ),
    ],
)
def test_options_are_named_as_the_shell_has_them(text: str, words: str) -> None:
    assert in_shell(text) == words


def test_a_short_block_of_the_loop_is_not_told_in_the_shell(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first request of a command it is blocked a little, and nobody else waits."""
    monkeypatch.setattr(log, "handlers", [])
    now = 0.0
    watchdog = Watchdog(lambda: now)
    tell_warnings()
    for seconds in (0.3, 100.0, 3.0):
        watchdog.begin()
        now += seconds
        if seconds < 100.0:
            watchdog.end()
        else:
            watchdog.reset()  # time passes, so the next block is logged

    assert capsys.readouterr().err.count("was blocked") == 1
