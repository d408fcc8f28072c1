"""Notes: what requests learnt, as JSON texts that processes exchange through a store.

A key names what a note is about: "m|" and a model's identity as JSON, "a|" and an account's scope
for its bench and suspicions, "g|" and a scope for whether it understands the price cap.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TypeVar

from ...catalogue.model import ModelIdentity
from ...routing.account_benches import Bench
from ...routing.availability import COUNTS, MAX_SURE, Availability
from ...routing.health import Health
from ...routing.suspicion import Suspicion
from ...routing.ways import Way
from ...wire.fault import Cause
from ...wire.json_values import parse_json

T = TypeVar("T", Availability, Bench, Health, Way)
_NO_BENCH = Bench(0.0, False, Cause.UNKNOWN, 0)
_BENCH_FIELDS = tuple(field.name for field in fields(Bench))
_NESTED = ("probing", "lacks", "ways", "availability")
_HEALTH_FIELDS = tuple(f.name for f in fields(Health) if f.name not in _NESTED)
"""The fields that are plain values. A probe is this process's own."""
_AVAILABILITY_FIELDS = tuple(field.name for field in fields(Availability))
_WAY_FIELDS = tuple(field.name for field in fields(Way))


def write_account(bench: Bench | None, suspicions: Mapping[str, Suspicion]) -> str:
    """The note of an account: its bench and what it is suspected of; of one that was reset:
    neither."""
    bench = bench or _NO_BENCH
    values = [getattr(bench, name) for name in _BENCH_FIELDS]
    suspected = {
        kind: [suspicion.since, suspicion.refusals, suspicion.last]
        for kind, suspicion in suspicions.items()
    }
    return json.dumps([values, suspected])


def read_account(text: str) -> tuple[Bench | None, dict[str, Suspicion]]:
    """The bench (None: it was reset) and the suspicions in a note. Raises ValueError."""
    note = parse_json(text)
    if not isinstance(note, list) or len(note) != 2 or not isinstance(note[0], list):
        raise ValueError("not an account's note")
    values, suspected = note
    if len(values) != len(_BENCH_FIELDS) or not isinstance(suspected, dict):
        raise ValueError("not an account's note")
    values[_BENCH_FIELDS.index("cause")] = Cause(values[_BENCH_FIELDS.index("cause")])
    bench = _checked(_NO_BENCH, _BENCH_FIELDS, values)
    suspicions = {str(kind): _read_suspicion(fields) for kind, fields in suspected.items()}
    return (bench if bench.until or bench.firm or bench.strikes else None), suspicions


def _read_suspicion(note: object) -> Suspicion:
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
    return Suspicion(since, refusals, last)


def write_health(health: Health) -> str:
    """The note of a model's health."""
    values = {name: getattr(health, name) for name in _HEALTH_FIELDS}
    ways = {name: [way.good, way.bad, way.failed_at] for name, way in health.ways.items()}
    nested = {
        "availability": [getattr(health.availability, name) for name in _AVAILABILITY_FIELDS],
        "lacks": sorted(health.lacks),
        "ways": ways,
    }
    return json.dumps(values | nested)


def read_health(text: str) -> Health:
    """The health in a note. Raises ValueError."""
    values = parse_json(text)
    if not isinstance(values, dict) or not isinstance(values.get("lacks"), list):
        raise ValueError("not a model's health")
    missing = [name for name in _HEALTH_FIELDS if name not in values]
    if missing:
        raise ValueError(f"without {missing[0]}")
    health = _checked(Health(), _HEALTH_FIELDS, [values[name] for name in _HEALTH_FIELDS])
    health.lacks = frozenset(str(lack) for lack in values["lacks"])
    health.availability = _read_availability(values.get("availability"))
    ways = values.get("ways", {})
    if not isinstance(ways, dict) or not all(isinstance(way, list) for way in ways.values()):
        raise ValueError("ways of another form")
    health.ways = {
        str(name): _checked(Way(), _WAY_FIELDS, numbers) for name, numbers in ways.items()
    }
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


def read_identity(text: str) -> ModelIdentity:
    """The model's identity in a key. Raises ValueError."""
    parts = parse_json(text)
    if not isinstance(parts, list) or len(parts) != 3:
        raise ValueError("not a model's identity")
    provider, origin, model = map(str, parts)
    return provider, origin, model


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


def _is_finite(value: object) -> bool:
    """Whether it is a number that a float can hold."""
    return isinstance(value, (int, float)) and abs(value) <= _LARGEST


_LARGEST = 1e300
"""Beyond it there is no time and no count."""
