"""How well a model does each way of asking is learnt by itself (law 6)."""

from __future__ import annotations

import json
from random import Random

from freerouter_core import ChatRequest, Structured
from freerouter_core.catalogue.model import Model
from freerouter_core.routing.health_book import HealthBook
from freerouter_core.routing.need import Need
from freerouter_core.routing.policy import Policy
from freerouter_core.routing.rank import rank
from freerouter_core.routing.situation import Situation
from freerouter_core.routing.ways import (
    UNABLE_CHANCE,
    UNABLE_SECONDS,
    Way,
    form_lacks,
    form_way,
)
from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.fault import Cause, Fault, Kind

NOW = 1_800_000_000.0
PROSE, JSON = Model("a/prose:free", free=True), Model("b/json:free", free=True)
NOT_JSON = Fault(Kind.BROKEN, Cause.NOT_THE_SCHEMA)


def first(book: HealthBook, need: Need) -> Model:
    return rank([PROSE, JSON], Situation(need=need, policy=Policy(), book=book, now=NOW))[0]


def test_a_way_is_believed_until_it_fails() -> None:
    assert Way().chance(NOW) == 1.0


def test_a_way_that_failed_at_once_is_taken_for_inability_and_tried_again_rarely() -> None:
    way = Way(bad=1.0, failed_at=NOW)

    assert 0.0 < way.chance(NOW) == UNABLE_CHANCE < 0.1
    assert way.chance(NOW + UNABLE_SECONDS) > 10 * UNABLE_CHANCE


def test_a_way_that_works_most_of_the_time_keeps_its_odds() -> None:
    assert 0.75 < Way(good=8.0, bad=2.0).chance(NOW) < 0.9


def test_prose_in_place_of_json_says_nothing_of_plain_requests() -> None:
    book = HealthBook()
    book.answered(PROSE.identity, NOW - 9.0, first_token=0.2, seconds=0.5, tokens=100)
    book.answered(JSON.identity, NOW - 9.0, first_token=2.0, seconds=5.0, tokens=100)
    book.failed(PROSE.identity, NOT_JSON, NOW, Random(0), seconds=0.5)
    book.failed_form(PROSE.identity, "json_schema", NOW, last=True)
    record = book.of(PROSE.identity)

    assert (record.failures, record.strikes, record.benched_until) == (0, 0, 0.0)
    assert first(book, Need()) is PROSE
    assert first(book, Need(structured=True)) is JSON


def test_a_request_has_the_ways_that_it_needs() -> None:
    assert Need().ways == ()
    assert Need(tools=True, structured=True).ways == ("tools", "structured")


def test_an_answer_counts_for_the_ways_it_did() -> None:
    book = HealthBook()
    book.answered(
        JSON.identity, NOW, first_token=None, seconds=1.0, tokens=10, ways=("structured",)
    )

    assert book.of(JSON.identity).ways["structured"].good == 1.0


def test_what_was_learnt_of_a_way_outlives_a_restart() -> None:
    from freerouter_core.runtime.ledger.notes import Times, read_health, write_health

    record = HealthBook()
    record.failed(PROSE.identity, NOT_JSON, NOW, Random(0))
    record.failed_form(PROSE.identity, "json_schema", NOW, last=False)
    health, times = record.of(PROSE.identity), Times(NOW, NOW)

    assert read_health(write_health(health, times), times).ways == health.ways


def asked_for_json(world: World, model: str, times: int) -> list[str]:
    """The forms in which a model is asked, over so many requests for an object."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    router, messages = world.router(), [{"role": "user", "content": "How many?"}]
    for _ in range(times):
        outcome = router.chat(ChatRequest(messages, structured=Structured(schema)))
        assert isinstance(json.loads(outcome.text)["n"], int)
    router.chat("plain")
    assert world.asked[-1] == model, "plain requests still find it"
    bodies = [seen.body for seen in world.requests[:-1] if seen.model == model]
    return [
        "tool" if "tools" in body else (body.get("response_format") or {"type": "prompt"})["type"]
        for body in bodies
    ]


def test_a_model_that_answers_prose_to_json_is_asked_in_two_forms_and_then_comes_last() -> None:
    prose = SimModel("a/prose:free", first_token=0.1, says=lambda _: "It is one.", tools=False)
    with World([prose, SimModel("b/json:free", first_token=3.0)]) as world:
        assert asked_for_json(world, "a/prose:free", 10) == ["json_schema", "json_object"]


def test_a_model_is_asked_in_the_form_that_it_does() -> None:
    """It answers a schema with prose, and calls a tool as it should."""
    prose = SimModel("a/prose:free", first_token=0.1, says=lambda body: "It is one.")
    with World([prose, SimModel("b/json:free", first_token=3.0)], seed=2) as world:
        first, *later = asked_for_json(world, "a/prose:free", 9)

        assert (first, set(later)) == ("json_schema", {"tool"})
        assert len(later) >= 6, "it is quicker, and what it failed at once is soon forgiven"


def test_a_form_that_failed_is_tried_again_after_a_while() -> None:
    ways = {form_way("tool"): Way(bad=1.0, failed_at=NOW), "tools": Way(bad=1.0, failed_at=NOW)}

    assert form_lacks(ways, NOW + 1.0) == {"structured:tool"}
    assert form_lacks(ways, NOW + UNABLE_SECONDS) == frozenset()
    assert form_lacks({form_way("tool"): Way(good=1.0, bad=9.0, failed_at=NOW)}, NOW) == frozenset()
    assert form_lacks({}, NOW) == frozenset()
