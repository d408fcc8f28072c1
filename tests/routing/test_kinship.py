"""Which models would probably fail as another did."""

from __future__ import annotations

import pytest

from freerouter_core.routing.kinship import Kinship, family_of, same_family

from .driver import account, model


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("meta-llama/llama-3.3-70b-instruct:free", ("meta-llama", "llama")),
        ("@cf/meta/llama-3", ("meta", "llama")),
        ("gemini-3-flash", ("", "gemini")),
        ("models/gemini-3-flash", ("", "gemini")),
        ("4o-mini", ("", "4o-mini")),
        ("models", ("", "models")),
    ],
)
def test_the_family_of_a_name(name: str, family: tuple[str, str]) -> None:
    assert family_of(name) == family


def test_a_maker_or_a_name_in_common_make_a_family() -> None:
    llama = model("meta-llama/llama-3")
    assert same_family(llama, model("nous/llama-3-hermes"))
    assert same_family(llama, model("meta-llama/other"))
    assert not same_family(llama, model("qwen/qwen3"))
    assert not same_family(model("gemma-3"), model("qwen3")), "nobody made neither"


def test_who_shares_less_comes_first() -> None:
    kinship = Kinship()
    refuser, cousin = model("deepseek/v4"), model("deepseek/v3", "two")
    neighbour, stranger = model("qwen/q3"), model("qwen/q3", "two")
    one, two = account("one"), account("two")
    kinship.failed(one)
    kinship.failed(one)
    kinship.refused(refuser, one)

    assert kinship.count(refuser, one) == 3
    assert kinship.count(neighbour, one) == 2
    assert kinship.count(cousin, two) == 1
    assert kinship.count(stranger, two) == 0
