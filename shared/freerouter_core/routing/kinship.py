"""`Kinship`: which models would probably fail as another did.

Models of one account share its key, its limits and its network. Models of one family share their
template and their demands, whoever serves them. So what one refused is put to a model of another
account and another family next: its answer says most. And only what independent ones say alike is
proof (law 11).
"""

from __future__ import annotations

import re
from functools import lru_cache

from ..catalogue.model import Model
from ..catalogue.providers import Account

_LETTERS = re.compile(r"[a-z]*")
_HOSTS = frozenset({"@cf", "@hf", "accounts", "free", "hf", "models", "pub", "workers-ai"})
"""Parts of names that say where a model is served, and not who made it."""


@lru_cache(maxsize=4_096)
def family_of(name: str) -> tuple[str, str]:
    """(who made it, the first word of its name), of a model's name such as
    "meta-llama/llama-3.3-70b-instruct:free" or "@cf/meta/llama-3"; the first may be empty."""
    *makers, own = [part for part in name.lower().split("/") if part not in _HOSTS] or [name]
    stem = _LETTERS.match(own)
    return (makers[-1] if makers else ""), (stem[0] if stem else "") or own


def same_family(one: Model, other: Model) -> bool:
    """Whether two models were made by the same, or are called alike."""
    maker, stem = family_of(one.wire_name)
    other_maker, other_stem = family_of(other.wire_name)
    return stem == other_stem or (bool(maker) and maker == other_maker)


class Kinship:
    """Who has failed in one request, for the order in which the others are asked."""

    def __init__(self) -> None:
        self._accounts: dict[str, int] = {}
        """Accounts with a failed attempt, and how many of their models refused the request."""
        self._refused: list[Model] = []

    @property
    def refusals(self) -> int:
        """How many models refused the request."""
        return len(self._refused)

    def failed(self, account: Account) -> None:
        """An attempt failed; the account's other models may well fail, too."""
        self._accounts.setdefault(account.scope, 1)

    def refused(self, model: Model, account: Account) -> None:
        """A model refused the request."""
        self._accounts[account.scope] = self._accounts.get(account.scope, 0) + 1
        self._refused.append(model)

    def count(self, model: Model, account: Account) -> int:
        """How many failures there were that speak against a model."""
        likely = self._accounts.get(account.scope, 0)
        return likely + sum(same_family(model, other) for other in self._refused)
