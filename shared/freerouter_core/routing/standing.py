"""`explain`: how candidates stand, in words."""

from __future__ import annotations

from collections.abc import Sequence

from .candidate import Candidate
from .health_book import HealthBook


def explain(
    candidates: Sequence[Candidate], book: HealthBook, now: float
) -> list[tuple[Candidate, str, float | None]]:
    """Each candidate, its state in words, and when it returns (unix seconds; None: it is ready)."""
    rows: list[tuple[Candidate, str, float | None]] = []
    for candidate in candidates:
        bench = book.accounts.get(candidate.account.scope)
        record = book.models.get(candidate.model.identity)
        if bench is not None and bench.until > now:
            rows.append((candidate, f"account waits: {bench.cause}", bench.until))
        elif record is not None and record.benched_until > now:
            kind = "stated" if record.bench_stated else "guessed"
            state = f"benched ({kind}): {record.last_fault}"
            rows.append((candidate, state, record.benched_until))
        else:
            rows.append((candidate, "ready", None))
    return rows
