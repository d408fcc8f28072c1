"""A gateway's bad minute: everything is refused alike, and worked a second before.

Nobody is to blame for it: no model is gone, no key is bad, no request is wrong. So it is looked at
again after 5, 10, 20, 40 … seconds, one request for all, and whoever asks is told what is known.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from freerouter_core import ChatRequest, Provider, Router, errors
from freerouter_core.routing.disturbance import KEY_LASTS
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime

BEGINS, ENDS = 20.0, 80.0
"""The bad minute, seconds after the world began."""
NAMES = ("alpha-70b", "beta-8b", "gamma-27b", "delta-120b", "eps-32b")
TOOL = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {}}},
}
Refusal = tuple[int, str]
"""A status, and the message of its body; empty: no body."""
Judge = Callable[[str, Mapping[str, Any], float], Refusal | None]
"""Whether a provider refuses a body at a time (seconds after the world began)."""


class Gateways(httpx.AsyncBaseTransport):
    """Providers, each a host, that answer what they do not refuse."""

    def __init__(self, clock: VirtualClock, models: int, refuses: Judge) -> None:
        self.clock, self.models, self.refuses = clock, models, refuses
        self.began = clock.now()
        self.refused: list[float] = []
        self.answered: list[tuple[float, str]] = []
        """When which model answered."""
        self.lists = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            self.lists += 1
            names = NAMES[: self.models]
            return httpx.Response(200, json={"data": [{"id": name} for name in names]})
        body = json.loads(await request.aread())
        at = self.clock.now() - self.began
        refusal = self.refuses(request.url.host.partition(".")[0], body, at)
        await asyncio.sleep(0.5 if refusal is None else 0.05)
        if refusal is None:
            message = {"role": "assistant", "content": "Paris."}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self.answered.append((at, body["model"]))
            return httpx.Response(200, json={"choices": [choice]})
        self.refused.append(at)
        status, words = refusal
        if not words or words.startswith("<"):
            return httpx.Response(status, text=words)
        error = {"message": words}
        if words.startswith(("Invalid '", "No '")):
            error["param"] = words.split("'")[1]
        return httpx.Response(status, json={"error": error})


class Life:
    """Calls one after the other, and what became of them."""

    def __init__(
        self,
        refuses: Judge,
        *,
        models: int = 5,
        providers: int = 1,
        until: float = 150.0,
        gap: float = 2.0,
        request: Callable[[int], ChatRequest] = lambda n: ChatRequest.of(f"Question {n}"),
        **options: Any,
    ) -> None:
        clock = VirtualClock(1_800_000_000.0)
        self.net = Gateways(clock, models, refuses)
        self.answered: list[float] = []
        self.errors: list[tuple[float, errors.FreeRouterError]] = []
        runtime = Runtime(clock=clock, client=self.net, seed=1, cache=None, state="memory")
        accounts = tuple(
            Provider(f"p{n}", f"https://p{n}.invalid/v1", "sk-simulated", free="all")
            for n in range(providers)
        )
        router = Router(providers=accounts, runtime=runtime, **options)

        async def live() -> None:
            n = 0
            while clock.now() - self.net.began < until:
                try:
                    await router.achat(request(n))
                except errors.FreeRouterError as error:
                    self.errors.append((clock.now() - self.net.began, error))
                else:
                    self.answered.append(clock.now() - self.net.began)
                await asyncio.sleep(gap)
                n += 1

        runtime.call(live)
        runtime.close()

    @property
    def lost(self) -> float:
        """Seconds from the end of the bad minute to the first answer."""
        return min(at for at in self.answered if at >= ENDS) - ENDS

    @property
    def kinds(self) -> Counter[str]:
        return Counter(type(error).__name__ for _, error in self.errors)


def bad_minute(refusal: Refusal, hosts: str = "p0 p1") -> Judge:
    def refuses(host: str, body: Mapping[str, Any], at: float) -> Refusal | None:
        return refusal if host in hosts.split() and BEGINS <= at < ENDS else None

    return refuses


REFUSALS: tuple[Refusal, ...] = (
    (400, ""),
    (400, "Bad gateway config"),
    (401, ""),
    (401, "User not found."),
    (403, ""),
    (404, ""),
    (404, "not found"),
    (404, "No 'model' of that name"),
    (410, ""),
)


@pytest.mark.parametrize("models", [1, 5])
@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_bad_minute_costs_less_than_another_one(refusal: Refusal, models: int) -> None:
    """Models were lost for 500 s, accounts for 980."""
    life = Life(bad_minute(refusal), models=models)
    status = refusal[0]

    assert life.lost <= 60.0
    assert len(life.net.refused) <= 15
    blamed = {"BadRequest"} if status == 400 else set()
    assert set(life.kinds) <= {"Exhausted", *blamed}
    for at, error in life.errors:
        assert BEGINS < at < ENDS + 1.0, "the last look may be refused as the minute ends"
        assert error.status_code == status
        if isinstance(error, errors.Exhausted):
            assert f"p0 has refused everything with status {status} for" in str(error)
            assert " s, and answered " in str(error)
            assert error.should_retry
            assert not error.rate_limited
        else:
            assert "p0 answered others like it, the last" in str(error)


@pytest.mark.parametrize("models", [1, 5])
@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_second_provider_answers_all_of_it(refusal: Refusal, models: int) -> None:
    life = Life(bad_minute(refusal, "p0"), models=models, providers=2)

    assert not life.errors
    assert len(life.net.refused) <= 15


@pytest.mark.parametrize("models", [1, 5])
@pytest.mark.parametrize("refusal", [refusal for refusal in REFUSALS if refusal[0] != 400])
def test_two_providers_that_are_ill_at_once_are_found_again(refusal: Refusal, models: int) -> None:
    life = Life(bad_minute(refusal), models=models, providers=2)

    assert life.lost <= 60.0
    assert len(life.net.refused) <= 2 * 15
    assert set(life.kinds) <= {"Exhausted"}


@pytest.mark.parametrize("models", [1, 5])
def test_what_independent_accounts_refuse_is_a_bad_request_at_once(models: int) -> None:
    life = Life(bad_minute((400, "")), models=models, providers=2, until=BEGINS + 5.0)

    assert set(life.kinds) == {"BadRequest"}
    assert life.errors[0][0] < BEGINS + 3.0


@pytest.mark.parametrize("status", [401, 404])
def test_nothing_that_never_worked_is_waited_for(status: int) -> None:
    life = Life(lambda host, body, at: (status, ""), until=10.0)
    kind = {401: "AuthenticationFailed", 404: "Exhausted"}[status]

    assert life.errors[0][0] < 1.0
    assert type(life.errors[0][1]).__name__ == kind
    assert "others" not in str(life.errors[0][1]), "there are no others"


def test_a_key_that_was_revoked_is_told_after_a_minute_and_asked_no_more() -> None:
    life = Life(
        lambda host, body, at: (401, "invalid key") if at >= BEGINS else None, until=1_000.0
    )
    last = life.errors[-1][1]

    assert isinstance(last, errors.AuthenticationFailed)
    told = next(at for at, e in life.errors if isinstance(e, errors.AuthenticationFailed))
    assert KEY_LASTS <= told - BEGINS <= 180.0
    assert len(life.net.refused) <= 15


def test_models_that_are_gone_for_good_are_believed_after_minutes() -> None:
    life = Life(lambda host, body, at: (404, "") if at >= BEGINS else None, until=900.0)

    assert any(isinstance(error, errors.NoCandidates) for _, error in life.errors)
    assert life.net.lists >= 5, "their list is fetched at once, and again"
    assert len(life.net.refused) <= 60


def test_a_key_that_is_worth_nothing_any_more_is_told_after_minutes() -> None:
    life = Life(lambda host, body, at: (403, "") if at >= BEGINS else None, until=1_000.0)

    assert isinstance(life.errors[-1][1], errors.AuthenticationFailed)
    assert len(life.net.refused) <= 20


def test_a_refusal_that_names_a_part_of_the_request_is_told_at_once() -> None:
    """It took 15 s and four requests, once the account had answered anything."""

    def refuses(host: str, body: Mapping[str, Any], at: float) -> Refusal | None:
        odd = body["messages"][0]["content"] == "Question 5"
        return (400, "Invalid 'messages[0].content': unsupported") if odd else None

    life = Life(refuses, models=2, until=40.0)

    ((at, error),) = life.errors
    assert isinstance(error, errors.BadRequest)
    assert at < 20.0


@pytest.mark.parametrize("models", [1, 2, 5])
@pytest.mark.parametrize(
    "refusal", [(403, ""), (403, "<title>Attention Required!</title>"), (404, "")]
)
def test_a_bad_moment_at_the_first_calls_is_no_proof(refusal: Refusal, models: int) -> None:
    """Five models refused within a second: for a quarter of an hour the key was worth nothing."""
    life = Life(lambda host, body, at: refusal if at < 5.0 else None, models=models, until=300.0)

    assert all(at < 75.0 for at, _ in life.errors)
    assert life.answered[-1] > 290.0


def test_a_model_that_alone_is_gone_is_gone() -> None:
    def refuses(host: str, body: Mapping[str, Any], at: float) -> Refusal | None:
        return (404, "") if at >= BEGINS and body["model"] == NAMES[0] else None

    life = Life(refuses, model=f"p0:{NAMES[0]}", until=400.0)

    assert not life.errors
    assert len(life.net.refused) <= 3, "asked again a minute later, and four after that"


def test_a_model_that_is_gone_for_a_moment_comes_back() -> None:
    """One 404 left a good model unasked until the next catalogue, an hour later."""

    def refuses(host: str, body: Mapping[str, Any], at: float) -> Refusal | None:
        gone = BEGINS <= at < BEGINS + 20.0 and body["model"] == NAMES[0]
        return (404, "") if gone else None

    life = Life(refuses, model=f"p0:{NAMES[0]}", until=400.0)

    assert not life.errors
    assert len(life.net.refused) == 1
    back = [at for at, model in life.net.answered if model == NAMES[0] and at > BEGINS]
    assert back and back[0] < BEGINS + 100.0


def test_a_gateway_without_tools_answers_plain_requests_all_the_same() -> None:
    """Law 6: one tools request made ten minutes of plain ones fail."""

    def refuses(host: str, body: Mapping[str, Any], at: float) -> Refusal | None:
        return (404, "Not Found") if "tools" in body else None

    def request(n: int) -> ChatRequest:
        messages = [{"role": "user", "content": "Where?"}]
        return ChatRequest(messages, tools=[TOOL] if n % 2 else ())

    life = Life(refuses, request=request, until=60.0)

    assert len(life.answered) >= len(life.errors) > 5
    for _, error in life.errors:
        assert isinstance(error, errors.Exhausted)
        assert error.hint == "ask p0 without tools, or add a provider"


@pytest.mark.parametrize("models", [1, 5])
@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_burst_in_a_bad_minute_sends_one_look_for_all(status: int, models: int) -> None:
    """Sixty calls at once are refused, by up to three models, and answered once it is over."""
    clock = VirtualClock(1_800_000_000.0)
    net = Gateways(
        clock, models, lambda host, body, at: (status, "") if BEGINS <= at < 60.0 else None
    )
    runtime = Runtime(clock=clock, client=net, cache=None, state="memory")
    account = Provider("p0", "https://p0.invalid/v1", "sk-simulated", free="all")
    router = Router(providers=(account,), runtime=runtime)

    async def live() -> None:
        await router.achat("first")
        await asyncio.sleep(BEGINS)
        await asyncio.gather(*(router.achat(f"Question {n}") for n in range(60)))

    runtime.call(live)
    runtime.close()

    assert len(net.refused) <= (60 if models == 1 else 105) + 15, "360 are what good sense sends"


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_one_stray_refusal_in_twenty_ends_no_call(status: int) -> None:
    """Half of the calls failed."""
    count = itertools.count(1)
    life = Life(
        lambda host, body, at: (status, "") if next(count) % 20 == 0 else None, models=1, gap=0.0
    )

    assert not life.errors


def test_a_bad_request_holds_nobody_but_itself() -> None:
    """What others are answered meanwhile shows that it is to blame."""
    clock = VirtualClock(1_800_000_000.0)

    def refuses(host: str, body: Mapping[str, Any], at: float) -> Refusal | None:
        return (400, "no") if body["messages"][0]["content"] == "bad" else None

    net = Gateways(clock, 5, refuses)
    runtime = Runtime(clock=clock, client=net, cache=None, state="memory")
    account = Provider("p0", "https://p0.invalid/v1", "sk-simulated", free="all")
    router = Router(providers=(account,), runtime=runtime)
    took: dict[str, float] = {}

    async def ask(text: str) -> None:
        began = clock.now()
        try:
            await router.achat(text)
        finally:
            took[text] = clock.now() - began

    async def live() -> None:
        await ask("first")
        bad = asyncio.ensure_future(ask("bad"))
        for n in range(10):
            await asyncio.sleep(1.0)
            await ask(f"good {n}")
        with pytest.raises(errors.BadRequest, match="p0 answered others like it"):
            await bad

    runtime.call(live)
    runtime.close()

    assert max(seconds for text, seconds in took.items() if text != "bad") < 1.0
    assert 4.0 <= took["bad"] <= 8.0
