"""`likeness`: what requests have in common that differ in their texts only.

Whether a server takes a request depends on how it is made, and seldom on its words. So an answer to
one speaks for all of the same likeness: if one of them is refused, it is hardly to blame. A request
of a new likeness may well be.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from ..wire.operation import Operation
from ..wire.request import ChatRequest
from .need import Need

SMALL = 4_096
"""Tokens of a prompt up to which its size makes no difference."""
_ANY_VALUE = frozenset({"seed", "n"})
"""Parameters whose value makes no difference."""
_SIZES = frozenset({"max_tokens", "max_completion_tokens"})


def likeness(request: ChatRequest | Operation, need: Need) -> int:
    """A number that is the same for requests that are made alike, in this process."""
    common = (need.kind, need.ways, (need.prompt_tokens // SMALL).bit_length())
    if not isinstance(request, ChatRequest):
        return hash(common)
    roles = frozenset([str(message.get("role")) for message in request.messages])
    plain = request.reasoning is None and request.tool_choice is None
    if plain and not (request.tools or request.parameters or request.extra_body):
        return hash((common, roles))
    return hash(
        (
            common,
            roles,
            request.offered,
            str(request.tool_choice),
            str(request.reasoning),
            _settings(request.parameters),
            _settings(request.extra_body),
        )
    )


def _settings(fields: Mapping[str, object]) -> Hashable:
    """Names, and the values of numbers. Texts among them are the caller's own."""
    return frozenset(
        [(name, _value(name, value)) for name, value in fields.items() if value is not None]
    )


def _value(name: str, value: object) -> Hashable:
    if name in _SIZES and isinstance(value, int):
        return value.bit_length()
    return value if isinstance(value, (bool, int, float)) and name not in _ANY_VALUE else None
