"""`Discovery`: which models there are. Fetched once, kept on disk, served while it is refreshed.

A cold start reads the disk and answers at once. A copy older than the refresh interval is renewed
in the background. A fetch that fails costs nothing but itself: the last list stays, and the next
try waits longer each time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from ..catalogue.model import Catalogue, Model
from ..catalogue.parse import parse_models
from ..catalogue.providers import Account
from ..errors import AuthenticationFailed, CatalogueUnavailable, FreeRouterError
from ..events import Event, FetchFailed, ModelsFetched
from ..wire.fault import Cause, Fault
from ..wire.json_values import parse_json
from ..wire.judge import judge_rejection
from ..wire.redact import redact
from ..wire.rejection import read_rejection
from ..wire.remedies import remedy
from .catalogue_cache import CatalogueCache
from .http.transport import Transport, TransportFailed
from .loop.clock import Clock

TransportOf = Callable[[Account], Transport]
"""Gives the transport to an account."""
MAX_VALUES = 250_000
"""Values of a list of models: OpenRouter's, the longest, has 35,000."""
FETCH_TIMEOUT = 30.0
"""Seconds a fetch may take."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
"""Seconds until a request without any list fetches again: doubled each time, up to the second."""
PATIENCE, UNREACHED_PATIENCE = 20.0, 5.0
"""Seconds for which it does, where a server is in trouble, and where nobody can be reached."""
LOCAL_GRACE = 1.0
"""Seconds to wait for a server on this machine before its copy on disk is used."""
JOIN_TIMEOUT = 0.25
"""Seconds a request waits for the lists of further accounts once it has one. Those that come later
join it on its way."""
RENEW_AFTER = 600.0
"""Seconds after which a list is renewed early if a request finds nobody to ask."""
RENEW_EMPTY = 15.0
"""The same, if all models of the account seem to be gone."""
FIRST_BACKOFF, LONGEST_BACKOFF = 30.0, 1_800.0
"""Seconds until a failed fetch is tried again: doubled each time, up to the second number."""


_Key = tuple[str, object, bool]
"""An account's scope, its rule for free models, and whether the list is of models besides chat."""


@dataclass(kw_only=True)
class _Source:
    """One account's list: the last good one, and the fetch under way. Times are unix seconds."""

    models: tuple[Model, ...] | None = None
    fetched: float = 0.0
    task: asyncio.Task[None] | None = None
    started: float = 0.0
    """When the fetch under way began."""
    failures: int = 0
    """Fetches that failed since the last good one."""
    not_before: float = 0.0
    reason: str = ""
    """Why there is no list."""
    cause: Cause = Cause.UNKNOWN
    """The same, as far as it is understood."""
    patience: float = 0.0
    """Seconds for which a request without any list goes on fetching it."""


