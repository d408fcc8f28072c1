"""Responses that are meant to stop, fill or crash whoever reads them, and who sends them."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from freerouter_core import Provider, Router
from freerouter_core.runtime.loop.clock import Clock, VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.structured import Structured

from ..scripted import GOOD, KEY

Body = bytes | Callable[[], Iterable[bytes]]
MB = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One response, and the request that it answers."""

    body: Body
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    streamed: bool = False
    request: dict[str, Any] = field(default_factory=dict)
    """The request, beside its messages."""
    policy: dict[str, Any] = field(default_factory=dict)
    made_first: bool = False
    """Whether making the body takes so long that it is made before."""


class _Pieces(httpx.AsyncByteStream):
    def __init__(self, body: Body | list[bytes]) -> None:
        self._body = body
        self.sent = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        body = self._body
        if isinstance(body, bytes):
            body = [body[at : at + 65_536] for at in range(0, len(body), 65_536)]
        for piece in body() if callable(body) else body:
            self.sent += len(piece)
            yield piece


class Attacker(httpx.AsyncBaseTransport):
    """The first model answers with the attack, every other one well."""

    def __init__(self, attack: Attack, models: int = 2) -> None:
        self.attack, self.models = attack, models
        body = attack.body
        self.body = list(body()) if attack.made_first and callable(body) else body
        self.streams: list[_Pieces] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            rows = [
                {
                    "id": f"acme/m{n}:free",
                    "context_length": 9_000_000 - n,
                    "pricing": {"prompt": "0", "completion": "0"},
                }
                for n in range(self.models)
            ]
            return httpx.Response(200, json={"data": rows})
        body = json.loads(await request.aread())
        attack = self.attack
        if body["model"] != "acme/m0:free":
            return httpx.Response(200, json=GOOD)
        kind = "text/event-stream" if attack.streamed else "application/json"
        stream = _Pieces(self.body)
        self.streams.append(stream)
        headers = {"content-type": kind} | attack.headers
        return httpx.Response(attack.status, headers=headers, stream=stream)


def router_under(attack: Attack, clock: Clock | None = None, **options: Any) -> Router:
    """A router whose best model attacks."""
    transport = Attacker(attack)
    runtime = Runtime(clock=clock or VirtualClock(), client=transport, cache=None)
    provider = Provider("openrouter", "https://x.test/v1", KEY, limits=[])
    options = {"strategy": "context", "timeout": 600.0, **attack.policy, **options}
    return Router(providers=(provider,), runtime=runtime, **options)


def error(message: object, **fields: Any) -> bytes:
    return json.dumps({"error": {"message": message, "code": 400, **fields}}).encode()


def answer(text: object, **message: Any) -> bytes:
    choice = {"message": {"content": text, **message}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice]}).encode()


def event(**delta: Any) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n"


