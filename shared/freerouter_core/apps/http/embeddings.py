"""`POST /v1/embeddings` and `/v1/rerank`, as OpenAI's and Cohere's APIs have them, and Ollama's
`/api/embed` and `/api/embeddings`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ...client.embedding.embedded import Embedded, Reranked
from ...errors import BadRequest
from ...wire.vectors import as_base64
from .route import GetRouter, encoded, read_json, unless_disconnected

AUTO = ("", "auto", "freerouter", "text-embedding-ada-002", "text-embedding-3-small",
        "text-embedding-3-large")  # fmt: skip
"""Names that mean the service's own space: those that clients of OpenAI have built in."""


def add_routes(paths: APIRouter, get_router: GetRouter) -> None:
    @paths.post("/v1/embeddings", response_model=None)
    async def embeddings(request: Request) -> Response:
        body = _object(await read_json(request))
        texts, base64 = _inputs(body), _base64(body)
        kind = "query" if "query" in str(body.get("input_type", "")) else "document"
        work = get_router().aembed(
            texts,
            model=_model(body),
            kind=kind,  # type: ignore[arg-type]  # one of the two
            dimensions=_dimensions(body),
            long="error",
        )
        embedded = await unless_disconnected(request, work)
        return _json(embedding_body(embedded, base64=base64))

    async def ollamas(request: Request, body: Mapping[str, object], texts: list[str]) -> Embedded:
        work = get_router().aembed(texts, model=_model(body), dimensions=_dimensions(body))
        return await unless_disconnected(request, work)

    @paths.post("/api/embed", response_model=None)
    async def embed(request: Request) -> Response:
        body = _object(await read_json(request))
        embedded = await ollamas(request, body, _inputs(body))
        return _json(
            {
                "model": embedded.model,
                "embeddings": embedded.tolist(),
                "prompt_eval_count": embedded.tokens,
            }
        )

    @paths.post("/api/embeddings", response_model=None)
    async def embed_one(request: Request) -> Response:
        body = _object(await read_json(request))
        prompt = body.get("prompt")
        if not isinstance(prompt, str):
            raise BadRequest("prompt must be a text")
        return _json({"embedding": (await ollamas(request, body, [prompt]))[0]})

    @paths.post("/v1/rerank", response_model=None)
    async def rerank(request: Request) -> Response:
        body = _object(await read_json(request))
        documents = body.get("documents")
        if not isinstance(documents, list):
            raise BadRequest("documents must be a list of texts", hint='["…", "…"]')
        texts: list[Any] = [d.get("text") if isinstance(d, Mapping) else d for d in documents]
        top_n = body.get("top_n", body.get("top_k"))
        if top_n is not None and (not isinstance(top_n, int) or isinstance(top_n, bool)):
            raise BadRequest("top_n must be a whole number")
        work = get_router().arerank(
            _query(body),
            texts,
            model=_model(body),
            top_n=top_n,
        )
        ranked = await unless_disconnected(request, work)
        wanted = body.get("return_documents") is True
        return _json(rerank_body(ranked, texts if wanted else None))


def embedding_body(embedded: Embedded, *, base64: bool) -> dict[str, Any]:
    """The vectors in OpenAI's words."""
    vectors = map(as_base64, embedded.vectors) if base64 else embedded
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": n, "embedding": vector}
            for n, vector in enumerate(vectors)
        ],
        "model": embedded.model,
        "usage": {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens},
        "freerouter": {
            "why": embedded.why,
            "dimension": embedded.dimension,
            "providers": dict(embedded.providers),
            "cached": embedded.cached,
            "attempts": [dict(attempt) for attempt in embedded.attempts],
            **({"simulated": True} if embedded.simulated else {}),
        },
    }


def rerank_body(ranked: Reranked, texts: list[Any] | None = None) -> dict[str, Any]:
    """The order in Cohere's words. `texts`: what is returned beside the indices."""
    return {
        "object": "list",
        "results": [
            {"index": place.index, "relevance_score": place.score}
            | ({} if texts is None else {"document": {"text": texts[place.index]}})
            for place in ranked
        ],
        "model": ranked.model,
        "freerouter": {
            "by": ranked.by,
            "why": ranked.why,
            "provider": ranked.provider,
            "attempts": [dict(attempt) for attempt in ranked.attempts],
            **({"simulated": True} if ranked.simulated else {}),
        },
    }


def _json(body: dict[str, Any]) -> Response:
    return Response(encoded(body), media_type="application/json")


def _object(body: object) -> Mapping[str, object]:
    if not isinstance(body, Mapping):
        raise BadRequest("the body must be a JSON object")
    return body


def _inputs(body: Mapping[str, object]) -> list[str]:
    value = body.get("input")
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts:
        raise BadRequest("input must be a text or a list of texts")
    if not all(isinstance(text, str) for text in texts):
        raise BadRequest(
            "input must be texts: tokens of one model mean nothing to another",
            hint="in LangChain's OpenAIEmbeddings: check_embedding_ctx_length=False",
        )
    return texts


def _query(body: Mapping[str, object]) -> str:
    query = body.get("query")
    if not isinstance(query, str):
        raise BadRequest("query must be a text")
    return query


def _model(body: Mapping[str, object]) -> str | None:
    model = body.get("model")
    if model is not None and not isinstance(model, str):
        raise BadRequest("model must be a name")
    return None if model is None or model in AUTO else model


def _dimensions(body: Mapping[str, object]) -> int | None:
    value = body.get("dimensions")
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise BadRequest("dimensions must be a whole number")
    return value


def _base64(body: Mapping[str, object]) -> bool:
    form = body.get("encoding_format") or "float"
    if form not in ("float", "base64"):
        raise BadRequest('encoding_format must be "float" or "base64"')
    return form == "base64"
