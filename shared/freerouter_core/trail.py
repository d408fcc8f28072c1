"""`Trail`: the way of one request as data, for observers: whom it tried, when, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt of a request, the `number`th, as it ended: sent `at` (unix seconds), over after `seconds`. `fault` and `cause` as in the
    table of `wire.judge`; None: it answered; "cancelled": it was called off."""

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
class Trail:
    """The way of one request: the `number`th of its process, begun `at` (unix seconds), `asked` of a model or of "auto". Nothing of what was
    said stands here."""

    number: int
    at: float
    asked: str
    streamed: bool
    tries: tuple[Tried, ...]
