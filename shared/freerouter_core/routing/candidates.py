"""`Candidates`: the candidates of one request, and whose turn it is.

A named model comes first, then the configured default, then the fallback list, then the rest in the order `rank` gives, free
ones before any paid one. Among equals, accounts that have not failed in this call come first (breadth first over quota
scopes). A guessed bench makes a candidate a last resort; a stated wait is never shortened.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from ..catalogue.model import Catalogue, Model
from ..catalogue.pricing import matches_free_list
from ..catalogue.providers import Account
from .fit import able, fit, ready, tight
from .health import PRIOR_SAFETY, Health, HealthBook
from .limits import Charge, charges_of
from .need import Need, Policy
from .rank import NOTHING, rank

ROOMY = 2_000
"""Tokens of a prompt that every chat model has room for."""
ROOM = 1.2
"""What a model takes beyond its file: the context, and whatever else runs."""
ACCOUNT_PROBES = 2
"""Guessed faults of one account (a debt, a redirect) that a call puts up with: the second proves the first."""


@dataclass(slots=True, eq=False)
class Candidate:
    """A model that may be asked, and what this call has seen of it."""

    model: Model
    account: Account
    named: bool = False
    tries: int = 0
    not_before: float = 0.0
    out: bool = False
    """Of no use to this request any more."""
    price_cap: bool = True
    place: int = 0
    """Its last request's, among all that were sent."""
    plainer: int = 0
    """Times it was asked again in a plainer form."""
    _charges: tuple[Charge, ...] | None = None
    _scopes: tuple[str, ...] | None = None

    @property
    def charges(self) -> tuple[Charge, ...]:
        """The limits it falls under."""
        if self._charges is None:
            self._charges = charges_of(self.account, self.model)
        return self._charges

    @property
    def scopes(self) -> tuple[str, ...]:
        """Where those and limits yet to be learnt are counted: who waits for one of them waits in its line."""
        if self._scopes is None:
            whole = self.account.scope
            own = (whole, f"{whole}|{self.model.wire_name}") if self.model.free else ()
            self._scopes = tuple(dict.fromkeys((*own, *(charge.scope for charge in self.charges))))
        return self._scopes


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
    account = accounts.get(provider)
    if account is None:
        return None
    listed = catalogue.by_identity.get((provider, account.base_url, wire))
    if listed is not None:
        return listed
    free = (
        wire.endswith(":free")
        if account.free == "suffix"
        else account.free == "all" or matches_free_list(wire, account.free)
    )
    ident = wire if provider == "openrouter" else f"{provider}:{wire}"
    return Model(
        id=ident, provider=provider, name=wire, origin=account.address, free=free, listed=False
    )


