"""`read_request`: a client's body of Anthropic's Messages API as a `ChatRequest`.

What only this API has becomes what every chat API has; blocks of content are read where those of
all APIs are (`wire.history`). Clients such as Claude Code send new fields with every release, so
what is not known is ignored, unless leaving it out would break a promise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...errors import BadRequest
from ..json_values import Json, JsonMapping
from ..openai import AUTO_NAMES
from ..reasoning import EFFORTS, ReasoningSetting
from ..request import ChatRequest
from ..sampling import checked
from ..structured import Structured
from .signature import read_signature
from .tools import read_choice, read_tools

_PARAMETERS = ("temperature", "top_p", "top_k")
_NOT_SERVED = {
    "mcp_servers": "Anthropic would call them; connect them to the client",
    "container": "it runs code at Anthropic; give the model a tool of your own",
    "inference_geo": "nobody promises where a free model runs",
}
"""Fields that are refused, with hints."""
_ANYWHERE: tuple[object, ...] = (None, "", [], "global", "not_available")
"""Values of theirs that ask for nothing."""
_ATTRIBUTION = "x-anthropic-billing-header:"
"""Claude Code begins its system prompt with a block for Anthropic's accounts. It differs from
request to request, so it would only spoil the caches of providers."""
_SAYS_ERROR = re.compile(r"error|fail|exception|denied|reject|invalid|not found", re.IGNORECASE)
_LONGEST_LOOK = 500
"""Letters of a tool's result in which the word of an error is looked for."""


class MessagesRequest(NamedTuple):
    """A client's request. `thinking`: whether the client wants to see thoughts."""

    request: ChatRequest
    stream: bool
    thinking: bool


def read_request(body: object) -> MessagesRequest:
    """The request in a client's body. Raises `BadRequest`."""
    if not isinstance(body, Mapping):
        raise BadRequest("the body must be a JSON object")
    model, stream = body.get("model"), body.get("stream")
    if model is not None and not isinstance(model, str):
        raise BadRequest("model must be a name")
    if stream is not None and not isinstance(stream, bool):
        raise BadRequest("stream must be true or false")
    for name, hint in _NOT_SERVED.items():
        if body.get(name) not in _ANYWHERE:
            raise BadRequest(f"{name} is not served", hint=hint)
    tools = read_tools(body.get("tools"))
    choice, parallel = read_choice(body.get("tool_choice"))
    reasoning, shown = _thinking(body)
    request = ChatRequest(
        messages=[*_system(body.get("system")), *_messages(body.get("messages"))],
        tools=tools,
        tool_choice=choice if tools else None,
        parallel_tool_calls=parallel if tools else None,
        structured=_structured(body),
        parameters=_parameters(body),
        reasoning=reasoning,
        model=None if model in AUTO_NAMES else model,
        fresh=body.get("fresh") is True,
    )
    return MessagesRequest(request, bool(stream), shown)


def _parameters(body: JsonMapping) -> Json:
    parameters = checked({n: body[n] for n in _PARAMETERS if body.get(n) is not None})
    limit, stops = body.get("max_tokens"), body.get("stop_sequences")
    if limit is not None:
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise BadRequest("max_tokens must be 1 or more")
        parameters["max_tokens"] = limit
    if stops:
        if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
            raise BadRequest("stop_sequences must be a list of texts")
        parameters["stop"] = stops
    return parameters


def _thinking(body: JsonMapping) -> tuple[ReasoningSetting | None, bool]:
    """(the setting, whether thoughts are shown). Without the field, models do as they like and keep
    their thoughts: who did not ask for such blocks may not know them."""
    thinking = body.get("thinking")
    if thinking is None:
        return None, False
    kind = thinking.get("type") if isinstance(thinking, Mapping) else None
    if not isinstance(thinking, Mapping) or not isinstance(kind, str):
        raise BadRequest("thinking must be an object with a type", hint='{"type": "adaptive"}')
    if kind == "disabled":
        return False, False
    budget, effort = thinking.get("budget_tokens"), _of(body, "output_config", "effort")
    shown = thinking.get("display") != "omitted"
    if kind == "enabled" and isinstance(budget, int) and budget > 0:
        return {"max_tokens": budget}, shown
    return (effort if effort in EFFORTS else True), shown


