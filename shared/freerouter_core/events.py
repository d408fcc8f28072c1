"""What happens, as data: for logs, for metrics, for whoever watches. No event holds a key.

A runtime hands each event to its observers on a thread of their own, in the context (`contextvars`) of the call it belongs to: an observer may
take its time or call a model, and finds the caller's trace.
The package's one logger, `freerouter`, says the same with the event's fields in `extra`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass

log = logging.getLogger("freerouter")


@dataclass(frozen=True, slots=True)
class ModelsFetched:
    """A catalogue was read. `age` is seconds since it was fetched: 0 from the network, more from the disk."""

    provider: str
    total: int
    free: int
    age: float = 0.0


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """A catalogue could not be fetched; an older copy is used if there is one."""

    provider: str
    reason: str


@dataclass(frozen=True, slots=True)
class ModelChosen:
    """A model is being asked. `attempt` counts from 1 within the request."""

    model: str
    provider: str
    attempt: int
    hedge: bool = False


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """An attempt failed; `fault` and `cause` as in the table of `wire.judge`."""

    model: str
    provider: str
    fault: str
    cause: str
    status: int | None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nobody can be asked for `seconds`; the request waits in line."""

    seconds: float


@dataclass(frozen=True, slots=True)
class AttemptTrace:
    """One attempt of a request, the `number`th, as it ended: sent `at` (unix seconds), over after
    `seconds`. `fault` and `cause` are those of the table in `wire.judge`; None: it answered;
    "cancelled": it was called off."""

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
    """What became of one request, the `number`th of its process, begun `at` (unix seconds). It
    `asked` for a model or for "auto". Nothing of what was said is in here."""

    number: int
    at: float
    asked: str
    streamed: bool
    tries: tuple[AttemptTrace, ...]


Tried, Trail = AttemptTrace, RequestTrace
"""The names of version 0.1."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request was answered, after `attempts` attempts and `seconds` in all. `cost` is USD; `first_token`: seconds to a stream's first
    token, failover included; tokens as the provider counted them."""

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
    """A request failed for good, after `attempts` attempts and `seconds`; `error` is the name of what was raised, `status` the HTTP
    status that decided."""

    error: str
    attempts: int
    seconds: float
    status: int | None = None
    trail: RequestTrace | None = None


@dataclass(frozen=True, slots=True)
class CalledOff:
    """The caller called a request off, after `attempts` attempts and `seconds`."""

    attempts: int
    seconds: float
    trail: RequestTrace | None = None


@dataclass(frozen=True, slots=True)
class Charged:
    """A request that was to be free was charged for; it should not happen, and must be seen."""

    model: str
    cost: float


@dataclass(frozen=True, slots=True)
class QuotaLow:
    """Four fifths of a limit of an hour or more are spent: `used` of `limit` (requests or tokens) in `per` seconds."""

    scope: str
    used: float
    limit: int
    per: float


@dataclass(frozen=True, slots=True)
class StoreLost:
    """The shared state cannot be reached: this process goes on by itself, and tries again in `seconds`."""

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
)
Observer = Callable[[Event], object]

_LEVELS: dict[type, int] = {
    FetchFailed: logging.WARNING,
    QuotaLow: logging.WARNING,
    StoreLost: logging.WARNING,
    Charged: logging.ERROR,
    ModelsFetched: logging.INFO,
    AttemptFailed: logging.INFO,
}


def _fell_back(event: Answered) -> bool:
    """Whether another than the first attempt answered: a second one that was asked early, and lost, is no fallback."""
    if event.trail is None:
        return event.attempts > 1
    return any(tried.fault is None and tried.number > 1 for tried in event.trail.tries)


def counted(event: Event) -> dict[str, int]:
    """What an event adds to a runtime's counts."""
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
        case _:
            return {}


def write(event: Event) -> None:
    """Log an event: failures of a fetch as warnings, a charge as an error, the rest for who asks for it."""
    level = _LEVELS.get(type(event), logging.DEBUG)
    if log.isEnabledFor(level):
        told = asdict(event)
        fields = {f"freerouter_{key}": value for key, value in told.items()}
        words = " ".join(
            f"{key}={value}"
            for key, value in told.items()
            if key != "trail" and value not in (None, "", False)
        )
        log.log(
            level,
            "%s %s",
            type(event).__name__,
            words,
            extra={"freerouter_event": type(event).__name__, **fields},
        )
