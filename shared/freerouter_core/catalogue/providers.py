"""`Provider`: where models are served, by which rules. `Account`: the same, with a key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial

from ..errors import BadSetting, forgets_locals, like_a_key, names_a_key
from .addresses import address_name, shown_address
from .limit import Limit as Limit
from .limit import Reset as Reset
from .limit import Scope as Scope
from .serving import Served


@dataclass(frozen=True)
class Provider:
    """An OpenAI-compatible endpoint. One named in providers.toml inherits what it leaves out.

    `free`: its free models, as "suffix", "price", "all", "field=value" (what its list of models
    says of them) or a list of ids. `limits` replace the row's; `[]` means none are known.
    `api_key` is in no repr, and is sent to `base_url` only. A user and password in `base_url` are
    sent as basic authentication, and are in no repr either.
    """

    name: str
    base_url: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    free: str | tuple[str, ...] | None = None
    limits: tuple[Limit, ...] | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @forgets_locals
    def __init__(
        self,
        name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        free: str | Iterable[str] | None = None,
        limits: Iterable[Limit] | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    ) -> None:
        if not name or not isinstance(name, str):
            raise BadSetting(
                "a Provider needs a name", hint='for example Provider("openrouter", api_key=…)'
            )
        if like_a_key(name):
            hint = "a key goes beside the name: Provider(name, api_key=…)"
            raise BadSetting("a Provider has a key in place of its name", hint=hint)
        if isinstance(free, str) and free not in ("suffix", "price", "all") and "=" not in free:
            raise BadSetting(
                f'Provider({name!r}): free is "suffix", "price", "all", "field=value" or a list of'
                " model ids"
            )
        key = getattr(api_key, "get_secret_value", lambda: api_key)() or None
        if not isinstance(key, str | None):
            raise BadSetting(f"Provider({name!r}): api_key must be text, not {type(key).__name__}")
        if not isinstance(base_url, str | None):
            kind = type(base_url).__name__
            raise BadSetting(f"Provider({name!r}): base_url must be text, not {kind}")
        rule = free if free is None else frozen_rule(free)
        if names_a_key(rule):
            raise BadSetting(f"Provider({name!r}): free holds a key in place of a model")
        limits = None if limits is None else tuple(limits)
        for limit in limits or ():
            if not isinstance(limit, Limit):
                kind = type(limit).__name__
                raise BadSetting(f"Provider({name!r}): limits are Limits, not {kind}")
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        values = {
            "name": name,
            "base_url": base_url.rstrip("/") if base_url else None,
            "api_key": key,
            "free": rule,
            "limits": limits,
            "headers": tuple((str(header), str(value)) for header, value in pairs),
        }
        for attribute, value in values.items():
            object.__setattr__(self, attribute, value)

    def __repr__(self) -> str:
        shown = {"name": self.name, "base_url": shown_address(self.base_url)}
        values = shown | {"free": self.free, "limits": self.limits}
        return f"Provider({', '.join(f'{name}={value!r}' for name, value in values.items())})"


def frozen_rule(free: str | Iterable[str]) -> str | tuple[str, ...]:
    """A rule for free models as it is stored: a word, or ids as a tuple."""
    return free if isinstance(free, str) else tuple(free)


@dataclass(frozen=True, slots=True)
class Account:
    """A provider with a key, as requests use it. `scope` names it without the key."""

    provider: str
    base_url: str = field(repr=False)
    key: str = field(repr=False)
    _: KW_ONLY
    dialect: str = "openai"
    free: str | tuple[str, ...] = "all"
    limits: tuple[Limit, ...] = ()
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    simulated: bool = False
    models: str = field(default="", repr=False)
    """The address of the list of models; empty: `<base_url>/models`."""
    usage: str = ""
    """The address that tells used fractions of the account's limits; empty: there is none."""
    proof: tuple[str, str] = field(default=("", ""), repr=False)
    """(method, path or address) of what proves the key without spending anything; empty: nothing
    does."""
    privacy: str = "unknown"
    untold_day: bool = False
    """Whether its free tier has a limit of the day whose size only a refusal tells."""
    local: bool = False
    notional_costs: bool = False
    """Whether the costs that its answers tell are taken from a free allowance."""
    paid: tuple[str, ...] = ()
    """Names of models that `free` does not cover."""
    needs_proof: bool = False
    """Whether a model is free only if its provider's list states that every price is zero."""
    serves: tuple[Served, ...] = ()
    """The models besides chat that are known to be served there."""
    chat: bool = True
    """Whether it has chat models."""
    other_models: str = field(default="", repr=False)
    """The address of the list of models besides chat, if it is not the list of models."""
    keys: tuple[str, ...] = ()
    """The variables that may hold its key."""
    signup: str = ""
    """The page where a key is to be had."""
    pages: tuple[tuple[str, str], ...] = ()
    """By cause of a failure, the page where it can be mended."""
    scope: str = field(init=False)
    """Provider, base URL and key hash: equal for all objects that share the budget."""

    def __post_init__(self) -> None:
        digest = hashlib.sha256(self.key.encode()).hexdigest()[:12] if self.key else "keyless"
        object.__setattr__(self, "scope", f"{self.provider}|{self.address}|{digest}")

    def limited(self, limit: Limit) -> Account:
        """The same account under one more limit, for all its models."""
        serves = tuple(served.limited(limit) for served in self.serves)
        return replace(self, limits=(*self.limits, limit), serves=serves)

    @property
    def of_others(self) -> Account:
        """The same account, whose list of models is that of the models besides chat."""
        return replace(self, models=self.other_models) if self.other_models else self

    @property
    def lists_others(self) -> bool:
        """Whether its list of models is that of the models besides chat."""
        return bool(self.other_models) and self.models == self.other_models

    @property
    def address(self) -> str:
        """The base URL as it may be shown and stored: with a hash for a password or a query."""
        return address_name(self.base_url)

    def __reduce__(self) -> tuple[Callable[[], Account], tuple[()]]:
        """Pickled as part of a journal and never used again, so without its secrets."""
        account = partial(
            Account,
            self.provider,
            shown_address(self.base_url) or "",
            "",
            dialect=self.dialect,
            free=self.free,
            limits=self.limits,
            simulated=self.simulated,
            models=shown_address(self.models) or "",
            serves=self.serves,
            chat=self.chat,
            other_models=shown_address(self.other_models) or "",
            usage=shown_address(self.usage) or "",
            privacy=self.privacy,
            untold_day=self.untold_day,
            local=self.local,
            notional_costs=self.notional_costs,
            paid=self.paid,
            needs_proof=self.needs_proof,
            keys=self.keys,
            signup=self.signup,
            pages=self.pages,
        )
        return account, ()
