"""What a call costs beside a plain httpx call of the same body to the same server, in the same run.

    python benchmarks/overhead.py

CPU time of this process a call (the server is another process), as a ratio to `httpx.Client.post(...).json()`; the best of
several rounds. Also: calls a second at 64 concurrent, beside `httpx.AsyncClient`; CPU a streamed chunk, beside
`iter_lines` + `json.loads`.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx

from freerouter_core import Provider, Router
from langchain_freerouter import ChatFreeRouter

MODEL = "acme/a:free"
ANSWER = {
    "id": "gen-1",
    "model": MODEL,
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hello there."}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6, "cost": 0},
}
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}
CHUNKS = 400


def serve(listener: socket.socket) -> None:
    """A bare asyncio server: what it costs is not measured, but it must not be the bottleneck."""
    whole = json.dumps(ANSWER).encode()
    row = {"id": MODEL, "pricing": {"prompt": "0", "completion": "0"}}
    listing = json.dumps({"data": [row]}).encode()
    chunk = {
        "id": "g",
        "model": MODEL,
        "choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}],
    }
    end = {"id": "g", "model": MODEL, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    parts = [b"data: " + json.dumps(c).encode() + b"\n\n" for c in [chunk] * CHUNKS + [end]]
    stream = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in [*parts, b"data: [DONE]\n\n"]) + b"0\r\n\r\n"

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = next(
                    (int(h[15:]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")), 0
                )
                body = await reader.readexactly(size)
                if b'"stream":true' in body.replace(b" ", b""):
                    kind = b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                    writer.write(b"HTTP/1.1 200 OK\r\n" + kind + stream)
                else:
                    content = listing if head.startswith(b"GET") else whole
                    kind = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(content)
                    writer.write(b"HTTP/1.1 200 OK\r\n" + kind + content)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main() -> None:
        await (await asyncio.start_server(handle, sock=listener)).serve_forever()

    asyncio.run(main())


def cpu(call: Callable[[], object], calls: int, rounds: int = 5) -> float:
    """Microseconds of this process's CPU a call, the best round."""
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        for _ in range(calls):
            call()
        best = min(best, (time.process_time() - started) / calls)
    return best * 1e6


def rate(make: Callable[[], Any], calls: int = 1_500, at_once: int = 64) -> float:
    """Calls a second with so many in flight."""

    async def main() -> float:
        slots = asyncio.Semaphore(at_once)

        async def one() -> None:
            async with slots:
                await make()

        await asyncio.gather(*(one() for _ in range(at_once)))
        started = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(calls)))
        return calls / (time.perf_counter() - started)

    return asyncio.run(main())


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(listener,), daemon=True)
    server.start()
    provider = Provider("openrouter", url, "sk-x", limits=[])
    llm, router = ChatFreeRouter(providers=[provider]), Router(providers=(provider,))
    headers = {"authorization": "Bearer sk-x"}
    with httpx.Client(headers=headers) as client:

        def plain() -> object:
            return client.post(f"{url}/chat/completions", json=BODY).json()

        def plain_stream() -> None:
            with client.stream("POST", f"{url}/chat/completions", json=BODY | {"stream": True}) as response:
                for line in response.iter_lines():
                    if line.startswith("data: {"):
                        json.loads(line[6:])

        for warm in (plain, plain_stream, lambda: llm.invoke("hello"), lambda: list(llm.stream("hello"))):
            warm()
        base, ours, core = (
            cpu(plain, 300),
            cpu(lambda: llm.invoke("hello"), 300),
            cpu(lambda: router.chat("hello"), 300),
        )
        chunk, chunk_ours = cpu(plain_stream, 8) / CHUNKS, cpu(lambda: list(llm.stream("hello")), 8) / CHUNKS
    print(f"plain httpx.Client call          {base:8.0f} µs")
    print(f"Router.chat                      {core:8.0f} µs   {core / base:5.2f} x")
    print(f"ChatFreeRouter.invoke            {ours:8.0f} µs   {ours / base:5.2f} x   (budget 1.6)")
    print(f"plain streamed chunk             {chunk:8.1f} µs")
    print(
        f"ChatFreeRouter.stream, a chunk   {chunk_ours:8.1f} µs   {chunk_ours / chunk:5.2f} x   (budget 2.0)"
    )

    async_client = httpx.AsyncClient(headers=headers, limits=httpx.Limits(max_connections=64))
    theirs = rate(lambda: async_client.post(f"{url}/chat/completions", json=BODY))
    mine = rate(lambda: llm.ainvoke("hello"))
    print(f"httpx.AsyncClient, 64 at once    {theirs:8.0f} /s")
    print(f"ChatFreeRouter.ainvoke           {mine:8.0f} /s   {mine / theirs:5.2f} x")
    server.terminate()


if __name__ == "__main__":
    main()
