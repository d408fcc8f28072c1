"""`select`: which models are candidates for a request, and in which order.

A named model comes first, then the configured default, then the fallback list: these are asked in
the order they were named. All others that fit follow in the order of `rank`, with every free model
before every paid one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..catalogue.durations import until_words
from ..catalogue.model import Catalogue, Model, ModelIdentity
from ..catalogue.providers import Account
from .fit import able, fit, forces_calls, ready, tight
from .health import PRIOR_SAFETY, Health
from .named import find_named
from .need import Need
from .policy import Policy
from .rank import rank
from .sample import looked_at
from .situation import Situation

SMALL_PROMPT = 2_000
"""Tokens of a prompt that every chat model has room for."""
MEMORY_FACTOR = 1.2
"""Memory that a local model takes, as a multiple of its file: the context needs some, too."""


@dataclass(slots=True)
class Selection:
    """The candidates in order: those that were named, then the others. `skipped`: why each other
    model is none, by id."""

    named: list[Model] = field(default_factory=list)
    ranked: list[Model] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    sampled: bool = False
    """Whether `ranked` are only some of those that fit."""


def select(
    catalogue: Catalogue,
    accounts: Mapping[str, Account],
    situation: Situation,
    *,
    whole: bool = False,
) -> Selection:
    """The candidates for a request, in the order they are to be asked.

    `whole`: all of them, although there may be more than a request has time for; see `sample`.
    """
    selection = Selection()
    for name in situation.policy.preferred:
        _select_named(name, catalogue, accounts, situation, selection)
    if situation.policy.others:
        able_models, index, unable = _able(catalogue, accounts, situation)
        chosen = able_models if whole else looked_at(able_models, index, accounts, situation)
        selection.sampled = chosen is not able_models
        if unable:
            selection.skipped = unable | selection.skipped
        fitting = _fitting(chosen, catalogue, situation, selection.skipped)
        if selection.named:
            fitting = [model for model in fitting if model not in selection.named]
        selection.ranked = _ordered(fitting, situation)
    return selection


def any_fits(catalogue: Catalogue, accounts: Mapping[str, Account], situation: Situation) -> bool:
    """Whether any model fits that nobody named."""
    models = _able(catalogue, accounts, situation)[0] if situation.policy.others else ()
    return any(_fitting([model], catalogue, situation, {}) for model in models)


def _select_named(
    name: str,
    catalogue: Catalogue,
    accounts: Mapping[str, Account],
    situation: Situation,
    selection: Selection,
) -> None:
    model = find_named(name, catalogue, accounts)
    if model is None or model.provider not in accounts:
        selection.skipped[name] = "its provider is not among the router's, or has no key"
    elif model not in selection.named:
        health = situation.book.models.get(model.identity)
        reason = _out(health, catalogue, situation.policy, situation.now) or fit(
            model, situation.need, situation.policy, health, situation.now, named=True
        )
        if reason is None:
            selection.named.append(model)
        else:
            selection.skipped[model.id] = reason


def _ordered(fitting: list[Model], situation: Situation) -> list[Model]:
    """The models by rank; then each rule that outweighs the rank sorts again, and all sorts are
    stable. The last rule weighs most."""
    need, policy, records = situation.need, situation.policy, situation.book.models
    ranked = rank(fitting, situation)
    if policy.kept:
        ranked.sort(key=lambda m: m.id != policy.kept)
    if need.prompt_tokens > SMALL_PROMPT and need.mode == "chat":
        ranked.sort(key=lambda m: tight(m, need, records.get(m.identity)))
    if need.older_inputs:
        ranked.sort(key=lambda m: not _sees(m, need, records.get(m.identity), situation.now))
    if need.tool_choice:
        ranked.sort(key=lambda m: not forces_calls(m, records.get(m.identity), situation.now))
    if policy.memory:
        ranked.sort(key=lambda m: m.size * MEMORY_FACTOR > policy.memory)
    if policy.allow_paid:
        ranked.sort(key=lambda m: not m.free)
    return ranked


def _sees(model: Model, need: Need, health: Health | None, now: float) -> bool:
    """Whether a model takes what earlier turns and results of tools hold besides text."""
    lacks = model.lacks if health is None else model.lacks | health.lacks_at(now)
    return need.older_inputs <= model.inputs - lacks


def _fitting(
    models: Sequence[Model], catalogue: Catalogue, situation: Situation, skipped: dict[str, str]
) -> list[Model]:
    """Those of able models that fit now. Adds to `skipped` why the others do not."""
    need, policy, now = situation.need, situation.policy, situation.now
    # The common case inline: nothing speaks against a model, and the request is small enough.
    record_of = situation.book.models.get
    largest = max(need.prompt_tokens + need.output_tokens, policy.min_context)
    safe, is_chat = policy.min_safety <= PRIOR_SAFETY, need.mode == "chat"
    fitting = []
    for model in models:
        health = record_of(model.identity)
        plain = (
            is_chat and safe and (health is None or (health.plain and policy.max_latency is None))
        )
        if plain and model.context >= largest and model.expires is None and model.free:
            fitting.append(model)
            continue
        reason = _out(health, catalogue, policy, now) or ready(model, need, policy, health, now)
        if reason is None:
            fitting.append(model)
        else:
            skipped.setdefault(model.id, reason)
    return fitting


Able = tuple[Sequence[Model], dict[ModelIdentity, Model], dict[str, str]]
"""The models that are able, the same by identity, and why each other free model is not, by id."""


def _able(catalogue: Catalogue, accounts: Mapping[str, Account], situation: Situation) -> Able:
    """What the catalogue alone decides, worked out once for each kind of request."""
    need, policy = situation.need, situation.policy
    kind = (need.kind, policy.kind, tuple(accounts))
    remembered: Able | None = catalogue.memo.get(kind)
    if remembered is not None:
        return remembered
    reasons = [
        (model, able(model, need, policy))
        for model in catalogue.models
        if (model.chat or model.mode == need.mode != "chat") and model.provider in accounts
    ]
    models = [model for model, reason in reasons if reason is None]
    result: Able = (
        models,
        {model.identity: model for model in models},
        {model.id: reason for model, reason in reasons if reason and model.free},
    )
    catalogue.memo[kind] = result
    return result


def _out(health: Health | None, catalogue: Catalogue, policy: Policy, now: float) -> str | None:
    """Why it is not asked, by its own answers."""
    if health is None:
        return None
    if health.charged and not policy.allow_paid:
        return (
            f"charged {health.charged:g} USD although it should be free; "
            "not asked again without allow_paid=True"
        )
    if health.is_gone(catalogue.fetched, now):
        again = until_words(health.gone_until, now)
        return f"answered that it is gone; asked again {again}, or with a newer catalogue"
    return None
