"""How long a request waits for lists of models, and which of them it then knows."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from freerouter_core import errors
from freerouter_core.catalogue.providers import Account
from freerouter_core.runtime.discovery import (
    JOIN_TIMEOUT,
    LOCAL_GRACE,
    RENEW_AFTER,
    RENEW_EMPTY,
)
from freerouter_core.runtime.list_source import FIRST_BACKOFF
from freerouter_core.simulator import SimAccount, SimModel, World

from .listing import LOCAL, ONE, REFRESH, TWO, Process


class Lists(httpx.AsyncBaseTransport):
    """Answers each host with the names of its models after some seconds; with none: status 500."""

    def __init__(self, hosts: Mapping[str, tuple[float, list[str]]]) -> None:
        self.hosts = dict(hosts)
        self.asked: Counter[str] = Counter()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host.partition(".")[0]
        self.asked[host] += 1
        seconds, names = self.hosts[host]
        await asyncio.sleep(seconds)
        if not names:
            return httpx.Response(500)
        return httpx.Response(200, json={"data": [{"id": name} for name in names]})


@pytest.mark.parametrize(("seconds", "joins"), [(JOIN_TIMEOUT - 0.1, True), (5.0, False)])
def test_a_second_list_is_waited_for_only_a_little(seconds: float, joins: bool) -> None:
    """Counted from when it was asked for; and it joins when it comes."""
    process = Process(Lists({"one": (0.1, ["a"]), "two": (seconds, ["b"])}))
    models = process.models(ONE, TWO)

    assert models == (["one:a", "two:b"] if joins else ["one:a"])
    assert process.elapsed == (seconds if joins else JOIN_TIMEOUT)
    process.passes(5.0)
    assert process.models(ONE, TWO) == ["one:a", "two:b"]


def test_a_list_that_comes_later_is_told_to_who_waits_for_it() -> None:
    process = Process(Lists({"one": (0.1, ["a"]), "two": (5.0, ["b"])}))
    discovery = process.runtime.discovery
    assert not discovery.pending([ONE, TWO])
    process.models(ONE, TWO)
    assert discovery.pending([ONE, TWO])
    assert not discovery.pending([ONE])
    catalogue, more = process.runtime.call(lambda: discovery.next_list([ONE, TWO]))

    assert (sorted(m.id for m in catalogue), more) == (["one:a", "two:b"], False)
    assert process.elapsed == 5.0
    catalogue, more = process.runtime.call(lambda: discovery.next_list([ONE]))
    assert ([m.id for m in catalogue], more) == (["one:a"], False)


@pytest.mark.parametrize(
    ("statuses", "error", "hint"),
    [
        ((401, 401), errors.AuthenticationFailed, "check the api_key of one.*; check the api_key"),
        ((401, 500), errors.CatalogueUnavailable, "check the api_key of one"),
        ((500, 500), errors.CatalogueUnavailable, ""),
    ],
)
def test_without_any_list_every_reason_is_told(
    statuses: tuple[int, int], error: type[errors.FreeRouterError], hint: str
) -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        return httpx.Response(statuses["two" in str(request.url)], text="sorry")

    process = Process(httpx.MockTransport(reply))
    with pytest.raises(error, match=rf"one: HTTP {statuses[0]}.*; two: HTTP {statuses[1]}") as told:
        process.models(ONE, TWO)

    assert re.search(hint, told.value.hint)


def test_a_caller_without_time_waits_for_nothing() -> None:
    process = Process(Lists({"one": (0.5, ["a"]), "two": (0.5, ["b"])}))

    assert process.models(ONE, wait=0.0, required=False) == []
    assert process.elapsed == 0.0
    process.passes(0.5)
    assert process.models(ONE, TWO, wait=0.0) == ["one:a"]
    assert process.elapsed == 0.5


def test_a_caller_waits_no_longer_than_it_may() -> None:
    process = Process(Lists({"one": (9.0, ["a"]), "two": (9.0, ["b"])}))
    with pytest.raises(errors.CatalogueUnavailable, match="one: no answer in 2 s; two: no"):
        process.models(ONE, TWO, wait=2.0)

    assert process.elapsed == 2.0


def test_a_local_server_is_asked_before_its_copy_is_used(tmp_path: Path) -> None:
    """Its models are loaded and removed by hand: the copy is for a server that is slow."""
    lists = Lists({"localhost": (0.1, ["old"])})
    assert Process(lists, tmp_path).models(LOCAL) == ["here:old"]
    lists.hosts["localhost"] = (LOCAL_GRACE - 0.1, ["new"])
    quick = Process(lists, tmp_path)
    assert quick.models(LOCAL) == ["here:new"]
    lists.hosts["localhost"] = (LOCAL_GRACE + 5.0, ["newer"])
    slow = Process(lists, tmp_path)

    assert slow.models(LOCAL) == ["here:new"]
    assert slow.elapsed == LOCAL_GRACE


def test_with_a_copy_on_disk_no_request_waits_for_a_remote_list(tmp_path: Path) -> None:
    lists = Lists({"one": (0.1, ["old"])})
    Process(lists, tmp_path).models(ONE)
    lists.hosts["one"] = (0.1, ["new"])
    process = Process(lists, tmp_path)

    assert process.models(ONE) == ["one:old"]
    assert process.elapsed == 0.0


def test_failed_fetches_are_tried_again_ever_more_rarely_until_one_succeeds() -> None:
    lists = Lists({"one": (0.0, ["a"]), "two": (0.0, [])})
    process = Process(lists)

    def seconds_to_the_next_fetch() -> float:
        fetches, started = lists.asked["two"], process.elapsed
        while lists.asked["two"] == fetches:
            process.clock.advance(1.0)
            process.models(ONE, TWO)
            process.passes(0.001)
        return process.elapsed - started

    process.models(ONE, TWO)
    waits = [seconds_to_the_next_fetch() for _ in range(3)]
    assert waits == pytest.approx([FIRST_BACKOFF, 2 * FIRST_BACKOFF, 4 * FIRST_BACKOFF], abs=1.5)

    lists.hosts["two"] = (0.0, ["b"])
    seconds_to_the_next_fetch()
    assert process.models(ONE, TWO) == ["one:a", "two:b"]

    lists.hosts["two"] = (0.0, [])
    process.clock.advance(REFRESH)
    assert process.models(ONE, TWO) == ["one:a", "two:b"], "the last list stays"
    process.passes(0.001)
    assert seconds_to_the_next_fetch() == pytest.approx(FIRST_BACKOFF, abs=1.5)


def test_a_list_is_renewed_once_it_is_old() -> None:
    lists = Lists({"one": (0.0, ["a"])})
    process = Process(lists)
    process.models(ONE)
    for seconds, fetches in ((REFRESH - 1.0, 1), (1.0, 2)):
        process.clock.advance(seconds)
        process.models(ONE)
        process.passes(0.001)
        assert lists.asked["one"] == fetches


def test_a_list_is_renewed_early_if_nobody_can_be_asked() -> None:
    """Not more often than every ten minutes, one fetch at a time, and not while it backs off."""
    lists = Lists({"one": (1.0, ["a"])})
    process = Process(lists)

    def renew(after: float) -> int:
        process.clock.advance(after)
        discovery, transport = process.runtime.discovery, process.runtime.transport_for()

        async def twice() -> None:
            for _ in range(2):
                discovery.renew([ONE], lambda account: transport)

        process.runtime.call(twice)
        process.passes(2.0)
        return lists.asked["one"]

    assert renew(0.0) == 0, "a first list comes with its request"
    process.models(ONE)
    assert renew(RENEW_AFTER - 10.0) == 1
    lists.hosts["one"] = (1.0, ["b"])
    assert renew(10.0) == 2
    assert process.models(ONE) == ["one:b"]
    lists.hosts["one"] = (1.0, [])
    assert renew(RENEW_AFTER) == 3
    assert renew(1.0) == 3, "it failed, and is left alone for a while"
    assert renew(FIRST_BACKOFF) == 4


def test_a_list_is_renewed_at_once_if_all_models_of_its_account_seem_gone() -> None:
    lists = Lists({"one": (1.0, ["a"]), "two": (1.0, ["b"])})
    process = Process(lists)
    process.models(ONE, TWO)

    def renew(after: float) -> int:
        process.clock.advance(after)
        transport = process.runtime.transport_for()

        async def once() -> None:
            process.runtime.discovery.renew(
                [ONE, TWO], lambda account: transport, lambda scope: scope == ONE.scope
            )

        process.runtime.call(once)
        process.passes(2.0)
        return lists.asked["one"]

    asked = renew(0.0)
    assert renew(RENEW_EMPTY) == asked + 1
    assert renew(0.0) == asked + 1
    assert lists.asked["two"] == 1


def test_a_request_that_finds_nobody_renews_the_list_for_those_that_follow() -> None:
    """The only model dies, and another is born: an hour before the list would be renewed."""
    old = SimModel("a/old:free", dies=100.0)
    with World([old, SimModel("b/new:free", born=100.0)], [SimAccount()]) as world:
        router = world.router(timeout=20.0)
        assert router.chat("x").attempt.model.id == "a/old:free"
        world.clock.advance(RENEW_AFTER + 100.0)
        with pytest.raises(errors.FreeRouterError):
            router.chat("x")

        world.runtime.call(lambda: asyncio.sleep(1.0))
        assert router.chat("x").attempt.model.id == "b/new:free"


def test_a_server_without_the_providers_path_is_asked_at_openais() -> None:
    paths: list[str] = []

    class OnlyModels(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            paths.append(request.url.path)
            if request.url.path != "/v1/models":
                return httpx.Response(404)
            return httpx.Response(200, json={"data": [{"id": "a"}]})

    account = Account("one", "https://one.invalid/v1", "k", models="/models/user")

    assert Process(OnlyModels()).models(account) == ["one:a"]
    assert paths == ["/v1/models/user", "/v1/models"]


def test_the_list_of_a_simulated_account_is_not_kept(tmp_path: Path) -> None:
    simulated = Account("one", "https://one.invalid/v1", "k", simulated=True)
    Process(Lists({"one": (0.0, ["a"])}), tmp_path).models(simulated)

    assert list(tmp_path.iterdir()) == []
