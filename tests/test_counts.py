"""Counts in sentences: "1 model", "2 models"."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from freerouter_core import Limit
from freerouter_core.catalogue.counts import count_words
from freerouter_core.reports.bulk import BulkProgress
from freerouter_core.reports.stats import Stats
from freerouter_core.routing.waits import limit_in_words

from .test_architecture import PACKAGES, modules

NOUNS = (
    "answers", "attempts", "calls", "candidates", "entries", "failures", "hedges",
    "jobs", "keys", "models", "processes", "providers", "requests", "rows", "sessions",
    "texts", "times", "vectors",
)  # fmt: skip
_NOUN = re.compile(rf" (?:free )?(?:{'|'.join(NOUNS)})\b")


def counted_by_hand(path: Path) -> Iterator[str]:
    """f-strings that put a number before a plural, unless they know that it is not one."""
    tree = ast.parse(path.read_text("utf-8"))
    told_apart = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.IfExp) and "== 1" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr) or id(node) in told_apart:
            continue
        for number, after in zip(node.values, node.values[1:], strict=False):
            if not (isinstance(number, ast.FormattedValue) and isinstance(after, ast.Constant)):
                continue
            constant = ast.unparse(number.value).isupper()
            if not constant and _NOUN.match(str(after.value)):
                yield f"{path.name}:{node.lineno}: {ast.unparse(node)}"


def test_no_sentence_puts_a_number_before_a_plural_by_hand() -> None:
    found = {
        line
        for package in PACKAGES
        for path in modules(package)
        if "simulator" not in path.parts
        for line in counted_by_hand(path)
    }

    assert not found, "use count_words"


@pytest.mark.parametrize("n", [0, 1, 2, 1_001])
def test_one_is_one_in_what_is_printed(n: int) -> None:
    stats = Stats(
        listed=n, free=n, providers={}, capabilities={}, lists={}, answered=n, gave_up=n,
        called_off=n, attempts=n, hedges=n, seconds=None, fallback_rate=None, faults={}, errors={},
        error_rates={}, sessions=(),
    )  # fmt: skip
    s = "" if n == 1 else "s"

    assert count_words(n, "entry", "entries") == f"{n:,} {'entry' if n == 1 else 'entries'}"
    assert limit_in_words(Limit(n, per=60.0)) == f"{n:,} request{s} a minute"
    assert limit_in_words(Limit(tokens=n, per=3_600.0)) == f"{n:,} token{s} an hour"
    assert limit_in_words(Limit(concurrent=n)) == f"{n:,} request{s} at once"
    assert str(BulkProgress(done=0, failed=0, read=n, total=n)) == f"0 of {n:,} row{s} done"
    assert f"free of {n:,} model{s}; {n:,} answer{s} (" in str(stats)
    assert f"{n:,} attempt{s}; 0 sessions" in str(stats)
