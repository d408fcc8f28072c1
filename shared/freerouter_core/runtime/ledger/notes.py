"""Notes: what requests learnt, as JSON texts that processes exchange through a store.

A key names what a note is about: "m|" and a model's identity as JSON, "a|" and an account's scope
for its bench, "g|" and a scope for whether it understands the price cap.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TypeVar

from ...catalogue.model import ModelIdentity
from ...routing.account_benches import Bench
from ...routing.health import Health
from ...routing.ways import Way
from ...wire.fault import Cause

T = TypeVar("T", Bench, Health, Way)
_NO_BENCH = Bench(0.0, False, Cause.UNKNOWN, 0)
_BENCH_FIELDS = tuple(field.name for field in fields(Bench))
_HEALTH_FIELDS = tuple(f.name for f in fields(Health) if f.name not in ("probing", "lacks", "ways"))
"""The fields that are plain values. A probe is this process's own."""
_WAY_FIELDS = tuple(field.name for field in fields(Way))


def write_bench(bench: Bench | None) -> str | None:
    """The note of an account's bench; None for one that was reset. No note for a refused key:
    it may be mended before the next process starts."""
    if bench is None:
        bench = _NO_BENCH
    if bench.until == math.inf:
        return None
    return json.dumps([bench.until, bench.stated, bench.cause, bench.strikes])


def read_bench(text: str) -> Bench | None:
    """The bench in a note; None for one that was reset. Raises ValueError."""
    values = json.loads(text)
    if not isinstance(values, list) or len(values) != len(_BENCH_FIELDS):
        raise ValueError("not a bench")
    until, stated, cause, strikes = values
    bench = _checked(_NO_BENCH, _BENCH_FIELDS, [until, stated, Cause(cause), strikes])
    return bench if bench.until or bench.stated or bench.strikes else None


def write_health(health: Health) -> str:
    """The note of a model's health."""
    values = {name: getattr(health, name) for name in _HEALTH_FIELDS}
    ways = {name: [way.good, way.bad, way.failed_at] for name, way in health.ways.items()}
    return json.dumps(values | {"lacks": sorted(health.lacks), "ways": ways})


def read_health(text: str) -> Health:
    """The health in a note. Raises ValueError."""
    values = json.loads(text)
    if not isinstance(values, dict) or not isinstance(values.get("lacks"), list):
        raise ValueError("not a model's health")
    missing = [name for name in _HEALTH_FIELDS if name not in values]
    if missing:
        raise ValueError(f"without {missing[0]}")
    health = _checked(Health(), _HEALTH_FIELDS, [values[name] for name in _HEALTH_FIELDS])
    health.lacks = frozenset(str(lack) for lack in values["lacks"])
    ways = values.get("ways", {})
    if not isinstance(ways, dict) or not all(isinstance(way, list) for way in ways.values()):
        raise ValueError("ways of another form")
    health.ways = {
        str(name): _checked(Way(), _WAY_FIELDS, numbers) for name, numbers in ways.items()
    }
    return health


def read_identity(text: str) -> ModelIdentity:
    """The model's identity in a key. Raises ValueError."""
    parts = json.loads(text)
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
        if isinstance(expected, float) and not (
            isinstance(value, (int, float)) and math.isfinite(value)
        ):
            raise ValueError(f"{name} is not finite")
    changes = dict(zip(names, values, strict=True))
    return replace(default, **changes)  # type: ignore[arg-type]  # their types are checked above
