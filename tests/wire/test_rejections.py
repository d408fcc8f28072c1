"""Responses that are no answers: how they are read, and which fault each means."""

from __future__ import annotations

import json

import pytest

from freerouter_core.wire.answer import Answer
from freerouter_core.wire.fault import Cause, Effect, Fault, Kind
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.judge import judge_answer, judge_rejection, judge_transport
from freerouter_core.wire.refused_parameter import refused_parameter
from freerouter_core.wire.rejection import (
    Rejection,
    embedded_rejection,
    message_of,
    read_rejection,
    searchable_text,
)
from freerouter_core.wire.rules import RULES
from freerouter_core.wire.tool_calls import ToolCall

NOW = 1_790_467_000.0
"""2026-09-26 23:56:40 UTC, 16:56:40 Pacific time."""
MIDNIGHT, PACIFIC_MIDNIGHT = NOW + 200, NOW + 200 + 7 * 3600
FIRST_OF_OCTOBER = 1_790_812_800.0


def judged(
    status: int, error: Json | str, headers: dict[str, str] | None = None, now: float = NOW
) -> Fault:
    error = {"message": error} if isinstance(error, str) else error
    return judge_rejection(Rejection(status, headers or {}, error), now)


# -- reading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"error": {"message": "m"}}', {"message": "m"}),
        (b'{"error": "m"}', {"message": "m"}),
        (b'{"error": null}', {}),
        (b'[{"error": {"message": "m"}}, 7]', {"message": "m"}),
        (b'{"detail": "m"}', {"detail": "m"}),
        (b'"m"', {"message": "m"}),
        (b"[]", {"message": "[]"}),
        (b"<html><b>Bad</b>\n <i>gateway</i></html>", {"message": "Bad gateway"}),
        (b"\xff plain", {"message": "\ufffd plain"}),
        (b"", {"message": ""}),
        (b"[" * 100_000, {"message": "[" * 4000}),
    ],
)
def test_the_error_is_read_from_a_body_of_any_form(body: bytes, error: Json) -> None:
    rejection = read_rejection(418, {"a": "b"}, body)

    assert rejection == Rejection(418, {"a": "b"}, error)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": 429}, 429),
        ({"code": "429"}, 429),
        ({"code": 300}, 300),
        ({"code": 599}, 599),
        ({"code": 299}, 0),
        ({"code": 600}, 0),
        ({"code": True}, 0),
        ({"code": "rate_limit_exceeded"}, 429),
        ({"code": 1, "error_type": "timeout"}, 504),
        ({"error_type": "timeout", "metadata": {"error_type": "not_found"}}, 404),
        ({"metadata": {"error_type": "server"}}, 500),
        ({"code": "1004", "type": "billing_error"}, 402),
        ({"type": "invalid_request_error"}, 0),
        ({}, 0),
    ],
)
def test_an_error_inside_a_200_has_its_code_or_its_type_as_status(error: Json, status: int) -> None:
    """The status 0: it tells none."""
    assert embedded_rejection(error) == Rejection(status, {}, error)


def test_patterns_see_headers_of_limits_and_json_inside_strings_but_no_quotations() -> None:
    inner = json.dumps({"error": {"message": "inner", "input": "quoted"}})
    error = {"metadata": {"raw": inner}, "ctx": "quoted", "list": ["[1", "x"], "flagged_input": 1}
    headers = {"x-ratelimit-remaining": "0", "date": "today", "x-ratelimit-limit-requests": "5"}
    text = searchable_text(Rejection(400, headers, error))

    assert text == (
        '{"metadata": {"raw": {"error": {"says": "inner"}}}, "list": ["[1", "x"]} '
        "x-ratelimit-remaining: 0 x-ratelimit-limit-requests: 5"
    )


def test_json_is_parsed_inside_strings_to_a_depth_and_searched_to_another() -> None:
    nested = json.dumps("bottom")
    for _ in range(12):
        nested = json.dumps([nested])
    deep: object = "bottom"
    for _ in range(60):
        deep = [deep]
    text = searchable_text(Rejection(400, {}, {"nested": nested, "deep": deep}))

    assert '"nested": [[[["[' in text
    assert f'"deep": {"[" * 50}null' in text
    assert judge_rejection(Rejection(400, {}, {"deep": deep}), NOW).cause is Cause.BAD_REQUEST


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ({"message": "m", "detail": "d", "type": "t"}, "m"),
        ({"detail": "d", "type": "t"}, "d"),
        ({"type": "t"}, "t"),
        ({}, ""),
        ({"message": " a \n b "}, "a b"),
        ({"message": "Provider returned error", "metadata": {"raw": "r"}}, "r"),
        ({"message": "Provider returned error", "metadata": {"raw": {"message": "r"}}}, "r"),
        (
            {"message": "Provider returned error", "metadata": {"raw": ""}},
            "Provider returned error",
        ),
        ({"message": "own", "metadata": {"raw": "r"}}, "own"),
        ({"metadata": {"raw": "r"}}, "r"),
        ({"message": "x" * 3000}, "x" * 2000),
    ],
)
def test_the_message_is_the_upstreams_if_the_gateway_says_nothing(
    error: Json, message: str
) -> None:
    assert message_of(error) == message


# -- rules -----------------------------------------------------------------------------------------

