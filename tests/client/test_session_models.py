"""Which model a session asks, beside what the caller and the environment say."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from langchain_core.load import dumps, loads

from freerouter_core import ChatRequest, errors
from freerouter_core.errors import Exhausted
from freerouter_core.simulator import Phase, SimModel, World
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

ONE, TWO = "a/one:free", "b/two:free"
PAIR = [SimModel(ONE), SimModel(TWO)]


def ask(**more: Any) -> ChatRequest:
    return ChatRequest([{"role": "user", "content": "x"}], **more)


def test_a_session_returns_to_free_models_as_soon_as_one_is_up() -> None:
    models = [
        SimModel(ONE, phases=[Phase(0, 30, "429-upstream")]),
        SimModel("z/paid", prompt_price="0.000001", completion_price="0.000001"),
    ]
    with World(models) as world:
        session = world.router(allow_paid=True).session("x")
        session.chat("x")
        world.clock.advance(120.0)
        session.chat("x")

        assert world.asked[-1] == ONE


def test_a_named_model_comes_before_the_sessions_model() -> None:
    with World(PAIR) as world:
        session = world.router(
            strategy=lambda need, models: [m for m in models if m.id == ONE]
        ).session("s")
        session.chat("x")
        session.chat(ask(model=TWO))
        ChatFreeRouter(router=world.router(), session="s").invoke("x", model=ONE)
        assert world.asked == [ONE, TWO, ONE]

        world.router().session("s").chat(ask(model=TWO))
        session.chat("x")
        assert world.asked[-1] == ONE, "the strategy leaves the other out"


def test_a_session_asks_no_model_that_the_call_excludes() -> None:
    with World([SimModel(ONE, script=["502"] * 9), SimModel(TWO)]) as world:
        world.router(model=TWO).session("j").chat("x")
        with pytest.raises(Exhausted):
            world.router(model=ONE, fallback_models=(), timeout=5.0).session("j").chat("x")


def test_explain_lists_the_sessions_model_first() -> None:
    with World(PAIR) as world:
        session = world.router(strategy="random").session("e")
        kept = session.chat("x").attempt.model.id

        assert {session.router.explain("x").candidates[0].id for _ in range(5)} == {kept}


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_a_serialized_session_keeps_the_options_of_its_router() -> None:
    with World(PAIR) as world:
        session = world.router(privacy="no-train", min_quality=3.0).session("zz")
        written = dumps(ChatFreeRouter(session=session))
        back = loads(
            written, valid_namespaces=["langchain_freerouter"], allowed_objects=[ChatFreeRouter]
        )

    router = back.make_router()
    assert (router.privacy, router.min_quality, back.session) == ("no-train", 3.0, "zz")
    again = FreeRouter.from_dict(FreeRouter(session=session).to_dict())
    assert again.make_router().privacy == "no-train"


def test_the_oldest_sessions_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freerouter_core.routing.session_memory.MAX_SESSIONS", 3)
    with World(PAIR) as world:
        for n in range(5):
            world.router().session(f"s{n}").chat("x")

        assert [stats.name for stats in world.router().stats().sessions] == ["s2", "s3", "s4"]


def test_reading_the_stats_of_a_session_does_not_create_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("freerouter_core.routing.session_memory.MAX_SESSIONS", 2)
    with World([SimModel(ONE, script=[None, None, "401"])]) as world:
        for name in ("old", "older", "new"):
            session = world.router(fallback_models=(), model=ONE).session(name)
            with contextlib.suppress(errors.FreeRouterError):
                session.chat("x")
        assert world.router().session("nobody").stats().calls == 0

        assert {stats.name for stats in world.router().stats().sessions} == {"older", "new"}
