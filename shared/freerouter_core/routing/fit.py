"""`fit`: why a model cannot serve a request, in words; None if it can.

This is about what a model can do. How it has been doing lately is `health`'s business.
"""

from __future__ import annotations

import math

from ..catalogue.model import Model
from ..wire.quirks import lacks_of
from .health import PRIOR_SAFETY, Health
from .need import Need
from .policy import Policy

_PARAMETERS = {
    "vision": "image",
    "multimodal": "image",
    "structured": "structured_outputs",
    "json": "response_format",
    "code": "",
    "text": "",
    "streaming": "",
}
"""Which parameter or input a word for a capability means; empty: every chat model has it."""
_INPUTS = frozenset({"image", "audio", "video", "file"})


CAPABILITIES = frozenset(
    {*_PARAMETERS, *_PARAMETERS.values(), *_INPUTS, "tools", "tool_choice", "reasoning"}
) - {""}
"""Words for capabilities; every request parameter is one, too."""

NO_LOGPROBS = "gives no logprobs"
TOO_LONG = "context of"
"""What the reason begins with if the prompt is longer than the model's context window."""


def fit(
    model: Model, need: Need, policy: Policy, health: Health | None, now: float, *, named: bool
) -> str | None:
    """The first reason why not. `named`: the user asked for this model.

    Then it need not be listed, nor be a chat model.
    """
    return able(model, need, policy, named=named) or ready(model, need, policy, health, now)


def able(model: Model, need: Need, policy: Policy, *, named: bool = False) -> str | None:
    """Why not, by the catalogue alone: the same for every request of this kind."""
    if not policy.allow_paid and not model.free:
        known = "not free" if model.listed else "not listed, and not known to be free"
        return f"{known}; allow_paid=True would permit it"
    if need.mode != "chat":
        return _mode(model, need) or _price(model, policy)
    if not (model.chat or named):
        return "not a chat model for plain clients"
    quality = quality_of(model, policy)
    if model.listed and quality < policy.min_quality:
        return f"its quality prior of {quality:.1f} is under min_quality={policy.min_quality:g}"
    lacks = lacks_of(model.wire_name, model.provider)
    return _capabilities(model, need, policy, lacks) or _price(model, policy)


def _mode(model: Model, need: Need) -> str | None:
    """Why a model besides chat cannot serve a need besides chat."""
    if model.mode != need.mode or model.serving is None:
        return f"no {need.mode} model"
    space = model.serving.space
    if need.space is not None and (space is None or not space.serves(need.space)):
        return f"its vectors are of another space than {need.space.name}"
    return None


def ready(
    model: Model, need: Need, policy: Policy, health: Health | None, now: float
) -> str | None:
    """Why not, by the size of the request, the time, and what was learnt about the model."""
    if model.expires is not None and model.expires <= now:
        return "its catalogue entry has expired"
    reason = (
        _size(model, need, policy, health) or _bill(model, need, policy) or _safety(policy, health)
    )
    if reason is not None or health is None:
        return reason
    lacks = health.lacks_at(now)
    if lacks:
        reason = _capabilities(model, need, policy, lacks)
    return reason or _latency(policy, health)


def _size(model: Model, need: Need, policy: Policy, health: Health | None) -> str | None:
    context = window(model, health)
    if need.mode != "chat":
        return _text_size(model, need, context)
    if model.listed and context < need.least_tokens:
        return f"{TOO_LONG} {context:,} tokens is under the {need.least_tokens:,} needed at least"
    if model.listed and context < policy.min_context:
        return (
            f"its {context:,} tokens of context are under min_context={policy.min_context:,} "
            "(in LlamaIndex: context_window)"
        )
    return None


def _text_size(model: Model, need: Need, context: int) -> str | None:
    """Whether the longest text fits. One that may be cut in silence must surely fit."""
    cuts = model.serving is not None and model.serving.cuts
    longest = max(need.sizes, default=0) if cuts else need.least_tokens
    if context < longest:
        return f"{TOO_LONG} {context:,} tokens is under the {longest:,} of the longest text"
    return None


def window(model: Model, health: Health | None) -> int:
    """The context window in tokens: the catalogue's, or a smaller one that an error stated."""
    if health is not None and health.context is not None:
        return min(model.context, health.context)
    return model.context


def tight(model: Model, need: Need, health: Health | None) -> bool:
    """Whether the request may be too large, by the high estimate: then the others come first."""
    tokens = need.prompt_tokens + min(need.output_tokens, model.max_output or need.output_tokens)
    return model.listed and window(model, health) < tokens


def _capabilities(model: Model, need: Need, policy: Policy, lacks: frozenset[str]) -> str | None:
    if need.inputs:
        unknown = need.inputs - model.inputs if model.listed else frozenset()
        missing = unknown | (need.inputs & (lacks | model.lacks))
        if missing:
            return f"takes no {', '.join(sorted(missing))}"
    if need.tools and (not model.takes("tools") or "tools" in lacks):
        return "has no tools"
    if need.logprobs and (not model.takes("logprobs") or "logprobs" in lacks):
        return NO_LOGPROBS
    for capability in policy.capabilities:
        if model.listed and not has(model, capability, lacks):
            return f"has no {capability}"
    return None


def forces_calls(model: Model, health: Health | None, now: float) -> bool:
    """Whether a model can be made to call a tool, for all that is known. Others can be asked to,
    and may answer in text."""
    lacks = lacks_of(model.wire_name, model.provider)
    if health is not None:
        lacks |= health.lacks_at(now)
    return model.takes("tool_choice") and "tool_choice" not in lacks


def has(model: Model, capability: str, lacks: frozenset[str]) -> bool:
    """Whether a model has what a word such as "vision", "tools" or "structured" means."""
    name = _PARAMETERS.get(capability, capability)
    if not name:
        return True
    return name not in lacks and (name in model.inputs if name in _INPUTS else model.takes(name))


def _price(model: Model, policy: Policy) -> str | None:
    ceiling = policy.max_cost_per_token
    if ceiling is not None and not model.free and model.prompt_price < 0:
        return f"has no known price, and there is max_cost_per_token={ceiling:g} USD"
    if ceiling is not None and max(model.prompt_price, model.completion_price) > ceiling:
        return f"costs more than max_cost_per_token={ceiling:g} USD"
    return None


def _bill(model: Model, need: Need, policy: Policy) -> str | None:
    ceilings = {
        "max_cost_per_request": policy.max_cost_per_request,
        "daily_budget_usd": policy.daily_budget_usd,
    }
    for name, ceiling in ceilings.items():
        if ceiling is None:
            continue
        cost = model.cost(need.prompt_tokens, need.output_tokens)
        if cost > ceiling:
            reason = (
                "could cost more than" if cost < math.inf else "has no known price, and there is"
            )
            return f"this request {reason} {name}={ceiling:g} USD"
    return None


def quality_of(model: Model, policy: Policy) -> float:
    """0 to 10: the owner's own opinion of a model, else the catalogue's prior."""
    return policy.quality.get(model.id, model.quality) if policy.quality else model.quality


def _safety(policy: Policy, health: Health | None) -> str | None:
    safety = PRIOR_SAFETY if health is None else health.safety
    if safety < policy.min_safety:
        return f"its safety score of {safety:.1f} is under min_safety={policy.min_safety:g}"
    return None


def _latency(policy: Policy, health: Health) -> str | None:
    limit = policy.max_latency
    if limit is None or health.answers < 1 or health.first_token <= limit:
        return None
    return f"first token after {health.first_token:.1f} s on average, max_latency={limit:g}"