MEANINGS = [
    # whose key it was
    (401, {"message": "Provider returned error"}, "busy", "upstream-401", True),
    (401, {"metadata": {"provider_name": "Chutes"}}, "busy", "upstream-401", True),
    (401, "User not found.", "account", "key-refused", False),
    # whose limit it was
    (429, "model is temporarily rate-limited upstream", "busy", "upstream-429", True),
    (429, {"limit_source": "upstream_provider_shared_pool"}, "busy", "upstream-429", True),
    (429, "Request too large for model `x` on tokens per minute", "unfit", "too-large", False),
    (429, "Quota exceeded, limit: 0", "gone", "no-free-quota", True),
    (429, {"quotaValue": "0"}, "gone", "no-free-quota", True),
    (429, "insufficient balance (1008)", "gone", "no-free-quota", True),
    (429, "Rate limit reached for model `x` on tokens per day (TPD)", "busy", "model-day", False),
    (429, {"quotaId": "RequestsPerDayPerProjectPerModel"}, "busy", "model-day", False),
    (429, "Rate limit reached for model `x` on requests per minute", "busy", "model-minute", False),
    (429, "Rate limit reached for model `x` on tokens per minute", "busy", "model-limit", False),
    (429, "Rate limit reached for model `x`", "busy", "model-limit", False),
    (402, "You have used your monthly included credits", "account", "account-month", False),
    (429, "2000 calls / month", "account", "account-month", False),
    (429, "monthly quota", "account", "account-month", False),
    (429, "Rate limit exceeded: free-models-per-day", "account", "account-day", False),
    (403, "daily free allocation of 10,000 neurons", "account", "account-day", False),
    (429, "today's quota is spent", "account", "account-day", False),
    (429, "Rate limit exceeded: free-models-per-min", "account", "account-minute", False),
    (403, {"limit_source": "free_tier_per_minute"}, "account", "account-minute", False),
    # what may be spent
    (404, 'excluded_by: ["max_price"]', "gone", "not-free", False),
    (200, "constraint_filtered", "gone", "not-free", False),
    (400, "unknown field max_price", "unfit", "price-cap", False),
    (402, "requires more credits, or fewer max_tokens", "unfit", "max-tokens-402", False),
    (402, "Insufficient credits", "account", "debt", False),
    (403, "key limit exceeded", "account", "account-budget", False),
    # the model, for now and for good
    (429, "too many concurrent requests", "busy", "concurrency", False),
    (503, "code 1302", "busy", "concurrency", False),
    (429, "Rate limit exceeded", "busy", "ambiguous-429", True),
    (403, "only available on agentic harnesses", "gone", "harness-gated", True),
    (403, "FreeTierError", "gone", "terms", True),
    (403, "not available in your country", "gone", "terms", True),
    (404, "No endpoints found that support tool use", "unfit", "no-tools", False),
    (404, "that support the provided 'tool_choice' value", "unfit", "no-tool-choice", False),
    (404, "No endpoints found that support image input", "unfit", "no-image", False),
    (400, "audio input is not supported", "unfit", "no-audio", False),
    (422, "does not support file", "unfit", "no-file", False),
    (404, "can handle the requested parameters", "unfit", "no-parameters", False),
    (404, "matching your data policy", "gone", "data-policy", False),
    (404, "No allowed providers are available", "gone", "no-provider", False),
    (404, "Provider returned error", "busy", "upstream-404", True),
    (404, "No endpoints found for a/b:free.", "gone", "gone", True),
    (410, "retired", "gone", "gone", True),
    (400, "The model x does not exist", "gone", "not-a-model", True),
    (400, "DEGRADED function cannot be invoked", "busy", "degraded", True),
    (413, "maximum context length is 8192 tokens", "unfit", "context", False),
    (413, "Request too large for the context window", "unfit", "too-large", False),
    (500, "the input of 9 tokens is too long", "unfit", "context", False),
    # llama.cpp
    (400, "exceeds the available context size (1024 tokens)", "unfit", "context", False),
    (500, "input (3 tokens) is too large to process. increase the", "unfit", "context", False),
    (501, "This server does not support embeddings. Start it with", "gone", "not-a-model", True),
    (501, "This server does not support reranking.", "gone", "not-a-model", True),
    (400, '"nomic-embed-text" does not support chat', "gone", "not-a-model", True),
    (400, "This model does not support chat templates", "unfit", "bad-request", False),
    # the request
    (413, "payload", "unfit", "too-large", False),
    (400, "Token limit reached", "unfit", "token-limit", False),
    (403, {"metadata": {"reasons": ["violence"]}}, "refused", "moderation", False),
    (403, {"metadata": {"patterns": ["x"]}}, "refused", "guardrail", False),
    (400, "Provider returned error", "unfit", "upstream-400", True),
    (400, "'messages' must be an array", "unfit", "bad-request", False),
    (405, "no", "unfit", "bad-request", False),
    (414, "no", "unfit", "bad-request", False),
    (403, "no", "busy", "forbidden", True),
    # the provider's trouble
    (408, "", "slow", "timeout", True),
    (504, "", "slow", "timeout", True),
    (524, "", "slow", "timeout", True),
    (301, "", "account", "redirected", False),
    (500, "", "busy", "server", True),
    (599, "", "busy", "server", True),
    (204, "", "broken", "odd-success", True),
    (407, "", "busy", "unknown", True),
    (999, "", "busy", "unknown", True),
]


@pytest.mark.parametrize(("status", "error", "kind", "cause", "teaches"), MEANINGS)
def test_what_a_rejection_means(
    status: int, error: Json | str, kind: str, cause: str, teaches: bool
) -> None:
    fault = judged(status, error)

    assert (fault.kind, fault.cause, fault.teaches) == (kind, cause, teaches)
    assert fault.status == status


