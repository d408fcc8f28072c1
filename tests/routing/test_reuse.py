"""Which answers are kept, in which form, and when one may be used again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freerouter_core.catalogue.model import Model
from freerouter_core.catalogue.providers import Account
from freerouter_core.errors import BadSetting
from freerouter_core.routing.answer_cache import WEEK, AnswerCache
from freerouter_core.routing.journal import Journal
from freerouter_core.routing.plan import Cached, Outcome
from freerouter_core.routing.resume import Seam
from freerouter_core.routing.reuse import (
    StoredAnswer,
    mark_of_sources,
    replayed,
    slots,
    source_of,
    stored,
    usable,
)
from freerouter_core.routing.ruling import Flag
from freerouter_core.routing.steps import Attempt, Done, Send
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.fault import Cause, Fault, Kind
from freerouter_core.wire.request import ChatRequest
from freerouter_core.wire.tool_calls import InvalidToolCall, ToolCall

ACCOUNT = Account("openrouter", "https://example.org/v1", "sk-secret-of-mine")
FREE = Model("acme/a:free", free=True)
GOOD = Answer("hello", finish_reason="stop", model="acme/a:free", usage={"prompt_tokens": 3})
CALL = ToolCall("c1", "look", '{"at": "sky"}')
NOW = 1_800_000_000.0


SEAM = Seam(
    4,
    Attempt(number=1, model=FREE, account=ACCOUNT, soft_timeout=1.0, stall_timeout=1.0),
    Fault(Kind.BUSY, Cause.CUT),
)


def outcome(answer: Answer = GOOD, **changes: Any) -> Outcome:
    account, model = changes.pop("account", ACCOUNT), changes.pop("model", FREE)
    attempt = Attempt(number=1, model=model, account=account, soft_timeout=1.0, stall_timeout=1.0)
    return Outcome(answer=answer, attempt=attempt, journal=Journal(started=NOW), **changes)


@pytest.mark.parametrize(
    "good",
    [
        outcome(),
        outcome(GOOD.with_(text="", tool_calls=(CALL,), finish_reason="tool_calls")),
        outcome(GOOD.with_(finish_reason="function_call")),
        outcome(GOOD.with_(usage={"cost": 0})),
        outcome(GOOD.with_(usage={"cost": 1.0}), account=replace(ACCOUNT, notional_costs=True)),
    ],
)
def test_a_good_answer_is_kept(good: Outcome) -> None:
    kept = stored(good, NOW)
    assert kept is not None
    assert StoredAnswer.decode(kept.encode()) == kept
    assert kept.source == source_of(good.attempt.account)


@pytest.mark.parametrize(
    "bad",
    [
        outcome(GOOD.with_(finish_reason="length")),
        outcome(GOOD.with_(finish_reason=None)),
        outcome(GOOD.with_(complete=False)),
        outcome(GOOD.with_(error={"message": "no"})),
        outcome(GOOD.with_(refusal="no")),
        outcome(GOOD.with_(invalid_calls=(InvalidToolCall("c", "look", "{", "cut"),))),
        outcome(GOOD.with_(text=" ")),
        outcome(GOOD.with_(usage={"cost": 0.01})),
        outcome(model=replace(FREE, free=False)),
        outcome(seams=(SEAM,)),
        outcome(flags=(Flag("guard", "hm"),)),
        outcome(aside="call 112"),
        outcome(cached=Cached(3.0)),
        outcome(GOOD.with_(text="your key is sk-secret-of-mine")),
        outcome(GOOD.with_(text="use sk-or-v1-0123456789abcdef")),
    ],
)
def test_what_is_flawed_cut_flagged_continued_charged_or_secret_is_not(bad: Outcome) -> None:
    assert stored(bad, NOW) is None


def test_what_the_journal_had_to_redact_is_not_kept() -> None:
    for text, kept in (("hello", True), ("your key is sk-secret-of-mine", False)):
        judged = outcome(GOOD.with_(text=text))
        done = Done(NOW, 1, judged.answer)
        judged.journal.add(NOW, Send(judged.attempt))
        judged.journal.add_end(done, judged.attempt)
        judged.journal.add(NOW, Done(NOW, 2, Answer("of another attempt")))
        assert (stored(judged, NOW) is not None) == kept


def test_where_an_answer_comes_from_is_told_without_the_key() -> None:
    assert source_of(ACCOUNT) == source_of(replace(ACCOUNT, key="other"))
    assert "secret" not in source_of(ACCOUNT)
    assert source_of(ACCOUNT) != source_of(replace(ACCOUNT, simulated=True))
    assert source_of(ACCOUNT) != source_of(replace(ACCOUNT, base_url="https://else.org/v1"))


def test_sources_have_one_mark_in_any_order() -> None:
    assert mark_of_sources({"a", "b"}) == mark_of_sources(["b", "a"])
    assert mark_of_sources({"a", "b"}) != mark_of_sources({"ab"})


def test_every_part_of_an_answer_is_kept() -> None:
    full = GOOD.with_(
        reasoning="hm",
        reasoning_details=({"type": "reasoning.text", "text": "hm"},),
        tool_calls=(CALL,),
        native_finish_reason="STOP",
        upstream="Acme",
        id="gen-1",
        annotations=({"a": 1},),
        images=({"b": 1},),
        audio={"id": "x"},
        logprobs={"content": []},
        simulated=True,
    )
    kept = StoredAnswer(full, "acme/a:free", "here", NOW)
    assert StoredAnswer.decode(kept.encode()) == kept
    given = {name for name in Answer.__dataclass_fields__ if getattr(full, name)}
    assert Answer.__dataclass_fields__.keys() - given == {
        "invalid_calls", "refusal", "error", "vectors", "ranking"
    }  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"null", b"[]", b"3", b'{"at": 1}', b"\xff\xfe",
        b'{"at": "x", "by": "m", "from": "s"}',
        b'{"at": 1, "by": "m", "from": "s", "calls": 3}',
        b'{"at": 1, "by": "m", "from": "s", "calls": [["one"]]}',
    ],
)  # fmt: skip
def test_what_nobody_of_ours_wrote_is_not_read(data: bytes) -> None:
    assert StoredAnswer.decode(data) is None


def test_fields_of_other_types_are_left_out() -> None:
    form = {"at": 1, "by": "m", "from": "s", "text": 3, "usage": [], "images": {"a": 1}}
    assert StoredAnswer.decode(json.dumps(form).encode()) == StoredAnswer(Answer(), "m", "s", 1.0)


@given(st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["at", "by", "from", "text", "calls", "usage"]), inner, max_size=6
    ),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_whatever_a_store_holds_nothing_is_raised(data: bytes) -> None:
    kept = StoredAnswer.decode(data)
    assert kept is None or isinstance(kept.answer.text, str)


def test_an_answer_serves_until_it_is_too_old_and_only_from_where_one_may_ask() -> None:
    kept = StoredAnswer(GOOD, "acme/a:free", "here", NOW)
    assert usable(kept, {"here"}, NOW + 10, 10)
    assert usable(kept, {"here"}, NOW + 1e9, None)
    assert not usable(kept, {"here"}, NOW + 11, 10)
    assert not usable(kept, {"there"}, NOW, None)


def test_only_requests_that_sample_have_variants() -> None:
    hi = ChatRequest.of("hi")
    assert slots("k", hi, 1) == ("k",)
    assert slots("k", hi, 3) == ("k", "k.1", "k.2")
    assert slots("k", hi.but(parameters={"temperature": 0.0}), 3) == ("k",)
    assert slots("k", hi.but(extra_body={"temperature": 0}), 3) == ("k",)


def test_a_kept_answer_is_shown_in_pieces() -> None:
    answer = GOOD.with_(text="x" * 450, reasoning="y" * 201, tool_calls=(CALL,))
    whole = replayed(answer, fragments=False)
    assert [(len(d.reasoning), len(d.text), len(d.tool_calls)) for d in whole] == [
        (200, 0, 0), (1, 0, 0), (0, 200, 0), (0, 200, 0), (0, 50, 0), (0, 0, 1),
    ]  # fmt: skip
    *_, last = replayed(answer, fragments=True)
    (piece,) = last.fragments
    assert (piece.index, piece.id, piece.name, piece.arguments) == (0, "c1", "look", CALL.arguments)
    assert replayed(Answer(), fragments=True) == []


# -- the option ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "cache"),
    [
        (None, None),
        (False, None),
        ("", None),
        (True, AnswerCache()),
        (" True ", AnswerCache()),
        ("memory", AnswerCache(store="memory")),
        ("off", AnswerCache(store="off")),
        ("no", AnswerCache(store="off")),
        ("redis://h/0", AnswerCache(store="redis://h/0")),
        ({"ttl": "1h", "namespace": "a"}, AnswerCache(ttl=3600, namespace="a")),
        (AnswerCache(variants=2), AnswerCache(variants=2)),
    ],
)
def test_what_an_option_means(value: object, cache: AnswerCache | None) -> None:
    assert AnswerCache.of(value) == cache


@pytest.mark.parametrize(
    "value",
    [
        3, [], "nowhere", {"tll": 3}, {"ttl": 0}, {"ttl": "soon"}, {"ttl": True},
        {"max_bytes": 0}, {"max_bytes": "x"}, {"variants": 0}, {"variants": 101},
        {"variants": "x"}, {"namespace": 3}, {"store": 3},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(value: object) -> None:
    with pytest.raises(BadSetting):
        AnswerCache.of(value)


def test_a_time_to_live_is_seconds_in_any_words() -> None:
    assert AnswerCache().ttl == WEEK
    ttl: Any
    for ttl in (timedelta(hours=1), "1h", 3600, 3600.0, "3600"):
        assert AnswerCache(ttl=ttl).ttl == 3600
    assert AnswerCache(ttl=None).ttl is None
    assert AnswerCache(ttl=float("inf")).ttl is None


def test_an_answer_cache_shows_no_password_and_says_whether_it_is_on() -> None:
    cache = AnswerCache(store="redis://:hunter22@host/0")
    assert "hunter22" not in repr(cache)
    assert "memory" in repr(AnswerCache(store="memory"))
    assert cache.is_on
    assert not AnswerCache(store="off").is_on
    with pytest.raises(BadSetting) as caught:
        AnswerCache(store="mysql://:hunter22@host/0")
    assert "hunter22" not in str(caught.value)
