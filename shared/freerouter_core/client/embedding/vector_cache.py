"""`VectorCache`: vectors that are kept for ever, by space and text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from ...catalogue.serving import InputType
from ...runtime.cache.cache import Cache
from ...runtime.runtime import Runtime
from ...wire.answer import Vector
from ...wire.vectors import NoVector, from_bytes, to_bytes


class KeptBytes(Protocol):
    """What keeps bytes by key. One that fails finds nothing and keeps nothing."""

    async def get(self, keys: Sequence[str]) -> Mapping[str, bytes]: ...

    async def put(self, values: Mapping[str, bytes]) -> object: ...


FILE = "vectors.db"
"""The name of the file beside the state."""
MAX_BYTES = 1_000_000_000
"""Bytes of vectors that are kept beside a state; those used longest ago go first."""
MAX_MEMORY = 64_000_000
"""The same in memory."""


class KeptVectors:
    """Bytes that are kept for ever in one of a runtime's caches."""

    def __init__(self, cache: Cache, max_bytes: int) -> None:
        self._cache, self._max_bytes = cache, max_bytes

    async def get(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        return await self._cache.get(keys)

    async def put(self, values: Mapping[str, bytes]) -> None:
        await self._cache.put(values, None, self._max_bytes)


def vector_store(runtime: Runtime) -> KeptVectors:
    """Where a runtime keeps vectors: beside its state."""
    store = runtime.ledger.store
    if not store.shared:
        return KeptVectors(runtime.caches.open("memory"), MAX_MEMORY)
    folder = runtime.state_folder
    if isinstance(getattr(store, "path", None), Path) and folder is not None:
        return KeptVectors(runtime.caches.open(f"sqlite:///{folder / FILE}"), MAX_BYTES)
    return KeptVectors(runtime.caches.open(runtime.state_of("redis")), MAX_BYTES)


def vector_key(digest: str, kind: InputType, text: str) -> str:
    """The key of a text's vector in the space with that digest."""
    return "v1|" + sha256(f"{digest}|{kind}|{text}".encode("utf-8", "surrogatepass")).hexdigest()


async def kept_vectors(
    cache: KeptBytes, digest: str, kind: InputType, texts: Sequence[str], dimension: int
) -> dict[str, Vector]:
    """The vectors of those texts that are kept."""
    keys = {vector_key(digest, kind, text): text for text in texts}
    found: dict[str, Vector] = {}
    for key, data in (await cache.get(list(keys))).items():
        try:
            vector = from_bytes(data)
        except NoVector:
            continue
        if len(vector) == dimension and key in keys:
            found[keys[key]] = vector
    return found


async def keep_vectors(
    cache: KeptBytes, digest: str, kind: InputType, vectors: Mapping[str, Vector]
) -> None:
    """Keep the vectors of texts."""
    await cache.put(
        {vector_key(digest, kind, text): to_bytes(vector) for text, vector in vectors.items()}
    )
