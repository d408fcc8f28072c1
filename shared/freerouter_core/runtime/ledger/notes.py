"""Notes: what requests learnt, as JSON texts that processes exchange through a store.

A key names what a note is about:

- "m|" and a model's identity as JSON: its health.
- "a|" and an account's scope: its bench and suspicions.
- "g|" and a scope: whether it understands the price cap.
- "d|" and a limit's window: what interactive requests want of it.
- "p|" and a scope: the latest visit of people.

Times in a note are by the store's clock, and it says when it was written. So a process whose own
clock is wrong teaches nobody a wait that never ends, and nobody believes a note of the future.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeGuard, TypeVar

from ...catalogue.calendar import DAY
from ...catalogue.model import ModelIdentity
from ...routing.account_benches import Bench
from ...routing.availability import COUNTS, MAX_SURE, Availability
from ...routing.demand import HOURS, UNSEEN, Demand
from ...routing.guessed_bench import JITTER
from ...routing.health import Health
from ...routing.people import Visit
from ...routing.suspicion import Suspicion
from ...routing.usage_stats import HOUR, Tallies
from ...routing.ways import Way
from ...wire.fault import Cause
from ...wire.json_values import parse_json
from ...wire.retry_after import MAX_WAIT

T = TypeVar("T", Availability, Bench, Demand, Health, Way)
_NO_BENCH = Bench(0.0, False, Cause.UNKNOWN, 0)
_BENCH_FIELDS = tuple(field.name for field in fields(Bench))
_NESTED = ("probing", "lacks", "ways", "availability")
_HEALTH_FIELDS = tuple(f.name for f in fields(Health) if f.name not in _NESTED)
"""The fields that are plain values. A probe is this process's own."""
_AVAILABILITY_FIELDS = tuple(field.name for field in fields(Availability))
_DEMAND_FIELDS = tuple(field.name for field in fields(Demand) if field.name != "hours")
_WAY_FIELDS = tuple(field.name for field in fields(Way))
_HEALTH_TIMES = ("lacks_since", "benched_until", "gone_until")
"""`gone` is none of them: it is a catalogue's name."""
MAX_NOTE = 1_000_000
"""Characters of a note. A longer one is nobody's, and reading it would stop the loop."""
CLOCKS_DIFFER = 2.0
"""Seconds by which clocks differ without being wrong."""


@dataclass(frozen=True, slots=True)
class Times:
    """What time it is, unix seconds: by the store's clock, and by this process's own."""

    shared: float
    own: float

    def to_shared(self) -> float:
        """Seconds by which own times are moved before they are written."""
        return _noticeable(self.shared - self.own)

    def to_own(self, written: object) -> float:
        """Seconds by which the times of a note are moved when it is read.

        If it was `written` in the future, its writer's clock was ahead by that at least. Raises
        ValueError.
        """
        if not _is_time(written):
            raise ValueError("a note of no time")
        return _noticeable(self.own - self.shared - max(0.0, written - self.shared))


def write_account(bench: Bench | None, suspicions: Mapping[str, Suspicion], times: Times) -> str:
    """The note of an account: its bench and what it is suspected of; of one that was reset:
    neither."""
    move = times.to_shared()
    bench = _moved_bench(bench or _NO_BENCH, move)
    values = [getattr(bench, name) for name in _BENCH_FIELDS]
    suspected = {
        kind: [
            suspicion.since + move,
            suspicion.refusals,
            {model: at + move for model, at in suspicion.last.items()},
        ]
        for kind, suspicion in suspicions.items()
    }
    return json.dumps([values, suspected, times.shared])


def read_account(text: str, times: Times) -> tuple[Bench | None, dict[str, Suspicion]]:
    """The bench (None: it was reset) and the suspicions in a note. Raises ValueError."""
    note = parse_json(text)
    if not isinstance(note, list) or len(note) != 3 or not isinstance(note[0], list):
        raise ValueError("not an account's note")
    values, suspected, written = note
    if len(values) != len(_BENCH_FIELDS) or not isinstance(suspected, dict):
        raise ValueError("not an account's note")
    move = times.to_own(written)
    values[_BENCH_FIELDS.index("cause")] = Cause(values[_BENCH_FIELDS.index("cause")])
    bench = _moved_bench(_checked(_NO_BENCH, _BENCH_FIELDS, values), move)
    bench.since = min(bench.since, times.own)
    rest = MAX_WAIT if bench.stated else bench.cause.effect.rest.longest * (1 + JITTER)
    bench.until = min(_believable(bench.until, times), times.own + rest)
    suspicions = {
        str(kind): _read_suspicion(fields, move, times.own) for kind, fields in suspected.items()
    }
    return (bench if bench.until or bench.firm or bench.strikes else None), suspicions


