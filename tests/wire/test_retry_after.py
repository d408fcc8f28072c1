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
