"""The fault table: it is total, and each recorded way of failing means what it should."""

from __future__ import annotations

import itertools
import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freerouter_core.errors import Exhausted
from freerouter_core.runtime.http.transport import _FAILURE_NAMES, failure_name
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.answer import Answer, read_answer
from freerouter_core.wire.fault import Kind
from freerouter_core.wire.judge import (
    TRANSPORT,
    judge_answer,
    judge_rejection,
    judge_transport,
)
from freerouter_core.wire.rejection import embedded_rejection, read_rejection
from freerouter_core.wire.rules import RULES
from freerouter_core.wire.tool_calls import ToolCall

NOW = 1_790_000_000.0
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset"]), st.text(max_size=20)
)


def error(message: str, status: int, **metadata: Any) -> bytes:
    return json.dumps(
        {"error": {"message": message, "code": status, "metadata": metadata}}
    ).encode()


@given(
    status=st.integers(100, 999),
    headers=HEADERS,
    body=st.binary(max_size=200) | JSON.map(lambda v: json.dumps(v).encode()),
)
def test_law_5_every_response_is_some_fault(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    fault = judge_rejection(read_rejection(status, headers, body), NOW)

    assert fault.kind in Kind
    assert fault.until is None or NOW <= fault.until <= NOW + 40 * 86_400
    assert len(fault.message) <= 300


@given(error=st.dictionaries(st.sampled_from(["code", "message", "metadata", "type"]), JSON))
def test_law_5_every_error_inside_a_200_is_some_fault(error: dict[str, Any]) -> None:
    assert judge_rejection(embedded_rejection(error), NOW).kind in Kind


@given(
    body=JSON
    | st.fixed_dictionaries(
        {"choices": JSON, "error": JSON, "usage": JSON, "model": JSON, "id": JSON}
    )
)
def test_law_5_every_body_is_an_answer_or_some_fault(body: Any) -> None:
    answer = read_answer(body)
    fault = (
        judge_rejection(embedded_rejection(answer.error), NOW)
        if answer.error
        else judge_answer(answer)
    )

    assert fault is not None or answer.text or answer.tool_calls or answer.images


@given(name=st.text())
def test_law_5_every_transport_failure_is_some_fault(name: str) -> None:
    assert judge_transport(name).kind in Kind


def test_law_5_every_exception_of_httpx_has_a_row() -> None:
    kinds = [
        kind
        for kind in vars(httpx).values()
        if isinstance(kind, type) and issubclass(kind, (httpx.TransportError, httpx.DecodingError))
    ]

    assert len(kinds) > 10
    for kind in kinds:
        error = kind.__new__(kind)
        assert failure_name(error) in TRANSPORT
        if kind is not httpx.TransportError:
            assert failure_name(error) != "other", kind
    assert all(name in TRANSPORT for _, name in _FAILURE_NAMES)


def test_law_5_the_last_row_matches_everything() -> None:
    assert RULES[-1].statuses is None
    assert RULES[-1].pattern is None


RECORDED = [
    # (status, message, metadata, kind, cause, seconds until or None)
    (429, "Rate limit exceeded: free-models-per-day. Add 10 credits",
     {"headers": {"X-RateLimit-Reset": str(NOW + 500)}}, "account", "account-day", 500),
    (429, "Rate limit exceeded: free-models-per-day-high-balance. ",
     {"headers": {"X-RateLimit-Reset": str(int((NOW + 600) * 1000))}}, "account", "account-day",
     600),
    (429, "Rate limit exceeded: free-models-per-min. ",
     {"limit_source": "openrouter_free_tier_per_minute"}, "account", "account-minute", 60),
    (429, "Provider returned error",
     {"raw": "x:free is temporarily rate-limited upstream.", "provider_name": "Chutes"}, "busy",
     "upstream-429", None),
    (429, "Provider returned error",
     {"raw": "Quota GenerateRequestsPerDayPerProject", "provider_name": "Google"}, "busy",
     "upstream-429", None),
    (429, "Rate limit exceeded", {}, "busy", "ambiguous-429", None),
    (402, "Insufficient credits. Add more", {}, "account", "debt", None),
    (402, "This request requires more credits, or fewer max_tokens.", {}, "unfit", "max-tokens-402",
     None),
    (404, "No endpoints found for a/b:free.", {}, "gone", "gone", None),
    (404,
     ("This model is unavailable for free. The paid version is available now - use this slug "
      "instead: a/b"), {}, "gone", "gone", None),
    (404, "No endpoints found that support tool use. Try disabling \"question\".", {}, "unfit",
     "no-tools", None),
    (404, "No endpoints found that support the provided 'tool_choice' value.", {}, "unfit",
     "no-tool-choice", None),
    (404, "No endpoints found that support image input", {}, "unfit", "no-image", None),
    (404, "No endpoints found matching your data policy (Free model publication)", {}, "gone",
     "data-policy", None),
    (404, "Provider returned error", {"provider_name": "X"}, "busy", "upstream-404", None),
    (403, "a/b:free is only available on agentic harnesses.", {}, "gone", "harness-gated", None),
    (403, "flagged", {"reasons": ["violence"], "flagged_input": "…"}, "refused", "moderation",
     None),
    (400, "gpt-x is not a valid model ID", {}, "gone", "not-a-model", None),
    (400, "'models' array must have 3 items or fewer.", {}, "unfit", "bad-request", None),
    (400, "Provider returned error", {"raw": "INVALID_ARGUMENT", "provider_name": "Google"},
     "unfit", "upstream-400", None),
    (401, "User not found.", {}, "account", "key-refused", None),
    (503, "overloaded", {"retry_after_seconds": 12}, "busy", "server", 12),
    (524, "timeout", {}, "slow", "timeout", None),
    (302, "", {}, "account", "redirected", None),
]  # fmt: skip


@pytest.mark.parametrize(("status", "message", "metadata", "kind", "cause", "wait"), RECORDED)
def test_recorded_errors_are_the_right_faults(
    status: int, message: str, metadata: dict[str, Any], kind: str, cause: str, wait: float | None
) -> None:
    fault = judge_rejection(read_rejection(status, {}, error(message, status, **metadata)), NOW)

    assert (fault.kind, fault.cause) == (kind, cause)
    assert fault.until == (None if wait is None else pytest.approx(NOW + wait, abs=1))


def test_a_rejection_says_what_the_model_lacks() -> None:
    tools = judge_rejection(
        read_rejection(404, {}, error("No endpoints found that support tool use.", 404)), NOW
    )
    context = judge_rejection(
        read_rejection(
            400, {}, error("This endpoint's maximum context length is 8192 tokens. However …", 400)
        ),
        NOW,
    )

    assert tools.lacks == {"tools", "tool_choice"}
    assert context.context == 8192
    assert not context.teaches


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (Answer(text="fine", finish_reason="stop"), None),
        (Answer(text="", finish_reason="stop"), "empty"),
        (Answer(text=" \n", finish_reason="stop"), "empty"),
        (Answer(reasoning="thinking", finish_reason="stop"), "empty"),
        (Answer(reasoning="thinking", finish_reason="length"), "length"),
        (Answer(refusal="I will not", finish_reason="stop"), "refusal"),
        (Answer(text="", finish_reason="content_filter"), "content-filter"),
        (
            Answer(tool_calls=(ToolCall("1", "f", '{"a": '),), finish_reason="length"),
            "truncated-tool",
        ),
        (Answer(tool_calls=(ToolCall("1", "f", "[1]"),), finish_reason="stop"), "truncated-tool"),
        (Answer(tool_calls=(ToolCall("1", "g", "{}"),), finish_reason="stop"), "unknown-tool"),
        (Answer(tool_calls=(ToolCall("1", "f", "{}"),), finish_reason="stop"), None),
        (Answer(text="cut", complete=False), "cut"),
    ],
)
def test_odd_answers_are_the_right_faults(answer: Answer, cause: str | None) -> None:
    fault = judge_answer(answer, tools=frozenset({"f"}))

    assert (fault.cause if fault else None) == cause


