"""`EndpointStats`: first beliefs about free models, from what OpenRouter says of their endpoints.

They cost no quota. A model is looked up once in seven days, a paid one never. A server that does
not tell is asked ever more rarely. All of it happens beside the requests, some seconds after the
first of them, and nothing waits for it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ..catalogue.model import Catalogue, Model
from ..catalogue.providers import Account
from ..routing.health_book import HealthBook
from .endpoint_facts import EndpointFacts, fetch_endpoint_facts
from .http.transport import Transport
from .json_cache import read_json, write_json
from .loop.clock import Clock

FACTS_LIFETIME = 7 * 86_400.0
"""Seconds for which facts are kept."""
START_DELAY = 5.0
"""Seconds between an account's first request and its first scan: a short program never scans."""
SILENT_MODELS = 2
"""Models without facts, after which the server is taken to have none of any model."""
FIRST_BACKOFF = 3_600.0
"""Seconds until a server without facts is asked again: doubled each time, to `FACTS_LIFETIME`."""


@dataclass(kw_only=True)
class _Scan:
    """What is known of one account's models, and when they are scanned next (unix seconds)."""

    due: float
    facts: dict[str, EndpointFacts]
    """By the model's name on the wire."""
    failures: int = 0
    """Scans in a row without any facts."""
    task: asyncio.Task[None] | None = None


class EndpointStats:
    """The scans of a runtime. `folder` gives the folder for facts; None: nothing is kept.

    `stats` counts scans: "scanned", "scans_failed", and "scans_avoided".
    """

    def __init__(
        self,
        clock: Clock,
        book: HealthBook,
        folder: Callable[[], Path | None],
        stats: Counter[str],
    ) -> None:
        self._clock, self._book, self._folder, self._stats = clock, book, folder, stats
        self._scans: dict[str, _Scan] = {}
        """By the account's scope."""

    def schedule(
        self,
        accounts: Iterable[Account],
        catalogue: Catalogue,
        transport_of: Callable[[Account], Transport],
    ) -> None:
        """Start the scans that are due, beside the requests. On the runtime's loop."""
        now = self._clock.now()
        for account in accounts:
            if account.dialect != "openrouter" or account.simulated:
                continue
            scan = self._scans.get(account.scope)
            if scan is None:
                scan = _Scan(due=now + START_DELAY, facts=self._read(account))
                self._scans[account.scope] = scan
                self._apply(account, scan.facts)
            if now >= scan.due and scan.task is None:
                work = self._run(account, scan, catalogue, transport_of(account))
                scan.task = asyncio.get_running_loop().create_task(work)

    def forget_tasks(self) -> None:
        """After a fork or a close: the tasks belong to a loop that is gone."""
        for scan in self._scans.values():
            scan.task = None

    async def _run(
        self, account: Account, scan: _Scan, catalogue: Catalogue, transport: Transport
    ) -> None:
        try:
            listed = [model for model in catalogue if model.provider == account.provider]
            models = [model for model in listed if model.free and model.chat]
            self._stats["scans_avoided"] += len(listed) - len(models)
            now = self._clock.now()
            scan.due = now + FIRST_BACKOFF
            silent = await self._fetch_facts(account, scan, models, transport)
            scan.failures = scan.failures + 1 if silent else 0
            backoff = FIRST_BACKOFF * 2.0 ** max(0, scan.failures - 1)
            scan.due = now + min(FACTS_LIFETIME, backoff)
            self._apply(account, scan.facts)
            names = {model.wire_name for model in models}
            scan.facts = {name: facts for name, facts in scan.facts.items() if name in names}
            self._write(account, scan.facts)
        finally:
            scan.task = None

    async def _fetch_facts(
        self, account: Account, scan: _Scan, models: Iterable[Model], transport: Transport
    ) -> bool:
        """Fetch the facts that are missing or old. Whether the server had none of any model."""
        now, fetched, failed = self._clock.now(), 0, 0
        for model in models:
            old = scan.facts.get(model.wire_name)
            if old is not None and now - old.at < FACTS_LIFETIME:
                self._stats["scans_avoided"] += 1
                continue
            facts = await fetch_endpoint_facts(account, model, transport, now)
            if facts is None:
                self._stats["scans_failed"] += 1
                failed += 1
                if failed >= SILENT_MODELS and not fetched:
                    break
            else:
                scan.facts[model.wire_name] = facts
                self._stats["scanned"] += 1
                fetched += 1
        return failed > 0 and not fetched

    def _apply(self, account: Account, facts_by_name: Mapping[str, EndpointFacts]) -> None:
        now = self._clock.now()
        for name, facts in facts_by_name.items():
            if now - facts.at < FACTS_LIFETIME:
                identity = (account.provider, account.address, name)
                self._book.described(
                    identity,
                    first_token=facts.first_token,
                    speed=facts.speed,
                    tool_choice=facts.tool_choice,
                    now=now,
                )

    # -- the copy on disk ---------------------------------------------------------------------

    def _path(self, account: Account) -> Path | None:
        folder = self._folder()
        if folder is None:
            return None
        return folder / f"endpoints-{hashlib.sha256(account.scope.encode()).hexdigest()[:16]}.json"

    def _read(self, account: Account) -> dict[str, EndpointFacts]:
        path = self._path(account)
        copy = read_json(path) if path is not None else None
        now = self._clock.now()
        try:
            rows = {str(name): EndpointFacts(**row) for name, row in (copy or {}).items()}
            return {name: facts for name, facts in rows.items() if facts.is_plausible(now)}
        except (TypeError, ValueError, KeyError, AttributeError):
            return {}

    def _write(self, account: Account, facts_by_name: Mapping[str, EndpointFacts]) -> None:
        path = self._path(account)
        if path is not None:
            write_json(path, {name: asdict(facts) for name, facts in facts_by_name.items()})
