"""What LangChain takes a `ChatFreeRouter` for: cache keys, serialized form, copies, traces."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Sequence

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumpd, load
from langchain_core.runnables import ConfigurableField
from langchain_core.runnables.configurable import RunnableConfigurableFields

from freerouter_core import Limit, Model, Need, Provider, errors
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.json_values import Json
from langchain_freerouter import ChatFreeRouter

from ..frameworks import (
    Person,
    langchain_model,
)

BETA = pytest.mark.filterwarnings("ignore:The function `load` is in beta")


def test_the_cache_keeps_models_and_options_apart() -> None:
    says = {"a/m:free": "A", "b/m:free": "B"}

    def saying(text: str) -> Callable[[Json], str]:
        return lambda body: text

    worlds = [World([SimModel(name, says=saying(text))]) for name, text in says.items()]
    cache = InMemoryCache()
    one, two = (ChatFreeRouter(router=world.router(), cache=cache) for world in worlds)

    assert [one.invoke("x").content, two.invoke("x").content, one.invoke("x").content] == [
        "A",
        "B",
        "A",
    ]
    assert len(worlds[0].requests) == 1
    one.temperature = 0.7
    one.invoke("x")
    one.model_copy(update={"max_tokens": 9}).invoke("x")
    assert len(worlds[0].requests) == 3
    for world in worlds:
        world.close()


def test_the_cache_keeps_default_models_of_the_environment_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = InMemoryCache()
    with World([SimModel("a/m:free"), SimModel("b/m:free")]) as world:
        for name in ("a/m:free", "b/m:free"):
            monkeypatch.setenv("OPENROUTER_DEFAULT_MODEL", name)
            langchain_model(world, cache=cache).invoke("hello")

        assert world.asked == ["a/m:free", "b/m:free"]


def test_an_answer_that_does_not_parse_is_not_cached() -> None:
    says = iter(["no json", '{"name": "Anna", "age": 33}'])
    with World(
        [
            SimModel(
                "a/m:free",
                says=lambda _: next(says),
                tools=False,
                structured=False,
                json_object=False,
            )
        ]
    ) as world:
        llm = langchain_model(world, max_retries=0, cache=InMemoryCache()).with_structured_output(
            Person, include_raw=True
        )

        assert llm.invoke("Anna")["parsing_error"] is not None
        assert llm.invoke("Anna")["parsed"] == Person(name="Anna", age=33)


@BETA
def test_the_serialized_form_holds_no_key_and_loads_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """`load` gets the class, as LangChain wants it for packages outside its core."""
    llm = ChatFreeRouter(
        api_key="sk-secret-1",
        model="a/m:free",
        temperature=0.5,
        providers=[
            Provider("openrouter", "https://x.test/v1", "sk-secret-2", limits=[Limit(requests=3)])
        ],
        fallback_models=["b/m:free"],
    )
    serialized = dumpd(llm)
    assert "sk-secret" not in json.dumps(serialized)
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-env")
    again = load(
        serialized,
        allowed_objects=[ChatFreeRouter],
        valid_namespaces=["langchain_freerouter"],
        secrets_from_env=True,
    )

    assert again._identifying_params == llm._identifying_params
    assert again.providers[0].limits == (Limit(requests=3),)
    assert again.api_key.get_secret_value() == "sk-env"


@BETA
def test_a_callable_strategy_is_asked_for_after_loading() -> None:
    def mine(need: Need, models: Sequence[Model]) -> Sequence[Model]:
        return models

    serialized = dumpd(ChatFreeRouter(api_key="k", strategy=mine))
    again = load(
        serialized,
        allowed_objects=[ChatFreeRouter],
        valid_namespaces=["langchain_freerouter"],
        secrets_map={"OPENROUTER_API_KEY": "k"},
    )

    assert serialized["kwargs"]["strategy"] == "mine"
    with pytest.raises(errors.BadSetting, match="callable itself"):
        again.invoke("x")


def test_copies_answer_and_a_pickle_keeps_the_key() -> None:
    with World([SimModel("a/m:free")]) as world:
        llm = langchain_model(world)
        llm.invoke("x")

        assert copy.deepcopy(llm).invoke("y").text.endswith("y")
        assert copy.copy(llm).invoke("y").text.endswith("y")
        assert len(world.requests) == 3
    keyed = pickle.loads(
        pickle.dumps(ChatFreeRouter(api_key="k", model="a/m:free", http_client=world.transport()))
    )

    assert keyed.api_key.get_secret_value() == "k"
    assert keyed.http_client is None


def test_a_configurable_field_keeps_the_other_options() -> None:
    with World([SimModel("a/m:free"), SimModel("b/m:free", context=900_000)]) as world:
        llm = ChatFreeRouter(router=world.router(model="a/m:free", timeout=7.0, min_context=5))
        chosen = llm.configurable_fields(temperature=ConfigurableField(id="t"))
        assert isinstance(chosen, RunnableConfigurableFields)
        configured, _ = chosen.prepare({"configurable": {"t": 0.5}})
        assert isinstance(configured, ChatFreeRouter)

        assert (
            configured._router.model,
            configured._router.timeout,
            configured._router.min_context,
        ) == (
            "a/m:free",
            7.0,
            5,
        )
        assert (
            chosen.invoke("x", {"configurable": {"t": 0.5}}).response_metadata["model_name"]
            == "a/m:free"
        )
        assert world.requests[-1].body["temperature"] == 0.5


def test_a_trace_gets_the_parameters_of_the_call() -> None:
    params = ChatFreeRouter(api_key="k", temperature=0.3)._get_ls_params(stop=["a"], model="x/y")

    assert params == {
        "ls_provider": "freerouter",
        "ls_model_name": "x/y",
        "ls_model_type": "chat",
        "ls_temperature": 0.3,
        "ls_stop": ["a"],
    }
