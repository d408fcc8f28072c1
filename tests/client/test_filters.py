"""`Router.set_filter`, and the adapters that use the router."""

from __future__ import annotations

import pickle
import threading

import pytest

from freerouter_core import Settings
from freerouter_core.errors import BadSetting
from freerouter_core.simulator import SimModel, World
from langchain_freerouter import ChatFreeRouter

ONE, TWO = "a/one:free", "b/two:free"
PAIR = [SimModel(ONE), SimModel(TWO)]


def test_a_filter_reaches_the_adapters_that_use_the_router() -> None:
    with World([SimModel(ONE, context=8_192), SimModel(TWO, context=131_072)]) as world:
        router = world.router(strategy="context")
        llm = ChatFreeRouter(router=router, model=ONE)
        llm.invoke("x")
        router.set_filter(min_context=100_000)
        llm.invoke("x")

        assert world.asked == [ONE, TWO]


def test_a_filter_of_a_sessions_router_reaches_the_adapters() -> None:
    with World([SimModel(ONE, context=8_192), SimModel(TWO, context=131_072)]) as world:
        session = world.router(model=ONE).session("f")
        llm = ChatFreeRouter(session=session)
        llm.invoke("x")
        session.router.set_filter(min_context=100_000)
        llm.invoke("x")

        assert world.asked == [ONE, TWO]


def test_an_impossible_filter_is_an_error_and_changes_nothing() -> None:
    with World(PAIR) as world:
        router = world.router()
        before = pickle.dumps(router)
        for wrong in (
            {"max_latency": 0},
            {"min_quality": 50},
            {"providers": ["nonsense"]},
            {"min_context": -1},
            {"x": 1},
        ):
            with pytest.raises(BadSetting):
                router.set_filter(**wrong)
        assert pickle.dumps(router) == before


def test_a_filter_set_while_settings_are_read_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    with World([SimModel(ONE, context=8_192), SimModel(TWO, context=131_072)]) as world:
        router = world.router()
        load, reading, go = Settings.load, threading.Event(), threading.Event()

        def slow() -> Settings:
            if threading.current_thread().name == "reader":
                reading.set()
                go.wait(5.0)
            return load()

        monkeypatch.setattr(Settings, "load", slow)
        reader = threading.Thread(target=router.check, name="reader")
        reader.start()
        reading.wait(5.0)
        router.set_filter(min_context=100_000)
        go.set()
        reader.join()

        assert [model.id for model in router.explain("x").candidates] == [TWO]