WORDS: list[tuple[str, Cause, list[Json | str]]] = [
    ("401", Cause.UPSTREAM_401, ["Provider returned error", {"provider_name": "Chutes"}]),
    ("402", Cause.UPSTREAM_DEBT, ["Provider returned error", {"provider_name": "Chutes"}]),
    (
        "400 403",
        Cause.UPSTREAM_DEBT,
        [
            "Upstream error from Minimax: insufficient balance (1008)",
            "Provider returned error: out of credits",
        ],
    ),
    ("403", Cause.UPSTREAM_403, ["Provider returned error", {"provider_name": "Chutes"}]),
    (
        "401 402 403 429",
        Cause.NOT_FREE,
        [
            "PAID_MODEL_AUTH_REQUIRED",
            "this model requires a subscription",
            "the model needs a paid plan",
            "models of this kind are only available in a higher tier",
            "this model requires signing in",
        ],
    ),
    (
        "401 403 429",
        Cause.ANONYMOUS_LIMIT,
        ["Or come back later", "PROMOTION_MODEL_LIMIT_REACHED", "anonymous requests"],
    ),
    (
        "400 403",
        Cause.KEY_REFUSED,
        [
            "API key not valid. Please pass a valid API key.",
            "API Key not found.",
            "API_KEY_INVALID",
            "invalid_api_key",
            "API key expired. Please renew the API key.",
            "Your API key was reported as leaked.",
            "api key has been revoked",
            "the api-key is disabled",
            "Incorrect API key provided",
            "invalid authentication credentials",
            "missing access token",
            "no auth credentials",
            "The API Key provided is invalid.",
            "Unrecognized API key",
            "wrong bearer token",
            "missing or invalid api token",
            "Access token is not recognised",
            "invalid_authentication_error",
            "UNAUTHENTICATED",
            "Authentication failed: bad token",
            "Not authenticated",
        ],
    ),
    (
        "400 403 451",
        Cause.LOCATION,
        [
            "User location is not supported for the API use.",
            "unsupported_country_region",
            "Country, region, or territory not supported",
            "Your region is not supported",
            "Gemini API free tier is not available in your country.",
        ],
    ),
    (
        "400 403 412 429",
        Cause.ACCOUNT_FORBIDDEN,
        [
            "Organization has been restricted. Please reach out to support",
            "organization_restricted",
            "Your project has been denied access.",
            "Your account org-x<ak-y> is suspended, please check your plan",
            "This account was disabled",
            "account_deactivated",
            "SERVICE_DISABLED",
            "Generative Language API has not been used in project 123 before",
            {"reason": "API_KEY_HTTP_REFERRER_BLOCKED"},
            {"reason": "CONSUMER_SUSPENDED"},
            "Consumer 'api_key:AIza' has been suspended.",
        ],
    ),
    (
        "429",
        Cause.UPSTREAM_429,
        ["upstream_provider_shared_pool", "Provider returned error", "rate-limited upstream"],
    ),
    (
        "413 429",
        Cause.OUTPUT_TOO_LARGE,
        [
            "too large on output tokens per minute (OTPM)",
            "output-token limit",
            "Request too large: 9 output tokens",
        ],
    ),
    ("413 429", Cause.TOO_LARGE, ["Request too large for model `x`"]),
    (
        "429",
        Cause.NO_FREE_QUOTA,
        ["limit: 0", {"quotaValue": "0"}, "ratelimit-limit-req-minute: 0", "balance (1008)"],
    ),
    (
        "429",
        Cause.MODEL_DAY,
        [
            "for model `x` per day",
            "for model 'x' (TPD)",
            'for model "x" (RPD)',
            "today's quota for model `x`",
            {"quotaId": "PerDayPerModel"},
            {"quotaId": "PerModelPerDay"},
        ],
    ),
    (
        "429",
        Cause.MODEL_MINUTE,
        [
            "requests per minute for model `x`",
            "for model 'x' on requests per minute (RPM)",
            "for model `x`: 5 requests/min",
            {"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"},
        ],
    ),
    (
        "429",
        Cause.MODEL_LIMIT,
        [
            "for model `x`",
            "for model 'x' on tokens per minute (TPM)",
            {"quotaId": "InputTokensPerModelPerMinute"},
        ],
    ),
    (
        "402 403 429",
        Cause.ACCOUNT_MONTH,
        [
            "monthly credits",
            "monthly included credits",
            "9 calls/month",
            "9 tokens per month",
            "9 requests / month",
            "monthly quota",
            "monthly limit",
            "monthly token allowance",
            "Credit limit exceeded for the month",
        ],
    ),
    (
        "403 429",
        Cause.ACCOUNT_DAY,
        [
            "free-models-per-day",
            "openrouter_free_tier_daily",
            "daily free allocation",
            "50 per day",
            "per_day",
            "perday",
            "today's quota",
            "tokens (TPD)",
            "requests (RPD)",
            "PerDay",
            "daily limit",
            "daily request quota",
            "your free tier limit for today",
            "1000 requests/day",
            "1000 requests a day",
            "200 requests per 24 hours",
        ],
    ),
    (
        "402 403 429",
        Cause.ACCOUNT_WEEK,
        ["your weekly usage limit", "weekly quota", "9 requests per week", "9 tokens/week"],
    ),
    (
        "402 403 429",
        Cause.ACCOUNT_WINDOW,
        ["session usage limit", "hourly limit", "5-hour limit", "24 hours quota", "9 per hour"],
    ),
    (
        "403 429",
        Cause.ACCOUNT_MINUTE,
        ["free-models-per-min", "free_tier_per_minute", {"X-RateLimit-Remaining": "0"}],
    ),
    ("200 404 503", Cause.NOT_FREE, ['excluded_by "max_price"', "constraint_filtered"]),
    ("400 422", Cause.PRICE_CAP, ["unknown max_price"]),
    ("402", Cause.MAX_TOKENS_402, ["or fewer max_tokens"]),
    (
        "400 403 429",
        Cause.ACCOUNT_BUDGET,
        [
            "guardrail_budget",
            "workspace_budget",
            "key_limit",
            "Key limit exceeded",
            "its spending cap",
            "spend_limit",
            "Budget has been exceeded! Current cost: 1.2",
            "budget_exceeded",
            "This key has reached its monthly budget",
            "You have reached your specified API usage limits.",
        ],
    ),
    (
        "400 401 402 403 429",
        Cause.NO_PLAN,
        [
            "Inactive subscription",
            "no active plan",
            "expired subscription",
            "Your subscription has expired",
            "subscription is required",
            "Your subscription package has expired",
            "plan was cancelled",
        ],
    ),
    ("400 403 429", Cause.AMBIGUOUS_429, ["ThrottlingException", "Throttled: insufficient_quota"]),
    (
        "400 403 412 429",
        Cause.DEBT,
        [
            "Insufficient balance or no resource package",
            "insufficient account funds",
            "insufficient credits",
            "out of credits",
            "You have no more credits",
            "Please recharge",
            "please top up",
            "in arrears",
            "Arrearage",
            "invoice overdue",
            "insufficient user quota: insufficient_user_quota",
            "Sorry, your account balance is insufficient",
            "Your credit balance is too low",
            "credits are used up",
            "用户额度不足",
            "该令牌额度已用尽",
            "billing_not_active",
            "please check your billing details",
            "余额不足",
            "欠费",
            "insufficient_quota",
            "payment method",
            "billing hard limit",
            "NOT_ENOUGH_BALANCE",
            "user quota is not enough",
            "Your team doesn't have any credits yet",
            "Your account is suspended due to insufficient balance",
        ],
    ),
    (
        "402 429 503",
        Cause.CONCURRENCY,
        [
            "concurrency",
            "concurrent",
            "simultaneous requests",
            "in parallel",
            "code 1302",
            "Max parallel request limit",
            "1 requests already queued",
            "openrouter_in_flight_budget",
            "您当前使用该API的并发数过高",
        ],
    ),
    ("403", Cause.HARNESS_GATED, ["on agentic harnesses"]),
    (
        "403",
        Cause.TERMS,
        [
            "FreeTierError",
            "can only be used from within OpenCode",
            "your region",
            "a country",
            "not available in your plan",
        ],
    ),
    (
        "400 404 422",
        Cause.NO_TOOLS,
        ["support tool use", "does not support tools", "does not support functions"],
    ),
    (
        "400 404 422",
        Cause.NO_TOOL_CHOICE,
        ["support the provided 'tool_choice' value", "tool_choice is not supported"],
    ),
    (
        "400 404 415 422 500 501",
        Cause.NO_IMAGE,
        [
            "support image input",
            "support vision",
            "support multimodal",
            "only text content is supported",
            "only supports text inputs",
            "body -> messages -> 0 -> content -> 0 -> type, msg: Input should be 'text'",
            "image input is not",
            "vision input is not",
            "m is not a multimodal model",
            "m is not a vision model",
            "not compiled for multimodal",
            "provide the mmproj",
            "At most 0 image(s)",
            "only supported by certain models",
            "unknown variant `image_url`",
            "unknown variant input_image",
            "Unexpected item type in content",
            "text only model",
            "text-only model",
            "image tool results",
            "missing data required for image",
            "images are not supported",
            "'image' not supported",
            "multimodal contents are not enabled",
        ],
    ),
    (
        "400 404 415 422 500 501",
        Cause.NO_AUDIO,
        [
            "support audio",
            "support input audio",
            "audio input is not",
            "At most 0 audio(s)",
            "unknown variant `input_audio`",
            "unknown variant audio",
        ],
    ),
    (
        "400 404 415 422 500 501",
        Cause.NO_VIDEO,
        [
            "support video",
            "support input video",
            "video input is not",
            "At most 0 video(s)",
            "unknown variant `video_url`",
            "unknown variant input_video",
        ],
    ),
    (
        "400 404 415 422 500 501",
        Cause.NO_FILE,
        [
            "support files",
            "support pdf",
            "support documents",
            "files input is not",
            "pdf input is not",
            "document input is not",
            "unknown variant `file`",
            "unknown variant input_file",
            "Invalid content type: file",
            "expected to be either text or image_url type",
        ],
    ),
    (
        "400 422 500",
        Cause.CONTENT_EMPTY,
        [
            "blocks must be non-empty",
            "must have non-empty content",
            "must contain non-whitespace text",
            "contents.parts must not be empty",
            "The content field at messages.1 is empty",
            "content cannot be empty",
            "content can't be empty",
            "content of a message must not be empty",
            "required oneof field 'data'",
            "at least one parts field",
        ],
    ),
    (
        "400 422",
        Cause.REASONING_REQUIRED,
        [
            "`reasoning_content` in the thinking mode must be passed back",
            "reasoning_content is missing",
            "reasoning_content is required",
            "missing field `reasoning_content`",
            "missing a reasoning_content",
            "missing reasoning_content",
        ],
    ),
    (
        "400 422",
        Cause.REASONING_FIELDS,
        [
            "Invalid `signature` in `thinking` block",
            "Invalid signature in thinking",
            "`thinking` or `redacted_thinking` blocks",
            "encrypted content gAAA could not be verified",
        ],
    ),
    ("404", Cause.NO_PARAMETERS, ["can handle the requested parameters"]),
    ("404", Cause.DATA_POLICY, ["data policy", "guardrail restrictions", "settings/privacy"]),
    ("404", Cause.NO_PROVIDER, ["No allowed providers"]),
    ("404", Cause.UPSTREAM_404, ["Provider returned error"]),
    (
        "400 422",
        Cause.TOKEN_LIMIT,
        ["Token limit reached", "max completion tokens reached before a valid document"],
    ),
    (
        "400 422",
        Cause.JSON_FAILED,
        ["json_validate_failed", "Failed to generate JSON", "Failed to validate JSON"],
    ),
    (
        "400 422",
        Cause.CALL_FAILED,
        ["tool_use_failed", "tool call validation failed", "Failed to call a function"],
    ),
    ("400 422", Cause.GENERATION_FAILED, ["output_parse_failed"]),
    (
        "400 405 422 500 501",
        Cause.NOT_A_MODEL,
        [
            "This server does not support embeddings. Start it with `--embeddings`",
            "This server does not support reranking. Start it with `--reranking`",
            "This server does not support completions.",
            "The model does not support Embeddings API",
            '"nomic-embed-text" does not support chat',
            "doesn't support rerank",
        ],
    ),
    (
        "400 403 409 422",
        Cause.NOT_A_MODEL,
        [
            "x is not a valid model ID",
            "model_not_found",
            "Unknown model: x",
            "unknown_model",
            "invalid model name",
            "No such model @cf/a/x or task",
            "The model `x` has been decommissioned",
            "the model x was retired",
            "model x does not exist",
            "The model `x` doesn't exist",
            "model_not_available",
            "model_not_supported",
            "model_deprecated",
            "unsupported model: x",
            "Model not found: x",
            "model 'x' not found",
            "Could not find model x",
            "The requested model is not available",
            "模型不存在",
            "Your project does not have access to model `x`",
            "The model x is no longer available",
            "This model has reached its end of life",
            "model x was sunset",
            "The model `x` has been deprecated",
        ],
    ),
    (
        "400 403 409 420 422",
        Cause.AMBIGUOUS_429,
        ["Too many requests", "Rate limit reached for requests", "you are rate limited"],
    ),
    (
        "400 409 420 422 423 424 425 444 498 499",
        Cause.NOT_LOADED,
        [
            "No models loaded. Please load one",
            "The model has crashed without additional information",
            "No capacity available for model x",
            "MODEL_CAPACITY_EXHAUSTED",
            "Infrastructure is at maximum capacity",
            "experiencing high demand",
            "该模型当前访问量过大",
            "Failed to load model",
            "model_unavailable",
            "unavailable_model",
            "the model is not loaded",
            "model x is loading",
            "The model is temporarily unavailable",
            "overloaded",
            "Service temporarily unavailable",
            "Server is busy, please try again",
            "The engine is currently starting",
            "The model is being loaded",
            "model x is warming up",
            "no healthy upstream",
            "upstream connect error or disconnect",
            "Capacity temporarily exceeded",
        ],
    ),
    ("400", Cause.DEGRADED, ["DEGRADED"]),
    (
        "400 413 422",
        Cause.OUTPUT_TOO_LARGE,
        [
            "`max_tokens` must be less than or equal to `9`, less than the `context_window`",
            "max_completion_tokens should be <= 9, see context window",
            "max_output_tokens cannot be larger than the context size",
        ],
    ),
    (
        "400 413 422 500 502",
        Cause.CONTEXT,
        [
            "context length",
            "context window",
            "context_length_exceeded",
            "the maximum context",
            "prompt is too long",
            "too many tokens",
            "the input is too long",
        ],
    ),
    (
        "400 422 500",
        Cause.NO_SYSTEM,
        ["Developer instruction is not enabled", "System role not supported"],
    ),
    (
        "400 422 500",
        Cause.LATER_SYSTEM,
        [
            "System message must be at the beginning",
            "system message must be first",
            "system messages must come first",
        ],
    ),
    (
        "400 422",
        Cause.DEVELOPER,
        ["developer is not one of", "Input tag 'developer'", "Incorrect role information"],
    ),
    ("400 422 500", Cause.ALTERNATION, ["roles must alternate"]),
    ("400 422", Cause.USER_AFTER_TOOL, ["Unexpected role 'user' after role 'tool'"]),
    ("400 422", Cause.TOOL_IDS, ["tool call id was x but must have a length of 9"]),
    (
        "400 422 500",
        Cause.PREFILL,
        [
            "assistant message prefill",
            "must end with a user message",
            "ending with a model turn",
            "Expected last role User",
            "prefill is incompatible",
            "ends with a user role",
        ],
    ),
    (
        "400",
        Cause.TOOL_NAME,
        ["function_response.name: Name cannot be empty", "REQUIRED_FIELD_MISSING: name"],
    ),
    (
        "400 422",
        Cause.CONTENT_NULL,
        [
            "required properties at '/messages/2' are 'role,content'",
            "'messages[1].content': expected a string, but got null",
            "content: none is not an allowed value",
            "content must not be null",
        ],
    ),
    (
        "400 415 422",
        Cause.FLAT_CONTENT,
        [
            "Image URLs are only allowed for messages with role 'user'",
            "this message with role 'tool' contains an image URL",
            "images are not supported in tool messages",
            "tool messages cannot contain images",
            "tool messages can only contain text",
        ],
    ),
    (
        "400 422",
        Cause.FLAT_CONTENT,
        [
            "content : value must be a string",
            "content: Input should be a valid string",
            "content Expected one of: ['str']",
            "list is only supported for user",
            "Type mismatch of '/messages/2/content'",
        ],
    ),
    (
        "400",
        Cause.JSON_WITH_TOOLS,
        [
            "json mode cannot be combined",
            "json_object' cannot be combined",
            "with a response mime type",
            "'tools' is incompatible with 'response_format'",
        ],
    ),
    (
        "400 422",
        Cause.NO_JSON_SCHEMA,
        [
            "response_format type is unavailable",
            "response_format type is not supported",
            "json_schema is unavailable",
            "json_schema is not supported",
        ],
    ),
    ("400", Cause.NAMED_TOOL_CHOICE, ["Invalid tool_choice type: 'object'"]),
    ("400", Cause.MAX_TOKENS_16, ["Expected a value >= 16"]),
    ("400", Cause.MAX_COMPLETION_TOKENS, ["Use 'max_completion_tokens' instead"]),
    (
        "400",
        Cause.REASONING_OFF,
        [
            "Reasoning is mandatory",
            "always engages in thinking",
            "only works in thinking",
            "Budget 0 is invalid",
        ],
    ),
    ("400", Cause.PENALTIES, ["Penalty is not enabled"]),
    (
        "400",
        Cause.SCHEMAS,
        ["Unknown name \"x\" at 'tools[0]'", 'Unknown name "x" at \'generation_config'],
    ),
    (
        "400 422",
        Cause.NO_PARAMETERS,
        [
            "JSON mode is not enabled for models/x",
            "This model does not support JSON mode",
            "response_format is not supported",
        ],
    ),
    (
        "400 403 422 451",
        Cause.MODERATION,
        [
            "flagged_input",
            "moderation",
            "content_policy_violation",
            "content policy",
            "content management policy",
            "content_filter",
            "DataInspectionFailed",
            "censorship_blocked",
            "rejected as a result of our safety system",
            "Content Exists Risk",
            "blocked due to PROHIBITED_CONTENT",
            "Failed check: SAFETY_CHECK_TYPE_CSAM",
            "系统检测到输入或生成内容可能包含不安全或敏感内容",
            {"contentFilter": [{"level": 1}]},
            "Content violates usage guidelines",
            {"error_type": "refusal"},
            {"code": "refusal"},
            {"reasons": ["violence"]},
        ],
    ),
    ("403", Cause.GUARDRAIL, ["guardrail", {"patterns": ["x"]}]),
    (
        "400 422",
        Cause.OUTPUT_TOO_LARGE,
        [
            "max_tokens is too large: 99999",
            "max_completion_tokens exceeds the model's",
            "max_output_tokens must be at most what the model writes",
            "max_tokens: 9 is over the maximum",
        ],
    ),
    (
        "400 422",
        Cause.BAD_VALUE,
        [
            "temperature must be less than 2",
            "top_p should be between 0 and 1",
            "presence_penalty is out of range",
            "frequency_penalty: greater than 2",
        ],
    ),
    (
        "400 409 422",
        Cause.UPSTREAM_400,
        ["Provider returned error", {"provider_name": "Google"}, "upstream"],
    ),
]
"""What is said, in every wording of a row, and the statuses that it is said with."""


