"""Which models there are, right now: fetched once, kept on disk, served stale while it is refreshed.

A cold start reads the disk and answers at once; a copy older than the refresh interval is renewed in the background. A fetch
that fails costs nothing but its own attempt: the last list stays, and the next try waits longer each time.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..catalogue.model import Catalogue, Model
from ..catalogue.parse import parse_models
from ..catalogue.providers import Account
from ..errors import CatalogueUnavailable
from ..events import Event, FetchFailed, ModelsFetched
from ..wire.judge import judge_rejection
from ..wire.redact import redact
from ..wire.rejection import read_rejection
from .http.transport import Transport, TransportFailed
from .json_cache import read_json, write_json
from .loop.clock import Clock

FETCH_TIMEOUT, LOCAL_GRACE = 15.0, 1.0
"""Seconds a fetch may take; and that a server on this machine is waited for before its copy on disk is used."""
JOIN_PATIENCE = 1.0
"""Seconds a request waits for the lists of further providers once it has one."""
FIRST_BACKOFF, LONGEST_BACKOFF = 30.0, 1_800.0


@dataclass
class _Source:
    """One account's list: the last good one, and the fetch under way."""

    models: tuple[Model, ...] | None = None
    fetched: float = 0.0
    task: asyncio.Task[None] | None = None
    failures: int = 0
    not_before: float = 0.0
    started: float = 0.0
    """When the fetch under way began."""
    reason: str = ""


@dataclass
class Discovery:
    """The catalogues of a runtime's accounts. `folder` None: nothing is kept on disk."""

    clock: Clock
    folder: Callable[[], Path | None]
    emit: Callable[[Event], None]
    sources: dict[tuple[str, Any], _Source] = field(default_factory=dict)
    _merged: dict[tuple[tuple[str, Any], ...], tuple[tuple[float, ...], Catalogue]] = field(
        default_factory=dict
    )

    stats: Counter[str] = field(default_factory=Counter)
    """Lists "fetched", "failed", "from_disk", and "avoided" because a fresh one was at hand."""

    async def catalogue(
        self,
        accounts: Iterable[Account],
        transport: Callable[[Account], Transport],
        refresh: float,
        *,
        wait: float | None = None,
        required: bool = True,
    ) -> Catalogue:
        """All accounts' models in one list. `refresh`: seconds after which a list is renewed in the background.

        `wait`: seconds to wait for a first list (None: as long as a fetch may take). Raises `CatalogueUnavailable` if
        nothing is known of any account by then and a list is `required`.
        """
        accounts = list(accounts)
        missing = []
        for account in accounts:
            source = self._source(account)
            now = self.clock.now()
            stale = source.models is None or now - source.fetched >= refresh
            if not stale:
                self.stats["avoided"] += 1
            alone = all(self._source(other).models is None for other in accounts)
            if stale and source.task is None and (now >= source.not_before or (alone and required)):
                source.started = now
                source.task = asyncio.get_running_loop().create_task(
                    self._fetch(account, source, transport(account))
                )
            if source.models is None and source.task is not None:
                missing.append((account, source, source.task))
        if missing:
            await self._first(missing, wait, has_others=len(missing) < len(accounts))
        return self._merge(accounts, required=required)

    async def refresh(
        self, accounts: Iterable[Account], transport: Callable[[Account], Transport]
    ) -> Catalogue:
        """Fetch every account's list now. Raises `CatalogueUnavailable` if none could be fetched."""
        accounts = list(accounts)
        failed = 0
        for account in accounts:
            source = self._source(account)
            if source.task is None:
                source.task = asyncio.get_running_loop().create_task(
                    self._fetch(account, source, transport(account))
                )
            await asyncio.shield(source.task)
            failed += source.failures > 0
        if accounts and failed == len(accounts):
            raise CatalogueUnavailable(
                f"the list of models could not be fetched: {self._source(accounts[0]).reason}",
                should_retry=True,
            )
        return self._merge(accounts, required=True)

    def forget_tasks(self) -> None:
        """After a fork: the tasks belong to a loop of the parent's."""
        for source in self.sources.values():
            source.task = None

    def _source(self, account: Account) -> _Source:
        return self.sources.setdefault((account.scope, account.free), _Source())

    async def _first(
        self,
        missing: list[tuple[Account, _Source, asyncio.Task[None]]],
        wait: float | None,
        *,
        has_others: bool,
    ) -> None:
        """First lists: from disk where there is a copy, else from the network. Once any account has one, the rest are waited
        for only a little: they join when they come."""
        asked: set[asyncio.Task[None]] = set()
        for account, source, fetch in missing:
            copy = self._read(account)
            if copy is None:
                asked.add(fetch)
                continue
            if _local(account):
                await asyncio.wait({fetch}, timeout=LOCAL_GRACE)
            if source.models is None:
                source.fetched, source.models = copy
                self.stats["from_disk"] += 1
                self.emit(_counted(account, source, self.clock.now()))
            has_others = True
        if asked and not has_others and wait != 0:
            _, asked = await asyncio.wait(asked, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
        known = has_others or any(source.models is not None for _, source, _ in missing)
        if asked and known and wait != 0:
            since = min(source.started for _, source, fetch in missing if fetch in asked)
            left = min(JOIN_PATIENCE, wait or JOIN_PATIENCE) - (self.clock.now() - since)
            if left > 0:
                await asyncio.wait(asked, timeout=left)
        for _, source, fetch in missing:
            if source.models is None and not fetch.done():
                source.reason = source.reason or "no answer in time"

    async def _fetch(self, account: Account, source: _Source, transport: Transport) -> None:
        try:
            async with asyncio.timeout(FETCH_TIMEOUT):
                rows = await _get_models(account, transport, self.clock.now())
            models = parse_models(
                rows, provider=account.provider, free=account.free, origin=account.address
            )
            if not models:
                raise TransportFailed(
                    "protocol", "the list of models is empty or in no known shape"
                )
        except (TransportFailed, TimeoutError) as error:
            source.failures += 1
            self.stats["failed"] += 1
            source.reason = redact(getattr(error, "detail", "") or "no answer in time", account)
            wait = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** (source.failures - 1))
            source.not_before = self.clock.now() + wait
            self.emit(FetchFailed(account.provider, source.reason))
        else:
            source.models, source.fetched = tuple(models), self.clock.now()
            source.failures, source.not_before, source.reason = 0, 0.0, ""
            self.stats["fetched"] += 1
            self._write(account, source)
            self.emit(_counted(account, source, self.clock.now()))
        finally:
            source.task = None

    def _merge(self, accounts: list[Account], *, required: bool) -> Catalogue:
        sources = [self._source(account) for account in accounts]
        found = [source for source in sources if source.models is not None]
        if required and accounts and not found:
            raise CatalogueUnavailable(f"the list of models could not be had: {sources[0].reason}")
        key = tuple((account.scope, account.free) for account in accounts)
        stamps = tuple(source.fetched for source in sources)
        cached = self._merged.get(key)
        if cached is not None and cached[0] == stamps:
            return cached[1]
        models = (model for source in found for model in source.models or ())
        merged = Catalogue.of(models, min((source.fetched for source in found), default=0.0))
        self._merged[key] = (stamps, merged)
        return merged

    # -- the copy on disk -------------------------------------------------------------------------------------------

    def _path(self, account: Account) -> Path | None:
        folder = self.folder()
        if folder is None or account.simulated:
            return None
        name = hashlib.sha256(f"{account.scope}|{account.free}".encode()).hexdigest()[:16]
        return folder / f"catalogue-{account.provider}-{name}.json"

    def _read(self, account: Account) -> tuple[float, tuple[Model, ...]] | None:
        path = self._path(account)
        if path is None:
            return None
        copy = read_json(path)
        try:
            models = tuple(_thaw(row) for row in copy["models"])
            return (float(copy["fetched"]), models) if models and copy["format"] == 2 else None
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def _write(self, account: Account, source: _Source) -> None:
        path = self._path(account)
        if path is None:
            return
        copy = {
            "format": 2,
            "fetched": source.fetched,
            "models": [_freeze(m) for m in source.models or ()],
        }
        problem = write_json(path, copy)
        if problem is not None:
            self.emit(
                FetchFailed(account.provider, f"the list could not be kept on disk: {problem}")
            )


