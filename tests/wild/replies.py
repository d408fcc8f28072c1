"""`Reply`: what a model's server sends, as bytes: once for a whole call, once for a stream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from freerouter_core.wire.json_values import Json

Piece = bytes | float
"""Bytes of a body, or virtual seconds of silence."""


@dataclass(frozen=True)
class Wire:
    """One HTTP response.

    `fails`: "connect" (no connection), "cut" (after the last piece); empty: it ends well.
    """

    status: int = 200
    pieces: tuple[Piece, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    fails: str = ""

    @property
    def content(self) -> bytes:
        """The bytes of the body."""
        return b"".join(piece for piece in self.pieces if isinstance(piece, bytes))


@dataclass(frozen=True)
class Reply:
    """What comes back from one request: `whole` to a whole call, `streamed` to a stream."""

    whole: Wire
    streamed: Wire

    def after(self, seconds: float) -> Reply:
        """The same, after so many virtual seconds."""
        return Reply(*(
            Wire(w.status, (seconds, *w.pieces), w.headers, w.fails)
            for w in (self.whole, self.streamed)
        ))  # fmt: skip


SSE = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


def refuse(
    status: int, error: str | Mapping[str, Any] = "", headers: Mapping[str, str] | None = None
) -> Reply:
    """A refusal. `error`: its message, or the whole body as an object."""
    body = {"error": {"message": error, "code": status}} if isinstance(error, str) else error
    return raw(json.dumps(body), status, headers)


def raw(body: str | bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """The same bytes to a whole call and to a stream."""
    content = body.encode() if isinstance(body, str) else body
    wire = Wire(status, (content,), JSON | dict(headers or {}))
    return Reply(wire, wire)


def no_connection() -> Reply:
    """Nobody listens there."""
    return Reply(Wire(fails="connect"), Wire(fails="connect"))


def answer(text: str | None = "hi", finish: str = "stop", **message: Any) -> Reply:
    """An answer of text and further fields of the message; streamed: in pieces of three letters."""
    whole = {"role": "assistant", "content": text, **message}
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": text[n : n + 3]} for n in range(0, len(text or ""), 3) if text]
    for name, value in message.items():
        if name == "tool_calls":
            value = [{"index": n, **call} for n, call in enumerate(value)]
        deltas.insert(1 if name.startswith("reasoning") else len(deltas), {name: value})
    return Reply(completion(whole, finish), sse(*deltas, finish=finish))


def call(
    name: str, arguments: str | Mapping[str, Any] = "{}", *, ident: str = "call_1", **more: Any
) -> Reply:
    """An answer that calls one tool. `arguments`: as text, or an object."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    function = {"name": name, "arguments": text}
    calls = [{"id": ident, "type": "function", "function": function}]
    return answer(
        more.pop("text", None), more.pop("finish", "tool_calls"), tool_calls=calls, **more
    )


def completion(message: Json, finish: str | None = "stop", **fields: Any) -> Wire:
    """A whole answer of this message."""
    choice = {"index": 0, "message": message, "finish_reason": finish}
    body = {"id": "gen-1", "object": "chat.completion", "choices": [choice], **fields}
    return Wire(200, (json.dumps(body).encode(),), JSON)


def event(delta: Json | None, finish: str | None = None, **fields: Any) -> bytes:
    """One event of a stream."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    chunk = {"id": "gen-1", "object": "chat.completion.chunk", "choices": [choice], **fields}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def sse(*deltas: Json, finish: str | None = "stop", done: bool = True) -> Wire:
    """A stream of these deltas."""
    events = [event(delta) for delta in deltas]
    if finish is not None:
        events.append(event({}, finish))
    return Wire(200, (*events, *([DONE] if done else [])), SSE)


def pieces(*parts: Piece | str, cut: bool = False) -> Wire:
    """A stream of these bytes, as they are; numbers are seconds of silence."""
    encoded = tuple(part.encode() if isinstance(part, str) else part for part in parts)
    return Wire(200, encoded, SSE, "cut" if cut else "")


def streams(streamed: Wire, whole: Reply | Wire | None = None) -> Reply:
    """A reply whose stream is given; `whole`: what a whole call gets (None: "hi")."""
    if whole is None:
        whole = HI
    return Reply(whole.whole if isinstance(whole, Reply) else whole, streamed)


HI = answer("hi")
"""What a healthy model says."""
PERSON = answer('{"name": "Anna", "age": 33}')
"""What a healthy model says to a structured request."""
WEATHER = call("get_weather", {"city": "Oslo"})
"""What a healthy model does with tools."""