@pytest.mark.parametrize(("statuses", "cause", "texts"), WORDS, ids=[str(c) for _, c, _ in WORDS])
def test_every_wording_means_the_same_with_every_status_of_its_row(
    statuses: str, cause: Cause, texts: list[Json | str]
) -> None:
    for status in map(int, statuses.split()):
        for word in texts:
            assert judged(status, word).cause is cause, (status, word)
            upper = word.upper() if isinstance(word, str) else word
            assert judged(status, upper).cause is cause, (status, upper)


@pytest.mark.parametrize(
    ("header", "cause"),
    [
        ({"x-ratelimit-limit-req-minute": "0"}, Cause.NO_FREE_QUOTA),
        ({"x-ratelimit-limit-requests": "0"}, Cause.NO_FREE_QUOTA),
        ({"x-ratelimit-limit-tokens-minute": "0"}, Cause.NO_FREE_QUOTA),
        ({"x-ratelimit-remaining": "0"}, Cause.ACCOUNT_MINUTE),
        ({"x-ratelimit-limit-requests": "05"}, Cause.AMBIGUOUS_429),
        ({"x-ratelimit-remaining": "1"}, Cause.AMBIGUOUS_429),
        ({"x-ratelimit-remaining-requests": "0"}, Cause.AMBIGUOUS_429),
    ],
)
def test_some_headers_tell_whose_limit_it_was(header: dict[str, str], cause: Cause) -> None:
    assert judged(429, "Rate limit exceeded", header).cause is cause


