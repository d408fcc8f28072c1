"""`TimedResponse`: a status, headers and a body, with delays and failures between its pieces."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
"""A JSON object on the wire."""
JsonView = Mapping[str, Any]
"""A JSON object that is only read."""


@dataclass(frozen=True, slots=True)
class Delay:
    """A pause of so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ConnectionFailure:
    """How a connection fails: it is refused, times out, is cut, or hangs for ever."""

    kind: Literal["refuse", "timeout", "cut", "hang"]


Piece = Delay | bytes | ConnectionFailure


@dataclass(frozen=True)
class TimedResponse:
    """What a simulated server sends. `prelude` happens before the status is sent, then `body`."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    prelude: tuple[Delay | ConnectionFailure, ...] = ()
    body: tuple[Piece, ...] = ()

    @property
    def duration(self) -> float:
        """The sum of its delays in seconds. A hang counts as nothing."""
        return sum(step.seconds for step in (*self.prelude, *self.body) if isinstance(step, Delay))


def json_response(
    body: Json, *, status: int = 200, after: float = 0.0, headers: dict[str, str] | None = None
) -> TimedResponse:
    """One JSON body, `after` seconds."""
    return TimedResponse(
        status,
        {"content-type": "application/json", **(headers or {})},
        (Delay(after),),
        (json.dumps(body).encode(),),
    )


def stream_response(
    chunks: list[Piece | Json], *, after: float = 0.0, done: bool = True
) -> TimedResponse:
    """Server-sent events, `after` seconds. Dicts become `data:` lines, other pieces stay.

    `done`: end with `[DONE]`.
    """
    body: list[Piece] = [sse_event(chunk) if isinstance(chunk, dict) else chunk for chunk in chunks]
    if done:
        body.append(b"data: [DONE]\n\n")
    return TimedResponse(200, {"content-type": "text/event-stream"}, (Delay(after),), tuple(body))


def sse_event(chunk: Json) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


KEEP_ALIVE = b": OPENROUTER PROCESSING\n\n"
"""The comment that OpenRouter sends while a model prepares its answer."""
