"""When a job will be done: from what limits allow, when they start anew, and measured speed.

Each account is a source of requests. Between two moments at which a counter starts anew it gives
requests at the rate of its fastest limits, until the tightest counter is spent. All sources
together give no more than the job can use, which is what was measured. So the forecast is a
simulation of a fluid, one step for each moment at which a source runs dry or starts anew.

What nobody can know is left out: failures to come, limits that nobody stated, other users.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..catalogue.calendar import period
from ..catalogue.providers import Limit
from .charges import size_of
from .pacing import AT_ONCE, EARLY, PACED_PERIOD
from .window import MARGIN

MAX_STEPS = 2_000
"""Moments that a forecast looks at: more than two years of days for one account."""
EPSILON = 1e-6
TODAY = 8
"""Steps in which the rest of a paced day is foretold."""
NEVER = 1e11
"""Seconds of a period that does not end."""


@dataclass(frozen=True, slots=True)
class Use:
    """A limit, how much of it is used now, and how much of it is left to interactive requests."""

    limit: Limit
    used: float = 0.0
    reserved: float = 0.0

    @property
    def counts(self) -> bool:
        """Whether it is a counter that starts anew, not a rate."""
        rolling = self.limit.reset in ("rolling", "bucket")
        return self.limit.concurrent is None and not (rolling and self.limit.per < 3_600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An account, or one of its models.

    Attributes:
        uses: its own limits.
        parts: its models that have limits of their own. Empty: none has.
        rests_until: unix seconds before which it gives nothing.
        rate: requests a second that it gives at most.
    """

    uses: tuple[Use, ...] = ()
    parts: tuple[Source, ...] = ()
    rests_until: float = 0.0
    rate: float = math.inf

    def limits(self) -> Iterable[Limit]:
        """Every limit beneath it."""
        for use in self.uses:
            yield use.limit
        for part in self.parts:
            yield from part.limits()


def paced(source: Source, pace: Pace, now: float) -> tuple[Source, ...]:
    """A source whose days are spread evenly, as `pacing` does it for background requests.

    What is left of this day comes in steps, because its reserve shrinks. After it come whole days.
    """
    day = _day(source)
    if day is None:
        return (_spread(source, pace, now),)
    start, end = period(day.limit.reset, day.limit.per, now - MARGIN)
    end = max(end, now + MARGIN)
    size, left = size_of(day.limit), end - now

    def allowed(at: float) -> float:
        passed = min(1.0, (at - start) / (EARLY * (end - start)))
        return (size - day.reserved * (end - at) / left) * (AT_ONCE + (1.0 - AT_ONCE) * passed)

    others = tuple(use for use in source.uses if use is not day)
    at, level, today = now, day.used, []
    for n in range(TODAY + 1):
        then = now + left * n / TODAY
        amount = max(0.0, allowed(then) - level)
        level += amount
        rate = _in(day.limit, amount, pace) / (then - at) if n else math.inf
        rests_until = max(at, source.rests_until)
        use = _once(day.limit, amount)
        today.append(Source(uses=(*others, use), rests_until=rests_until, rate=rate))
        at = then
    tomorrow = max(end + MARGIN, source.rests_until)
    fresh = replace(source, uses=(*others, replace(day, used=0.0)), rests_until=tomorrow)
    return (*today, _spread(fresh, pace, end + MARGIN))


def _day(source: Source) -> Use | None:
    """The one limit of a source that is paced and starts anew by the calendar."""
    days = [use for use in source.uses if use.counts and use.limit.per >= PACED_PERIOD]
    if source.parts or len(days) != 1 or days[0].limit.reset in ("rolling", "bucket"):
        return None
    return days[0]


def _once(limit: Limit, amount: float) -> Use:
    """So much of a limit, which does not start anew."""
    size = max(1, math.ceil(amount))
    return Use(replace(_sized(limit, size), per=NEVER, reset="rolling"), size - amount)


def _spread(source: Source, pace: Pace, now: float) -> Source:
    """Each day as a part that is given at once, and one at the rate that spends it by the end."""
    day = _day(source)
    if day is None:
        return replace(source, parts=tuple(_spread(part, pace, now) for part in source.parts))
    size, (start, end) = size_of(day.limit), period(day.limit.reset, day.limit.per, now - MARGIN)
    passed = min(1.0, (now - start) / (EARLY * (end - start)))
    at_once = round(size * AT_ONCE)
    later = size - at_once
    ahead = at_once + later * passed - day.used  # what it may take now
    first = Use(_sized(day.limit, at_once), at_once - ahead)
    rest = Use(_sized(day.limit, later), later * passed)
    spread = Source(uses=(rest,), rate=_in(rest.limit, later, pace) / (EARLY * (end - start)))
    others = tuple(use for use in source.uses if use is not day)
    return replace(source, uses=others, parts=(Source(uses=(first,)), spread))


