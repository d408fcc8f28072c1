"""Models and reports as JSON values: no keys, no infinities."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..catalogue.model import Model
from ..reports import Candidacy

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

JsonObject = dict[str, object]


def jsonable(value: object) -> object:
    """`value` in the types of JSON. Sets become sorted lists; NaN and infinity become None."""
    if isinstance(value, Model):
        return model_as_json(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return report_as_json(value)
    if isinstance(value, Mapping):
        return {str(name): jsonable(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (int, float, bool, type(None))):
        return value
    # A lone surrogate could not be encoded as UTF-8.
    return str(value).encode("utf-8", "replace").decode()


def report_as_json(report: DataclassInstance) -> JsonObject:
    """The fields of a dataclass as a JSON object."""
    return {
        field.name: jsonable(getattr(report, field.name)) for field in dataclasses.fields(report)
    }


def model_as_json(model: Model) -> JsonObject:
    """A model as lists show it. Prices are USD per token; `quality` is a prior from 0 to 10."""
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
        **_serving_as_json(model),
    }


def _serving_as_json(model: Model) -> JsonObject:
    """What lists show of a model besides chat. `dimension`: None if it is not known yet."""
    if model.mode == "chat" or model.serving is None:
        return {}
    space = model.serving.space
    vectors: JsonObject = (
        {}
        if space is None
        else {
            "space": space.name,
            "dimension": space.dimension or None,
            "dimensions": list(space.dimensions),
            "batch": model.serving.batch,
        }
    )
    return {"mode": model.mode, **vectors}


def candidacy_as_json(row: Candidacy) -> JsonObject:
    """A model with its current state.

    `returns` (until the model is available again), `expected` (until an answer) and `first_token`
    are seconds. `chance` is the probability of an answer.
    """
    health = row.health
    state: JsonObject = {
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
    return model_as_json(row.model) | {name: jsonable(value) for name, value in state.items()}
