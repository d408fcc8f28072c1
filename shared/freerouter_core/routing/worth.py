"""When a request of a scarce account is worth sending.

A request is not free. Of a limited account it makes others wait, or takes one of the day's few
(`congestion`). What it may bring is the chance of an answer, and the time that this saves its
caller. Both sides are weighed in one unit, seconds of callers:

    gain = chance of an answer * seconds it saves
    cost = seconds that others wait longer + chance of a denial * seconds it loses

While the cost is higher, the request waits, and asks again when the chance has grown: a model that
failed ten seconds ago is worth less than one that failed a minute ago. So one request that nobody
can answer now does not use up the quota of everybody else. Where nobody else wants anything of the
account, anything may be tried. A chance that is about as good as requests here usually have is
worth a request whatever it costs, because others would do no better with it.

**An outage.** Where all models of a server seem to be down, none of them is worth much, not even
one that was never asked; and a request of a small day is dear from the day's beginning, for others
will have more of it later. So an outage does not use up the day.

**One probe serves all.** While a model is tried after failures, nobody else asks it. Its fate
decides for all who wait.

**What was tried and lost** in worlds drawn at random (`benchmarks/race`):

- Benches that end within 20 s are simply waited for: too little. The next bench follows.
- A day's requests have a price of 300 s divided by their number, whatever was used of them. Fresh
  models of small days were not asked, and the day ended with requests left.
- A day's request costs only what all accounts together lack, because others can serve. And a day of
  which nothing was used yet has a price, too. Both lost 2 to 11 % where days are scarce.
- The same price of a small day, outage or not, for models that failed before: 1 % more answers in
  one set of worlds, none in another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .congestion import MAX_DENIAL, Congestion, scarcity
from .health import Health
from .outage import LIKELY, Outage

ATTEMPT_SHARE = 0.033
"""What asking costs even if nobody waits, as a part of the caller's time left."""
DELAY_FACTOR = 2.0
"""Weight of the seconds that others wait: those behind them in the line wait, too."""
SURE_ENOUGH = 0.6
"""A chance that is worth a request whatever it costs, as a part of the usual one."""
UNKNOWN_TIME_LEFT = 60.0
"""Seconds that an answer saves a caller who has no deadline."""
PLENTY = 0.05
"""Congestion (seconds) under which a request costs nobody anything."""
PROBE_POLL = 1.0
"""Seconds until the result of another request's probe is looked at."""
POLLS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds after which the chance is looked at, to find out when to ask again."""
SHARE_OF_TIME_LEFT = 0.6
"""The part of the time left after which a model is looked at again at the latest: a low chance is
a guess, and a guess ends no request before its time (law 11)."""
LONGEST_POLL = 32.0
"""Seconds until a model is looked at again that is worth no request within the other polls."""


def worth_asking_at(
    record: Health,
    now: float,
    *,
    ways: Sequence[str] = (),
    congestion: Congestion,
    time_left: float | None,
    usual: float,
    probed: bool,
    outage: Outage,
    day: int | None,
) -> float:
    """When the model is worth a request: `now`, or when to look again (unix seconds).

    `ways`: how it is asked. `time_left`: until the caller's deadline, seconds; None: there is none.
    `usual`: the share of requests that are answered here. `probed`: whether another request is
    trying the model. `outage`: of its server. `day`: requests of the account's smallest stated day.
    """
    suspected = outage.chance_at(now) >= LIKELY
    if suspected and day is not None:
        denial = max(congestion.denial, MAX_DENIAL * scarcity(day))
        congestion = replace(congestion, denial=denial)
    look = outage.look_at(congestion.seconds)
    if congestion.seconds < PLENTY or not (record.seen or suspected):
        return now
    if probed:
        return now + PROBE_POLL
    left = UNKNOWN_TIME_LEFT if time_left is None else time_left
    denied = congestion.denial * usual
    cost = (ATTEMPT_SHARE + denied) * left + DELAY_FACTOR * congestion.delay
    saved = max(left / 2.0, left - record.first_token)
    in_time = max(PROBE_POLL, SHARE_OF_TIME_LEFT * left)
    does = record.way_chance(ways, now)
    until = now + min(LONGEST_POLL, in_time)
    for wait in (0.0, *POLLS):
        chance = does * record.odds(now + wait)[0]
        if now < look:
            chance *= 1.0 - outage.chance_at(now + wait)
        if chance * max(0.0, saved - wait) >= cost or chance >= SURE_ENOUGH * usual:
            until = now + min(wait, in_time)
            break
    return min(until, look, now + PROBE_POLL) if suspected and now < look else until
