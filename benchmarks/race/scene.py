"""`Scene`: the servers of a world, and the calls that come to it. A router is told only limits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from freerouter_core.catalogue.providers import Limit
from freerouter_core.simulator import SimAccount, SimModel
from freerouter_core.simulator.dialects import DIALECTS
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.structured import Structured
from freerouter_core.wire.structured_reader import read_structured

Json = dict[str, Any]
Way = Literal["plain", "tools", "schema", "picture"]
"""Ways of asking."""

WORDS = 120
"""Length of an answer, where a world does not say otherwise."""
DEADLINE = 60.0
"""Seconds that a caller waits, where a world does not say otherwise."""
KEY = "sk-race"
TOOL: Json = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
WISH = Structured(
    {"type": "object", "properties": {"sea": {"type": "string"}}, "required": ["sea"]}
)
"""The object that calls for JSON ask for."""
PICTURE: Json = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}


_NEEDS: dict[Way, frozenset[str]] = {
    "plain": frozenset(),
    "tools": frozenset({"tools"}),
    "schema": frozenset({"structured_outputs"}),
    "picture": frozenset({"image"}),
}


@dataclass(frozen=True, slots=True)
class Call:
    """One caller: when it comes, how it asks, how long an answer it gets and how long it waits."""

    at: float
    """Seconds after the world began."""
    way: Way = "plain"
    length: int = WORDS
    deadline: float = DEADLINE
    number: int = 0

    @property
    def text(self) -> str:
        """The prompt. It tells a `SimModel` how long to answer, and a trace who asked."""
        subject = "get_weather in Lisbon" if self.way == "tools" else "Tell me of the sea"
        return f"{subject} in {self.length} words. #{self.number}"

    @property
    def messages(self) -> list[Json]:
        content: object = self.text
        if self.way == "picture":
            content = [{"type": "text", "text": self.text}, PICTURE]
        return [{"role": "user", "content": content}]

    @property
    def tools(self) -> list[Json]:
        return [TOOL] if self.way == "tools" else []

    @property
    def needs(self) -> frozenset[str]:
        """What a model must be able to do, in the catalogue's words."""
        return _NEEDS[self.way]

    def accepts(self, answer: Answer) -> bool:
        """Whether it is what the call asked for."""
        if self.way == "tools":
            return any(call.name == TOOL["function"]["name"] for call in answer.tool_calls)
        if self.way == "schema":
            return read_structured(answer, WISH).problem is None
        return bool(answer.text.strip())


@dataclass(frozen=True, kw_only=True)
class Server:
    """One provider of a world: its row in providers.toml is its dialect, too."""

    provider: str
    models: list[SimModel]
    account: SimAccount
    stated: SimAccount | None
    """The limits that routers are told; None: they are told of no limit."""
    endpoints: bool = False
    """Whether it lists how fast its models are."""

    @property
    def by_model(self) -> bool:
        """Whether the minute's limit is each model's own."""
        return DIALECTS[self.provider].by_model

    def limits(self) -> list[Limit]:
        """The same as a router takes them."""
        account = self.stated
        if account is None:
            return []
        limits = []
        if account.per_minute is not None:
            scope: Literal["model", "account"] = "model" if self.by_model else "account"
            limits.append(Limit(requests=account.per_minute, scope=scope))
        if account.per_day is not None:
            limits.append(Limit(requests=account.per_day, per=86_400.0, reset="utc-day"))
        if account.at_once is not None:
            limits.append(Limit(concurrent=account.at_once))
        return limits


@dataclass(frozen=True)
class Scene:
    """A world and its demand."""

    name: str
    seed: int
    servers: list[Server]
    calls: list[Call] = field(repr=False, default_factory=list)

    @property
    def span(self) -> float:
        """Seconds until the last caller gives up."""
        return max((call.at + call.deadline for call in self.calls), default=DEADLINE)

    @property
    def models(self) -> Iterable[tuple[Server, SimModel]]:
        return ((server, model) for server in self.servers for model in server.models)


def length_of(request: Json) -> int:
    """How long an answer a call asks for."""
    return int(re.findall(r"in (\d+) words", json.dumps(request["messages"]))[-1])


def says(request: Json) -> str | None:
    """A text as long as the call asks for. None composes an answer to a request for an object."""
    return None if request.get("response_format") else "word " * length_of(request)


def abilities_of(model: SimModel) -> frozenset[str]:
    """What the catalogue says that a model can do."""
    row = model.row()
    return frozenset(row["supported_parameters"] + row["architecture"]["input_modalities"])


def calls_at(times: Iterable[float]) -> list[Call]:
    """Plain calls at these times."""
    return [Call(at, number=number) for number, at in enumerate(times)]


def hurried(scene: Scene, factor: float) -> Scene:
    """The same world `factor` times as fast: models come and go, and callers come, sooner."""

    def sooner(model: SimModel) -> SimModel:
        phases = [
            replace(phase, start=phase.start / factor, end=phase.end / factor)
            for phase in model.phases
        ]
        return replace(model, phases=phases, born=model.born / factor, dies=model.dies / factor)

    return replace(
        scene,
        servers=[replace(s, models=[sooner(m) for m in s.models]) for s in scene.servers],
        calls=[replace(call, at=call.at / factor) for call in scene.calls],
    )
