"""The table of what clients call models."""

from __future__ import annotations

import pytest

from freerouter_core import errors
from freerouter_core.wire.model_names import ANTHROPIC, ModelNames, matches


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("claude-*", "claude-sonnet-5", True),
        ("claude-*", "Claude-Opus-4-8[1m]", True),
        ("claude-*", "claude", False),
        ("claude-*", "my-claude-x", False),
        ("*haiku*", "claude-haiku-4-5-20251001", True),
        ("*haiku*", "claude-opus-4-8", False),
        ("gpt-*-mini", "gpt-5-mini", True),
        ("gpt-*-mini", "gpt-mini", False),
        ("gpt-*-mini", "gpt-5", False),
        ("a*b*b", "ab", False),
        ("a*b*b", "abb", True),
        ("a*ba*a", "aba", False),
        ("exact", "EXACT", True),
        ("exact", "exactly", False),
        ("*", "", True),
    ],
)
def test_a_star_stands_for_any_letters(pattern: str, name: str, fits: bool) -> None:
    assert matches(pattern, name) is fits


def test_the_first_row_that_matches_counts() -> None:
    names = ModelNames.parse(["claude-haiku-* = acme/small:free", "claude-*=auto"])

    assert names.meaning("claude-haiku-4-5") == "acme/small:free"
    assert names.meaning("claude-opus-5") == "auto"
    assert names.meaning("acme/other:free") == "acme/other:free"
    assert ModelNames(ANTHROPIC).meaning("claude-sonnet-5") == "auto"


@pytest.mark.parametrize("word", ["claude-*", "=auto", "a=", "a=b\nc", ""])
def test_a_row_names_both(word: str) -> None:
    with pytest.raises(errors.BadSetting, match="maps no name") as caught:
        ModelNames.parse([word])
    assert "PATTERN=MODEL" in caught.value.hint


@pytest.mark.parametrize("body", [[], {}, {"model": 7}, {"model": "other"}])
def test_other_bodies_stay_as_they_are(body: object) -> None:
    assert ModelNames(ANTHROPIC).in_body(body) is body


def test_a_body_is_copied_where_its_model_is_renamed() -> None:
    body = {"model": "claude-x", "messages": []}

    assert ModelNames(ANTHROPIC).in_body(body) == {"model": "auto", "messages": []}
    assert body["model"] == "claude-x"
