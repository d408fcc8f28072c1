"""`Script`: what a simulated server does with one request: a status, then pieces of a body, waits and accidents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wait:
    """Let that many seconds pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Accident:
    """How the connection ends badly. "refuse": it never began; "cut": it breaks; "hang": nothing more, ever."""

    kind: Literal["refuse", "cut", "hang", "timeout"]


Piece = Wait | bytes | Accident


@dataclass(frozen=True)
class Script:
    """`lead` passes before the status is sent; then `body`, piece by piece."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    lead: tuple[Wait | Accident, ...] = ()
    body: tuple[Piece, ...] = ()

    @property
    def lasts(self) -> float:
        """Seconds until it is over, where nothing hangs."""
        return sum(step.seconds for step in (*self.lead, *self.body) if isinstance(step, Wait))

    def pieces(self) -> Iterator[Piece]:
        return iter(self.body)


def reply(
    body: Json, *, status: int = 200, after: float = 0.0, headers: dict[str, str] | None = None
) -> Script:
    """A whole JSON response after a wait."""
    return Script(
        status,
        {"content-type": "application/json", **(headers or {})},
        (Wait(after),),
        (json.dumps(body).encode(),),
    )


def sse(chunks: list[Piece | Json], *, after: float = 0.0, done: bool = True) -> Script:
    """A stream of events: dicts become `data:` lines, bytes and waits stay as they are."""
    body: list[Piece] = [event(chunk) if isinstance(chunk, dict) else chunk for chunk in chunks]
    if done:
        body.append(b"data: [DONE]\n\n")
    return Script(200, {"content-type": "text/event-stream"}, (Wait(after),), tuple(body))


def event(chunk: Json) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


KEEP_ALIVE = b": OPENROUTER PROCESSING\n\n"