class Candidates:
    """Candidates in the order they are asked, the blocks met on the way, and why others were left out.

    Most requests are answered by the first they ask, so candidates are made as they are looked at.
    """

    def __init__(
        self,
        named: list[Model],
        ranked: list[Model],
        accounts: Mapping[str, Account],
        skipped: dict[str, str],
        retry_cap: int,
    ) -> None:
        self.skipped, self.retry_cap = skipped, retry_cap
        self.blocked: dict[str, float] = {}
        self.failed_scopes: set[str] = set()
        self.account_faults: dict[str, int] = {}
        """Guessed faults of each account in this call: after the second nobody of it is asked again."""
        self._accounts = accounts
        self._made = [Candidate(model, accounts[model.provider], named=True) for model in named]
        self._rest = ranked[::-1]

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
        congestion: Mapping[str, float] = NOTHING,
    ) -> Candidates:
        """The field for a request. `rng` None: ranked by means, as `explain` wants; `turn` moves the round robin; `congestion`: see
        `rank`."""
        skipped: dict[str, str] = {}
        named: list[Model] = []
        for name in policy.preferred:
            model = find_named(name, catalogue, accounts)
            if model is None or model.provider not in accounts:
                skipped[name] = "its provider is not among the router's, or has no key"
            elif model not in named:
                health = book.models.get(model.identity)
                reason = _gone(health, catalogue) or fit(
                    model, need, policy, health, now, named=True
                )
                if reason is None:
                    named.append(model)
                else:
                    skipped[model.id] = reason
        ranked: list[Model] = []
        if policy.others:
            fitting = _fitting(catalogue, accounts, need, policy, book, now, skipped)
            if named:
                fitting = [model for model in fitting if model not in named]
            ranked = rank(fitting, need, policy, book, now, rng, turn, congestion)
            if policy.kept:
                ranked.sort(key=lambda m: m.id != policy.kept)  # stable
            if need.prompt_tokens > ROOMY:
                ranked.sort(key=lambda m: tight(m, need, book.models.get(m.identity)))  # stable
            if policy.memory:
                ranked.sort(
                    key=lambda m: m.size * ROOM > policy.memory
                )  # stable: who does not fit comes last
            if policy.allow_paid:
                ranked.sort(
                    key=lambda m: not m.free
                )  # stable: every free one before every paid one
        return cls(named, ranked, accounts, skipped, max(1, policy.retry_attempts))

    @property
    def all(self) -> list[Candidate]:
        """Every candidate."""
        while self._rest:
            self._make()
        return self._made

    @property
    def empty(self) -> bool:
        return not (self._made or self._rest)

    def alive(self, candidate: Candidate) -> bool:
        """Whether it may still be asked in this call, now or later."""
        return not (
            candidate.out
            or candidate.tries >= self.retry_cap
            or self.account_faults.get(candidate.account.scope, 0) >= ACCOUNT_PROBES
        )

    def put_first(self, candidate: Candidate) -> None:
        """Ask this one next."""
        self._made.remove(candidate)
        self._made.insert(0, candidate)

    def _make(self) -> Candidate:
        model = self._rest.pop()
        candidate = Candidate(model, self._accounts[model.provider])
        self._made.append(candidate)
        return candidate

    def _each(self) -> Iterator[Candidate]:
        yield from self._made
        while self._rest:
            yield self._make()

    def next(
        self,
        book: HealthBook,
        now: float,
        *,
        fresh_only: bool = False,
        avoid: frozenset[str] = frozenset(),
    ) -> Turn:
        """Whose turn it is at `now`. `fresh_only`: no last resorts; `avoid`: ids of models in flight."""
        best: Candidate | None = None
        best_key: tuple[float, ...] = ()
        until, scope, paused = math.inf, None, math.inf
        for n, candidate in enumerate(self._each()):
            if not self.alive(candidate) or candidate.model.id in avoid:
                continue
            when, soft, where = self._ready(candidate, book, now)
            if when > now:
                if when < until:
                    until, scope = when, where
                if when == candidate.not_before and candidate.model.free:
                    paused = min(paused, when)
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
        if best is not None and best_key[0] and paused < math.inf:
            return Turn(
                until=paused
            )  # a free one that only draws breath still stands before any paid one
        if best is not None:
            return Turn(best)
        return Turn(until=until if until < math.inf else None, scope=scope)

    def _ready(
        self, candidate: Candidate, book: HealthBook, now: float
    ) -> tuple[float, bool, str | None]:
        """(when, last resort?, scope in whose line to wait)."""
        when, soft, scope = candidate.not_before, candidate.tries > 0, None
        for counted in candidate.scopes if self.blocked else ():
            until = self.blocked.get(counted, 0.0)
            if until > when:
                when, scope = until, counted
        bench = book.accounts.get(candidate.account.scope)
        if bench is not None and bench.until > now:
            if bench.stated:
                when, scope = max(when, bench.until), None
            else:
                soft = True
        health = book.models.get(candidate.model.identity)
        if health is not None:
            if health.bench > now:
                if health.stated:
                    when, scope = max(when, health.bench), None
                else:
                    soft = True
            elif health.probing:
                soft = True
        return when, soft, scope

    def returns(self, book: HealthBook, now: float) -> float | None:
        """The earliest time anybody is to be asked again, guessed benches counted; None: nobody will be."""
        times = []
        for candidate in self.all:
            if not candidate.out:
                health, bench = (
                    book.models.get(candidate.model.identity),
                    book.accounts.get(candidate.account.scope),
                )
                ends = (health.bench if health else 0.0, bench.until if bench else 0.0)
                times.append(max(self._ready(candidate, book, now)[0], *ends))
        return min((t for t in times if t < math.inf), default=None)


def _fitting(
    catalogue: Catalogue,
    accounts: Mapping[str, Account],
    need: Need,
    policy: Policy,
    book: HealthBook,
    now: float,
    skipped: dict[str, str],
) -> list[Model]:
    """The models that fit, and into `skipped` why the others do not. What the catalogue alone decides is decided once for
    each kind of request."""
    kind = (need.kind, policy.kind, tuple(accounts))
    found = catalogue.memo.get(kind)
    if found is None:
        reasons = [
            (m, able(m, need, policy))
            for m in catalogue.models
            if m.chat and m.provider in accounts
        ]
        pool = [model for model, reason in reasons if reason is None]
        found = catalogue.memo[kind] = (
            pool,
            {m.id: reason for m, reason in reasons if reason and m.free},
        )
    pool, unable = found
    if unable:
        skipped.update({name: reason for name, reason in unable.items() if name not in skipped})
    # The common case inline: nothing is known against a model, and the request is small enough for it.
    largest = max(need.prompt_tokens + need.output_tokens, policy.min_context)
    safe = policy.min_safety <= PRIOR_SAFETY
    fitting = []
    for model in pool:
        health = book.models.get(model.identity)
        blank = safe and (health is None or (health.plain and policy.max_latency is None))
        if blank and model.context >= largest and model.expires is None and model.free:
            fitting.append(model)
            continue
        reason = _gone(health, catalogue) or ready(model, need, policy, health, now)
        if reason is None:
            fitting.append(model)
        elif model.free or policy.allow_paid:
            skipped.setdefault(model.id, reason)
    return fitting


def _gone(health: Health | None, catalogue: Catalogue) -> str | None:
    if health is not None and health.gone is not None and health.gone >= catalogue.fetched:
        return "answered that it is gone; asked again when the catalogue has been refreshed"
    return None


def explain(
    candidates: Sequence[Candidate], book: HealthBook, now: float
) -> list[tuple[Candidate, str, float | None]]:
    """Each candidate, its state in words, and when it returns (None: it is ready)."""
    rows: list[tuple[Candidate, str, float | None]] = []
    for candidate in candidates:
        bench = book.accounts.get(candidate.account.scope)
        health = book.models.get(candidate.model.identity)
        if bench is not None and bench.until > now:
            rows.append((candidate, f"account waits: {bench.cause}", bench.until))
        elif health is not None and health.bench > now:
            kind = "stated" if health.stated else "guessed"
            rows.append((candidate, f"benched ({kind}): {health.last_fault}", health.bench))
        else:
            rows.append((candidate, "ready", None))
    return rows
