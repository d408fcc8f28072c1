"""What embedding costs beside LangChain's and LlamaIndex's OpenAI classes, in the same run.

    python benchmarks/embed.py

It prints, for each class, the CPU time of this process for 1,000 texts, and the requests that
10,000 chunks take. The server is another process; it answers each request from memory, in base64 or
in floats, as asked. Vectors have 1,024 numbers. Nothing is kept from one round to the next.
"""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import json
import math
import multiprocessing
import socket
import time
from array import array
from collections.abc import Callable
from multiprocessing.sharedctypes import Synchronized
from typing import Any

from freerouter_core import Provider, Router
from freerouter_core.runtime.runtime import Runtime

MODEL = "bge-m3"
DIMENSION = 1024
TEXTS, CHUNKS, ROUNDS = 1_000, 10_000, 3
BATCH = 2_048
"""Texts that OpenAI's own endpoint takes at once. Free providers take 32 to 1,000."""
_VECTOR = [1.0 / math.sqrt(DIMENSION)] * DIMENSION
_FLOATS = json.dumps(_VECTOR)
_PACKED = json.dumps(base64.b64encode(array("f", _VECTOR).tobytes()).decode())


def serve(listener: socket.socket, requests: Synchronized[int]) -> None:
    """A bare asyncio server of `/models` and `/embeddings`. It counts the latter."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.lower().split(b"\r\n")
                size = next((int(x[15:]) for x in lines if x.startswith(b"content-length:")), 0)
                body = json.loads(await reader.readexactly(size)) if size else {}
                if head.startswith(b"GET"):
                    answer = json.dumps({"data": [{"id": MODEL}]})
                else:
                    requests.value += 1
                    vector = _PACKED if body.get("encoding_format") == "base64" else _FLOATS
                    rows = ",".join(
                        f'{{"object":"embedding","index":{n},"embedding":{vector}}}'
                        for n in range(len(body["input"]))
                    )
                    usage = '"usage":{"prompt_tokens":9,"total_tokens":9}'
                    answer = f'{{"object":"list","model":"{MODEL}","data":[{rows}],{usage}}}'
                writer.write(
                    f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                    f"content-length: {len(answer)}\r\n\r\n{answer}".encode()
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main() -> None:
        await (await asyncio.start_server(handle, sock=listener)).serve_forever()

    asyncio.run(main())


def freerouter(address: str, *, packed: bool) -> Callable[[list[str]], object]:
    """`FreeRouterEmbeddings` over a fresh runtime, so that nothing is kept."""
    from freerouter_core.catalogue.served_rows import read_served
    from freerouter_core.settings import known_providers
    from langchain_freerouter import FreeRouterEmbeddings

    row: dict[str, Any] = {"model": MODEL, "batch": BATCH, "base64": packed}
    known_providers()["bench"] = {"base_url": address, "serves": (read_served(row),)}

    def embed(texts: list[str]) -> object:
        runtime = Runtime(cache=None, state="memory")
        router = Router(providers=[Provider("bench", address, "k")], runtime=runtime)
        vectors = FreeRouterEmbeddings(router=router).embed_documents(texts)
        runtime.close()
        return vectors

    return embed


def langchain_openai(address: str) -> Callable[[list[str]], object]:
    """LangChain's class, told not to cut texts into OpenAI's tokens."""
    from langchain_openai import OpenAIEmbeddings
    from pydantic import SecretStr

    model = OpenAIEmbeddings(
        model=MODEL, base_url=address, api_key=SecretStr("k"), check_embedding_ctx_length=False
    )
    return model.embed_documents


def llamaindex_openai(address: str) -> Callable[[list[str]], object]:
    """LlamaIndex's class, with its own batch size."""
    from llama_index.embeddings.openai import OpenAIEmbedding

    model = OpenAIEmbedding(model_name=MODEL, api_base=address, api_key="k")
    return model.get_text_embedding_batch  # type: ignore[no-any-return]


def measure(embed: Callable[[list[str]], object], requests: Synchronized[int]) -> tuple[float, int]:
    """(seconds of CPU for 1,000 texts, requests for 10,000 chunks)."""
    embed(["warm"])
    best = math.inf
    for round_ in range(ROUNDS):
        texts = [f"round {round_} text {n}" for n in range(TEXTS)]
        before = time.process_time()
        embed(texts)
        best = min(best, time.process_time() - before)
    requests.value = 0
    embed([f"chunk {n}" for n in range(CHUNKS)])
    return best, requests.value


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        requests: Synchronized[int] = multiprocessing.Value("i", 0)
        server = multiprocessing.Process(target=serve, args=(listener, requests), daemon=True)
        server.start()
        rows: dict[str, Callable[[list[str]], object]] = {
            "FreeRouterEmbeddings, base64": freerouter(address, packed=True),
        }
        if importlib.util.find_spec("langchain_openai"):
            rows["OpenAIEmbeddings (LangChain)"] = langchain_openai(address)
        if importlib.util.find_spec("llama_index.embeddings"):
            rows["OpenAIEmbedding (LlamaIndex)"] = llamaindex_openai(address)
        print(f"{'':32} {'CPU s / 1,000 texts':>20} {'requests / 10,000':>18}")
        for name, embed in rows.items():
            seconds, count = measure(embed, requests)
            print(f"{name:32} {seconds:>20.3f} {count:>18,}")
        seconds, count = measure(freerouter(address, packed=False), requests)
        print(f"{'FreeRouterEmbeddings, floats':32} {seconds:>20.3f} {count:>18,}")
        server.terminate()


if __name__ == "__main__":
    main()
