"""`Provider` and `Limit`: where models are served, by which rules. `Account`: a provider with a key, as it is used."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import BadSetting

SCOPES = ("account", "model", "ip")
RESETS = ("rolling", "fixed", "bucket", "utc-day", "pacific-day", "utc-month")


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `requests` (or `tokens`, or `concurrent` at a time) in any `per` seconds.

    `scope`: "account" (all free models of the key share it), "model", or "ip" (all keys of this machine do). `reset`:
    "rolling" (any window of that length), "fixed" (a counter that starts again every `per` seconds by the clock), "bucket"
    (refills evenly), "utc-day" and "pacific-day" (a counter that starts again at that midnight), "utc-month".
    """

    requests: int | None = None
    tokens: int | None = None
    concurrent: int | None = None
    per: float = 60.0
    scope: Literal["account", "model", "ip"] = "account"
    reset: Literal["rolling", "fixed", "bucket", "utc-day", "pacific-day", "utc-month"] = "rolling"

    def __post_init__(self) -> None:
        given = [n for n in (self.requests, self.tokens, self.concurrent) if n is not None]
        if len(given) != 1 or given[0] < 0:
            raise BadSetting(
                f"{self!r} must state exactly one of requests, tokens, concurrent, not negative",
                hint="for two rules write two limits, e.g. [Limit(requests=20), Limit(concurrent=2)]",
            )
        if self.per <= 0:
            raise BadSetting(f"{self!r}: per must be positive seconds")
        if self.scope not in SCOPES or self.reset not in RESETS:
            raise BadSetting(
                f"{self!r}: scope is one of {', '.join(SCOPES)}; reset one of {', '.join(RESETS)}"
            )


@dataclass(frozen=True)
class Provider:
    """An OpenAI-compatible endpoint. Named as a row of providers.toml it inherits what it leaves out.

    `free` tells its free models: "suffix", "price", "all" or a list of ids. `limits` given replace the row's;
    `[]` means none are known. `api_key` is in no repr and is sent to this provider's `base_url` only.
    """

    name: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    free: str | tuple[str, ...] | None = None
    limits: tuple[Limit, ...] | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def __init__(
        self,
        name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        free: str | Iterable[str] | None = None,
        limits: Iterable[Limit] | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    ) -> None:
        if not name or not isinstance(name, str):
            raise BadSetting(
                "a Provider needs a name", hint='for example Provider("openrouter", api_key=…)'
            )
        if isinstance(free, str) and free not in ("suffix", "price", "all"):
            raise BadSetting(
                f'Provider({name!r}): free is "suffix", "price", "all" or a list of model ids'
            )
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        values = {
            "name": name,
            "base_url": base_url.rstrip("/") if base_url else None,
            "api_key": getattr(api_key, "get_secret_value", lambda: api_key)() or None,
            "free": free if isinstance(free, str) or free is None else tuple(free),
            "limits": None if limits is None else tuple(limits),
            "headers": tuple((str(k), str(v)) for k, v in pairs),
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)


@dataclass(frozen=True, slots=True)
class Account:
    """A provider row and a key, resolved: what a request is sent to. Its `scope` names it without the key."""

    provider: str
    base_url: str
    key: str = field(repr=False)
    dialect: str = "openai"
    free: str | tuple[str, ...] = "all"
    limits: tuple[Limit, ...] = ()
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    simulated: bool = False
    models: str = ""
    """Where the list of models is; empty: at `<base_url>/models`."""
    privacy: str = "unknown"
    local: bool = False
    scope: str = field(init=False)
    """(provider, base URL, key hash): equal for all objects that share the budget."""

    def __post_init__(self) -> None:
        digest = hashlib.sha256(self.key.encode()).hexdigest()[:12] if self.key else "keyless"
        object.__setattr__(self, "scope", f"{self.provider}|{self.address}|{digest}")

    @property
    def address(self) -> str:
        """The base URL as it may be shown and kept: a password or query in it is part of a hash."""
        scheme, _, rest = self.base_url.partition("://")
        host, _, path = rest.partition("/")
        plain, _, query = path.partition("?")
        if "@" not in host and not query:
            return self.base_url
        digest = hashlib.sha256(self.base_url.encode()).hexdigest()[:8]
        return f"{scheme}://{host.rpartition('@')[2]}/{plain}#{digest}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled within a journal, never to be used again: without its key."""
        return Account, (
            self.provider,
            self.base_url,
            "",
            self.dialect,
            self.free,
            self.limits,
            (),
            self.simulated,
            self.models,
            self.privacy,
            self.local,
        )


