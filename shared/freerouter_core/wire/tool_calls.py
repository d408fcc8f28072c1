"""Tool calls of an answer: read whole, or put together from the fragments of a stream."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise

from .json_values import (
    Json,
    JsonMapping,
    as_dicts,
    as_mapping,
    is_complete_json,
    parse_json,
    unwritable,
)
from .message import word_of

MAX_NAME = 256
"""Characters after which a name takes no more pieces."""
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
    and some models encode their object twice (vllm-project/vllm#54964). NaN and infinity, which
    Python would read, are no JSON: a tool is to be given numbers.
    """
    if not arguments.strip():
        return "{}"
    try:
        value = parse_json(arguments)
        if isinstance(value, str):
            arguments, value = value, parse_json(value) if value.strip() else None
    except ValueError:
        return None
    if value is None:
        return "{}"
    return arguments if isinstance(value, dict) and unwritable(value) is None else None


@dataclass(frozen=True, slots=True)
class InvalidToolCall:
    """A call that cannot be carried out: its arguments are incomplete, or no such tool is offered.

    `arguments`: the text as the model wrote it. `problem`: why the call is invalid. `index`: its
    place among the calls of the answer. `shown`: its name and these arguments were shown in pieces.
    """

    id: str
    name: str
    arguments: str
    problem: str
    index: int = 0
    shown: bool = False


@dataclass(frozen=True, slots=True)
class ToolCallFragment:
    """A piece of a tool call, for callers that ask to see pieces.

    `id` comes with the first fragment of a call, `name` with the first that has one.
    """

    index: int
    id: str | None
    name: str | None
    arguments: str


def pieces_of(message: JsonMapping) -> tuple[Json, ...]:
    """The calls, or fragments of calls, of a message: also in the field that OpenAI had first."""
    calls = message.get("tool_calls")
    if calls:
        return as_dicts([calls] if isinstance(calls, dict) else calls)
    function = message.get("function_call")
    return ({"function": function},) if isinstance(function, dict) and function else ()


def read_tool_calls(message: JsonMapping, answer_id: str) -> tuple[ToolCall, ...]:
    """The complete calls of a message."""
    ids = _UniqueIds()
    calls: list[ToolCall] = []
    for number, call in enumerate(pieces_of(message)):
        function = _function_of(call)
        arguments = function.get("arguments") or function.get("parameters")
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments) if arguments else ""
        call_id = ids.pick(call.get("id"), answer_id, number)
        calls.append(ToolCall(call_id, str(function.get("name") or ""), arguments))
    return tuple(calls)


def _function_of(call: JsonMapping) -> JsonMapping:
    """The name and arguments of a call: some servers leave out the object around them."""
    is_flat = "arguments" in call or "parameters" in call
    return as_mapping(call.get("function")) or (call if is_flat else {})


class ToolCallAssembler:
    """Fragments of a stream's tool calls in, complete calls out.

    Servers leave out ids, indexes or types, or send a call in one piece. Some send a new id with
    each fragment, or use an index again for another call (ollama/ollama#15457, vercel/ai#14277).
    """

    def __init__(self) -> None:
        self._calls: list[_PartialCall] = []
        self._by_index: dict[int, _PartialCall] = {}
        self._by_id: dict[str, _PartialCall] = {}
        self._ids = _UniqueIds()

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, fragment: Json, answer_id: str) -> ToolCallFragment:
        """Add a fragment to its call and return it with what the server left out, and without what
        `take` keeps back."""
        function = _function_of(fragment)
        wire_id, name = word_of(fragment.get("id")), word_of(function.get("name"))
        arguments = function.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            arguments = json.dumps(arguments)
        index = _index_of(fragment.get("index"))
        call = self._find(index, wire_id, name)
        is_new = call is None
        if call is None:
            number = len(self._calls)
            call = _PartialCall(self._ids.pick(fragment.get("id"), answer_id, number), number)
            self._calls.append(call)
            if index is not None:
                self._by_index[index] = call
        if wire_id and wire_id not in self._by_id:
            self._by_id[wire_id] = call
        call.wire_id = call.wire_id or wire_id
        more_name = call.continued_name(name)
        call.name += more_name or ""
        shown = call.take(arguments) if arguments else ""
        return ToolCallFragment(call.number, call.id if is_new else None, more_name or None, shown)

    def _find(
        self, index: int | None, wire_id: str | None, name: str | None
    ) -> _PartialCall | None:
        """The call a fragment belongs to; None: it begins one.

        The index decides first, then the id, then the order. A fragment without a name goes on with
        its call, whatever its id. One with a name begins another call if the call so far is
        complete, or if both its id and its name are others.
        """
        last = self._calls[-1] if self._calls else None
        if index is not None:
            call = self._by_index.get(index) or self._unnumbered(wire_id, name)
        elif wire_id:
            call = self._by_id.get(wire_id) or (None if name else last)
        else:
            call = last
        if call is None or not name or not call.name:
            return call
        if wire_id and wire_id == call.wire_id:
            return call
        if call.is_complete():
            return None
        is_other = name != call.name and bool(wire_id if index is not None else call.arguments)
        return None if is_other else call

    def _unnumbered(self, wire_id: str | None, name: str | None) -> _PartialCall | None:
        """The call of a fragment with a new index: some servers count wrongly (agno-agi/agno#8880).

        It goes on with the call of its id, or with the last if it has neither id nor name. With a
        name it begins another call if that one is complete: some servers give all calls of a tool
        one id.
        """
        if wire_id is not None:
            call = self._by_id.get(wire_id)
            if call is None or name is None:
                return call
            return call if name == call.name and not call.is_complete() else None
        return self._calls[-1] if self._calls and not name else None

    def calls(self) -> tuple[ToolCall, ...]:
        """Every call so far."""
        return tuple(ToolCall(call.id, call.name, call.whole()) for call in self._calls)


