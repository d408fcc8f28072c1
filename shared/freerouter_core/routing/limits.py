"""Limits are kept by reserving: a request takes its share of every limit first, or of none (law 4).

A share is taken before the request is sent, so that concurrent requests cannot all be the first.
What was sent stays spent until its window has passed, whatever became of it. Only concurrency is
leased: it comes back when the request ends, or when its lease runs out because the process died.

Everything here is a function of windows and the time, and a window is plain data. So the same code
decides for one process, for all processes of a machine (SQLite) and for many machines (Redis); see
`runtime.ledger`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Required, TypedDict, Unpack

from ..catalogue.calendar import DAY
from ..catalogue.providers import Limit
from .charges import DOLLAR, Charge, Grant, Refusal, amount_of, is_budget, size_of
from .lanes import Background
from .shares import YIELD_POLL, lane_of
from .window import Window

LEARNT_POLL = 2.0
"""Seconds after which a full learnt limit is looked at again: it may be forgotten by then."""
DAY_RESERVE = 100
"""Requests of a day that stay for ordinary attempts when a part of each limit is kept back."""

Windows = Callable[[Charge], Window]
"""Finds the window of a charge as it is now."""
Lines = Mapping[str, int]
"""By scope: how many requests of one lane and one process wait."""


def reserve(
    windows: Windows,
    charges: tuple[Charge, ...],
    number: int,
    now: float,
    tokens: int = 0,
    keep: float = 0.0,
    background: Background | None = None,
    lines: Lines | None = None,
    parts: int = 1,
) -> Grant | Refusal:
    """Take a share of every charge, or return the refusal that lasts longest.

    `number`: the grant's own. `keep`: the part of each limit to leave untouched, 0 to 1.
    `background`: what a background request must leave; None: it is interactive. `lines`: how many
    requests of its lane and process wait behind it, by scope; None: no other process is there.
    `parts`: among how many processes each limit is divided; what the others take is not seen.
    """
    refusal, full = refused(windows, charges, number, now, tokens, keep, background, lines, parts)
    if refusal is not None and full is not None:
        if lines is not None:
            _wait_in_line(windows(full), full, number, lines, now, refusal.until)
        return refusal
    for charge in charges:
        window, amount = windows(charge), amount_of(charge, tokens)
        window.take(charge.limit, number, amount, now)
        if lines is not None:
            waiting = lines.get(charge.scope, 0)
            window.shares.took(lane_of(number), amount, waiting, charge.limit, now)
    return Grant(number, charges, now, tokens)


def refused(
    windows: Windows,
    charges: tuple[Charge, ...],
    number: int,
    now: float,
    tokens: int = 0,
    keep: float = 0.0,
    background: Background | None = None,
    lines: Lines | None = None,
    parts: int = 1,
) -> tuple[Refusal | None, Charge | None]:
    """(the refusal that lasts longest, the limit that is full); Nones: all have room.

    Takes nothing. The arguments are those of `reserve`.
    """
    refusal: Refusal | None = None
    full: Charge | None = None
    for charge in charges:
        window, limit = windows(charge), charge.limit
        window.expire(limit, now)
        if charge.before and not window.times:
            for at in charge.before:
                window.take(limit, 0, 1, at)
        amount = amount_of(charge, tokens)
        size = _usable(limit, keep, parts, amount)
        until, kept = _free_at(charge, window, amount, now, size, background)
        if until <= now and lines is not None:
            left = window.shares.left_by(lane_of(number), amount, limit.per, now)
            if left and _free_at(charge, window, amount, now, size, background, left)[0] > now:
                until, kept = now + YIELD_POLL, False
        if charge.name and until > now:
            until = min(until, now + LEARNT_POLL)
        if until > now and (refusal is None or until > refusal.until):
            learnt, full = bool(charge.name), charge
            refusal = Refusal(
                until, charge.scope, limit=limit, kept=kept, learnt=learnt, guess=charge.guess
            )
    return refusal, full


def _free_at(
    charge: Charge,
    window: Window,
    amount: float,
    now: float,
    size: float,
    background: Background | None,
    left: float = 0.0,
) -> tuple[float, bool]:
    """(when `amount` fits and leaves `left`, whether the room is kept for interactive ones).

    `size`: what is usable of the limit.
    """
    until = window.free_at(charge.limit, amount + left, size, now)
    if background is None or until > now:
        return until, False
    return background.free_at(charge, window, amount, now, left), True


def _wait_in_line(
    window: Window,
    charge: Charge,
    number: int,
    lines: Lines,
    now: float,
    until: float,
) -> None:
    """Tell the other processes. Leases end unannounced, so their room is awaited from now on."""
    opens = now if charge.limit.concurrent is not None else until
    waiting = lines.get(charge.scope, 0) + 1
    window.shares.waits(lane_of(number), waiting, opens, until, charge.limit, now)


def _usable(limit: Limit, keep: float, parts: int, amount: float) -> float:
    """The size of a limit, less what is kept back. One of many parts holds the request at least: a
    long prompt, or a batch of texts, may be more than a part of a minute."""
    size = int(size_of(limit) * (1 - keep))
    if keep and limit.per >= DAY and limit.requests is not None:
        size = min(size, limit.requests - DAY_RESERVE)
    return size if parts == 1 else max(size // parts, min(size, amount))


class Ending(TypedDict, total=False):
    """How a grant ended."""

    sent: Required[bool]
    """Whether its request was sent."""
    turned_away: bool
    """Whether it was not let in."""
    tokens: int | None
    """What it used, if that is known."""
    cost: float | None
    """The same in USD."""


def changes(grant: Grant, **ending: Unpack[Ending]) -> dict[Charge, float | None]:
    """What the end of a grant changes: the amount by charge; None: the share comes back.

    Leases come back, and so does everything that was never sent. Of a limit that was learnt from
    what was let in, so does what was turned away. Tokens and dollars become what was really used,
    if that is known.
    """
    sent, turned_away = ending["sent"], ending.get("turned_away", False)
    tokens, cost = ending.get("tokens"), ending.get("cost")
    amounts: dict[Charge, float | None] = {}
    for charge in grant.charges:
        learnt = bool(charge.name)
        if charge.limit.concurrent is not None or not sent or (learnt and turned_away):
            amounts[charge] = None
        elif is_budget(charge):
            if cost is not None:
                amounts[charge] = cost * DOLLAR
        elif charge.limit.tokens is not None and tokens is not None and tokens != grant.tokens:
            amounts[charge] = tokens
    return amounts


def freed(
    grant: Grant, changed: Mapping[Charge, float | None], *, turned_away: bool = False
) -> set[str]:
    """The scopes in which the end of a grant made room, by what it changed (`changes`). What was
    turned away leaves none, unless it held a lease."""
    return {
        charge.scope
        for charge, amount in changed.items()
        if (amount is None or amount < amount_of(charge, grant.tokens))
        and not (turned_away and charge.limit.concurrent is None)
    }


def settle(windows: Windows, grant: Grant, **ending: Unpack[Ending]) -> dict[Charge, float | None]:
    """End a grant. Returns what that changed; see `changes`."""
    changed = changes(grant, **ending)
    for charge, amount in changed.items():
        windows(charge).change(charge, grant, amount)
    return changed
