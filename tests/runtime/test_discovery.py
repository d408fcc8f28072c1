"""The catalogue: fetched once, kept on disk, served stale while it is refreshed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from freerouter_core import Provider, Router, errors, events
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import SimModel, World

URL = "https://openrouter.ai/api/v1"


def listing(*names: str) -> httpx.Response:
    rows = [
        {"id": name, "context_length": 9000, "pricing": {"prompt": "0", "completion": "0"}}
        for name in names
    ]
    return httpx.Response(200, json={"data": rows})


def ids(router: Router) -> list[str]:
    return sorted(model.id for model in router.free_models())


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def start(tmp_path: Path, clock: VirtualClock) -> Callable[[], Router]:
    """A router in a new process, as far as anything but the disk can tell."""
    return lambda: Router(api_key="sk-test", runtime=Runtime(clock=clock, cache=tmp_path / "kept"))


@respx.mock
def test_a_fresh_list_is_fetched_once(start: Callable[[], Router]) -> None:
    models = respx.get(f"{URL}/models").mock(return_value=listing("a/b:free"))
    router = start()

    assert [ids(router) for _ in range(3)] == [["a/b:free"]] * 3
    assert models.call_count == 1


@respx.mock
def test_a_model_whose_name_tells_the_key_is_left_out(
    start: Callable[[], Router], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = "no-known-form-5ec7e7"
    honest = {"id": "a/b:free", "pricing": {"prompt": "0", "completion": "0"}}
    odd = [{**honest, "id": f"a/{key}:free"}, {**honest, "supported_parameters": [key]}]
    odd[1]["id"] = "a/c:free"
    body = {"data": [honest, *odd]}
    respx.get(f"{URL}/models").mock(return_value=httpx.Response(200, json=body))
    router = start().with_options(api_key=key)

    assert ids(router) == ["a/b:free"]
    shown = [repr(router.explain("x")), caplog.text, repr(router.health())]
    shown += [file.read_text() for file in (tmp_path / "kept").iterdir()]
    assert key not in "".join(shown)
    assert "2 models are left out" in caplog.text


@respx.mock
def test_a_copy_that_tells_the_key_is_read_without_it(
    start: Callable[[], Router], tmp_path: Path
) -> None:
    """An earlier version may have written it."""
    key = "no-known-form-5ec7e7"
    models = respx.get(f"{URL}/models").mock(return_value=listing("a/b:free", "a/odd:free"))
    start().with_options(api_key=key).free_models()
    (copy,) = (tmp_path / "kept").iterdir()
    copy.write_text(copy.read_text().replace("odd", key))
    models.mock(return_value=httpx.Response(500))

    assert ids(start().with_options(api_key=key)) == ["a/b:free"]


@respx.mock
def test_many_callers_at_a_cold_start_fetch_once(start: Callable[[], Router]) -> None:
    models = respx.get(f"{URL}/models").mock(return_value=listing("a/b:free"))
    router = start()

    async def crowd() -> list[Any]:
        return await asyncio.gather(*(router.afree_models() for _ in range(20)))

    assert len(asyncio.run(crowd())) == 20
    assert models.call_count == 1


@respx.mock
def test_a_cold_start_without_a_server_reads_the_copy_on_disk(start: Callable[[], Router]) -> None:
    models = respx.get(f"{URL}/models").mock(return_value=listing("a/b:free"))
    first = start()
    assert ids(first) == ["a/b:free"]
    first.close()
    models.mock(return_value=httpx.Response(500))

    assert ids(start()) == ["a/b:free"]


@respx.mock
def test_a_stale_list_is_served_while_it_is_refreshed(
    start: Callable[[], Router], clock: VirtualClock
) -> None:
    models = respx.get(f"{URL}/models").mock(return_value=listing("old/m:free"))
    router = start()
    ids(router)
    models.mock(return_value=listing("new/m:free"))
    clock.advance(3599)
    assert ids(router) == ["old/m:free"]
    assert models.call_count == 1
    clock.advance(2)

    assert ids(router) == ["old/m:free"]  # at once, while the new one is fetched
    for _ in range(200):
        if ids(router) == ["new/m:free"]:
            break
    assert ids(router) == ["new/m:free"]
    assert models.call_count == 2


@respx.mock
def test_a_failed_fetch_keeps_the_last_list_and_backs_off(
    start: Callable[[], Router], clock: VirtualClock
) -> None:
    models = respx.get(f"{URL}/models").mock(return_value=listing("a/b:free"))
    router = start()
    seen: list[object] = []
    router.subscribe(seen.append)
    ids(router)
    models.mock(side_effect=httpx.ConnectError("down"))
    clock.advance(4000)
    for _ in range(50):
        assert ids(router) == ["a/b:free"]

    assert models.call_count == 2  # not once a call
    with pytest.raises(errors.CatalogueUnavailable):
        router.refresh()
    router.close()
    assert any(isinstance(event, events.FetchFailed) for event in seen)


@respx.mock
def test_without_a_list_and_a_copy_the_error_says_why(start: Callable[[], Router]) -> None:
    respx.get(f"{URL}/models").mock(side_effect=httpx.ConnectError("down"))
    with pytest.raises(errors.CatalogueUnavailable, match="ConnectError") as caught:
        start().chat("x")

    assert caught.value.should_retry


@pytest.mark.parametrize("body", ["<html>", "[" * 100_000])
@respx.mock
def test_a_list_that_is_no_json_or_nested_too_deeply_is_none(
    start: Callable[[], Router], body: str
) -> None:
    respx.get(f"{URL}/models").mock(return_value=httpx.Response(200, text=body))

    with pytest.raises(errors.CatalogueUnavailable, match="the list of models is not JSON"):
        start().free_models()


@respx.mock
def test_a_named_model_needs_no_list(start: Callable[[], Router]) -> None:
    respx.get(f"{URL}/models").mock(side_effect=httpx.ConnectError("down"))
    good = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
    respx.post(f"{URL}/chat/completions").mock(return_value=httpx.Response(200, json=good))
    runtime = start().runtime

    assert (
        Router(model="a/b:free", fallback_models=(), api_key="sk-test", runtime=runtime)
        .chat("x")
        .text
        == "hi"
    )
    assert Router(model="a/b:free", api_key="sk-test", runtime=runtime).chat("x").text == "hi"


@pytest.mark.parametrize(
    "junk", ["", "{", "[]", '{"format": 2}', '{"format": 2, "fetched": 1, "models": [{"nope": 1}]}']
)
@respx.mock
def test_a_damaged_copy_is_ignored(start: Callable[[], Router], tmp_path: Path, junk: str) -> None:
    respx.get(f"{URL}/models").mock(return_value=listing("a/b:free"))
    router = start()
    ids(router)
    router.close()
    (copy,) = (tmp_path / "kept").iterdir()
    copy.write_text(junk)

    assert ids(start()) == ["a/b:free"]


@respx.mock
def test_the_copy_on_disk_holds_every_fact(start: Callable[[], Router]) -> None:
    row = {
        "id": "a/b:free",
        "context_length": 9000,
        "top_provider": {"max_completion_tokens": 77},
        "architecture": {"input_modalities": ["text", "image"]},
        "supported_parameters": ["tools"],
        "pricing": {"prompt": "0", "completion": "0"},
    }
    models = respx.get(f"{URL}/models").mock(return_value=httpx.Response(200, json={"data": [row]}))
    first = start()
    fetched = first.free_models()
    first.close()
    models.mock(return_value=httpx.Response(500))

    assert start().free_models() == fetched


class OneDown(httpx.AsyncBaseTransport):
    """The first provider refuses connections; the second one's list takes half a second."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "down.invalid":
            raise httpx.ConnectError("refused")
        await asyncio.sleep(0.5)
        return listing("a/b:free")


