"""`Rule`: what is recognised in a refusal, and which fault it means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from .fault import Cause, Kind


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A row: `statuses` and words in the error's text (empty: any) mean `kind` and `cause`."""

    cause: Cause
    kind: Kind
    statuses: frozenset[int] | None = None
    words: str = ""
    """A regular expression, without regard to case."""
    lacks: frozenset[str] = frozenset()
    """What the model turned out to lack, in the words of `quirks` and of a catalogue."""
    teaches: bool = True
    """Whether the refusal says anything about the model."""

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """The words, compiled at their first use: together that takes 30 ms."""
        return re.compile(self.words, re.IGNORECASE) if self.words else None

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
        words=pattern,
        lacks=frozenset(lacks.split()),
        teaches=teaches,
    )
