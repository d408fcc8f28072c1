"""`EmbedRequest`: the body for each provider, its answers in any shape, and what is wrong."""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import Any

import pytest

from freerouter_core.catalogue.limit import Limit
from freerouter_core.catalogue.model import Model
from freerouter_core.catalogue.providers import Account
from freerouter_core.catalogue.serving import Serving, Space
from freerouter_core.errors import BadRequest
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.embeddings import EmbedRequest, check_texts
from freerouter_core.wire.fault import Kind
from freerouter_core.wire.terms import Terms

NOW = 1_800_000_000.0
SPACE = Space(family="tiny", dimension=2, query_prefix="q: ", document_prefix="d: ")
ACCOUNT = Account("acme", "https://acme.test/v1", "k")
X, Y = [1.0, 0.0], [0.0, 1.0]


def model(**serving: Any) -> Model:
    return Model(
        "acme:tiny", "acme", "tiny", mode="embedding", serving=Serving(space=SPACE, **serving)
    )


def ask(*texts: str, **options: Any) -> EmbedRequest:
    return EmbedRequest(texts or ("one", "two"), options.pop("space", SPACE), **options)


def body(request: EmbedRequest, asked: Model, account: Account = ACCOUNT, **how: Any) -> Any:
    return request.body(asked, account, Terms(**how))[0]


def judged(payload: object, request: EmbedRequest | None = None) -> tuple[Answer, str]:
    request = request or ask()
    answer, fault = request.judge(request.read(payload, model()), NOW)
    return answer, "" if fault is None else fault.cause.value


def rows(*vectors: object) -> dict[str, object]:
    return {"data": [{"index": n, "embedding": vector} for n, vector in enumerate(vectors)]}


# -- bodies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("serving", "options", "expected"),
    [
        ({}, {}, {"model": "tiny", "input": ["d: one", "d: two"]}),
        ({}, {"kind": "query"}, {"model": "tiny", "input": ["q: one", "q: two"]}),
        ({"prefixed": True}, {}, {"model": "tiny", "input": ["one", "two"]}),
        ({"batch": 1}, {}, {"model": "tiny", "input": ["d: one"]}),
        (
            {"base64": True},
            {},
            {"model": "tiny", "input": ["d: one", "d: two"], "encoding_format": "base64"},
        ),
        (
            {"type_field": "task", "query_type": "rq", "document_type": "rp"},
            {"kind": "query"},
            {"model": "tiny", "input": ["q: one", "q: two"], "task": "rq"},
        ),
        (
            {"type_field": "task", "query_type": "rq", "document_type": "rp"},
            {},
            {"model": "tiny", "input": ["d: one", "d: two"], "task": "rp"},
        ),
        (
            {"wording": "cohere", "fields": (("truncate", "NONE"),)},
            {},
            {"model": "tiny", "texts": ["d: one", "d: two"], "truncate": "NONE"},
        ),
        (
            {"dimensions_field": "output_dimension"},
            {"space": replace(SPACE, dimension=1, resized=True)},
            {"model": "tiny", "input": ["d: one", "d: two"], "output_dimension": 1},
        ),
    ],
)
def test_the_body_is_worded_as_the_provider_takes_it(
    serving: dict[str, Any], options: dict[str, Any], expected: object
) -> None:
    assert body(ask(**options), model(**serving)) == expected


def test_what_a_model_proved_not_to_take_is_left_out() -> None:
    lacks = frozenset({"encoding_format", "truncate", "task"})
    serving = {"base64": True, "type_field": "task", "fields": (("truncate", "NONE"),)}

    assert set(body(ask(), replace(model(**serving), lacks=lacks))) == {"model", "input"}


def test_openrouter_may_charge_nothing_and_train_on_nothing() -> None:
    account = replace(ACCOUNT, dialect="openrouter")

    free = body(ask(), model(), account, no_train=True)["provider"]
    assert free == {"max_price": {"prompt": "0", "completion": "0"}, "data_collection": "deny"}
    assert "provider" not in body(ask(), model(), account, free_only=False)


def test_a_request_goes_to_the_providers_own_path() -> None:
    assert ask().path(model()) == "/embeddings"
    assert ask().path(model(path="https://acme.test/v2/embed")) == "https://acme.test/v2/embed"
    assert ask().path(Model("acme:x", "acme")) == "/embeddings"


# -- answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        rows(X, Y),
        {"data": [{"index": 1, "embedding": Y}, {"index": 0, "embedding": X}]},
        {"data": [{"embedding": X}, {"embedding": Y}]},
        {"embeddings": [X, Y]},
        {"embeddings": {"float": [X, Y]}},
        {"embeddings": {"int8": [X, Y]}},
        {"result": {"data": [X, Y], "shape": [2, 2]}},
        [X, Y],
        [{"index": 0, "embedding": [X]}, {"index": 1, "embedding": [Y]}],
        rows([2.0, 0.0], [0.0, 5.0]),
    ],
)
def test_vectors_are_read_in_any_shape_and_in_the_order_of_the_texts(payload: object) -> None:
    answer, cause = judged(payload)

    assert not cause
    assert [list(vector) for vector in answer.vectors] == [X, Y]
    assert answer.finish_reason == "stop"


