"""A provider that answers after `DELAY`, and a relay that only copies its bytes: the least that any
gateway does. Each is a process of its own.

    python upstream.py serve | relay URL    listens on a free port and prints it
"""

from __future__ import annotations

import asyncio
import json
import sys

DELAY = 0.02
"""Seconds to the answer, or to a stream's first chunk."""
CHUNKS = 100
PAUSE = 0.002
"""Seconds between two chunks."""
MODEL = "acme/a:free"


def _answer() -> bytes:
    message = {"role": "assistant", "content": "Hello there."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
    named = {"id": "gen-1", "object": "chat.completion", "created": 1, "model": MODEL}
    return _whole(named | {"choices": [choice], "usage": usage})


def _whole(body: object) -> bytes:
    content = json.dumps(body).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(content) + content


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    named = {"id": "g", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    event = b"data: " + json.dumps(named | {"choices": [choice]}).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(event), event)


_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
_DONE = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


async def body_of(head: bytes, reader: asyncio.StreamReader) -> bytes:
    """The body of a request, by its Content-Length."""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return await reader.readexactly(int(line[15:]))
    return b""


async def serve() -> None:
    answer, word = _answer(), _chunk({"content": "word "})
    row = {"id": MODEL, "pricing": {"prompt": "0", "completion": "0"}, "context_length": 32_768}
    models = _whole({"object": "list", "data": [row]})

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                body = (await body_of(head, reader)).replace(b" ", b"")
                if head.startswith(b"GET"):
                    writer.write(models)
                    continue
                await asyncio.sleep(DELAY)
                if b'"stream":true' not in body:
                    writer.write(answer)
                    continue
                writer.write(_STREAM_HEAD)
                for _ in range(CHUNKS):
                    writer.write(word)
                    await asyncio.sleep(PAUSE)
                writer.write(_chunk({}, "stop") + _DONE)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    await _listen(handle)


async def relay(host: str, port: int) -> None:
    """One connection to the provider for each connection of a client."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(host, port)
        try:
            await asyncio.gather(copy(reader, upstream_writer), copy(upstream_reader, writer))
        except ConnectionError:
            writer.close()

    await _listen(handle)


async def _listen(handle: object) -> None:
    server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=1_024)  # type: ignore[arg-type]
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve())
    else:
        asyncio.run(relay("127.0.0.1", int(sys.argv[2])))
