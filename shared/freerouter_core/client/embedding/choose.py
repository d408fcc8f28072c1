"""Which space the texts of a call are embedded in: a named one, a pinned one, or the best now."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping

from ...catalogue.counts import count_words
from ...catalogue.model import Model
from ...catalogue.providers import Account
from ...catalogue.serving import Space, base_name
from ...catalogue.spaces import SPACES, space_of
from ...errors import BadRequest, Exhausted, NoCandidates
from ...routing.health_book import HealthBook
from ...runtime.space_records import SpaceRecord

_ORDER = {family: place for place, family in enumerate(SPACES)}
"""Among spaces that as many providers serve, those that are known best come first."""
SHOWN = 8
"""Names of spaces in a hint."""
NO_PROVIDER_HINT = (
    "name a provider that has embeddings: providers=[…], FREEROUTER_PROVIDERS, or a local server"
)


def choose_space(
    name: str | None,
    dimensions: int | None,
    record: SpaceRecord | None,
    place: str,
    models: Iterable[Model],
    accounts: Mapping[str, Account],
    book: HealthBook,
    now: float,
    *,
    allow_paid: bool = False,
) -> SpaceRecord:
    """The record of the space to use. Raises `BadRequest` if the caller names another than the
    record, and `NoCandidates` if nobody serves any."""
    models = [m for m in models if m.serving is not None and m.serving.space is not None]
    named = None
    if name:
        named = named_space(name, models).of_dimension(dimensions)
    if record is not None:
        _check_record(record, named, dimensions, place)
        return record
    if named is not None:
        return SpaceRecord(space=named, why=f"{name} was named")
    by_space: dict[Space, set[str]] = defaultdict(set)
    for model in models:
        if model.free or allow_paid:
            by_space[_space(model)]
            if _usable(model, accounts, book, now):
                by_space[_space(model)].add(model.provider)
    if not by_space:
        raise NoCandidates(
            "no provider of this router serves free embeddings", hint=NO_PROVIDER_HINT
        )
    best = min(by_space, key=lambda s: (-len(by_space[s]), _ORDER.get(s.family, 99), s.family))
    count, names = len(by_space[best]), ", ".join(sorted(by_space[best]))
    why = f"{count_words(count, 'usable provider')}: {names or 'none now'}"
    return SpaceRecord(space=best.of_dimension(dimensions), why=why)


def named_space(name: str, models: Iterable[Model]) -> Space:
    """The space that a name means: of a family ("bge-m3"), of a model, or "provider:model"."""
    wanted = base_name(name)
    bare = base_name(name.partition(":")[2]) if ":" in name else wanted
    for model in models:
        space = _space(model)
        if name in (model.id, model.wire_name) or space.family in (wanted, bare):
            return space
    return space_of(bare if ":" in name and "/" not in name.partition(":")[0] else name)


def unknown_model(
    name: str | None, models: Iterable[Model], error: NoCandidates | Exhausted
) -> NoCandidates | None:
    """The error for a named model that nobody serves; None: it is not unknown, or none is named.

    `error`: what came of asking. A model that no list has is unknown if it is no candidate, or if
    all that was asked answered that it is gone.
    """
    if not name:
        return None
    models = list(models)
    wanted = named_space(name, models)
    known = [model for model in models if model.listed]
    if any(_space(model).serves(wanted) for model in known):
        return None
    if isinstance(error, Exhausted) and any(a["fault"] != "gone" for a in error.attempts):
        return None
    skipped = error.skipped if isinstance(error, NoCandidates) else {}
    reason = skipped.get(name) or skipped.get(name.partition(":")[2])
    if isinstance(error, Exhausted):
        reason = error.message
    families = sorted({_space(model).family for model in known})
    near = difflib.get_close_matches(wanted.family, families, 1)
    hints = [f"did you mean {near[0]!r}?"] if near else []
    served = ", ".join(families[:SHOWN]) + (", …" if families[SHOWN:] else "")
    hints.append(f"served here: {served}" if families else NO_PROVIDER_HINT)
    return NoCandidates(
        f"no provider of this router has an embedding model {name!r}"
        + (f": {reason}" if reason else ""),
        hint="; ".join(hints),
        skipped=skipped,
        status_code=404,
        model=name,
        attempts=error.attempts,
    )


def _space(model: Model) -> Space:
    serving = model.serving
    return serving.space if serving and serving.space else space_of(model.wire_name)


def _check_record(
    record: SpaceRecord, named: Space | None, dimensions: int | None, place: str
) -> None:
    space = record.space
    other = None
    if named is not None and not named.serves(space):
        other = named.name
    elif dimensions is not None and space.dimension not in (0, dimensions):
        other = f"{space.family}/{dimensions}"
    if other is not None:
        raise BadRequest(
            f"the index is of {space.name}, by {place}; {other} gives vectors of another space",
            hint="leave model and dimensions out, or embed everything anew with another pin=",
        )


def _usable(model: Model, accounts: Mapping[str, Account], book: HealthBook, now: float) -> bool:
    account = accounts.get(model.provider)
    if account is None:
        return False
    bench, record = book.accounts.get(account.scope), book.models.get(model.identity)
    if bench is not None and bench.until > now:
        return False
    return record is None or (record.gone is None and record.benched_until <= now)
