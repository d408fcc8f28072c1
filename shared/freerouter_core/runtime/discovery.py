"""`Discovery`: which models there are. Fetched once, kept on disk, served while it is refreshed.

A cold start reads the disk and answers at once. A copy older than the refresh interval is renewed
in the background. A fetch that fails costs nothing but itself: the last list stays, and the next
try waits longer each time.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

from ..catalogue.model import Catalogue
from ..catalogue.providers import Account
from ..errors import AuthenticationFailed, CatalogueUnavailable, FreeRouterError
from ..events import Event, FetchFailed, ModelsFetched
from .catalogue_cache import CatalogueCache
from .http.transport import Transport
from .list_fetch import ListFailed, ListFetch
from .list_source import LONGEST_PAUSE, ListSource, Tries
from .loop.clock import Clock

TransportOf = Callable[[Account], Transport]
"""Gives the transport to an account."""
LOCAL_GRACE = 1.0
"""Seconds to wait for a server on this machine before its copy on disk is used."""
JOIN_TIMEOUT = 0.25
"""Seconds a request waits for the lists of further accounts once it has one. Those that come later
join it on its way."""
RENEW_AFTER = 600.0
"""Seconds after which a list is renewed early if a request finds nobody to ask."""
RENEW_EMPTY = 15.0
"""The same, if all models of the account seem to be gone."""


_Key = tuple[str, object, bool]
"""An account's scope, its rule for free models, and whether the list is of models besides chat."""