def _sized(limit: Limit, size: int) -> Limit:
    if limit.requests is not None:
        return replace(limit, requests=size)
    return replace(limit, tokens=size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What was measured of a job.

    Attributes:
        requests: requests that a row takes, failed ones included.
        tokens: tokens that a request takes.
        seconds: seconds of a request.
        fastest: requests a second that the job can use at most.
    """

    requests: float = 1.0
    tokens: float = 1_000.0
    seconds: float = 5.0
    fastest: float = math.inf


def forecast(rows: float, sources: Sequence[Source], pace: Pace, now: float) -> float | None:
    """When `rows` more rows are done, in unix seconds. None: not in a time worth telling."""
    needed, at = rows * max(pace.requests, EPSILON), now
    left = [_counters(source, pace) for source in sources]
    for _ in range(MAX_STEPS):
        if needed <= EPSILON:
            return at
        rates = [
            0.0 if source.rests_until > at else _rate(source, counters, pace)
            for source, counters in zip(sources, left, strict=True)
        ]
        total = sum(rates)
        share = min(1.0, pace.fastest / total) if total else 0.0
        step = min(_next_change(source, at) for source in sources) - at if sources else math.inf
        for source, rate, counters in zip(sources, rates, left, strict=True):
            if rate * share > 0:
                step = min(step, _lasts(source, counters, rate * share, pace))
        if total * share > 0:
            step = min(step, needed / (total * share))
        if step == math.inf:
            return None
        at += step
        for n, source in enumerate(sources):
            taken = rates[n] * share * step
            needed -= taken
            after = _taken(source, left[n], taken, pace)
            left[n] = _renewed(source, after, pace, at - step, at)
    return None


@dataclass(frozen=True, slots=True)
class _Counters:
    """What is left of a source's counters, in requests: its own, and those of its parts."""

    own: tuple[float, ...]
    parts: tuple[_Counters, ...] = ()


def _counters(source: Source, pace: Pace) -> _Counters:
    own = tuple(
        max(0.0, _size(u.limit, pace) - _in(u.limit, u.used, pace)) for u in _counted(source)
    )
    return _Counters(own, tuple(_counters(part, pace) for part in source.parts))


def _counted(source: Source) -> list[Use]:
    return [use for use in source.uses if use.counts]


def _available(counters: _Counters) -> float:
    """Requests that all counters together still allow."""
    parts = sum(map(_available, counters.parts)) if counters.parts else math.inf
    return min(*counters.own, parts, math.inf)


def _lasts(source: Source, counters: _Counters, rate: float, pace: Pace) -> float:
    """Seconds until a counter is spent, at so many requests a second."""
    lasts = min((left / rate for left in counters.own), default=math.inf)
    for part, left, share in _shares(source, counters, pace):
        lasts = min(lasts, _lasts(part, left, rate * share, pace) if share else math.inf)
    return lasts


def _taken(source: Source, counters: _Counters, amount: float, pace: Pace) -> _Counters:
    """What is left after so many requests."""
    own = tuple(max(0.0, left - amount) for left in counters.own)
    shares = _shares(source, counters, pace)
    parts = tuple(_taken(part, left, amount * share, pace) for part, left, share in shares)
    return _Counters(own, parts)


def _shares(
    source: Source, counters: _Counters, pace: Pace
) -> list[tuple[Source, _Counters, float]]:
    """Each part with its counters, and its share of what the source gives: by its rate."""
    pairs = list(zip(source.parts, counters.parts, strict=True))
    rates = [_rate(part, left, pace) for part, left in pairs]
    total = sum(rates) or 1.0
    return [(*pair, rate / total) for pair, rate in zip(pairs, rates, strict=True)]


def _renewed(
    source: Source, counters: _Counters, pace: Pace, before: float, now: float
) -> _Counters:
    """The counters at `now`: those of periods that ended since `before` are full again."""
    own = tuple(
        _size(use.limit, pace) if _end(use.limit, before) <= now + EPSILON else left
        for use, left in zip(_counted(source), counters.own, strict=True)
    )
    parts = tuple(
        _renewed(part, left, pace, before, now)
        for part, left in zip(source.parts, counters.parts, strict=True)
    )
    return _Counters(own, parts)


def _rate(source: Source, counters: _Counters, pace: Pace) -> float:
    """Requests a second that it gives now: none once a counter is spent."""
    if _available(counters) <= EPSILON:
        return 0.0
    rates = [source.rate]
    rates += [_speed(use.limit, pace) for use in source.uses if not use.counts]
    if source.parts:
        rates.append(
            sum(
                _rate(part, left, pace)
                for part, left in zip(source.parts, counters.parts, strict=True)
            )
        )
    rate = min(rates, default=math.inf)
    return rate if rate < math.inf else min(pace.fastest, 1e9)


def _speed(limit: Limit, pace: Pace) -> float:
    """Requests a second of a limit that is no counter."""
    if limit.concurrent is not None:
        return limit.concurrent / max(pace.seconds, EPSILON)
    hold = limit.per + MARGIN if limit.reset == "rolling" else limit.per
    return _size(limit, pace) / hold


def _size(limit: Limit, pace: Pace) -> float:
    """How many requests a limit allows in its time."""
    return _in(
        limit, float(limit.requests if limit.requests is not None else limit.tokens or 0), pace
    )


def _in(limit: Limit, amount: float, pace: Pace) -> float:
    """An amount of a limit in requests."""
    return amount if limit.requests is not None else amount / max(pace.tokens, EPSILON)


def _next_change(source: Source, now: float) -> float:
    """When a counter beneath it starts anew next, or its rest ends."""
    ends = [_end(limit, now) for limit in source.limits() if Use(limit).counts]
    if source.rests_until > now:
        ends.append(source.rests_until)
    return min(ends, default=math.inf)


def _end(limit: Limit, now: float) -> float:
    """When the counter starts anew. A rolling one of hours counts as one that begins now."""
    if limit.reset in ("rolling", "bucket"):
        return (now // limit.per + 1) * limit.per
    return period(limit.reset, limit.per, now + EPSILON)[1] + MARGIN
