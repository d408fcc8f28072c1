"""Validators and strategies that raise."""

from __future__ import annotations

import pytest

from freerouter_core import ChatRequest, Model, Need, errors

from ..scripted import answer_response, scripted_router


@pytest.mark.parametrize("raised", [StopIteration, SystemExit, KeyboardInterrupt, ValueError])
def test_a_validator_or_a_strategy_may_raise_any_exception(raised: type[BaseException]) -> None:
    def validate(answer: object) -> None:
        raise raised("no")

    with pytest.raises(errors.Exhausted, match=raised.__name__):
        scripted_router(answer_response(), max_retries=0).chat(
            ChatRequest.of("x").but(validate=validate)
        )

    def strategy(need: Need, models: list[Model]) -> list[Model]:
        raise raised("no")

    with pytest.raises(errors.BadSetting, match=raised.__name__):
        scripted_router(answer_response()).with_options(strategy=strategy).chat("x")


def test_a_bug_in_a_validator_benches_no_model() -> None:
    def validate(answer: object) -> None:
        raise NameError("typo")

    router = scripted_router(answer_response(), models=2)
    with pytest.raises(errors.Exhausted, match="typo"):
        router.chat(ChatRequest.of("x").but(validate=validate))

    assert router.health().usable == router.free_models()
