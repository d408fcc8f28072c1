"""When a model that is probably down is worth a request.

A guessed bench says only that a model has failed lately. Where no better candidate is left, such a
model may be asked all the same: a last resort. But a request of a limited account is not free. It
makes others wait, or takes one of the day's few. So both sides are weighed in one unit, seconds:

    gain = chance that the model answers * seconds that an answer saves its caller
    cost = what the request costs others (congestion), and a little for the attempt itself

While the cost is higher, the request waits, and asks again when the chance has grown: a model that
failed ten seconds ago is worth less than one that failed a minute ago. So one request that nobody
can answer now does not use up the quota of everybody else. One probe serves all who wait: while it
is under way, nobody else asks the same model.
"""

from __future__ import annotations

from .health import Health

ATTEMPT_SHARE = 0.033
"""What asking a last resort costs even if nobody waits, as a part of the caller's time left."""
CONGESTION_FACTOR = 2.0
"""Weight of the seconds that others wait: those behind them in the line wait, too."""
SURE_ENOUGH = 0.5
"""A chance that is worth a request whatever it costs others."""
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
    congestion: float,
    time_left: float | None,
    probed: bool,
) -> float:
    """When the model is worth a request: `now`, or when to look again (unix seconds).

    `congestion`: what a request costs others, seconds. `time_left`: until the caller's deadline,
    seconds; None: there is none. `probed`: whether another request is trying the model.
    """
    if not record.outcome_at or congestion < PLENTY:
        return now
    if probed:
        return now + PROBE_POLL
    left = UNKNOWN_TIME_LEFT if time_left is None else time_left
    cost = ATTEMPT_SHARE * left + CONGESTION_FACTOR * congestion
    saved = max(left / 2.0, left - record.first_token)
    in_time = max(PROBE_POLL, SHARE_OF_TIME_LEFT * left)
    for wait in (0.0, *POLLS):
        chance = record.odds(now + wait)[0]
        if chance * max(0.0, saved - wait) >= cost or chance >= SURE_ENOUGH:
            return now + min(wait, in_time)
    return now + min(LONGEST_POLL, in_time)