@pytest.mark.parametrize("status", [400, 413, 422, 429, 500, 502])
@pytest.mark.parametrize(
    "words",
    [
        "Tokens per day limit exceeded - too many tokens",
        "too many tokens per minute",
        "Rate limit reached: too many tokens",
        "quota\ntoo many tokens",
        "too many tokens for your daily allowance",
    ],
)
def test_too_many_tokens_of_a_period_are_no_long_prompt(words: str, status: int) -> None:
    """The same prompt fits elsewhere, and here tomorrow."""
    assert judged(status, words).cause is not Cause.CONTEXT


def test_every_row_that_looks_at_words_is_above_with_all_its_statuses() -> None:
    rows = {(rule.cause, rule.statuses) for rule in RULES if rule.pattern is not None}
    above = {(cause, frozenset(map(int, statuses.split()))) for statuses, cause, _ in WORDS}

    assert {row for row in rows if row[1] is not None} <= above
    assert len(rows) == len(WORDS)


@pytest.mark.parametrize(
    ("status", "message", "lacks"),
    [
        (404, "support tool use", {"tools", "tool_choice"}),
        (404, "support the provided 'tool_choice'", {"tool_choice"}),
        (404, "support image input", {"image"}),
        (404, "support input audio", {"audio"}),
        (404, "support pdf", {"file"}),
        (404, "can handle the requested parameters", {"structured_outputs", "response_format"}),
    ],
)
def test_what_a_model_lacks_is_learnt_and_is_not_its_fault(
    status: int, message: str, lacks: set[str]
) -> None:
    fault = judged(status, message)

    assert fault.lacks == lacks
    assert not fault.teaches


