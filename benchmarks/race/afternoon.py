"""`Afternoon`: a router of plain good sense, as a good engineer writes it in an afternoon. An honest rival, and the one to beat.

A sliding window for each account, a bench that doubles from 20 seconds with jitter, `Retry-After` and `X-RateLimit-Reset`
honoured, 403 and 404 retired, empty answers and errors in a 200 counted as failures, Beta-Thompson times average latency.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from worlds import Scene

Post = Callable[[str, str, bytes], Awaitable[tuple[int, dict[str, str], bytes]]]
"""(provider, model, body) → (status, headers, body); raises for anything else that can happen."""


@dataclass
class Known:
    provider: str
    name: str
    good: float = 1.0
    bad: float = 1.0
    latency: float = 2.0
    bench: float = 0.0
    strikes: int = 0


def afternoon_in(found: Scene, post: Post, now: Callable[[], float]) -> Afternoon:
    """The rival in a world, told the same limits as everybody."""
    return Afternoon(
        [Known(server.provider, model.id) for server in found.servers for model in server.models],
        {
            s.provider: (s.account.per_minute or 10**6) if s.account else 10**6
            for s in found.servers
        },
        {server.provider for server in found.servers if server.dialect != "openrouter"},
        post,
        now,
        Random(found.seed),
    )


@dataclass
class Afternoon:
    models: list[Known]
    per_minute: dict[str, int]
    by_model: set[str]
    post: Post
    now: Callable[[], float]
    rng: Random = field(default_factory=Random)
    attempt_timeout: float = 20.0
    windows: dict[str, deque[float]] = field(default_factory=dict)

    def window(self, model: Known) -> tuple[deque[float], int]:
        name = (
            f"{model.provider}|{model.name}" if model.provider in self.by_model else model.provider
        )
        return self.windows.setdefault(name, deque()), self.per_minute[model.provider]

    def free_at(self, model: Known) -> float:
        sent, most = self.window(model)
        while sent and sent[0] <= self.now() - 60.5:
            sent.popleft()
        return max(model.bench, 0.0 if len(sent) < most else sent[-most] + 60.5)

    async def ask(self, messages: list[dict[str, str]], deadline: float) -> str | None:
        ends = self.now() + deadline
        tried: set[int] = set()
        while (left := ends - self.now()) > 0:
            ready = [m for m in self.models if self.free_at(m) <= self.now()]
            if not ready:
                back = min((self.free_at(m) for m in self.models), default=ends)
                await asyncio.sleep(max(0.01, min(back - self.now(), left)))
                continue
            fresh = [m for m in ready if id(m) not in tried] or ready
            model = max(fresh, key=lambda m: self.rng.betavariate(m.good, m.bad) / m.latency)
            tried.add(id(model))
            self.window(model)[0].append(self.now())
            text = await self.attempt(model, messages, min(left, self.attempt_timeout))
            if text is not None:
                return text
        return None

    async def attempt(
        self, model: Known, messages: list[dict[str, str]], patience: float
    ) -> str | None:
        began, wait = self.now(), 0.0
        body = json.dumps({"model": model.name, "messages": messages}).encode()
        try:
            async with asyncio.timeout(patience):
                status, headers, raw = await self.post(model.provider, model.name, body)
            answer = json.loads(raw)
            if status == 200 and "error" not in answer:
                text = (answer["choices"][0]["message"]["content"] or "").strip()
                if text:
                    model.good, model.bad, model.strikes = (
                        model.good * 0.98 + 1,
                        model.bad * 0.98,
                        0,
                    )
                    model.latency += 0.3 * (self.now() - began - model.latency)
                    return str(text)
            elif status in (403, 404):
                model.bench = float("inf")
            elif "retry-after" in headers:
                wait = float(headers["retry-after"])
            elif "x-ratelimit-reset" in headers:  # the account's own: everybody of it waits
                until = float(headers["x-ratelimit-reset"]) / 1_000
                for other in self.models:
                    if other.provider == model.provider:
                        other.bench = max(other.bench, until)
                return None
        except Exception:  # noqa: S110  # whatever it was, it was no answer
            pass
        model.strikes += 1
        model.bad = model.bad * 0.98 + 1
        model.good *= 0.98
        doubled = min(600.0, 20.0 * 2 ** (model.strikes - 1)) * self.rng.uniform(0.8, 1.2)
        model.bench = max(model.bench, self.now() + (wait or doubled))
        return None
