"""What a call costs beside a plain httpx call of the same body to the same server, in the same run.

    python benchmarks/overhead.py

CPU time of this process a call (the server is another process), as a ratio to `httpx.Client.post(...).json()`; the best of
several rounds. CPU a streamed chunk, beside `iter_lines` + `json.loads`. Calls a second at 64 concurrent, beside a LangChain model that
does nothing but post. What importing costs. Beside each the budget, and ChatOpenAI where it is installed.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import multiprocessing
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import httpx
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from freerouter_core import Provider, Router
from langchain_freerouter import ChatFreeRouter

MODEL = "acme/a:free"
ANSWER = {
    "id": "gen-1",
    "model": MODEL,
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello there."},
            "finish_reason": "stop",
        }
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
    end = {
        "id": "g",
        "model": MODEL,
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    }
    parts = [b"data: " + json.dumps(c).encode() + b"\n\n" for c in [chunk] * CHUNKS + [end]]
    stream = (
        b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in [*parts, b"data: [DONE]\n\n"])
        + b"0\r\n\r\n"
    )

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = next(
                    (
                        int(h[15:])
                        for h in head.lower().split(b"\r\n")
                        if h.startswith(b"content-length:")
                    ),
                    0,
                )
                body = await reader.readexactly(size)
                if b'"stream":true' in body.replace(b" ", b""):
                    kind = b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                    writer.write(b"HTTP/1.1 200 OK\r\n" + kind + stream)
                else:
                    content = listing if head.startswith(b"GET") else whole
                    kind = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(
                        content
                    )
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
        taken = time.perf_counter() - started
        for session in _sessions.values():
            await session.close()
        _sessions.clear()
        return calls / taken

    return asyncio.run(main())


class Bare(BaseChatModel):
    """A LangChain model that does nothing but post, over aiohttp: what nobody can be quicker than."""

    url: str

    @property
    def _llm_type(self) -> str:
        return "bare"

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        loop = asyncio.get_running_loop()
        session = _sessions.get(loop)
        if session is None:
            session = _sessions[loop] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0)
            )
        async with session.post(f"{self.url}/chat/completions", json=BODY) as response:
            told = await response.json()
        return ChatResult(
            generations=[
                ChatGeneration(message=AIMessage(told["choices"][0]["message"]["content"]))
            ]
        )


_sessions: dict[Any, aiohttp.ClientSession] = {}


def fresh(code: str, rounds: int = 5) -> float:
    """Milliseconds of CPU of a new interpreter for `code`, the median."""
    timed = f"import time\nbegan = time.process_time()\n{code}\nprint(time.process_time() - began)"
    runs = [
        subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True)
        for _ in range(rounds)
    ]
    return statistics.median(float(run.stdout.split()[-1]) for run in runs) * 1e3


def imports() -> None:
    core = fresh("import httpx, pydantic\nimport freerouter_core") - fresh("import httpx, pydantic")
    base = "from langchain_core.language_models import BaseChatModel"
    ours = fresh(f"{base}\nfrom langchain_freerouter import ChatFreeRouter") - fresh(base)
    print(
        f"import freerouter_core           {core:8.0f} ms beyond httpx and pydantic   (budget 20)"
    )
    print(
        f"import ChatFreeRouter            {ours:8.0f} ms beyond BaseChatModel        (budget 60)"
    )
    if importlib.util.find_spec("langchain_openai") is not None:
        peer = fresh(f"{base}\nfrom langchain_openai import ChatOpenAI") - fresh(base)
        print(f"import ChatOpenAI                {peer:8.0f} ms")


def peers(url: str) -> dict[str, Any]:
    if importlib.util.find_spec("langchain_openai") is None:
        return {}
    from langchain_openai import ChatOpenAI

    return {"ChatOpenAI": ChatOpenAI(model=MODEL, base_url=url, api_key="sk-x", max_retries=0)}  # type: ignore[arg-type]


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    server = multiprocessing.get_context("spawn").Process(
        target=serve, args=(listener,), daemon=True
    )
    server.start()
    provider = Provider("openrouter", url, "sk-x", limits=[])
    llm, router = ChatFreeRouter(providers=[provider]), Router(providers=(provider,))
    headers = {"authorization": "Bearer sk-x"}
    models = {"ChatFreeRouter": llm, **peers(url)}
    with httpx.Client(headers=headers) as client:

        def plain() -> object:
            return client.post(f"{url}/chat/completions", json=BODY).json()

        def plain_stream() -> None:
            with client.stream(
                "POST", f"{url}/chat/completions", json=BODY | {"stream": True}
            ) as response:
                for line in response.iter_lines():
                    if line.startswith("data: {"):
                        json.loads(line[6:])

        for model in models.values():
            model.invoke("hello")
            list(model.stream("hello"))
        time.sleep(1.0)  # what is loaded beside the first requests is there by now
        base = cpu(plain, 300)
        print(f"plain httpx.Client call          {base:8.0f} µs")
        core = cpu(lambda: router.chat("hello"), 300)
        print(f"Router.chat                      {core:8.0f} µs   {core / base:5.2f} x")
        for name, model in models.items():
            took = cpu(lambda model=model: model.invoke("hello"), 300)  # type: ignore[misc]
            print(f"{name + '.invoke':32} {took:8.0f} µs   {took / base:5.2f} x   (budget 1.6)")
        chunk = cpu(plain_stream, 8) / CHUNKS
        print(f"plain streamed chunk             {chunk:8.1f} µs")
        for name, model in models.items():
            took = cpu(lambda model=model: list(model.stream("hello")), 8) / CHUNKS  # type: ignore[misc]
            print(
                f"{name + '.stream, a chunk':32} {took:8.1f} µs   {took / chunk:5.2f} x   (budget 2.0)"
            )
    bare = rate(lambda: Bare(url=url).ainvoke("hello"))
    print(f"a bare model over aiohttp, 64    {bare:8.0f} /s")
    for name, model in models.items():
        mine = rate(lambda model=model: model.ainvoke("hello"))  # type: ignore[misc]
        print(f"{name + '.ainvoke':32} {mine:8.0f} /s   {mine / bare:5.2f} x   (budget 0.6)")
    server.terminate()
    imports()


if __name__ == "__main__":
    main()
