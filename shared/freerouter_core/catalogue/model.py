"""`Model`: the facts about one model at one provider. `Catalogue`: all of them, at one moment."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from .serving import Mode as Mode
from .serving import Serving

TEXT = frozenset({"text"})

ModelIdentity = tuple[str, str, str]
"""(provider, base URL, wire name): what is learnt about a model is stored under it.

The name has the mode beside it where a caller asks a model for what no list says that it does: a
chat model that gives no vectors still chats.
"""

MAX_NAME = 500
"""Characters of a model's name. Those of local servers are paths."""


def is_plausible_name(name: object) -> bool:
    """Whether a model may have this name: names end in metrics, logs and shared files."""
    return isinstance(name, str) and len(name) <= MAX_NAME and name.isprintable()


@dataclass(frozen=True, slots=True)
class Model:
    """One model at one provider. Facts only: how it has been doing is in `routing.health`.

    `context` and `max_output` are tokens, prices are USD per token, `expires` is unix seconds.
    A model that no catalogue lists (`listed` False) is believed to have every capability until an
    answer proves otherwise.
    """

    id: str
    """What users write and see: `author/name:free` at OpenRouter, `provider:name` elsewhere."""
    provider: str = "openrouter"
    name: str = ""
    """The name on the wire; empty: `id`."""
    _: KW_ONLY
    origin: str = ""
    """The base URL it is served at. A model of the same name elsewhere is another model."""
    context: int = 32_768
    max_output: int | None = None
    inputs: frozenset[str] = TEXT
    parameters: frozenset[str] = frozenset()
    """The request parameters it takes, in OpenRouter's words; empty: not known."""
    free: bool = False
    chat: bool = True
    """False for classifiers, OCR, decision, gated and non-text models: never candidates."""
    mode: Mode = "chat"
    """What it is asked for, if it is asked."""
    serving: Serving | None = None
    """How it is served, if it is no chat model."""
    prompt_price: float = 0.0
    completion_price: float = 0.0
    reasoning_mandatory: bool = False
    expires: float | None = None
    quality: float = 5.0
    """0 to 10, estimated from the catalogue; see `catalogue.quality`."""
    size: int = 0
    """Bytes of memory it takes at a local server; 0: not known."""
    listed: bool = True
    lacks: frozenset[str] = frozenset()
    """Parameters and abilities that answers have disproved, whatever the catalogue says."""
    wire_name: str = field(init=False, compare=False, repr=False)
    """The name that goes on the wire."""
    identity: ModelIdentity = field(init=False, compare=False, repr=False)
    """What health and capabilities are stored under."""

    def __post_init__(self) -> None:
        name = self.name or self.id
        object.__setattr__(self, "wire_name", name)
        if not self.listed and self.mode != "chat":
            name = f"{name} ({self.mode})"
        object.__setattr__(self, "identity", (self.provider, self.origin, name))

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """USD for that many tokens at the catalogue's prices; infinite if those are not known.

        They are not known of models that no catalogue lists, and of routers (price -1).
        """
        if self.free:
            return 0.0
        if not self.listed or self.prompt_price < 0 or self.completion_price < 0:
            return math.inf
        return prompt_tokens * self.prompt_price + completion_tokens * self.completion_price

    def takes(self, parameter: str) -> bool:
        """Whether a request parameter is supported, or nothing is known about any."""
        return parameter not in self.lacks and (not self.parameters or parameter in self.parameters)

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What it takes and does, in the words of tables, in a fixed order."""
        kinds = [kind for kind in ("image", "audio", "video", "file") if kind in self.inputs]
        terms = [term for parameter, term in _TERMS.items() if parameter in self.parameters]
        return ("text", *kinds, *terms)


_TERMS = {
    "tools": "tools",
    "tool_choice": "tool_choice",
    "structured_outputs": "structured",
    "response_format": "json",
    "reasoning": "reasoning",
}
"""By request parameter: its term in tables."""


@dataclass(frozen=True)
class Catalogue:
    """Models as of `fetched` (unix seconds). Replaced as a whole, so readers need no lock."""

    models: tuple[Model, ...] = ()
    fetched: float = 0.0
    by_identity: dict[ModelIdentity, Model] = field(default_factory=dict, compare=False, repr=False)
    memo: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)
    """A cache of what was worked out about these very models."""

    @classmethod
    def of(cls, models: Iterable[Model], fetched: float) -> Catalogue:
        """A catalogue in which the last model of an identity counts."""
        by_identity = {model.identity: model for model in models}
        return cls(tuple(by_identity.values()), fetched, by_identity)

    def __iter__(self) -> Iterator[Model]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    def free(self) -> list[Model]:
        """The free chat models, largest context first."""
        free = (model for model in self.models if model.free and model.chat)
        return sorted(free, key=lambda model: (-model.context, model.id))
