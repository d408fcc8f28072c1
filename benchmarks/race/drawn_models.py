"""Models drawn at random: what they can do, how they fail and when, and what is listed of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from scene import Json, Way, says
from worlds import between, on_and_off

from freerouter_core.runtime.loop.clock import RealClock, VirtualClock
from freerouter_core.simulator import Phase, SimModel, World
from freerouter_core.simulator.models import Seen
from freerouter_core.simulator.response import TimedResponse

FAILURES = {
    "429-retry-after": 3.0,
    "429-upstream": 2.0,
    "empty": 1.0,
    "hang": 1.0,
    "cut": 0.7,
    "500": 1.0,
    "404-upstream": 0.7,
    "404-gone": 0.3,
    "error-in-200": 0.5,
    "slow": 0.5,
}
"""The ways to fail, and how often each is drawn. A model has one."""
OUTAGES = ("502", "503", "hang")
"""How a provider fails with all its models."""


@dataclass
class DrawnModel(SimModel):
    """A model that may be listed with other abilities than it has."""

    listed: SimModel | None = None
    """What the catalogue says of it, if it errs."""
    honesty: float = 1.0
    """What it states in Retry-After, as a multiple of the seconds that it stays down."""

    def row(self) -> Json:
        return super().row() if self.listed is None else self.listed.row()


class DrawnWorld(World[VirtualClock]):
    """States in Retry-After how long a model stays down, times the model's honesty."""

    def respond(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> TimedResponse:
        response = super().respond(method, path, headers, body)
        return with_wait(response, self.requests, self.models)


class RealDrawnWorld(World[RealClock]):
    """The same in real time."""

    def respond(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> TimedResponse:
        response = super().respond(method, path, headers, body)
        return with_wait(response, self.requests, self.models)


def with_wait(
    response: TimedResponse, requests: Sequence[Seen], models: Mapping[str, SimModel]
) -> TimedResponse:
    """The response to the latest request, with the wait that its model states."""
    if "Retry-After" not in response.headers or not requests:
        return response
    seen = requests[-1]
    model = models.get(seen.model)
    if seen.fate != "429-retry-after" or not isinstance(model, DrawnModel):
        return response
    ends = [p.end for p in model.phases if p.start <= seen.at < p.end and p.end < math.inf]
    seconds = max(ends, default=seen.at + 10.0) - seen.at
    wait = str(max(1, math.ceil(seconds * model.honesty)))
    return replace(response, headers=response.headers | {"Retry-After": wait})


Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Nature:
    """What the models of one world have in common. Ranges are log-uniform."""

    span: float
    """Seconds that callers keep coming."""
    first_token: Range
    up: Range
    """Seconds that a model stays up, on average."""
    down: Range
    steady: float
    """Share of models that are never down."""
    broken: float
    """Share of models that are never up."""
    noise: float
    """Most requests that a model fails while it is up, as a share."""
    turnover: float
    """Share of models that are born later, and of those that die."""
    failures: Mapping[str, float]
    tools: float
    """Share of models with tools."""
    structured: float
    vision: float
    prose: float
    """Share of models without JSON mode that answer a request for JSON with prose."""
    authors: list[str]

    @classmethod
    def drawn(cls, rng: Random, span: float) -> Nature:
        first = between(rng, 0.15, 1.0)
        first_token = first, first * between(rng, 1.5, 15.0)
        up, down = between(rng, 30, 1_500), between(rng, 20, 250)
        return cls(
            span=span,
            first_token=first_token,
            up=(up, min(3_600.0, up * between(rng, 1.2, 12.0))),
            down=(down, min(600.0, down * between(rng, 1.2, 8.0))),
            steady=rng.choice((0.0, 0.1, 0.3)),
            broken=rng.choice((0.0, 0.0, 0.15, 0.5)),
            noise=between(rng, 0.005, 0.15),
            turnover=rng.choice((0.0, 0.0, 0.1, 0.3)),
            failures={name: rate * rng.expovariate(1.0) for name, rate in FAILURES.items()},
            tools=rng.uniform(0.35, 0.85),
            structured=rng.uniform(0.2, 0.8),
            vision=rng.uniform(0.08, 0.45),
            prose=rng.uniform(0.4, 1.0),
            authors=[f"author{n}" for n in range(rng.randint(2, 12))],
        )

    def models(self, rng: Random, provider: str, number: int) -> list[DrawnModel]:
        """The models of one provider."""
        outages: list[Phase] = []
        if rng.random() >= 0.5:
            up, down = between(rng, 300, 7_200), between(rng, 20, 600)
            outages = on_and_off(rng, up, down, self.span, (rng.choice(OUTAGES),))
        models = [self._model(rng, provider, n, outages) for n in range(number)]
        models[0].born, models[0].dies = 0.0, math.inf  # no list is ever empty
        return models

    def _model(self, rng: Random, provider: str, n: int, outages: list[Phase]) -> DrawnModel:
        name = f"{rng.choice(self.authors)}/{provider}-{n}"
        phases = outages + self._phases(rng)
        born = rng.uniform(0.0, self.span) if rng.random() < self.turnover else 0.0
        dies = rng.uniform(born, self.span) if rng.random() < self.turnover else math.inf
        tools, structured = rng.random() < self.tools, rng.random() < self.structured
        vision = rng.random() < self.vision
        prose = not structured and rng.random() < self.prose
        return DrawnModel(
            {"openrouter": f"{name}:free", "cloudflare": f"@cf/{name}"}.get(provider, name),
            inputs=("text", "image") if vision else ("text",),
            tools=tools,
            tool_choice=tools and rng.random() < 0.8,
            structured=structured,
            json_object=structured or (not prose and rng.random() < 0.4),
            first_token=between(rng, *self.first_token),
            speed=between(rng, 20.0, 200.0),
            jitter=rng.uniform(0.05, 0.6),
            phases=phases,
            born=born,
            dies=dies,
            says=_prose if prose else says,
            honesty=1.0 if rng.random() < 0.6 else between(rng, 0.1, 10.0),
        )

    def _phases(self, rng: Random) -> list[Phase]:
        """When a model is down, and how often it fails while it is up. It always fails alike."""
        [fault] = rng.choices(list(self.failures), list(self.failures.values()))
        phases = []
        fate = rng.random()
        if fate < self.broken:
            phases.append(Phase(0.0, math.inf, fault))
        elif fate < 1.0 - self.steady:
            up, down = between(rng, *self.up), between(rng, *self.down)
            phases += on_and_off(rng, up, down, self.span, (fault,))
        return [*phases, Phase(0.0, math.inf, fault, self.noise * rng.random())]


def make_possible(rng: Random, models: list[DrawnModel], ways: set[Way]) -> None:
    """See to it that at least one model can answer each way of asking."""
    lasting = [m for m in models if m.born == 0.0 and m.dies == math.inf] or models
    if "tools" in ways and not any(m.tools for m in lasting):
        rng.choice(lasting).tools = True
    if "schema" in ways and not any(m.structured for m in lasting):
        model = rng.choice(lasting)
        model.structured, model.says = True, says
    if "picture" in ways and not any("image" in m.inputs for m in lasting):
        rng.choice(lasting).inputs = ("text", "image")


def misprint(rng: Random, models: list[DrawnModel]) -> None:
    """Let the catalogue err about some models' tools or JSON."""
    rate = rng.choice((0.0, 0.0, 0.03, 0.1))
    for model in models:
        wrong_tools, wrong_json = rng.random() < rate, rng.random() < rate
        if wrong_tools or wrong_json:
            model.listed = SimModel(
                model.id,
                inputs=model.inputs,
                tools=model.tools is not wrong_tools,
                tool_choice=model.tool_choice,
                structured=model.structured is not wrong_json,
                json_object=model.json_object,
            )


def _prose(request: Json) -> str | None:
    """Prose, even if JSON was asked for."""
    return says({"messages": request["messages"]})
