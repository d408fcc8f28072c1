"""`Embedded` and `Reranked`: what `Router.embed` and `Router.rerank` return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, overload

from ...errors import AttemptRecord
from ...wire.answer import Ranked, Vector


@dataclass(frozen=True, kw_only=True)
class Embedded(Sequence[list[float]]):
    """The vectors of some texts, in their order. Each has the length 1.

    As a sequence it has lists of floats; `vectors` are the same as arrays of 32-bit numbers.
    """

    vectors: tuple[Vector, ...] = field(repr=False)
    model: str
    """The space of the vectors, such as "bge-m3"."""
    dimension: int = 0
    why: str = ""
    """Why this space was used."""
    providers: Mapping[str, int] = field(default_factory=dict)
    """How many texts each provider embedded."""
    cached: int = 0
    """Texts whose vectors were kept from earlier."""
    requests: int = 0
    """Requests that were answered."""
    tokens: int = 0
    """Tokens of the texts as the providers counted them. What they count for the text that proves a
    space is left out, by its length."""
    attempts: tuple[AttemptRecord, ...] = field(default=(), repr=False)
    """Every attempt of every request."""
    simulated: bool = False

    @overload
    def __getitem__(self, index: int) -> list[float]: ...
    @overload
    def __getitem__(self, index: slice) -> list[list[float]]: ...
    def __getitem__(self, index: int | slice) -> list[float] | list[list[float]]:
        if isinstance(index, slice):
            return [vector.tolist() for vector in self.vectors[index]]
        return self.vectors[index].tolist()

    def __len__(self) -> int:
        return len(self.vectors)

    def __iter__(self) -> Iterator[list[float]]:
        return (vector.tolist() for vector in self.vectors)

    def tolist(self) -> list[list[float]]:
        """The vectors as lists of floats."""
        return [vector.tolist() for vector in self.vectors]


@dataclass(frozen=True, kw_only=True)
class Reranked(Sequence[Ranked]):
    """Texts in order, the most relevant first: their index among those given, and a score.

    Scores of one answer can be compared with each other, and with no other answer's.
    """

    ranking: tuple[Ranked, ...]
    model: str
    """The model that ranked."""
    provider: str
    by: Literal["reranker", "chat"]
    """What ranked: a model made for it, or a chat model's judgement."""
    why: str = ""
    """Why no reranker did, if a chat model ranked."""
    attempts: tuple[AttemptRecord, ...] = field(default=(), repr=False)
    simulated: bool = False

    @overload
    def __getitem__(self, index: int) -> Ranked: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Ranked, ...]: ...
    def __getitem__(self, index: int | slice) -> Ranked | tuple[Ranked, ...]:
        return self.ranking[index]

    def __len__(self) -> int:
        return len(self.ranking)

    @property
    def order(self) -> list[int]:
        """The indices alone."""
        return [ranked.index for ranked in self.ranking]
