"""Tool calls of an answer: read whole, or put together from the fragments of a stream."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from .json_values import Json, JsonMapping, as_dicts, as_mapping, is_complete_json, parse_json
from .message import word_of

MAX_CALLS = 1_000
"""Calls in one answer: no agent has an answer with more."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete call: `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str

    def parsed(self) -> Json | None:
        """The arguments, or None if they are not one complete JSON object.

        Nothing is repaired: a call cut inside a path or an amount would still parse, and run
        (langchain-ai/langchain#39275).
        """
        text = arguments_text(self.arguments)
        return None if text is None else dict(parse_json(text))

    def wire(self) -> Json:
        """The call as it stands in a message, in OpenAI's form."""
        return {
            "id": self.id,
            "type": "function",
            "function": {"name": self.name, "arguments": self.json_arguments},
        }

    @property
    def json_arguments(self) -> str:
        """The arguments as clients read them: an object where they mean one."""
        text = arguments_text(self.arguments)
        return self.arguments if text is None else text


def arguments_text(arguments: str) -> str | None:
    """Arguments as the text of a JSON object; None if they are none.

    Nothing and `null` mean no arguments (openai/openai-agents-js#664, AIDotNet/OpenDeepWiki#392),
    and some models encode their object twice (vllm-project/vllm#54964).
    """
    if not arguments.strip():
        return "{}"
    try:
        value = parse_json(arguments)
        if isinstance(value, str):
            arguments, value = value, parse_json(value)
    except ValueError:
        return None
    if value is None:
        return "{}"
    return arguments if isinstance(value, dict) else None


@dataclass(frozen=True, slots=True)
class ToolCallFragment:
    """A piece of a tool call, for callers that ask to see pieces.

    `id` comes with the first fragment of a call, `name` with the first that has one.
    """

    index: int
    id: str | None
    name: str | None
    arguments: str


def read_tool_calls(message: JsonMapping, answer_id: str) -> tuple[ToolCall, ...]:
    """The complete calls of a message."""
    ids = _UniqueIds()
    calls: list[ToolCall] = []
    for number, call in enumerate(as_dicts(message.get("tool_calls"))):
        function = as_mapping(call.get("function"))
        arguments = function.get("arguments")
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments) if arguments else ""
        call_id = ids.pick(call.get("id"), answer_id, number)
        calls.append(ToolCall(call_id, str(function.get("name") or ""), arguments))
    return tuple(calls)


class ToolCallAssembler:
    """Fragments of a stream's tool calls in, complete calls out.

    Servers leave out ids, indexes or types, send a call in one piece, or use an index again for
    another call (ollama/ollama#15457, vercel/ai#14277).
    """

    def __init__(self) -> None:
        self._calls: list[_PartialCall] = []
        self._by_wire_id: dict[str, _PartialCall] = {}
        self._by_index: dict[int, _PartialCall] = {}
        self._ids = _UniqueIds()

    def add(self, fragment: Json, answer_id: str) -> ToolCallFragment:
        """Add a fragment to its call and return it with what the server left out."""
        function = as_mapping(fragment.get("function"))
        wire_id, name = fragment.get("id") or None, word_of(function.get("name"))
        arguments = function.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            arguments = json.dumps(arguments)
        index = fragment.get("index")
        call = self._find(index, wire_id, name)
        is_new = call is None
        if call is None:
            number = len(self._calls)
            call = _PartialCall(self._ids.pick(wire_id, answer_id, number), number)
            self._calls.append(call)
            if isinstance(index, int):
                self._by_index[index] = call
        if wire_id and not call.wire_id:
            call.wire_id = wire_id
            self._by_wire_id.setdefault(str(wire_id), call)
        first_name = name if name and not call.name else None
        call.name = call.name or name or ""
        if arguments:
            call.arguments.append(arguments)
        return ToolCallFragment(
            call.number, call.id if is_new else None, first_name, arguments or ""
        )

    def _find(self, index: object, wire_id: object, name: str | None) -> _PartialCall | None:
        """The call a fragment belongs to; None: it begins one.

        New calls: an unknown index; a known index with another id; or, without an index, an
        unknown id, or a name after complete arguments.
        """
        if isinstance(index, int):
            call = self._by_index.get(index)
        elif wire_id:
            call = self._by_wire_id.get(str(wire_id))
        else:
            call = self._calls[-1] if self._calls else None
        if call is None or (wire_id and call.wire_id and wire_id != call.wire_id):
            return None
        named_again = name and call.arguments and not wire_id
        return None if named_again and call.is_complete() else call

    def __len__(self) -> int:
        return len(self._calls)

    def calls(self) -> tuple[ToolCall, ...]:
        """Every call so far."""
        return tuple(ToolCall(call.id, call.name, "".join(call.arguments)) for call in self._calls)


@dataclass(slots=True, eq=False)
class _PartialCall:
    id: str
    """Unique in the answer, and final: callers may have seen it with the first fragment."""
    number: int
    """Its place among the calls of the answer."""
    wire_id: object = None
    """The id that the server sent."""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    _scanned: int = 0
    """How many of the arguments' pieces were scanned for the end of the object."""
    _end: _ObjectEnd = field(default_factory=lambda: _ObjectEnd())

    def is_complete(self) -> bool:
        """Whether the arguments are one whole JSON object. Reads each piece of them once."""
        for piece in self.arguments[self._scanned :]:
            self._end.feed(piece)
        self._scanned = len(self.arguments)
        if self._end.reached and not is_complete_json("".join(self.arguments)):
            self._end.reached, self._end.passed = False, True
        return self._end.reached


_OUTSIDE = re.compile(r'[{}\[\]"]')
_INSIDE = re.compile(r'["\\]')


class _ObjectEnd:
    """Finds the end of a JSON object that comes in pieces.

    `reached`: its last bracket has come, and only whitespace since. `passed`: more has come.
    """

    def __init__(self) -> None:
        self.reached = self.passed = False
        self._depth = 0
        self._in_string = self._escaped = False

    def feed(self, piece: str) -> None:
        at = 0
        if self._escaped and piece:
            self._escaped, at = False, 1
        while not self.passed and at < len(piece):
            if self.reached:
                self.passed = bool(piece[at:].strip())
                self.reached = not self.passed
                return
            match = (_INSIDE if self._in_string else _OUTSIDE).search(piece, at)
            if match is None:
                return
            at = match.end()
            self._take(match.group())
            if self._escaped and at < len(piece):
                self._escaped, at = False, at + 1

    def _take(self, character: str) -> None:
        if character == '"':
            self._in_string = not self._in_string
        elif character == "\\":
            self._escaped = True
        else:
            self._depth += 1 if character in "{[" else -1
            self.reached = self._depth == 0


class _UniqueIds:
    """An id for every call, where a model sends none, an empty one or the same twice."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def pick(self, wire_id: object, answer_id: str, number: int) -> str:
        """The server's id if it is usable, else one made of the answer's id and `number`."""
        chosen = wire_id if isinstance(wire_id, str) else ""
        if not chosen or chosen in self._seen:
            chosen = f"call_{answer_id[-12:] or 'x'}_{number}"
        self._seen.add(chosen)
        return chosen