def test_a_provider_that_is_down_does_not_hide_the_list_of_another(clock: VirtualClock) -> None:
    providers = (
        Provider("openrouter", "https://down.invalid/v1", "sk-1"),
        Provider("groq", "https://up.invalid/v1", "sk-2"),
    )
    runtime = Runtime(clock=clock, cache=None, client=OneDown())

    assert ids(Router(providers=providers, runtime=runtime)) == ["groq:a/b:free"]


def test_gone_models_return_with_the_next_catalogue() -> None:
    with World(
        [SimModel("a/m:free", context=10**6, script=["404-gone"]), SimModel("b/m:free")]
    ) as world:
        router = world.router(strategy="context")
        router.chat("x")
        router.chat("x")
        world.clock.advance(1.0)
        router.refresh()
        router.chat("x")

        assert world.asked == ["a/m:free", "b/m:free", "b/m:free", "a/m:free"]


def test_a_refresh_adds_new_models_and_drops_gone_ones() -> None:
    with World([SimModel("old/m:free", dies=100.0), SimModel("new/m:free", born=50.0)]) as world:
        router = world.router()
        assert ids(router) == ["old/m:free"]
        world.clock.advance(200.0)
        router.refresh()

        assert ids(router) == ["new/m:free"]


def test_models_are_listed_by_context_and_by_price() -> None:
    paid = SimModel("a/paid", prompt_price="0.000001", completion_price="0.000002", context=9)
    with World(
        [paid, SimModel("a/m:free", context=5000), SimModel("b/m:free", context=9000)]
    ) as world:
        router = world.router()

        assert router.best_model().id == "b/m:free"
        assert router.random_model().id in ("a/m:free", "b/m:free")
        assert [m.id for m in router.affordable_models(0.000002)] == [
            "b/m:free",
            "a/m:free",
            "a/paid",
        ]
        assert [m.id for m in router.affordable_models(0.0)] == ["b/m:free", "a/m:free"]
        assert str(router.health()) == "2 of 2 free models usable now (3 listed)"


