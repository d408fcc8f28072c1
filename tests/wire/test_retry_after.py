"""Every spelling of a wait."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freerouter_core.wire.retry_after import (
    MAX_WAIT,
    parse_duration,
    parse_retry_at,
    stated_retry_at,
)

NOW = 1_790_467_000.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2", 2), ("2.5", 2.5), (7, 7), ("59s", 59), ("2m59.56s", 179.56),
        ("10h17m5.72s", 37_025.72), ("250ms", 0.25),
        ("1d", 86_400), ("33011.382867", 33_011.382867), (1790467200, 200), ("1790467200", 200),
        (1790467200000, 200), ("1790467200000", 200), ("2026-09-27T00:00:00Z", 200),
        ("2026-09-27T02:00:00+02:00", 200),
        ("Sun, 27 Sep 2026 00:00:00 GMT", 200), (NOW - 5, 0),
        ("-5", None), (-5, None), ("1e30", None), ("nan", None), ("inf", None), ("", None),
        (None, None), (True, None),
        ("soon", None), ("9999-99-99T00:00:00Z", None), (MAX_WAIT + 10, None), (1e15, None),
        (1.6e9, None),
    ],
)  # fmt: skip
def test_every_spelling_of_a_moment_is_read(value: Any, seconds: float | None) -> None:
    moment = parse_retry_at(value, NOW)

    assert moment == (None if seconds is None else pytest.approx(NOW + seconds, abs=0.01))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("PT30S", 30), ("PT1M30.5S", 90.5), ("PT2H", 7_200), ("P1D", 86_400), ("P1DT1H", 90_000),
        ("pt5s", 5), ("00:01:30", 90), ("1:00:00", 3_600), ("00:00:02.5", 2.5),
        ("30 seconds", 30), ("30 Seconds", 30), ("1 second", 1), ("2 mins", 120), ("1 hr", 3_600),
        ("1 minute 30 seconds", 90), ("1 minute and 30 seconds", 90), ("1 hour, 5 minutes", 3_900),
        ("500 milliseconds", 0.5), ("2 days", 172_800), ("1.5 minutes", 90), ("5 s", 5),
        ("P", None), ("PT", None), ("P1H", None), ("PT1D", None), ("00:61:00", None),
        ("seconds", None), ("30 bananas", None), ("in 30 seconds", None), ("99 days", None),
        ("-PT30S", None), ("30 secondss", None), ("1:2:3", None),
    ],
)  # fmt: skip
def test_a_wait_may_be_spelled_as_a_duration(value: str, seconds: float | None) -> None:
    moment = parse_retry_at(value, NOW)

    assert moment == (None if seconds is None else pytest.approx(NOW + seconds, abs=0.01))
    if seconds is not None:
        assert stated_retry_at({"retry-after": value}, {}, NOW) == moment
        assert stated_retry_at({}, {"retry_after": value}, NOW) == moment


UNITS = {"d": "day", "h": "hour", "m": "minute", "s": "second"}


@given(st.dictionaries(st.sampled_from("hms"), st.integers(1, 59), min_size=1))
def test_every_way_of_spelling_a_wait_is_the_same_wait(parts: dict[str, int]) -> None:
    ordered = [(unit, parts[unit]) for unit in "hms" if unit in parts]
    spellings = [
        "".join(f"{number}{unit}" for unit, number in ordered),
        "PT" + "".join(f"{number}{unit.upper()}" for unit, number in ordered),
        " ".join(f"{number} {UNITS[unit]}s" for unit, number in ordered),
        ", ".join(f"{number} {UNITS[unit].upper()}" for unit, number in ordered),
        ":".join(f"{parts.get(unit, 0):02d}" for unit in "hms"),
    ]

    assert len({parse_retry_at(text, NOW) for text in spellings}) == 1


@given(st.text() | st.floats() | st.integers() | st.none() | st.booleans())
def test_any_value_is_a_sane_wait_or_none(value: Any) -> None:
    moment = parse_retry_at(value, NOW)

    assert moment is None or NOW <= moment <= NOW + MAX_WAIT


@given(st.integers(0, 9), st.integers(0, 59), st.floats(0, 59.99).map(lambda s: round(s, 2)))
def test_durations_add_up(hours: int, minutes: int, seconds: float) -> None:
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == pytest.approx(
        hours * 3600 + minutes * 60 + seconds
    )


@pytest.mark.parametrize(
    ("headers", "error", "seconds"),
    [
        ({"retry-after": "7"}, {}, 7),
        ({"retry-after-ms": "1500"}, {}, 1.5),
        ({"x-ratelimit-reset": str(int((NOW + 30) * 1000))}, {}, 30),
        ({}, {"metadata": {"headers": {"X-RateLimit-Reset": str(int((NOW + 30) * 1000))}}}, 30),
        ({}, {"metadata": {"retry_after_seconds": 12}}, 12),
        ({}, {"availability": {"retry_after": 9}}, 9),
        (
            {},
            {
                "details": [
                    {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "38.601s"}
                ]
            },
            38.601,
        ),
        ({}, {"message": "Please retry in 10h17m5.72s."}, 37_025.72),
        ({}, {"message": "Rate limit reached. Please try again in 2m59.56s"}, 179.56),
        ({"retry-after": "nonsense"}, {"metadata": {"retry_after": 3}}, 3),
        ({}, {"message": "Rate limit exceeded"}, None),
        ({}, {"message": "Please retry shortly, or add your own key"}, None),
    ],
)
def test_a_stated_wait_is_found_in_headers_bodies_and_messages(
    headers: dict[str, str], error: dict[str, Any], seconds: float | None
) -> None:
    until = stated_retry_at(headers, error, NOW)

    assert until == (None if seconds is None else pytest.approx(NOW + seconds, abs=0.01))
