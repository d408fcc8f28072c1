"""OpenAI's chat completions API from the server's side: a client's body becomes a `ChatRequest`.

`openai_fields` says what becomes of each field. `history` reads the messages, whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..errors import BadRequest
from .json_values import Json, JsonMapping
from .openai_fields import EXTRA_BODY, NOT_SERVED, PARAMETERS, left_out, limit_in, picked
from .reasoning import ReasoningSetting
from .request import ChatRequest
from .sampling import checked
from .structured import Structured
from .tool_definitions import read_tools

AUTO_NAMES = ("auto", "freerouter", "openrouter/free", "openrouter/auto")
"""Names by which a client asks for any model."""
MOST_ANSWERS = 8
"""The largest `n`. Each answer is a request of its own, which counts against limits."""
MOST_MODELS = 20
"""The longest `models`."""


class ClientRequest(NamedTuple):
    """A client's request.

    `include_usage`: a stream ends with a chunk of usage. `n`: answers that are wanted. `left_out`:
    """

    request: ChatRequest
    stream: bool
    include_usage: bool
    n: int = 1
    left_out: Mapping[str, str] = {}


def read_request(body: object) -> ClientRequest:
    """The request in a client's body. Raises `BadRequest`."""
    if not isinstance(body, Mapping):
        raise BadRequest("the body must be a JSON object")
    messages, tools = body.get("messages"), body.get("tools") or []
    if not isinstance(messages, list) or not isinstance(tools, list):
        raise BadRequest("messages and tools must be lists")
    for name, hint in NOT_SERVED.items():
        if body.get(name):
            raise BadRequest(f"{name} is not served", hint=hint)
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise BadRequest("stream must be true or false")
    parallel, options = body.get("parallel_tool_calls"), body.get("stream_options")
    if parallel is not None and not isinstance(parallel, bool):
        raise BadRequest("parallel_tool_calls must be true or false")
    if options is not None and not isinstance(options, Mapping):
        raise BadRequest("stream_options must be an object", hint='{"include_usage": true}')
    model, models = read_models(body)
    request = ChatRequest(
        messages=[dict(m) if isinstance(m, Mapping) else m for m in messages],
        tools=tools,
        tool_choice=body.get("tool_choice"),
        parallel_tool_calls=parallel,
        structured=_structured(body.get("response_format")),
        parameters=_parameters(body),
        reasoning=_reasoning(body),
        extra_body=_extra_body(body),
        model=model,
        fallback_models=models,
        fresh=body.get("fresh") is True,
    )
    _refuse_free_text(request)
    include_usage = options is not None and bool(options.get("include_usage"))
    return ClientRequest(request, bool(stream), include_usage, _number(body), left_out(body))


def _refuse_free_text(request: ChatRequest) -> None:
    """OpenAI's own models call a custom tool with free text. Others know functions only."""
    custom = [t for t in request.tools if isinstance(t, Mapping) and t.get("type") == "custom"]
    # One with a schema is a function in the words of Anthropic's API.
    if any(tool.get("type") == "custom" for tool in read_tools(custom)):
        raise BadRequest(
            "custom tools are not served in chat completions",
            hint="offer a function with one text, or send the request to /v1/responses",
        )


def read_models(body: JsonMapping) -> tuple[str | None, tuple[str, ...]]:
    """(the model to ask first, OpenRouter's `models`). None: any model. Raises `BadRequest`."""
    model, others = body.get("model"), body.get("models") or []
    if model is not None and not isinstance(model, str):
        raise BadRequest("model must be a name")
    if not isinstance(others, list) or not all(isinstance(name, str) for name in others):
        raise BadRequest("models must be a list of names")
    if len(others) > MOST_MODELS:
        raise BadRequest(f"models has more than {MOST_MODELS} names")
    models = tuple(name for name in others if name not in AUTO_NAMES)
    first = model or next(iter(others), None)
    return None if first in AUTO_NAMES else first, models


def _number(body: JsonMapping) -> int:
    n = body.get("n")
    if n is None:
        return 1
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MOST_ANSWERS:
        raise BadRequest(
            f"n must be a whole number from 1 to {MOST_ANSWERS}",
            hint="each answer is a request of its own: ask again for more",
        )
    return n


def _parameters(body: JsonMapping) -> Json:
    parameters = checked(picked(body, PARAMETERS))
    # OpenAI's newer name; most servers know the older one only.
    limit = limit_in(body, "max_tokens", "max_completion_tokens")
    if limit is not None:
        parameters["max_tokens"] = limit
    if not (parameters.get("logprobs") or parameters.get("top_logprobs")):
        parameters.pop("logprobs", None)
        parameters.pop("top_logprobs", None)
    return parameters


def _extra_body(body: JsonMapping) -> Json:
    fields = checked(picked(body, EXTRA_BODY))
    if fields.get("modalities") == ["text"]:
        del fields["modalities"]  # it is the default
    return fields


def _reasoning(body: JsonMapping) -> ReasoningSetting | None:
    """OpenRouter's object counts before OpenAI's word."""
    for name in ("reasoning", "reasoning_effort", "include_reasoning"):
        value: object = body.get(name)
        if value is None or (name == "include_reasoning" and value is False):
            continue
        if not isinstance(value, (bool, str, Mapping)):
            raise BadRequest(f"{name} is in no known shape", hint='such as "low"')
        return value
    return None


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
