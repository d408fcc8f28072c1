"""Every pattern of the core takes linear time on whatever it is given (law 12)."""

from __future__ import annotations

import ast
import gc
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import freerouter_core

from .patterns import FACTOR, SIZE, all_patterns, attacks

pytestmark = pytest.mark.slow

PATTERNS = all_patterns()
WORST_GROWTH = 3.0 * FACTOR
"""Linear is FACTOR, quadratic is FACTOR squared; machines are uneven."""
HARMLESS = 3.0
"""An attack that takes so many times as long as a plain text of the same length needs no second
look."""
PLAIN = "The quick brown fox jumps over the lazy dog. "


def seconds(call: Callable[[], object], runs: int) -> float:
    """The best of some runs, in seconds of this thread's own work."""
    best = 1e9
    for _ in range(runs):
        began = time.thread_time()
        call()
        best = min(best, time.thread_time() - began)
    return best


def use(pattern: re.Pattern[Any], text: str, runs: int = 2) -> float:
    """The seconds of the use of a pattern that costs most."""
    given: Any = text if isinstance(pattern.pattern, str) else text.encode()

    def search() -> None:
        pattern.fullmatch(given)
        for _ in pattern.finditer(given):
            pass

    return seconds(search, runs)


def slow_attack(pattern: re.Pattern[Any]) -> str | None:
    """The first attack whose time grows faster than its length."""
    gc.disable()
    try:
        length = SIZE * FACTOR
        plain = use(pattern, (PLAIN * length)[:length])
        for short, long in zip(attacks(pattern, SIZE), attacks(pattern, length), strict=True):
            if use(pattern, long, 1) < HARMLESS * plain:
                continue
            # Three looks: another process may disturb one.
            if all(use(pattern, long) > WORST_GROWTH * use(pattern, short) for _ in range(3)):
                return long
    finally:
        gc.enable()
    return None


@pytest.mark.timeout(300)  # it compares times: a slow machine only takes longer
@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_a_pattern_takes_linear_time(name: str) -> None:
    attack = slow_attack(PATTERNS[name])
    assert attack is None, f"{PATTERNS[name].pattern!r} on {str(attack)[:80]!r}…"


@pytest.mark.parametrize(
    "pattern",
    [r"(\w+) is not supported", r"[.!?]\s*$|\n\s*$", r"(?:a.*b)|(?:b.*a)", r"x-limit[\w-]*: 0"],
)
def test_what_is_slow_is_found(pattern: str) -> None:
    """The measure itself: these are patterns that the core once had, or worse."""
    assert slow_attack(re.compile(pattern)) is not None


def test_no_pattern_is_compiled_where_the_table_does_not_see_it() -> None:
    """Patterns are constants of modules, so that the table above is complete."""
    found = []
    root = Path(freerouter_core.__file__).parent
    for path in root.rglob("*.py"):
        place = path.relative_to(root).as_posix()
        if not place.startswith("simulator/") and place not in OWN_PATTERNS:
            found += [f"{place}:{line}" for line in inline_patterns(path.read_text("utf-8"))]
    assert not found, "name the pattern as a constant of its module"


OWN_PATTERNS = frozenset(
    {
        # Patterns that a user gives are the user's own.
        "guards/patterns.py",
        # Names with a * in a provider's row or in a user's list, against one model's name.
        "catalogue/pricing.py",
        # What our own page holds, read once.
        "apps/http/page.py",
        # Our own questions, on answers that were judged already.
        "apps/evaluation/questions.py",
    }
)
FUNCTIONS = {"search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer"}


def inline_patterns(source: str) -> list[int]:
    """The lines that use a pattern without a name."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in FUNCTIONS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
    ]
