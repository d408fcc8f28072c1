"""Where a wait is looked for, and which one counts."""

from __future__ import annotations

import pytest

from freerouter_core.wire.json_values import Json
from freerouter_core.wire.retry_after import (
    MAX_WAIT,
    parse_duration,
    parse_retry_at,
    spent_limits_reset_at,
    stated_retry_at,
)

NOW = 1_790_467_000.0


def wait(headers: dict[str, str], error: Json | None = None, *, limited: bool = True) -> object:
    moment = stated_retry_at(headers, error or {}, NOW, limited=limited)
    return None if moment is None else round(moment - NOW, 3)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9),
        ({"retry-after": "9", "x-ratelimit-reset": "20"}, 9),
        ({"retry-after": "soon", "x-ratelimit-reset": "20"}, 20),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "-3"}, None),
    ],
)
def test_the_most_precise_header_that_can_be_read_counts(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert wait(headers) == seconds


def test_headers_count_before_their_copy_and_that_before_the_rest() -> None:
    error = {
        "metadata": {"headers": {"Retry-After": "20"}, "retry_after_seconds": 30},
        "retry_after": 40,
        "availability": {"retry_after": 50},
        "details": [{"quotaId": "x"}, {"retryDelay": "60s"}],
        "message": "try again in 70s",
    }

    assert wait({"retry-after": "10"}, error) == 10
    assert wait({}, error) == 20
    error["metadata"] = {"retry_after_seconds": 30}
    assert wait({}, error) == 30
    del error["metadata"]
    assert wait({}, error) == 40
    del error["retry_after"]
    assert wait({}, error) == 50
    del error["availability"]
    assert wait({}, error) == 60
    del error["details"]
    assert wait({}, error) == 70
    del error["message"]
    assert wait({}, error) is None


def test_a_spent_limit_counts_before_what_the_error_says() -> None:
    headers = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "7.66s"}

    assert wait(headers, {"retry_after": 40}) == 7.66
    assert wait(headers, {"retry_after": 40}, limited=False) == 40


@pytest.mark.parametrize(
    ("remaining", "limited", "seconds"),
    [("0", False, 9), ("1", False, None), ("1", True, 9), (None, False, None)],
)
def test_a_reset_that_is_sent_with_every_response_counts_only_if_nothing_remains(
    remaining: str | None, limited: bool, seconds: float | None
) -> None:
    headers = {"x-ratelimit-reset": "9"}
    if remaining is not None:
        headers["x-ratelimit-remaining"] = remaining

    assert wait(headers, limited=limited) == seconds
    assert wait({"retry-after": "9"}, limited=False) == 9


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (
            {
                "x-ratelimit-reset-requests": "10h",
                "x-ratelimit-remaining-requests": "5",
                "x-ratelimit-reset-tokens": "9s",
                "x-ratelimit-remaining-tokens": "0",
            },
            9,
        ),
        (
            {
                "x-ratelimit-reset-requests": "10h",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-tokens": "9s",
                "x-ratelimit-remaining-tokens": "0.0",
            },
            36_000,
        ),
        ({"x-ratelimit-reset-requests": "10h"}, None),
        ({"x-ratelimit-reset-day": "soon", "x-ratelimit-remaining-day": "0"}, None),
        ({"x-ratelimit-reset": "9", "x-ratelimit-remaining": "0"}, None),
    ],
)
def test_of_several_spent_limits_the_last_to_reset_counts(
    headers: dict[str, str], seconds: float | None
) -> None:
    moment = spent_limits_reset_at(headers, NOW)

    assert moment == (None if seconds is None else NOW + seconds)


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Please retry in 10h17m5.7s.", 37_025.7),
        ("Try again in 2 minutes 3 seconds", 123),
        ("available in 1 day", 86_400),
        ("wait 250 ms", 0.25),
        ("wait 250 milliseconds", 0.25),
        ("retry after 3 secs", 3),
        ("wait 5 mins", 300),
        ("available again at noon", None),
        ("wait 5 moons", None),
        ("wait 99 days", None),
        ("5 seconds", None),
    ],
)
def test_a_wait_in_words_is_read_last(message: str, seconds: float | None) -> None:
    assert wait({}, {"message": message}) == seconds


@pytest.mark.parametrize("error", [{"message": None}, {"details": "x"}, {"metadata": "x"}, {}])
def test_an_odd_error_states_no_wait(error: Json) -> None:
    assert wait({}, error) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2026-09-26T23:57:40Z", 60),
        ("2026-09-26 23:57:40", 60),
        ("2026-09-26T23:57Z", 20),
        ("2026-09-27T01:57:40.5+0200", 60.5),
        ("2026-09-26T18:57:40-05:00", 60),
        ("Sat, 26 Sep 2026 23:57:40 GMT", 60),
        ("2026-13-26T23:57:40Z", None),
        ("2026-09-31T23:57:40Z", None),
        ("26 September", None),
        (10**400, None),
        (1e14, None),
        (float("inf"), None),
        (float("nan"), None),
        ("9" * 400, None),
        ([], None),
    ],
)
def test_dates_and_odd_values(value: object, seconds: float | None) -> None:
    moment = parse_retry_at(value, NOW)

    assert moment == (None if seconds is None else NOW + seconds)


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        (NOW - 86_400, 0),
        (NOW - 86_401, None),
        (NOW + MAX_WAIT, MAX_WAIT),
        (NOW + MAX_WAIT + 1, None),
        ((NOW + 5) * 1000, 5),
    ],
)
def test_a_moment_counts_within_a_day_before_and_forty_after(
    moment: float, seconds: float | None
) -> None:
    assert parse_retry_at(moment, NOW) == (None if seconds is None else NOW + seconds)
    assert parse_retry_at(str(moment), NOW) == (None if seconds is None else NOW + seconds)


def test_a_bare_number_counts_from_now_until_it_can_only_be_a_date() -> None:
    assert parse_retry_at(0, NOW) == NOW
    assert parse_retry_at(-0.1, NOW) is None
    assert parse_retry_at(MAX_WAIT, NOW) == NOW + MAX_WAIT
    assert parse_retry_at("40d", NOW) == NOW + MAX_WAIT


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(" 1H ", 3600), ("1d2h", 93_600), ("2M", 120), ("1e3", 1000), ("1x", None), ("1h x", None)],
)
def test_durations_of_any_case_and_space(text: str, seconds: float | None) -> None:
    assert parse_duration(text) == seconds
