"""Models: what their fields mean, and how a list of any form becomes them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from freerouter_core import Catalogue, Model
from freerouter_core.catalogue.model import MAX_NAME, is_plausible_name
from freerouter_core.catalogue.parse import parse_models
from freerouter_core.catalogue.quality import quality_prior

ROW: dict[str, Any] = {"id": "a/m:free"}


def parsed(row: dict[str, Any], **how: Any) -> Model:
    (model,) = parse_models([{**ROW, **row}], **how)
    return model


# -- models ----------------------------------------------------------------------------------------


def test_a_model_is_known_by_provider_address_and_wire_name() -> None:
    assert Model("a").identity == ("openrouter", "", "a")
    assert Model("groq:a", "groq", "a", origin="https://h").identity == ("groq", "https://h", "a")
    assert (Model("a").wire_name, Model("groq:a", "groq", "a").wire_name) == ("a", "a")


def test_what_is_learnt_of_a_name_that_is_believed_stays_with_what_it_was_asked_for() -> None:
    assert Model("a", mode="embedding").identity == Model("a").identity
    believed = Model("a", mode="embedding", listed=False)
    assert believed.identity == ("openrouter", "", "a (embedding)")
    assert Model("a", listed=False).identity == Model("a").identity


@pytest.mark.parametrize(
    ("name", "plausible"),
    [("a/m:free", True), ("x" * MAX_NAME, True), ("x" * (MAX_NAME + 1), False), ("a\n", False)],
)
def test_a_name_is_short_and_printable(name: str, plausible: bool) -> None:
    assert is_plausible_name(name) is plausible
    assert not is_plausible_name(7)


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        (Model("a", prompt_price=0.5, completion_price=0.25), 10.0),
        (Model("a", prompt_price=0.5, free=True), 0.0),
        (Model("a", prompt_price=0.5, listed=False), math.inf),
        (Model("a", prompt_price=-1.0), math.inf),
        (Model("a", completion_price=-1.0), math.inf),
    ],
)
def test_what_tokens_cost(model: Model, usd: float) -> None:
    assert model.cost(10, 20) == usd


def test_a_parameter_is_taken_unless_something_speaks_against_it() -> None:
    assert Model("a").takes("tools")
    assert Model("a", parameters=frozenset({"tools"})).takes("tools")
    assert not Model("a", parameters=frozenset({"tools"})).takes("seed")
    assert not Model("a", lacks=frozenset({"tools"})).takes("tools")


def test_capabilities_come_in_a_fixed_order() -> None:
    everything = Model(
        "a",
        inputs=frozenset({"text", "file", "video", "audio", "image", "smell"}),
        parameters=frozenset(
            {"reasoning", "response_format", "structured_outputs", "tool_choice", "tools", "seed"}
        ),
    )

    assert everything.capabilities == (
        "text", "image", "audio", "video", "file", "tools", "tool_choice", "structured", "json",
        "reasoning",
    )  # fmt: skip
    assert Model("a").capabilities == ("text",)


def test_a_catalogue_has_each_model_once_and_the_last_counts() -> None:
    catalogue = Catalogue.of([Model("a", context=1), Model("b"), Model("a", context=2)], 5.0)

    assert [model.id for model in catalogue] == ["a", "b"]
    assert (len(catalogue), catalogue.fetched) == (2, 5.0)
    assert catalogue.by_identity[Model("a").identity].context == 2


def test_free_models_of_one_size_come_by_name_and_only_chat_models() -> None:
    models = [
        Model("b", free=True),
        Model("a", free=True),
        Model("paid"),
        Model("ocr", free=True, chat=False),
        Model("big", free=True, context=99_999),
    ]

    assert [m.id for m in Catalogue.of(models, 0.0).free()] == ["big", "a", "b"]


# -- rows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "ids"),
    [
        ({"data": [ROW]}, ["a/m:free"]),
        ({"models": [ROW]}, ["a/m:free"]),
        ({"result": [ROW]}, ["a/m:free"]),
        ({"data": {}, "models": [ROW]}, ["a/m:free"]),
        ([ROW, "odd", {}], ["a/m:free"]),
        ({"other": [ROW]}, []),
        ("odd", []),
    ],
)
def test_a_list_is_found_in_any_wrapping(payload: object, ids: list[str]) -> None:
    assert [model.id for model in parse_models(payload)] == ids


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"id": "models/gemini-2"}, "gemini-2"),
        ({"id": "models/"}, None),
        ({"id": None, "name": "command"}, "command"),
        ({"id": "429b", "name": "@cf/llama"}, "@cf/llama"),
        ({"id": "a", "name": "A model"}, "a"),
        ({"id": 7}, None),
        ({"id": "x" * 501}, None),
        ({}, None),
    ],
)
def test_the_name_for_requests(row: dict[str, Any], name: str | None) -> None:
    assert [model.wire_name for model in parse_models([row])] == ([name] if name else [])


def test_a_name_says_its_provider_except_at_openrouter() -> None:
    assert parsed({}, provider="groq", origin="https://h").id == "groq:a/m:free"
    assert parsed({}, provider="groq", origin="https://h").origin == "https://h"
    assert parsed({}).id == "a/m:free"


@pytest.mark.parametrize(
    ("name", "outputs", "chat"),
    [
        ("a/m", None, True),
        ("a/m", ["text"], True),
        ("a/m", ["text", "image"], False),
        ("a/m", ["embeddings"], False),
        ("~a/latest", None, False),
        ("openrouter/free", None, False),
        ("openrouter/freedom", None, True),
        ("a/whisper-large", None, False),
        ("a/llama-guard-4", None, False),
        ("a/guardian", None, True),
        ("a/rerank", None, False),
        ("a/ocr", None, False),
        ("a/ocra", None, True),
        ("thinkingmachines/inkling-small", None, False),
        ("a/thinkingmachines/inkling", None, True),
    ],
)
def test_which_models_chat(name: str, outputs: list[str] | None, chat: bool) -> None:
    assert parsed({"id": name, "architecture": {"output_modalities": outputs}}).chat is chat


@pytest.mark.parametrize(
    ("row", "context"),
    [
        ({}, 32_768),
        ({"context_length": 1000}, 1000),
        ({"context_length": "1000"}, 1000),
        ({"context_length": 1000, "top_provider": {"context_length": 500}}, 500),
        ({"context_length": 500, "top_provider": {"context_length": 1000}}, 500),
        ({"context_window": 700}, 700),
        ({"max_context_length": 700}, 700),
        ({"max_model_len": 700}, 700),
        ({"meta": {"n_ctx": 1024, "n_ctx_train": 2048}}, 1024),
        ({"meta": {"n_ctx_train": 2048}}, 2048),
        ({"context_length": 0}, 32_768),
        ({"context_length": -5}, 32_768),
        ({"context_length": True}, 32_768),
        ({"context_length": "odd"}, 32_768),
        ({"context_length": 10**400}, 32_768),
    ],
)
def test_the_smallest_stated_window_counts(row: dict[str, Any], context: int) -> None:
    assert parsed(row).context == context


@pytest.mark.parametrize(
    ("row", "max_output"),
    [
        ({}, None),
        ({"max_completion_tokens": 5}, 5),
        ({"top_provider": {"max_completion_tokens": 4}, "max_completion_tokens": 5}, 4),
        ({"top_provider": {"max_completion_tokens": None}, "max_completion_tokens": 5}, 5),
    ],
)
def test_the_longest_answer(row: dict[str, Any], max_output: int | None) -> None:
    assert parsed(row).max_output == max_output


@pytest.mark.parametrize(
    ("date", "expires"),
    [
        ("1970-01-01", 86_400.0),
        ("2026-09-30T12:00:00Z", 1_790_812_800.0),
        ("2098-12-31", None),
        ("2099-01-01", None),
        ("9999-01-01", None),
        ("2097-12-31", 4_039_372_800.0),
        ("soon", None),
        (7, None),
    ],
)
def test_a_model_is_there_to_the_end_of_its_last_day(date: object, expires: float | None) -> None:
    assert parsed({"expiration_date": date}).expires == expires


def test_fields_of_a_wrong_type_say_nothing() -> None:
    odd = parsed(
        dict.fromkeys(
            (
                "architecture",
                "top_provider",
                "supported_parameters",
                "pricing",
                "reasoning",
                "size",
            ),
            "odd",
        )
    )

    assert odd.inputs == {"text"}
    assert odd.parameters == frozenset()
    assert odd.size == 0
    assert not odd.reasoning_mandatory


# -- quality ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "row", "quality"),
    [
        ("m", {}, 5.0),
        ("m-1b", {}, 2.0),
        ("m-0.5b", {}, 1.0),
        ("m-0.01b", {}, 1.0),
        ("m-8b", {}, 5.45),
        ("m-8B-A1b", {}, 5.45),
        ("m-2000b", {}, 9.0),
        ("m-8bit", {}, 5.0),
        ("m-1.8b", {}, 2.9752),
        ("m", {"context_length": 200_000}, 5.3),
        ("m", {"context_length": 199_999}, 5.0),
        ("m", {"created": 1_704_067_200.0}, 5.0),
        ("m", {"created": 1_704_067_200.0 + 31_557_600.0}, 5.5),
        ("m", {"created": 1_704_067_200.0 + 9 * 31_557_600.0}, 6.0),
        ("m", {"created": 5}, 5.0),
        ("m-2000b", {"created": 2e9, "context_length": 1_000_000}, 9.5),
        ("m-1b", {"benchmarks": {"artificial_analysis": {"intelligence_index": 35}}}, 5.0),
        ("m", {"benchmarks": {"artificial_analysis": {"intelligence_index": 99}}}, 10.0),
        ("m", {"benchmarks": {"artificial_analysis": {"intelligence_index": -9}}}, 0.0),
        ("m", {"benchmarks": {"artificial_analysis": {"intelligence_index": None}}}, 5.0),
    ],
)
def test_how_good_a_model_is_likely_to_be(name: str, row: dict[str, Any], quality: float) -> None:
    assert quality_prior(name, row) == pytest.approx(quality, abs=0.001)
