"""Every row of providers.toml besides chat, as its provider is asked: address, fields, answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from freerouter_core import Provider, Router
from freerouter_core.catalogue.serving import Served
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.settings import known_providers
from freerouter_core.simulator.vectors import embed

ROWS: list[tuple[str, Served]] = [
    (name, served) for name, row in known_providers().items() for served in row.get("serves", ())
]
EMBEDDERS = [(name, served) for name, served in ROWS if served.mode == "embedding"]
RERANKERS = [(name, served) for name, served in ROWS if served.mode == "rerank"]


@dataclass
class Upstream:
    """A provider that answers as its own API does. It keeps what it was sent."""

    served: Served
    dimension: int
    sent: list[tuple[str, Any]]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"data": []})
        body = json.loads(request.content)
        self.sent.append((str(request.url), body))
        if self.served.mode == "rerank":
            return httpx.Response(200, json=self._ranking(body))
        texts = body.get("texts") or body["input"]
        vectors = [embed("space", text, self.dimension) for text in texts]
        if self.served.serving.wording == "cohere":
            meta = {"billed_units": {"input_tokens": 9}}
            return httpx.Response(200, json={"embeddings": {"float": vectors}, "meta": meta})
        rows = [{"index": n, "embedding": vector} for n, vector in enumerate(vectors)]
        usage = {"prompt_tokens": 90, "total_tokens": 90}
        return httpx.Response(200, json={"data": rows, "model": "m", "usage": usage})

    def _ranking(self, body: Any) -> Any:
        if self.served.serving.wording == "nvidia":
            assert body["passages"] == [{"text": "one"}, {"text": "two"}]
            return {"rankings": [{"index": 1, "logit": 3.5}, {"index": 0, "logit": -2.0}]}
        assert body["documents"] == ["one", "two"]
        rows = [{"index": n, "relevance_score": score} for n, score in ((1, 0.9), (0, 0.1))]
        return {"data" if "voyage" in self.served.model else "results": rows}


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    runtime = Runtime(clock=VirtualClock(), cache=None, state="memory")
    yield runtime
    runtime.close()


def router(runtime: Runtime, name: str, upstream: Upstream) -> Router:
    client = httpx.AsyncClient(transport=httpx.MockTransport(upstream))
    allow_paid = not upstream.served.free
    return Router(
        providers=[Provider(name, api_key="k")],
        runtime=runtime,
        http_client=client,
        allow_paid=allow_paid,
    )


@pytest.mark.parametrize(
    ("name", "served"), EMBEDDERS, ids=[f"{name}:{row.model}" for name, row in EMBEDDERS]
)
def test_each_provider_is_asked_for_vectors_in_its_own_words(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, name: str, served: Served
) -> None:
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "account")
    serving, space = served.serving, served.serving.space
    assert space is not None
    upstream = Upstream(served, space.dimension or 8, [])
    asked = router(runtime, name, upstream)
    model = f"{name}:{served.model}"
    documents = asked.embed(["one", "two"], model=model)
    asked.embed(["one"], kind="query", model=model)
    (address, first), (_, last) = upstream.sent[0], upstream.sent[-1]
    texts = first.get("texts") or first["input"]

    assert documents.model == space.name
    assert documents.providers == {name: 2}
    assert first["model"] == served.model
    assert address.startswith("https://")
    assert address.endswith(serving.path or "/embeddings")
    assert len(texts) <= serving.batch
    for field, value in serving.fields:
        assert first[field] == (list(value) if isinstance(value, tuple) else value)
    if serving.type_field:
        assert (first[serving.type_field], last[serving.type_field]) == (
            serving.document_type, serving.query_type,
        )  # fmt: skip
    elif space.query_prefix and not serving.prefixed:
        assert all(text.startswith(space.query_prefix) for text in last["input"])


@pytest.mark.parametrize(
    ("name", "served"), RERANKERS, ids=[f"{name}:{row.model}" for name, row in RERANKERS]
)
def test_each_provider_is_asked_for_an_order_in_its_own_words(
    runtime: Runtime, name: str, served: Served
) -> None:
    upstream = Upstream(served, 0, [])
    ranked = router(runtime, name, upstream).rerank("which", ["one", "two"], chat=False)
    ((address, body),) = upstream.sent

    assert ranked.order == [1, 0]
    assert ranked.provider == name
    assert address.endswith(served.serving.path or "/rerank")
    assert body["model"] == served.model
