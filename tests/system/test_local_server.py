"""A real local server: llama.cpp's own, with a tiny model of random weights, made on the spot.

It is installed once into `.clients`, from wheels. What it writes means nothing; its forms do.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
import openai
import pytest
from langchain_core.vectorstores import InMemoryVectorStore
from llama_index.core.base.llms.types import ChatMessage
from pydantic import BaseModel

from freerouter_core import ChatRequest, Provider, Router
from freerouter_core.apps import rest
from freerouter_core.errors import ContextTooLong, Exhausted, NoCandidates
from freerouter_core.simulator.server import listening
from langchain_freerouter import ChatFreeRouter, FreeRouterEmbeddings
from llamaindex_freerouter import FreeRouter, FreeRouterEmbedding

from .installed import python_with

SOURCES = Path(__file__).parent / "llamacpp"
END, CALL = 257, 258
"""Tokens of the model: the end of an answer, and the beginning of a call."""
SPACES = dict.fromkeys(("9", "10", "13", "32"), -50)
BEGIN_CALL = {"logit_bias": {str(CALL): 50, str(END): 100, **SPACES}, "max_tokens": 100}
"""Random weights would never begin a call, nor end one. What is between is the server's grammar."""
FEW = {"max_tokens": 8}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Lisbon", "Oslo"]}},
            "required": ["city"],
        },
    },
}


class Place(BaseModel):
    """A place."""

    city: Literal["Lisbon", "Oslo"]
    warm: bool