def test_explain_says_why_models_are_left_out_and_sends_nothing() -> None:
    models = [
        SimModel("a/text:free", tools=False),
        SimModel("b/able:free"),
        SimModel("c/small:free", context=4000),
    ]
    with World(models) as world:
        router = world.router(capabilities=("tools",), min_context=8000)
        explanation = router.explain("x")

        assert [m.id for m in explanation.candidates] == ["b/able:free"]
        assert "has no tools" in str(explanation)
        assert "min_context=8,000" in str(explanation)
        assert world.requests == []


def test_min_quality_leaves_small_models_out() -> None:
    with World([SimModel("a/tiny-1b:free"), SimModel("b/big-120b:free")]) as world:
        router = world.router(min_quality=6)

        assert [m.id for m in router.explain("x").candidates] == ["b/big-120b:free"]
        with pytest.raises(errors.NoCandidates, match="min_quality"):
            world.router(min_quality=10).chat("x")


def test_after_a_context_error_only_models_with_a_larger_window_are_asked() -> None:
    models = [
        SimModel("a/small:free", context=2_000),
        SimModel("b/liar:free", context=90_000, script=["400-context"]),
        SimModel("c/middle:free", context=60_000),
        SimModel("d/large:free", context=190_000),
    ]
    with World(models) as world:
        router = world.router(strategy=lambda need, fitting: fitting)
        router.chat("word " * 2_000)
        assert world.asked == ["b/liar:free", "c/middle:free"]
        # It said 8192: that is remembered, and a prompt beyond it goes elsewhere at once.
        router.chat("word " * 9_000)
        assert world.asked[2:] == ["c/middle:free"]
        with pytest.raises(errors.ContextTooLong) as caught:
            router.chat("word " * 2_000_000)

    assert caught.value.hint


def test_the_disk_copy_is_plain_json(tmp_path: Path) -> None:
    with respx.mock:
        respx.get(f"{URL}/models").mock(return_value=listing("a/b:free"))
        Router(api_key="sk-test", runtime=Runtime(cache=tmp_path / "kept")).free_models()
    (copy,) = (tmp_path / "kept").iterdir()

    assert json.loads(copy.read_text())["models"][0]["id"] == "a/b:free"
