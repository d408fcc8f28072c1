"""Tool names that every server takes, and their own names in what comes back.

OpenAI allows `[A-Za-z0-9_-]{1,64}`, Gemini asks for a letter or `_` at the beginning. MCP allows
dots and slashes (openai/codex#8174), and a name in another script is somebody's tool, too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from .answer import Answer
from .json_values import Json, JsonMapping, as_mapping
from .request import ChatRequest
from .schema import schema_name
from .tool_calls import ToolCall

_ACCEPTED = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_SPEAKER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OTHERS = re.compile(r"[^A-Za-z0-9_-]+")
_SPEAKERS = frozenset({"system", "developer", "user", "assistant"})
OwnNames = Mapping[str, str]
"""The tools' own names, by those that were sent in their place."""


def sent_name(name: str) -> str:
    """A tool's name as servers accept it.

    A name that must change ends with a hash of itself, so two names never become one, and the
    result is the same wherever it is worked out.
    """
    if _ACCEPTED.fullmatch(name):
        return name
    plain = schema_name(name)
    plain = plain if plain[0].isalpha() else f"t_{plain}"
    return f"{plain[:54]}_{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"


def own_names(request: ChatRequest) -> OwnNames:
    """The own names of a request's tools whose names have to change."""
    if not (request.tools or request.structured):
        return {}
    names = set(request.offered)
    if request.structured is not None:
        names.add(schema_name(request.structured.name))  # it may be asked for as a tool
    return {sent: name for name in names if (sent := sent_name(name)) != name}


def speaker_name(name: str) -> str:
    """The name of who says a message, as servers accept it: without blanks and other signs."""
    if _SPEAKER.fullmatch(name):
        return name
    return _OTHERS.sub("_", name).strip("_")[:64] or sent_name(name)


def rename_speakers(body: Json) -> None:
    """Write accepted names into the messages of a body. The name of a result is its tool's."""
    if any(isinstance(message.get("name"), str) for message in body["messages"]):
        body["messages"] = [
            {**message, "name": speaker_name(message["name"])}
            if isinstance(message.get("name"), str) and message.get("role") in _SPEAKERS
            else message
            for message in body["messages"]
        ]


def rename_tools(body: Json) -> None:
    """Write accepted names into tools, choices and calls of a body, which is the request's own."""
    if body.get("tools"):
        body["tools"] = [_renamed(tool) for tool in body["tools"]]
    if isinstance(body.get("tool_choice"), Mapping):
        body["tool_choice"] = _renamed(body["tool_choice"])
    if any(message.get("tool_calls") for message in body["messages"]):
        body["messages"] = [
            {**message, "tool_calls": [_renamed(call) for call in message["tool_calls"]]}
            if message.get("tool_calls")
            else message
            for message in body["messages"]
        ]


def _renamed(holder: JsonMapping) -> Json:
    function = as_mapping(holder.get("function"))
    if "name" not in function:
        return dict(holder)
    return {**holder, "function": {**function, "name": sent_name(str(function["name"]))}}


def answer_with_own_names(answer: Answer, names: OwnNames) -> Answer:
    """An answer whose calls name the caller's tools."""
    if not (names and answer.tool_calls):
        return answer
    return answer.with_(tool_calls=tuple(_call(call, names) for call in answer.tool_calls))


def _call(call: ToolCall, names: OwnNames) -> ToolCall:
    return replace(call, name=names.get(call.name, call.name))


def offered_name(name: str, offered: Collection[str]) -> str:
    """A tool's name as it was offered.

    Models put a namespace before a name, or tokens of their own after it (openai/harmony#68).
    """
    if name in offered:
        return name
    bare = name.partition("<|")[0].strip()
    spellings = (bare, bare.rpartition(".")[2], bare.rpartition(".")[2].partition(":")[0])
    return next((spelling for spelling in spellings if spelling in offered), name)
