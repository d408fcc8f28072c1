"""Waits that are told in words, in several languages, and as dates."""

from __future__ import annotations

import pytest

from freerouter_core.wire.json_values import Json
from freerouter_core.wire.judge import judge_rejection
from freerouter_core.wire.rejection import Rejection
from freerouter_core.wire.retry_after import retry_at_in, spent_limits_reset_at, stated_retry_at
from freerouter_core.wire.worded_wait import worded_retry_at

NOW = 1_795_953_600.0
"""2026-11-29 12:00:00 UTC."""
HOUR = 3_600.0


def wait(message: str) -> float | None:
    moment = worded_retry_at(message, NOW)
    return None if moment is None else round(moment - NOW, 3)


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Please try again in 58 hours.", 58 * HOUR),
        ("quota exhausted (reset after 5m)", 300),
        ("Your limit resets in 2 hours 30 minutes", 2.5 * HOUR),
        ("Come back later, in 3 minutes", 180),
        ("请求过于频繁，请在 45 秒后重试", 45),
        ("请 2 分钟后再试", 120),
        ("請稍候，1 小时後重試", HOUR),
        ("Bitte versuchen Sie es in 30 Sekunden erneut.", 30),
        ("Erneut nach 2 Minuten", 120),
        ("Trop de requêtes, réessayez dans 2 minutes.", 120),
        ("Veuillez patienter, dans 1 heure", HOUR),
        ("30秒後に再試行してください", 30),
        ("30초 후에 다시 시도하세요", 30),
        ("Повторите попытку через 20 секунд.", 20),
        ("Подождите: через 2 минуты", 120),
        ("Inténtelo de nuevo en 15 segundos.", 15),
        ("Tente novamente em 3 minutos", 180),
        ("Riprova tra 10 secondi", 10),
        ("Wait 250 毫秒", 0.25),
        ("Try again in 1 jour", 86_400),
        # No wait is told.
        ("You may send 20 requests in 60 seconds", None),
        ("Limit: 100 in 24 hours", None),
        ("5 秒后", None),
        ("Try again soon", None),
        ("Inténtelo en 5 lunas", None),
    ],
)
def test_a_wait_is_read_in_any_language(message: str, seconds: float | None) -> None:
    assert wait(message) == seconds


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("limit resets at: 2026-11-29T13:00:00+0000", HOUR),
        ("limit resets at 2026-11-29 13:00 UTC", HOUR),
        ("try again after 2026-11-29T13:00:00.5Z", HOUR + 0.5),
        ("You will regain access on 2026-12-01 at 00:00 UTC.", 36 * HOUR),
        ("Service under maintenance until 2026-11-29T14:30:00+02:00", HOUR / 2),
        ("Resets 2026-12-01", 36 * HOUR),
        # Without a zone: Beijing's, unless that is past.
        ("您的限额将在 2026-11-29 21:41:44 重置。", 6_104),
        ("Your limit will reset at 2026-11-29 21:41:44", 6_104),
        ("Your limit will reset at 2026-11-29 13:00:00", HOUR),
        # No time of a return.
        ("Request 7 of 2026-11-29 21:41:44 was refused", None),
        ("retry at 2026-99-99T00:00:00Z", None),
        ("reset soon", None),
    ],
)
def test_a_date_is_read_behind_a_word_for_a_return(message: str, seconds: float | None) -> None:
    assert wait(message) == seconds


def test_of_dates_in_the_past_the_last_reading_counts() -> None:
    assert wait("resets at 2026-11-29 11:00:00") == -HOUR


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        ({"resets_in_seconds": 90}, 90),
        ({"resets_at": NOW + 90}, 90),
        ({"reset_time": "1m30s"}, 90),
        ({"resetTime": "2026-11-29T12:01:30Z"}, 90),
        ({"retryAfterMs": 1_500}, 1.5),
        ({"estimated_time": 42.5}, 42.5),
        ({"data": {"limits": [{"reset_seconds": 7}]}}, 7),
        ({"a": {"a": {"a": {"a": {"a": {"a": {"a": {"retry_after": 5}}}}}}}}, None),
        ({"retry_after": "soon", "retry_in": 4}, 4),
        ({"retry_after": True, "reset": "no"}, None),
    ],
)
def test_a_field_that_is_called_like_a_wait_is_one(error: Json, seconds: float | None) -> None:
    moment = retry_at_in(error, NOW)

    assert (None if moment is None else round(moment - NOW, 3)) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"ratelimit-reset": "30"}, 30),
        ({"ratelimit": "limit=100, remaining=0, reset=45"}, 45),
        ({"ratelimit": '"default";r=0;t=45'}, 45),
        ({"ratelimit": '"default";r=5;t=45'}, None),
        ({"ratelimit": "soon"}, None),
        ({"x-rate-limit-reset": str(NOW + 60)}, 60),
        ({"x-ratelimit-reset-after": "12"}, 12),
        ({"x-ms-retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "30, 60"}, 30),
        ({"retry-after": "Sun, 29 Nov 2026 12:01:00 GMT"}, 60),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-11-29T12:00:25Z",
            },
            25,
        ),
        (
            {
                "anthropic-ratelimit-requests-remaining": "3",
                "anthropic-ratelimit-requests-reset": "2026-11-29T12:00:25Z",
            },
            None,
        ),
    ],
)
def test_headers_of_every_family_are_read(headers: dict[str, str], seconds: float | None) -> None:
    moment = stated_retry_at(headers, {}, NOW)
    assert (None if moment is None else moment - NOW) == seconds

    spent = spent_limits_reset_at(headers, NOW)
    assert spent == (NOW + 25 if seconds == 25 else None)


@pytest.mark.parametrize(
    ("message", "headers", "seconds"),
    [
        ("Too many requests. Try again in 3 hours", {}, 3 * HOUR),
        ("Too many requests. Try again in 58 hours", {}, 58 * HOUR),
        ("Too many requests. Try again in 300 hours", {}, None),
        ("Too many requests", {"retry-after": str(58 * 3_600)}, None),
        ("Too many requests this hour. Try again in 3 hours", {}, None),
    ],
)
def test_the_unit_of_a_wait_is_no_period_of_the_limit(
    message: str, headers: dict[str, str], seconds: float | None
) -> None:
    fault = judge_rejection(Rejection(429, headers, {"message": message}), NOW)

    assert (None if fault.until is None else fault.until - NOW) == seconds
