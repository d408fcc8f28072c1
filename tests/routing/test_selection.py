"""Which models are candidates: names, fitness, and the rules that outweigh the rank."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from freerouter_core.catalogue.model import Catalogue, Model
from freerouter_core.routing.fit import able, fit, has, quality_of, ready, tight, window
from freerouter_core.routing.health import LACKS_KEPT, Health
from freerouter_core.routing.health_book import HealthBook
from freerouter_core.routing.named import find_named
from freerouter_core.routing.need import Need
from freerouter_core.routing.policy import Policy
from freerouter_core.routing.selection import Selection, select
from freerouter_core.routing.situation import Situation

from .driver import NOW, account, model

A, B, C = model("a"), model("b", "two"), model("c", "three")
ACCOUNTS = {name: account(name) for name in ("one", "two", "three")}


def chosen(
    *models: Model,
    need: Need | None = None,
    book: HealthBook | None = None,
    fetched: float = NOW,
    **policy: Any,
) -> Selection:
    policy.setdefault("strategy", "context")
    situation = Situation(
        need=need or Need(), policy=Policy(**policy), book=book or HealthBook(), now=NOW
    )
    return select(Catalogue.of(models, fetched), ACCOUNTS, situation)


# -- names --------------------------------------------------------------------------------------


def test_a_name_with_a_providers_prefix_is_that_providers_model() -> None:
    catalogue = Catalogue.of([A, B], NOW)

    assert find_named("two:b", catalogue, ACCOUNTS) is B


def test_a_name_that_no_catalogue_lists_is_believed() -> None:
    named = find_named("two:new", Catalogue(), ACCOUNTS)

    assert named == Model(
        "two:new", "two", "new", origin="https://two.test/v1", free=True, listed=False
    )


def test_a_bare_name_is_openrouters_or_the_only_accounts() -> None:
    gateway = account("openrouter", free="suffix")
    both = {"openrouter": gateway, "two": ACCOUNTS["two"]}

    assert find_named("x/y:free", Catalogue(), both) == Model(
        "x/y:free", name="x/y:free", origin=gateway.base_url, free=True, listed=False
    )
    paid = find_named("x/y", Catalogue(), both)
    assert paid is not None
    assert not paid.free
    only = find_named("new", Catalogue(), {"two": ACCOUNTS["two"]})
    assert only is not None
    assert only.id == "two:new"


def test_a_spelling_hides_no_price() -> None:
    gateway = account("openrouter", free="suffix")
    costs = Model("a/Costs:free", name="a/Costs:free", origin=gateway.address)
    catalogue = Catalogue.of([costs], NOW)
    for name in ("A/costs:FREE", "models/a/costs:free", "a/Costs:free", "a/COSTS:free"):
        assert find_named(name, catalogue, {"openrouter": gateway}) is costs
    for name in ("a/x:free:online", "a/x:online:free", "a/x@preset/y:free", "@preset/y:free"):
        named = find_named(name, catalogue, {"openrouter": gateway})
        assert named is None or not named.free


def test_a_model_that_charged_is_out_unless_paying_is_allowed() -> None:
    book = HealthBook()
    book.charged(A.identity, 0.25)
    skipped = chosen(A, B, book=book).skipped

    assert skipped == {
        "a": "charged 0.25 USD although it should be free; not asked again without allow_paid=True"
    }
    assert A in chosen(A, B, book=book, allow_paid=True).ranked
    book.reset()
    assert "a" in chosen(A, B, book=book).skipped, "a reset forgets no charge"


def test_a_bare_name_among_several_accounts_is_looked_up() -> None:
    catalogue = Catalogue.of([A, B], NOW)

    assert find_named("b", catalogue, ACCOUNTS) is B
    assert find_named("nobodys", catalogue, ACCOUNTS) is None


def test_without_any_account_a_name_means_nothing() -> None:
    assert find_named("a", Catalogue(), {}) is None


def test_a_prefix_with_a_slash_is_an_authors() -> None:
    both = {name: account(name) for name in ("openrouter", "one/x")}
    named = find_named("one/x:free", Catalogue(), both)

    assert named is not None
    assert named.provider == "openrouter"


@pytest.mark.parametrize(("free", "expected"), [(("new",), True), (("n*",), True), (("x",), False)])
def test_a_list_of_free_models_decides_over_an_unlisted_one(
    free: tuple[str, ...], expected: bool
) -> None:
    named = find_named("new", Catalogue(), {"two": account("two", free=free)})

    assert named is not None
    assert named.free is expected


# -- the selection ------------------------------------------------------------------------------


def test_named_models_come_in_the_order_they_were_named_and_once() -> None:
    selection = chosen(A, B, C, preferred=("three:c", "one:a", "three:c"))

    assert (selection.named, selection.ranked) == ([C, A], [B])


def test_no_model_follows_the_named_ones_if_the_policy_says_so() -> None:
    selection = chosen(A, B, preferred=("two:b",), others=False)

    assert (selection.named, selection.ranked) == ([B], [])


def test_why_a_named_model_is_no_candidate() -> None:
    selection = chosen(A, preferred=("five:x", "one:paid"), need=Need(inputs=frozenset({"image"})))
    assert selection.skipped["five:x"] == "its provider is not among the router's, or has no key"
    assert selection.skipped["a"] == "takes no image"

    narrow = chosen(A, preferred=("one:a",), need=Need(tools=True), others=False)
    assert narrow.named == [A]
    blind = chosen(A, preferred=("one:a",), need=Need(inputs=frozenset({"image"})), others=False)
    assert (blind.named, blind.skipped) == ([], {"a": "takes no image"})


def test_models_of_others_and_models_that_do_not_chat_are_no_candidates() -> None:
    foreign, ocr = model("x", "five"), model("ocr", chat=False)

    assert chosen(A, foreign, ocr).ranked == [A]
    assert chosen(A, foreign, ocr).skipped == {}


def test_what_the_catalogue_decides_is_worked_out_once_for_each_kind_of_request() -> None:
    catalogue = Catalogue.of([A], NOW)
    situation = Situation(need=Need(), policy=Policy(), book=HealthBook(), now=NOW)
    for _ in range(2):
        select(catalogue, ACCOUNTS, situation)

    assert len(catalogue.memo) == 1


def test_skipped_paid_models_are_listed_only_if_paying_is_allowed() -> None:
    paid = model("p", free=False, context=10)
    need = Need(least_tokens=100)

    assert chosen(paid, need=need).skipped == {}
    assert list(chosen(paid, need=need, allow_paid=True).skipped) == ["p"]


def test_a_gone_model_is_asked_again_with_the_next_catalogue() -> None:
    book = HealthBook()
    book.vanished(A.identity, NOW, NOW)

    assert "gone" in chosen(A, book=book).skipped["a"]
    assert chosen(A, book=book, preferred=("one:a",)).named == []
    assert chosen(A, book=book, fetched=NOW + 1.0).ranked == [A]


def test_what_was_learnt_counts_even_if_the_catalogue_says_otherwise() -> None:
    book = HealthBook()
    book.models[A.identity] = Health(lacks=frozenset({"tools"}), lacks_since=NOW)

    assert chosen(A, B, book=book, need=Need(tools=True)).skipped == {"a": "has no tools"}
    assert chosen(A, B, book=book).ranked == [A, B]


def test_a_slow_model_is_left_out_only_under_max_latency() -> None:
    book = HealthBook()
    book.answered(A.identity, NOW, first_token=4.0, seconds=5.0, tokens=40)

    assert chosen(A, book=book).ranked == [A]
    reason = chosen(A, book=book, max_latency=3.0).skipped["a"]
    assert reason == "first token after 4.0 s on average, max_latency=3"
    assert chosen(A, book=book, max_latency=4.0).ranked == [A]
    assert chosen(B, book=book, max_latency=0.1).ranked == [B], "it never answered"


def test_an_expired_entry_and_a_window_that_is_too_small_leave_a_model_out() -> None:
    old, small = model("old", expires=NOW), model("small", context=600)
    later = model("later", expires=NOW + 1.0)
    selection = chosen(old, small, later, need=Need(prompt_tokens=200, least_tokens=601))

    assert selection.ranked == [later]
    assert selection.skipped == {
        "old": "its catalogue entry has expired",
        "small": "context of 600 tokens is under the 601 needed at least",
    }


def test_the_reason_why_a_named_model_is_left_out_is_listed_once() -> None:
    selection = chosen(A, preferred=("one:a",), min_quality=6.0)

    assert selection.skipped == {"a": "its quality prior of 5.0 is under min_quality=6"}


# -- rules that outweigh the rank ---------------------------------------------------------------


def test_a_sessions_model_comes_first_after_the_named_ones() -> None:
    selection = chosen(A, B, C, kept="c", preferred=("two:b",))

    assert (selection.named, selection.ranked) == ([B], [C, A])


def test_a_window_that_may_be_too_small_comes_later_if_the_prompt_is_long() -> None:
    small = model("small", "two", context=3_000)
    roomy = model("roomy", "three", context=9_000)
    order = {"small": 0, "roomy": 1}
    long = Need(prompt_tokens=2_900, least_tokens=2_000)
    short = Need(prompt_tokens=2_000, output_tokens=5_000)

    assert chosen(small, roomy, need=long, order=order).ranked == [roomy, small]
    assert chosen(small, roomy, need=short, order=order).ranked == [small, roomy]


def test_a_local_model_that_the_memory_does_not_hold_comes_last() -> None:
    large, small = model("large", size=10), model("small", "two", size=8)
    order = {"large": 0, "small": 1}

    assert chosen(large, small, order=order, memory=10).ranked == [small, large]
    assert chosen(large, small, order=order, memory=12).ranked == [large, small]
    assert chosen(large, small, order=order).ranked == [large, small]


def test_every_free_model_comes_before_every_paid_one() -> None:
    paid = model("p", "two", free=False)
    tight_one = model("t", context=3_000)
    order = {"p": 0, "t": 1}
    long = Need(prompt_tokens=2_900, least_tokens=2_000)
    selection = chosen(paid, tight_one, need=long, order=order, allow_paid=True, kept="p")

    assert selection.ranked == [tight_one, paid]


# -- fitness ------------------------------------------------------------------------------------


def why(m: Model, need: Need | None = None, health: Health | None = None, **policy: Any) -> Any:
    return fit(m, need or Need(), Policy(**policy), health, NOW, named=False)


def test_a_model_that_can_serve_the_request_fits() -> None:
    assert why(A, Need(tools=True, tool_choice=True, structured=True)) is None


@pytest.mark.parametrize(
    ("changes", "need", "policy", "reason"),
    [
        ({"free": False}, {}, {}, "not free"),
        ({"chat": False}, {}, {}, "not a chat model"),
        ({}, {}, {"min_quality": 5.1}, "quality prior of 5.0 is under min_quality=5.1"),
        ({}, {"inputs": {"image"}}, {}, "takes no image"),
        ({"parameters": {"stop"}}, {"tools": True}, {}, "has no tools"),
        ({"parameters": {"tools"}}, {}, {"capabilities": {"tool_choice"}}, "has no tool_choice"),
        ({"parameters": {"tools"}}, {"logprobs": True}, {}, "gives no logprobs"),
        ({}, {}, {"capabilities": {"vision"}}, "has no vision"),
        ({"parameters": {"stop"}}, {}, {"capabilities": {"structured"}}, "has no structured"),
        ({"context": 99}, {"least_tokens": 100}, {}, "context of 99 tokens"),
        ({"context": 99}, {}, {"min_context": 100}, "under min_context=100"),
        ({"expires": NOW}, {}, {}, "expired"),
        (
            {"free": False, "completion_price": 2e-6},
            {},
            {"allow_paid": True, "max_cost_per_token": 1e-6},
            "costs more than max_cost_per_token=1e-06 USD",
        ),
        (
            {"free": False, "completion_price": 1.0},
            {"output_tokens": 2},
            {"allow_paid": True, "max_cost_per_request": 1.0},
            "could cost more than max_cost_per_request=1 USD",
        ),
        (
            {"free": False, "prompt_price": -1.0},
            {},
            {"allow_paid": True, "daily_budget_usd": 1.0},
            "has no known price, and there is daily_budget_usd=1 USD",
        ),
        ({}, {}, {"min_safety": 8.1}, "its safety score of 8.0 is under min_safety=8.1"),
    ],
)
def test_why_a_model_does_not_fit(
    changes: dict[str, Any], need: dict[str, Any], policy: dict[str, Any], reason: str
) -> None:
    frozen: Any = lambda values: {  # noqa: E731
        k: frozenset(v) if isinstance(v, set) else v for k, v in values.items()
    }
    assert reason in why(model("a", **frozen(changes)), Need(**frozen(need)), **frozen(policy))


@pytest.mark.parametrize(
    ("changes", "need", "policy"),
    [
        ({}, {}, {"min_quality": 5.0}),
        ({"context": 100}, {"least_tokens": 100}, {"min_context": 100}),
        ({"expires": NOW + 1.0}, {}, {}),
        ({"free": False, "completion_price": 1e-6}, {}, {"max_cost_per_token": 1e-6}),
        (
            {"free": False, "completion_price": 0.5},
            {"output_tokens": 2},
            {"max_cost_per_request": 1.0, "daily_budget_usd": 1.0},
        ),
        ({}, {}, {"min_safety": 8.0}),
    ],
)
def test_what_just_suffices_fits(
    changes: dict[str, Any], need: dict[str, Any], policy: dict[str, Any]
) -> None:
    assert why(model("a", **changes), Need(**need), allow_paid=True, **policy) is None


def test_a_named_model_need_be_no_chat_model_nor_listed() -> None:
    odd = model("a", chat=False)
    unlisted = model("a", listed=False, context=10)
    many = Need(least_tokens=100, inputs=frozenset({"image"}))
    policy = Policy(capabilities=frozenset({"vision"}), min_quality=9.0, min_context=100)

    assert able(odd, Need(), Policy(), named=True) is None
    assert fit(unlisted, many, policy, None, NOW, named=True) is None


def test_what_a_model_refused_leaves_it_out_until_that_is_forgotten() -> None:
    lacks = frozenset({"image", "tools", "tool_choice", "logprobs"})
    blind = Health(lacks=lacks, lacks_since=NOW)
    seeing = model("a", inputs=frozenset({"text", "image"}))
    image = Need(inputs=frozenset({"image"}))

    assert why(seeing, image, blind) == "takes no image"
    assert why(A, Need(tools=True), blind) == "has no tools"
    assert why(A, Need(tool_choice=True), blind) is None, "it can be asked to call"
    assert why(A, Need(logprobs=True), blind) == "gives no logprobs"
    later = NOW + LACKS_KEPT + 1.0
    assert ready(seeing, image, Policy(), blind, later) is None


def test_a_stated_window_counts_only_if_it_is_smaller() -> None:
    assert window(model("a", context=100), None) == 100
    assert window(model("a", context=100), Health(context=50)) == 50
    assert window(model("a", context=100), Health(context=200)) == 100
    assert window(model("a", context=100), Health()) == 100


@pytest.mark.parametrize(
    ("context", "max_output", "expected"),
    [(149, None, True), (150, None, False), (120, 20, False), (119, 20, True)],
)
def test_a_request_may_be_too_large_by_the_high_estimate(
    context: int, max_output: int | None, expected: bool
) -> None:
    m = model("a", context=context, max_output=max_output)

    assert tight(m, Need(prompt_tokens=100, output_tokens=50), None) is expected
    assert not tight(model("a", context=1, listed=False), Need(prompt_tokens=100), None)


@pytest.mark.parametrize(
    ("word", "lacks", "expected"),
    [
        ("text", "", True),
        ("streaming", "", True),
        ("vision", "", True),
        ("vision", "image", False),
        ("audio", "", False),
        ("tools", "", True),
        ("tools", "tools", False),
        ("reasoning", "", False),
        ("json", "", False),
    ],
)
def test_whether_a_model_has_what_a_word_means(word: str, lacks: str, expected: bool) -> None:
    m = model("a", inputs=frozenset({"text", "image"}), parameters=frozenset({"tools"}))

    assert has(m, word, frozenset(lacks.split())) is expected


def test_the_owners_own_opinion_of_a_model_replaces_the_prior() -> None:
    policy = Policy(quality={"a": 9.0})

    assert (quality_of(A, policy), quality_of(B, policy), quality_of(A, Policy())) == (
        9.0,
        5.0,
        5.0,
    )


def test_what_of_a_policy_and_a_need_decides_fitness() -> None:
    assert Policy(quality={"a": 9.0}).kind != Policy().kind
    assert Need(tools=True).kind != Need().kind
    assert Need(prompt_tokens=9).kind == Need().kind


# -- names of providers that are not there -------------------------------------------------------


def test_a_name_of_a_provider_that_is_not_there_is_not_openrouters() -> None:
    gateway = {"openrouter": account("openrouter", free="suffix"), "two": ACCOUNTS["two"]}
    listed = model("gpt:20b", "two")

    assert find_named("groq:able", Catalogue(), gateway) is None
    assert find_named("gpt:20b", Catalogue.of([listed], NOW), gateway) is listed
    assert find_named("two:models/x", Catalogue(), gateway) == find_named(
        "two:x", Catalogue(), gateway
    )


@pytest.mark.parametrize("facts", [{"needs_proof": True}, {"paid": ("X",)}])
def test_a_name_is_not_believed_to_be_free_where_a_rule_needs_proof(facts: dict[str, Any]) -> None:
    careful = {"two": dataclasses.replace(ACCOUNTS["two"], **facts)}
    named = find_named("two:x", Catalogue(), careful)

    assert named is not None
    assert not named.free


# -- pictures of earlier turns --------------------------------------------------------------------

EYES = frozenset({"text", "image"})


def test_models_that_see_come_first_where_a_tool_showed_a_picture() -> None:
    """The others still may answer: they are told in words (Stack-Cairn/LiveAgent#729)."""
    blind, seeing = model("a", context=900_000), model("b", inputs=EYES)
    need = Need(older_inputs=frozenset({"image"}))

    assert chosen(blind, seeing, need=need).ranked == [seeing, blind]
    assert chosen(blind, seeing).ranked == [blind, seeing]
    assert chosen(blind, need=need).ranked == [blind]


def test_a_model_that_turned_out_blind_comes_after_those_that_see() -> None:
    first, second = model("a", inputs=EYES, context=900_000), model("b", inputs=EYES)
    book = HealthBook()
    book.models[first.identity] = Health(lacks=frozenset({"image"}), lacks_since=NOW)
    need = Need(older_inputs=frozenset({"image"}))

    assert chosen(first, second, need=need, book=book).ranked == [second, first]


def test_an_unlisted_model_is_believed_to_see_until_it_refuses() -> None:
    named = model("x", listed=False)
    image = Need(inputs=frozenset({"image"}))
    blind = Health(lacks=frozenset({"image"}), lacks_since=NOW)

    assert fit(named, image, Policy(), None, NOW, named=True) is None
    assert fit(named, image, Policy(), blind, NOW, named=True) == "takes no image"
