"""Waits that are longer than such a limit lasts, told as a number whose unit nothing tells."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freerouter_core.wire.fault import Cause, Fault, Kind
from freerouter_core.wire.judge import judge_rejection
from freerouter_core.wire.rejection import read_rejection

NOW = 1_800_000_000.0
COPIED = {"metadata": {"headers": {"X-RateLimit-Reset": "57000"}}}


def judged(headers: dict[str, str], error: dict[str, Any], status: int = 429) -> Fault:
    body = json.dumps({"error": {"message": "Slow down", **error}}).encode()
    return judge_rejection(read_rejection(status, headers, body), NOW)


@pytest.mark.parametrize(
    ("headers", "error", "seconds", "doubted"),
    [
        ({"retry-after": "600"}, {}, 600, False),
        ({"retry-after": "1000"}, {}, 1_000, True),
        ({"retry-after": "900"}, {}, 900, False),
        ({"retry-after": "3600"}, {}, 3_600, False),
        ({"retry-after": "43127"}, {}, 43_127, False),
        ({"retry-after": "60000"}, {}, 60_000, True),
        ({"retry-after": " 60000.0, 60000"}, {}, 60_000, True),
        ({"x-ratelimit-reset": "57000"}, {}, 57_000, True),
        ({"x-ratelimit-reset": "57600"}, {}, 57_600, False),
        ({}, COPIED, 57_000, True),
        ({"retry-after-ms": "60000"}, {}, 60, False),
        ({"retry-after-ms": "60000000"}, {}, 60_000, False),
        ({"retry-after": "1000m"}, {}, 60_000, False),
        ({"retry-after": "1800060000"}, {}, 60_000, False),
        ({"retry-after": "1800060000000"}, {}, 60_000, False),
        ({"retry-after": "Fri, 15 Jan 2027 18:00:00 GMT"}, {}, 36_000, False),
        ({"retry-after": "60000"}, {"message": "Your daily limit is reached"}, 60_000, False),
        ({"retry-after": "60000"}, {"message": "5 requests per day"}, 60_000, False),
        ({"retry-after": "60000"}, {"message": "weekly quota"}, 60_000, False),
        ({"retry-after": "60000"}, {"message": "Upstream error: 9 per day"}, 60_000, False),
        ({}, {"retry_after": 60_000}, 60_000, True),
        ({}, {"retry_after": "60000"}, 60_000, True),
        ({}, {"details": [{"retryDelay": "60000s"}]}, 60_000, False),
        ({}, {"retry_after_seconds": 60_000}, 60_000, False),
        ({}, {"retryAfterMs": 60_000_000}, 60_000, False),
        ({}, {"resets_at": 1_800_060_000}, 60_000, False),
        ({}, {"message": "Try again in 16 hours"}, 57_600, False),
    ],
)
def test_a_bare_number_is_doubted_if_no_limit_of_that_kind_lasts_so_long(
    headers: dict[str, str], error: dict[str, Any], seconds: float, doubted: bool
) -> None:
    fault = judged(headers, error)

    assert fault.until == NOW + seconds
    assert fault.doubted is doubted


@pytest.mark.parametrize(
    "value",
    [
        "-60",
        "100000",
        "9999999",
        "1900000000",
        "1700000000",
        "1700000000000",
        "99999999999999999",
        "Fri, 01 Jan 2010 00:00:00 GMT",
        "Fri, 01 Jan 2100 00:00:00 GMT",
        "nan",
        "inf",
    ],
)
def test_what_no_limit_of_a_day_explains_is_no_wait(value: str) -> None:
    """Negative, days ahead, long past: a guess is made instead."""
    fault = judged({"retry-after": value}, {})

    assert (fault.until, fault.doubted) == (None, False)


def test_a_servers_own_trouble_may_last_and_is_doubted_alike() -> None:
    assert judged({"retry-after": "3000"}, {}, 503).doubted
    assert not judged({"retry-after": "500"}, {}, 503).doubted
    assert judged({"retry-after": "5000"}, {}, 503).until is None


def test_a_doubted_wait_is_probed_after_a_minute_and_ever_later() -> None:
    fault = Fault(Kind.BUSY, Cause.AMBIGUOUS_429, until=NOW + 5_000.0, doubted=True)
    ends = [fault.rests_until(NOW, strikes) for strikes in (1, 2, 3, 6, 7, 99)]

    assert ends == [NOW + s for s in (60.0, 120.0, 240.0, 1_920.0, 3_600.0, 3_600.0)]
    assert fault.rests_until(NOW + 4_990.0, 9) == NOW + 5_000.0, "never longer than was told"
    sure = Fault(Kind.BUSY, Cause.AMBIGUOUS_429, until=NOW + 5_000.0)
    assert sure.rests_until(NOW, 1) == NOW + 5_000.0
    assert Fault(Kind.BUSY, Cause.AMBIGUOUS_429).rests_until(NOW, 1) is None
