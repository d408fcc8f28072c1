"""The watchdog of the loop, decompression, and readers that are slow."""

from __future__ import annotations

import asyncio
import gzip
import logging
import time
import zlib
from collections.abc import Callable
from functools import partial

import httpx
import pytest

from freerouter_core import Provider, Router
from freerouter_core.runtime.http.decoding import PIECE, Decoder, Undecodable
from freerouter_core.runtime.loop.bridge import MAX_UNREAD, StreamBuffer
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.loop.watchdog import BLOCKED, WARNING_INTERVAL, Watchdog
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.wire.delta import Delta

from ..scripted import KEY

TEXT = b"The quick brown fox. " * 20_000
gzipped = partial(gzip.compress, mtime=0)  # as it would hold the second of its making
GZIPPED = gzipped(TEXT)


# -- the watchdog -------------------------------------------------------------------------------


def test_a_blocked_loop_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    watchdog = Watchdog(lambda: now)
    watchdog.end()  # no round has begun
    for seconds in (0.01, BLOCKED, 2 * BLOCKED, BLOCKED / 2):
        watchdog.begin()
        now += seconds
        watchdog.end()
    assert watchdog.longest == 2 * BLOCKED

    def told(seconds: str) -> int:
        return sum(f"blocked for {seconds} s" in record.getMessage() for record in caplog.records)

    assert (told("0.25"), told("0.50")) == (1, 0)
    now += WARNING_INTERVAL
    watchdog.begin()
    now += 3.0
    watchdog.end()
    assert told("3.00") == 1
    watchdog.reset()
    assert watchdog.longest == 0.0


@pytest.mark.parametrize("clock", [None, VirtualClock()])
def test_the_runtime_s_loop_is_watched(
    clock: VirtualClock | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Virtual time stands still meanwhile: nobody waits, and a run of a world is told alike on a
    busy machine."""
    runtime = Runtime(clock=clock, cache=None, state="memory")

    async def block() -> None:
        began = time.monotonic()
        while time.monotonic() < began + BLOCKED + 0.05:
            pass

    with caplog.at_level(logging.WARNING, "freerouter"):
        runtime.call(block)
        runtime.call(lambda: asyncio.sleep(0))
    watched = clock is None
    assert (runtime._running_thread().loop.watchdog.longest > BLOCKED) == watched
    assert ("the event loop was blocked" in caplog.text) == watched


# -- decompression ------------------------------------------------------------------------------


def decoded(encoding: str, body: bytes, size: int = 1_000) -> bytes:
    decoder = Decoder(encoding)
    pieces = [
        piece for at in range(0, len(body), size) for piece in decoder.pieces(body[at : at + size])
    ]
    assert all(0 < len(piece) <= PIECE for piece in pieces)
    return b"".join(pieces)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("", TEXT),
        ("identity", TEXT),
        ("gzip", GZIPPED),
        ("X-GZIP", GZIPPED),
        ("gzip", gzipped(TEXT[:50_000]) + gzipped(TEXT[50_000:])),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", zlib.compress(TEXT, wbits=-15)),
    ],
)
def test_a_body_is_decoded_in_pieces(encoding: str, body: bytes) -> None:
    assert decoded(encoding, body) == TEXT
    assert decoded(encoding, body, 1 << 20) == TEXT


@pytest.mark.parametrize("encoding", ["utf-8", "none", "UTF8", "br", "x, y", "gzip, utf-8"])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_text_is_read_whatever_encoding_its_header_names(encoding: str, size: int) -> None:
    text = 'data: {"choices": [{"delta": {"content": "Größe 天气 🙂"}}]}\r\n\n\t'.encode() * 50

    assert decoded(encoding, text, size) == text


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("br", b"\x0b\x02\x80hello\x03"),
        ("zstd", b"(\xb5/\xfd" + b"\0" * 50),
        ("gzip, gzip", gzipped(GZIPPED)),
        ("gzip, br", GZIPPED),
        ("compress", b"\x1f\x9d\x90hello"),
        ("utf-8", GZIPPED),
        ("none", b"text, and then\xff"),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_an_encoding_that_was_not_asked_for_is_refused(
    encoding: str, body: bytes, size: int
) -> None:
    with pytest.raises(Undecodable, match="not asked for"):
        decoded(encoding, body, size)


def test_what_is_not_in_its_encoding_is_refused() -> None:
    with pytest.raises(Undecodable, match="claims"):
        decoded("gzip", b"plain text, whatever the header says" * 10)
    second = GZIPPED
    with pytest.raises(Undecodable, match="claims"):
        decoded("gzip", second + second[:-8] + b"\0" * 8)


@pytest.mark.parametrize("rest", [b"no other member", b"\0" * 512, b"\n", b"\x1f\x8b\x08", b"\x1f"])
@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_what_stands_behind_the_last_member_is_left(rest: bytes, size: int) -> None:
    for body in (GZIPPED, gzipped(TEXT[:9]) + gzipped(TEXT[9:])):
        assert decoded("gzip", body + rest, size) == TEXT


# -- slow readers -------------------------------------------------------------------------------


async def test_who_fills_a_buffer_waits_for_the_reader() -> None:
    def post(call: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_soon(call)

    buffer: StreamBuffer[Delta] = StreamBuffer(lambda: None, post)
    await buffer.drain()
    while not buffer.is_full:
        buffer(Delta("a" * 1_000))
    waiting = asyncio.ensure_future(buffer.drain())
    await asyncio.sleep(0)
    assert not waiting.done()
    items, ended = buffer.take()
    assert (len(items), ended) == (MAX_UNREAD // 1_100 + 1, False)
    await waiting
    buffer.end()
    assert buffer.take() == ([], True)


def test_a_stream_that_nobody_reads_is_not_read() -> None:
    sent = 0
    piece = b'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n' % (b"word " * 90)

    class Body(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            nonlocal sent
            for _ in range(2_000):
                sent += 1
                yield piece
            yield b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'

    def reply(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            rows = [{"id": "a/b:free", "context_length": 9_000_000, "pricing": {"prompt": "0"}}]
            return httpx.Response(200, json={"data": rows})
        kind = {"content-type": "text/event-stream"}
        return httpx.Response(200, headers=kind, stream=Body())

    runtime = Runtime(clock=VirtualClock(), client=httpx.MockTransport(reply), cache=None)
    provider = Provider("openrouter", "https://x.test/v1", KEY, limits=[])
    router = Router(providers=(provider,), runtime=runtime)
    with router.stream("hello") as stream:
        next(stream)
        for _ in range(20):  # whatever is under way comes to rest
            runtime.call(lambda: asyncio.sleep(0))
        assert sent < 200, sent
        rest = sum(len(delta.text) for delta in stream)
    assert sent == 2_000
    assert rest >= 1_900 * 450
    assert stream.outcome.answer.finish_reason == "stop"
