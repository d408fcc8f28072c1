"""What a call costs beside plain httpx, with the same body and server, in the same run.

    python benchmarks/overhead.py

It prints four figures, each with its budget, and the same for ChatOpenAI if that is installed:

- CPU time of a call, as a ratio to `httpx.Client.post(...).json()`. The best of several rounds. The
  server is another process.
- CPU time of a streamed chunk, as a ratio to `iter_lines` and `json.loads`.
- Calls a second at 64 concurrent, as a ratio to a LangChain model that only posts.
- CPU time of the imports.
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
from collections.abc import Awaitable, Callable
from functools import partial
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
    """A bare asyncio server. Its cost is not measured, but it must not be the bottleneck."""
    row = {"id": MODEL, "pricing": {"prompt": "0", "completion": "0"}}
    models = _json_response({"data": [row]})
    answer = _json_response(ANSWER)
    stream = _stream_response()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                body = await reader.readexactly(_content_length(head))
                if b'"stream":true' in body.replace(b" ", b""):
                    writer.write(stream)
                else:
                    writer.write(models if head.startswith(b"GET") else answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main() -> None:
        await (await asyncio.start_server(handle, sock=listener)).serve_forever()

    asyncio.run(main())


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


def _json_response(body: object) -> bytes:
    content = json.dumps(body).encode()
    headers = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(content)
    return b"HTTP/1.1 200 OK\r\n" + headers + content


def _stream_response() -> bytes:
    """A chunked response of `CHUNKS` server-sent events with text, and the two that end it."""

    def event(delta: dict[str, str], finish: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        chunk = {"id": "g", "model": MODEL, "choices": [choice]}
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"

    events = [event({"content": "word "}, None)] * CHUNKS
    events += [event({}, "stop"), b"data: [DONE]\n\n"]
    headers = b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in events)
    return b"HTTP/1.1 200 OK\r\n" + headers + chunks + b"0\r\n\r\n"


def cpu(call: Callable[[], object], calls: int, rounds: int = 5) -> float:
    """Microseconds of this process's CPU a call, the best round."""
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        for _ in range(calls):
            call()
        best = min(best, (time.process_time() - started) / calls)
    return best * 1e6


def rate(call: Callable[[], Awaitable[object]], calls: int = 1_500, at_once: int = 64) -> float:
    """Calls a second with so many in flight."""

    async def main() -> float:
        slots = asyncio.Semaphore(at_once)

        async def one() -> None:
            async with slots:
                await call()

        await asyncio.gather(*(one() for _ in range(at_once)))
        started = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(calls)))
        elapsed = time.perf_counter() - started
        for session in _sessions.values():
            await session.close()
        _sessions.clear()
        return calls / elapsed

    return asyncio.run(main())


class Bare(BaseChatModel):
    """A LangChain model that only posts, over aiohttp. Nobody can be quicker."""

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
            answer = await response.json()
        message = AIMessage(answer["choices"][0]["message"]["content"])
        return ChatResult(generations=[ChatGeneration(message=message)])


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
    print(f"{'import freerouter_core':32} {core:8.0f} ms beyond httpx and pydantic   (budget 20)")
    print(f"{'import ChatFreeRouter':32} {ours:8.0f} ms beyond BaseChatModel        (budget 60)")
    if importlib.util.find_spec("langchain_openai") is not None:
        peer = fresh(f"{base}\nfrom langchain_openai import ChatOpenAI") - fresh(base)
        print(f"{'import ChatOpenAI':32} {peer:8.0f} ms")


def peers(url: str) -> dict[str, BaseChatModel]:
    """ChatOpenAI, if it is installed."""
    if importlib.util.find_spec("langchain_openai") is None:
        return {}
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    key = SecretStr("sk-x")
    return {"ChatOpenAI": ChatOpenAI(model=MODEL, base_url=url, api_key=key, max_retries=0)}


def read_stream(model: BaseChatModel) -> None:
    list(model.stream("hello"))


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
    models: dict[str, BaseChatModel] = {"ChatFreeRouter": llm, **peers(url)}
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
        time.sleep(1.0)  # by now everything is loaded that loads in the background
        base = cpu(plain, 300)
        print(f"{'plain httpx.Client call':32} {base:8.0f} µs")
        core = cpu(lambda: router.chat("hello"), 300)
        print(f"{'Router.chat':32} {core:8.0f} µs   {core / base:5.2f} x")
        for name, model in models.items():
            took = cpu(partial(model.invoke, "hello"), 300)
            print(f"{name + '.invoke':32} {took:8.0f} µs   {took / base:5.2f} x   (budget 1.6)")
        chunk = cpu(plain_stream, 8) / CHUNKS
        print(f"{'plain streamed chunk':32} {chunk:8.1f} µs")
        for name, model in models.items():
            label = f"{name}.stream, a chunk"
            took = cpu(partial(read_stream, model), 8) / CHUNKS
            print(f"{label:32} {took:8.1f} µs   {took / chunk:5.2f} x   (budget 2.0)")
    bare = rate(lambda: Bare(url=url).ainvoke("hello"))
    print(f"{'a bare model over aiohttp, 64':32} {bare:8.0f} /s")
    for name, model in models.items():
        mine = rate(partial(model.ainvoke, "hello"))
        print(f"{name + '.ainvoke':32} {mine:8.0f} /s   {mine / bare:5.2f} x   (budget 0.6)")
    server.terminate()
    imports()


if __name__ == "__main__":
    main()
