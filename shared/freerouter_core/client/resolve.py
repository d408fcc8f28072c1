"""`resolve`: a router's configuration and the environment become accounts and a policy."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from ..catalogue.providers import Account
from ..checks import Unset
from ..errors import BadSetting, forgets_locals, hide_keys
from ..routing.answer_cache import AnswerCache
from ..routing.policy import Policy
from ..runtime.hardware import memory
from ..settings.environment import Settings
from ..settings.known_providers import known_providers
from ..wire.request import Lane, Pace
from .accounts import accounts_of
from .config import RouterConfig

LONGEST_LINE = 600.0
"""Seconds to stand in line for the limits of one's own account, if nothing else is given."""


@dataclass(frozen=True)
class Resolved:
    """A configuration together with the environment.

    Attributes:
        settings: the settings it was resolved with.
        accounts: the accounts that may be used, by provider.
        policy: what the router allows and prefers.
        timeout: seconds for a call. None: no limit.
        max_wait: seconds to stand in line for own limits, besides the timeout. None: the timeout
            was given, and bounds this wait, too.
        lane: whether somebody waits for the answers.
        answer_cache: how answers are kept. None: they are not.
        pace: how background requests spend a day's quota.
    """

    settings: Settings
    accounts: dict[str, Account]
    policy: Policy
    timeout: float | None
    max_wait: float | None = None
    lane: Lane = "interactive"
    answer_cache: AnswerCache | None = None
    pace: Pace = "even"

    @cached_property
    def may_charge(self) -> bool:
        """Whether requests may ask for what could cost money: the caller has allowed it, or every
        server is the caller's own and charges for nothing."""
        return self.policy.allow_paid or all(map(_is_own, self.accounts.values()))


def _is_own(account: Account) -> bool:
    return account.local or (account.free == "all" and account.provider not in known_providers())


@forgets_locals
def resolve(config: RouterConfig, settings: Settings, *, listing: bool = False) -> Resolved:
    """Combine a configuration with settings. `listing`: as in `accounts_of`.

    Raises:
        AuthenticationFailed: no provider has a key.
        BadSetting: the two leave no model to ask, or a setting makes no sense.
    """
    config = _with_file_options(config, settings)
    accounts = accounts_of(config, settings, listing=listing)
    policy = _policy(config, settings, accounts)
    cache = answer_cache_of(config, settings)
    if not isinstance(config.timeout, Unset):
        timeout = config.timeout
        return Resolved(settings, accounts, policy, timeout, None, config.lane, cache, config.pace)
    max_wait = LONGEST_LINE if config.max_wait is None else config.max_wait
    timeout = settings.openrouter_timeout
    return Resolved(settings, accounts, policy, timeout, max_wait, config.lane, cache, config.pace)


def answer_cache_of(config: RouterConfig, settings: Settings) -> AnswerCache | None:
    """How answers are kept: as the router says, else the environment. None: they are not."""
    cache = config.answer_cache
    if cache is False:
        try:
            cache = AnswerCache.of(settings.freerouter_answer_cache) or False
        except BadSetting as error:
            raise BadSetting(f"FREEROUTER_ANSWER_CACHE: {error.message}", hint=error.hint) from None
    return cache if cache and cache.is_on else None


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Names of models without repetitions, blanks and "auto"."""
    return tuple(dict.fromkeys(name for name in names if name and name != "auto"))


def _with_file_options(config: RouterConfig, settings: Settings) -> RouterConfig:
    """The configuration, with the settings file's options in place of defaults."""
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    options = {
        name: value
        for name, value in settings.policy.items()
        if getattr(config, name) == defaults[name]
    }
    if not options:
        return config
    try:
        return dataclasses.replace(config, **options)
    except BadSetting as error:
        hint = "correct the [router] table of the settings file"
        raise BadSetting(error.message, hint=hint) from None


def _preferred(config: RouterConfig, settings: Settings) -> tuple[str, ...]:
    """The models to ask first, in order."""
    named = (config.model,)
    if any(hide_keys(name) != name for name in settings.default_models + settings.fallback_models):
        raise BadSetting(
            "a variable for the name of a model holds a key",
            hint="correct OPENROUTER_DEFAULT_MODEL, CHAT_MODEL or the fallback models",
        )
    if config.fallback_models is None:
        return unique((*named, *settings.default_models, *settings.fallback_models))
    preferred = unique((*named, *config.fallback_models))
    return preferred or unique(settings.default_models)


def _policy(config: RouterConfig, settings: Settings, accounts: dict[str, Account]) -> Policy:
    preferred = _preferred(config, settings)
    others = config.fallback_models is None or bool(config.fallback_models)
    if not preferred and not others:
        raise BadSetting(
            'model="auto" with fallback_models=() leaves no model to ask',
            hint="name a model, or leave fallback_models out",
        )
    max_cost_per_token = config.max_cost_per_token
    if max_cost_per_token is None and config.allow_paid:
        max_cost_per_token = settings.openrouter_max_cost_per_token
    return Policy(
        preferred=preferred,
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
        max_cost_per_token=max_cost_per_token,
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
