"""`Router.embed`: one space for ever, through failing providers, limits, kills and a record."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from freerouter_core import Limit, Provider, Router, errors
from freerouter_core.client.embedding.embedded import Embedded
from freerouter_core.client.embedding.fewer_texts import fewer_texts
from freerouter_core.errors import BadRequest, BadSetting, ContextTooLong, Exhausted, NoCandidates
from freerouter_core.runtime.space_records import FILE, KNOWN_TEXT
from freerouter_core.simulator import FAULTS, SimAccount, SimModel, World

from ..embedding_worlds import DIMENSION, Several, embedder, of_space, several

TEXTS = [f"chunk {n} is about topic {n % 7}" for n in range(120)]


def both(script: list[str | None] | None = None, **fields: Any) -> dict[str, SimModel]:
    """Two providers of one space. The first meets faults."""
    return {"alpha": embedder(script=script or (), **fields), "beta": embedder()}


# -- batches ---------------------------------------------------------------------------------------


def test_texts_are_cut_to_what_the_provider_takes_and_come_back_in_order() -> None:
    with several({"alpha": embedder()}) as world:
        embedded = world.router().embed(TEXTS)

        assert of_space(embedded.vectors, TEXTS)
        assert (embedded.model, embedded.dimension) == ("tiny-embed", DIMENSION)
        assert embedded.requests == 2
        assert max(len(seen.body["input"]) for seen in world.worlds["alpha"].requests) == 64
        assert embedded.providers == {"alpha": 120}
        assert embedded.tokens > 0
        assert len(embedded) == 120
        assert embedded[0] == embedded.tolist()[0] == next(iter(embedded))
        assert embedded[:2] == embedded.tolist()[:2]
        assert isinstance(embedded[0][0], float)


def test_tokens_are_those_of_the_texts() -> None:
    """The first request also has the known text in it, which is longer; the second has not."""
    with several({"alpha": embedder()}) as world:
        counted = [world.router().embed([text]).tokens for text in ("a lamp", "a ship")]

        assert [len(seen.body["input"]) for seen in world.worlds["alpha"].requests] == [2, 1]
        assert counted[0] == counted[1] > 0


def test_a_provider_that_takes_fewer_texts_than_usual_is_asked_for_fewer() -> None:
    """No list tells it; its refusal does."""
    with several({"alpha": embedder(batch=20)}) as world:
        embedded = world.router().embed(TEXTS)

        assert of_space(embedded.vectors, TEXTS)
        assert embedded.cached == 0
        assert len(world.worlds["alpha"].requests) == 1 + 7
        assert world.router().embed(TEXTS[:50]).cached == 50


@pytest.mark.parametrize(
    ("message", "most", "fewer"),
    [
        ("at most 20 texts can be in one batch", 63, 19),
        ("batch size 64 > maximum allowed batch size 32", 63, 31),
        ("batch size is invalid, it should not be larger than 10.: input.contents", 24, 9),
        ("Too many inputs in request, split into more batches.", 63, 31),
        ("Too many tokens in batch. Max is 16384 got 17555", 63, 31),
        ("Too many inputs in request, split into more batches.", 1, None),
        ("at most 100 requests can be in one batch", 127, 99),
        ("The batch size limit is 1,000. Your batch size is 1200.", 1_199, 999),
        ("total number of texts must be at most 96 - received 100", 99, 95),
        ("Too many inputs. The max number of inputs is 16. See linkid=2213926.", 63, 15),
        ("250 instance(s) is allowed per prediction. Actual: 300", 299, 249),
        ("Expected an array with maximum length 512, but got length 700", 699, 511),
        ("input batch size 64 > maximum allowed batch size 32 (code 20)", 63, 31),
        ("at most 500 texts", 999, 499),
        ("HTTP 413: the batch is too large", 999, 499),
        ("status 400, too many inputs", 999, 499),
        ("rate limit 429 of the batch", 999, 499),
        ("limit exceeded on 2026-11-30 at 12:40: too many texts", 2_047, 1_023),
        ("http://10.0.0.20:80/embed: too many items", 127, 63),
        ("request 77 (id 1c-33-9): too many documents", 127, 63),
        ("texts of at most 512 tokens, 50 % of the input, limit 60 requests a minute", 999, 499),
        ("model v2.10: items limit 9 MB", 127, 63),
        ("unknown field dimensions", 63, None),
    ],
)
def test_a_refusal_tells_how_many_texts_to_send(message: str, most: int, fewer: int | None) -> None:
    assert fewer_texts(message, most) == fewer


def test_no_texts_cost_nothing() -> None:
    with several({"alpha": embedder()}) as world:
        assert len(world.router().embed([])) == 0
        assert not world.worlds["alpha"].requests


def test_equal_texts_are_asked_for_once() -> None:
    with several({"alpha": embedder()}) as world:
        embedded = world.router().embed(["one", "two", "one"])

        assert of_space(embedded.vectors, ["one", "two", "one"])
        assert world.texts_sent("alpha").count("one") == 1


def test_vectors_are_kept_so_that_unchanged_texts_cost_nothing() -> None:
    with several({"alpha": embedder()}) as world:
        router = world.router()
        router.embed(TEXTS)
        asked = len(world.worlds["alpha"].requests)
        again = router.embed([*TEXTS[:50], "new"])

        assert (again.cached, again.requests) == (50, 1)
        assert len(world.worlds["alpha"].requests) == asked + 1
        assert of_space(again.vectors, [*TEXTS[:50], "new"])


async def test_it_works_from_an_event_loop() -> None:
    with several({"alpha": embedder()}) as world:
        router = world.router()
        first, second = await asyncio.gather(router.aembed(TEXTS[:9]), router.aembed(TEXTS[9:30]))

        assert of_space([*first.vectors, *second.vectors], TEXTS[:30])


# -- failing providers -----------------------------------------------------------------------------

WRONG = [name for name in FAULTS if name.startswith("vectors-")]


@pytest.mark.parametrize(
    "fault", [*WRONG, "429-upstream", "empty", "not-json", "hang", "cut", "500", "401", "404-gone"]
)
def test_whatever_fails_only_the_rest_is_asked_of_another_provider(fault: str) -> None:
    """No vector of a wrong answer is used, by content."""
    with several(both([None, fault])) as world:
        router = world.router(max_retries=None)
        embedded = router.embed(TEXTS)
        failed = [attempt for attempt in embedded.attempts if attempt["fault"]]

        assert of_space(embedded.vectors, TEXTS)
        assert bool(failed) is (fault != "vectors-half")
        assert embedded.providers["alpha"] >= 32


def test_a_provider_that_serves_another_model_by_the_same_name_is_out_and_told() -> None:
    liar = embedder(space="another", first_token=0.01)
    with several({"alpha": embedder(), "beta": liar}) as world:
        router = world.router("alpha")
        router.embed(TEXTS[:10])
        world.worlds["alpha"].models["acme/tiny-embed"].script = ["502"] * 3
        later = world.router("alpha", "beta")
        embedded = later.embed(TEXTS)
        told = [attempt for attempt in embedded.attempts if attempt["provider"] == "beta"]

        assert of_space(embedded.vectors, TEXTS)
        assert told
        assert {attempt["fault"] for attempt in told} == {"gone"}
        assert world.texts_sent("beta")[0] == KNOWN_TEXT
        asked = len(world.worlds["beta"].requests)
        later.embed([f"{text} again" for text in TEXTS])
        assert len(world.worlds["beta"].requests) == asked


def test_a_provider_that_changes_its_model_on_the_way_is_caught() -> None:
    with several(both([None, None, "vectors-other"])) as world:
        embedded = world.router("alpha", "beta").embed([f"text {n}" for n in range(400)])

        assert of_space(embedded.vectors, [f"text {n}" for n in range(400)])


def test_with_nobody_left_the_error_lists_every_refusal() -> None:
    with several({"alpha": embedder(script=["vectors-nan"] * 9)}) as world:
        with pytest.raises(errors.FreeRouterError) as caught:
            world.router(timeout=20.0).embed(TEXTS[:5])

        assert "no-vectors" in str(caught.value) or "NaN" in str(caught.value)


@pytest.mark.parametrize(("failures", "asked"), [(9, None), (99, 60)])
def test_a_long_job_outlives_a_bad_minute_of_its_only_provider(
    failures: int, asked: int | None
) -> None:
    """An indexing run must not stop at its first bad gateway, nor ask a dead provider for long."""
    texts = [f"text {n}" for n in range(200)]
    with several({"alpha": embedder(script=[None, *["502"] * failures])}) as world:
        router, alpha = world.router(), world.worlds["alpha"]
        if asked is None:
            assert of_space(router.embed(texts).vectors, texts)
        else:
            with pytest.raises(Exhausted, match="embedded and kept"):
                router.embed(texts)
            assert len(alpha.requests) < asked
            assert alpha.elapsed < 330.0


def test_a_limit_that_nobody_told_does_not_end_a_job() -> None:
    """One request a minute, which only refusals tell."""
    texts = [f"text {n}" for n in range(400)]
    account = SimAccount("k", per_minute=1)
    with several({"alpha": embedder()}, {"alpha": account}, dialect="gemini") as world:
        provider = Provider("alpha", "https://alpha.test/v1", "k", limits=[])
        router = Router(providers=[provider], runtime=world.runtime)

        assert of_space(router.embed(texts).vectors, texts)
        assert world.worlds["alpha"].elapsed < 900.0


def test_somebody_who_searches_is_told_within_the_timeout() -> None:
    with several({"alpha": embedder(script=[None, *["502"] * 99])}) as world:
        router = world.router(timeout=10.0)
        router.embed(["indexed"])
        with pytest.raises(Exhausted):
            router.embed(["one"], kind="query")
        assert world.worlds["alpha"].elapsed < 11.0


def test_what_is_done_is_kept_when_the_rest_fails() -> None:
    with several({"alpha": embedder(script=[None, *["401"] * 9])}) as world:
        with pytest.raises(errors.FreeRouterError):
            world.router().embed(TEXTS)
        world.worlds["alpha"].models["acme/tiny-embed"].script = ()
        world.runtime.state.health.reset()
        again = world.router().embed(TEXTS)

        assert again.cached == 63
        assert of_space(again.vectors, TEXTS)


# -- texts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("texts", ["one text", ["a", ""], ["a", "  "], ["a", None], 5])
def test_texts_that_are_none_are_refused_before_anything_is_sent(texts: Any) -> None:
    with several({"alpha": embedder()}) as world:
        with pytest.raises(BadRequest) as caught:
            world.router().embed(texts)

        assert caught.value.hint
        assert not world.worlds["alpha"].requests


def test_a_text_that_is_too_long_is_refused_or_split_where_that_is_asked_for() -> None:
    long = "A sentence about bridges and towers. " * 700
    with several({"alpha": embedder()}) as world:
        router = world.router()
        with pytest.raises(ContextTooLong, match=r"texts\[1\]") as caught:
            router.embed(["short", long])
        embedded = router.embed(["short", long, "x" * 9_000], long="split")

        assert "split" in str(caught.value.hint)
        assert of_space(embedded.vectors[:1], ["short"])
        assert sum(n * n for n in embedded[1]) == pytest.approx(1.0, abs=1e-4)
        assert not any(seen.problem for seen in world.worlds["alpha"].requests)


# -- the space -------------------------------------------------------------------------------------


def test_auto_takes_the_space_of_the_most_usable_providers_and_says_why() -> None:
    models: dict[str, Any] = {
        "alpha": embedder("acme/lonely-embed"),
        "beta": [embedder(), embedder("acme/lonely-two-embed")],
        "gamma": embedder(),
    }
    with several(models) as world:
        embedded = world.router().embed(TEXTS[:3])

        assert embedded.model == "tiny-embed"
        assert embedded.why == "2 usable providers: beta, gamma"


def test_the_next_call_keeps_to_the_record_although_others_serve_more_now(tmp_path: Path) -> None:
    with several(
        {"alpha": embedder("acme/first-embed"), "beta": embedder(), "gamma": embedder()}
    ) as w:
        assert w.router("alpha").embed(TEXTS[:3], pin=tmp_path).model == "first-embed"
        assert w.router().embed(TEXTS[3:6], pin=tmp_path).model == "first-embed"
        assert w.router().embed(TEXTS[:3], pin=tmp_path / "other.json").model == "tiny-embed"
        record = json.loads((tmp_path / FILE).read_text())
        assert record["space"]["family"] == "first-embed"
        assert record["by"] == "alpha:acme/first-embed"

        with pytest.raises(BadRequest, match="the index is of first-embed") as caught:
            w.router().embed(["x"], pin=tmp_path, model="tiny-embed")
        assert "pin=" in str(caught.value.hint)
        with pytest.raises(BadRequest, match="first-embed/7"):
            w.router().embed(["x"], pin=tmp_path, dimensions=7)
        with pytest.raises(NoCandidates, match="another space"):
            w.router("beta").embed(["x"], pin=tmp_path)


def test_another_process_reads_the_record_and_the_kept_vectors(tmp_path: Path) -> None:
    state = f"sqlite:///{tmp_path}/state.db"
    with several(both(), state=state) as first:
        one = first.router("alpha").embed(TEXTS)
    with several(both(), state=state) as second:
        two = second.router("beta").embed([*TEXTS, "one more"])

        assert (two.cached, two.providers) == (120, {"beta": 1})
        assert two.vectors[:120] == one.vectors
        assert second.texts_sent("beta")[0] == KNOWN_TEXT
    assert (tmp_path / FILE).exists()


@pytest.mark.parametrize("content", ["", "[]", '{"format": 1}', '{"format": 7}', "not json"])
def test_a_record_that_is_none_is_no_invitation_to_mix_spaces(tmp_path: Path, content: str) -> None:
    (tmp_path / "record.json").write_text(content)
    with several({"alpha": embedder()}) as world:
        with pytest.raises(BadSetting, match="no record of a vector space"):
            world.router().embed(["x"], pin=tmp_path / "record.json")
        assert (tmp_path / "record.json").read_text() == content


def test_a_record_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    pin = tmp_path / "file" / "record.json"
    with (
        several({"alpha": embedder()}) as world,
        pytest.raises(BadSetting, match="cannot be written"),
    ):
        world.router().embed(["x"], pin=pin)


def test_without_a_provider_that_embeds_the_error_says_what_to_do() -> None:
    with World([SimModel("a/chat:free")]) as world:
        with pytest.raises(NoCandidates) as caught:
            world.router().embed(["x"])
        assert "providers" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["tiny-embed", "acme/tiny-embed", "beta:acme/tiny-embed"])
def test_a_space_or_a_model_may_be_named(name: str) -> None:
    with several({"alpha": embedder(first_token=0.01), "beta": embedder()}) as world:
        embedded = world.router().embed(["one", "two"], model=name)

        assert of_space(embedded.vectors, ["one", "two"])
        if name.startswith("beta:"):
            assert embedded.providers == {"beta": 2}


def test_a_model_that_no_list_has_is_believed_where_it_is_named() -> None:
    with several({"alpha": [embedder("acme/odd"), SimModel("chat")]}) as world:
        assert of_space(world.router().embed(["x"], model="alpha:acme/odd").vectors, ["x"], "odd")


def test_what_costs_is_asked_only_where_that_is_allowed() -> None:
    paid = embedder("acme/tiny-embed", prompt_price="0.00001")
    with World([paid, SimModel("a/chat:free")]) as world:
        with pytest.raises(NoCandidates):
            world.router().embed(["x"])
        with pytest.raises(NoCandidates):
            world.router().embed(["x"], model="tiny-embed")
        assert not world.requests
        assert len(world.router(allow_paid=True).embed(["x"])) == 1


# -- queries and documents -------------------------------------------------------------------------


def test_queries_and_documents_have_the_prefixes_of_the_space() -> None:
    nomic = {"alpha": embedder("nomic-embed-text"), "beta": embedder("nomic-embed-text:latest")}
    with several(nomic) as world:
        world.worlds["alpha"].models["nomic-embed-text"].dimension = 768
        router = world.router("alpha")
        router.embed(["a bridge"], kind="query")
        router.embed(["a bridge"])
        sent = world.texts_sent("alpha")

        assert "search_query: a bridge" in sent
        assert "search_document: a bridge" in sent
        assert sent[0] == f"search_document: {KNOWN_TEXT}"
        assert sent[1:3] == [f"search_query: {KNOWN_TEXT}", "search_query: a bridge"]


def test_a_lone_query_carries_the_known_text_only_while_a_provider_is_unproved() -> None:
    with several(both()) as world:
        router = world.router("alpha")
        for text in ("one", "two", "three"):
            router.embed([text], kind="query")

        assert [len(seen.body["input"]) for seen in world.worlds["alpha"].requests] == [2, 1, 1]


# -- limits ----------------------------------------------------------------------------------------


def gemini(world: Several, **options: Any) -> Router:
    """Gemini with the limits of its row: each text counts."""
    provider = Provider("gemini", "https://gemini.test/v1", "k")
    return Router(providers=[provider], runtime=world.runtime, **options)


def test_a_limit_that_counts_texts_is_kept_without_one_refusal() -> None:
    texts = [f"text {n}" for n in range(350)]
    model = embedder("gemini-embedding-001", dimension=3_072, batch=100)
    account = SimAccount("k", per_minute=None, texts_per_minute=100, tokens_per_minute=30_000)
    with several({"gemini": model}, {"gemini": account}, dialect="gemini") as world:
        embedded = gemini(world).embed(texts, dimensions=768)
        fates = {seen.fate for seen in world.worlds["gemini"].requests}

        assert fates == {"answer"}
        assert embedded.model == "gemini-embedding-001/768"
        assert of_space(embedded.vectors, texts, "gemini-embedding-001", 768)
        assert 180.0 <= world.worlds["gemini"].elapsed < 260.0


def test_a_day_that_is_spent_is_waited_for_as_long_as_the_caller_wants() -> None:
    model = embedder()
    limits = [Limit(100, per=86_400.0, counts="texts")]
    with several({"alpha": model}) as world:
        provider = Provider("alpha", "https://alpha.test/v1", "k", limits=limits)
        short = Router(providers=[provider], runtime=world.runtime)
        with pytest.raises(Exhausted) as caught:
            short.embed([f"text {n}" for n in range(180)])
        assert "embedded and kept" in str(caught.value.hint)
        long = short.with_options(max_wait=200_000.0)
        embedded = long.embed([f"text {n}" for n in range(180)])

        assert embedded.cached > 0
        assert of_space(embedded.vectors, [f"text {n}" for n in range(180)])


def test_a_daily_cap_counts_calls_of_embeddings_too() -> None:
    with several({"alpha": embedder()}) as world:
        router = world.router(daily_cap=2, max_wait=5.0)
        router.embed(["a"])
        router.embed(["b"])
        with pytest.raises(Exhausted):
            router.embed(["c"])


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_ten_thousand_chunks_through_geminis_limits_with_kills_and_another_provider(
    tmp_path: Path,
) -> None:
    """1,000 texts a day. Four processes are killed, each with its own memory, over one state file.
    One that lies joins them, then an honest one. By content no vector of another space is in the
    index, no limit is met, and no text is embedded twice but those that were under way."""
    texts = [f"chunk {n}: {'word ' * (n % 9)}topic {n % 97}" for n in range(10_000)]
    account = SimAccount(
        "k", per_minute=None, texts_per_minute=100, texts_per_day=1_000, tokens_per_minute=30_000
    )
    models = {
        "gemini": embedder("gemini-embedding-001", dimension=128, batch=100),
        "liar": embedder("gemini-embedding-001", dimension=128, space="other", first_token=0.01),
        "beta": embedder("gemini-embedding-001", dimension=128, first_token=0.5),
    }
    sent: list[str] = []
    fates: set[str] = set()

    def life(start: float, names: list[str], kill: int | None) -> tuple[Embedded | None, float]:
        """(what one process got, when it ended). `kill`: after how many requests it is killed."""
        served = {name: models[name] for name in names}
        state = f"sqlite:///{tmp_path}/state.db"
        with several(
            served, {"gemini": account}, state=state, dialect="gemini", start=start
        ) as world:
            providers = [Provider(name, f"https://{name}.test/v1", "k") for name in names]
            router = Router(providers=providers, runtime=world.runtime, max_wait=20 * 86_400.0)

            async def live() -> Embedded | None:
                job = asyncio.ensure_future(router.aembed(texts, dimensions=128))
                while kill and len(world.worlds["gemini"].requests) < kill and not job.done():
                    await asyncio.sleep(0.001)
                if not kill:
                    return await job
                job.cancel()
                await asyncio.gather(job, return_exceptions=True)
                return None

            got = asyncio.run(live())
            for name in names:
                sent.extend(world.texts_sent(name))
            fates.update(seen.fate for seen in world.worlds["gemini"].requests)
            return got, world.clock.now()

    now = 1_800_000_000.0
    for kill, names in ((4, ["gemini"]), (9, ["gemini"]), (7, ["gemini", "liar"]), (5, ["gemini"])):
        _, now = life(now, names, kill)
    embedded, now = life(now, ["gemini", "liar", "beta"], None)
    fresh = len(sent) - sent.count(KNOWN_TEXT) - len(texts)

    assert embedded is not None
    assert of_space(embedded.vectors, texts, "gemini-embedding-001", 128)
    assert embedded.cached > 1_000
    assert "beta" in embedded.providers
    assert "liar" not in embedded.providers
    assert fates == {"answer"}
    assert fresh <= 4 * 4 * 100 + 3 * 64  # under way when killed, and what the liar was sent
