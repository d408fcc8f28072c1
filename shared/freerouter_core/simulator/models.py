"""Who plays in a world: its models and when they fail, its accounts and their limits, and what was seen of each request."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .dialects import Dialect
from .script import Json


@dataclass(frozen=True, slots=True)
class Phase:
    """From `start` to `end` (seconds after the world began) a share of requests meets `fault`, a name in `FAULTS`."""

    start: float
    end: float
    fault: str
    share: float = 1.0


@dataclass
class SimModel:
    """One simulated model. `first_token` is seconds, `speed` tokens a second, both within ±`jitter`.

    `script`: the fates of its first requests, in order: names of `FAULTS`, or None for an answer. `phases`: faults by time.
    It is listed from `born` to `dies` (seconds after the world began) and answers 404 outside.
    """

    id: str
    context: int = 131_072
    max_output: int | None = None
    inputs: tuple[str, ...] = ("text",)
    tools: bool = True
    tool_choice: bool = True
    structured: bool = True
    json_object: bool = True
    reasoning: bool = False
    first_token: float = 0.3
    speed: float = 80.0
    jitter: float = 0.2
    script: Sequence[str | None] = ()
    phases: Sequence[Phase] = ()
    born: float = 0.0
    dies: float = math.inf
    prompt_price: str = "0"
    completion_price: str = "0"
    objects: Callable[[Json], str | None] | None = None
    """The words of the 400 that it answers a request with, given its body; None: it takes it."""
    says: Callable[[Json], str | None] | None = None
    """What it answers in plain text, given the request body; None, or None of it: something obedient."""

    def row(self) -> Json:
        """Its row in `GET /models`."""
        parameters = ["max_tokens", "temperature", "top_p", "stop", "seed"]
        flags = {
            "tools": self.tools,
            "tool_choice": self.tools and self.tool_choice,
            "structured_outputs": self.structured,
            "response_format": self.json_object,
            "reasoning": self.reasoning,
            "include_reasoning": self.reasoning,
        }
        return {
            "id": self.id,
            "name": self.id,
            "created": 1_780_000_000,
            "context_length": self.context,
            "architecture": {"input_modalities": list(self.inputs), "output_modalities": ["text"]},
            "pricing": {"prompt": self.prompt_price, "completion": self.completion_price},
            "top_provider": {
                "context_length": self.context,
                "max_completion_tokens": self.max_output,
            },
            "supported_parameters": sorted(
                parameters + [name for name, has in flags.items() if has]
            ),
        }

    def endpoint(self) -> Json:
        """Its row in `GET /models/{id}/endpoints`."""
        return {
            "provider_name": "Simulated",
            "context_length": self.context,
            "supports_tool_choice": {
                "auto": self.tools,
                "none": True,
                "required": self.tool_choice,
            },
            "status": 0,
            "uptime_last_30m": 99.8,
            "latency_last_30m": {"p50": self.first_token * 1e3},
            "throughput_last_30m": {"p50": self.speed},
        }


@dataclass
class SimAccount:
    """A key and its limits. `per_minute` is any rolling 60 seconds, `per_day` a UTC day; refused requests count for the day. `at_once`: how
    many may be under way."""

    key: str = "sk-simulated"
    per_minute: int | None = 20
    per_day: int | None = None
    at_once: int | None = None
    under_way: list[float] = field(default_factory=list)
    """When what was let through ends."""
    minute: list[float] = field(default_factory=list)
    days: dict[int, int] = field(default_factory=dict)
    minutes: dict[str, list[float]] = field(default_factory=dict)
    """By model, in dialects whose limits are each model's own; "" is the account's, and `minute`."""

    def spend(self, now: float, model: str = "") -> tuple[str, float] | None:
        """Take a request; ("minute" or "day", until when) where a limit refuses it."""
        day = int(now // 86_400)
        self.days[day] = self.days.get(day, 0) + 1
        if self.per_day is not None and self.days[day] > self.per_day:
            return "day", (day + 1) * 86_400.0
        log = self.minutes.setdefault(model, self.minute if not model else [])
        log[:] = [at for at in log if at > now - 60.0]
        if self.per_minute is not None and len(log) >= self.per_minute:
            return "minute", log[0] + 60.0
        log.append(now)
        return None

    def crowded(self, now: float) -> bool:
        """Whether as many are under way as may be."""
        self.under_way[:] = [end for end in self.under_way if end > now]
        return self.at_once is not None and len(self.under_way) >= self.at_once

    def headers(self, dialect: Dialect, now: float, model: str) -> dict[str, str]:
        """What the headers of an answer tell of the minute."""
        log = self.minutes.get(model if dialect.by_model else "", [])
        if self.per_minute is None or not log:
            return {}
        return dialect.headers(
            self.per_minute - len(log), self.per_minute, max(0.0, log[0] + 60.0 - now)
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as the world saw it: when (seconds after it began), for which model, and what became of it."""

    at: float
    model: str
    fate: str
    """ "answer", the name of a fault, "400" (with `problem`), "account-minute", "account-day"."""
    body: Json
    problem: str = ""
