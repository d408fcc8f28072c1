"""`Row`: one situation on the wire, what the caller must get, at which cost, and what is learnt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import BaseMessage
from llama_index.core.base.llms.types import ChatMessage
from pydantic import BaseModel

from freerouter_core import errors
from freerouter_core.wire.json_values import Json

from ..frameworks import Person, get_weather
from .replies import Reply

Script = Reply | Sequence[Reply] | Callable[[Json], Reply]
"""What a model replies: always this, or these in turn (the last one again and again), or what a
function says of the request's body."""


@dataclass(frozen=True)
class Host:
    """One account at one provider.

    `provider`: a name of providers.toml, or any other. `models`: what each model replies, in the
    order they are asked. `lists`: what the list of models replies; None: these models, with eyes,
    ears and every parameter. It comes after `lists_after` virtual seconds. `key`: "" is a keyless
    account. `row`: what the list says of a model, by model.
    """

    provider: str
    models: Mapping[str, Script]
    lists: Reply | None = None
    lists_after: float = 0.0
    key: str | None = None
    row: Mapping[str, Json] = field(default_factory=dict)


def hosts(**by_provider: Mapping[str, Script]) -> tuple[Host, ...]:
    """Hosts by provider (an underscore stands for a hyphen)."""
    return tuple(Host(name.replace("_", "-"), models) for name, models in by_provider.items())


# -- what is asked ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ask:
    """A request.

    `messages`: in OpenAI's words; `langchain` and `llamaindex` are made from them unless given.
    `tools`: functions. `schema`: the class of a structured answer. `parameters`: by wire name.
    """

    messages: Sequence[Json] = ({"role": "user", "content": "Tell me"},)
    tools: tuple[Callable[..., Any], ...] = ()
    schema: type[BaseModel] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    langchain: Sequence[BaseMessage] | None = None
    llamaindex: Sequence[ChatMessage] | None = None


PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwAD"
    "hgGAWjR9awAAAABJRU5ErkJggg=="
)
PLAIN = Ask()
TOOLS = Ask(tools=(get_weather,))
STRUCTURED = Ask(schema=Person)
PICTURE = Ask(
    [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Tell me"},
                {"type": "image_url", "image_url": {"url": PIXEL}},
            ],
        }
    ]
)

# -- what the caller gets --------------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    """A text, exactly."""

    text: str = "hi"


@dataclass(frozen=True)
class Call:
    """One valid tool call. `text`: what was said before it; None: anything."""

    name: str = "get_weather"
    arguments: Mapping[str, Any] = field(default_factory=lambda: {"city": "Oslo"})
    text: str | None = None


@dataclass(frozen=True)
class InvalidCall:
    """A tool call that cannot be run, told as such. `name`: of the tool; None: any."""

    name: str | None = None


@dataclass(frozen=True)
class Object:
    """A structured answer."""

    value: Mapping[str, Any] = field(default_factory=lambda: {"name": "Anna", "age": 33})


@dataclass(frozen=True)
class Fails:
    """An error. `says` and `hint` are searched for in its message and hint (regular expressions).

    `partial`: what a `StreamBroken` holds.
    """

    error: type[errors.FreeRouterError]
    says: str = ""
    hint: str = ""
    partial: str | None = None


Want = Text | Call | InvalidCall | Object | Fails

# -- what is learnt --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Waits:
    """`router.quota()`: a provider's account waits for `because`, within these seconds from now."""

    provider: str
    because: str = ""
    at_least: float = 0.0
    at_most: float = float("inf")


@dataclass(frozen=True)
class Free:
    """`router.quota()`: a provider's account does not wait."""

    provider: str


@dataclass(frozen=True)
class Rests:
    """`router.explain()`: a model rests, within these seconds from now."""

    model: str
    at_least: float = 0.0
    at_most: float = float("inf")


@dataclass(frozen=True)
class Ready:
    """`router.explain()`: a model could be asked now."""

    model: str


@dataclass(frozen=True)
class Unfit:
    """`router.explain()`: a model is no candidate for the same request, for this reason (regex)."""

    model: str
    reason: str = ""


@dataclass(frozen=True)
class Doubted:
    """`router.explain()`: a model that was asked has at most this chance for the same request."""

    model: str
    chance: float = 0.2


Learnt = Waits | Free | Rests | Ready | Unfit | Doubted


@dataclass(frozen=True, kw_only=True)
class Row:
    """One situation.

    Attributes:
        name: what happens, in words.
        source: the public report (`owner/repo#number`), or the kind of situation.
        wire: the accounts, the first one's models first.
        ask: what is asked.
        want: what the caller must get.
        streamed: what a stream must give. None: as `want`.
        requests: the most chat requests that may be sent, over all calls.
        streamed_requests: the same for streams. None: as `requests`.
        at_most: the most requests by provider or by model.
        learnt: what is known afterwards.
        policy: options of the router.
        calls: how often it is asked. Every call must give `want`.
        every: virtual seconds between calls.
        first: what the first call must give. None: as `want`.
        sent: is given the body that was answered last; must not raise, nor return False.
        warns: what a warning must say (regex).
        ways: names of the ways it runs in; empty: all. A reason must stand beside it.
    """

    name: str
    source: str
    wire: Sequence[Host]
    ask: Ask = PLAIN
    want: Want = Text()
    streamed: Want | None = None
    first: Want | None = None
    requests: int
    streamed_requests: int | None = None
    at_most: Mapping[str, int] = field(default_factory=dict)
    learnt: Sequence[Learnt] = ()
    policy: Mapping[str, Any] = field(default_factory=dict)
    calls: int = 1
    every: float = 0.0
    sent: Callable[[Json], object] | None = None
    warns: str = ""
    ways: frozenset[str] = frozenset()
