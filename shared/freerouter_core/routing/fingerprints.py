"""What tells one request from others, in this process: its messages and its tools."""

from __future__ import annotations

from collections.abc import Mapping

from ..wire.operation import Operation
from ..wire.request import ChatRequest

ENDS = 500
"""Characters of each end of a text that tell it from others."""


def fingerprint(value: object) -> object:
    """A value of JSON as something that can be hashed, and is the same for the same value."""
    if isinstance(value, str):
        return len(value), value[:ENDS], value[-ENDS:]
    if isinstance(value, Mapping):
        return tuple((str(key), fingerprint(part)) for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(fingerprint, value))
    return repr(value)


def fingerprint_of(request: ChatRequest | Operation) -> int | None:
    """A number that is the same for requests that ask the same; None: it is no chat."""
    if not isinstance(request, ChatRequest):
        return None
    return hash((fingerprint(request.messages), fingerprint(request.tools)))