class Discovery:
    """The catalogues of a runtime's accounts. `folder`: see `CatalogueCache`."""

    def __init__(
        self, clock: Clock, folder: Callable[[], Path | None], emit: Callable[[Event], None]
    ) -> None:
        self.stats: Counter[str] = Counter()
        """Lists "fetched", "failed", "from_disk", and "avoided" because a fresh one was there."""
        self._clock, self._emit = clock, emit
        self._cache = CatalogueCache(folder)
        self._sources: dict[_Key, ListSource] = {}
        self._merged: dict[tuple[_Key, ...], tuple[tuple[float, ...], Catalogue]] = {}

    async def catalogue(
        self,
        accounts: Iterable[Account],
        transport_of: TransportOf,
        refresh: float,
        *,
        wait: float | None = None,
        required: bool = True,
    ) -> Catalogue:
        """The models of all accounts in one list.

        `refresh`: seconds after which a list is renewed in the background.
        `wait`: seconds to wait for a first list, by further fetches if one fails (see `Tries`).
        None: what the first fetch brings.
        Raises `CatalogueUnavailable`, or `AuthenticationFailed` if all lists were refused for
        their keys, if there is no list by then and one is `required`.
        """
        accounts = list(accounts)
        sources = list(map(self._source, accounts))
        ends = math.inf if wait is None else self._clock.now() + wait
        needed = required and all(source.models is None for source in sources)
        for account, source in zip(accounts, sources, strict=True):
            self._fetch_if_old(account, source, transport_of, refresh, needed=needed)
        for account, source in zip(accounts, sources, strict=True):
            if source.models is None and source.task is not None:
                await self._use_copy(account, source, source.task)
        if wait != 0:
            patient = required and wait is not None
            tries = [Tries(source, ends if patient else None) for source in sources]
            await self._await_first(accounts, sources, tries, transport_of, ends)
            await self._await_further(sources, ends)
        return self._merge(accounts, required=required)

    def _fetch_if_old(
        self,
        account: Account,
        source: ListSource,
        transport_of: TransportOf,
        refresh: float,
        *,
        needed: bool,
    ) -> None:
        """Fetch a list that is old or missing, unless a fetch is under way, or failed lately.
        `needed`: no list is known, so a failure is no reason to wait."""
        now = self._clock.now()
        if source.models is not None and now - source.fetched < refresh:
            self.stats["avoided"] += 1
        elif source.task is None and (needed or now >= source.not_before):
            self._start_fetch(account, source, transport_of(account))

    def pending(self, accounts: Iterable[Account]) -> bool:
        """Whether the first list of an account is on its way."""
        for account in accounts:
            source = self._source(account)
            if source.models is None and source.task is not None:
                return True
        return False

    def known(self, accounts: Iterable[Account]) -> Catalogue:
        """The models of the lists that are here."""
        return self._merge(list(accounts), required=False)

    async def next_list(self, accounts: Iterable[Account]) -> tuple[Catalogue, bool]:
        """Wait until a first list has come or failed: (all models then, whether more may come)."""
        accounts = list(accounts)
        sources = map(self._source, accounts)
        tasks = {source.task for source in sources if source.models is None and source.task}
        if tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return self.known(accounts), self.pending(accounts)

    async def refresh(self, accounts: Iterable[Account], transport_of: TransportOf) -> Catalogue:
        """Fetch every account's list now. Raises `CatalogueUnavailable` if none was fetched."""
        accounts = list(accounts)
        failed = 0
        for account in accounts:
            source = self._source(account)
            task = source.task or self._start_fetch(account, source, transport_of(account))
            source.awaited = True
            await asyncio.shield(task)
            failed += source.failures > 0
        if accounts and failed == len(accounts):
            raise self._unavailable(accounts)
        return self._merge(accounts, required=True)

    def renew(
        self,
        accounts: Iterable[Account],
        transport_of: TransportOf,
        empty: Callable[[str], bool] = lambda scope: False,
    ) -> None:
        """A request finds nobody to ask. Renew older lists beside it, and fetch those that failed.
        `empty`: whether all models of an account seem to be gone, by its scope."""
        now = self._clock.now()
        for account in accounts:
            source = self._source(account)
            after = RENEW_EMPTY if empty(account.scope) else RENEW_AFTER
            old = source.models is not None and now - source.fetched >= after
            failed = not source.models and source.failures and now - source.started >= LONGEST_PAUSE
            if source.task is None and (failed or (old and now >= source.not_before)):
                self._start_fetch(account, source, transport_of(account))

    def forget_tasks(self) -> None:
        """After a fork or a close: the tasks belong to a loop that is gone."""
        for source in self._sources.values():
            source.task = source.fetch = None

    def _source(self, account: Account) -> ListSource:
        key = _key(account)
        source = self._sources.get(key)
        if source is None:
            source = self._sources[key] = ListSource()
        return source

    # -- waiting for first lists --------------------------------------------------------------

    async def _await_first(
        self,
        accounts: list[Account],
        sources: list[ListSource],
        tries: list[Tries],
        transport_of: TransportOf,
        ends: float,
    ) -> None:
        """Wait until one list is known, or none can come any more. Those that fail are fetched
        again meanwhile, each by itself: one that is silent does not hold up another."""
        while all(source.models is None for source in sources):
            now, next_at = self._clock.now(), math.inf
            if now >= ends:
                break
            for account, source, one in zip(accounts, sources, tries, strict=True):
                again = one.next_at(now)
                if again <= now:
                    self._start_fetch(account, source, transport_of(account))
                else:
                    next_at = min(next_at, again)
            tasks = {source.task for source in sources if source.task is not None}
            if not tasks and next_at == math.inf:
                break
            until = min(next_at, ends)
            left = None if until == math.inf else until - now
            if tasks:
                await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            elif left is not None:
                await asyncio.sleep(left)  # they are in trouble, and there is nobody else to ask

    async def _await_further(self, sources: list[ListSource], ends: float) -> None:
        """Once any account has its list, the others are waited for only a little, counted from when
        they were asked for: they join when they come."""
        missing = [source for source in sources if source.models is None and source.task]
        if not missing or len(missing) == len(sources):
            return
        now = self._clock.now()
        asked = min(source.started for source in missing)
        left = min(asked + JOIN_TIMEOUT, ends) - now
        if left > 0:
            await asyncio.wait([one.task for one in missing if one.task], timeout=left)

    async def _use_copy(
        self, account: Account, source: ListSource, fetch: asyncio.Task[None]
    ) -> None:
        """Use the copy on disk, if there is one, until the fetch has ended."""
        copy = self._cache.read(account)
        if copy is None:
            return
        if _is_local(account):
            await asyncio.wait({fetch}, timeout=LOCAL_GRACE)
        if source.models is None:
            # A clock that was ahead may have written it: a list of the future would never be old.
            source.fetched, source.models = min(copy[0], self._clock.now()), copy[1]
            self.stats["from_disk"] += 1
            self._emit_fetched(account, source)

    # -- fetching -----------------------------------------------------------------------------

    def _start_fetch(
        self, account: Account, source: ListSource, transport: Transport
    ) -> asyncio.Task[None]:
        source.started = self._clock.now()
        source.fetch = ListFetch(
            account, transport, self._clock, lambda: source.hurried, source.silence
        )
        fetch = self._fetch(account, source, source.fetch)
        source.task = asyncio.get_running_loop().create_task(fetch)
        return source.task

    async def _fetch(self, account: Account, source: ListSource, fetch: ListFetch) -> None:
        try:
            models = await fetch.run()
        except ListFailed as failure:
            self.stats["failed"] += 1
            source.failed(failure, self._clock.now())
            self._emit(FetchFailed(account.provider, failure.reason))
        else:
            source.listed(models, self._clock.now())
            self.stats["fetched"] += 1
            problem = self._cache.write(account, source.fetched, models)
            if problem is not None:
                reason = f"the list could not be kept on disk: {problem}"
                self._emit(FetchFailed(account.provider, reason))
            self._emit_fetched(account, source)
        finally:
            source.task = source.fetch = None
            source.awaited = False

    def _emit_fetched(self, account: Account, source: ListSource) -> None:
        models = source.models or ()
        free = sum(model.free and model.chat for model in models)
        age = max(0.0, self._clock.now() - source.fetched)
        self._emit(ModelsFetched(account.provider, len(models), free, age))

    def _merge(self, accounts: list[Account], *, required: bool) -> Catalogue:
        key = tuple(map(_key, accounts))
        sources = [self._sources[one] for one in key]
        with_lists = [source for source in sources if source.models is not None]
        if required and accounts and not with_lists:
            raise self._unavailable(accounts)
        stamps = tuple([source.fetched for source in sources])
        cached = self._merged.get(key)
        if cached is not None and cached[0] == stamps:
            return cached[1]
        models = (model for source in with_lists for model in source.models or ())
        oldest = min((source.fetched for source in with_lists), default=0.0)
        merged = Catalogue.of(models, oldest)
        self._merged[key] = (stamps, merged)
        return merged

    def _unavailable(self, accounts: list[Account]) -> FreeRouterError:
        """The error if no account has a list: why, and what to do, by provider."""
        now = self._clock.now()
        failures = [(account, self._source(account).trouble(now)) for account in accounts]
        reasons = "; ".join(f"{account.provider}: {one.reason}" for account, one in failures)
        hints = [failure.hint(account) for account, failure in failures]
        hint = "; ".join(dict.fromkeys(filter(None, hints))) or None
        if all(failure.cause.effect.key_refused for _, failure in failures):
            message = f"the key was refused for the list of models: {reasons}"
            return AuthenticationFailed(message, hint=hint, status_code=401)
        message = f"the list of models could not be fetched: {reasons}"
        return CatalogueUnavailable(message, hint=hint, should_retry=True)


def _key(account: Account) -> _Key:
    return account.scope, account.free, account.lists_others


def _is_local(account: Account) -> bool:
    return urlsplit(account.base_url).hostname in ("127.0.0.1", "::1", "localhost")
