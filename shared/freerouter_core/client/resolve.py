"""A router's policy with the environment taken in: which accounts it may use, under which policy."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from ..catalogue.providers import Account, Limit, Provider, account_of, extended, read_rows
from ..checks import Unset
from ..errors import AuthenticationFailed, BadSetting, NoCandidates
from ..events import log
from ..routing.need import Policy
from ..runtime.hardware import memory
from ..settings.environment import Settings
from .config import RouterConfig

SECRET = re.compile("KEY|TOKEN|SECRET|PASS", re.IGNORECASE)
"""What the name of a variable has that no address may hold."""
_SIMULATED = Account(
    "openrouter",
    "https://simulated.invalid/api/v1",
    "sk-dev-mode-needs-no-key",
    "openrouter",
    "suffix",
    (),
    (),
    simulated=True,
)


@dataclass(frozen=True)
class Resolved:
    """A router's policy with the environment taken in."""

    settings: Settings
    accounts: dict[str, Account]
    policy: Policy
    timeout: float | None


def resolve(config: RouterConfig, settings: Settings) -> Resolved:
    """Raises `AuthenticationFailed` where no provider has a key, `BadSetting` where the two leave no model to ask."""
    config = _with_file(config, settings)
    accounts = _accounts(config, settings)
    preferred: tuple[str, ...] = () if config.model == "auto" else (config.model,)
    others = config.fallback_models is None or bool(config.fallback_models)
    if config.fallback_models is None:
        preferred += (*settings.default_models, *settings.fallback_models)
    else:
        preferred += config.fallback_models
        if not preferred:
            preferred = settings.default_models
    if not preferred and not others:
        raise BadSetting(
            'model="auto" with fallback_models=() leaves no model to ask',
            hint="name a model, or leave fallback_models out",
        )
    ceiling = config.max_cost_per_token
    if ceiling is None and config.allow_paid:
        ceiling = settings.openrouter_max_cost_per_token
    policy = Policy(
        preferred=unique(preferred),
        others=others,
        strategy=config.strategy if isinstance(config.strategy, str) else "adaptive",
        prefer=config.prefer,
        capabilities=frozenset(config.capabilities),
        min_context=config.min_context,
        min_quality=config.min_quality,
        min_safety=config.min_safety,
        quality=dict(config.quality),
        task=config.task,
        max_latency=config.max_latency,
        max_cost_per_token=ceiling,
        max_cost_per_request=config.max_cost_per_request,
        daily_budget_usd=config.daily_budget_usd,
        allow_paid=config.allow_paid,
        max_retries=config.max_retries,
        max_failures=config.max_failures,
        exclude_failed=config.exclude_failed,
        retry_attempts=settings.openrouter_retry_attempts,
        backoff_base=settings.openrouter_retry_backoff_base,
        backoff_max=settings.openrouter_retry_backoff_max,
        backoff_jitter=settings.openrouter_retry_jitter,
        hedge=config.hedge,
        no_train=config.privacy == "no-train",
        tool_streaming=config.tool_streaming,
        on_stream_break=config.on_stream_break,
        memory=memory() if any(account.local for account in accounts.values()) else 0,
    )
    timeout = settings.openrouter_timeout if isinstance(config.timeout, Unset) else config.timeout
    return Resolved(settings, accounts, policy, timeout)


_warned: set[str] = set()


def _warn(words: str) -> None:
    """Log a warning, once in a process: routers are made by the dozen."""
    if words not in _warned:
        _warned.add(words)
        log.warning(words)


def _with_file(config: RouterConfig, settings: Settings) -> RouterConfig:
    """The router with what the settings file says of options that it leaves at their defaults."""
    defaults = {f.name: f.default for f in dataclasses.fields(config)}
    said = {
        name: value
        for name, value in settings.policy.items()
        if getattr(config, name) == defaults[name]
    }
    if not said:
        return config
    try:
        return dataclasses.replace(config, **said)
    except BadSetting as error:
        raise BadSetting(
            error.message, hint="correct the [router] table of the settings file"
        ) from None


