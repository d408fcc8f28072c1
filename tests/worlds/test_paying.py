"""The price cap, and what could cost money."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from freerouter_core import ChatRequest, errors
from freerouter_core.simulator import SimModel, World
from langchain_freerouter import ChatFreeRouter

from ..scripted import answer_response, error_response, scripted_router


def test_a_price_cap_that_works_is_kept() -> None:
    """The server says that the price cap alone excludes the model: it is gone."""
    availability = {"code": "constraint_filtered", "excluded_by": ["max_price"]}
    excluded = httpx.Response(
        404, json={"error": {"message": "No endpoints", "code": 404, "availability": availability}}
    )
    router = scripted_router(excluded, answer_response(), models=2)
    router.chat("x")

    assert all("max_price" in body["provider"] for body in router.bodies)


def test_only_a_404_without_a_reason_puts_the_price_cap_in_doubt() -> None:
    """Six models excluded by the price limit, or gated: nothing is ever sent without the limit."""
    availability = {"code": "constraint_filtered", "excluded_by": ["max_price"]}
    for refusal in (
        httpx.Response(
            404,
            json={"error": {"message": "No endpoints", "code": 404, "availability": availability}},
        ),
        error_response(403, "a/m:free is only available on agentic harnesses."),
        error_response(
            404, "No endpoints found matching your data policy (Free model publication)."
        ),
    ):
        router = scripted_router(refusal, models=6)
        with pytest.raises(errors.Exhausted):
            router.chat("x")
        assert len(router.bodies) == 6
        assert all("max_price" in body["provider"] for body in router.bodies)


def test_a_model_that_charges_is_not_asked_again() -> None:
    router = scripted_router(answer_response(usage={"cost": 0.01}), models=2)
    models = [router.chat("x").attempt.model.id for _ in range(2)]

    assert models == ["acme/m0:free", "acme/m1:free"]


@pytest.mark.parametrize(
    "further",
    [
        {"plugins": [{"id": "web"}]},
        {"models": ["a/paid"]},
        {"model": "a/paid"},
        {"allow_paid": True},
        {"route": "fallback"},
    ],
)
def test_a_parameter_that_could_cost_money_is_refused(further: dict[str, Any]) -> None:
    router = scripted_router(answer_response())
    with pytest.raises(errors.BadRequest):
        router.chat(ChatRequest.of("x").but(parameters=further))

    assert router.bodies == []


def test_allow_paid_false_on_the_model_overrules_the_router() -> None:
    paid = SimModel("a/paid", prompt_price="0.000001", completion_price="0.000001")
    with World([paid]) as world:
        with pytest.raises(errors.NoCandidates):
            ChatFreeRouter(router=world.router(allow_paid=True), allow_paid=False).invoke("x")
        assert world.requests == []
        assert ChatFreeRouter(router=world.router(allow_paid=True)).invoke("x").content
