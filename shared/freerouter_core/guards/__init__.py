"""Guards judge prompts and answers before anybody sees them; see `freerouter_core.guards.base`."""

from .base import Action, ChatClient, Exchange, Guard, GuardLike, Verdict, mark_of, name_of
from .moderation import ModerationGuard, read_classifier
from .patterns import CrisisGuard, PatternGuard

__all__ = [
    "Action",
    "ChatClient",
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
