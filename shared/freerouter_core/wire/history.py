"""`read_messages`: a conversation from anywhere as messages that a strict server takes.

Callers hand over what happened: messages of OpenAI's chat or Responses API, Anthropic's, Gemini's,
with fields that only their writer knows (`refusal: null`, `tool_calls: []`, `annotations`). Here
each becomes a message with `role`, `content`, and calls or their results. Nothing is mutated.

- A call and its result stand where the wire wants them (`tool_pairing`).
- An empty message is not sent: many servers refuse it, and then every later turn, too.
- Thoughts are kept as `reasoning` and `reasoning_details`; `body` decides who gets them back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from ..errors import BadRequest
from .content import in_words, joined, parts_of
from .foreign_calls import (
    CALL_ITEMS,
    RESULT_ITEMS,
    call_of,
    calls_in,
    result_of,
    results_in,
    ui_results_in,
)
from .json_values import Json, JsonMapping, as_dicts
from .message import is_text, reasoning_of, text_of
from .request import ChatRequest
from .tool_definitions import only_allowed, read_choice, read_parallel, read_tools
from .tool_pairing import pair_tool_calls

_NOT_IN_NAMES = re.compile(r"[\s<|\\/>]+")
NO_OUTPUT = "(no output)"
"""The content of a tool's result that has none. Gemini and Bedrock refuse an empty one."""
NO_TEXT = "(no text)"
"""The content of an empty last message, which must stand there."""

_ROLES = {
    "system": "system", "developer": "developer", "user": "user", "human": "user",
    "assistant": "assistant", "ai": "assistant", "model": "assistant", "chatbot": "assistant",
    "tool": "tool", "function": "tool",
}  # fmt: skip


def read_messages(messages: Sequence[JsonMapping]) -> list[Json]:
    """The conversation as wire messages.

    Raises `BadRequest` if there is no message, if a message is none, or if all are empty.
    """
    if isinstance(messages, (str, bytes)) or not messages:
        raise _no_messages()
    if all(map(_is_spoken, messages)):
        return [dict(message) for message in messages]  # the common case: nothing is to be read
    read: list[Json] = []
    for message in messages:
        if not isinstance(message, Mapping):
            raise _no_messages()
        for wire in _read(message):
            _append(read, wire)
    paired = pair_tool_calls(_without_empty(read))
    return [message for message in paired if _says_something(message)]


def readable(request: ChatRequest) -> ChatRequest:
    """The request with its messages and tools in the wire's form. Raises `BadRequest`."""
    return request.but(**read_request(request))


def read_request(request: ChatRequest) -> Json:
    """The fields of a request that have a form on the wire, in it. Raises `BadRequest`."""
    try:
        tools = read_tools(request.tools)
        tools, choice = only_allowed(tools, read_choice(request.tool_choice, tools))
        return {
            "messages": read_messages(request.messages),
            "tools": tools,
            "tool_choice": choice,
            "parallel_tool_calls": read_parallel(request.parallel_tool_calls, request.tool_choice),
        }
    except (TypeError, AttributeError, KeyError, ValueError, RecursionError) as error:
        raise BadRequest(
            f"the messages or tools are malformed: {type(error).__name__}: {error}",
            hint="messages must be dicts as the OpenAI API words them",
        ) from None


def _no_messages() -> BadRequest:
    return BadRequest(
        "a request needs at least one message, each with a role", hint="pass messages as dicts"
    )


def _append(read: list[Json], wire: Json) -> None:
    """Add a message. The Responses API gives a turn's thoughts, text and calls one by one."""
    if wire.pop("item", False) and read and read[-1]["role"] == "assistant":
        last = read[-1]
        calls = [*last.get("tool_calls", ()), *wire.get("tool_calls", ())]
        read[-1] = {
            **last,
            **wire,
            "content": _first_filled(last.get("content"), wire.get("content")),
            **({"tool_calls": calls} if calls else {}),
        }
        return
    read.append(wire)


def _first_filled(first: object, second: object) -> object:
    if first and second:
        return joined(parts_of(first) + parts_of(second), prose=True)
    return first or second


# -- one message -----------------------------------------------------------------------------------


def _is_spoken(message: JsonMapping) -> bool:
    """Whether a message is a role and a text in the wire's form, and not empty."""
    return is_text(message) and bool(str(message["content"]).strip())


def _read(message: JsonMapping) -> list[Json]:
    if is_text(message):
        return [dict(message)]
    role, content = message.get("role"), message.get("content")
    kind = message.get("type")
    if role is None and kind in _ROLES and (content is not None or "data" in message):
        inner = message.get("data")  # LangChain's messages, dumped
        message = {**(inner if isinstance(inner, Mapping) else message), "role": kind, "type": None}
        return _read(message)
    if role is None and (kind in CALL_ITEMS or _has_id(message, "_call")):
        call = call_of(message)
        return [{"role": "assistant", "content": None, "tool_calls": [call], "item": True}]
    if role is None and (kind in RESULT_ITEMS or _has_id(message, "_output")):
        return [_result(*result_of(message))]
    if role is None and kind == "reasoning":
        thoughts = text_of(message.get("summary")) or text_of(message.get("content"))
        return [{"role": "assistant", "content": None, "item": True, "reasoning": thoughts}]
    if role is None and isinstance(kind, str):
        return []  # an item that only its own service knows, such as a search it ran
    known = _ROLES.get(str(role).lower())
    if known is None:
        raise BadRequest(
            f"a message has the role {role!r}, which no chat model knows",
            hint='"system", "user", "assistant" or "tool"',
        )
    if content is None:
        content = message.get("parts") or message.get("message")
    if known == "assistant":
        # An item of the Responses API may be a part of its turn; a message of the chat API is all.
        item = {"item": True} if kind == "message" else {}
        results = [_result(*result) for result in ui_results_in(content)]
        return [_assistant(message, content) | item, *results]
    if known == "tool" and not results_in(content):
        call_id = message.get("tool_call_id") or message.get("tool_use_id")
        return [_result(call_id, content, str(message.get("name") or ""))]
    return _others(message, known, content)


