"""`check`: proves the laws over the history of one run. It knows nothing of how they are kept.

What is excused, and nothing else:

- A process never exceeds a limit by itself, whatever its store does. Only a jump of its machine's
  clock empties its windows: one more limit for each jump.
- All processes of a store together never exceed it. If the store failed or lost data in that
  window, or so shortly before that it was left alone (`RETRY`), each process counts for itself.
- A request that began before its process read of a price that rose does not know of it. It relies
  on its price cap, which is dropped once the provider has said that it does not know it.
- Without a store, a process that was killed takes what it knew with it.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from history import Arrival, Ending, History
from scene import Call, Scene, Server

from freerouter_core import Limit
from freerouter_core.catalogue.calendar import DAY
from freerouter_core.errors import FreeRouterError
from freerouter_core.runtime.ledger.ledger import STORE_RETRY_AFTER, STORE_TIMEOUT
from freerouter_core.runtime.ledger.state_sync import INTERVAL, OUTDATED

RETRY = STORE_RETRY_AFTER + 2 * STORE_TIMEOUT
"""Seconds after a failure of the store in which a process may decide alone."""
HEARD = 1.0 + STORE_TIMEOUT
TOLD = HEARD + INTERVAL + OUTDATED
"""Seconds until a refusal is known to its process, and to all processes of a store."""
CLOCK_STEP = 1.5
"""Seconds of a stated wait that may be lost: a server's `Date` counts whole seconds."""
GRACE = 0.5
"""Seconds by which an answer may be later than its caller's timeout."""
LONGEST_REQUEST = 700.0
"""Seconds that a request may be in flight: so long a jump of a clock is felt in a lane."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A law that was broken. `call`: whose journal tells more; 0: no call's."""

    law: str
    what: str
    call: int = 0


def check(scene: Scene, history: History) -> list[Violation]:
    """Every violation in a run."""
    calls = {call.number: call for call in scene.calls}
    found: list[Violation] = []
    for server in scene.servers:
        for limit in server.known:
            found += _limit(scene, history, server, limit)
    for ending in history.endings:
        found += _answered(calls[ending.call], ending)
        found += _told(calls[ending.call], ending)
    found += _counted_once(history)
    found += [Violation("a lease is left", text) for text in history.leftovers]
    found += [Violation("a key is outside", text) for text in history.leaks]
    found += [Violation("something is charged", text) for text in history.charges]
    found += _paid(history)
    found += _kept(scene, history)
    return found


# -- limits ---------------------------------------------------------------------------------------


def _limit(scene: Scene, history: History, server: Server, limit: Limit) -> Iterator[Violation]:
    """A limit of a server, in every window that ends with an arrival."""
    arrivals = sorted(
        (a for a in history.arrivals if a.provider == server.name and _is_free(a)),
        key=lambda arrival: arrival.at,
    )
    size = limit.concurrent if limit.concurrent is not None else limit.requests
    assert size is not None
    for arrival in arrivals:
        earlier = [other for other in arrivals if other.at <= arrival.at]
        members, since = _window(scene, limit, arrival, earlier)
        excess = _excess(scene, history, members, size, since, arrival.at)
        if excess:
            yield Violation(
                "a limit is exceeded", f"{server.name}, {limit}: {excess}", arrival.call
            )
            return  # one is enough to look at: the others follow from it


def _is_free(arrival: Arrival) -> bool:
    return arrival.provider != "openrouter" or arrival.model.endswith(":free")


def _window(
    scene: Scene, limit: Limit, arrival: Arrival, earlier: list[Arrival]
) -> tuple[list[Arrival], float]:
    """(what counts when `arrival` is the last, from when on trouble matters)."""
    at = arrival.at
    if limit.concurrent is not None:
        in_flight = [other for other in earlier if other.ended > at or other is arrival]
        return in_flight, at - LONGEST_REQUEST
    if limit.reset == "utc-day":
        day = math.floor((scene.start + at) / DAY)
        since = day * DAY - scene.start
        return [other for other in earlier if other.at >= since], since
    return [other for other in earlier if other.at > at - limit.per], at - limit.per


