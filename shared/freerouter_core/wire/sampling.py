"""`checked`: what a client's sampling parameters may hold, whichever API they come by.

A wrong one would be refused by model after model, and by each in other words. The ranges are
OpenRouter's, which are those of most providers or wider.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import BadRequest
from .json_values import Json

_RANGES: Mapping[str, tuple[int, int]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "top_a": (0, 1),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
    "repetition_penalty": (0, 2),
    "top_k": (-1, 2**31 - 1),  # -1 and 0 mean all tokens
    "top_logprobs": (0, 20),
    "seed": (-(2**63), 2**63 - 1),
}
_WHOLE = frozenset({"top_k", "top_logprobs", "seed"})


def checked(parameters: Json) -> Json:
    """The same parameters. Raises `BadRequest` for one of another kind, or out of its range."""
    for name, value in parameters.items():
        if name in _RANGES:
            _check_number(name, value)
        elif name == "logprobs" and not isinstance(value, bool):
            raise BadRequest("logprobs must be true or false")
        elif name == "stop" and not _is_stop(value):
            raise BadRequest("stop must be a text or a list of texts")
        elif name == "modalities" and not _is_texts(value):
            raise BadRequest("modalities must be a list of texts", hint='["text"]')
        elif name == "logit_bias" and not _is_bias(value):
            raise BadRequest("logit_bias must be an object of numbers", hint='{"1734": -100}')
    return parameters


def is_out_of_range(name: str, value: object) -> bool:
    """Whether a parameter has a value that the interface itself does not allow."""
    try:
        _check_number(name, value)
    except BadRequest:
        return True
    return False


def _check_number(name: str, value: object) -> None:
    low, high = _RANGES[name]
    kinds = (int,) if name in _WHOLE else (int, float)
    right = isinstance(value, kinds) and not isinstance(value, bool)
    if not right or not low <= value <= high:  # type: ignore[operator]  # a number by then
        kind = "a whole number" if name in _WHOLE else "a number"
        raise BadRequest(f"{name} must be {kind} from {low} to {high}")


def _is_stop(value: object) -> bool:
    return isinstance(value, str) or _is_texts(value)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_bias(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(bias, (int, float)) and not isinstance(bias, bool) for bias in value.values()
    )