@dataclass(slots=True, eq=False)
class _PartialCall:
    id: str
    """Unique in the answer, and final: callers may have seen it with the first fragment."""
    number: int
    """Its place among the calls of the answer."""
    wire_id: str | None = None
    """The id that the server sent."""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    _waits: bool = False
    """Whether all that the arguments say so far is nothing."""
    _scanned: int = 0
    """How many of the arguments' pieces were scanned for the end of the object."""
    _end: _ObjectEnd = field(default_factory=lambda: _ObjectEnd())

    def take(self, piece: str) -> str:
        """Add a piece of the arguments. Returns what of it may be shown at once.

        An object that says nothing may come before the real arguments (Bedrock's, through gateways:
        openai/openai-agents-js#712). It counts only if nothing else comes, so it waits. What
        follows a whole object says nothing new.
        """
        if self._waits and piece.strip():
            self.arguments.clear()
            self._scanned, self._end, self._waits = 0, _ObjectEnd(), False
        was_whole = self.is_complete() or self._end.passed
        is_first = not self.arguments
        self.arguments.append(piece)
        self._waits = self._waits or (is_first and piece.strip() in _NOTHING)
        return "" if was_whole or self._waits else piece

    def is_complete(self) -> bool:
        """Whether the arguments are one whole JSON object. Reads each piece of them once."""
        was_reached = self._end.reached
        for piece in self.arguments[self._scanned :]:
            self._end.feed(piece)
        self._scanned = len(self.arguments)
        is_new = self._end.reached and not was_reached
        if is_new and not is_complete_json("".join(self.arguments)):
            self._end.reached, self._end.passed = False, True
        return self._end.reached

    def continued_name(self, piece: str | None) -> str | None:
        """What `piece` adds to the name: nothing if it repeats it, or comes after arguments."""
        if len(self.name) > MAX_NAME:
            return None
        if not piece or (self.name and (self.arguments or piece == self.name)):
            return None
        if self.name and piece.startswith(self.name):
            return piece[len(self.name) :]
        return piece

    def whole(self) -> str:
        """Its arguments, without what a server sent twice.

        Some begin or end with `{}`, end with all of it once more, or send all so far each time: the
        last piece counts if it is an object that says all that the pieces before it said.
        """
        joined = "".join(self.arguments)
        if len(self.arguments) < 2 or is_complete_json(joined):
            return joined
        last, before = self.arguments[-1], "".join(self.arguments[:-1])
        if last.strip() in _NOTHING and arguments_text(before) is not None:
            return before
        if is_complete_json(last) and last.startswith("{"):
            is_cumulative = self.arguments[0].startswith("{") and all(
                later.startswith(earlier) for earlier, later in pairwise(self.arguments)
            )
            if is_cumulative or before.strip() == last.strip():
                return last
        rest = joined.lstrip().removeprefix("{}")
        return rest if rest != joined and is_complete_json(rest) else joined


_NOTHING = frozenset({"{}", "null", '""'})
"""Arguments that say nothing."""
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


def _index_of(value: object) -> int | None:
    """An index as a number; None if there is none."""
    if isinstance(value, str) and value.isdecimal():
        return int(value[:9])
    return value if isinstance(value, int) and not isinstance(value, bool) else None


class _UniqueIds:
    """An id for every call, where a model sends none, an empty one or the same twice."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def pick(self, wire_id: object, answer_id: str, number: int) -> str:
        """The server's id if it is usable, else one made of the answer's id and `number`."""
        chosen = wire_id if isinstance(wire_id, str) else ""
        if not chosen or chosen in self._seen:
            chosen = f"{id_of_call(answer_id)}_{number}"
        self._seen.add(chosen)
        return chosen


def id_of_call(text: str) -> str:
    """The id of a call that is made of another text, of which it shows nothing."""
    return f"call_{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"
