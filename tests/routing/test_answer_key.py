"""The key that equal requests share."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core.errors import BadRequest
from freerouter_core.routing.answer_key import answer_key
from freerouter_core.routing.policy import Policy
from freerouter_core.wire.request import ChatRequest

ASKED = ChatRequest.of("Why is the sky blue?")


def key(request: ChatRequest = ASKED, **policy: Any) -> str:
    return answer_key(request, Policy(**policy))


def test_a_key_is_a_hash_that_tells_nothing_of_the_prompt() -> None:
    assert len(key()) == 64
    assert "sky" not in key()


@pytest.mark.parametrize(
    "policy",
    [
        {"strategy": "random", "prefer": "quality", "order": {"a": 1}, "task": "coding"},
        {"max_latency": 3.0, "max_retries": 1, "hedge": "off", "tool_streaming": "fragments"},
        {"max_cost_per_token": 1.0, "daily_budget_usd": 1.0, "on_stream_break": "continue"},
        {"quality": {"a": 3.0}, "kept": "a/b:free", "min_quality": 0},
    ],
)
def test_how_models_are_ranked_and_asked_is_not_in_it(policy: dict[str, Any]) -> None:
    assert key(**policy) == key()


def test_what_counts_as_an_answer_is_in_it() -> None:
    keys = [
        key(),
        key(preferred=("a/a:free",)),
        key(preferred=("a/b:free",)),
        key(preferred=("a/a:free", "a/b:free")),
        key(preferred=("a/a:free",), others=False),
        key(capabilities=frozenset({"tools"})),
        key(min_context=9_000),
        key(min_quality=3),
        key(min_quality=3, quality={"a": 9.0}),
        key(min_safety=3),
        key(no_train=True),
        key(allow_paid=True),
        key(ChatRequest.of("Why is the sea blue?")),
        answer_key(ASKED, Policy(), marks=("a",)),
        answer_key(ASKED, Policy(), marks=("a", "b")),
        answer_key(ASKED, Policy(), namespace="a"),
        key(ASKED.but(sample=1)),
    ]
    assert len(set(keys)) == len(keys)


def test_a_model_named_by_the_request_comes_before_those_of_the_router() -> None:
    named = ASKED.but(model="a/a:free")
    assert key(named) == key(preferred=("a/a:free",))
    assert key(named, preferred=("a/b:free",)) == key(preferred=("a/a:free", "a/b:free"))
    assert key(ASKED.but(model="auto")) == key()
    both = ASKED.but(model="a/a:free", fallback_models=("a/b:free",))
    assert key(both) == key(preferred=("a/a:free", "a/b:free"))


def test_what_is_no_request_has_no_key() -> None:
    with pytest.raises(BadRequest):
        key(ChatRequest([{"role": "wizard", "content": "hi"}]))
