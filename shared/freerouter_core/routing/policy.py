"""`Policy`: what the owner of a router allows and prefers; the same for all its requests."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from ..catalogue.model import Model
from .need import Need

STRATEGIES = ("adaptive", "round_robin", "random", "context", "performance", "cost", "availability")
"""The named strategies; see `rank`."""
ALIASES = {f"{name}_based": name for name in ("performance", "cost", "availability")}
"""Names that users of other routers know (FEATURES D5)."""
Ranker = Callable[[Need, list[Model]], Iterable[Model]]
"""A user's own strategy: returns the candidates, best first. Those it leaves out are not asked."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the owner of a router allows and prefers. The router's options have the same names."""

    preferred: tuple[str, ...] = ()
    """Names to try first: the requested model, the configured default, the fallback list."""
    kept: str | None = None
    """A session's model: first among those that nobody named, if it fits."""
    others: bool = True
    """Whether any other model may follow them."""
    strategy: str = "adaptive"
    prefer: str = "balanced"
    capabilities: frozenset[str] = frozenset()
    min_context: int = 0
    min_quality: float = 0.0
    min_safety: float = 0.0
    quality: Mapping[str, float] = field(default_factory=dict)
    """The owner's own opinion of models, 0 to 10, by id."""
    task: str | None = None
    """A name in `task.TASKS`; "auto": told from each request; None: tasks do not matter."""
    max_latency: float | None = None
    max_cost_per_token: float | None = None
    max_cost_per_request: float | None = None
    daily_budget_usd: float | None = None
    allow_paid: bool = False
    max_retries: int | None = None
    max_failures: int = 1
    exclude_failed: float | None = None
    retry_attempts: int = 3
    backoff_base: float = 1.0
    backoff_max: float = 12.0
    backoff_jitter: float = 0.25
    hedge: str = "auto"
    no_train: bool = False
    tool_streaming: str = "whole"
    on_stream_break: str = "raise"
    memory: int = 0
    """Bytes of memory that a local model may take on this machine; 0: unknown."""
    order: Mapping[str, int] = field(default_factory=dict)
    """The rank that a user's own strategy gave each model id; empty: a named strategy ranks."""

    @property
    def kind(self) -> tuple[Hashable, ...]:
        """What of it decides fitness, besides sizes."""
        own = tuple(self.quality.items())
        return (self.allow_paid, self.capabilities, self.max_cost_per_token, self.min_quality, own)