@pytest.mark.parametrize("status", [400, 401, 402, 403, 429])
@pytest.mark.parametrize(
    "words",
    [
        "API key not valid. Please pass a valid API key.",
        "User location is not supported for the API use.",
        "insufficient balance",
        "your weekly usage limit",
        "9 requests per day",
        "subscription has expired",
        "spending cap",
    ],
)
def test_what_an_upstream_refuses_is_never_the_accounts(status: int, words: str) -> None:
    error = {
        "message": "Provider returned error",
        "metadata": {"raw": {"error": {"message": words}}, "provider_name": "Google"},
    }

    assert judged(status, error).kind is not Kind.ACCOUNT


@pytest.mark.parametrize(
    "echo",
    [
        {"detail": [{"loc": ["body"], "msg": "no", "input": {"refusal": "refusal"}}]},
        {"message": "no", "messages": [{"content": "content policy"}]},
        {"message": "no", "got": {"role": "user", "content": "content policy"}},
        "[{'type': 'x', 'input': {'a': 'content policy'}}, {'loc': ('body',), 'input': 'refusal'}]",
        '[{"input": "content policy", "loc": ["body"]} broken',
        {"message": "no", "refusal": None},
    ],
)
def test_words_in_an_echo_of_the_request_mean_nothing(echo: Json | str) -> None:
    assert judged(400, echo).cause is Cause.BAD_REQUEST


def test_what_stands_beside_an_echo_is_read() -> None:
    text = "{'input': 'x', 'loc': ('body', 'seed'), 'msg': 'content policy'}"

    assert judged(400, text).cause is Cause.MODERATION


# -- waits -----------------------------------------------------------------------------------------


def test_a_refused_key_states_no_wait() -> None:
    """It is refused until it changes, whatever a gateway puts into the headers."""
    fault = judged(401, "User not found.", {"retry-after": "60"})

    assert fault.cause is Cause.KEY_REFUSED
    assert fault.until is None


@pytest.mark.parametrize(
    ("status", "message"), [(500, ""), (408, ""), (429, ""), (302, ""), (402, ""), (403, "")]
)
def test_a_stated_wait_is_read_if_the_model_or_the_account_has_to_wait(
    status: int, message: str
) -> None:
    assert judged(status, message, {"retry-after": "9"}).until == NOW + 9


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, ""), (400, ""), (413, ""), (200, ""), (403, "moderation"), (404, "privacy")],
)
def test_no_wait_mends_what_the_model_or_the_content_is(status: int, message: str) -> None:
    assert judged(status, message, {"retry-after": "9"}).until is None


def test_a_routine_reset_header_is_a_wait_only_in_the_answer_of_a_limit() -> None:
    headers = {"x-ratelimit-reset": "9"}

    assert judged(429, "", headers).until == NOW + 9
    assert judged(403, "", headers).until == NOW + 9
    assert judged(500, "", headers).until is None
    assert judged(500, "", {**headers, "x-ratelimit-remaining": "0"}).until == NOW + 9


@pytest.mark.parametrize(
    ("message", "until"),
    [
        ("free-models-per-min", NOW + 60),
        ("free-models-per-day", MIDNIGHT),
        ("monthly credits", FIRST_OF_OCTOBER),
        ("Rate limit reached for model `x` (RPD)", MIDNIGHT),
        ("RequestsPerDay of the project", PACIFIC_MIDNIGHT),
        ("RequestsPerDayPerProjectPerModel", PACIFIC_MIDNIGHT),
        ("Rate limit reached for model `x`", None),
        ("Rate limit exceeded", None),
    ],
)
def test_a_limit_that_names_no_reset_has_its_own(message: str, until: float | None) -> None:
    assert judged(429, message).until == until


