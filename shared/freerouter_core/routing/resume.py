"""A stream that broke after it was shown: whether another model may continue or replace it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..wire.fault import Fault, Kind
from .policy import Policy
from .steps import Attempt, Shown

RESUMABLE = frozenset({Kind.BUSY, Kind.ACCOUNT, Kind.SLOW, Kind.BROKEN, Kind.UNFIT, Kind.GONE})
"""Kinds of faults after which another model may go on. Not after a refusal of the content, nor if
nothing helps."""


@dataclass(frozen=True, slots=True)
class Seam:
    """Where one model's text ends and another's begins.

    `at`: characters of the answer before it. `attempt`: the one that broke off, with `fault`.
    """

    at: int
    attempt: Attempt
    fault: Fault

    def record(self) -> dict[str, object]:
        """As an answer's metadata tells it."""
        attempt = self.attempt
        return {
            "at": self.at,
            "model": attempt.model.id,
            "provider": attempt.account.provider,
            "fault": self.fault.kind.value,
        }


@dataclass(frozen=True, slots=True)
class Replaced:
    """What the caller saw of an attempt that did not answer: another answered in its place.

    `fault`: None: another was faster.
    """

    what: Literal["reasoning", "object"]
    attempt: Attempt
    fault: Fault | None

    def record(self) -> dict[str, object]:
        """As an answer's metadata tells it."""
        attempt = self.attempt
        return {
            "what": self.what,
            "model": attempt.model.id,
            "provider": attempt.account.provider,
            "fault": None if self.fault is None else self.fault.kind.value,
        }


def resumable(policy: Policy, fault: Fault, shown: Shown | None) -> bool:
    """Whether to continue a broken stream. Only if the policy says so, and never a tool call."""
    return (
        policy.on_stream_break == "continue"
        and shown is not None
        and not shown.pieces
        and fault.kind in RESUMABLE
        and not fault.effect.at_end
    )