@pytest.mark.parametrize(
    ("payload", "cause"),
    [
        (rows(X), "no-vectors"),
        (rows(X, Y, X), "no-vectors"),
        ({"data": [{"index": 0, "embedding": X}, {"index": 0, "embedding": Y}]}, "no-vectors"),
        ({"data": [{"index": 0, "embedding": X}, {"index": 7, "embedding": Y}]}, "no-vectors"),
        ({"data": [{"index": 0, "embedding": X}, {"embedding": Y}]}, "no-vectors"),
        (rows(X, ["a", "b"]), "no-vectors"),
        (rows(X, [float("nan"), 1.0]), "no-vectors"),
        (rows(X, [0.0, 0.0]), "no-vectors"),
        (rows(X, [1.0, 0.0, 0.0]), "other-space"),
        (rows(None, Y), "empty"),
        ({"choices": []}, "no-vectors"),
        ({"embeddings": {}}, "no-vectors"),
        ("upstream error", "upstream-400"),
        ({"error": {"message": "Provider returned error", "code": 503}}, "server"),
    ],
)
def test_what_is_wrong_with_an_answer_is_a_fault(payload: object, cause: str) -> None:
    _, found = judged(payload)

    assert found == cause or (found and cause in ("upstream-400", "server"))


def test_half_an_answer_is_taken_and_the_rest_is_left() -> None:
    answer, cause = judged(rows(X, None))

    assert (len(answer.vectors), cause) == (1, "")


@pytest.mark.parametrize(
    ("vector", "cause"), [(X, ""), ([0.9999, 0.01], ""), ([0.99, 0.1411], "other-space")]
)
def test_the_known_text_tells_another_model(vector: list[float], cause: str) -> None:
    request = ask("known", "two", probes=True, known=array("f", X))
    answer, fault = request.judge(request.read(rows(vector, Y), model()), NOW)

    assert (fault.cause.value if fault else "") == cause
    assert fault is None or (fault.kind is Kind.GONE and "cosine" in fault.message)
    assert len(answer.vectors) == 2


def test_only_the_known_text_is_no_answer() -> None:
    request = ask("known", "two", probes=True)

    assert judged(rows(X, None), request)[1] == "no-vectors"


def test_a_dimension_that_is_not_known_is_that_of_the_first_vector() -> None:
    request = ask(space=Space(family="new"))

    assert judged(rows(X, Y), request)[1] == ""
    assert judged(rows(X, [1.0]), request)[1] == "other-space"


@pytest.mark.parametrize(
    ("usage", "cause"),
    [
        ({"usage": {"prompt_tokens": 1_024, "total_tokens": 1_024}}, "text-cut"),
        ({"meta": {"billed_units": {"input_tokens": 1_024}}}, "text-cut"),
        ({"usage": {"prompt_tokens": 9_000}}, ""),
        ({"usage": {"prompt_tokens": 2}}, ""),
        ({"usage": {"prompt_tokens": "many"}}, ""),
        ({}, ""),
    ],
)
def test_a_count_of_tokens_tells_texts_that_were_cut(usage: dict[str, Any], cause: str) -> None:
    """One that counts texts, or nothing, is not believed."""
    request = ask("word " * 4_000, "word " * 4_000)

    assert judged({**rows(X, Y), **usage}, request)[1] == cause


def test_texts_are_returned_as_they_are() -> None:
    assert check_texts(["one", " two "]) == ("one", " two ")


# -- texts -----------------------------------------------------------------------------------------


def test_sizes_are_estimates_by_bytes() -> None:
    request = ask("a" * 35, "ä" * 35)

    assert request.sizes == (11, 21)
    assert request.least_tokens == 12
    assert ask(space=SPACE).least_tokens == 0


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ("one", "is one text"),
        (3, "must be a list"),
        (["one", 2], "texts[1] is no text"),
        (["one", " \n"], "texts[1] is empty"),
        ([""], "texts[0] is empty"),
    ],
)
def test_texts_that_cannot_be_embedded_are_named(texts: Any, words: str) -> None:
    with pytest.raises(BadRequest, match=words.replace("[", r"\[").replace("]", r"\]")):
        check_texts(texts)


def test_a_request_takes_what_a_minute_allows() -> None:
    limits = (Limit(100, per=60.0, counts="texts"), Limit(tokens=50, per=60.0))

    assert ask(*["a" * 35] * 9).taken_by(model(limits=limits)) == 4