@pytest.mark.parametrize("message", ["free-models-per-day", "free-models-per-min"])
def test_a_stated_reset_counts_before_the_calendar(message: str) -> None:
    assert judged(429, message, {"retry-after": "5"}).until == NOW + 5


def test_googles_day_lasts_until_its_midnight_though_it_states_the_wait_of_a_minute() -> None:
    message = "RequestsPerDayPerProjectPerModel. Please retry in 5s."

    assert judged(429, message).until == PACIFIC_MIDNIGHT
    assert judged(429, message, {"retry-after": "90000"}).until == NOW + 90_000


@pytest.mark.parametrize(
    ("message", "context"),
    [
        ("This endpoint's maximum context length is 8192 tokens", 8192),
        ("exceeds the context window of 32768", 32_768),
        ("request (15019 tokens) exceeds the available context size (1024 tokens)", 1024),
        ("input (3000 tokens) is too large to process (current batch size: 512)", 512),
        ("prompt is too long", None),
        ("maximum context length is 12 tokens", None),
    ],
)
def test_the_stated_context_window_is_learnt(message: str, context: int | None) -> None:
    fault = judged(400, message)

    assert (fault.cause, fault.context) == (Cause.CONTEXT, context)
    assert judged(404, message + " No endpoints").context is None


# -- refused parameters ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Unsupported parameter: 'seed' is not supported", "seed"),
        ("Unsupported param: top_k", "top_k"),
        ("Unsupported value: 'temperature' does not", "temperature"),
        ("Validation: Unsupported parameter(s): `chat_template_kwargs`", "chat_template_kwargs"),
        ("Unrecognized request argument supplied: top_k", "top_k"),
        ("property 'logprobs' is unsupported", "logprobs"),
        ("property 'messages.2.assistant.reasoning_content' is unsupported", "reasoning-fields"),
        ("'type': 'extra_forbidden', 'loc': ('body', 'seed')", "seed"),
        ("extra_forbidden', 'loc': ('body', 'tools', 0, 'strict')", "strict"),
        ("body -> seed\n  Extra inputs are not permitted", "seed"),
        ("Invalid 'messages[2].name': expected a pattern", "message-name"),
        ('Unknown name "seed": Cannot find field.', "seed"),
        ("unknown field: parameter 'strict' is not a valid field.", "strict"),
        ("unprocessable entity: seed is not supported", "seed"),
        ("does not support parameters: ['min_p']", "min_p"),
        ("parallel_tool_calls=False is not supported by this model.", "parallel_tool_calls"),
        ("chat_template is not supported for Mistral tokenizers.", "chat_template_kwargs"),
        ("Unsupported parameter: 'max_tokens'", "max_completion_tokens"),
        ("Unsupported parameter: 'json_schema'", "structured_outputs"),
        ("Unsupported parameter: 'model'", None),
        ("Unsupported parameter: 'model'. Unsupported parameter: 'seed'", "seed"),
        ("the seed is bad", None),
    ],
)
def test_the_refused_parameter_is_named_in_the_words_of_lacks(text: str, word: str | None) -> None:
    assert refused_parameter(text) == word


@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: {"a": [7, e]}, json.dumps, lambda e: [e]])
@pytest.mark.parametrize(
    ("error", "word"),
    [
        ({"type": "extra_forbidden", "loc": ["body", "seed"]}, "seed"),
        ({"msg": "not permitted", "loc": ["seed"]}, "seed"),
        ({"type": "extra_forbidden", "loc": ["body", "messages", 1, "name"]}, "message-name"),
        ({"type": "extra_forbidden", "loc": ["body", "tools", 0, "strict"]}, "strict"),
        ({"type": "extra_forbidden", "loc": ["body", "tools", 0, "seed"]}, None),
        ({"type": "extra_forbidden", "loc": ["body"]}, None),
        ({"type": "extra_forbidden", "loc": []}, None),
        ({"type": "extra_forbidden", "loc": "seed"}, None),
        ({"type": "missing", "loc": ["body", "seed"], "input": None}, None),
        (
            {"type": "string_type", "loc": ["body", "messages", 1, "content"], "input": None},
            "content-null",
        ),
        ({"type": "string_type", "loc": ["body", "messages", 1, "content"], "input": 7}, None),
        ({"type": "string_type", "loc": ["body", "messages", 1, "content"]}, None),
    ],
)
def test_a_pydantic_servers_list_of_errors_is_read_wherever_it_stands(
    error: Json, word: str | None, wrap: object
) -> None:
    assert callable(wrap)
    assert refused_parameter("", wrap(error)) == word


@pytest.mark.parametrize("error", [None, "text", "{no json", 7, "[" * 100_000])
def test_what_lists_no_errors_names_no_parameter(error: object) -> None:
    assert refused_parameter("", error) is None


def test_a_list_of_errors_is_looked_for_only_so_deep() -> None:
    error: object = {"type": "extra_forbidden", "loc": ["seed"]}
    for _ in range(60):
        error = [error]

    assert refused_parameter("", error) is None


def test_a_named_parameter_is_a_lack_and_the_request_may_go_to_the_same_model_again() -> None:
    fault = judged(400, "Unsupported parameter: 'seed'", {"retry-after": "9"})

    assert (fault.kind, fault.cause) == (Kind.UNFIT, Cause.NO_PARAMETER)
    assert fault.lacks == {"seed"}
    assert (fault.until, fault.teaches, fault.hint) == (None, False, "")
    assert judged(500, "Unsupported parameter: 'seed'").cause == "server"


# -- answers and transports ------------------------------------------------------------------------


def answered(arguments: str = "{}", name: str = "f", **fields: object) -> Answer:
    return Answer(tool_calls=(ToolCall("1", name, arguments),)).with_(**fields)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (Answer("x"), None),
        (Answer(error={"code": 1}), None),
        (Answer(refusal="no"), "refusal"),
        (Answer("x", refusal="no"), None),
        (Answer(finish_reason="content_filter"), "content-filter"),
        (Answer("x", finish_reason="content_filter"), None),
        (Answer(finish_reason="length"), "length"),
        (Answer("x", finish_reason="length"), None),
        (Answer(finish_reason="stop"), "empty"),
        (answered(), None),
        (answered("", finish_reason="stop"), None),
        (answered("", finish_reason="length"), "truncated-tool"),
        (answered('{"a": 1}', finish_reason="length"), None),
        (answered("[1]"), "truncated-tool"),
        (answered(name=""), "unknown-tool"),
        (Answer("x", complete=False), "cut"),
        (answered(complete=False), "cut"),
    ],
)
def test_what_is_wrong_with_an_answer(answer: Answer, cause: str | None) -> None:
    fault = judge_answer(answer)

    assert (fault and fault.cause) == cause


