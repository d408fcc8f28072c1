"""Guards judge prompts and answers before anybody sees them; see `freerouter_core.guards.base`."""

from .base import (
    Action,
    CrisisGuard,
    Exchange,
    Guard,
    GuardLike,
    ModerationGuard,
    PatternGuard,
    Verdict,
    mark_of,
    name_of,
    read_classifier,
)

__all__ = [
    "Action",
    "CrisisGuard",
    "Exchange",
    "Guard",
    "GuardLike",
    "ModerationGuard",
    "PatternGuard",
    "Verdict",
    "mark_of",
    "name_of",
    "read_classifier",
]
