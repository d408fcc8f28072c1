"""Simulated embeddings and rankings: deterministic, and near for texts that share words."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from array import array
from collections.abc import Mapping
from functools import lru_cache

from .models import SimModel
from .response import Json, JsonView, TimedResponse, json_response

_WORD = re.compile(r"\w+")
TOKEN_BYTES = 4
"""Bytes of a simulated token."""
PLACES = 6
"""Numbers of a vector that one feature of a text adds to."""
FAINT = 0.1
"""Weight of words that say little."""
_COMMON = frozenset({
    "the", "and", "for", "are", "was", "were", "what", "when", "where", "which", "who", "does",
    "did", "has", "have", "had", "from", "with", "that", "this", "into", "about",
})  # fmt: skip
EMBED_FIELDS = frozenset({
    "model", "input", "texts", "encoding_format", "dimensions", "input_type", "provider", "user",
    "truncate", "truncation", "task", "normalized",
})  # fmt: skip
RERANK_FIELDS = frozenset({
    "model", "query", "documents", "passages", "top_n", "top_k", "provider", "truncate",
    "return_documents",
})  # fmt: skip


def embed(space: str, text: str, dimension: int) -> list[float]:
    """The vector of a text in a space, with the length 1. Words and their parts add to it."""
    vector = [0.0] * dimension
    for word in _WORD.findall(text.lower()) or [text]:
        weight = FAINT if word in _COMMON or (len(word) < 3 and word.isalpha()) else 1.0
        _add(vector, space, word, weight)
        for at in range(len(word) - 2):
            _add(vector, space, f"#{word[at : at + 3]}", weight)
    length = math.sqrt(sum(number * number for number in vector)) or 1.0
    return [number / length for number in vector]


def _add(vector: list[float], space: str, feature: str, weight: float) -> None:
    for number in _digest(space, feature):
        vector[number % len(vector)] += weight if number & 0x8000_0000 else -weight


@lru_cache(maxsize=50_000)
def _digest(space: str, feature: str) -> tuple[int, ...]:
    digest = hashlib.blake2b(f"{space}|{feature}".encode(), digest_size=4 * PLACES).digest()
    return tuple(int.from_bytes(digest[at : at + 4]) for at in range(0, len(digest), 4))


def texts_of(request: JsonView) -> list[str]:
    """The texts of an embedding request, or those to rank."""
    for name in ("input", "texts", "documents", "passages"):
        value = request.get(name)
        if isinstance(value, str):
            return [value]
        if isinstance(value, list):
            return [v.get("text", "") if isinstance(v, Mapping) else v for v in value]
    return []


def tokens_of(text: str) -> int:
    """The tokens of a text, as simulated models count them."""
    return len(text.encode()) // TOKEN_BYTES + 1


def texts_problem(model: SimModel, request: JsonView, *, rerank: bool) -> str | None:
    """The message of the 400 that a request about texts deserves; None: it is valid."""
    unknown = sorted(set(request) - (RERANK_FIELDS if rerank else EMBED_FIELDS))
    if unknown:
        return f"unknown field {unknown[0]!r}"
    texts = texts_of(request)
    if not texts or not all(isinstance(text, str) and text for text in texts):
        return "the texts must be strings, none of them empty"
    if len(texts) > model.batch:
        return f"at most {model.batch} texts can be in one batch"
    longest = max(map(tokens_of, texts))
    if longest > model.context and not model.cuts:
        return (
            f"This endpoint's maximum context length is {model.context} tokens. "
            f"However, you requested about {longest} tokens."
        )
    return None


def answer_texts(model: SimModel, request: Json, after: float, *, rerank: bool) -> TimedResponse:
    """The good answer to a valid request about texts, so many seconds later."""
    texts = texts_of(request)
    tokens = sum(min(tokens_of(text), model.context) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens, "cost": 0}
    body: Json = {"model": model.id, "usage": usage}
    if rerank:
        body["results"] = _ranking(request, texts)
    else:
        body |= {"object": "list", "data": _embeddings(model, request, texts)}
    return json_response(body, after=after)


def _embeddings(model: SimModel, request: JsonView, texts: list[str]) -> list[Json]:
    dimension = request.get("dimensions") or model.dimension
    as_base64 = request.get("encoding_format") == "base64"
    kind = request.get("input_type") or request.get("task") or ""
    rows: list[Json] = []
    for n, text in enumerate(texts):
        kept = text.encode()[: model.context * TOKEN_BYTES].decode("utf-8", "ignore")
        vector = embed(f"{model.space_name}{kind}", kept, dimension)
        packed = base64.b64encode(array("f", vector).tobytes()).decode()
        rows.append(
            {"object": "embedding", "index": n, "embedding": packed if as_base64 else vector}
        )
    return rows


def _ranking(request: JsonView, texts: list[str]) -> list[Json]:
    query = request.get("query")
    wanted = query.get("text", "") if isinstance(query, Mapping) else str(query)
    asked = embed("rerank", wanted, 256)
    scores = [
        sum(a * b for a, b in zip(asked, embed("rerank", t, 256), strict=True)) for t in texts
    ]
    rows = [{"index": n, "relevance_score": round(score, 6)} for n, score in enumerate(scores)]
    rows.sort(key=lambda row: -row["relevance_score"])
    return rows
