"""What is hardest in a drawn world."""

from __future__ import annotations

from scene import Scene

from freerouter_core.simulator import SimModel

KINDS = ("scarce day", "pressed", "mostly down", "many providers", "roomy")


def kind_of(scene: Scene) -> str:
    """What is hardest in a world: the first of `KINDS` that holds."""
    days = [server.account.per_day for server in scene.servers]
    if all(day is not None for day in days) and len(scene.calls) > 0.6 * sum(filter(None, days)):
        return "scarce day"
    if _load(scene) > 0.5:
        return "pressed"
    shares = [share_up(model, scene.span) for _, model in scene.models]
    if sum(shares) / len(shares) < 0.5:
        return "mostly down"
    return "many providers" if len(scene.servers) >= 3 else "roomy"


def _load(scene: Scene) -> float:
    """Calls over what the accounts allow in that time."""
    capacity = 0.0
    for server in scene.servers:
        limit = server.account.per_minute
        if limit is None:
            return 0.0
        capacity += limit * (len(server.models) if server.by_model else 1)
    minutes = max(1.0, scene.calls[-1].at / 60.0)
    return len(scene.calls) / minutes / capacity


def share_up(model: SimModel, span: float) -> float:
    """The share of time in which a model answers, on average."""
    down = sum(
        phase.share * max(0.0, min(phase.end, span) - phase.start) / span for phase in model.phases
    )
    return max(0.0, 1.0 - down)
