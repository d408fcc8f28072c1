"""An output limit that a refusal states: told from a prompt that is too long, in any words."""

from __future__ import annotations

import json

import pytest

from freerouter_core.wire.fault import Cause, Fault
from freerouter_core.wire.judge import judge_rejection
from freerouter_core.wire.output_limit import stated_output_limit
from freerouter_core.wire.rejection import read_rejection

LIMITS = [
    # Groq, OpenAI, Z.ai, Alibaba, Anthropic, Vertex, Bedrock; then servers in other words
    (
        "`max_tokens` must be less than or equal to `8192`, the maximum value for "
        "`max_tokens` is less than the `context_window` for this model"
    ),
    (
        "max_tokens is too large: 32000. This model supports at most 8192 completion tokens, "
        "whereas you provided 32000."
    ),
    "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
    "Range of max_tokens should be [1, 8192]",
    "<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]",
    (
        "max_tokens: 64000 > 8192, which is the maximum allowed number of output tokens for "
        "claude-3-5-sonnet-20241022"
    ),
    (
        "Unable to submit request because it has a maxOutputTokens value of 20000 but the "
        "supported range is from 1 (inclusive) to 8193 (exclusive). Update the value and try "
        "again."
    ),
    "max_completion_tokens cannot exceed 8192 for a context window of 32768",
    "max_tokens must be at most 8,192; the context length of this model is 131072",
    "`max_tokens` should not be greater than 8192 (context size 16384)",
    "max_output_tokens (20000) exceeds the maximum of 8192; prompts may have 30000 tokens",
    (
        "The maximum tokens you requested exceeds the model limit of 8192. Try again with a "
        "maximum tokens value that is lower than 8192"
    ),
    "max_tokens must be < 8193 ",
    "max_tokens must be <= 8192. The context window is 32768.",
    "max_tokens must be less than 8193",
    "max_new_tokens must be between 1 and 8192",
    "The maximum value for max_tokens is 8192",
    "max_tokens exceeds the limit 8192. Shorten the prompt, or raise the context size",
    "max_tokens should be less than or equal to 8192 (model context window 40960)",
    "The parameter 'max_tokens' must not exceed 8192.",
    (
        "Invalid value for max_completion_tokens: 9999999. It can't be larger than 8192, "
        "context size is 128k"
    ),
    "maxTokens must be no greater than 8192",
    (
        "max_tokens is too large: 100000. This model supports at most 8192 completion tokens "
        "and a maximum context of 128000 tokens"
    ),
    "parameter max_tokens is invalid: range should be in [1, 8192]",
    "max_tokens not in range [1, 8192]",
    "max_tokens must be in the range 1..8192 (context length: 65536)",
    "max_tokens: 9000 > 8192, which is the maximum allowed for this context window",
    "Value error, max_tokens must be less than or equal to 8192 [type=value_error]",
    "max_output_tokens exceeds model's maximum output tokens of 8192",
    "max_completion_tokens is above the cap of 8192, see the context length page",
]
"""Each states 8192 tokens of output. Most speak of the context, too."""
TOO_LONG = [
    # vLLM, Anthropic, Text Generation Inference, OpenAI, OpenRouter, SGLang; then others
    (
        "'max_tokens' or 'max_completion_tokens' is too large: 20000. This model's maximum "
        "context length is 8192 tokens and your request has 200 input tokens (20000 > 8192 - "
        "200)."
    ),
    (
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, "
        "decrease input length or `max_tokens` and try again"
    ),
    (
        "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 3000 `inputs` tokens and "
        "2000 `max_new_tokens`"
    ),
    (
        "This model's maximum context length is 8192 tokens. However, you requested 10000 "
        "tokens (2000 in the messages, 8000 in the completion). Please reduce the length of "
        "the messages or completion."
    ),
    "prompt is too long: 210000 tokens > 200000 maximum",
    "The sum of prompt tokens and max_tokens must be at most 8192: the context window",
    "prompt tokens plus 'max_tokens' must not exceed 8192, the context length",
    "max_tokens + prompt tokens must be less than or equal to 8192 (context window)",
    "max_tokens must be at most 8192 - prompt tokens (context length 8192)",
    (
        "This endpoint's maximum context length is 32768 tokens. However, you requested about"
        " 40000 tokens (20000 of text input, 20000 in the output). Please reduce the length "
        "of either one"
    ),
    (
        "Requested token count exceeds the model's maximum context length of 8192 tokens. You"
        " requested a total of 20200 tokens: 200 tokens from the input messages and 20000 "
        "tokens for the completion."
    ),
    ("Input length 9000 exceeds the maximum length 8192 of the context window; lower max_tokens"),
    ("The input token count exceeds the maximum number of tokens allowed 8192 (context window)"),
    "Please reduce the length of the messages or completion: context_length_exceeded",
    (
        "max_tokens is too large for the remaining context: prompt has 8000 tokens of a "
        "context window of 8192"
    ),
    (
        "context length exceeded: prompt 9000 and max_tokens 20000 must be less than or equal"
        " to 8192"
    ),
    "'max_tokens' plus the prompt's tokens cannot exceed the context size 8192",
    "prompt (7000) + max_tokens (4000) exceeds the maximum of 8192: context size",
    "Your input exceeds the context window of this model. max_tokens was 200",
    "the prompt is too long: context window is 8192, max_tokens is 512",
    "max_tokens (4000) and prompt (7000) exceed the context limit of 8192",
    "The total of input tokens and max_tokens must be no more than 8192 (context length)",
    "The prompt has more than the maximum tokens: at most 8192 fit into the context window",
    "Input exceeds max tokens, which must be less than 8192: shorten it, or raise the context size",
]
"""Prompts that are too long, alone or together with the output."""
NEITHER = [
    "max_tokens must be greater than or equal to 10",
    "max_tokens must be at least 16",
    "Expected max_tokens to be an integer, got 5000",
]
"""Limits below, and no limits."""


def judged(message: str) -> Fault:
    body = json.dumps({"error": {"message": message}}).encode()
    return judge_rejection(read_rejection(400, {}, body), 0.0)


@pytest.mark.parametrize("message", LIMITS)
def test_a_refusal_that_names_the_output_and_its_bound_is_about_the_output(message: str) -> None:
    fault = judged(message)

    assert fault.cause is Cause.NO_PARAMETER
    assert fault.lacks == {"max-output-8192"}


@pytest.mark.parametrize("message", TOO_LONG)
def test_a_prompt_that_is_too_long_stays_one(message: str) -> None:
    assert judged(message).cause is Cause.CONTEXT


@pytest.mark.parametrize("message", NEITHER)
def test_other_words_about_the_output_state_no_limit(message: str) -> None:
    assert stated_output_limit(message) is None


def test_a_bound_that_is_excluded_is_one_token_less() -> None:
    assert stated_output_limit("max_tokens must be less than 4097") == 4096
    assert stated_output_limit("max_tokens: range from 1 (inclusive) to 4097 (exclusive)") == 4096
    assert stated_output_limit("max_tokens: range from 1 (inclusive) to 4096 (inclusive)") == 4096