def _moved_bench(bench: Bench, seconds: float) -> Bench:
    until, since = _moved(bench.until, seconds), _moved(bench.since, seconds)
    return replace(bench, until=until, since=since)


def _read_suspicion(note: object, move: float, now: float) -> Suspicion:
    """Raises ValueError."""
    if not isinstance(note, list) or len(note) != 3:
        raise ValueError("not a suspicion")
    since, refusals, last = note
    numbers = [since]
    for by_model in (refusals, last):
        if not isinstance(by_model, dict):
            raise ValueError("not a suspicion")
        numbers += by_model.values()
    if not all(map(_is_finite, numbers)):
        raise ValueError("not a suspicion")
    if not last or refusals.keys() != last.keys():
        raise ValueError("not a suspicion")
    by_own_clock = {model: min(at + move, now) for model, at in last.items()}
    return Suspicion(min(since + move, now), refusals, by_own_clock)


def write_health(health: Health, times: Times) -> str:
    """The note of a model's health."""
    move = times.to_shared()
    values = {name: getattr(health, name) for name in _HEALTH_FIELDS}
    values |= {name: _moved(values[name], move) for name in _HEALTH_TIMES}
    ways = {
        name: [way.good, way.bad, _moved(way.failed_at, move)] for name, way in health.ways.items()
    }
    state = replace(health.availability, seen_at=_moved(health.availability.seen_at, move))
    nested = {
        "availability": [getattr(state, name) for name in _AVAILABILITY_FIELDS],
        "lacks": sorted(health.lacks),
        "ways": ways,
        "written": times.shared,
    }
    return json.dumps(values | nested)


def read_health(text: str, times: Times) -> Health:
    """The health in a note. Raises ValueError."""
    values = parse_json(text)
    if not isinstance(values, dict) or not isinstance(values.get("lacks"), list):
        raise ValueError("not a model's health")
    missing = [name for name in _HEALTH_FIELDS if name not in values]
    if missing:
        raise ValueError(f"without {missing[0]}")
    move = times.to_own(values.get("written"))
    health = _checked(Health(), _HEALTH_FIELDS, [values[name] for name in _HEALTH_FIELDS])
    for name in _HEALTH_TIMES:
        setattr(health, name, _moved(getattr(health, name), move))
    health.lacks_since = min(health.lacks_since, times.own)
    health.benched_until = _believable(health.benched_until, times)
    health.lacks = frozenset(str(lack) for lack in values["lacks"])
    health.availability = _read_availability(values.get("availability"))
    seen_at = _moved(health.availability.seen_at, move)
    health.availability.seen_at = min(seen_at, times.own)
    ways = values.get("ways", {})
    if not isinstance(ways, dict) or not all(isinstance(way, list) for way in ways.values()):
        raise ValueError("ways of another form")
    health.ways = {
        str(name): _checked(Way(), _WAY_FIELDS, numbers) for name, numbers in ways.items()
    }
    for way in health.ways.values():
        way.failed_at = min(_moved(way.failed_at, move), times.own)
    return health


def _read_availability(note: object) -> Availability:
    """Raises ValueError."""
    if not isinstance(note, list) or len(note) != len(_AVAILABILITY_FIELDS):
        raise ValueError("availability of another form")
    read = _checked(Availability(), _AVAILABILITY_FIELDS, note)
    chances = (read.chance_up, read.long_run, read.sure)
    counts = (getattr(read, name) for name in COUNTS)
    if min(chances) < 0.0 or max(chances) > 1.0 or read.sure > MAX_SURE:
        raise ValueError("no chances")
    if min(counts) < 0.0 or read.drift <= 0.0:
        raise ValueError("no counts")
    return read


def read_day(text: str, times: Times) -> tuple[int, int | None, int]:
    """What `UnstatedDays.known` told. Raises `ValueError` if it never did."""
    note = parse_json(text)
    if not isinstance(note, list) or len(note) != 3:
        raise ValueError("not a day")
    number, told, survived = note
    whole = all(type(value) is int and value >= 0 for value in (number, told or 0, survived))
    if not whole or number > times.shared // DAY + 1:
        raise ValueError("a day of the future, or of less than nothing")
    return number, told, survived


