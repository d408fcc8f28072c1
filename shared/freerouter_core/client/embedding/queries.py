"""What a router can be asked about embedding models and rerankers. Nothing is embedded."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ...catalogue.model import Catalogue, Mode, Model
from ...catalogue.providers import Account
from ...catalogue.served_rows import serving_models
from ...reports import Explanation, Models
from ...routing.need import Need
from ...runtime.space_records import SpaceRecord
from ...wire.embeddings import least_tokens_of, tokens_of
from ..context import Context
from ..model_status import model_statuses
from .pinned_space import PinnedSpace
from .texts_run import models_of, texts_policy


async def text_models(context: Context, mode: Mode) -> Models:
    """The models of a mode, free ones first; with `show_free_only` no others."""
    resolved, config = await context.listing(), context.config
    free_only = config.show_free_only
    if free_only is None:
        free_only = resolved.settings.openrouter_show_free_only
    found = [
        m for m in await models_of(context, mode, resolved=resolved) if m.free or not free_only
    ]
    return Models(sorted(found, key=lambda model: (not model.free, model.id)))


async def explain_texts(
    context: Context, text: str, mode: Mode, pin: str | Path | None = None
) -> Explanation:
    """What would be asked to embed or to rank a text, in order, and why not the others. `pin`: the
    record of an index, as in `Router.embed`."""
    resolved = await context.opened()
    catalogue = await models_of(context, mode)
    sizes, space, words = (tokens_of(text),), None, ""
    if mode == "embedding":
        path = None if pin is None else os.fspath(pin)
        record = PinnedSpace(context, None, None, path).choose(catalogue)
        space, words = record.space, _space_words(record)
    need = Need(
        prompt_tokens=sum(sizes),
        least_tokens=least_tokens_of(text),
        output_tokens=0,
        limit=0,
        mode=mode,
        sizes=sizes,
        space=space,
    )
    policy = texts_policy(replace(resolved.policy, preferred=()), None)
    rows = await model_statuses(context.runtime, catalogue, resolved, need, policy)
    return Explanation(tuple(rows), words)


def _space_words(record: SpaceRecord) -> str:
    pinned = "pinned" if record.known is not None else "not pinned yet"
    return f"space {record.space.name} ({pinned}): {record.why}"


def models_of_rows(accounts: Iterable[Account]) -> list[Model]:
    """The models besides chat that rows of these accounts have."""
    accounts, empty = tuple(accounts), Catalogue()
    return [
        *serving_models("embedding", empty, accounts),
        *serving_models("rerank", empty, accounts),
    ]
