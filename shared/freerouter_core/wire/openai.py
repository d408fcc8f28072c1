"""OpenAI's chat completions API from the server's side.

A client's body becomes a `ChatRequest`; an answer becomes a body or chunks. Unknown fields are
tolerated as by the API itself. Fields that no free model uses (`user`, `metadata`, `store`, …) are
ignored, and a value that would silently change the meaning (`n` above one) is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..errors import BadRequest
from .answer import Answer
from .delta import Delta
from .json_values import Json, JsonMapping
from .request import ChatRequest
from .structured import Structured
from .tool_calls import ToolCall, ToolCallFragment

PARAMETERS = (
    "temperature", "top_p", "top_k", "min_p", "top_a", "seed", "stop", "max_tokens",
    "max_completion_tokens", "frequency_penalty", "presence_penalty", "repetition_penalty",
    "logit_bias",
)  # fmt: skip
EXTRA_BODY = (
    "provider", "models", "plugins", "route", "transforms", "web_search_options", "modalities",
    "audio", "prediction", "verbosity",
)  # fmt: skip
"""Fields that change who answers, what or at what price: passed on if the router allows them."""
NOT_SERVED = {
    "functions": "use tools",
    "function_call": "use tool_choice",
    "logprobs": "no free model can be held to it",
}
"""Fields that are refused, with hints."""
AUTO_NAMES = ("auto", "freerouter", "openrouter/free", "openrouter/auto")
"""Names by which a client asks for any model."""


class ClientRequest(NamedTuple):
    """A client's request. `include_usage`: a stream ends with a chunk of usage."""

    request: ChatRequest
    stream: bool
    include_usage: bool


def read_request(body: object) -> ClientRequest:
    """The request in a client's body. Raises `BadRequest`."""
    if not isinstance(body, Mapping):
        raise BadRequest("the body must be a JSON object")
    messages, tools = body.get("messages"), body.get("tools") or []
    if not isinstance(messages, list) or not isinstance(tools, list):
        raise BadRequest("messages and tools must be lists")
    if body.get("n") not in (None, 1):
        raise BadRequest("n must be 1: each request returns one answer", hint="ask several times")
    model = body.get("model")
    if model is not None and not isinstance(model, str):
        raise BadRequest("model must be a name")
    for name, hint in NOT_SERVED.items():
        if body.get(name):
            raise BadRequest(f"{name} is not served", hint=hint)
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise BadRequest("stream must be true or false")
    reasoning = body.get("reasoning")
    request = ChatRequest(
        messages=[dict(m) if isinstance(m, Mapping) else m for m in messages],
        tools=tools,
        tool_choice=body.get("tool_choice"),
        parallel_tool_calls=body.get("parallel_tool_calls"),
        structured=_structured(body.get("response_format")),
        parameters=_picked(body, PARAMETERS),
        reasoning=body.get("reasoning_effort") if reasoning is None else reasoning,
        extra_body=_picked(body, EXTRA_BODY),
        model=None if model in AUTO_NAMES else model,
    )
    options = body.get("stream_options")
    include_usage = isinstance(options, Mapping) and bool(options.get("include_usage"))
    return ClientRequest(request, bool(stream), include_usage)


def _picked(body: JsonMapping, names: tuple[str, ...]) -> Json:
    return {name: body[name] for name in names if body.get(name) is not None}


def _structured(response_format: object) -> Structured | None:
    if response_format is None:
        return None
    structured = None
    if isinstance(response_format, Mapping):
        if response_format.get("type") == "text":
            return None
        structured = Structured.from_response_format(response_format)
    if structured is None:
        raise BadRequest(
            "response_format is in no known shape",
            hint="json_object, or json_schema with a schema",
        )
    return structured


def write_answer(answer: Answer, ident: str, created: int, metadata: JsonMapping) -> Json:
    """A `chat.completion`; `freerouter` holds the attempts that led to it."""
    message: Json = {
        "role": "assistant",
        "content": answer.text or (None if answer.tool_calls or answer.invalid_calls else ""),
        "refusal": answer.refusal or None,
    }
    calls = _calls(answer)
    if calls:
        message["tool_calls"] = calls
    if answer.reasoning:
        message["reasoning"] = answer.reasoning
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": _finish_reason(answer),
        "logprobs": None,
    }
    return {
        "id": ident,
        "object": "chat.completion",
        "created": created,
        "model": answer.model,
        "choices": [choice],
        "usage": answer.usage,
        "freerouter": dict(metadata),
    }


def write_delta(delta: Delta, ident: str, created: int, model: str, first: bool) -> Json:
    """A `chat.completion.chunk`."""
    message: Json = {"role": "assistant"} if first else {}
    if delta.text or first:
        message["content"] = delta.text
    if delta.reasoning:
        message["reasoning"] = delta.reasoning
    if delta.tool_calls or delta.invalid_calls:
        calls = enumerate(_calls(delta))
        message["tool_calls"] = [{"index": index, **call} for index, call in calls]
    elif delta.fragments:
        message["tool_calls"] = [_fragment(fragment) for fragment in delta.fragments]
    return _chunk(ident, created, model, [_streamed_choice(message, None)])


def write_end(
    answer: Answer, ident: str, created: int, metadata: JsonMapping, include_usage: bool
) -> Iterator[Json]:
    """The last chunks: the finish reason and the attempts; then usage, if it is wanted."""
    last = _streamed_choice({}, _finish_reason(answer))
    yield _chunk(ident, created, answer.model, [last]) | {"freerouter": dict(metadata)}
    if include_usage:
        yield _chunk(ident, created, answer.model, []) | {"usage": answer.usage}


def _chunk(ident: str, created: int, model: str, choices: list[Json]) -> Json:
    return {
        "id": ident,
        "object": "chat.completion.chunk",
        "created": created,
        "model": model,
        "choices": choices,
    }


def _streamed_choice(delta: Json, finish_reason: str | None) -> Json:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}


def _calls(said: Answer | Delta) -> list[Json]:
    """The calls of an answer. An invalid one has no JSON for arguments but the reason, so that no
    client carries it out, or completes it, and each tells its model."""
    invalid = [ToolCall(call.id, call.name, f"({call.problem})") for call in said.invalid_calls]
    return [_call(call) for call in (*said.tool_calls, *invalid)]


def _call(call: ToolCall) -> Json:
    return call.wire()


def _fragment(fragment: ToolCallFragment) -> Json:
    function: Json = {"name": fragment.name} if fragment.name else {}
    function["arguments"] = fragment.arguments
    begins = {"id": fragment.id, "type": "function"} if fragment.id else {}
    return {"index": fragment.index, **begins, "function": function}


_FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter")


def _finish_reason(answer: Answer) -> str:
    if answer.tool_calls or answer.invalid_calls:
        return "tool_calls"
    return answer.finish_reason if answer.finish_reason in _FINISH_REASONS else "stop"
