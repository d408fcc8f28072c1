"""`held_words`: what a row of a job waits for, in words that are true of a job that is alone.

A router says of room that it is kept for interactive requests. While nobody has asked, that tells a
job's owner nothing: then it is said how the job spends the limit.
"""

from __future__ import annotations

from ...errors import Exhausted, FreeRouterError
from ...wire.request import Pace
from ..context import Context

KEPT = " kept for interactive requests"
PACED = ' paced (pace="asap" is faster), or kept for interactive requests'
"""How a reason ends that is no limit's end (`routing/waits`)."""
TURN = "its turn would come"
"""What the router says after the reason of a wait, and after who stands before."""


def held_words(reason: str, *, came: bool, pace: Pace) -> str:
    """The reason of a wait. `came`: whether an interactive request came within a day."""
    if reason.endswith(PACED):
        limit = reason.removesuffix(PACED)
        if pace == "asap":
            return f"{limit}{KEPT}" if came else f"{limit} used, but for a reserve that is yours"
        return reason if came else f'{limit} spread evenly (pace="asap" spends more of it now)'
    if not reason.endswith(KEPT) or came:
        return reason
    return f"{reason.removesuffix(KEPT)} taken bit by bit, so that some stay free for you"


def waits_for(context: Context, reason: str, scope: str | None) -> str:
    """What a row waits for. `scope`: where it stands in line; None: its limit is of a day or so,
    and nobody stands in line for that."""
    runtime, resolved = context.runtime, context.resolved
    scopes = [account.scope for account in resolved.accounts.values()] if scope is None else [scope]
    now, visits = runtime.clock.now(), map(runtime.state.people.visit, scopes)
    came = any(visit is not None and visit.lately(now) for visit in visits)
    return held_words(reason, came=came, pace=resolved.pace)


def reason_of(error: FreeRouterError) -> str:
    """What a request waits for that was refused before it was sent; empty: for no limit."""
    if not (isinstance(error, Exhausted) and error.rate_limited):
        return ""
    reason, turn, _ = error.message.partition(TURN)
    return reason.partition("; ")[0] if turn else error.message
