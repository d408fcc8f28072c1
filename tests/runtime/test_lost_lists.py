"""Requests for lists that are lost: the connection is accepted, and nothing is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import httpx
import pytest

from freerouter_core import errors
from freerouter_core.events import Event, FetchFailed
from freerouter_core.runtime.list_fetch import FETCH_TIMEOUT
from freerouter_core.runtime.list_source import FIRST_BACKOFF

from .listing import ONE, REFRESH, TWO, Process

Reply = Callable[[], httpx.Response]


def models() -> httpx.Response:
    return httpx.Response(200, json={"data": [{"id": "a"}]})


def says(status: int) -> Reply:
    return lambda: httpx.Response(status, json={"error": {"message": "sorry"}})


def refuses() -> httpx.Response:
    raise httpx.ConnectError("connection refused")


def no_connection() -> httpx.Response:
    raise httpx.ConnectTimeout("")


LOST: tuple[float, Reply] = (1e6, models)


class Server(httpx.AsyncBaseTransport):
    """By host: after how many seconds each request is answered, and with what. The last of a
    script answers all further requests. A host without a script answers at once."""

    def __init__(self, **scripts: Sequence[tuple[float, Reply]]) -> None:
        self.scripts = scripts
        self.process = Process(self)
        self.asked: dict[str, list[float]] = {}
        """When each host was asked: seconds."""
        self.failures: list[str] = []
        self.under_way = self.most_under_way = 0
        self.process.runtime.subscribe(self._observe)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host.partition(".")[0]
        asked = self.asked.setdefault(host, [])
        script = self.scripts.get(host, [(0.0, models)])
        seconds, reply = script[min(len(asked), len(script) - 1)]
        asked.append(self.process.elapsed)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(seconds)
            return reply()
        finally:
            self.under_way -= 1

    def _observe(self, event: Event) -> None:
        if isinstance(event, FetchFailed):
            self.failures.append(event.reason)


def test_a_lost_request_is_sent_again_after_three_seconds() -> None:
    server = Server(one=[LOST, (0.5, models)])

    assert server.process.models(ONE) == ["one:a"]
    assert server.process.elapsed == 3.5
    assert server.asked["one"] == [0.0, 3.0]
    server.process.passes(0.001)
    assert server.under_way == 0, "the lost one is cancelled"


def test_a_slow_list_is_asked_for_few_times_and_the_first_answer_counts() -> None:
    server = Server(one=[(10.0, models)])

    assert server.process.models(ONE) == ["one:a"]
    assert server.process.elapsed == 10.0
    assert server.asked["one"] == [0.0, 3.0, 9.0]


def test_a_list_may_take_thirty_seconds() -> None:
    server = Server(one=[(FETCH_TIMEOUT - 0.1, models)])

    assert server.process.models(ONE) == ["one:a"]
    assert server.asked["one"] == [0.0, 3.0, 9.0, 21.0]
    assert not server.failures


def test_what_hangs_for_ever_is_asked_ever_more_rarely() -> None:
    server = Server(one=[LOST])
    with pytest.raises(errors.CatalogueUnavailable):
        server.process.models(ONE, wait=60.0)

    assert server.process.elapsed == 60.0
    assert server.asked["one"] == [0.0, 3.0, 9.0, 21.0, 30.5, 36.5, 48.5]
    assert server.most_under_way == 4

    with pytest.raises(errors.CatalogueUnavailable):
        server.process.models(ONE, wait=0.4)
    asked = len(server.asked["one"])
    with pytest.raises(errors.CatalogueUnavailable):
        server.process.models(ONE, wait=30.0)
    assert len(server.asked["one"]) == asked + 2, "and twice in a fetch at the least"


@pytest.mark.parametrize("wait", [60.0, 300.0])
def test_after_a_fetch_that_was_all_silence_another_follows(wait: float) -> None:
    server = Server(one=[LOST] * 4 + [(0.1, models)])

    assert server.process.models(ONE, wait=wait) == ["one:a"]
    assert server.process.elapsed == pytest.approx(30.6)


def test_patience_with_silence_ends() -> None:
    server = Server(one=[LOST])
    with pytest.raises(errors.CatalogueUnavailable):
        server.process.models(ONE, wait=600.0)

    assert server.process.elapsed == pytest.approx(2 * FETCH_TIMEOUT + 0.5)


def test_a_new_kind_of_trouble_is_counted_anew() -> None:
    """The server starts: for a while nobody listens, then nobody answers."""
    server = Server(one=[(0.1, refuses)] * 3 + [LOST] * 4 + [(0.1, models)])

    assert server.process.models(ONE, wait=60.0) == ["one:a"]


def test_where_no_connection_comes_a_second_fetch_follows() -> None:
    server = Server(one=[(10.0, no_connection)])
    with pytest.raises(errors.CatalogueUnavailable, match="one: no connection in time") as told:
        server.process.models(ONE, wait=60.0)

    assert server.process.elapsed == pytest.approx(20.5)
    assert server.asked["one"] == [0.0, 3.0, 9.0, 10.5, 13.5, 19.5]
    assert "https://one.invalid/v1 cannot be reached" in told.value.hint


def test_where_nobody_listens_it_is_told_soon() -> None:
    server = Server(one=[(0.1, refuses)])
    with pytest.raises(errors.CatalogueUnavailable, match="one: connection refused") as told:
        server.process.models(ONE, wait=60.0)

    assert 3.0 < server.process.elapsed < 5.0
    assert "https://one.invalid/v1 cannot be reached" in told.value.hint


def test_a_second_request_that_is_turned_away_does_not_end_the_first() -> None:
    """The server takes one request at a time, and its list takes five seconds."""
    server = Server(one=[(5.0, models), (0.1, says(429))])

    assert server.process.models(ONE, wait=10.0) == ["one:a"]
    assert server.process.elapsed == 5.0
    assert not server.failures


def test_a_server_that_dies_while_a_request_is_silent_is_asked_on() -> None:
    server = Server(one=[LOST, (0.1, refuses), (0.1, models)])

    assert server.process.models(ONE, wait=20.0) == ["one:a"]
    assert server.process.elapsed == 9.1


def test_a_refused_key_is_told_although_another_request_is_silent() -> None:
    server = Server(one=[LOST, (0.1, says(401))])
    with pytest.raises(errors.AuthenticationFailed):
        server.process.models(ONE, wait=60.0)

    assert server.process.elapsed == 3.1


def test_a_silent_server_does_not_hold_up_another_in_trouble() -> None:
    server = Server(one=[LOST], two=[(0.1, says(503)), (0.1, says(503)), (0.1, models)])

    assert server.process.models(ONE, TWO, wait=60.0) == ["two:a"]
    assert server.process.elapsed == pytest.approx(1.8)


def test_a_refused_key_is_not_asked_again_beside_a_silent_server() -> None:
    server = Server(one=[LOST], two=[(0.1, says(401))])
    with pytest.raises(errors.CatalogueUnavailable):
        server.process.models(ONE, TWO, wait=20.0)

    assert server.asked["two"] == [0.0]


def test_the_pending_list_of_a_further_provider_is_asked_for_again() -> None:
    server = Server(two=[LOST, (0.1, models)])
    assert server.process.models(ONE, TWO) == ["one:a"]
    discovery = server.process.runtime.discovery
    catalogue, more = server.process.runtime.call(lambda: discovery.next_list([ONE, TWO]))

    assert (sorted(m.id for m in catalogue), more) == (["one:a", "two:a"], False)
    assert server.process.elapsed == pytest.approx(3.1)


def test_a_further_provider_that_hangs_for_ever_is_soon_left_alone() -> None:
    server = Server(two=[LOST])
    server.process.models(ONE, TWO)
    server.process.passes(FETCH_TIMEOUT + 1.0)
    assert len(server.asked["two"]) == 4
    server.process.models(ONE, TWO)
    assert len(server.asked["two"]) == 4
    server.process.passes(FIRST_BACKOFF)
    server.process.models(ONE, TWO)
    server.process.passes(FETCH_TIMEOUT)
    assert len(server.asked["two"]) == 7


@pytest.mark.parametrize("renewal", [(10.0, models), LOST])
def test_a_known_list_is_renewed_without_haste(renewal: tuple[float, Reply]) -> None:
    server = Server(one=[(0.0, models), renewal])
    server.process.models(ONE)
    server.process.clock.advance(REFRESH)
    assert server.process.models(ONE) == ["one:a"]
    server.process.passes(FETCH_TIMEOUT + 1.0)

    assert len(server.asked["one"]) == 2


def test_a_renewal_that_somebody_waits_for_is_hurried() -> None:
    server = Server(one=[(0.0, models), LOST, (0.1, models)])
    discovery, transport = server.process.runtime.discovery, server.process.runtime.transport_for()
    server.process.models(ONE)
    server.process.runtime.call(lambda: discovery.refresh([ONE], lambda account: transport))

    assert server.process.elapsed == pytest.approx(3.1)
    server.scripts["one"] = [LOST]
    asked = len(server.asked["one"])
    server.process.clock.advance(REFRESH)
    server.process.models(ONE)
    server.process.passes(FETCH_TIMEOUT)
    assert len(server.asked["one"]) == asked + 1, "the next one is not"


@pytest.mark.parametrize(
    ("reply", "wait", "words", "hint"),
    [
        (LOST, 4.0, "one: no answer in 4 s, asked 2 times", "may be overloaded"),
        (
            LOST,
            20.0,
            "one: it accepted the connection and sent no list in 20 s, asked 3 times",
            "ask again later, allow more time, add a provider, or name a model",
        ),
        ((0.1, says(503)), 4.0, "one: HTTP 503 sorry", "ask again in a minute"),
        ((0.1, says(401)), 4.0, "one: HTTP 401", "check the api_key of one"),
        ((0.1, refuses), 4.0, "refused or not resolvable .*ConnectError", "cannot be reached"),
    ],
)
def test_the_error_says_what_happened_and_what_to_do(
    reply: tuple[float, Reply], wait: float, words: str, hint: str
) -> None:
    server = Server(one=[reply])
    with pytest.raises(errors.FreeRouterError, match=words) as told:
        server.process.models(ONE, wait=wait)

    assert hint in told.value.hint
    assert ("cannot be reached" in told.value.hint) == (hint == "cannot be reached")


def test_the_error_tells_what_a_request_said_beside_a_silent_one() -> None:
    server = Server(one=[LOST, (0.1, says(503))])
    with pytest.raises(errors.CatalogueUnavailable, match="one: HTTP 503 sorry"):
        server.process.models(ONE, wait=8.0)


def test_the_error_tells_of_the_silence_that_followed_a_word() -> None:
    server = Server(one=[(0.1, says(503)), LOST])
    with pytest.raises(errors.CatalogueUnavailable, match="one: no answer in 4 s"):
        server.process.models(ONE, wait=4.6)


def test_a_failure_is_told_to_observers_once() -> None:
    server = Server(one=[LOST])
    with pytest.raises(errors.CatalogueUnavailable):
        server.process.models(ONE)
    server.process.runtime.flush()

    words = "it accepted the connection and sent no list in 30 s, asked 4 times"
    assert server.failures == [words]