def read_rows(toml: str) -> dict[str, dict[str, Any]]:
    """The rows of a providers.toml text, limits as `Limit`s."""
    return rows_from_tables(tomllib.loads(toml))


def rows_from_tables(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Rows with their limits as `Limit`s. Raises `BadSetting` where one is none."""
    rows: dict[str, dict[str, Any]] = {}
    for name, table in tables.items():
        row = rows[name] = dict(table)
        if "limits" in row:
            row["limits"] = tuple(Limit(**limit) for limit in row["limits"])
        if "free" in row:
            row["free"] = _frozen(row["free"])
    return rows


def merge_rows(
    rows: Mapping[str, dict[str, Any]], own: Mapping[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Known rows with the user's own over them. Another address is another server: it inherits no list address."""
    found = dict(rows)
    for name, row in rows_from_tables(own).items():
        known = found.get(name, {})
        if "base_url" in row:
            known = {
                k: v for k, v in known.items() if k not in ("models", "base_url_variable", "ended")
            }
        found[name] = {**known, **row}
    return found


def _frozen(free: str | Iterable[str]) -> str | tuple[str, ...]:
    return free if isinstance(free, str) else tuple(free)


def resolve_account(
    provider: Provider, rows: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str]
) -> Account | None:
    """The account a `Provider` stands for, or None where it needs a key and none is given or in `environment`.

    Raises `BadSetting` where nothing is known of it, or its address lacks a part that the environment should hold.
    """
    row = rows.get(provider.name, {})
    variable = row.get("base_url_variable", "")
    base_url = provider.base_url or environment.get(variable) or row.get("base_url")
    if not base_url:
        raise BadSetting(
            f"provider {provider.name!r} is not known, and no base_url is given",
            hint=f"known: {', '.join(sorted(rows))}; else Provider({provider.name!r}, base_url='https://…/v1')",
        )
    key = provider.api_key or next(
        (environment[v] for v in row.get("keys", ()) if environment.get(v)), ""
    )
    key = key.strip()
    if not key and row.get("keys") and not row.get("keyless"):
        return None
    if not key.isascii() or any(letter.isspace() or not letter.isprintable() for letter in key):
        raise BadSetting(
            f"the key of {provider.name} holds a character that no key has",
            hint="copy it anew; a placeholder of some text is none",
        )
    free = provider.free if provider.free is not None else row.get("free", "all")
    own = provider.base_url is None
    return Account(
        provider=provider.name,
        base_url=_filled(base_url, provider.name, environment).rstrip("/"),
        key=key,
        dialect=row.get("dialect", "openai"),
        free=_frozen(free),
        limits=provider.limits if provider.limits is not None else tuple(row.get("limits", ())),
        headers=provider.headers,
        models=_list_of(row, base_url, provider.name, environment, own=own),
        privacy=row.get("privacy", "unknown"),
        local=bool(row.get("local")),
    )


def _list_of(
    row: Mapping[str, Any], base_url: str, name: str, environment: Mapping[str, str], *, own: bool
) -> str:
    """Where its models are listed: the row's own address, or a path on whatever host it is asked at."""
    models = str(row.get("models", ""))
    if models.startswith("/"):
        scheme, _, rest = base_url.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}{models}"
    return _filled(models, name, environment) if own else ""


def _filled(address: str, name: str, environment: Mapping[str, str]) -> str:
    """An address with its `{VARIABLE}`s filled in."""

    def value(found: re.Match[str]) -> str:
        held = environment.get(found[1])
        if not held:
            raise BadSetting(
                f"provider {name!r} needs {found[1]}", hint=f"set {found[1]}, or pass base_url=…"
            )
        return held

    return re.sub(r"\{([A-Z_]+)\}", value, address)
