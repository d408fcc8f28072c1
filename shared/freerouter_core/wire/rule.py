"""`Rule`: what is recognised in a refusal, and which fault it means."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .fault import Cause, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A row: `statuses` and a pattern over the error's text (None: any) mean `kind` and `cause`."""

    cause: Cause
    kind: Kind
    statuses: frozenset[int] | None = None
    pattern: re.Pattern[str] | None = None
    lacks: frozenset[str] = frozenset()
    """What the model turned out to lack, in the words of `quirks` and of a catalogue."""
    teaches: bool = True
    """Whether the refusal says anything about the model."""

    def matches(self, status: int, text: str, *, of_upstream: bool = False) -> bool:
        """Whether the row is about a response of this status and text. What an upstream of a
        gateway refused (`of_upstream`) is never our account's."""
        if of_upstream and self.kind is Kind.ACCOUNT:
            return False
        return (self.statuses is None or status in self.statuses) and (
            self.pattern is None or self.pattern.search(text) is not None
        )


def rule(
    cause: Cause,
    kind: Kind,
    statuses: str = "",
    pattern: str = "",
    *,
    lacks: str = "",
    teaches: bool = True,
) -> Rule:
    """A row from statuses ("400 500-599"), a pattern without regard to case, and words."""
    numbers: set[int] = set()
    for part in statuses.split():
        low, _, high = part.partition("-")
        numbers.update(range(int(low), int(high or low) + 1))
    return Rule(
        cause=cause,
        kind=kind,
        statuses=frozenset(numbers) or None,
        pattern=re.compile(pattern, re.IGNORECASE) if pattern else None,
        lacks=frozenset(lacks.split()),
        teaches=teaches,
    )
