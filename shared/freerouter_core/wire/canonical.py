"""`canonical`: a request in one form, so that requests that ask the same are equal.

It has what can change the answer, and nothing else. How a framework spells a message changes
nothing, nor do the order of keys, the ids of tool calls and fields that are null. Marks for a
provider's prompt cache do not count either. The order of messages, tools and parts does, and so
does each letter of them.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from .content import joined
from .history import read_request
from .json_values import Json, parse_json
from .paid import FREE_FIELDS
from .request import ChatRequest

_HOW_IT_COMES = frozenset({"stream", "stream_options"})
"""Fields of the wire that say how an answer is sent, not what is in it."""
_CACHE_MARK = "cache_control"


def canonical(request: ChatRequest, read: Json | None = None) -> Json:
    """What a request asks, as plain data. Its model, timeout and validator are not part of it.

    `read`: what `read_request` made of it, if that was done. Raises `BadRequest` for messages or
    tools that have no form on the wire.
    """
    if read is None:
        read = read_request(request)
    form: Json = {"messages": _messages(read["messages"]), "fields": _fields(request)}
    if read["tools"]:
        form["tools"] = [_tool(tool) for tool in read["tools"]]
        form["tool_choice"] = read["tool_choice"] or "auto"
        form["parallel"] = read["parallel_tool_calls"]
    if request.reasoning is not None:
        form["reasoning"] = _reasoning(request.reasoning)
    if request.structured is not None:
        form["structured"] = vars(request.structured)
    return form


def canonical_text(value: object) -> str:
    """JSON of plain data, with keys in order. Raises `TypeError` for what JSON has no form for."""
    try:
        return _ENCODER.encode(value)
    except TypeError:  # keys of several types have an order only as the wire writes them
        return canonical_text(parse_json(json.dumps(value, default=_as_dict)))


def _as_dict(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_as_dict)


def _messages(messages: list[Json]) -> list[Json]:
    ids: dict[object, int] = {}
    numbers = itertools.count()
    return [_message(message, ids, numbers) for message in messages]


def _message(message: Mapping[str, Any], ids: dict[object, int], numbers: Iterator[int]) -> Json:
    content = message.get("content")
    if len(message) == len(_PLAIN) and isinstance(content, str):
        return dict(message)  # the common case
    form = {key: value for key, value in message.items() if value and key != _CACHE_MARK}
    if isinstance(content, list):
        form["content"] = joined([_without_mark(part) for part in content])
    if "tool_calls" in form:
        calls = [_call(call, next(numbers)) for call in form["tool_calls"]]
        ids |= {old["id"]: new["id"] for old, new in zip(form["tool_calls"], calls, strict=True)}
        form["tool_calls"] = calls
    if "tool_call_id" in form:
        form["tool_call_id"] = ids.get(form["tool_call_id"])
    return form


_PLAIN = ("role", "content")


def _without_mark(part: Json) -> Json:
    if _CACHE_MARK not in part:
        return part
    return {key: value for key, value in part.items() if key != _CACHE_MARK}


def _call(call: Json, number: int) -> Json:
    """A call with a number in place of its id: a result names the last call of its id."""
    function = dict(call["function"])
    # What is longer than what is read of foreign JSON counts as the text it is.
    with contextlib.suppress(ValueError):
        function["arguments"] = parse_json(function["arguments"])
    return {**call, "id": number, "function": function}


def _tool(tool: Mapping[str, Any]) -> Json:
    form = {key: value for key, value in tool.items() if value is not None and key != _CACHE_MARK}
    function = form.get("function")
    if isinstance(function, Mapping):
        form["function"] = {key: value for key, value in function.items() if value is not None}
    return form


def _reasoning(setting: object) -> object:
    """A setting as OpenRouter's object, which has a place for each of them."""
    if isinstance(setting, bool):
        return {"enabled": setting}
    if isinstance(setting, Mapping):
        return {key: value for key, value in setting.items() if value is not None}
    return {"effort": setting}


def _fields(request: ChatRequest) -> Json:
    """The sampling parameters and further fields by name: on the wire they stand side by side."""
    given = {key: value for key, value in request.parameters.items() if value is not None}
    fields = {**given, **request.extra_body}
    return {key: _value(key, fields[key]) for key in fields if _says_something(key, fields[key])}


def _says_something(key: str, value: object) -> bool:
    # A null that nobody knows may start what the field is named after, so it counts.
    asks_nothing = (value is None and key in FREE_FIELDS) or (key == "stop" and not value)
    return not asks_nothing and key not in _HOW_IT_COMES


def _value(key: str, value: object) -> object:
    if key == "stop" and isinstance(value, str):
        return [value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