class Discovery:
    """The catalogues of a runtime's accounts. `folder`: see `CatalogueCache`."""

    def __init__(
        self, clock: Clock, folder: Callable[[], Path | None], emit: Callable[[Event], None]
    ) -> None:
        self.stats: Counter[str] = Counter()
        """Lists "fetched", "failed", "from_disk", and "avoided" because a fresh one was there."""
        self._clock, self._emit = clock, emit
        self._cache = CatalogueCache(folder)
        self._sources: dict[_Key, _Source] = {}
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
        `wait`: seconds to wait for a first list; None: as long as a fetch may take.
        Raises `CatalogueUnavailable`, or `AuthenticationFailed` if all lists were refused for
        their keys, if there is no list by then and one is `required`.
        """
        accounts = list(accounts)
        sources = list(map(self._source, accounts))
        since, pause = self._clock.now(), FIRST_PAUSE
        while True:
            missing = self._missing(accounts, sources, transport_of, refresh, required=required)
            if missing:
                left = None if wait is None else max(0.0, since + wait - self._clock.now())
                await self._await_lists(missing, left, others_known=len(missing) < len(accounts))
            if not required or any(source.models is not None for source in sources):
                break
            patience = max((source.patience for source in sources), default=0.0)
            if wait is None or self._clock.now() + pause > since + min(wait, patience):
                break
            await asyncio.sleep(pause)  # they are in trouble, and there is nobody else to ask
            pause = min(LONGEST_PAUSE, 2.0 * pause)
        return self._merge(accounts, required=required)

    def _missing(
        self,
        accounts: list[Account],
        sources: list[_Source],
        transport_of: TransportOf,
        refresh: float,
        *,
        required: bool,
    ) -> list[tuple[Account, _Source, asyncio.Task[None]]]:
        """Fetch what is old or missing. Returns the accounts whose first list is on its way."""
        missing = []
        now = self._clock.now()
        for account, source in zip(accounts, sources, strict=True):
            stale = source.models is None or now - source.fetched >= refresh
            if not stale:
                self.stats["avoided"] += 1
                continue
            none_known = all(other.models is None for other in sources)
            allowed = now >= source.not_before or (none_known and required)
            if source.task is None and allowed:
                self._start_fetch(account, source, transport_of(account))
            if source.models is None and source.task is not None:
                missing.append((account, source, source.task))
        return missing

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
            source.task = None

    def _source(self, account: Account) -> _Source:
        key = _key(account)
        source = self._sources.get(key)
        if source is None:
            source = self._sources[key] = _Source()
        return source

    # -- waiting for first lists --------------------------------------------------------------

    async def _await_lists(
        self,
        missing: list[tuple[Account, _Source, asyncio.Task[None]]],
        wait: float | None,
        *,
        others_known: bool,
    ) -> None:
        """First lists come from the disk, else from the network.

        Once any account has one, the others are waited for only a little: they join when they
        come. `others_known`: whether further accounts of the request have lists.
        """
        fetches: set[asyncio.Task[None]] = set()
        for account, source, fetch in missing:
            if await self._use_copy(account, source, fetch):
                others_known = True
            else:
                fetches.add(fetch)

        def any_known() -> bool:
            return others_known or any(source.models is not None for _, source, _ in missing)

        if wait != 0:
            fetches = await self._await_first(fetches, wait, any_known)
            if fetches and any_known():
                since = min(source.started for _, source, fetch in missing if fetch in fetches)
                elapsed = self._clock.now() - since
                remaining = min(JOIN_TIMEOUT, wait or JOIN_TIMEOUT) - elapsed
                if remaining > 0:
                    await asyncio.wait(fetches, timeout=remaining)
        for _, source, fetch in missing:
            if source.models is None and not fetch.done():
                source.reason = source.reason or "no answer in time"

    async def _await_first(
        self,
        fetches: set[asyncio.Task[None]],
        wait: float | None,
        any_known: Callable[[], bool],
    ) -> set[asyncio.Task[None]]:
        """Wait until one list is known. Returns the fetches that are still under way."""
        end = None if wait is None else self._clock.now() + wait
        while fetches and not any_known():
            timeout = None if end is None else max(0.0, end - self._clock.now())
            done, fetches = await asyncio.wait(
                fetches, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                break
        return fetches

    async def _use_copy(self, account: Account, source: _Source, fetch: asyncio.Task[None]) -> bool:
        """Use the copy on disk until the fetch has ended. Whether there is one."""
        copy = self._cache.read(account)
        if copy is None:
            return False
        if _is_local(account):
            await asyncio.wait({fetch}, timeout=LOCAL_GRACE)
        if source.models is None:
            # A clock that was ahead may have written it: a list of the future would never be old.
            source.fetched, source.models = min(copy[0], self._clock.now()), copy[1]
            self.stats["from_disk"] += 1
            self._emit_fetched(account, source)
        return True

    # -- fetching -----------------------------------------------------------------------------

    def _start_fetch(
        self, account: Account, source: _Source, transport: Transport
    ) -> asyncio.Task[None]:
        source.started = self._clock.now()
        fetch = self._fetch(account, source, transport)
        source.task = asyncio.get_running_loop().create_task(fetch)
        return source.task

    async def _fetch(self, account: Account, source: _Source, transport: Transport) -> None:
        try:
            async with asyncio.timeout(FETCH_TIMEOUT):
                payload = await _get_models(account, transport, self._clock.now())
            models = parse_models(
                payload,
                provider=account.provider,
                free=account.free,
                origin=account.address,
                paid=account.paid,
                needs_proof=account.needs_proof,
            )
            if not models and not account.lists_others:
                message = "the list of models is empty, or has an unknown shape"
                raise _ListRefused(message)
        except (TransportFailed, TimeoutError) as error:
            source.failures += 1
            self.stats["failed"] += 1
            source.reason = redact(getattr(error, "detail", "") or "no answer in time", account)
            source.cause = error.cause if isinstance(error, _ListRefused) else Cause.UNREACHABLE
            source.patience = _patience(error)
            backoff = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** (source.failures - 1))
            source.not_before = self._clock.now() + backoff
            self._emit(FetchFailed(account.provider, source.reason))
        else:
            source.models, source.fetched = tuple(models), self._clock.now()
            source.failures, source.not_before, source.reason = 0, 0.0, ""
            self.stats["fetched"] += 1
            problem = self._cache.write(account, source.fetched, source.models)
            if problem is not None:
                reason = f"the list could not be kept on disk: {problem}"
                self._emit(FetchFailed(account.provider, reason))
            self._emit_fetched(account, source)
        finally:
            source.task = None

    def _emit_fetched(self, account: Account, source: _Source) -> None:
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
        sources = [(account, self._source(account)) for account in accounts]
        reasons = "; ".join(f"{account.provider}: {source.reason}" for account, source in sources)
        hints = [remedy(source.cause, account) for account, source in sources]
        hint = "; ".join(dict.fromkeys(filter(None, hints))) or None
        if all(source.cause.effect.key_refused for _, source in sources):
            message = f"the key was refused for the list of models: {reasons}"
            return AuthenticationFailed(message, hint=hint, status_code=401)
        message = f"the list of models could not be fetched: {reasons}"
        return CatalogueUnavailable(message, hint=hint, should_retry=True)


class _ListRefused(TransportFailed):
    """A response that is no list, and which failure that is."""

    def __init__(self, detail: str, fault: Fault | None = None) -> None:
        super().__init__("protocol", detail)
        self.cause = Cause.UNKNOWN if fault is None else fault.cause
        self.passes = fault is not None and (fault.kind.passing or fault.status == 429)
        """Whether it is trouble that passes."""


def _patience(error: TransportFailed | TimeoutError) -> float:
    """Seconds for which a request that has no list goes on after a failed fetch."""
    if isinstance(error, _ListRefused):
        return PATIENCE if error.passes else 0.0
    unreached = isinstance(error, TransportFailed) and error.name.startswith("connect")
    return UNREACHED_PATIENCE if unreached else PATIENCE


async def _get_models(account: Account, transport: Transport, now: float) -> object:
    async with transport.open(account, "GET", account.models or "/models") as response:
        body = await response.read()
        if response.status == 404 and account.models:  # a server that has only OpenAI's path
            return await _get_models(replace(account, models=""), transport, now)
        if response.status != 200:
            fault = judge_rejection(read_rejection(response.status, response.headers, body), now)
            message = f"HTTP {response.status} {fault.message}".strip()
            raise _ListRefused(message, fault)
    try:
        payload: object = parse_json(body, MAX_VALUES)
    except ValueError:
        raise _ListRefused("the list of models is not JSON") from None
    return payload


def _key(account: Account) -> _Key:
    return account.scope, account.free, account.lists_others


def _is_local(account: Account) -> bool:
    return urlsplit(account.base_url).hostname in ("127.0.0.1", "::1", "localhost")
