"""Events: what happens, as data for logs, metrics and observers. No event holds a key.

A runtime passes each event to its observers on a thread of their own, so an observer may take its
time or call a model. It runs in the context (`contextvars`) of the call that the event belongs to.
The package's only logger, `freerouter`, logs each event, with its fields in `extra`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass

log = logging.getLogger("freerouter")


@dataclass(frozen=True, slots=True)
class ModelsFetched:
    """A catalogue was read. `age`: seconds since it was fetched; more than 0 from the disk."""

    provider: str
    total: int
    free: int
    age: float = 0.0


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """A catalogue could not be fetched. An older copy is used if there is one."""

    provider: str
    reason: str


@dataclass(frozen=True, slots=True)
class ModelChosen:
    """A model is being asked. `attempt` counts from 1 within the request."""

    model: str
    provider: str
    attempt: int
    hedge: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed:
    """An attempt failed. `wire.fault` lists the faults and their causes."""

    model: str
    provider: str
    fault: str
    cause: str
    status: int | None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request begins to wait, because no model can be asked now.

    Attributes:
        seconds: how long it is expected to wait.
        until: when that ends, in unix seconds. 0: not known.
        reason: what it waits for, in words.
        before: how many requests stand before it in the line.
        number: the request's place among the requests of the runtime, from 1.
    """

    seconds: float
    until: float = 0.0
    reason: str = ""
    before: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptTrace:
    """One attempt of a request, after it ended.

    Attributes:
        number: its place among the attempts of the request, from 1.
        model: the model's id.
        provider: the provider that was asked.
        at: when it was sent, in unix seconds.
        seconds: how long it took.
        fault: how it failed, as in `wire.fault`. None: it answered. "cancelled": it was cancelled.
        cause: why it failed.
        status: the HTTP status. None: no response came.
        hedge: whether it was a second attempt beside a slow one.
    """

    number: int
    model: str
    provider: str
    at: float
    seconds: float
    fault: str | None
    cause: str
    status: int | None
    hedge: bool = False


@dataclass(frozen=True, slots=True)
class RequestTrace:
    """One request, without its content.

    Attributes:
        number: its place among the requests of the runtime, from 1.
        at: when it began, in unix seconds.
        asked: the model it asked for, or "auto".
        streamed: whether it was a stream.
        tries: its attempts, in the order they ended.
    """

    number: int
    at: float
    asked: str
    streamed: bool
    tries: tuple[AttemptTrace, ...]


Tried, Trail = AttemptTrace, RequestTrace
"""The names of version 0.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request was answered.

    Attributes:
        model: the model that answered.
        provider: its provider.
        attempts: how many attempts it took.
        seconds: how long it took, failover included.
        cost: USD.
        first_token: seconds to the first token of a stream, failover included.
        prompt_tokens: as the provider counted them.
        completion_tokens: as the provider counted them.
        finish_reason: why the model stopped.
        id: the provider's id of the answer.
        trail: the request and its attempts.
    """

    model: str
    provider: str
    attempts: int
    seconds: float
    cost: float | None = None
    first_token: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str | None = None
    id: str = ""
    trail: RequestTrace | None = None


@dataclass(frozen=True, slots=True)
class GaveUp:
    """A request failed for good, after `attempts` attempts and `seconds`. `error` is the name of
    the error that was raised. `status` is the HTTP status that decided."""

    error: str
    attempts: int
    seconds: float
    status: int | None = None
    trail: RequestTrace | None = None


@dataclass(frozen=True, slots=True)
class CalledOff:
    """The caller cancelled a request, after `attempts` attempts and `seconds`."""

    attempts: int
    seconds: float
    trail: RequestTrace | None = None


@dataclass(frozen=True, slots=True)
class Charged:
    """A request cost money (USD) although only free models were allowed. This should not happen."""

    model: str
    cost: float


@dataclass(frozen=True, slots=True)
class QuotaLow:
    """Four fifths of a limit of an hour or more are used: `used` of `limit` in `per` seconds."""

    scope: str
    used: float
    limit: int
    per: float


@dataclass(frozen=True, slots=True)
class StoreLost:
    """The shared state cannot be reached. This process goes on alone, and tries again after
    `seconds`."""

    reason: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCacheUsed:
    """A request looked for an answer that is kept, or one was kept.

    Attributes:
        result: "hit": an answer that was kept served the request. "joined": the answer of an equal
            request under way did. "miss": it was asked for. "stored": the answer is kept from now
            on. "dropped": a kept answer did not pass the request's validator, and is forgotten.
        model: the model that gave the answer; empty: none did yet.
        provider: its provider.
        age: seconds since the answer was given.
        prompt_tokens: what was not spent again, as the provider counted it.
        completion_tokens: the same.
    """

    result: str
    model: str = ""
    provider: str = ""
    age: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class AnswersLost:
    """Kept answers cannot be reached. Requests are asked anew, and the store is tried again after
    `seconds`."""

    reason: str
    seconds: float


Event = (
    ModelsFetched
    | FetchFailed
    | ModelChosen
    | AttemptFailed
    | Waiting
    | Answered
    | GaveUp
    | CalledOff
    | Charged
    | QuotaLow
    | StoreLost
    | AnswerCacheUsed
    | AnswersLost
)
Observer = Callable[[Event], object]

_LEVELS: dict[type, int] = {
    FetchFailed: logging.WARNING,
    QuotaLow: logging.WARNING,
    StoreLost: logging.WARNING,
    AnswersLost: logging.WARNING,
    Charged: logging.ERROR,
    ModelsFetched: logging.INFO,
    AttemptFailed: logging.INFO,
}


SERVED = ("hit", "joined")
"""Results of `AnswerCacheUsed` in which nothing was asked."""


def _fell_back(event: Answered) -> bool:
    """Whether a later attempt than the first answered. A hedge that lost is no fallback."""
    if event.trail is None:
        return event.attempts > 1
    return any(attempt.fault is None and attempt.number > 1 for attempt in event.trail.tries)


def counted(event: Event) -> dict[str, int]:
    """What an event adds to the counts of a runtime."""
    match event:
        case ModelChosen():
            return {"attempts": 1, "hedges": int(event.hedge), f"asked:{event.model}": 1}
        case AttemptFailed():
            return {"failures": 1, f"fault:{event.fault}": 1, f"failed:{event.model}": 1}
        case Answered():
            return {
                "answered": 1,
                "fell_back": int(_fell_back(event)),
                "milliseconds": int(event.seconds * 1e3),
            }
        case GaveUp():
            return {"gave_up": 1, f"error:{event.error}": 1}
        case CalledOff():
            return {"called_off": 1}
        case Waiting():
            return {"waits": 1}
        case AnswerCacheUsed():
            counts = {f"answer_cache:{event.result}": 1}
            if event.result in SERVED:
                tokens = (event.prompt_tokens or 0) + (event.completion_tokens or 0)
                counts["tokens_saved"] = tokens
            return counts
        case _:
            return {}


def write(event: Event) -> None:
    """Log an event at its level: a charge is an error, what limits the service a warning."""
    level = _LEVELS.get(type(event), logging.DEBUG)
    if not log.isEnabledFor(level):
        return
    name, fields = type(event).__name__, asdict(event)
    details = " ".join(
        f"{key}={value}"
        for key, value in fields.items()
        if key != "trail" and value not in (None, "", False)
    )
    extra = {"freerouter_event": name, **{f"freerouter_{k}": v for k, v in fields.items()}}
    log.log(level, "%s %s", name, details, extra=extra)
