"""`read_usage`: the counts of tokens in an answer, as numbers that every client can add.

Servers write them as texts, as null, as objects, under Anthropic's names, or as what is no number
in JSON. A count that cannot be read is left out: it is not zero.
"""

from __future__ import annotations

from collections.abc import Mapping

from .json_values import Json, JsonMapping, unwritable

MOST_TOKENS = 10**12
"""No answer has as many, and every language counts so far exactly."""
_LONGEST_NUMBER = 24
"""Characters."""
_OTHER_NAMES = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}
"""Anthropic's names, which are read where OpenAI's are missing."""


def read_usage(said: JsonMapping) -> Json:
    """A provider's usage with counts that are whole numbers, and nothing that JSON cannot hold.

    All else stays as it was told. Details that cannot be read are None.
    """
    usage = _readable(said)
    for name in [name for name, value in usage.items() if value is None and _is_count(name)]:
        del usage[name]
    for name, other in _OTHER_NAMES.items():
        if name not in usage and other in usage:
            usage[name] = usage[other]
    return usage


def _readable(said: JsonMapping) -> Json:
    read: Json = {}
    for name, value in said.items():
        if isinstance(value, (dict, Mapping)):
            read[name] = None if _is_count(name) else _readable(value)
        elif _is_count(name):
            read[name] = count_in(value)
        elif unwritable(value) is None:
            read[name] = value
    return read


def _is_count(name: object) -> bool:
    return str(name).endswith("tokens")


def count_in(value: object) -> int | None:
    """A number of tokens, also in a text; None: it is none."""
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER:
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 <= value <= MOST_TOKENS else None  # NaN is neither
