"""A day or a month is believed where nothing shorter is named, and its end where it is known."""

from __future__ import annotations

import itertools

import pytest

from freerouter_core.wire.fault import LASTING, Cause, Fault, Kind
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.judge import judge_rejection
from freerouter_core.wire.limit_period import OF_LONG_PERIODS
from freerouter_core.wire.rejection import Rejection

NOW = 1_790_467_000.0
"""2026-09-26 23:56:40 UTC, 16:56:40 Pacific time."""
MIDNIGHT, PACIFIC_MIDNIGHT = NOW + 200, NOW + 200 + 7 * 3600
FIRST_OF_OCTOBER = 1_790_812_800.0


def judged(error: Json | str, status: int = 429, headers: dict[str, str] | None = None) -> Fault:
    error = {"message": error} if isinstance(error, str) else error
    return judge_rejection(Rejection(status, headers or {}, error), NOW)


LONG = ["per day", "per month", "/ day", "/month", "per week", "each week", "for this month", "RPD"]
SHORT = [
    "per minute", "/ minute", "/min", "a minute", "per second", "/s", "per hour", "an hour",
    "every minute", "each second", "RPM", "hourly", "QPS", "per-minute",
]  # fmt: skip
SENTENCES = [
    "You are limited to 20 requests {short} and 1000 requests {long}.",
    "Rate limit: 3 requests {short}. Upgrade for 500 requests {long}.",
    "Limits are 1000 calls {long}, 20 calls {short}",
    "Slow down! The free tier allows 10 requests {short} and 200 requests {long}",
    "limit of 5 {short} ({long}: 100) reached",
]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_of_a_short_period_and_a_long_one_neither_is_believed(sentence: str) -> None:
    for short, long in itertools.product(SHORT, LONG):
        fault = judged(sentence.format(short=short, long=long))

        assert fault.cause not in OF_LONG_PERIODS, (short, long)
        assert fault.until is None or fault.until <= NOW + 60.0


@pytest.mark.parametrize("sentence", SENTENCES[:3])
def test_a_stated_wait_is_kept_all_the_same(sentence: str) -> None:
    words = sentence.format(short="per minute", long="per day")

    assert judged(words, headers={"retry-after": "20"}).until == NOW + 20
    assert judged({"message": words, "retry_after_seconds": 20}).until == NOW + 20


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("You have reached your daily limit", Cause.ACCOUNT_DAY),
        ("Your 50 requests per day are used up", Cause.ACCOUNT_DAY),
        ("No more calls for today", Cause.ACCOUNT_DAY),
        ("you may send 1000 requests per month", Cause.ACCOUNT_MONTH),
        ("Your monthly quota is used up", Cause.ACCOUNT_MONTH),
        ("Daily limit reached, please wait a minute before asking again", Cause.ACCOUNT_DAY),
        ("daily quota exceeded; it is counted anew in an hour", Cause.ACCOUNT_DAY),
    ],
)
def test_a_period_in_loose_words_is_believed_and_its_end_is_a_guess(
    words: str, cause: Cause
) -> None:
    """So the account rests for a while, and is probed (law 8)."""
    fault = judged(words)

    assert (fault.kind, fault.cause) == (Kind.ACCOUNT, cause)
    assert fault.until is None or fault.until <= NOW + 3_600.0
    assert fault.effect.rest == LASTING


@pytest.mark.parametrize(
    ("words", "until"),
    [
        ("Rate limit exceeded: free-models-per-day. Add 10 credits", MIDNIGHT),
        ("free-models-per-day-high-balance, and 20 requests per minute", MIDNIGHT),
        ("Rate limit exceeded: free-models-per-min.", NOW + 60),
        ("Quota exceeded: GenerateRequestsPerDayPerProjectPerModel-FreeTier", PACIFIC_MIDNIGHT),
        ("you have used up your daily free allocation of 10,000 neurons", MIDNIGHT),
        ("You have exceeded your monthly included credits", FIRST_OF_OCTOBER),
        ("Rate limit reached for model `x` on requests per day (RPD): Limit 9", MIDNIGHT),
        ("Your organization may send 3 requests per minute", NOW + 60),
    ],
)
def test_a_providers_own_wording_has_its_own_end(words: str, until: float) -> None:
    assert judged(words).until == until


def test_what_nothing_remains_of_is_full_for_a_guessed_time() -> None:
    """Nothing says of which limit nothing remains."""
    fault = judged("Rate limit exceeded", headers={"x-ratelimit-remaining": "0"})

    assert (fault.cause, fault.until) == (Cause.ACCOUNT_MINUTE, None)


OF_MODEL = [
    "20 requests per day per model",
    "You have exceeded the per-model quota: requests per day",
    "The daily request quota of this model is used up",
    "this model's daily limit is reached",
    "the daily limit of the model is reached",
    "Each model has a limit: 50 requests per day for each model",
    "the daily limit for that model is reached",
    "the model has reached its daily limit",
]


@pytest.mark.parametrize("words", OF_MODEL)
def test_a_limit_that_is_told_to_be_a_models_is_no_accounts(words: str) -> None:
    fault = judged(words)

    assert (fault.kind, fault.cause) == (Kind.BUSY, Cause.MODEL_DAY)
    assert (fault.until, fault.doubted) == (MIDNIGHT, True), "it is looked at long before"
    assert fault.rests_until(NOW, 1) == NOW + 60
