"""A router is immutable but for its filter, which changes no other router or running call."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from freerouter_core import ChatRequest, Limit, Provider, Router
from freerouter_core.client.filters import FILTER
from freerouter_core.errors import AuthenticationFailed, BadSetting, NoCandidates
from freerouter_core.simulator import SimAccount, SimModel, World
from freerouter_core.wire.answer import Answer

SMALL, LARGE = "acme/small:free", "acme/large:free"
Copy = Callable[[Router], Router]
KEY = "sk-or-v1-immutable-0123456789"


@pytest.fixture
def world() -> Iterator[World]:
    models = [SimModel(SMALL, context=8_192), SimModel(LARGE, context=200_000)]
    with World(models, [SimAccount(per_minute=20)]) as world:
        yield world


@pytest.fixture
def router(world: World) -> Router:
    return world.router(strategy="context")


def pickled(router: Router) -> Router:
    again = pickle.loads(pickle.dumps(router))
    assert isinstance(again, Router)
    return again


COPIES: dict[str, Copy] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": pickled,
    "with_options": Router.with_options,
    "replace": dataclasses.replace,
}


# -- hash and equality -----------------------------------------------------------------------------


def test_the_hash_stays_when_the_filter_changes() -> None:
    router = Router(api_key=KEY)
    before = hash(router)
    names, routers = {router: "mine"}, {router}
    router.set_filter(min_context=100_000, providers=["openrouter"], max_latency=3.0)

    assert hash(router) == before
    assert names[router] == "mine"
    assert router in routers


def test_routers_of_equal_options_are_equal() -> None:
    limits = [Limit(requests=1)]
    one = Router(
        fallback_models=["a/b:free"],
        quality={"a/b:free": 8},
        providers=[Provider("openrouter", limits=limits)],
    )
    two = Router(
        fallback_models=("a/b:free",),
        quality=[("a/b:free", 8)],
        providers=(Provider("openrouter", limits=limits),),
    )

    assert one == two
    assert hash(one) == hash(two)
    assert one != Router()
    assert one != "a router"


def test_the_filter_counts_for_equality(world: World) -> None:
    one, two = world.router(), world.router()
    one.set_filter(min_context=100_000)

    assert one != two
    assert one == world.router(min_context=100_000)
    assert hash(one) == hash(world.router(min_context=100_000))
    two.set_filter(min_context=100_000)
    assert one == two


def test_another_http_client_makes_another_router() -> None:
    client = httpx.MockTransport(lambda request: httpx.Response(500))

    assert Router(http_client=client) == Router(http_client=client)
    assert Router(http_client=client) != Router()


def test_equal_routers_share_limits_and_health(world: World) -> None:
    one, two = world.router(model=SMALL), world.router(model=SMALL)
    one.chat("hello")
    (line,) = two.quota().lines
    health = two.explain().rows[0].health

    assert line.used == 1
    assert health is not None
    assert health.answers == 1


# -- assignment and attributes ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model", "min_context", "runtime", "config", "_context", "new"])
def test_nothing_can_be_assigned_or_deleted(router: Router, name: str) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot assign to field '{name}'"):
        setattr(router, name, "x")
    with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot delete field '{name}'"):
        delattr(router, name)


def test_attributes_follow_the_filter(router: Router) -> None:
    assert router.min_context == 0

    router.set_filter(min_context=100_000)

    assert router.min_context == router.config.min_context == 100_000
    assert "min_context=100000" in repr(router)


def test_every_option_is_an_attribute(router: Router) -> None:
    parameters = list(inspect.signature(Router).parameters)
    fields = [field.name for field in dataclasses.fields(router)]

    assert fields == parameters
    for name in parameters:
        assert hasattr(router, name)


def test_an_unknown_attribute_is_an_attribute_error(router: Router) -> None:
    for name in ("modle", "_modle", "check_now"):
        with pytest.raises(AttributeError, match=f"'Router' object has no attribute '{name}'"):
            getattr(router, name)


def test_a_half_made_router_has_no_options() -> None:
    """Unpicklers and debuggers look at objects before they are whole."""
    with pytest.raises(AttributeError, match="no attribute '_context'"):
        _ = Router.__new__(Router).model


# -- copies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_a_copy_keeps_the_options_and_the_filter(make: Copy) -> None:
    router = Router(model=SMALL, api_key=KEY)
    router.set_filter(min_context=4_096)
    again = make(router)

    assert again == router
    assert again is not router
    assert (again.model, again.api_key, again.min_context) == (SMALL, KEY, 4_096)


@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
def test_a_copy_has_a_filter_of_its_own(make: Copy) -> None:
    router = Router(api_key=KEY)
    again = make(router)
    again.set_filter(min_context=100_000)
    router.set_filter(min_quality=2.0)

    assert (router.min_context, router.min_quality) == (0, 2.0)
    assert (again.min_context, again.min_quality) == (100_000, 0.0)


@pytest.mark.parametrize("name", ["copy", "deepcopy", "with_options", "replace"])
def test_a_copy_in_the_process_shares_client_and_runtime(name: str, world: World) -> None:
    transport = world.transport()
    router = world.router(http_client=transport)
    again = COPIES[name](router)

    assert again.http_client is transport
    assert again.runtime is router.runtime is world.runtime
    assert again.chat("hello").text


def test_pickling_leaves_client_and_runtime_behind(world: World) -> None:
    again = pickled(world.router(http_client=world.transport(), api_key=KEY))

    assert again.http_client is None
    assert again.runtime is None
    assert again.api_key == KEY


def test_options_are_checked_when_they_change(router: Router) -> None:
    with pytest.raises(BadSetting, match="max_failures=0"):
        router.with_options(max_failures=0)
    with pytest.raises(BadSetting, match="max_failures=0"):
        dataclasses.replace(router, max_failures=0)
    with pytest.raises(TypeError, match="modle"):
        router.with_options(modle="auto")


def test_options_can_bring_another_client_and_runtime(router: Router, world: World) -> None:
    transport = world.transport()
    again = router.with_options(http_client=transport, runtime=None, min_context=100_000)

    assert again.http_client is transport
    assert again.runtime is None
    assert again.min_context == 100_000
    assert (router.http_client, router.runtime, router.min_context) == (None, world.runtime, 0)


# -- the filter ------------------------------------------------------------------------------------


def test_a_filter_changes_no_equal_router(world: World) -> None:
    one, two = world.router(), world.router()
    one.set_filter(min_context=100_000)

    assert [model.id for model in one.models()] == [LARGE]
    assert [model.id for model in two.models()] == [LARGE, SMALL]


def test_a_filter_that_makes_no_sense_changes_nothing(router: Router) -> None:
    with pytest.raises(BadSetting):
        router.set_filter(min_context=100_000, min_quality=50.0)
    with pytest.raises(BadSetting, match="nonsense"):
        router.set_filter(min_context=100_000, providers=["nonsense"])

    assert router.min_context == 0
    assert router.providers == router.with_options().providers


def test_a_filter_needs_a_key_as_a_request_does() -> None:
    router = Router()
    with pytest.raises(AuthenticationFailed):
        router.set_filter(min_context=100_000)
    with pytest.raises(AuthenticationFailed):
        router.check()

    assert router.min_context == 0


def test_filters_set_by_many_threads_at_once_are_all_kept() -> None:
    router = Router(api_key=KEY)
    values = {
        "show_free_only": True,
        "prefer_free": False,
        "max_cost_per_token": 1e-6,
        "min_context": 4_096,
        "min_quality": 2.0,
        "min_safety": 3.0,
        "max_latency": 4.0,
        "capabilities": ["tools"],
        "providers": ["openrouter"],
    }
    assert set(values) == set(FILTER)
    start = threading.Barrier(len(values))

    def change(name: str) -> None:
        start.wait(30)
        router.set_filter(**{name: values[name]})

    threads = [threading.Thread(target=change, args=(name,)) for name in values]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert {name: getattr(router, name) for name in values} == {
        **values,
        "capabilities": ("tools",),
        "providers": ("openrouter",),
    }


def test_a_running_request_keeps_the_filter_it_began_with() -> None:
    models = [SimModel("a/x:free", context=16_384), SimModel("b/y:free", context=8_192)]
    with World(models) as world:
        router = world.router(strategy="context")

        def reject_the_first(answer: Answer) -> None:
            if answer.model == "a/x:free":
                router.set_filter(min_context=100_000)
                raise ValueError("another model, please")

        outcome = router.chat(ChatRequest.of("hello").but(validate=reject_the_first))

        assert outcome.answer.model == "b/y:free"
        with pytest.raises(NoCandidates):
            router.chat("hello")


def test_a_stream_keeps_the_filter_of_its_call(router: Router, world: World) -> None:
    stream = router.stream("hello")
    router.set_filter(capabilities=["vision"])
    text = "".join(delta.text for delta in stream)

    assert text == stream.outcome.text
    assert world.asked == [LARGE]
    with pytest.raises(NoCandidates):
        router.chat("hello")