def _excess(
    scene: Scene, history: History, members: list[Arrival], size: int, since: float, at: float
) -> str:
    """What is not excused, as a text. Empty: nothing."""
    if len(members) <= size:
        return ""
    jumps = sum(t.kind == "jump" and since - RETRY <= t.at <= at for t in history.troubles)
    allowed = size * (1 + jumps)
    for process, count in Counter(member.process for member in members).items():
        if count > allowed:
            return f"{count} by {process} until {at:.3f}, {jumps} jumps"
    alone = scene.store == "memory" or any(
        t.kind == "store" and since - RETRY <= t.at <= at for t in history.troubles
    )
    if not alone and len(members) > allowed:
        return f"{len(members)} by all until {at:.3f}, {jumps} jumps"
    return ""


def _kept(scene: Scene, history: History) -> Iterator[Violation]:
    """A wait that a server stated for an account is kept by whoever heard of it."""
    for stated in history.stated:
        for arrival in history.arrivals:
            own = arrival.process == stated.process
            heard = stated.at + (HEARD if own else TOLD)
            if arrival.provider != stated.provider or not _is_free(arrival):
                continue
            if not heard < arrival.at < stated.until - CLOCK_STEP:
                continue
            excuses = [t for t in history.troubles if stated.at - RETRY <= t.at <= arrival.at]
            if own:
                excuses = [trouble for trouble in excuses if trouble.kind == "jump"]
            if not excuses and (own or scene.store != "memory"):
                what = (
                    f"{stated.process} heard at {stated.at:.3f} to wait until {stated.until:.3f},"
                    f" and {arrival.process} asked at {arrival.at:.3f}"
                )
                yield Violation("a stated wait is kept", what, arrival.call)


def _paid(history: History) -> Iterator[Violation]:
    """No model that costs money is asked, unless it was free before and the price is capped."""
    began = {ending.call: ending.began for ending in history.endings}
    for arrival in history.arrivals:
        since = arrival.costs_since
        if since is not None and any(
            process == arrival.process and since < at < began[arrival.call] - HEARD
            for at, process, provider in history.lists
            if provider == arrival.provider
        ):
            what = f"{arrival.model} was asked by {arrival.process} and costs money"
            yield Violation("something is charged", what, arrival.call)


# -- callers --------------------------------------------------------------------------------------


def _answered(call: Call, ending: Ending) -> Iterator[Violation]:
    """An answer is the answer to this call, whole, and told once."""
    if ending.end != "answered":
        return
    mark = f"This is about #{call.number}#, says"
    if ending.shown is not None and ending.shown != ending.text:
        yield Violation("an answer is told once", f"{ending.shown!r}, {ending.text!r}", call.number)
    if not call.tool and (
        ending.text.count("This is about") != 1
        or mark not in ending.text
        or not ending.text.endswith("no more than that.")
    ):
        yield Violation("an answer is its caller's", f"got {ending.text!r}", call.number)


def _told(call: Call, ending: Ending) -> Iterator[Violation]:
    """Every caller is served or told, in time, by an error of the tree."""
    seconds = ending.at - ending.began
    if ending.end == "pending":
        yield Violation("every caller is told", f"waited for ever in {ending.process}", call.number)
    if ending.error is not None and not isinstance(ending.error, FreeRouterError):
        yield Violation("every error is of the tree", ending.text, call.number)
    if call.timeout is not None and not call.streamed and seconds > call.timeout + GRACE:
        what = f"told after {seconds:.3f} of {call.timeout} s: {ending.end} {ending.text}"
        yield Violation("every caller is told in time", what, call.number)


def _counted_once(history: History) -> Iterator[Violation]:
    """Each request ends with one event; of one that was killed, nobody may have heard."""
    numbers = {
        (process, journal.number): call for call, (process, journal) in history.journals.items()
    }
    events: dict[int, list[str]] = defaultdict(list)
    for process, number, event in history.outcomes:
        events[numbers[process, number]].append(event)
    wanted = {"answered": "Answered", "failed": "GaveUp", "cancelled": "CalledOff"}
    for ending in history.endings:
        told = events[ending.call]
        expected = wanted.get(ending.end)
        began = ending.call in history.journals
        if expected is not None and began and told != [expected]:
            cancelled_late = ending.end == "cancelled" and told in (["Answered"], ["GaveUp"])
            if not cancelled_late:
                what = f"{ending.end}, and the events say {told}"
                yield Violation("a request ends once", what, ending.call)