def _structured(body: JsonMapping) -> Structured | None:
    wanted = _of(body, "output_config", "format") or body.get("output_format")
    if wanted is None:
        return None
    structured = Structured.from_response_format(wanted) if isinstance(wanted, Mapping) else None
    if structured is None or structured.schema is None:
        raise BadRequest(
            "the format of the output is in no known form",
            hint='{"type": "json_schema", "schema": {…}}',
        )
    return structured


def _of(body: JsonMapping, field: str, name: str) -> Any:
    inner = body.get(field)
    return inner.get(name) if isinstance(inner, Mapping) else None


# -- messages --------------------------------------------------------------------------------------


def _system(system: object) -> list[Json]:
    """The system prompt as a message; none if it says nothing."""
    if system is None or system == "" or system == []:
        return []
    if not isinstance(system, (str, list)):
        raise BadRequest("system must be a text or a list of text blocks")
    return [{"role": "system", "content": _content(system)}]


def _messages(messages: object) -> list[Any]:
    if not isinstance(messages, list):
        raise BadRequest("messages must be a list")
    read: list[Any] = []
    for message in messages:
        if not isinstance(message, Mapping):
            read.append(message)  # it is refused with words by `wire.history`
        elif read and message.get("role") == "system":
            _remind(read, _content(message.get("content")))
        else:
            read.append(_message(message))
    return read


def _message(message: JsonMapping) -> Json:
    content = _content(message.get("content"))
    wire: Json = {"role": message.get("role"), "content": content}
    if message.get("role") == "assistant" and isinstance(content, list):
        wire |= _writer(content)
    return wire


def _remind(read: list[Any], content: object) -> None:
    """Add what the system says in the middle to what the user says. Claude Code speaks there; most
    chat templates want the system at the head."""
    said = [_OPEN, *_blocks(content), _CLOSE]
    last = read[-1]
    if isinstance(last, Mapping) and last.get("role") == "user":
        read[-1] = {**last, "content": [*_blocks(last.get("content")), *said]}
    else:
        read.append({"role": "user", "content": said})


def _blocks(content: object) -> list[Any]:
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


_OPEN: Json = {"type": "text", "text": "<system-reminder>"}
_CLOSE: Json = {"type": "text", "text": "</system-reminder>"}


def _writer(blocks: list[Any]) -> Json:
    """Who thought the thoughts of a turn, and what they want back, from our own signatures."""
    for block in blocks:
        if isinstance(block, Mapping) and block.get("type") == "thinking":
            names, details = read_signature(block.get("signature"))
            if names:
                return {"model": names} | ({"reasoning_details": list(details)} if details else {})
    return {}


def _content(content: object) -> object:
    """Content without marks for caches, which free models have not, and without attribution."""
    if isinstance(content, list):
        return [_block(block) for block in content if not _is_attribution(block)]
    return content


def _is_attribution(block: object) -> bool:
    text = block.get("text") if isinstance(block, Mapping) else None
    return isinstance(text, str) and text.lstrip().startswith(_ATTRIBUTION)


def _block(block: object) -> object:
    if not isinstance(block, Mapping):
        return block
    kept = {key: value for key, value in block.items() if key != "cache_control"}
    if block.get("type") == "tool_result":
        inner = _content(block.get("content"))
        kept["content"] = _as_error(inner) if block.get("is_error") is True else inner
    return kept


def _as_error(content: object) -> object:
    """A tool's result that says that it is an error: other APIs have no mark for it."""
    if not content:
        return "Error: the tool failed"
    if isinstance(content, str):
        said = content
    else:
        blocks = content if isinstance(content, list) else [content]
        texts = (block.get("text") for block in blocks if isinstance(block, Mapping))
        said = next((text for text in texts if isinstance(text, str)), "")
    if _SAYS_ERROR.search(said[:_LONGEST_LOOK]):
        return content
    if isinstance(content, str):
        return f"Error: {content}"
    return [{"type": "text", "text": "Error:"}, *blocks]
