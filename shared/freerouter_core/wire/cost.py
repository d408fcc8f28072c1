"""What an answer says that it cost, wherever it says so (law 9).

A charge is never missed for its spelling, and never taken back by what is said later.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from .json_values import Json, JsonMapping, as_mapping
from .usage import read_usage

_COSTS = ("cost", "total_cost", "estimated_cost", "cost_usd", "total_cost_usd")
"""Spellings of the USD that an answer cost. The largest counts."""
_TELLING = frozenset({"usage", "x_groq", *_COSTS})
_TELLING_COST = frozenset({"is_byok", *_COSTS})
_TOTALS = ("total_cost", "total", "total_usd")
_PARTS = ("prompt", "completion", "input", "output", "request", "image", "search")
"""Parts of a cost. Some providers call them `input_cost`, or `request_usd`."""


def told_cost(said: JsonMapping) -> float | None:
    """The USD in a usage, or in what stands beside it; None if it says nothing.

    With a key of the user's own behind OpenRouter, it is that key's account that pays.
    """
    if _TELLING_COST.isdisjoint(said):
        return None
    values = [said[name] for name in _COSTS if name in said]
    if said.get("is_byok") is True:
        values.append(as_mapping(said.get("cost_details")).get("upstream_inference_cost"))
    return max([usd for value in values if (usd := _usd(value)) is not None], default=None)


def told_usage(body: JsonMapping, choice: JsonMapping, before: Json | None = None) -> Json | None:
    """The usage in a response, or in a chunk after a usage `before`; None: there is none.

    Some tell it in the choice (Moonshot) or in a field of their own (Groq), and the cost beside it.
    """
    if _TELLING.isdisjoint(body) and "usage" not in choice:
        return before
    said = body.get("usage")
    if not isinstance(said, (dict, Mapping)):
        said = choice.get("usage") or as_mapping(body.get("x_groq")).get("usage")
    usage = read_usage(said) if isinstance(said, (dict, Mapping)) else before
    spent = max(told_cost(before or {}) or 0.0, told_cost(body) or 0.0)
    if spent and spent > (told_cost(usage or {}) or 0.0):
        usage = {**(usage or {}), "cost": spent}
    return usage


def _usd(value: object) -> float | None:
    """A number, a text with one, or the total of an object that has its parts."""
    if isinstance(value, bool):
        return None
    if not isinstance(value, (int, float, str)):
        return _total(value) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        value = value.strip("$ USDusd")
    try:
        usd = float(value)
    except (OverflowError, ValueError):
        return None
    return usd if math.isfinite(usd) else None


def _total(parts: JsonMapping) -> float | None:
    for name in _TOTALS:
        total = _usd(parts.get(name))
        if total is not None:
            return total
    names = [f"{part}{ending}" for part in _PARTS for ending in ("", "_cost", "_usd")]
    stated = [usd for name in names if (usd := _usd(parts.get(name))) is not None]
    return sum(stated) if stated else None
