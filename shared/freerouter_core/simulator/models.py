"""What a world consists of: models and when they fail, accounts and their limits, and its log."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field

from ..catalogue.model import Mode
from .dialects import Dialect
from .response import Json


@dataclass(frozen=True, slots=True)
class Phase:
    """A time in which a model fails.

    From `start` to `end` (seconds after the world began), a `share` of requests meets `fault`,
    a name in `FAULTS`.
    """

    start: float
    end: float
    fault: str
    share: float = 1.0


@dataclass
class SimModel:
    """One simulated model. All but its `id` are keywords."""

    id: str
    _: KW_ONLY
    context: int = 131_072
    """Tokens."""
    max_output: int | None = None
    """Tokens."""
    inputs: tuple[str, ...] = ("text",)
    """Of "text", "image", "audio", "video" and "file"."""
    tools: bool = True
    tool_choice: bool = True
    structured: bool = True
    """Whether it takes JSON schemas."""
    json_object: bool = True
    """Whether it has JSON mode."""
    reasoning: bool = False
    logprobs: bool = False
    """Whether it tells the chances of its tokens."""
    first_token: float = 0.3
    """Seconds to the first token, within ±`jitter`."""
    speed: float = 80.0
    """Tokens a second, within ±`jitter`."""
    jitter: float = 0.2
    script: Sequence[str | None] = ()
    """What its first requests meet, in order: names in `FAULTS`, or None for an answer."""
    phases: Sequence[Phase] = ()
    """When it fails after that."""
    born: float = 0.0
    """When it appears in the list, in seconds after the world began. It answers 404 before."""
    dies: float = math.inf
    """When it disappears. It answers 404 from then on."""
    prompt_price: str = "0"
    """USD a token."""
    completion_price: str = "0"
    """USD a token."""
    dimension: int = 0
    """Numbers of its vectors. Above 0 it is an embedding model, and no chat model."""
    space: str = ""
    """Models of one space give equal vectors; empty: the space is its name without the author and
    `:free`."""
    reranks: bool = False
    """Whether it ranks texts, and is no chat model."""
    batch: int = 100
    """Texts of one request that an embedding or rerank model takes."""
    cuts: bool = False
    """Whether it cuts texts that are longer than `context` in silence; else it refuses them."""
    objects: Callable[[Json], str | None] | None = None
    """Given a request body, the message of the 400 that refuses it; None accepts it."""
    says: Callable[[Json], str | None] | None = None
    """Given a request body, the text of the answer; None composes one."""
    calls: Callable[[Json], Sequence[tuple[str, Json]] | None] | None = None
    """Given a request body, the tools it calls, as (name, arguments); none if there are none. None
    calls those that the prompt is about."""

    def exists(self, elapsed: float) -> bool:
        """Whether it is listed, so many seconds after the world began."""
        return self.born <= elapsed < self.dies

    @property
    def mode(self) -> Mode:
        """What it can be asked for."""
        return "embedding" if self.dimension else "rerank" if self.reranks else "chat"

    @property
    def is_chat(self) -> bool:
        """Whether it answers chats."""
        return self.mode == "chat"

    @property
    def space_name(self) -> str:
        """The space of its vectors."""
        return self.space or self.id.rpartition("/")[2].removesuffix(":free")

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
            "logprobs": self.logprobs,
            "top_logprobs": self.logprobs,
        }
        outputs = ["embeddings" if self.dimension else "rerank" if self.reranks else "text"]
        return {
            "id": self.id,
            "name": self.id,
            "created": 1_780_000_000,
            "context_length": self.context,
            "architecture": {"input_modalities": list(self.inputs), "output_modalities": outputs},
            "pricing": {"prompt": self.prompt_price, "completion": self.completion_price},
            "top_provider": {
                "context_length": self.context,
                "max_completion_tokens": self.max_output,
            },
            "supported_parameters": sorted(
                parameters + [name for name, supported in flags.items() if supported]
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
    """A key with its limits, and what was counted against them.

    Limits after `per_minute` are keywords. In dialects whose limits are each model's own,
    `per_minute` holds for each model.
    """

    key: str = "sk-simulated"
    per_minute: int | None = 20
    """Requests in any 60 seconds."""
    _: KW_ONLY
    per_day: int | None = None
    """Requests in a UTC day. Refused ones count, too."""
    at_once: int | None = None
    """Requests in flight."""
    at_once_fault: str = "429-at-once"
    """What one too many meets: a name in `FAULTS`."""
    texts_per_minute: int | None = None
    """Texts to embed in any 60 seconds: each counts, as Gemini counts them."""
    texts_per_day: int | None = None
    """Texts to embed in a UTC day."""
    tokens_per_minute: int | None = None
    """Tokens of texts to embed in any 60 seconds."""
    texts: list[tuple[float, int, int]] = field(default_factory=list)
    """When texts of the last day were sent, how many, and with how many tokens."""
    under_way: list[float] = field(default_factory=list)
    """When each request in flight ends, in unix seconds."""
    minute: list[float] = field(default_factory=list)
    """When the account's requests of the last minute were sent."""
    days: dict[int, int] = field(default_factory=dict)
    """Requests by UTC day, counted from 1970."""
    minutes: dict[str, list[float]] = field(default_factory=dict)
    """The same as `minute` by model, where limits are each model's own; "" is the account's."""

    def spend(self, now: float, model: str = "") -> tuple[str, float] | None:
        """Count a request. If a limit refuses it: "minute" or "day", and when the limit ends."""
        day = int(now // 86_400)
        self.days[day] = self.days.get(day, 0) + 1
        if self.per_day is not None and self.days[day] > self.per_day:
            return "day", (day + 1) * 86_400.0
        sent = self.minutes.setdefault(model, self.minute if not model else [])
        sent[:] = [at for at in sent if at > now - 60.0]
        if self.per_minute is not None and len(sent) >= self.per_minute:
            return "minute", sent[0] + 60.0
        sent.append(now)
        return None

    def spend_texts(self, now: float, count: int, tokens: int) -> tuple[str, float] | None:
        """Count texts to embed. If a limit refuses them: "minute" or "day", and when it ends."""
        day = now // 86_400 * 86_400
        self.texts[:] = [sent for sent in self.texts if sent[0] > min(day, now - 60.0)]
        lately = [sent for sent in self.texts if sent[0] > now - 60.0]
        today = sum(sent[1] for sent in self.texts if sent[0] >= day)
        if self.texts_per_day is not None and today + count > self.texts_per_day:
            return "day", day + 86_400.0
        for most, place, amount in (
            (self.texts_per_minute, 1, count),
            (self.tokens_per_minute, 2, tokens),
        ):
            if most is not None and sum(sent[place] for sent in lately) + amount > most:
                return "minute", (lately[0][0] if lately else now) + 60.0
        self.texts.append((now, count, tokens))
        return None

    def crowded(self, now: float) -> bool:
        """Whether `at_once` requests are in flight."""
        self.under_way[:] = [end for end in self.under_way if end > now]
        return self.at_once is not None and len(self.under_way) >= self.at_once

    def headers(self, dialect: Dialect, now: float, model: str) -> dict[str, str]:
        """What the headers of an answer say of the minute."""
        sent = self.minutes.get(model if dialect.by_model else "", [])
        if self.per_minute is None or not sent:
            return {}
        reset = max(0.0, sent[0] + 60.0 - now)
        return dialect.headers(self.per_minute - len(sent), self.per_minute, reset)


@dataclass(frozen=True, slots=True)
class Seen:
    """A chat request as the world logged it."""

    at: float
    """Seconds after the world began."""
    model: str
    fate: str
    """ "answer", a name in `FAULTS`, "400" or "404" (see `problem`), "account-minute" or
    "account-day"."""
    body: Json
    problem: str = ""
    """The error message of a 400 or 404."""
