"""What is free, what it can do, and the shapes a list may come in."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core import Provider, errors
from freerouter_core.catalogue.model import Catalogue, Model
from freerouter_core.catalogue.parse import parse_models
from freerouter_core.catalogue.provider_rows import read_rows, resolve_account
from freerouter_core.settings import known_providers


def row(ident: str, pricing: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": ident,
        "pricing": {"prompt": "0", "completion": "0"} if pricing is None else pricing,
        **more,
    }


def only(entry: dict[str, Any], **how: Any) -> Model:
    (model,) = parse_models({"data": [entry]}, **how)
    return model


@pytest.mark.parametrize(
    ("entry", "free"),
    [
        (row("a/b:free"), True),
        (row("a/b:free", {"prompt": "0", "completion": "0", "request": "0", "image": "0.0"}), True),
        (row("google/gemini-2.0-flash-exp:free",
          {"prompt": "0.0000001", "completion": "0.0000004"}), False),
        (row("moonshotai/kimi-k2.5"), False),
        (row("google/lyria-3-pro-preview"), False),
        (row("openrouter/auto", {"prompt": "-1", "completion": "-1"}), False),
        (row("a/b:free", {"prompt": "0", "completion": "0", "web_search": "0.004"}), False),
        (row("a/b:free", {"prompt": "free", "completion": "0"}), False),
        # a missing key means nothing, and the zero-price guard is sent with every request
        (row("a/b:free", {}), True),
        (row("a/b:free", {"prompt": 0, "completion": 0, "discount": 0.5}), True),
        (row("a/b:free",
          {"prompt": "0", "completion": "0",
           "overrides": [{"min_prompt_tokens": 9, "prompt": "0.1"}]}), False),
    ],
)  # fmt: skip
def test_a_model_is_free_with_the_suffix_and_every_price_zero(
    entry: dict[str, Any], free: bool
) -> None:
    assert only(entry).free is free


@pytest.mark.parametrize(
    "entry",
    [
        row("nvidia/nemotron-3.5-content-safety:free"),
        row("meta-llama/llama-guard-4-12b:free"),
        row("baidu/qianfan-ocr-fast:free"),
        row("thinkingmachines/inkling-small:free"),
        row("respan/span-01-lite:free"),
        row("a/b:free", architecture={"output_modalities": ["text", "audio"]}),
        row("a/b:free", architecture={"output_modalities": ["image"]}),
        row("~a/latest:free"),
        row("openrouter/free"),
    ],
)
def test_classifiers_and_gated_models_are_not_chat_models(entry: dict[str, Any]) -> None:
    assert not only(entry).chat


def test_the_facts_of_a_row_are_read() -> None:
    model = only(
        row(
            "acme/vision-30b:free",
            context_length=1_048_576,
            top_provider={"context_length": 262_000, "max_completion_tokens": 4096},
            architecture={"input_modalities": ["image", "text"], "output_modalities": ["text"]},
            supported_parameters=["tools", "response_format"],
            reasoning={"mandatory": True},
            expiration_date="2026-09-30",
        )
    )

    assert (model.context, model.max_output) == (262_000, 4096)
    assert model.inputs == {"image", "text"}
    assert model.capabilities == ("text", "image", "tools", "json")
    assert model.takes("tools")
    assert not model.takes("tool_choice")
    assert model.reasoning_mandatory
    assert model.expires == 1_790_812_800  # the end of that day, UTC
    assert model.chat


@pytest.mark.parametrize("sentinel", ["2098-12-31", "9999-01-01", None, "soon"])
def test_an_expiry_in_the_far_future_means_none(sentinel: str | None) -> None:
    assert only(row("a/b:free", expiration_date=sentinel)).expires is None


@pytest.mark.parametrize(
    "wrap",
    [lambda rows: rows, lambda rows: {"data": rows}, lambda rows: {"fetchedAt": 1, "data": rows}],
)
def test_lists_of_every_shape_are_read(wrap: Any) -> None:
    models = parse_models(
        wrap([row("a/b:free"), None, {"no": "id"}, 7, row("c/d", {"prompt": "1"})])
    )

    assert [m.id for m in models] == ["a/b:free", "c/d"]


@pytest.mark.parametrize("junk", [None, 7, "x", {}, {"data": None}, {"data": {"a": 1}}, [[]]])
def test_junk_is_an_empty_list(junk: Any) -> None:
    assert parse_models(junk) == []


def test_each_provider_has_its_own_rule_of_what_is_free() -> None:
    rows = [{"id": "m1"}, {"id": "m2"}]

    assert [m.free for m in parse_models(rows, provider="groq", free="all")] == [True, True]
    assert [m.free for m in parse_models(rows, provider="x", free=("m2",))] == [False, True]
    assert [m.id for m in parse_models(rows, provider="groq", free="all")] == ["groq:m1", "groq:m2"]


def test_a_catalogue_lists_free_models_by_context() -> None:
    catalogue = Catalogue.of(
        [Model("a:free", context=1, free=True), Model("b:free", context=9, free=True), Model("c")],
        5.0,
    )

    assert [m.id for m in catalogue.free()] == ["b:free", "a:free"]


def test_a_provider_inherits_what_it_leaves_out() -> None:
    rows = read_rows(
        '[acme]\nbase_url = "https://acme.test/v1"\nkeys = ["ACME_KEY"]\n'
        "limits = [{requests = 3}]\n"
    )

    assert resolve_account(Provider("acme"), rows, {}) is None
    account = resolve_account(Provider("acme"), rows, {"ACME_KEY": "k"})
    assert account is not None
    assert (account.base_url, account.key, account.limits[0].requests) == (
        "https://acme.test/v1",
        "k",
        3,
    )
    unlimited = resolve_account(Provider("acme", limits=[]), rows, {"ACME_KEY": "k"})
    assert unlimited is not None
    assert unlimited.limits == ()
    with pytest.raises(errors.BadSetting, match="not known"):
        resolve_account(Provider("nobody"), rows, {})
    with pytest.raises(errors.BadSetting):
        Provider("acme", free="sometimes")


def test_scopes_differ_by_key_without_showing_it() -> None:
    rows = known_providers()
    one = resolve_account(Provider("openrouter", api_key="sk-one"), rows, {})
    two = resolve_account(Provider("openrouter", api_key="sk-two"), rows, {})
    again = resolve_account(Provider("openrouter", api_key="sk-one"), rows, {})

    assert one is not None
    assert two is not None
    assert again is not None
    assert one.scope == again.scope != two.scope
    assert "sk-one" not in one.scope + repr(one)