def test_an_answer_without_the_required_call_is_a_fault() -> None:
    text = Answer(text="no", finish_reason="stop")
    other = Answer(tool_calls=(ToolCall("1", "g", "{}"),), finish_reason="tool_calls")
    both = frozenset({"f", "g"})

    missing = judge_answer(text, tools=both, must_call=True)
    wrong = judge_answer(other, tools=both, must_call="f")

    assert missing is not None
    assert missing.cause == "no-tool-call"
    assert wrong is not None
    assert wrong.cause == "other-tool"
    assert judge_answer(other, tools=both, must_call=True) is None


DAY_END = (NOW // 86_400 + 1) * 86_400
DIALECTS: list[tuple[str, int, dict[str, str], Any, Kind, str, float | None]] = [
    ("Groq's minute", 429, {"retry-after": "3"},
     {"message": "Rate limit reached for model `openai/gpt-oss-20b` in organization `org_x` on "
      "requests per minute (RPM): Limit 30, Used 30, Requested 1. Please try again in 2s."},
     Kind.BUSY, "model-minute", NOW + 3),
    ("Groq's day", 429, {},
     {"message": "Rate limit reached for model `llama` in organization `org_x` on tokens per day "
      "(TPD): Limit 200000, Used 199999. Please try again in 2m59.56s."}, Kind.BUSY, "model-day",
     NOW + 179.56),
    ("Groq, resets by header", 429,
     {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2m59.56s",
      "x-ratelimit-remaining-tokens": "7000", "x-ratelimit-reset-tokens": "7.66s"},
     {"message": "Rate limit reached"}, Kind.BUSY, "ambiguous-429", NOW + 179.56),
    ("Groq, too large", 413, {},
     {"message": "Request too large for model `x` in organization `o` on tokens per minute "
      "(TPM): Limit 8000, Requested 9999"}, Kind.UNFIT, "too-large", None),
    ("Gemini's minute", 429, {},
     [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED",
        "message": "You exceeded your current quota",
        "details": [
         {"violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]},
         {"retryDelay": "38.601s"}]}}], Kind.BUSY, "model-minute", NOW + 38.601),
    ("Gemini's day", 429, {},
     [{"error": {"code": 429, "message": "You exceeded your current quota",
        "details": [
         {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},
         {"retryDelay": "38s"}]}}], Kind.BUSY, "model-day", None),
    ("Gemini without a free tier", 429, {},
     {"message": "Quota exceeded for metric, limit: 0, model: gemini-3-pro"}, Kind.GONE,
     "no-free-quota", None),
    ("Mistral without a free tier", 429, {"x-ratelimit-limit-req-minute": "0"},
     {"message": "Requests rate limit exceeded"}, Kind.GONE, "no-free-quota", None),
    ("Cloudflare's day", 429, {},
     {"message": "you have used up your daily free allocation of 10,000 neurons"}, Kind.ACCOUNT,
     "account-day", DAY_END),
    ("Cerebras' minute", 429,
     {"x-ratelimit-remaining-tokens-minute": "0", "x-ratelimit-reset-tokens-minute": "11.382867"},
     {"message": "Tokens per minute limit exceeded"}, Kind.BUSY, "ambiguous-429", NOW + 11.382867),
    ("Hugging Face's month", 402, {},
     {"message": "You have exceeded your monthly included credits for Inference Providers."},
     Kind.ACCOUNT, "account-month", None),
    ("Cohere's month", 429, {},
     {"message": "You are using a Trial key, which is limited to 1000 API calls / month."},
     Kind.ACCOUNT, "account-month", None),
    ("ModelScope, retired", 429, {}, {"message": "insufficient balance (1008)"}, Kind.GONE,
     "no-free-quota", None),
    ("NVIDIA, degraded", 400, {}, {"detail": "DEGRADED function cannot be invoked"}, Kind.BUSY,
     "degraded", None),
    ("NVIDIA, not for this account", 404, {}, {"detail": "Function 'x': Not found for account 'y'"},
     Kind.GONE, "gone", None),
    ("OpenCode, for itself", 403, {},
     {"type": "FreeTierError", "message": "can only be used from within OpenCode"}, Kind.GONE,
     "terms", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "status", "headers", "body", "kind", "cause", "until"),
    DIALECTS,
    ids=[d[0] for d in DIALECTS],
)
def test_rejections_of_each_provider_are_the_right_faults(
    provider: str,
    status: int,
    headers: dict[str, str],
    body: Any,
    kind: Kind,
    cause: str,
    until: float | None,
) -> None:
    fault = judge_rejection(read_rejection(status, headers, json.dumps(body).encode()), NOW)

    assert (fault.kind, fault.cause) == (kind, cause)
    if until is not None:
        assert fault.until == pytest.approx(until)
    if provider == "Gemini's day":
        assert fault.until is not None
        assert fault.until - NOW > 3_600.0, "its RetryInfo is the minute's"


def test_answers_between_unexplained_429s_clear_the_account() -> None:
    bare = [SimModel(f"m{n}/x:free", script=["429-bare"]) for n in range(3)]
    with World([*bare, SimModel("good/x:free")]) as world:
        for n in range(3):
            world.router(model=f"m{n}/x:free", fallback_models=["good/x:free"], timeout=15.0).chat(
                "x"
            )

        assert [seen.fate for seen in world.requests].count("429-bare") == 3
        assert not world.runtime.state.health.accounts.benches


def test_three_unexplained_429s_in_a_row_bench_the_account() -> None:
    models = [SimModel(f"m{n}/x:free", script=["429-bare"] * 9) for n in range(6)]
    with World(models) as world, pytest.raises(Exhausted):
        world.router(timeout=15.0, max_retries=9).chat("x")

    times = [seen.at for seen in world.requests]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert max(gaps[:2]) < 0.5, "three that prove it"
    for gap, pause in zip(gaps[2:4], (1.0, 2.0), strict=True):
        assert 0.75 * pause <= gap <= 1.25 * pause + 0.2, "then ever later, and jittered"
    assert any(
        bench.cause == "account-guessed"
        for bench in world.runtime.state.health.accounts.benches.values()
    )