def repeated(piece: bytes, size: int, *, first: bytes = b"") -> Callable[[], Iterator[bytes]]:
    """About `size` bytes of `piece`, in chunks of 64 kB."""

    def pieces() -> Iterator[bytes]:
        if first:
            yield first
        chunk = piece * max(1, 65_536 // len(piece))
        for _ in range(size // len(chunk)):
            yield chunk

    return pieces


def counted(number: int, make: Callable[[int], bytes]) -> Callable[[], Iterator[bytes]]:
    """So many pieces, a hundred to a chunk."""

    def pieces() -> Iterator[bytes]:
        for at in range(0, number, 100):
            yield b"".join(make(n) for n in range(at, at + 100))

    return pieces


def compressed(size: int, content: bytes) -> Callable[[], Iterator[bytes]]:
    """A gzip file that becomes `size` bytes."""

    def pieces() -> Iterator[bytes]:
        packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
        for _ in range(size // MB):
            yield packer.compress(content * (MB // len(content)))
        yield packer.flush()

    return lambda: iter([b"".join(pieces())])


def fragment(n: int, **function: Any) -> bytes:
    return event(tool_calls=[{"index": n, "function": function}])


def nested(depth: int, inner: object = 1) -> object:
    value: object = inner
    for _ in range(depth):
        value = {"error": value, "items": [value] if depth < 20 else []}
    return value


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
DOUBLING: Json = {
    "$defs": {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)}
    | {"a40": {"type": "string"}},
    "type": "object",
    "properties": {"a": {"$ref": "#/$defs/a0"}},
}
AS_JSON = {"structured": Structured({"type": "object", "required": ["never"]})}
AS_DOUBLING = {"structured": Structured(DOUBLING)}

ERRORS = {
    "letters": "a" * 60_000,
    "letters and words": "abc_def " * 8_000,
    "a field refused many times": "property 'a.a." * 5_000,
    "a body refused many times": "extra_forbidden', 'loc': ('body', " * 2_000,
    "assignments": "a=a" * 20_000,
    "models without an end": "for model `" * 6_000,
    "limits": "ratelimit-limit" * 5_000,
    "waits": "wait 1.1.1" * 6_000,
    "digits": "retry " + "1" * 60_000,
    "angle brackets": "<" * 60_000,
    "quotes": '"' * 60_000,
    "json in json": json.dumps(json.dumps(json.dumps({"a": ["x"] * 5_000}))),
    "brackets": "[" * 60_000,
    "spaces": " " * 60_000 + "x",
    "context windows": "context window" * 4_000,
}
TEXTS = {
    "letters": "a" * 3_000_000,
    "fences": "```json\n" * 120_000,
    "a fence that never ends": "```" + " " * 1_000_000,
    "brackets": "[" * 1_000_000,
    "values": "[] " * 300_000,
    "half values": ("[" + "1," * 500) * 900,
    "objects that never end": '{"a":' * 100_000,
    "newlines": "\n" * 999_000 + "x",
    "thoughts": "<think>" * 140_000,
    "call as text": '{"name"' + " " * 1_000_000,
    "keys": "sk-a " * 190_000,
}

ATTACKS: dict[str, Attack] = (
    {f"error of {name}": Attack(body=error(text), status=400) for name, text in ERRORS.items()}
    | {f"page of {name}": Attack(body=text.encode(), status=502) for name, text in ERRORS.items()}
    | {f"error in a 200 of {name}": Attack(body=error(text * 20)) for name, text in ERRORS.items()}
    | {f"text of {name}": Attack(body=answer(text)) for name, text in TEXTS.items()}
    | {
        f"JSON of {name}": Attack(body=answer(text), request=AS_JSON)
        for name, text in TEXTS.items()
    }
    | {
        f"{name} as arguments": Attack(
            body=answer(None, tool_calls=[{"function": {"name": "f", "arguments": text}}]),
            request={"tools": [TOOL]},
        )
        for name, text in TEXTS.items()
    }
    | {
        "a schema that doubles": Attack(body=answer('{"a": 5}'), request=AS_DOUBLING),
        "a schema and many values": Attack(
            body=answer(json.dumps({"a": list(range(20_000))})), request=AS_DOUBLING
        ),
        "deep JSON": Attack(body=b"[" * 100_000),
        "deep JSON that ends": Attack(body=b"[" * 5_000 + b"]" * 5_000),
        "deep objects": Attack(body=b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
        "deep error": Attack(body=json.dumps(nested(90)).encode(), status=400),
        "wide error": Attack(body=json.dumps(nested(14)).encode()[:90_000], status=400),
        "many values": Attack(body=b"[" + b"[]," * 5_000_000 + b"1]"),
        "many keys": Attack(body=b"{" + b",".join(b'"%d":1' % n for n in range(400_000)) + b"}"),
        "a large number": Attack(body=b'{"choices":' + b"1" * 1_000_000 + b"}"),
        "a large body": Attack(body=repeated(b"a", 300 * MB, first=b'{"a":"')),
        "gzip of spaces": Attack(
            body=compressed(300 * MB, b" "), headers={"content-encoding": "gzip"}, made_first=True
        ),
        "gzip of an error": Attack(
            body=compressed(100 * MB, b"a"),
            status=400,
            headers={"content-encoding": "gzip"},
            made_first=True,
        ),
        "gzip that is none": Attack(body=b"\x1f\x8b\x08", headers={"content-encoding": "gzip"}),
        "zstd": Attack(body=b"(\xb5/\xfd" + b"\0" * 50, headers={"content-encoding": "zstd"}),
        "gzip in gzip": Attack(
            body=gzip.compress(gzip.compress(b" " * MB)),
            headers={"content-encoding": "gzip, gzip"},
        ),
        "long headers": Attack(
            body=error("no"),
            status=429,
            headers={
                "retry-after": "1" * 60_000,
                "x-ratelimit-reset": "1h" * 20_000,
                "x-ratelimit-reset-tokens": "1.1." * 10_000,
                "x-ratelimit-remaining-tokens": "0" * 50_000,
                "date": "Mon, " * 10_000,
            },
        ),
    }
    | {
        f"stream: {name}": Attack(
            body=body, streamed=True, request=request, made_first="tool" in name or "named" in name
        )
        for name, body, request in (
            ("data lines", repeated(b"data: x\n", 300 * MB), {}),
            ("empty data lines", repeated(b"data:\n", 300 * MB), {}),
            ("comments", repeated(b": keep-alive\n", 300 * MB), {}),
            ("blank lines", repeated(b"\n", 100 * MB), {}),
            ("carriage returns", repeated(b"\r", 20 * MB), {}),
            ("one line", repeated(b"a", 300 * MB, first=b"data: "), {}),
            ("no newline", repeated(b"a", 300 * MB), {}),
            ("spaces", repeated(b" ", 300 * MB), {}),
            ("plain JSON", repeated(b"[ ", 300 * MB, first=b"["), {}),
            ("letters", repeated(event(content="a"), 300 * MB), {}),
            ("empty deltas", repeated(event(content=""), 20 * MB), {}),
            ("thoughts", repeated(event(reasoning="a"), 300 * MB), {}),
            ("spaces before", repeated(event(content="  "), 10 * MB), {}),
            (
                "spaces in a thought",
                repeated(event(content="   "), 10 * MB, first=event(content="<think>")),
                {},
            ),
            ("not JSON", repeated(b"data: {\n\n", 10 * MB), {}),
            (
                "details",
                repeated(
                    event(reasoning_details=[{"type": "reasoning.text", "text": "ab"}]), 50 * MB
                ),
                {},
            ),
            ("audio", repeated(event(audio={"data": "a" * 100}), 50 * MB), {}),
            ("pictures", repeated(event(images=[{"a": []}] * 300), 100 * MB), {}),
            (
                "tool fragments",
                counted(20_000, lambda n: fragment(n, name="f", arguments="")),
                {"tools": [TOOL]},
            ),
            (
                "tool fragments, named again",
                counted(20_000, lambda n: fragment(0, name="f", arguments='{"a":"')),
                {"tools": [TOOL]},
            ),
            (
                "whole arguments, named again",
                counted(20_000, lambda n: fragment(0, name="f", arguments="{}")),
                {"tools": [TOOL]},
            ),
            (
                "tool calls without an index",
                counted(
                    20_000, lambda n: event(tool_calls=[{"id": f"c{n}", "function": {"name": "f"}}])
                ),
                {"tools": [TOOL]},
            ),
            ("prose for JSON", repeated(event(content="[ab "), 10 * MB), AS_JSON),
            ("spaces for JSON", repeated(event(content="  "), 10 * MB), AS_JSON),
        )
    }
    | {
        "stream: gzip of comments": Attack(
            body=compressed(300 * MB, b": a\n"),
            streamed=True,
            headers={"content-encoding": "gzip"},
            made_first=True,
        ),
        "stream: continued by repetitions": Attack(
            body=repeated(event(content="a "), 20_000),
            streamed=True,
            policy={"on_stream_break": "continue"},
        ),
    }
)
