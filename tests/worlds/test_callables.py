"""Validators and strategies that raise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from freerouter_core import ChatRequest, Model, Need, errors
from freerouter_core.runtime import callables
from freerouter_core.runtime.loop import clock as clock_module
from freerouter_core.runtime.loop.os_threads import start_thread
from freerouter_core.simulator import SimModel, World

from ..scripted import answer_response, scripted_router


@pytest.mark.parametrize("raised", [StopIteration, SystemExit, KeyboardInterrupt, ValueError])
def test_a_validator_or_a_strategy_may_raise_any_exception(raised: type[BaseException]) -> None:
    def validate(answer: object) -> None:
        raise raised("no")

    with pytest.raises(errors.Exhausted, match=raised.__name__):
        scripted_router(answer_response(), max_retries=0).chat(
            ChatRequest.of("x").but(validate=validate)
        )

    def strategy(need: Need, models: list[Model]) -> list[Model]:
        raise raised("no")

    with pytest.raises(errors.BadSetting, match=raised.__name__):
        scripted_router(answer_response()).with_options(strategy=strategy).chat("x")


def test_a_bug_in_a_validator_benches_no_model() -> None:
    def validate(answer: object) -> None:
        raise NameError("typo")

    router = scripted_router(answer_response(), models=2)
    with pytest.raises(errors.Exhausted, match="typo"):
        router.chat(ChatRequest.of("x").but(validate=validate))

    assert router.health().usable == router.free_models()


def test_no_time_passes_before_a_callable_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that is too busy to start its thread: else it would be late in vain."""
    world = World([SimModel("a/b:free")])
    began: list[float] = []

    def start_late(target: Callable[[], None], name: str) -> None:
        answered = world.clock.elapsed

        def begin_late() -> None:
            for _ in range(20):
                world.runtime.call(lambda: asyncio.sleep(0))
            began.append(world.clock.elapsed - answered)
            monkeypatch.setattr(clock_module, "CALLABLE_GRACE", 30.0)
            target()

        start_thread(begin_late, name)

    monkeypatch.setattr(clock_module, "CALLABLE_GRACE", 0.0)
    monkeypatch.setattr(callables, "start_thread", start_late)

    assert world.router(guards=[lambda exchange: None]).chat("x").text
    assert began == [0.0]
