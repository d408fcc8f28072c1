"""What our own knowledge says of a refusal's words.

A refusal is believed as far as it can be checked. A prompt of two letters is too long for no model,
whatever a server says. Such words are a refusal of this request by this model and no more (law 11).
What was checked and holds may keep other models from being asked.
"""

from __future__ import annotations

from dataclasses import replace

from ..catalogue.model import Model
from ..wire.fault import Cause, Fault, Kind
from ..wire.operation import Operation
from ..wire.request import ChatRequest
from ..wire.sampling import is_out_of_range
from .need import BYTES_PER_TOKEN, Need

NEAR = 0.5
"""A request that is refused as too long says something of other windows of that size if it fills
this share of one, by our high estimate."""
_OF_ANY_SIZE = frozenset({"audio", "video", "file"})
"""Inputs whose tokens cannot be told from here."""


def checked_length(fault: Fault, model: Model, need: Need) -> Fault:
    """The fault, if the prompt may be too long; else what the words are worth: a refusal that
    nobody understands, or a server's trouble."""
    if not fault.effect.context or may_fill(fault.context or model.context, need):
        return fault
    if (fault.status or 0) >= 500:
        return replace(fault, kind=Kind.BUSY, cause=Cause.SERVER, context=None, teaches=True)
    return replace(fault, cause=Cause.BAD_REQUEST, context=None)


def checked_value(fault: Fault, request: ChatRequest | Operation) -> Fault:
    """The fault, if the value that it names is one that the interface itself forbids: then it is
    the request's. A server with a range of its own is asked without the field; who names a field
    that was not sent is not understood."""
    if fault.cause is not Cause.BAD_VALUE:
        return fault
    sent = {**request.parameters, **request.extra_body} if isinstance(request, ChatRequest) else {}
    named = [name for name in _SAMPLING if name in fault.message and sent.get(name) is not None]
    if not named:
        return replace(fault, cause=Cause.BAD_REQUEST)
    if any(is_out_of_range(name, sent[name]) for name in named):
        return fault
    return replace(fault, cause=Cause.NO_PARAMETER, lacks=frozenset(named[:1]))


_SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty")


def may_fill(window: int, need: Need) -> bool:
    """Whether a request may be larger than so many tokens: if each of its bytes were a token."""
    if (need.inputs | need.older_inputs) & _OF_ANY_SIZE:
        return True
    return need.prompt_tokens * BYTES_PER_TOKEN + need.output_tokens > window


def refused_window(fault: Fault, model: Model, need: Need) -> int:
    """Tokens of the largest window that a prompt is too long for, as one model refused it; 0: it
    says nothing of others. A window that nobody stated is the listed one, which a server may have
    made smaller: so it counts only if our estimate is near it."""
    if fault.context is not None:
        return fault.context
    return model.context if need.prompt_tokens + need.output_tokens >= NEAR * model.context else 0
