"""`Model`: the facts about one model of one provider; `Catalogue`: all of them, as of one moment."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

TEXT = frozenset({"text"})

ModelIdentity = tuple[str, str, str]
"""(provider, base URL, wire name): what is learnt about a model is remembered under it."""


LONGEST_NAME = 500
"""Letters that the name of a model may have; those of local servers are paths."""


def is_plausible_name(name: object) -> bool:
    """Whether a model may be called that: names end in metrics, logs, and files that processes share."""
    return isinstance(name, str) and len(name) <= LONGEST_NAME and name.isprintable()


@dataclass(frozen=True, slots=True)
class Model:
    """One model at one provider. Facts only: how it has been doing lives in `routing.health`.

    `context` and `max_output` are tokens, prices are USD per token, `expires` unix seconds.
    A capability of a model that no catalogue lists is believed until an answer proves otherwise (`listed`).
    """

    id: str
    """What users write and see: `author/name:free` at OpenRouter, `provider:name` elsewhere."""
    provider: str = "openrouter"
    name: str = ""
    """What goes on the wire."""
    origin: str = ""
    """The base URL it is served at: a model of the same name elsewhere is another."""
    context: int = 32_768
    max_output: int | None = None
    inputs: frozenset[str] = TEXT
    parameters: frozenset[str] = frozenset()
    """The request parameters it takes, in OpenRouter's words; empty means unknown."""
    free: bool = False
    chat: bool = True
    """False for classifiers, OCR-only, decision, gated and non-text models: never candidates."""
    prompt_price: float = 0.0
    completion_price: float = 0.0
    reasoning_mandatory: bool = False
    expires: float | None = None
    quality: float = 5.0
    """A prior of 0 to 10, from what the catalogue says of it; see `parse.quality_prior`."""
    size: int = 0
    """Bytes of memory it takes, where a local server tells; 0: not known."""
    listed: bool = True
    lacks: frozenset[str] = frozenset()
    """Parameters and ways that an answer has proved it not to have, whatever the catalogue says."""
    identity: ModelIdentity = field(init=False, compare=False, repr=False)
    """What health and capabilities are remembered under."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "identity", (self.provider, self.origin, self.name or self.id))

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """USD for that many tokens, by the catalogue's prices; infinite where they are not known: not listed, or a router's -1."""
        if self.free:
            return 0.0
        if not self.listed or self.prompt_price < 0 or self.completion_price < 0:
            return math.inf
        return prompt_tokens * self.prompt_price + completion_tokens * self.completion_price

    @property
    def wire_name(self) -> str:
        return self.name or self.id

    def takes(self, parameter: str) -> bool:
        """Whether the request parameter is supported, or nothing is known about any."""
        return parameter not in self.lacks and (not self.parameters or parameter in self.parameters)

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The words of a catalogue table, in a fixed order."""
        found = ["text"]
        found += [kind for kind in ("image", "audio", "video", "file") if kind in self.inputs]
        wanted = (
            ("tools", "tools"),
            ("tool_choice", "tool_choice"),
            ("structured_outputs", "structured"),
            ("response_format", "json"),
            ("reasoning", "reasoning"),
        )
        found += [word for parameter, word in wanted if parameter in self.parameters]
        return tuple(found)


@dataclass(frozen=True)
class Catalogue:
    """Models as of `fetched` (unix seconds). Replaced whole, never edited: readers need no lock."""

    models: tuple[Model, ...] = ()
    fetched: float = 0.0
    by_identity: dict[ModelIdentity, Model] = field(default_factory=dict, compare=False, repr=False)
    memo: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)
    """What was worked out about these very models before; it dies with them."""

    @classmethod
    def of(cls, models: Iterable[Model], fetched: float) -> Catalogue:
        unique = {model.identity: model for model in models}
        return cls(tuple(unique.values()), fetched, unique)

    def __iter__(self) -> Iterator[Model]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    def free(self) -> list[Model]:
        """The free chat models, largest context first."""
        return sorted(
            (m for m in self.models if m.free and m.chat), key=lambda m: (-m.context, m.id)
        )
