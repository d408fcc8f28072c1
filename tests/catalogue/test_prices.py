"""Prices, and which models are free by them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from freerouter_core.catalogue.pricing import is_free, matches_free_list, read_prices


@pytest.mark.parametrize(
    ("pricing", "prices"),
    [
        (None, {}),
        ("odd", {}),
        ({"prompt": "0.5", "completion": 0}, {"prompt": 0.5, "completion": 0.0}),
        ({"prompt": None, "completion": ""}, {}),
        ({"prompt": "free", "image": [1]}, {"prompt": math.inf, "image": math.inf}),
        ({"prompt": True}, {"prompt": math.inf}),
        ({"prompt": "nan"}, {"prompt": math.inf}),
        ({"discount": 0.5}, {}),
        (
            {"prompt": 0, "overrides": [{"min_prompt_tokens": 9, "utc_start": 5, "prompt": 1}, 7]},
            {"prompt": 0.0, "prompt#0": 1.0},
        ),
        ({"overrides": "odd"}, {"overrides": math.inf}),
    ],
)
def test_every_price_that_is_present_is_read(pricing: object, prices: dict[str, float]) -> None:
    assert read_prices(pricing) == prices


@pytest.mark.parametrize(
    ("name", "prices", "rule", "free"),
    [
        ("a:free", {}, "suffix", True),
        ("a:free", {"prompt": 0.0}, "suffix", True),
        ("a:free", {"prompt": 0.0, "image": 0.1}, "suffix", False),
        ("a:free", {"prompt": -1.0}, "suffix", False),
        ("a", {"prompt": 0.0}, "suffix", False),
        ("a", {"prompt": 0.0}, "price", True),
        ("a", {"prompt": 0.1}, "price", False),
        ("a", {}, "price", False),
        ("a", {"prompt": 0.1}, "all", True),
        ("a", {"prompt": 0.1}, ["a"], True),
        ("a", {}, ["b"], False),
        ("a", {}, "odd", False),
        ("a", {}, None, False),
        ("a", {}, "tier=turbo", False),
    ],
)
def test_a_model_is_free_by_its_providers_rule(
    name: str, prices: dict[str, float], rule: object, free: bool
) -> None:
    assert is_free(name, prices, rule) is free


@pytest.mark.parametrize(
    ("name", "entries", "matches"),
    [
        ("gemini-2-flash", ["gemini-*-flash*"], True),
        ("gemini-2-flash-lite", ("gemini-*-flash*",), True),
        ("gemini-2-pro", {"gemini-*-flash*"}, False),
        ("x-gemini-2-flash", frozenset({"gemini-*-flash*"}), False),
        ("a.b", ["a.b"], True),
        ("axb", ["a.*"], False),
        ("a.b", [], False),
    ],
)
def test_a_star_in_a_list_stands_for_any_characters(name: str, entries: Any, matches: bool) -> None:
    assert matches_free_list(name, entries) is matches
    assert not matches_free_list(name, name)


def test_a_list_may_say_itself_which_models_are_free() -> None:
    assert is_free("a", {}, "tier=turbo", row={"tier": "Turbo"})
    assert is_free("a", {}, "isFree=true", row={"isFree": True})
    assert not is_free("a", {}, "tier=turbo", row={"tier": "pro"})
    assert not is_free("a", {}, "tier=turbo", row={})


def test_a_rule_that_needs_proof_asks_for_a_price_of_zero() -> None:
    for rule in ("all", ("a",), "price"):
        assert is_free("a", {"prompt": 0.0}, rule, needs_proof=True)
        assert not is_free("a", {"prompt": 0.1}, rule, needs_proof=True)
        assert not is_free("a", {}, rule, needs_proof=True)
    assert not is_free("a", {}, "all", paid=("a",))
    assert is_free("b", {}, "all", paid=("a",))


@pytest.mark.parametrize("free", ["suffix", "price", "all", ["*:free"], ["a/m:free"]])
def test_a_name_that_says_free_does_not_outweigh_a_price(free: object) -> None:
    assert not is_free("a/m:free", {"prompt": 1e-6}, free)
    assert not is_free("a/m:free", {"prompt": -1.0}, free)
    assert is_free("a/m:free", {"prompt": 0.0, "completion": 0.0}, free)
