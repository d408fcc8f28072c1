"""What OpenRouter tells of each free model's endpoints: how soon and how fast they answered others, and which tool choices they take.

First beliefs that cost no quota. A model is looked up once in seven days, paid ones never; a server that does not tell is asked ever
more rarely. It happens beside the requests, some seconds after the first of them, and nothing waits for it. Uptime is not read: it
leaves rate limits out, and was 99.8 % where most requests met a 429 (2026-07).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..catalogue.model import Catalogue, Model
from ..catalogue.providers import Account
from ..routing.health import HealthBook
from .http.transport import Transport, TransportFailed
from .json_cache import read_json, write_json
from .loop.clock import Clock

FACTS_LIFETIME = 7 * 86_400.0
"""Seconds for which a look is enough."""
START_DELAY = 5.0
"""Seconds after an account's first request before its models are looked up: a short program never does."""
FETCH_TIMEOUT = 5.0
SILENT_MODELS = 2
"""Models that a server tells nothing of, before it is taken to tell of none."""
FIRST_BACKOFF = 3_600.0
"""Seconds until a server that did not tell is asked again; doubled each time, up to `FACTS_LIFETIME`."""


@dataclass(slots=True)
class EndpointFacts:
    """Of one model: seconds to a first token and tokens a second (medians; None: not told), and whether a tool can be forced."""

    at: float
    first_token: float | None = None
    speed: float | None = None
    tool_choice: bool = True

    def is_plausible(self, now: float) -> bool:
        """Whether it can be what was written down. Raises TypeError where it cannot even be compared."""
        return 0 <= self.at <= now and all(
            n is None or 0 < n < 1e7 for n in (self.first_token, self.speed)
        )


@dataclass
class _Account:
    due: float
    facts: dict[str, EndpointFacts] = field(default_factory=dict)
    failures: int = 0
    task: asyncio.Task[None] | None = None


@dataclass
class EndpointStats:
    """The looks of a runtime. `folder` None: nothing is kept on disk."""

    clock: Clock
    book: HealthBook
    folder: Callable[[], Path | None]
    stats: Counter[str]
    """Looks that were made ("scanned"), failed ("scans_failed"), and were not needed ("scans_avoided")."""
    accounts: dict[str, _Account] = field(default_factory=dict)

    def schedule(
        self,
        accounts: Iterable[Account],
        catalogue: Catalogue,
        transport: Callable[[Account], Transport],
    ) -> None:
        """See to it that what is due is looked up, beside the requests. On the runtime's loop."""
        now = self.clock.now()
        for account in accounts:
            if account.dialect != "openrouter" or account.simulated:
                continue
            known = self.accounts.get(account.scope)
            if known is None:
                known = self.accounts[account.scope] = _Account(
                    now + START_DELAY, self._read(account)
                )
                self._apply(account, known.facts)
            if now >= known.due and known.task is None:
                work = self._scan(account, known, catalogue, transport(account))
                known.task = asyncio.get_running_loop().create_task(work)

    def forget_tasks(self) -> None:
        """After a fork: the tasks belong to a loop of the parent's."""
        for known in self.accounts.values():
            known.task = None

    async def _scan(
        self, account: Account, known: _Account, catalogue: Catalogue, transport: Transport
    ) -> None:
        try:
            models = [m for m in catalogue if m.provider == account.provider and m.free and m.chat]
            self.stats["scans_avoided"] += sum(
                m.provider == account.provider for m in catalogue
            ) - len(models)
            now, told, failed = self.clock.now(), 0, 0
            known.due = now + FIRST_BACKOFF
            for model in models:
                facts = known.facts.get(model.wire_name)
                if facts is not None and now - facts.at < FACTS_LIFETIME:
                    self.stats["scans_avoided"] += 1
                    continue
                found = await fetch_endpoint_facts(account, model, transport, now)
                if found is None:
                    self.stats["scans_failed"] += 1
                    failed += 1
                    if (
                        failed >= SILENT_MODELS and not told
                    ):  # who does not tell of some tells of none
                        break
                    continue
                known.facts[model.wire_name] = found
                self.stats["scanned"] += 1
                told += 1
            known.failures = known.failures + 1 if failed and not told else 0
            known.due = now + min(FACTS_LIFETIME, FIRST_BACKOFF * 2.0 ** max(0, known.failures - 1))
            self._apply(account, known.facts)
            listed = {model.wire_name for model in models}
            known.facts = {name: facts for name, facts in known.facts.items() if name in listed}
            if (path := self._path(account)) is not None:
                write_json(path, {name: asdict(facts) for name, facts in known.facts.items()})
        finally:
            known.task = None

    def _apply(self, account: Account, facts: Mapping[str, EndpointFacts]) -> None:
        now = self.clock.now()
        for name, told in facts.items():
            if now - told.at < FACTS_LIFETIME:
                key = (account.provider, account.address, name)
                self.book.told(key, told.first_token, told.speed, told.tool_choice, now)

    def _path(self, account: Account) -> Path | None:
        folder = self.folder()
        if folder is None:
            return None
        return folder / f"endpoints-{hashlib.sha256(account.scope.encode()).hexdigest()[:16]}.json"

    def _read(self, account: Account) -> dict[str, EndpointFacts]:
        path = self._path(account)
        told = read_json(path) if path is not None else None
        try:
            kept = {str(name): EndpointFacts(**row) for name, row in (told or {}).items()}
            return {
                name: facts for name, facts in kept.items() if facts.is_plausible(self.clock.now())
            }
        except (TypeError, ValueError, KeyError, AttributeError):
            return {}


async def fetch_endpoint_facts(
    account: Account, model: Model, transport: Transport, now: float
) -> EndpointFacts | None:
    """What is told of a model's endpoints; None: nothing, or not in time."""
    try:
        async with (
            asyncio.timeout(FETCH_TIMEOUT),
            transport.open(account, "GET", f"/models/{model.wire_name}/endpoints") as response,
        ):
            body = await response.read(1_000_000)
            rows = json.loads(body)["data"]["endpoints"] if response.status == 200 else None
            return None if rows is None else parse_endpoints(rows, now)
    except (TransportFailed, TimeoutError, ValueError, KeyError, TypeError, RecursionError):
        return None


def parse_endpoints(rows: Iterable[Any], now: float) -> EndpointFacts:
    """The best endpoint's medians. Latency is in milliseconds, though the documentation's example has seconds: nobody answers within 30 ms,
    nor would be listed with 30 s. Both are null for callers that are not signed in."""
    latency, speed, forced = [], [], []
    for row in rows:
        if not isinstance(row, Mapping):
            continue
        latency.append(_median(row.get("latency_last_30m")))
        speed.append(_median(row.get("throughput_last_30m")))
        choice = row.get("supports_tool_choice")
        if isinstance(choice, Mapping):
            forced.append(bool(choice.get("required", choice.get("literal_required", True))))
    firsts = [value if value < 30.0 else value / 1e3 for value in latency if value]
    speeds = [tokens for tokens in speed if tokens]
    return EndpointFacts(
        now, min(firsts, default=None), max(speeds, default=None), any(forced) if forced else True
    )


def _median(told: Any) -> float | None:
    value = told.get("p50") if isinstance(told, Mapping) else told
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return float(value) if 0 < value < 1e7 else None
