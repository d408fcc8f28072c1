"""Waits are counted by the server's own clock, and none is longer than what it waits for."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest

from freerouter_core.wire.fault import Cause
from freerouter_core.wire.judge import judge_rejection
from freerouter_core.wire.rejection import Rejection
from freerouter_core.wire.retry_after import clock_of, spent_limits_reset_at, told_period

NOW = 1_800_000_000.0
HOUR, DAY = 3_600.0, 86_400.0
MINUTE_SPENT = {"message": "Rate limit exceeded: free-models-per-min."}
DAY_SPENT = {"message": "Rate limit exceeded: free-models-per-day."}


def wait(error: dict[str, Any], status: int = 429, **headers: str) -> float | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    fault = judge_rejection(Rejection(status, named, error), NOW)
    return None if fault.until is None else fault.until - NOW


def date(at: float) -> str:
    return formatdate(at, usegmt=True)


@pytest.mark.parametrize("skew", [-6 * HOUR, -90.0, 0.0, 90.0, 6 * HOUR, 400 * DAY, -400 * DAY])
def test_a_reset_is_counted_from_the_answer_s_own_date(skew: float) -> None:
    theirs = NOW + skew
    milliseconds = str(int((theirs + 30.0) * 1000))
    assert wait(MINUTE_SPENT, date=date(theirs), x_ratelimit_reset=milliseconds) == 30.0
    assert wait(MINUTE_SPENT, date=date(theirs), retry_after=date(theirs + 20.0)) == 20.0
    assert wait(MINUTE_SPENT, date=date(theirs), retry_after="7") == 7.0
    headers = {
        "date": date(theirs),
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": str(theirs + 50.0),
    }
    assert spent_limits_reset_at(headers, NOW) == NOW + 50.0


@pytest.mark.parametrize("text", ["", "soon", "Mon, " * 1_000, "Thu, 99 Foo 2026 00:00:00 GMT"])
def test_a_date_that_is_none_leaves_our_own(text: str) -> None:
    assert clock_of({"date": text}, NOW) == NOW
    assert clock_of({}, NOW) == NOW
    assert clock_of({"date": date(NOW + 0.6)}, NOW + 0.6) == NOW + 0.6  # it has whole seconds


@pytest.mark.parametrize("ahead", [21_630.0, 39 * DAY, 61.0])
def test_a_minute_s_limit_is_a_minute(ahead: float) -> None:
    assert wait(MINUTE_SPENT, x_ratelimit_reset=str(NOW + ahead)) == 60.0
    words = {"message": "limited: 20 requests per minute"}
    assert wait(words, x_ratelimit_reset=str(NOW + ahead)) == 60.0
    assert wait(words, retry_after="45") == 45.0


@pytest.mark.parametrize(
    ("status", "message", "stated", "until"),
    [
        (429, "free-models-per-day", 20 * HOUR, 20 * HOUR),
        (429, "too many requests", 30 * DAY, None),
        (429, "too many requests", 5 * HOUR, 5 * HOUR),
        (429, "too many requests this hour", 2 * HOUR, None),
        (429, "too many concurrent requests", 2 * HOUR, None),
        (503, "overloaded", 5 * HOUR, None),
        (503, "overloaded", 600.0, 600.0),
    ],
)
def test_a_wait_is_no_longer_than_what_it_waits_for(
    status: int, message: str, stated: float, until: float | None
) -> None:
    assert wait({"message": message}, status, retry_after=str(int(stated))) == until


def test_a_day_that_is_said_to_last_for_weeks_ends_with_the_day() -> None:
    seconds = wait(DAY_SPENT, retry_after=str(int(30 * DAY)))
    assert seconds is not None
    assert 0 < seconds <= DAY


def test_what_headers_call_spent_returns_with_its_period() -> None:
    headers = {
        "x-ratelimit-remaining-requests-minute": "0",
        "x-ratelimit-reset-requests-minute": "3000",
        "x-ratelimit-remaining-requests-day": "0",
        "x-ratelimit-reset-requests-day": "999999",
    }
    assert spent_limits_reset_at(headers, NOW) == NOW + DAY
    del headers["x-ratelimit-remaining-requests-day"]
    assert spent_limits_reset_at(headers, NOW) == NOW + 60.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20 requests per minute", 60.0), ("(RPM)", 60.0), ("per hour", HOUR), ("(TPD)", DAY),
        ("per week", 7 * DAY), ("monthly", 31 * DAY), ("per minute and per day", DAY), ("a", None),
    ],
)  # fmt: skip
def test_the_longest_period_counts(text: str, seconds: float | None) -> None:
    assert told_period(text) == seconds


def test_this_machine_s_lack_of_sockets_blames_nobody() -> None:
    from freerouter_core.wire.judge import judge_transport

    fault = judge_transport("no-socket", "OSError")
    assert (fault.cause, fault.teaches) == (Cause.NO_SOCKET, False)
    assert "ulimit" in fault.hint
