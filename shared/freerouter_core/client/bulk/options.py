"""`WorkOptions`: how a job is worked on. `Measured`: how it goes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from ...checks import check_one_of
from ...errors import BadSetting
from .flow import Flow
from .job_store import Changed, Counts

Order = Literal["as_done", "given"]


@dataclass(frozen=True, kw_only=True)
class WorkOptions:
    """How a job is worked on. `Router.bulk` says what each means."""

    given: bool = False
    concurrency: int | None = None
    attempts: int = 5
    stop_after: int | None = None
    until: float | None = None
    changed: Changed = "refuse"
    part: tuple[int, int] = (0, 1)


def work_options(
    *,
    order: Order,
    concurrency: int | None,
    attempts: int,
    stop_after: int | None,
    until: float | datetime | None,
    changed: Changed,
) -> WorkOptions:
    """The options as a caller gives them. Raises `BadSetting`."""
    check_one_of("order", order, get_args(Order))
    check_one_of("changed", changed, get_args(Changed))
    numbers: dict[str, object] = {"concurrency": concurrency, "stop_after": stop_after}
    for name, value in ({"attempts": attempts} | numbers).items():
        if value is None and name in numbers:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise BadSetting(f"{name}={value!r} must be a whole number, at least 1")
    if until is not None and not isinstance(until, datetime) and not _is_time(until):
        raise BadSetting(
            f"until={until!r} is no time", hint="a datetime, or unix seconds such as time.time()"
        )
    return WorkOptions(
        given=order == "given",
        concurrency=concurrency,
        attempts=attempts,
        stop_after=stop_after,
        until=until.timestamp() if isinstance(until, datetime) else until,
        changed=changed,
    )


def _is_time(value: object) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return math.isfinite(value)


@dataclass(slots=True)
class Measured:
    """What this worker measured so far. Times are unix seconds."""

    started: float
    answered: int = 0
    failed: int = 0
    """Rows that failed for good."""
    seconds: float = 0.0
    """Of all answers."""
    requests: int = 0
    """Requests sent for what ended."""
    tokens: int = 0
    """Of all answers and their prompts, where providers count them."""
    counts: Counts = field(default_factory=Counts)
    in_flight: int = 0
    waiting: int = 0
    until: float | None = None
    """The time at which the work was to stop, and did. None: it did not."""
    largest: int = 0
    """Requests that may be in flight."""
    flow: Flow = field(init=False)

    def __post_init__(self) -> None:
        self.flow = Flow(self.started)
