"""`RerankRequest`: the body for each provider, rankings in any shape, and what is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from freerouter_core.catalogue.model import Model
from freerouter_core.catalogue.providers import Account
from freerouter_core.catalogue.serving import Serving
from freerouter_core.wire.answer import Ranked
from freerouter_core.wire.rerank import RerankRequest
from freerouter_core.wire.terms import Terms

ACCOUNT = Account("acme", "https://acme.test/v1", "k")
ASK = RerankRequest("why", ["one", "two"])


def model(**serving: Any) -> Model:
    return Model("acme:rank", "acme", "rank", mode="rerank", serving=Serving(**serving))


@pytest.mark.parametrize(
    ("serving", "expected"),
    [
        ({}, {"model": "rank", "query": "why", "documents": ["one", "two"]}),
        (
            {"wording": "nvidia", "fields": (("truncate", "END"),)},
            {
                "model": "rank",
                "query": {"text": "why"},
                "passages": [{"text": "one"}, {"text": "two"}],
                "truncate": "END",
            },
        ),
    ],
)
def test_the_body_is_worded_as_the_provider_takes_it(
    serving: dict[str, Any], expected: object
) -> None:
    assert ASK.body(model(**serving), ACCOUNT, Terms()) == (expected, None)


def test_openrouter_may_charge_nothing() -> None:
    body, _ = ASK.body(Model("a/b:free"), replace(ACCOUNT, dialect="openrouter"), Terms())

    assert body["provider"]["max_price"]["prompt"] == "0"


def test_it_goes_to_the_providers_own_path() -> None:
    assert ASK.path(model()) == ASK.path(Model("a/b")) == "/rerank"
    assert ASK.path(model(path="/v2/rank")) == "/v2/rank"


@pytest.mark.parametrize(
    "payload",
    [
        {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]},
        {"data": [{"index": 0, "relevance_score": 0.1}, {"index": 1, "relevance_score": 0.9}]},
        {"rankings": [{"index": 1, "logit": 0.9}, {"index": 0, "logit": 0.1}]},
        {"result": {"response": [{"id": 0, "score": 0.1}, {"id": 1, "score": 0.9}]}},
        [{"index": 0, "score": 0.1}, {"index": 1, "score": 0.9}],
    ],
)
def test_rankings_are_read_in_any_shape_the_best_first(payload: object) -> None:
    answer, fault = ASK.judge(ASK.read(payload, model()), 0.0)

    assert fault is None
    assert answer.ranking == (Ranked(1, 0.9), Ranked(0, 0.1))


@pytest.mark.parametrize(
    ("payload", "cause"),
    [
        ({"results": [{"index": 1, "relevance_score": 0.9}]}, "no-ranking"),
        ({"results": [{"index": 1, "score": 0.9}, {"index": 1, "score": 0.1}]}, "no-ranking"),
        ({"results": [{"index": 0, "score": 0.9}, {"index": 2, "score": 0.1}]}, "no-ranking"),
        (
            {"results": [{"index": 0, "score": float("nan")}, {"index": 1, "score": 0.1}]},
            "no-ranking",
        ),
        ({"results": [{"index": True, "score": 1}, {"index": 0}]}, "no-ranking"),
        ({"choices": []}, "no-ranking"),
        ({"error": "overloaded"}, ""),
        ("text", ""),
    ],
)
def test_what_is_no_ranking_is_a_fault(payload: object, cause: str) -> None:
    _, fault = ASK.judge(ASK.read(payload, model()), 0.0)

    assert fault is not None
    assert not cause or fault.cause == cause


def test_the_query_counts_with_each_text() -> None:
    assert RerankRequest("q" * 35, ["a" * 35, "a"]).sizes == (22, 12)
    assert RerankRequest("q" * 55, ["a" * 55]).least_tokens == 20
    assert RerankRequest("q" * 55, []).least_tokens == 10
