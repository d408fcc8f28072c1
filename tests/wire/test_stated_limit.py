"""The size of a minute's limit, as refusals state it."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core.wire.fault import Cause
from freerouter_core.wire.judge import judge_rejection
from freerouter_core.wire.rejection import Rejection, searchable_text
from freerouter_core.wire.stated_limit import MAX_STATED, stated_limit

NOW = 1_800_000_000.0
PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
Headers = dict[str, str]


def quotas(**values: Any) -> dict[str, Any]:
    violations = [{"quotaId": quota, "quotaValue": value} for quota, value in values.items()]
    return {"message": "You exceeded your current quota", "details": [{"violations": violations}]}


def stated(headers: Headers, error: Any) -> int | None:
    body = error if isinstance(error, dict) else {"message": error}
    rejection = Rejection(429, headers, body)
    return stated_limit(rejection, searchable_text(rejection))


STATED: list[tuple[Headers, Any, int]] = [
    ({"x-ratelimit-limit-req-minute": "6"}, "Requests rate limit exceeded", 6),
    ({"x-ratelimit-limit-requests-minute": "30"}, "too many requests sent", 30),
    ({"x-ratelimit-limit-requests-per-minute": "5"}, "", 5),
    ({"x-ratelimit-limit": "20"}, "Rate limit exceeded: free-models-per-min. ", 20),
    ({"x-ratelimit-limit": "40"}, "40 RPM", 40),
    (
        {},
        {
            "message": "Rate limit exceeded: free-models-per-min. ",
            "metadata": {"headers": {"X-RateLimit-Limit": "20", "X-RateLimit-Remaining": "0"}},
        },
        20,
    ),
    ({}, quotas(**{PER_MINUTE: "15"}), 15),
    ({}, quotas(**{PER_MINUTE: 10}), 10),
    (
        {},
        "Rate limit reached for x in organization o on requests per minute (RPM): Limit 30, Used 9",
        30,
    ),
    ({}, "Rate limit reached for x on requests per min. Limit: 3 / min. Current: 4 / min.", 3),
    ({}, "You are limited to 20 requests per minute", 20),
    ({}, "Rate limit exceeded: 60 requests/min", 60),
    ({}, "your plan allows at most 40 RPM", 40),
    ({}, "request reached organization max RPM: 3, please try again after 1 seconds", 3),
    ({}, "a Trial key, which is limited to 20 API calls / minute", 20),
    ({}, "Your rate limit is 60 queries per minute", 60),
]


@pytest.mark.parametrize(("headers", "error", "number"), STATED, ids=lambda value: str(value)[:40])
def test_a_refusal_states_the_size_of_its_minute(headers: Headers, error: Any, number: int) -> None:
    assert stated(headers, error) == number


UNSTATED: list[tuple[Headers, Any]] = [
    # Groq's header is a day's, whatever its name leaves out.
    ({"x-ratelimit-limit-requests": "1000"}, "on requests per minute (RPM)"),
    ({"x-ratelimit-limit-requests-day": "14400"}, "Requests per minute limit exceeded"),
    ({"x-ratelimit-limit-tokens-minute": "6000"}, "too many requests per minute"),
    # Of whichever limit refused, and nobody says which.
    ({"x-ratelimit-limit": "50"}, "Too Many Requests"),
    ({"x-ratelimit-limit": "50"}, "Rate limit exceeded: free-models-per-day"),
    ({"x-ratelimit-limit": "50"}, "20 requests a minute or the daily limit"),
    ({"x-ratelimit-limit": "9000"}, "tokens per minute"),
    ({}, "on tokens per minute (TPM): Limit 6000, Used 3513, Requested 3166"),
    # bklieger-groq/stockbot-on-groq#46
    ({}, "Rate limit reached for model `x` on : Limit 500000, Used 500370, Requested 252."),
    ({}, "on requests per day (RPD): Limit 1000, Used 1000"),
    ({}, "You sent 45 requests per minute"),
    ({}, "requests per minute: wait 20 seconds. Your limit of tokens is 6000"),
    ({}, quotas(GenerateRequestsPerDayPerProjectPerModel="250")),
    ({}, quotas(GenerateContentInputTokensPerModelPerMinute="250000")),
    ({}, quotas(**{PER_MINUTE: None})),
    ({"x-ratelimit-limit-req-minute": "0"}, ""),
    ({"x-ratelimit-limit-req-minute": "-5"}, ""),
    ({"x-ratelimit-limit-req-minute": "30, 30;w=60"}, ""),
    ({"x-ratelimit-limit-req-minute": "²"}, ""),
    ({"x-ratelimit-limit-req-minute": "9" * 400}, ""),
    ({"x-ratelimit-limit-req-minute": str(MAX_STATED + 1)}, ""),
    ({}, {"metadata": {"headers": [1]}, "details": {"violations": 9}}),
    ({}, {}),
]


@pytest.mark.parametrize(("headers", "error"), UNSTATED, ids=lambda value: str(value)[:40])
def test_a_number_of_anything_else_is_no_size(headers: Headers, error: Any) -> None:
    assert stated(headers, error) is None


def test_the_first_number_that_can_be_one_counts() -> None:
    sentence = "on requests per minute (RPM): Limit 30, Used 30"
    assert stated({"x-ratelimit-limit-req-minute": "0"}, sentence) == 30


HEADER = {"x-ratelimit-limit": "20"}
RPM, TPM = "on requests per minute (RPM): Limit 7", "on tokens per minute (TPM): Limit 7000"


@pytest.mark.parametrize(
    ("headers", "message", "cause", "limit"),
    [
        (HEADER, "Rate limit exceeded: free-models-per-min", Cause.ACCOUNT_MINUTE, 20),
        (HEADER, "Rate limit exceeded: free-models-per-day", Cause.ACCOUNT_DAY, None),
        (HEADER | {"x-ratelimit-remaining": "0"}, "Too many", Cause.ACCOUNT_MINUTE, None),
        ({}, f"Rate limit reached for model `x` {RPM}", Cause.MODEL_MINUTE, 7),
        ({}, f"Rate limit reached for model `x` {TPM}", Cause.MODEL_LIMIT, None),
        ({}, f"Rate limit reached for model `x` {RPM}, 9 per day", Cause.MODEL_DAY, None),
        ({}, "Too Many Requests: a limit of 9 requests per minute", Cause.AMBIGUOUS_429, 9),
    ],
)
def test_only_what_may_be_a_minutes_limit_carries_its_size(
    headers: Headers, message: str, cause: Cause, limit: int | None
) -> None:
    fault = judge_rejection(Rejection(429, headers, {"message": message}), NOW)

    assert (fault.cause, fault.limit) == (cause, limit)