def _accounts(config: RouterConfig, settings: Settings) -> dict[str, Account]:
    _keep_to_owners(settings)
    rows = extended(known_providers(), settings.providers)
    environment = settings.environment
    wanted = _wanted(config, settings, rows)
    keyed = config.api_key or any(p.api_key or p.base_url for p in wanted)
    if settings.dev_mode and not keyed:
        _warn("DEV_MODE is set: answers are simulated, nobody is called")
        return {"openrouter": _SIMULATED}
    if settings.chat_model and not settings.openrouter_default_model:
        log.info("CHAT_MODEL is set: %s is tried first", settings.chat_model)
    accounts: dict[str, Account] = {}
    missing: list[str] = []
    for provider in wanted:
        ended = rows.get(provider.name, {}).get("ended")
        if ended and provider.base_url is None:
            _warn(f"provider {provider.name}: {ended}")
        account = account_of(provider, rows, environment)
        if account is None:
            missing += rows[provider.name].get("keys", [])
        else:
            accounts[account.provider] = account
    if config.daily_cap is not None:
        cap = Limit(requests=config.daily_cap, per=86_400.0, reset="utc-day")
        accounts = {
            name: dataclasses.replace(account, limits=(*account.limits, cap))
            for name, account in accounts.items()
        }
    if config.privacy == "no-train":
        accounts = {
            name: account for name, account in accounts.items() if _keeps_to_itself(account)
        }
        if not accounts and not missing:
            raise NoCandidates(
                'privacy="no-train" leaves no provider: all of them may train on prompts'
            )
    if not accounts:
        raise AuthenticationFailed(
            f"no API key: {', '.join(missing) or 'no provider'} is not set",
            hint="get a free key at https://openrouter.ai/keys, then set OPENROUTER_API_KEY or pass api_key=…; "
            "DEV_MODE=true answers from a simulator without one",
        )
    if missing and config.providers != "all":
        _warn(f"providers without a key are left out: {', '.join(missing)} not set")
    return accounts


def _keep_to_owners(settings: Settings) -> None:
    """A settings file may lie in a folder that somebody else made: it sends no provider's key to another's address."""
    known = known_providers()
    owners = {key: name for name, row in known.items() for key in row.get("keys", ())}
    for name, row in settings.providers.items():
        addresses = [str(row.get(part, "")) for part in ("base_url", "models")]
        held = [word for address in addresses for word in re.findall(r"\{(\w+)\}", address)]
        if held and any(word in owners or SECRET.search(word) for word in held):
            raise BadSetting(
                f"{settings.file}: providers.{name} would have {held[0]} in an address",
                hint="name the variable in keys, and it is sent as a key is",
            )
        elsewhere = any(address and not address.startswith("/") for address in addresses)
        for key in row.get("keys", known.get(name, {}).get("keys", ())):
            if key in owners and (owners[key] != name or elsewhere):
                raise BadSetting(
                    f"{settings.file}: providers.{name} would have {key}, which is {owners[key]}'s",
                    hint="give your provider a variable of its own, or Provider(…, api_key=…) in code",
                )


def _wanted(
    config: RouterConfig, settings: Settings, rows: dict[str, dict[str, Any]]
) -> list[Provider]:
    if config.providers == "all":
        given: Iterable[str | Provider] = [name for name, row in rows.items() if _joins(row)]
    elif config.providers is None:
        given = ["openrouter", *settings.freerouter_providers, *settings.providers]
    else:
        given = config.providers
    if config.keyless:
        given = [*given, *(name for name, row in rows.items() if row.get("keyless"))]
    providers: dict[str, Provider] = {}
    for item in given:
        provider = Provider(item) if isinstance(item, str) else item
        if provider.name == "openrouter":
            provider = Provider(
                provider.name,
                provider.base_url or config.base_url,
                provider.api_key or config.api_key,
                provider.free,
                provider.limits,
                provider.headers,
            )
        providers[provider.name] = provider
    return list(providers.values())


def _keeps_to_itself(account: Account) -> bool:
    """Whether prompts are not trained on, or the request can ask for that; an endpoint of the user's own is the user's word."""
    own = account.privacy == "unknown" and account.provider not in known_providers()
    return own or account.privacy in ("no-train", "endpoint")


def _joins(row: dict[str, Any]) -> bool:
    """Whether "all" means it, too: what has a free tier and a key; keyless and local ones join by name, or `keyless=True`."""
    return not (row.get("ended") or row.get("local") or row.get("keyless"))


_known_rows: dict[str, dict[str, Any]] = {}


def known_providers() -> dict[str, dict[str, Any]]:
    """The rows of providers.toml, by name."""
    if not _known_rows:
        text = files("freerouter_core.catalogue").joinpath("providers.toml").read_text("utf-8")
        _known_rows.update(read_rows(text))
    return _known_rows


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Names without repetitions, blanks and \"auto\"."""
    return tuple(dict.fromkeys(name for name in names if name and name != "auto"))
