"""`Space`: what makes vectors comparable. `Serving`: how a model besides chat is served.

An index holds vectors of one space for ever. So a space has an identity of its own: the family of
the model, its revision, the dimension, and the prefixes that the model was trained with. Vectors of
the same space come from any provider that serves it; vectors of two spaces are never mixed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..errors import BadSetting
from .limit import Limit

Mode = Literal["chat", "embedding", "rerank"]
"""What a model is asked for: text, vectors, or an order of texts."""
Wording = Literal["openai", "cohere", "nvidia"]
"""How a request is worded: OpenAI's fields (Jina's and Voyage's are alike), or those of Cohere's
and NVIDIA's own endpoints."""
InputType = Literal["query", "document"]

MAX_FLOATS = 131_072
"""Numbers that one answer in JSON may have. Their parser holds the interpreter for 20 ms. Half
as many would double the calls where each counts: Cohere's thousand a month (96 texts of 1,536
numbers), OpenRouter's fifty a day (64 texts of 2,048 numbers)."""
USUAL_BATCH = 64
"""Texts of one request where nothing is known."""
USUAL_TOKENS = 8_192
"""Tokens of one text where nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What two vectors must share to be compared. All vectors have the length 1.

    `dimension` 0: not known before the first answer. `tokens`: the longest text; no part of the
    identity, since a shorter limit gives the same vectors.
    """

    family: str
    revision: str = ""
    dimension: int = 0
    query_prefix: str = ""
    document_prefix: str = ""
    tokens: int = USUAL_TOKENS
    dimensions: tuple[int, ...] = ()
    """Dimensions that the family offers by request."""
    resized: bool = False
    """Whether the dimension is not the family's own."""

    @property
    def name(self) -> str:
        """How users write and see it: `bge-m3`, or `gemini-embedding-001/768`."""
        name = self.family + (f"@{self.revision}" if self.revision else "")
        return f"{name}/{self.dimension}" if self.resized else name

    @property
    def key(self) -> tuple[str, str, int, str, str]:
        """Its identity."""
        return (
            self.family,
            self.revision,
            self.dimension,
            self.query_prefix,
            self.document_prefix,
        )

    def prefix(self, kind: InputType) -> str:
        """What stands before a text of that kind."""
        return self.query_prefix if kind == "query" else self.document_prefix

    def of_dimension(self, dimension: int | None) -> Space:
        """The same with vectors of another dimension. Raises `BadSetting` if it offers none."""
        if dimension is None or dimension == self.dimension:
            return self
        if self.dimension and dimension not in self.dimensions:
            offered = self.dimensions or (self.dimension,)
            raise BadSetting(
                f"{self.family} has no vectors of dimension {dimension}",
                hint=f"it offers {', '.join(map(str, sorted(offered)))}",
            )
        return replace(self, dimension=dimension, resized=True)

    def serves(self, wanted: Space) -> bool:
        """Whether a model of this space can give the vectors that are wanted."""
        dimensions = {self.dimension, *self.dimensions}
        fits = not self.dimension or not wanted.dimension or wanted.dimension in dimensions
        return fits and replace(self, dimension=wanted.dimension).key == wanted.key

    def as_data(self) -> dict[str, object]:
        """The identity as plain data."""
        return {
            "family": self.family,
            "revision": self.revision,
            "dimension": self.dimension,
            "query_prefix": self.query_prefix,
            "document_prefix": self.document_prefix,
            "normalised": True,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How one provider serves one model besides chat."""

    space: Space | None = None
    """The space of its vectors; None: it ranks texts."""
    batch: int = USUAL_BATCH
    """Texts of one request."""
    batch_tokens: int | None = None
    """Tokens of one request; None: no limit is known."""
    limits: tuple[Limit, ...] | None = None
    """Its own limits; None: those of the account."""
    type_field: str = ""
    """The field that tells queries from documents; empty: there is none."""
    query_type: str = ""
    document_type: str = ""
    prefixed: bool = False
    """Whether the provider writes the prefixes itself."""
    fields: tuple[tuple[str, Any], ...] = ()
    """Further fields of every request."""
    cuts: bool = True
    """Whether a text that is too long may be cut in silence; else it is refused."""
    base64: bool = False
    """Whether vectors may cross as base64 of float32."""
    dimensions_field: str = "dimensions"
    """The field that asks for shorter vectors."""
    path: str = ""
    """Where requests go, if not to `/embeddings` or `/rerank` below the base URL."""
    wording: Wording = "openai"

    def takes(self, sizes: Sequence[int], dimension: int = 0) -> int:
        """How many of texts of these sizes (tokens) fit into one request: one at least.

        `dimension`: of the vectors; 0: the space's own.
        """
        limits = self.limits or ()
        most = min(
            (limit.requests for limit in limits if limit.counts == "texts" and limit.requests),
            default=self.batch,
        )
        most = max(1, min(most, self.batch, self._floats_allow(dimension)))
        rooms = [limit.tokens for limit in limits if limit.tokens]
        rooms += [self.batch_tokens] if self.batch_tokens is not None else []
        room = min(rooms, default=None)
        total = 0
        for count, size in enumerate(sizes[:most]):
            total += size
            if room is not None and total > room and count:
                return count
        return min(most, len(sizes))

    def _floats_allow(self, dimension: int) -> int:
        dimension = dimension or (self.space.dimension if self.space is not None else 0)
        return self.batch if self.base64 or not dimension else MAX_FLOATS // dimension


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A row of providers.toml: a model besides chat that a provider serves."""

    model: str
    """Its name on the wire."""
    mode: Mode
    serving: Serving
    free: bool = True
    quality: float = 5.0
    """0 to 10: which reranker is asked first."""
    context: int | None = None
    """Tokens of one text, if the provider takes fewer than the model."""

    def limited(self, limit: Limit) -> Served:
        """The same under one more limit. A model without limits of its own has the account's."""
        if self.serving.limits is None:
            return self
        limits = (*self.serving.limits, limit)
        return replace(self, serving=replace(self.serving, limits=limits))


_VARIANT = re.compile(r":(?:free|latest|f16|fp16|bf16)$")


def base_name(name: str) -> str:
    """A model's name without its author and without a variant that gives the same vectors."""
    return _VARIANT.sub("", name.rpartition("/")[2]).lower()