@pytest.mark.parametrize(
    ("answer", "tools", "must_call", "cause"),
    [
        (answered(), {"f"}, False, None),
        (answered(name="g"), {"f"}, False, "unknown-tool"),
        (answered(name="g"), set(), False, "unknown-tool"),
        (Answer("no"), {"f"}, True, "no-tool-call"),
        (Answer("no"), {"f"}, "f", "no-tool-call"),
        (answered(), {"f"}, True, None),
        (answered(), {"f", "g"}, "f", None),
        (answered(), {"f", "g"}, "g", "other-tool"),
        (Answer('{"name": "f", "arguments": {}}'), {"f"}, False, "call-as-text"),
        (Answer(' {"name": "f", "parameters": {}}'), {"f"}, False, "call-as-text"),
        (Answer("<tool_call>f"), {"f"}, False, "call-as-text"),
        (Answer("<|tool▁calls▁begin|>"), {"f"}, False, "call-as-text"),
        (Answer("[TOOL_CALLS][]"), {"f"}, False, "call-as-text"),
        (Answer("<function=f>"), {"f"}, False, "call-as-text"),
        (Answer("<tool_call>f"), set(), False, None),
        (Answer("It says <tool_call>"), {"f"}, False, None),
        (answered(text="<tool_call>f"), {"f"}, False, None),
    ],
)
def test_what_is_wrong_with_an_answer_to_a_request_with_tools(
    answer: Answer, tools: set[str], must_call: str | bool, cause: str | None
) -> None:
    fault = judge_answer(answer, tools=frozenset(tools), must_call=must_call)

    assert (fault and fault.cause) == cause


def test_faults_of_an_answer_say_whether_they_say_anything_about_the_model() -> None:
    refusal = judge_answer(Answer(refusal="no" * 500))
    length = judge_answer(Answer(finish_reason="length"))
    empty = judge_answer(Answer())
    filtered = judge_answer(Answer(finish_reason="content_filter"))
    assert refusal and length and empty and filtered

    assert (refusal.teaches, length.teaches, empty.teaches, filtered.teaches) == (
        False,
        False,
        True,
        False,
    )
    assert len(refusal.message) == 300
    assert "raise max_tokens" in length.hint


def test_a_transport_failure_keeps_its_message_if_it_has_one() -> None:
    assert judge_transport("connect", "no route") == Fault(Kind.BUSY, Cause.CONNECT, "no route")
    assert judge_transport("read-timeout") == Fault(
        Kind.SLOW, Cause.READ_TIMEOUT, "no bytes in time"
    )
    assert judge_transport("odd").cause is Cause.OTHER


def test_only_what_passes_may_be_asked_again_a_little_later() -> None:
    assert {kind for kind in Kind if kind.passing} == {Kind.BUSY, Kind.SLOW, Kind.BROKEN}


def test_the_effect_of_a_fault_is_that_of_its_cause() -> None:
    assert Fault(Kind.SLOW, Cause.TIMEOUT).effect == Effect()
    assert Fault(Kind.BUSY, Cause.UPSTREAM_404).effect == Effect()
    assert Fault(Kind.ACCOUNT, Cause.KEY_REFUSED).effect.key_refused


@pytest.mark.parametrize(
    ("status", "turned_away"), [(429, True), (503, True), (529, True)]
    + [(status, False) for status in (400, 401, 404, 408, 500, 501, 502, 504, 520, 599)],
)  # fmt: skip
def test_whoever_began_to_answer_turned_nobody_away(status: int, turned_away: bool) -> None:
    """A bare status: too busy is no try of the model, an error is."""
    assert judge_rejection(read_rejection(status, {}, b""), NOW).turned_away == turned_away


@pytest.mark.parametrize(
    ("charset", "message"),
    [
        ("gbk", "余额不足"),
        ('"gbk"', "余额不足"),
        ("no-such-thing", "\ufffd"),
        ("ascii", "\ufffd"),
        ("utf-8", "\ufffd"),
    ],
)
def test_a_body_is_read_in_the_charset_that_its_header_names(charset: str, message: str) -> None:
    body = '{"error": {"message": "余额不足"}}'.encode("gbk")
    rejection = read_rejection(403, {"content-type": f"application/json; charset={charset}"}, body)

    assert message in message_of(rejection.error)


@pytest.mark.parametrize(
    ("body", "page"),
    [
        (b"", True),
        (b" <!DOCTYPE html><title>Blocked</title>", True),
        (b'{"error": {"message": "Forbidden"}}', False),
        (b"Forbidden", False),
    ],
)
def test_a_page_of_a_gateway_is_told_from_the_word_of_an_api(body: bytes, page: bool) -> None:
    assert judge_rejection(read_rejection(403, {}, body), 0.0).page is page


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"<html><title>Just a moment...</title>challenge</html>", Cause.GATEWAY_FORBIDS),
        (b"<!DOCTYPE html><h1>Sorry, you have been blocked</h1>", Cause.GATEWAY_FORBIDS),
        (b"<html><h1>403 Forbidden</h1><hr>nginx</html>", Cause.GATEWAY_FORBIDS),
        (b"<Error><Message>Access Denied</Message></Error>", Cause.GATEWAY_FORBIDS),
        (b"<p>Your API key is invalid</p>", Cause.KEY_REFUSED),
        (b"", Cause.FORBIDDEN),
        (b'{"message": "Forbidden"}', Cause.FORBIDDEN),
        (b"Forbidden", Cause.FORBIDDEN),
    ],
)
def test_a_page_that_forbids_is_of_a_gateway_unless_it_speaks_of_the_key(
    body: bytes, cause: Cause
) -> None:
    fault = judge_rejection(read_rejection(403, {}, body), 0.0)

    assert fault.cause is cause
    assert fault.teaches is (cause is Cause.FORBIDDEN)
