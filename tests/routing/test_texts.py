"""Requests about texts in the engine's decisions: who fits, how much one takes, what counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from freerouter_core.catalogue.limit import Limit
from freerouter_core.catalogue.model import Catalogue, Model
from freerouter_core.catalogue.providers import Account
from freerouter_core.catalogue.serving import Serving, Space
from freerouter_core.routing.charges import Charge, Grant, charges_of, is_budget, of_texts
from freerouter_core.routing.fit import fit
from freerouter_core.routing.health_book import HealthBook
from freerouter_core.routing.limits import changes, reserve
from freerouter_core.routing.need import Need
from freerouter_core.routing.policy import Policy
from freerouter_core.routing.selection import select
from freerouter_core.routing.situation import Situation
from freerouter_core.routing.texts_need import need_of_texts
from freerouter_core.routing.window import Window
from freerouter_core.wire.embeddings import EmbedRequest
from freerouter_core.wire.rerank import RerankRequest

from .driver import NOW

SPACE = Space(family="tiny", dimension=2)
ACCOUNT = Account("acme", "https://acme.test", "k", limits=(Limit(9),))


def embedder(name: str = "tiny", **fields: Any) -> Model:
    serving = fields.pop("serving", Serving(space=SPACE, batch=2))
    return Model(
        f"acme:{name}", "acme", name, origin=ACCOUNT.address, free=True, chat=False,
        mode="embedding", serving=serving, **fields,
    )  # fmt: skip


def need(*texts: str) -> Need:
    return need_of_texts(EmbedRequest(texts or ("a" * 35,) * 5, SPACE))


def test_the_need_of_texts_is_read_off_the_request() -> None:
    embeds, ranks = need(), need_of_texts(RerankRequest("q", ["a", "b"]))

    assert (embeds.mode, embeds.way, embeds.calls, embeds.prompt_tokens) == (
        "embedding", "embedding", 5, 55,
    )  # fmt: skip
    assert (ranks.mode, ranks.way, ranks.space) == ("rerank", "rerank", None)
    assert Need().calls == 1
    assert embeds.kind != Need().kind


def test_one_request_asks_a_model_for_as_many_texts_as_it_takes() -> None:
    part = need().part_for(embedder())

    assert (part.calls, part.prompt_tokens) == (2, 22)
    assert need().part_for(embedder(serving=Serving(space=SPACE))) == need()
    assert need().part_for(Model("a/chat:free")) == need()
    assert Need().part_for(embedder()) == Need()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (embedder(), None),
        (embedder(serving=Serving(space=replace(SPACE, revision="2"))), "another space"),
        (embedder(serving=Serving()), "another space"),
        (Model("a/chat:free", free=True), "no embedding model"),
        (replace(embedder(), serving=None), "no embedding model"),
        (replace(embedder(), free=False), "not free"),
        (embedder(context=10), "context of 10 tokens"),
        (embedder(context=10, serving=Serving(space=SPACE, cuts=False)), None),
        (embedder(context=5, serving=Serving(space=SPACE, cuts=False)), "context of 5 tokens"),
    ],
)
def test_only_models_of_the_space_fit_and_texts_must_surely_fit_where_they_may_be_cut(
    model: Model, words: str | None
) -> None:
    reason = fit(model, need(), Policy(), None, NOW, named=False)

    assert (reason is None) is (words is None)
    assert words is None or words in str(reason)


def test_what_costs_too_much_or_nobody_knows_what_is_not_asked_for_texts() -> None:
    def reason(price: float, ceiling: float | None) -> str | None:
        policy = Policy(allow_paid=True, max_cost_per_token=ceiling)
        model = replace(embedder(), free=False, prompt_price=price)
        return fit(model, need(), policy, None, NOW, named=False)

    assert reason(1e-6, None) is reason(1e-6, 1e-6) is reason(-1.0, None) is None
    assert "costs more" in str(reason(1e-6, 1e-7))
    assert "no known price" in str(reason(-1.0, 1e-6))


def test_a_reranker_needs_no_space() -> None:
    ranker = replace(embedder(), mode="rerank", serving=Serving())

    assert (
        fit(ranker, need_of_texts(RerankRequest("q", ["a"])), Policy(), None, NOW, named=False)
        is None
    )


def test_chat_models_are_no_candidates_for_texts_nor_embedders_for_chats() -> None:
    models = [embedder(), Model("acme:chat", "acme", "chat", origin=ACCOUNT.address, free=True)]
    accounts = {"acme": ACCOUNT}

    def chosen(asked: Need) -> list[str]:
        situation = Situation(need=asked, policy=Policy(), book=HealthBook(), now=NOW)
        return [m.id for m in select(Catalogue.of(models, NOW), accounts, situation).ranked]

    assert chosen(need()) == ["acme:tiny"]
    assert chosen(need("a" * 9_000)) == ["acme:tiny"]
    assert chosen(Need()) == ["acme:chat"]


# -- limits ----------------------------------------------------------------------------------------


def test_a_models_own_limits_replace_the_accounts() -> None:
    own = (Limit(5, counts="texts"),)

    assert [c.limit for c in charges_of(ACCOUNT, embedder())] == [Limit(9)]
    assert [c.limit for c in charges_of(ACCOUNT, embedder(serving=Serving(limits=own)))] == [*own]
    assert charges_of(ACCOUNT, embedder(serving=Serving(limits=()))) == ()


def test_a_limit_that_counts_texts_takes_one_share_for_each() -> None:
    limits = (Limit(5, counts="texts"), Limit(5), Limit(tokens=500))
    plain = tuple(Charge("s", limit) for limit in limits)
    charges = of_texts(plain, 3)
    windows: dict[str, Window] = {}

    def window(charge: Charge) -> Window:
        return windows.setdefault(charge.window, Window())

    first = reserve(window, charges, 1, NOW, 60)
    second = reserve(window, charges, 2, NOW, 60)

    assert isinstance(first, Grant)
    assert not isinstance(second, Grant)
    assert sorted(w.used for w in windows.values()) == [1, 3, 60]
    assert of_texts(plain, 1) is plain
    assert len({c.window for c in charges}) == 3
    # What was sent stays spent; a dollar budget alone is corrected by the cost.
    assert changes(first, sent=True, tokens=50, cost=0.1) == {charges[2]: 50}
    assert changes(first, sent=False, tokens=None) == dict.fromkeys(charges)
    assert not is_budget(charges[0])


def test_the_times_of_texts_teach_nothing_about_chats() -> None:
    book = HealthBook()
    before = book.pool.first_token
    book.answered(
        embedder().identity, NOW, first_token=None, seconds=0.1, tokens=0, way="embedding"
    )

    assert book.pool.first_token == before
    assert book.of(embedder().identity).first_token < before