def _has_id(item: JsonMapping, ending: str) -> bool:
    """Whether an item of such a type is a call, or the result of one, by its id: `shell_call`."""
    return bool(item.get("call_id")) and str(item.get("type")).endswith(ending)


def _others(message: JsonMapping, role: str, content: object) -> list[Json]:
    """A message of the user or the system, and the results of tools that stand in it.

    Results come first: they answer the calls before.
    """
    results = [_result(*result) for result in results_in(content)]
    parts = parts_of(content)
    images = message.get("images")  # Ollama's
    if isinstance(images, (list, tuple)):
        parts += parts_of(
            [{"type": "image", "image": i} if isinstance(i, str) else i for i in images]
        )
    if results and not parts:
        return results
    wire: Json = {"role": "user" if results or role == "tool" else role, "content": joined(parts)}
    return [*results, _with_name(message, wire)]


def _result(call_id: object, content: object, tool: str) -> Json:
    if isinstance(content, Mapping) and not content.keys() & {"type", "text"}:
        content = json.dumps(content, ensure_ascii=False, default=dict)
    elif isinstance(content, (bool, int, float)):
        content = json.dumps(content)
    elif isinstance(content, (list, tuple)) and content and not any(map(_is_block, content)):
        content = json.dumps(content, ensure_ascii=False, default=dict)
    wire: Json = {
        "role": "tool",
        "tool_call_id": str(call_id or ""),
        "content": joined(parts_of(content)),
    }
    return wire if call_id or not tool else {**wire, "of": tool}


def _is_block(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, Mapping) and bool(value.keys() & {"type", "text"})
    )


def _assistant(message: JsonMapping, content: object) -> Json:
    """An assistant's message: its text, calls and thoughts. What it drew is not shown to it."""
    parts = parts_of(content, tell=False)
    text = joined([part for part in parts if part["type"] == "text"], prose=True)
    if not text:
        text = _spoken(message) or joined([in_words(part) for part in parts])
    wire: Json = {"role": "assistant", "content": text}
    calls = calls_in(message, content)
    if calls:
        wire["tool_calls"] = calls
        wire["content"] = text or None
    thoughts = reasoning_of({**message, "content": content}) or _thoughts_in_parts(content)
    details = as_dicts(message.get("reasoning_details"))
    if thoughts:
        wire["reasoning"] = thoughts
    if details:
        wire["reasoning_details"] = list(details)
    if "model" in message and (thoughts or details):
        wire["model"] = message["model"]
    for key in ("prefix", "cache_control"):
        if message.get(key):
            wire[key] = message[key]
    return _with_name(message, wire)


def _spoken(message: JsonMapping) -> str:
    """What an assistant said that is no content: a refusal, or the words of a sound."""
    refusal, audio = message.get("refusal"), message.get("audio")
    if isinstance(refusal, str):
        return refusal
    return str(audio.get("transcript") or "") if isinstance(audio, Mapping) else ""


def _thoughts_in_parts(content: object) -> str:
    """Gemini's thoughts, which are parts of the content, and LangChain's blocks."""
    blocks = as_dicts(content)
    texts = [block.get("text") for block in blocks if block.get("thought") is True]
    texts += [block.get("reasoning") for block in blocks if block.get("type") == "reasoning"]
    return "".join(text for text in texts if isinstance(text, str))


def _with_name(message: JsonMapping, wire: Json) -> Json:
    name = message.get("name")
    if isinstance(name, str) and name:
        # OpenAI's pattern, which others copied.
        wire["name"] = _NOT_IN_NAMES.sub("_", name[:500])[:64]
    return wire


# -- empty messages --------------------------------------------------------------------------------


def _without_empty(messages: Iterable[Json]) -> list[Json]:
    """The messages that say something, and a result for every call.

    A user's empty last message stays, with words in it: without it a model would be asked to answer
    itself.
    """
    kept = [
        {**message, "content": NO_OUTPUT}
        if message["role"] == "tool" and _is_empty(message)
        else message
        for message in messages
    ]
    said = [message for message in kept if _says_something(message)]
    if not said:
        raise BadRequest("every message of the request is empty", hint="say something in it")
    last = kept[-1]
    if last["role"] == "user" and _is_empty(last):
        said.append({**last, "content": NO_TEXT})
    return said


def _says_something(message: JsonMapping) -> bool:
    return bool(message.get("tool_calls")) or not _is_empty(message)


def _is_empty(message: JsonMapping) -> bool:
    content = message.get("content")
    return not (content.strip() if isinstance(content, str) else content)
