"""Reports as plain data, for JSON: no keys, nothing infinite."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from ..catalogue.model import Model
from ..reports import Candidacy


def plain(value: Any) -> Any:
    """Reports as JSON can hold them: no keys, and nothing infinite."""
    if isinstance(value, Model):
        return described(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (int, float, bool, type(None))):
        return value
    # half of a pair of surrogates would fail whoever writes it
    return str(value).encode("utf-8", "replace").decode()


def described(model: Model) -> dict[str, Any]:
    """A model as lists show it: prices are USD a token, `quality` a prior of 0 to 10."""
    return {
        "id": model.id,
        "provider": model.provider,
        "context": model.context,
        "max_output": model.max_output,
        "capabilities": list(model.capabilities),
        "free": model.free,
        "prompt_price": model.prompt_price,
        "completion_price": model.completion_price,
        "quality": round(model.quality, 1),
    }


def standing(row: Candidacy) -> dict[str, Any]:
    """A model as lists show it, and how it stands: seconds until it `returns` and to a first token, `chance` and `expected` as in
    `Candidacy`."""
    health = row.health
    return described(row.model) | {
        "usable": row.usable,
        "reason": row.reason,
        "state": row.state,
        "returns": row.returns,
        "chance": row.chance,
        "expected": row.seconds,
        "answers": health.answers if health else 0,
        "failures": health.failures if health else 0,
        "first_token": health.first_token if health and health.answers else None,
        "safety": round(health.safety, 1) if health else None,
    }
