"""What tells one request from another, in this process: both ends of its texts, and all else."""

from __future__ import annotations

from collections.abc import Mapping

from ..wire.operation import Operation
from ..wire.request import ChatRequest

ENDS = 500
"""Characters of each end of a text that tell it from others."""


def print_of_value(value: object) -> object:
    """A value of JSON as something that can be hashed, and is the same for the same value."""
    if isinstance(value, str):
        return len(value), value[:ENDS], value[-ENDS:]
    if isinstance(value, Mapping):
        return tuple((str(key), print_of_value(part)) for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(print_of_value, value))
    return repr(value)


def print_of_request(request: ChatRequest | Operation) -> int | None:
    """A number that is the same for requests that ask the same; None: it is no chat."""
    if not isinstance(request, ChatRequest):
        return None
    return hash((print_of_value(request.messages), print_of_value(request.tools)))
