"""The OpenAI API as seen from the other side: a client's body to a request, an answer to a client's body or chunks.

For whoever serves a router to other programs (`apps.rest`). Tolerant of further fields as the API itself is: what no free model could
use (`user`, `metadata`, `store`, …) is left aside, and what would change the meaning unnoticed (`n` above one) is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import BadRequest
from .answer import Answer
from .delta import Delta
from .request import ChatRequest
from .structured import Structured
from .tool_calls import ToolCall

Json = dict[str, Any]
PARAMETERS = (
    "temperature", "top_p", "top_k", "min_p", "top_a", "seed", "stop", "max_tokens", "max_completion_tokens", "frequency_penalty",
    "presence_penalty", "repetition_penalty", "logit_bias",
)  # fmt: skip
FURTHER = (
    "provider",
    "models",
    "plugins",
    "route",
    "transforms",
    "web_search_options",
    "modalities",
    "audio",
    "prediction",
    "verbosity",
)
"""Fields that change what is answered, by whom or at what price: passed on, or refused by what the router allows."""
UNSERVED = {
    "functions": "use tools",
    "function_call": "use tool_choice",
    "logprobs": "no free model can be held to it",
}
ANY = ("auto", "freerouter", "openrouter/free", "openrouter/auto")
"""Names under which a client asks for whichever model is best."""


def read_request(body: object) -> tuple[ChatRequest, bool, bool]:
    """(request, whether it is to be streamed, whether a stream ends with usage). Raises `BadRequest`."""
    if not isinstance(body, Mapping):
        raise BadRequest("the body must be a JSON object")
    messages, tools = body.get("messages"), body.get("tools") or []
    if not isinstance(messages, list) or not isinstance(tools, list):
        raise BadRequest("messages and tools must be lists")
    if body.get("n") not in (None, 1):
        raise BadRequest("n must be 1: one answer is given a request", hint="ask several times")
    model = body.get("model")
    if model is not None and not isinstance(model, str):
        raise BadRequest("model must be a name")
    for name, instead in UNSERVED.items():
        if body.get(name):
            raise BadRequest(f"{name} is not served", hint=instead)
    streamed = body.get("stream")
    if streamed is not None and not isinstance(streamed, bool):
        raise BadRequest("stream must be true or false")
    wish, options = body.get("response_format"), body.get("stream_options")
    structured = None
    if wish is not None and not (isinstance(wish, Mapping) and wish.get("type") == "text"):
        structured = Structured.from_response_format(wish) if isinstance(wish, Mapping) else None
        if structured is None:
            raise BadRequest(
                "response_format is in no known shape",
                hint="json_object, or json_schema with a schema",
            )
    reasoning = body.get("reasoning_effort") if body.get("reasoning") is None else body["reasoning"]
    request = ChatRequest(
        messages=[
            dict(message) if isinstance(message, Mapping) else message for message in messages
        ],
        tools=tools,
        tool_choice=body.get("tool_choice"),
        parallel_tool_calls=body.get("parallel_tool_calls"),
        structured=structured,
        parameters={name: body[name] for name in PARAMETERS if body.get(name) is not None},
        reasoning=reasoning,
        extra_body={name: body[name] for name in FURTHER if body.get(name) is not None},
        model=None if model in ANY else model,
    )
    usage = isinstance(options, Mapping) and bool(options.get("include_usage"))
    return request, bool(streamed), usage


def write_answer(answer: Answer, ident: str, created: int, metadata: Mapping[str, Any]) -> Json:
    """A `chat.completion`; how it was come by stands in `freerouter`."""
    message: Json = {
        "role": "assistant",
        "content": answer.text or None,
        "refusal": answer.refusal or None,
    }
    if answer.tool_calls:
        message["tool_calls"] = [_call(call) for call in answer.tool_calls]
    elif message["content"] is None:
        message["content"] = ""
    if answer.reasoning:
        message["reasoning"] = answer.reasoning
    return {
        "id": ident,
        "object": "chat.completion",
        "created": created,
        "model": answer.model,
        "choices": [
            {"index": 0, "message": message, "finish_reason": _finish(answer), "logprobs": None}
        ],
        "usage": answer.usage,
        "freerouter": dict(metadata),
    }


def write_delta(delta: Delta, ident: str, created: int, model: str, first: bool) -> Json:
    """A `chat.completion.chunk`."""
    told: Json = {"role": "assistant"} if first else {}
    if delta.text or first:
        told["content"] = delta.text
    if delta.reasoning:
        told["reasoning"] = delta.reasoning
    if delta.tool_calls:
        told["tool_calls"] = [
            {"index": n, **_call(call)} for n, call in enumerate(delta.tool_calls)
        ]
    elif delta.fragments:
        told["tool_calls"] = [
            {
                "index": piece.index,
                **({"id": piece.id, "type": "function"} if piece.id else {}),
                "function": {
                    **({"name": piece.name} if piece.name else {}),
                    "arguments": piece.arguments,
                },
            }
            for piece in delta.fragments
        ]
    return _chunk(
        ident,
        created,
        model,
        [{"index": 0, "delta": told, "finish_reason": None, "logprobs": None}],
    )


def write_end(
    answer: Answer, ident: str, created: int, metadata: Mapping[str, Any], usage: bool
) -> Iterator[Json]:
    """The last chunks: the finish reason and how it was come by; then usage, where it is wanted."""
    last = {"index": 0, "delta": {}, "finish_reason": _finish(answer), "logprobs": None}
    yield _chunk(ident, created, answer.model, [last]) | {"freerouter": dict(metadata)}
    if usage:
        yield _chunk(ident, created, answer.model, []) | {"usage": answer.usage}


def _chunk(ident: str, created: int, model: str, choices: list[Json]) -> Json:
    return {
        "id": ident,
        "object": "chat.completion.chunk",
        "created": created,
        "model": model,
        "choices": choices,
    }


def _call(call: ToolCall) -> Json:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def _finish(answer: Answer) -> str:
    known = ("stop", "length", "tool_calls", "content_filter")
    if answer.tool_calls:
        return "tool_calls"
    return answer.finish_reason if answer.finish_reason in known else "stop"
