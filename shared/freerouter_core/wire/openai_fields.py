"""What becomes of each field of a chat completion's request: a table, with reasons.

What a model takes is passed on. What only OpenAI's or OpenRouter's own service uses is left out,
and the answer says so. What would change the answer in a way that nobody here can serve is refused.
"""

from __future__ import annotations

from ..errors import BadRequest
from .json_values import Json, JsonMapping

PARAMETERS = (
    "temperature", "top_p", "top_k", "min_p", "top_a", "seed", "stop",
    "frequency_penalty", "presence_penalty", "repetition_penalty", "logit_bias", "logprobs",
    "top_logprobs",
)  # fmt: skip
"""Sampling, and what an answer holds: passed on."""
EXTRA_BODY = (
    "provider", "plugins", "preset", "transforms", "web_search_options", "modalities", "audio",
    "image_config", "prediction", "verbosity", "stop_server_tools_when", "deferred_tools",
)  # fmt: skip
"""Fields that change who answers, what or at what price: passed on if the router allows them."""
_READ_APART = frozenset(
    {
        "messages", "model", "models", "tools", "tool_choice", "parallel_tool_calls", "stream",
        "stream_options", "response_format", "reasoning", "reasoning_effort", "include_reasoning",
        "max_tokens", "max_completion_tokens", "n", "fresh",
    }
)  # fmt: skip
NOT_SERVED = {
    "functions": "use tools",
    "function_call": "use tool_choice",
    "debug": "the answer's field freerouter tells each attempt",
}
"""Fields that are refused, with hints."""
_NOT_KEPT = "nothing is stored, logged or billed here by it"
_OWN_SERVICE = "only the service that the client was written for uses it"
_LEFT_OUT = {
    "user": _NOT_KEPT,
    "metadata": _NOT_KEPT,
    "store": "answers are not stored: /v1/responses does that",
    "safety_identifier": _NOT_KEPT,
    "session_id": "a model is chosen anew for each request",
    "trace": _NOT_KEPT,
    "prompt_cache_key": _OWN_SERVICE,
    "prompt_cache_retention": _OWN_SERVICE,
    "prompt_cache_options": _OWN_SERVICE,
    "cache_control": _OWN_SERVICE,
    "service_tier": "free models have one tier",
    "usage": "usage is always told",
    "route": "models names those that follow",
}
"""Fields that are left out, with the reason that the answer tells."""
_UNKNOWN = "no field of a chat completion that is known here"
_USED = _READ_APART | NOT_SERVED.keys() | {*PARAMETERS, *EXTRA_BODY}
MOST_TOLD = 20
"""Fields that an answer tells as left out. A client may send any number."""


def picked(body: JsonMapping, names: tuple[str, ...]) -> Json:
    """The fields of these names that say something: no nulls, no empty lists.

    An empty object stays: `web_search_options: {}` starts a search.
    """
    return {name: value for name in names if (value := body.get(name)) not in (None, [])}


def limit_in(body: JsonMapping, *names: str) -> int | None:
    """The most tokens that an answer may have, from the first of these fields that is given."""
    for name in names:
        limit = body.get(name)
        if limit is None:
            continue
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise BadRequest(f"{name} must be a whole number of tokens, 1 or more")
        return limit
    return None


def left_out(body: JsonMapping) -> dict[str, str]:
    """The fields that were not used, each with its reason."""
    names = [name for name in body if name not in _USED and body[name] is not None]
    return {str(name)[:64]: _LEFT_OUT.get(name, _UNKNOWN) for name in names[:MOST_TOLD]}
