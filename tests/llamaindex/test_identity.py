"""What LlamaIndex keeps of a `FreeRouter`: dictionaries, JSON, pickles, copies, caches."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from llama_index.core.rate_limiter import TokenBucketRateLimiter

from freerouter_core import Provider, Router
from freerouter_core.simulator import SimModel, World
from llamaindex_freerouter import FreeRouter

from ..frameworks import (
    llamaindex_model,
)


def test_the_serialized_form_holds_no_key_and_loads_again() -> None:
    llm = FreeRouter(
        api_key="sk-secret", temperature=0.2, providers=[Provider("openrouter", api_key="sk-other")]
    )
    text = llm.to_json() + str(llm.to_dict()) + repr(llm) + str(llm.to_payload())
    again = FreeRouter.from_dict(llm.to_dict())

    assert "sk-" not in text
    assert again.temperature == 0.2
    assert again.to_dict() == llm.to_dict()
    assert llm.to_payload()["temperature"] == 0.2
    assert FreeRouter().to_payload()["temperature"] is not None


def test_a_model_read_back_serializes_to_the_same_text() -> None:
    for llm in (
        FreeRouter(),
        FreeRouter(
            capabilities=("tools",), fallback_models=("a/b:free",), providers=["openrouter"]
        ),
    ):
        assert FreeRouter.from_json(llm.to_json()).to_dict() == llm.to_dict()


def test_the_serialized_form_holds_the_router() -> None:
    strict, free = FreeRouter(router=Router(model="a/b:free", min_context=9)), FreeRouter()

    assert strict.to_dict() != free.to_dict()
    json.dumps(strict.to_dict())
    assert FreeRouter.from_dict(strict.to_dict()).router == strict.router


def test_a_default_timeout_read_back_is_still_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_TIMEOUT", "7")
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-x")
    for llm, expected in ((FreeRouter(), 7.0), (FreeRouter(timeout=9.0), 9.0)):
        again = FreeRouter.from_dict(llm.to_dict())
        assert again._router._resolved.timeout == expected


def test_copies_answer_and_a_pickle_keeps_the_key() -> None:
    with World([SimModel("a/m:free")]) as world:
        llm = llamaindex_model(world)
        llm.complete("x")

        assert copy.deepcopy(llm).complete("y").text.endswith("y")
        assert len(world.requests) == 2
    keyed = FreeRouter(api_key="sk-kept", model="a/m:free")
    again = pickle.loads(pickle.dumps(keyed))

    assert (again.api_key, again.model) == ("sk-kept", "a/m:free")
    assert again._router == keyed._router


def test_copies_share_the_rate_limiter() -> None:
    llm = FreeRouter(rate_limiter=TokenBucketRateLimiter(requests_per_minute=60))

    assert copy.deepcopy(llm).rate_limiter is llm.rate_limiter
    assert llm.model_copy(deep=True).rate_limiter is llm.rate_limiter