def write_visit(visit: Visit, times: Times) -> str:
    """The note of the latest visit of people."""
    move = times.to_shared()
    return json.dumps([visit.first + move, visit.since + move, visit.last + move, times.shared])


def read_visit(text: str, times: Times) -> Visit:
    """The latest visit of people. Raises ValueError."""
    note = parse_json(text)
    if not isinstance(note, list) or len(note) != 4 or not all(map(_is_time, note)):
        raise ValueError("not a visit")
    move = times.to_own(note[3])
    first, since, last = (min(at + move, times.own) for at in note[:3])
    if not first <= since <= last:
        raise ValueError("a visit that ends before it begins")
    return Visit(first, since, last)


def write_demand(demand: Demand) -> str:
    """The note of what interactive requests want of a limit. Its times are the store's."""
    return json.dumps([demand.hours, *(getattr(demand, name) for name in _DEMAND_FIELDS)])


def read_demand(text: str, times: Times) -> Demand:
    """What interactive requests want of a limit. Raises ValueError."""
    note = parse_json(text)
    if not isinstance(note, list) or len(note) != 1 + len(_DEMAND_FIELDS):
        raise ValueError("not a demand")
    hours, *values = note
    if not isinstance(hours, list) or len(hours) != HOURS or not all(map(_is_finite, hours)):
        raise ValueError("not hours")
    demand = _checked(Demand(), _DEMAND_FIELDS, values)
    if demand.hour > times.shared // HOUR + 1 or min(hours) < UNSEEN:
        raise ValueError("a demand of the future, or of less than nothing")
    demand.hours = [float(value) for value in hours]
    demand.peak_at = min(demand.peak_at, times.shared)
    return demand


def read_identity(text: str) -> ModelIdentity:
    """The model's identity in a key. Raises ValueError."""
    parts = parse_json(text)
    if not isinstance(parts, list) or len(parts) != 3:
        raise ValueError("not a model's identity")
    provider, origin, model = map(str, parts)
    return provider, origin, model


def readable_tallies(tallies: Tallies) -> Tallies:
    """The usage that can be read. What nobody of us wrote is left out."""
    return {key: tally for key, tally in tallies.items() if _is_tally(key, tally)}


def _is_tally(key: tuple[object, object], tally: Mapping[str, object]) -> bool:
    hour, identity = key
    try:
        read_identity(identity)  # type: ignore[arg-type]  # a ValueError, if it is no text
    except ValueError:
        return False
    named = all(isinstance(name, str) and _TALLY.fullmatch(name) for name in tally)
    return isinstance(hour, int) and named and all(map(_is_finite, tally.values()))


_TALLY = re.compile(r"(?:took|first):-?\d{1,3}|fault:[\w-]{1,40}|[a-z_]{1,20}")


def _checked(default: T, names: Sequence[str], values: Sequence[object]) -> T:
    """`default` with those values. Raises ValueError if one is not of the default's type."""
    for name, value in zip(names, values, strict=True):
        expected = getattr(default, name)
        if expected is None and value is None:
            continue
        numeric = expected is None or isinstance(expected, (int, float))
        if not isinstance(value, (int, float) if numeric else type(expected)):
            raise ValueError(f"{name} is of another type")
        if numeric and not _is_finite(value):
            raise ValueError(f"{name} is not finite")
    changes = dict(zip(names, values, strict=True))
    return replace(default, **changes)  # type: ignore[arg-type]  # their types are checked above


def _noticeable(seconds: float) -> float:
    return seconds if abs(seconds) > CLOCKS_DIFFER else 0.0


def _moved(moment: float, seconds: float) -> float:
    """A time by another clock. 0 is no time."""
    return moment + seconds if moment else moment


def _believable(until: float, times: Times) -> float:
    """Raises ValueError if nobody waits so long."""
    if until > times.own + MAX_WAIT + CLOCKS_DIFFER:
        raise ValueError("a wait that is too long")
    return until


def _is_time(value: object) -> TypeGuard[float]:
    return not isinstance(value, bool) and _is_finite(value)


def _is_finite(value: object) -> bool:
    """Whether it is a number that a float can hold."""
    return isinstance(value, (int, float)) and abs(value) <= _LARGEST


_LARGEST = 1e300
"""Beyond it there is no time and no count."""
