"""Durations as people read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freerouter_core.catalogue.durations import duration_words, span_words, until_words

MIDNIGHT = 1_796_083_200.0
"""2026-12-01, 00:00 UTC."""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3.0, "0 s"),
        (0.4, "0 s"),
        (12.0, "12 s"),
        (59.6, "1 min"),
        (429.0, "7 min 9 s"),
        (3_600.0, "1 h"),
        (7_199.0, "2 h"),
        (56_907.0, "15 h 48 min"),
        (86_400.0, "1 d"),
        (100_000.0, "1 d 4 h"),
        (math.inf, "an unknown time"),
        (math.nan, "an unknown time"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


@given(st.floats(0, 1e8))
def test_no_unit_is_full(seconds: float) -> None:
    parts = duration_words(seconds).split()
    full = {"h": 24, "min": 60, "s": 60}

    assert all(
        int(count) < full.get(unit, 10**9)
        for count, unit in zip(parts[::2], parts[1::2], strict=True)
    )


@pytest.mark.parametrize(
    ("until", "words"),
    [
        (MIDNIGHT - 56_900.0, "in 7 s"),
        (MIDNIGHT - 56_906.0, "in 1 s"),
        (MIDNIGHT - 56_906.3, "in less than 1 s"),
        (MIDNIGHT - 56_909.0, "in less than 1 s"),
        (MIDNIGHT, "at 00:00 UTC, in 15 h 48 min"),
        (MIDNIGHT - 0.2, "at 00:00 UTC, in 15 h 48 min"),
        (MIDNIGHT + 86_400.0, "on 2 December at 00:00 UTC, in 1 d 16 h"),
        (math.inf, "once its cause is mended"),
    ],
)
def test_a_moment_is_told_with_its_wait(until: float, words: str) -> None:
    assert until_words(until, MIDNIGHT - 56_907.0) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (60.0, "a minute"),
        (604_800.0, "a week"),
        (2_592_000.0, "a month"),
        (18_000.0, "in 5 hours"),
        (120.0, "in 2 minutes"),
        (90.0, "in 90 s"),
        (0.5, "in 0.5 s"),
    ],
)
def test_a_window_reads_after_a_number(seconds: float, words: str) -> None:
    assert span_words(seconds) == words
