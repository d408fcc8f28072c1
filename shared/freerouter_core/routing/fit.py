"""`fit`: why a model cannot serve a need, in words; None when it can. Says nothing of whether it is well: see `health`."""

from __future__ import annotations

import math

from ..catalogue.model import Model
from ..wire.quirks import lacks_of
from .health import PRIOR_SAFETY, Health
from .need import Need, Policy

_WORDS = {
    "vision": "image",
    "multimodal": "image",
    "structured": "structured_outputs",
    "json": "response_format",
    "code": "",
    "text": "",
    "streaming": "",
}
_INPUTS = frozenset({"image", "audio", "video", "file"})


CAPABILITIES = frozenset(
    {*_WORDS, *_WORDS.values(), *_INPUTS, "tools", "tool_choice", "reasoning"}
) - {""}
"""Words that everybody means the same by; any request parameter is one, too."""


def fit(
    model: Model, need: Need, policy: Policy, health: Health | None, now: float, *, named: bool
) -> str | None:
    """The first reason why not. `named`: the user asked for this very model, so it need not be listed or for chat."""
    return able(model, need, policy, named=named) or ready(model, need, policy, health, now)


def able(model: Model, need: Need, policy: Policy, *, named: bool = False) -> str | None:
    """Why not, by what the catalogue says: the same for every request of this kind."""
    if not policy.allow_paid and not model.free:
        return "not free; allow_paid=True would permit it"
    if not (model.chat or named):
        return "not a chat model for plain clients"
    quality = quality_of(model, policy)
    if model.listed and quality < policy.min_quality:
        return f"its quality prior of {quality:.1f} is under min_quality={policy.min_quality:g}"
    return _capabilities(model, need, policy, lacks_of(model.wire_name, model.provider)) or _price(
        model, policy
    )


def ready(
    model: Model, need: Need, policy: Policy, health: Health | None, now: float
) -> str | None:
    """Why not, by the size of this request, the time, and what the model turned out to be."""
    if model.expires is not None and model.expires <= now:
        return "its catalogue entry has expired"
    reason = (
        _size(model, need, policy, health) or _bill(model, need, policy) or _safety(policy, health)
    )
    if reason is not None or health is None:
        return reason
    if health.lacks_at(now):
        reason = _capabilities(model, need, policy, health.lacks)
    return reason or _latency(policy, health)


def _size(model: Model, need: Need, policy: Policy, health: Health | None) -> str | None:
    context = window(model, health)
    if model.listed and context < need.least_tokens:
        return f"context of {context:,} tokens is under the {need.least_tokens:,} needed at least"
    if model.listed and context < policy.min_context:
        return f"its {context:,} tokens of context are under min_context={policy.min_context:,} (in LlamaIndex: context_window)"
    return None


def window(model: Model, health: Health | None) -> int:
    """The context window: the catalogue's, or the smaller one it turned out to have."""
    if health is not None and health.context is not None:
        return min(model.context, health.context)
    return model.context


def tight(model: Model, need: Need, health: Health | None) -> bool:
    """Whether the request may be too large for the model, by the high estimate: then it is asked after all others."""
    wanted = need.prompt_tokens + min(need.output_tokens, model.max_output or need.output_tokens)
    return model.listed and window(model, health) < wanted


def _capabilities(model: Model, need: Need, policy: Policy, lacks: frozenset[str]) -> str | None:
    if need.inputs and model.listed:
        missing = (need.inputs - model.inputs) | (need.inputs & lacks)
        if missing:
            return f"takes no {', '.join(sorted(missing))}"
    if need.tools and (not model.takes("tools") or "tools" in lacks):
        return "has no tools"
    if need.tool_choice and (not model.takes("tool_choice") or "tool_choice" in lacks):
        return "has no tool_choice"
    for capability in policy.capabilities:
        if model.listed and not has(model, capability, lacks):
            return f"has no {capability}"
    return None


def has(model: Model, capability: str, lacks: frozenset[str]) -> bool:
    """Whether a model has what a word such as "vision", "tools" or "structured" means."""
    word = _WORDS.get(capability, capability)
    if not word:
        return True
    return word not in lacks and (word in model.inputs if word in _INPUTS else model.takes(word))


def _price(model: Model, policy: Policy) -> str | None:
    ceiling = policy.max_cost_per_token
    if ceiling is not None and max(model.prompt_price, model.completion_price) > ceiling:
        return f"costs more than max_cost_per_token={ceiling:g} USD"
    return None


def _bill(model: Model, need: Need, policy: Policy) -> str | None:
    ceilings = {
        "max_cost_per_request": policy.max_cost_per_request,
        "daily_budget_usd": policy.daily_budget_usd,
    }
    cost = (
        model.cost(need.prompt_tokens, need.output_tokens)
        if any(most is not None for most in ceilings.values())
        else 0.0
    )
    for name, most in ceilings.items():
        if most is not None and cost > most:
            known = (
                "could cost more than" if cost < math.inf else "has no known price, and there is"
            )
            return f"this request {known} {name}={most:g} USD"
    return None


def quality_of(model: Model, policy: Policy) -> float:
    """0 to 10: what the router's owner says of a model, else what the catalogue does."""
    return policy.quality.get(model.id, model.quality) if policy.quality else model.quality


def _safety(policy: Policy, health: Health | None) -> str | None:
    safety = PRIOR_SAFETY if health is None else health.safety
    if safety < policy.min_safety:
        return f"its safety score of {safety:.1f} is under min_safety={policy.min_safety:g}"
    return None


def _latency(policy: Policy, health: Health | None) -> str | None:
    if policy.max_latency is None or health is None or health.answers < 1:
        return None
    if health.first_token > policy.max_latency:
        return f"first token after {health.first_token:.1f} s on average, max_latency={policy.max_latency:g}"
    return None