@dataclass(frozen=True)
class Servers:
    """Base URLs: of a server for chats, of one that embeds, and of one that embeds otherwise under
    the same name."""

    chat: str
    embed: str
    liar: str

    def router(self, *names: str, **options: object) -> Router:
        """A router over the servers of these names: "chat", "embed", "liar"."""
        known = {"chat": "llamacpp", "embed": "llamacpp", "liar": "vllm"}
        providers = [Provider(known[name], base_url=getattr(self, name)) for name in names]
        return Router(providers=providers, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    python = python_with("llamacpp", SOURCES / "requirements.txt")
    folder = tmp_path_factory.mktemp("models")
    with (
        (folder / "log.txt").open("w") as log,
        subprocess.Popen(
            [python, SOURCES / "serve.py", folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        line = process.stdout.readline().split()
        assert len(line) == 3, (folder / "log.txt").read_text("utf-8", "replace")
        yield Servers(*(f"{address}/v1" for address in line))
        process.communicate(timeout=30)  # standard input ends


def asked(text: str, **fields: object) -> ChatRequest:
    fields = {"parameters": FEW, **fields}
    return ChatRequest([{"role": "user", "content": text}], **fields)  # type: ignore[arg-type]


# -- chats -----------------------------------------------------------------------------------------


def test_its_list_tells_the_window_and_the_size(servers: Servers) -> None:
    (model,) = servers.router("chat").free_models()

    assert model.id == "llamacpp:tiny"
    assert model.context == 1_024  # of each of its two slots
    assert model.size > 100_000


async def test_it_chats_in_every_way(servers: Servers) -> None:
    router = servers.router("chat")
    outcome = router.chat(asked("hello"))
    other = await router.achat(asked("hello again"))
    langchain = ChatFreeRouter(router=router, max_tokens=8).invoke("hello")
    small = FreeRouter(router=router, max_tokens=8, context_window=1_000)
    llamaindex = small.chat([ChatMessage(content="hello")])

    for answer in (outcome.answer, other.answer):
        assert answer.text
        assert answer.finish_reason in ("length", "stop")
        assert answer.usage is not None
        assert 0 < answer.usage["completion_tokens"] <= 8
    assert langchain.usage_metadata is not None
    assert langchain.response_metadata["provider"] == "llamacpp"
    assert llamaindex.message.content


async def test_its_streams_come_in_parts(servers: Servers) -> None:
    router = servers.router("chat")
    stream = router.stream(asked("hello", parameters={"max_tokens": 40}))
    parts = [delta.text for delta in stream if delta.text]
    langchain = ChatFreeRouter(router=router, max_tokens=40)
    whole = None
    async for chunk in langchain.astream("hello"):
        whole = chunk if whole is None else whole + chunk

    assert len(parts) > 5
    assert "".join(parts) == stream.outcome.answer.text
    assert stream.outcome.answer.usage
    assert whole is not None
    assert whole.usage_metadata


def test_it_writes_objects_by_a_schema(servers: Servers) -> None:
    model = ChatFreeRouter(router=servers.router("chat"), max_tokens=200)
    place = model.with_structured_output(Place).invoke("Where?")

    assert isinstance(place, Place)


@pytest.mark.parametrize("stream", [False, True])
def test_it_calls_tools_and_reads_their_results(servers: Servers, *, stream: bool) -> None:
    router = servers.router("chat")
    request = asked(
        "The weather?", tools=[WEATHER], tool_choice="required", parameters=BEGIN_CALL,
        parallel_tool_calls=False,
    )  # fmt: skip
    if stream:
        parts = router.stream(request)
        seen = [call for delta in parts for call in delta.tool_calls]
        answer = parts.outcome.answer
        assert tuple(seen) == answer.tool_calls
    else:
        answer = router.chat(request).answer
    (call, *_) = answer.tool_calls
    assert answer.finish_reason == "tool_calls"
    assert call.name == "weather"
    assert json.loads(call.arguments)["city"] in ("Lisbon", "Oslo")

    asking = {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
        ],
    }
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    messages = [*request.messages, asking, result]
    assert router.chat(ChatRequest(messages, parameters=FEW)).answer.text


def test_openais_sdk_reaches_it_through_the_service(servers: Servers) -> None:
    with listening(rest.app(servers.router("chat", "liar"))) as address:
        sdk = openai.OpenAI(base_url=f"{address}/v1", api_key="x", max_retries=0)
        chunks = list(
            sdk.chat.completions.create(
                model="auto",
                messages=[{"role": "user", "content": "hi"}],
                stream=True,
                max_tokens=20,
            )
        )
        vectors = sdk.embeddings.create(model="vllm:tiny-embed", input=["a", "b"])

    assert len(chunks) > 3
    assert [len(row.embedding) for row in vectors.data] == [64, 64]


def test_a_prompt_that_is_too_long_is_told_as_such(servers: Servers) -> None:
    router = servers.router("chat")
    with pytest.raises(ContextTooLong):
        router.chat(asked("word " * 3_000))
    with pytest.raises(ContextTooLong):  # only the server counts a token for each byte
        router.chat(asked("ü" * 1_200))
    assert router.chat(asked("short")).answer.text


# -- embeddings ------------------------------------------------------------------------------------


def test_it_embeds_and_its_vectors_are_its_own(servers: Servers, tmp_path: Path) -> None:
    texts = ["the bridge opened in 1998", "bread and butter"]
    embedded = servers.router("embed").embed(texts, pin=tmp_path)
    told = httpx.post(f"{servers.embed}/embeddings", json={"model": "tiny-embed", "input": texts})
    own = [row["embedding"] for row in told.json()["data"]]

    assert (embedded.model, embedded.dimension) == ("tiny-embed", 64)
    assert embedded.tokens > 0
    for mine, theirs in zip(embedded, own, strict=True):
        assert mine == pytest.approx(theirs, abs=1e-5)


async def test_both_frameworks_index_with_it(servers: Servers, tmp_path: Path) -> None:
    router = servers.router("embed")
    embeddings = FreeRouterEmbeddings(router=router, pin=tmp_path)
    store = InMemoryVectorStore(embeddings)
    texts = [f"text number {n}" for n in range(70)]
    await store.aadd_texts(texts)
    found = store.similarity_search("text number 7", k=1)
    llamaindex = FreeRouterEmbedding(router=router, pin=str(tmp_path))

    assert found[0].page_content == "text number 7"
    assert llamaindex.get_text_embedding(texts[7]) == pytest.approx(
        embeddings.embed_documents([texts[7]])[0], abs=1e-5
    )


def test_another_server_that_embeds_otherwise_by_the_same_name_is_out(
    servers: Servers, tmp_path: Path
) -> None:
    first = servers.router("embed").embed(["one"], pin=tmp_path)
    with pytest.raises(Exhausted, match="another model"):
        servers.router("liar").embed(["two"], pin=tmp_path)
    both = servers.router("liar", "embed").embed(["one", "two"], pin=tmp_path)

    assert both[0] == pytest.approx(first[0], abs=1e-5)
    assert (both.cached, both.providers) == (1, {"llamacpp": 1})


def test_what_it_cannot_do_is_told_in_its_words(servers: Servers) -> None:
    chat, embed = servers.router("chat"), servers.router("embed")
    with pytest.raises(NoCandidates, match="--embeddings") as caught:
        chat.embed(["x"], model="llamacpp:tiny")
    with pytest.raises(ContextTooLong):
        embed.embed(["word " * 3_000])
    with pytest.raises(ContextTooLong, match="too large"):
        embed.embed(["ü" * 500])

    assert caught.value.status_code == 404
    assert len(caught.value.attempts) == 1
    assert chat.chat(asked("still there")).answer.text
    assert len(embed.embed(["x"])) == 1
