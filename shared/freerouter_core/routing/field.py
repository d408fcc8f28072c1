"""`Field`: the candidates of one request, and whose turn it is.

A named model comes first, then the configured default, then the fallback list, then the rest in the order `rank` gives, free
ones before any paid one. Among equals, accounts that have not failed in this call come first (breadth first over quota
scopes). A guessed bench makes a candidate a last resort; a stated wait is never shortened.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from ..catalogue.model import Catalogue, Model
from ..catalogue.providers import Account
from .fit import fit
from .health import Health, HealthBook
from .need import Need, Policy
from .quota import Charge, charges_of
from .rank import rank


@dataclass(slots=True, eq=False)
class Candidate:
    """A model that may be asked, and what this call has seen of it."""

    model: Model
    account: Account
    charges: tuple[Charge, ...]
    named: bool = False
    tries: int = 0
    not_before: float = 0.0
    out: bool = False
    """Of no use to this request any more."""
    guard: bool = True


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is: `candidate` now, or nobody before `until`, in line for `scope`; neither: nobody is left."""

    candidate: Candidate | None = None
    until: float | None = None
    scope: str | None = None


def find_named(name: str, catalogue: Catalogue, accounts: Mapping[str, Account]) -> Model | None:
    """The model a user's name means; one that no catalogue lists is taken at its word. None: no such provider."""
    prefix, colon, rest = name.partition(":")
    if colon and prefix in accounts and "/" not in prefix:
        provider, wire = prefix, rest
    elif "openrouter" in accounts or not accounts:
        provider, wire = "openrouter", name
    elif len(accounts) == 1:
        provider, wire = next(iter(accounts)), name
    else:
        return next((m for m in catalogue if m.wire_name == name), None)
    listed = catalogue.by_key.get((provider, wire))
    if listed is not None:
        return listed
    account = accounts.get(provider)
    if account is None:
        return None
    free = (
        account.free == "all" or wire in account.free if account.free != "suffix" else wire.endswith(":free")
    )
    ident = wire if provider == "openrouter" else f"{provider}:{wire}"
    return Model(id=ident, provider=provider, name=wire, free=free, listed=False)


@dataclass
class Field:
    """Candidates in the order they are asked, the blocks met on the way, and why others were left out."""

    candidates: list[Candidate]
    skipped: dict[str, str]
    retry_cap: int = 3
    blocked: dict[str, float] = field(default_factory=dict)
    failed_scopes: set[str] = field(default_factory=set)

    @classmethod
    def of(
        cls,
        catalogue: Catalogue,
        accounts: Mapping[str, Account],
        need: Need,
        policy: Policy,
        book: HealthBook,
        now: float,
        rng: Random | None,
        turn: int = 0,
    ) -> Field:
        skipped: dict[str, str] = {}
        ordered: list[Model] = []
        for name in policy.preferred:
            model = find_named(name, catalogue, accounts)
            if model is None:
                skipped[name] = "its provider is not among the router's, or has no key"
            elif model not in ordered:
                reason = _unfit(model, need, policy, book, catalogue, now, named=True)
                if reason is None:
                    ordered.append(model)
                else:
                    skipped[model.id] = reason
        count = len(ordered)
        if policy.others:
            named = {model.key for model in ordered}
            fitting: list[Model] = []
            for model in catalogue.models:
                if not model.chat or model.key in named or model.provider not in accounts:
                    continue
                reason = _unfit(model, need, policy, book, catalogue, now, named=False)
                if reason is None:
                    fitting.append(model)
                elif model.free:
                    skipped.setdefault(model.id, reason)
            ranked = rank(fitting, need, policy, book, now, rng, turn)
            if policy.allow_paid:
                ranked.sort(key=lambda m: not m.free)  # stable: every free one before every paid one
            ordered += ranked
        return cls(
            [
                Candidate(m, accounts[m.provider], charges_of(accounts[m.provider], m), n < count)
                for n, m in enumerate(ordered)
            ],
            skipped,
            max(1, policy.retry_attempts),
        )

    def next(
        self, book: HealthBook, now: float, *, fresh_only: bool = False, avoid: frozenset[str] = frozenset()
    ) -> Turn:
        """Whose turn it is at `now`. `fresh_only`: no last resorts; `avoid`: ids of models in flight."""
        best: Candidate | None = None
        best_key: tuple[float, ...] = ()
        until, scope = math.inf, None
        for n, candidate in enumerate(self.candidates):
            if candidate.out or candidate.tries >= self.retry_cap or candidate.model.id in avoid:
                continue
            ready, soft, where = self._ready(candidate, book, now)
            if ready > now:
                if ready < until:
                    until, scope = ready, where
                continue
            if soft and fresh_only:
                continue
            paid = not (candidate.model.free or candidate.named)
            failed = not candidate.named and candidate.account.scope in self.failed_scopes
            key = (paid, soft, candidate.tries, failed, n)
            if best is None or key < best_key:
                best, best_key = candidate, key
                if not any(key[:4]):
                    break  # nobody later can be better
        if best is not None:
            return Turn(best)
        return Turn(until=until if until < math.inf else None, scope=scope)

    def _ready(self, candidate: Candidate, book: HealthBook, now: float) -> tuple[float, bool, str | None]:
        """(when, last resort?, scope in whose line to wait)."""
        ready, soft, scope = candidate.not_before, candidate.tries > 0, None
        for charge in candidate.charges:
            until = self.blocked.get(charge.scope, 0.0)
            if until > ready:
                ready, scope = until, charge.scope
        bench = book.accounts.get(candidate.account.scope)
        if bench is not None and bench.until > now:
            if bench.stated:
                ready, scope = max(ready, bench.until), None
            else:
                soft = True
        health = book.models.get(candidate.model.key)
        if health is not None:
            if health.bench > now:
                if health.stated:
                    ready, scope = max(ready, health.bench), None
                else:
                    soft = True
            elif health.probing:
                soft = True
        return ready, soft, scope

    def returns(self, book: HealthBook, now: float) -> float | None:
        """The earliest time anybody can be asked again, as far as stated waits tell; None: nobody will be."""
        times = [self._ready(c, book, now)[0] for c in self.candidates if not c.out]
        return min((t for t in times if t < math.inf), default=None)


def _unfit(
    model: Model,
    need: Need,
    policy: Policy,
    book: HealthBook,
    catalogue: Catalogue,
    now: float,
    *,
    named: bool,
) -> str | None:
    health: Health | None = book.models.get(model.key)
    if health is not None and health.gone is not None and health.gone >= catalogue.fetched:
        return "answered that it is gone; asked again when the catalogue has been refreshed"
    return fit(model, need, policy, health, now, named=named)


def explain(
    candidates: Sequence[Candidate], book: HealthBook, now: float
) -> list[tuple[Candidate, str, float | None]]:
    """Each candidate, its state in words, and when it returns (None: it is ready)."""
    rows: list[tuple[Candidate, str, float | None]] = []
    for candidate in candidates:
        bench = book.accounts.get(candidate.account.scope)
        health = book.models.get(candidate.model.key)
        if bench is not None and bench.until > now:
            rows.append((candidate, f"account waits: {bench.cause}", bench.until))
        elif health is not None and health.bench > now:
            kind = "stated" if health.stated else "guessed"
            rows.append((candidate, f"benched ({kind}): {health.last_fault}", health.bench))
        else:
            rows.append((candidate, "ready", None))
    return rows
