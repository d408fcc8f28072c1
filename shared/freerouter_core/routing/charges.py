"""`Charge`: one limit that a request falls under. `Grant`: a share taken of every such limit."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache

from ..catalogue.calendar import DAY
from ..catalogue.model import Model
from ..catalogue.providers import Account, Limit

DOLLAR = 1_000_000
"""Units that a US dollar is counted in."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One limit that a request falls under, and where it is counted.

    `scope`: an account's, or one of its models'. `amount`: what a request takes if that is neither
    one request nor its tokens (its texts, or millionths of a dollar). `name`: the name of a window
    whose limit changes. `before`: when requests were sent before there was a limit to count them,
    unix seconds. `guess`: whether no provider told the limit.
    """

    scope: str
    limit: Limit
    amount: int | None = None
    name: str = ""
    before: tuple[float, ...] = ()
    guess: bool = field(default=False, compare=False)
    window: str = field(init=False, repr=False, compare=False)
    """The name of its window, the same in every process.

    It leaves the limit's size out: what counts under one owner's cap counts under another's."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "window", f"{self.scope}|{self.name or _kind(self.limit)}")


@lru_cache(maxsize=1_024)
def _kind(limit: Limit) -> str:
    kind = "r" if limit.requests is not None else "t" if limit.tokens is not None else "c"
    if limit.counts == "texts":
        kind = "i"
    return f"{kind}|{limit.per:g}|{limit.reset}"


@dataclass(frozen=True, slots=True)
class Grant:
    """A share taken of every charge, to be settled later.

    `number`: its own among all processes. `tokens`: what was reserved of token limits. `shared`:
    whether it was taken from a store that other processes share, and `shared_at` when that was by
    the store's clock.
    """

    number: int
    charges: tuple[Charge, ...]
    at: float
    tokens: int
    shared: bool = False
    shared_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """`scope` has no room before `until` (unix seconds; infinite: a limit of zero).

    `turn`: when this request's turn comes, as others wait before it; None: not known. `before`: how
    many those are. `limit`: the limit that is full. `kept`: whether it has room, which is kept for
    interactive requests. `learnt`: whether it was learnt from refusals. `guess`: whether not even
    those told it.
    """

    until: float
    scope: str
    turn: float | None = None
    before: int = 0
    limit: Limit | None = field(default=None, compare=False)
    kept: bool = field(default=False, compare=False)
    learnt: bool = field(default=False, compare=False)
    guess: bool = field(default=False, compare=False)

    @property
    def ends(self) -> float:
        """When the request can go on, as far as is known."""
        return self.until if self.turn is None else max(self.until, self.turn)


def charges_of(account: Account, model: Model) -> tuple[Charge, ...]:
    """The stated limits of the free tier on the way to a model. A paid model falls under none."""
    limits = _limits(account, model)
    if not model.free or not limits:
        return ()
    return _charges(account.scope, limits, model.wire_name)


def scopes_of(account: Account, model: Model) -> tuple[str, ...]:
    """Where the limits on the way to a model are counted, the learnt ones too. A paid model falls
    under none."""
    if not model.free:
        return ()
    return _scopes(account.scope, _limits(account, model), model.wire_name)


def _limits(account: Account, model: Model) -> tuple[Limit, ...]:
    if model.serving is not None and model.serving.limits is not None:
        return model.serving.limits
    return account.limits


def account_charges(account: Account) -> tuple[Charge, ...]:
    """The stated limits that all free models of an account share."""
    return _account_charges(account.scope, account.limits)


@lru_cache(maxsize=1_024)
def _account_charges(scope: str, limits: tuple[Limit, ...]) -> tuple[Charge, ...]:
    return tuple(Charge(scope, limit) for limit in limits if limit.scope == "account")


@lru_cache(maxsize=4_096)
def _charges(account: str, limits: tuple[Limit, ...], model: str) -> tuple[Charge, ...]:
    """Of each window the tightest. `account`: its scope. `model`: its name on the wire."""
    scopes = {"account": account, "ip": f"{account.rpartition('|')[0]}|ip"}
    tightest: dict[str, Charge] = {}
    for limit in limits:
        if limit.models and model not in limit.models:
            continue
        charge = Charge(scopes.get(limit.scope) or f"{account}|{model}", limit)
        other = tightest.get(charge.window)
        if other is None or size_of(limit) < size_of(other.limit):
            tightest[charge.window] = charge
    return tuple(tightest.values())


@lru_cache(maxsize=4_096)
def _scopes(account: str, limits: tuple[Limit, ...], model: str) -> tuple[str, ...]:
    stated = (charge.scope for charge in _charges(account, limits, model))
    return tuple(dict.fromkeys((account, f"{account}|{model}", *stated)))


def of_texts(charges: tuple[Charge, ...], texts: int) -> tuple[Charge, ...]:
    """The charges of a request of so many texts: some limits count each."""
    if texts == 1:
        return charges
    return tuple(
        replace(charge, amount=texts) if charge.limit.counts == "texts" else charge
        for charge in charges
    )


def budget(account: Account, usd: float, cost: float) -> Charge:
    """The owner's budget per UTC day for an account, as a limit. `cost`: USD of this request."""
    limit = Limit(tokens=int(usd * DOLLAR), per=DAY, reset="utc-day")
    return Charge(f"{account.scope}|usd", limit, max(1, math.ceil(cost * DOLLAR)))


def is_budget(charge: Charge) -> bool:
    """Whether it is counted in millionths of a dollar."""
    return charge.amount is not None and charge.limit.tokens is not None


def amount_of(charge: Charge, tokens: int) -> int:
    """How much of a limit a request of `tokens` takes."""
    if charge.amount is not None:
        return charge.amount
    return tokens if charge.limit.tokens is not None else 1


def size_of(limit: Limit) -> int:
    """How many requests, tokens or concurrent requests a limit allows."""
    if limit.requests is not None:
        return limit.requests
    return limit.tokens if limit.tokens is not None else limit.concurrent or 0