async def _get_models(account: Account, transport: Transport, now: float) -> Any:
    async with transport.open(account, "GET", account.models or "/models") as response:
        body = await response.read()
        if response.status == 404 and account.models:  # a server that speaks OpenAI's words only
            return await _get_models(replace(account, models=""), transport, now)
        if response.status != 200:
            fault = judge_rejection(read_rejection(response.status, response.headers, body), now)
            raise TransportFailed("protocol", f"HTTP {response.status} {fault.message}".strip())
    try:
        return json.loads(body)
    except ValueError:
        raise TransportFailed("protocol", "the list of models is no JSON") from None


_DEFAULTS = {f.name: f.default for f in fields(Model) if f.init}


def _freeze(model: Model) -> dict[str, Any]:
    known = {name: getattr(model, name) for name in _DEFAULTS}
    return {
        k: sorted(v) if isinstance(v, frozenset) else v
        for k, v in known.items()
        if v != _DEFAULTS[k]
    }


def _thaw(row: dict[str, Any]) -> Model:
    values: dict[str, Any] = {k: frozenset(v) if isinstance(v, list) else v for k, v in row.items()}
    model = Model(**values)
    if not (
        isinstance(model.id, str)
        and isinstance(model.context, int)
        and isinstance(model.quality, (int, float))
    ):
        raise TypeError("not a model as it was kept")
    return model


def _local(account: Account) -> bool:
    return urlsplit(account.base_url).hostname in ("127.0.0.1", "::1", "localhost")


def _counted(account: Account, source: _Source, now: float) -> ModelsFetched:
    models = source.models or ()
    free = sum(m.free and m.chat for m in models)
    return ModelsFetched(account.provider, len(models), free, max(0.0, now - source.fetched))
