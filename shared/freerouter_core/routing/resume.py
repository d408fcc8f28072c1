"""A stream that broke after it was shown: whether another model may continue it, and what is remembered of the break."""

from __future__ import annotations

from dataclasses import dataclass

from ..wire.fault import Fault, Kind
from .need import Policy
from .steps import Attempt, Shown

RESUMABLE = frozenset({Kind.BUSY, Kind.ACCOUNT, Kind.SLOW, Kind.BROKEN, Kind.UNFIT, Kind.GONE})
"""Kinds after which somebody else may go on: neither a refusal of the content, nor what nothing helps."""


@dataclass(frozen=True, slots=True)
class Seam:
    """Where one model's text ends and another's begins: `at` characters into the answer, after `attempt` broke off."""

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


def resumable(policy: Policy, fault: Fault, shown: Shown | None) -> bool:
    """Whether a broken stream is to be continued: asked for, and nothing of a tool call was shown, for those never restart."""
    return (
        policy.on_stream_break == "continue"
        and shown is not None
        and not shown.pieces
        and fault.kind in RESUMABLE
        and not fault.effect.at_end
    )
