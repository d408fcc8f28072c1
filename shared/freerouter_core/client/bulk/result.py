"""`BulkResult`: what became of one row, and how an answer is kept in a file."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any

from ...errors import AttemptRecord
from ...wire.answer import Answer
from ...wire.json_values import Json
from ...wire.tool_calls import InvalidToolCall, ToolCall


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What became of one row.

    Attributes:
        id: the row's id; its number if it has none.
        number: its place in the input, from 0.
        answer: the whole answer. None: the row failed.
        value: what the answer says. An object if the job has a schema, else the text; in an
            adapter, what its framework calls an answer. None: the row failed.
        error: why it failed, in words. None: it did not.
        error_type: the name of the error's class in `freerouter_core.errors`; empty: it did not.
        model: the model that answered.
        provider: the provider that was asked.
        usage: the provider's own count of tokens.
        attempts: every attempt of every try, as in an answer's metadata.
        tries: how often the row was tried.
        metadata: what the adapters tell about an answer.
        data: what the row had under "data".
        answered_at: when the answer came, in unix seconds. None: the row failed, or its job was
            begun by a version that did not keep it.
    """

    id: str
    number: int
    _: KW_ONLY
    answer: Answer | None = field(default=None, repr=False)
    value: Any = None
    error: str | None = None
    error_type: str = ""
    model: str = ""
    provider: str = ""
    usage: Json | None = None
    attempts: list[AttemptRecord] = field(default_factory=list, repr=False)
    tries: int = 1
    metadata: Json = field(default_factory=dict, repr=False)
    data: Any = None
    answered_at: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the row was answered."""
        return self.error is None

    @property
    def text(self) -> str:
        """The text of the answer; empty if the row failed."""
        return "" if self.answer is None else self.answer.text

    @property
    def cost(self) -> float | None:
        """USD, or None if the provider states no cost."""
        return None if self.answer is None else self.answer.cost

    @property
    def size(self) -> int:
        """How much of a buffer it takes."""
        return 64 + len(self.text)


_EMPTY = Answer()
_PLAIN = {
    f.name: getattr(_EMPTY, f.name)
    for f in fields(Answer)
    if f.name not in ("tool_calls", "invalid_calls")
}
"""What is kept as it is, and what each field is if it is not set."""


def pack_answer(answer: Answer) -> Json:
    """An answer as plain data, without what is not set."""
    data: Json = {}
    for name, unset in _PLAIN.items():
        value = getattr(answer, name)
        if value != unset:
            data[name] = value
    if answer.tool_calls:
        data["tool_calls"] = [[c.id, c.name, c.arguments] for c in answer.tool_calls]
    if answer.invalid_calls:
        data["invalid_calls"] = [
            {f.name: getattr(call, f.name) for f in fields(InvalidToolCall)}
            for call in answer.invalid_calls
        ]
    return data


def unpack_answer(data: Json) -> Answer:
    """The answer that `pack_answer` wrote."""
    values = dict(data)
    for name in ("reasoning_details", "annotations", "images"):
        if name in values:
            values[name] = tuple(values[name])
    calls = tuple(ToolCall(*call) for call in values.pop("tool_calls", ()))
    invalid = tuple(InvalidToolCall(**call) for call in values.pop("invalid_calls", ()))
    return Answer(**values, tool_calls=calls, invalid_calls=invalid)
