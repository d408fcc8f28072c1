"""Guards judge prompts and answers before anybody sees them; see `freerouter_core.guards.base`."""

from .base import Action, ChatClient, Exchange, Guard, GuardLike, Verdict, mark_of, name_of
from .builtin import CrisisGuard, ModerationGuard, PatternGuard, read_classifier

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
