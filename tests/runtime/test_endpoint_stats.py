"""First beliefs from endpoint lists: scanned weekly, in the background, free models only."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from freerouter_core import ChatRequest
from freerouter_core.runtime.endpoint_facts import EndpointFacts, parse_endpoints
from freerouter_core.runtime.endpoint_stats import FACTS_LIFETIME, START_DELAY
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import SimModel, World

MODELS = [
    SimModel("quick/x:free", first_token=0.3, speed=200.0),
    SimModel("slow/x:free", first_token=4.0, speed=20.0, tool_choice=False),
    SimModel("paid/x", prompt_price="0.1", completion_price="0.1"),
]
TOOL = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
}


class Watched(World):
    """A world that counts what is asked of it besides chats."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.paths: Counter[str] = Counter()

    def respond(self, method: str, path: str, headers: Any, body: bytes) -> Any:
        self.paths[path.removeprefix("/api/v1")] += 1
        return super().respond(method, path, headers, body)


def scanned(world: Watched) -> set[str]:
    return {path for path in world.paths if path.endswith("/endpoints")}


def chat_and_wait(world: Watched, *, turns: int = 3) -> None:
    """Some requests, with time enough between them for what goes on beside."""
    for _ in range(turns):
        world.router(model="quick/x:free").chat("x")
        world.clock.advance(START_DELAY)


def test_free_models_are_scanned_in_the_background_and_paid_ones_never() -> None:
    with Watched(MODELS, endpoints=True) as world:
        world.router(model="quick/x:free").chat("x")
        assert not scanned(world), "a short program never looks"
        chat_and_wait(world)

        assert scanned(world) == {"/models/quick/x:free/endpoints", "/models/slow/x:free/endpoints"}
        stats = world.router().cache_stats()
        assert (stats["scanned"], stats["scans_avoided"]) == (2, 1)
        slow = next(row for row in world.router().explain().rows if row.model.id == "slow/x:free")
        assert slow.health is not None
        assert (slow.health.first_token, slow.health.speed) == (4.0, 20.0)


def test_a_model_without_tool_choice_comes_last_for_a_required_call() -> None:
    with Watched(MODELS, endpoints=True) as world:
        chat_and_wait(world)
        request = ChatRequest.of("x").but(tools=[TOOL], tool_choice="required")
        rows = world.router().explain(request).rows

    assert [row.model.id for row in rows] == ["quick/x:free", "slow/x:free"]
    assert [row.reason for row in rows] == [None, None]


def test_a_server_without_endpoint_lists_is_scanned_ever_more_rarely() -> None:
    with Watched(MODELS) as world:
        chat_and_wait(world, turns=6)
        assert sum(world.paths[path] for path in scanned(world)) == 2, (
            "two that tell nothing are enough"
        )

        world.clock.advance(3_600.0)
        chat_and_wait(world)
        world.clock.advance(3_600.0)
        chat_and_wait(world)
        assert sum(world.paths[path] for path in scanned(world)) == 4
        assert world.router().cache_stats()["scans_failed"] == 4


def test_facts_last_seven_days_and_survive_a_restart(tmp_path: Path) -> None:
    clock = VirtualClock()

    def run() -> Watched:
        world = Watched(MODELS, endpoints=True, clock=clock)
        world._runtime = Runtime(
            clock=clock, client=world.transport(), seed=1, cache=tmp_path, state="memory"
        )
        with world:
            chat_and_wait(world)
        return world

    assert len(scanned(run())) == 2
    assert not scanned(run()), "what is kept on disk will do"
    clock.advance(FACTS_LIFETIME)
    assert len(scanned(run())) == 2


@pytest.mark.parametrize(
    ("endpoints", "expected"),
    [
        (
            [{"latency_last_30m": {"p50": 420.0}, "throughput_last_30m": {"p50": 55.0}}],
            (0.42, 55.0, True),
        ),
        ([{"latency_last_30m": {"p50": 0.25}, "throughput_last_30m": None}], (0.25, None, True)),
        (
            [{"latency_last_30m": None}, {"latency_last_30m": {"p50": 900}}, "odd"],
            (0.9, None, True),
        ),
        ([{"supports_tool_choice": {"auto": True, "required": False}}], (None, None, False)),
        ([], (None, None, True)),
    ],
)
def test_facts_are_read_from_endpoint_lists(
    endpoints: list[Any], expected: tuple[Any, ...]
) -> None:
    facts = parse_endpoints(endpoints, 5.0)

    assert (facts.first_token, facts.speed, facts.tool_choice) == expected


def test_implausible_facts_of_endpoints_are_recognised() -> None:
    assert EndpointFacts(1.0, 0.5, 50.0).is_plausible(2.0)
    assert not EndpointFacts(5.0, 0.5, 50.0).is_plausible(2.0), "from the future"
    assert not EndpointFacts(1.0, -0.5, 50.0).is_plausible(2.0)
    with pytest.raises(TypeError):
        EndpointFacts(1.0, "fast", 50.0).is_plausible(2.0)  # type: ignore[arg-type]


def test_a_model_without_endpoints_does_not_stop_the_scan_of_the_others(tmp_path: Path) -> None:
    class Patchy(World):
        def respond(self, method: str, path: str, headers: Any, body: bytes) -> Any:
            if path.endswith("/quick/x:free/endpoints"):
                return super().respond(method, "/nowhere", headers, body)
            return super().respond(method, path, headers, body)

    with Patchy(MODELS, endpoints=True) as world:
        for _ in range(3):
            world.router().chat("x")
            world.clock.advance(10.0)
        stats = world.router().cache_stats()

    assert (stats["scanned"], stats["scans_failed"]) == (1, 1)
