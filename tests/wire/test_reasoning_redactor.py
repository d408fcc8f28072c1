"""Keys out of reasoning, wherever it is cut. Text never waits."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freerouter_core.catalogue.providers import Account
from freerouter_core.wire.account_secrets import FEW, secrets_of
from freerouter_core.wire.delta import Delta
from freerouter_core.wire.message import ReasoningDetails
from freerouter_core.wire.reasoning_redactor import ReasoningRedactor
from freerouter_core.wire.redact import redact, redact_id
from freerouter_core.wire.tool_calls import ToolCallFragment

KEY = "no-known-Form-5ec7e7-271"
SHORT = "sesame"
ACCOUNT = Account("p", "https://h/v1", KEY, headers=(("x-pass", SHORT),))
FORMS = (
    KEY,
    KEY.upper(),
    KEY.encode().hex(),
    base64.b64encode(KEY.encode()).decode(),
    " ".join(KEY),
    "\n".join([KEY[:5], KEY[5:]]),
    "".join(f"\\u{ord(letter):04x}" for letter in KEY),
    KEY[:16],
    SHORT,
)
"""What is a secret as a whole."""


def cut(text: str, size: int) -> list[str]:
    return [text[n : n + size] for n in range(0, len(text), size)]


def shown(deltas: Iterable[Delta], account: Account = ACCOUNT) -> list[Delta]:
    redactor = ReasoningRedactor(account)
    return [*map(redactor.feed, deltas), redactor.feed(Delta(), last=True)]


def thoughts(deltas: Iterable[Delta], account: Account = ACCOUNT) -> str:
    return "".join(delta.reasoning for delta in shown(deltas, account))


def detail(text: str | None, kind: str = "text", **further: Any) -> Delta:
    key = "summary" if kind == "summary" else "text"
    return Delta(reasoning_details=({"type": f"reasoning.{kind}", key: text, **further},))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 40])
@pytest.mark.parametrize("form", FORMS)
def test_a_key_in_pieces_is_shown_as_little_as_a_whole_one(form: str, size: int) -> None:
    pieces = [Delta(reasoning=piece) for piece in cut(f"I was sent {form}! Odd.", size)]

    before, after = thoughts(pieces).split("[key]")
    letters = before.removeprefix("I was sent ").translate(dict.fromkeys(map(ord, " \\")))
    assert form.replace(" ", "").replace("\\", "").startswith(letters)
    assert len(letters) <= (0 if form is SHORT else FEW)
    assert after == "! Odd."


WORDS = ("no", "n", "-known", "the ", "se", "sam", "5ec7", " ", "\n", "e7-27", "6e6f", "[key]", "é")


def in_pieces(text: str, places: list[int]) -> list[str]:
    ends = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[begin:end] for begin, end in pairwise(ends)]


TEXTS = st.lists(st.sampled_from((*FORMS, *WORDS)), max_size=8).map("".join)
PLACES = st.lists(st.integers(0, 10_000), max_size=30)


@given(TEXTS, PLACES)
@settings(deadline=None, max_examples=500)
def test_however_reasoning_is_cut_no_key_is_shown(text: str, places: list[int]) -> None:
    told = thoughts(Delta(reasoning=piece) for piece in in_pieces(text, places))
    bare = told.lower().translate(dict.fromkeys(map(ord, " \n")))

    assert SHORT not in told
    for n in range(len(KEY) - 15):
        assert KEY[n : n + 16].lower() not in told.lower()
    for form in FORMS[:6]:
        assert form.lower().translate(dict.fromkeys(map(ord, " \n"))) not in bare


@given(TEXTS, PLACES, st.sets(st.integers(0, 30)))
@settings(deadline=None)
def test_text_is_left_as_it_is_and_does_not_wait(
    text: str, places: list[int], speaking: set[int]
) -> None:
    pieces = in_pieces(text, places)
    deltas = [
        Delta(piece) if n in speaking else Delta(reasoning=piece) for n, piece in enumerate(pieces)
    ]
    out = shown(deltas)

    assert [delta.text for delta in out[:-1]] == [delta.text for delta in deltas]
    assert KEY not in "".join(delta.reasoning for delta in out)


@given(TEXTS, PLACES)
@settings(deadline=None)
def test_only_what_may_become_a_key_waits(text: str, places: list[int]) -> None:
    redactor = ReasoningRedactor(ACCOUNT)
    came = ""
    for piece in in_pieces(text, places):
        came += piece
        redactor.feed(Delta(reasoning=piece))
        waits = came[len(came) - redactor._reasoning.waiting :]
        assert not waits or secrets_of(ACCOUNT).unfinished(came)


@pytest.mark.parametrize(
    ("said", "waits"),
    [
        ("let me think", ""),
        ("let me see: no", ""),
        ("let me see: no-", ""),
        ("let me see: no-k", "no-k"),
        ("let me see: n o - k ", "n o - k "),
        ("a Form-", "Form-"),
        ("a For", ""),
        ("no-known thing", ""),
        ("these", "se"),
        ("6e6f2d", "6e6f2d"),
        ("", ""),
        ("\n", ""),
    ],
)
def test_what_waits(said: str, waits: str) -> None:
    redactor = ReasoningRedactor(ACCOUNT)
    now = redactor.feed(Delta(reasoning=said)).reasoning

    assert now + waits == said
    assert redactor.feed(Delta("text")).reasoning == waits


def test_without_suspicion_a_delta_is_the_same_object() -> None:
    deltas = [Delta("x"), Delta(reasoning="let me think"), *map(detail, ["let me", None])]
    assert [*map(id, shown(deltas)[:-1])] == [*map(id, deltas)]


@pytest.mark.parametrize(
    "next_one",
    [
        Delta("text"),
        Delta(fragments=(ToolCallFragment(0, "1", "look", ""),)),
    ],
)
def test_what_waits_comes_before_a_text_or_a_call(next_one: Delta) -> None:
    out = shown([Delta(reasoning="so no-k"), detail("so no-k"), next_one])

    assert [delta.reasoning for delta in out] == ["so ", "", "no-k", ""]
    assert out[2].reasoning_details == ({"type": "reasoning.text", "text": "no-k"},)
    assert (out[2].text, out[2].fragments) == (next_one.text, next_one.fragments)


@pytest.mark.parametrize("size", [1, 3, 11])
def test_a_key_around_a_text_is_not_shown(size: int) -> None:
    deltas = [one for piece in cut(KEY, size) for one in (Delta(reasoning=piece), Delta("x"))]

    assert KEY[:14] not in thoughts(deltas)
    assert KEY[-14:] not in thoughts(deltas)


def test_an_account_without_a_key_hides_nothing() -> None:
    local = Account("p", "http://127.0.0.1/v1", "")
    assert thoughts([Delta(reasoning=KEY)], local) == KEY


def test_a_letter_that_grows_when_it_is_small_moves_nothing() -> None:
    assert thoughts([Delta(reasoning=f"İİİ {KEY.upper()} İ")]) == "İİİ [key] İ"
    assert redact("İ" * 9 + KEY + "İ", ACCOUNT) == "İ" * 9 + "[key]İ"


# -- details -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 7, 40])
@pytest.mark.parametrize("kind", ["text", "summary"])
def test_details_tell_no_key_in_pieces(kind: str, size: int) -> None:
    pieces = [detail(piece, kind, id="r1", index=0) for piece in cut(f"I saw {KEY} there", size)]
    merged = ReasoningDetails()
    for delta in shown([*pieces, Delta("text")]):
        merged.add(delta.reasoning_details)

    (whole,) = merged.merged()
    before, after = whole[kind].split("[key]")
    assert f"I saw {KEY[:FEW]}".startswith(before)
    assert after == " there"
    assert (whole["id"], whole["index"]) == ("r1", 0)


@pytest.mark.parametrize(
    ("second", "texts"),
    [
        (detail("w", signature="s"), ["so ", "no-kw"]),
        (detail(None, signature="s"), ["so ", "no-k", None]),
        (detail("w", "summary"), ["so ", "no-k", "w"]),
        (detail("w", id="another"), ["so ", "no-k", "w"]),
        (detail("data", "encrypted"), ["so ", "no-k", "data"]),
        (Delta(reasoning_details=({"echo": KEY},)), ["so ", "no-k", "[key]"]),
    ],
)
def test_what_ends_a_text_releases_what_waits(second: Delta, texts: list[str | None]) -> None:
    out = shown([detail("so no-k"), second])

    keys = ("text", "summary", "echo")
    told = [next(one[k] for k in keys if k in one) for d in out for one in d.reasoning_details]
    assert told == texts


def test_other_fields_of_a_detail_tell_no_key() -> None:
    (delta, _) = shown([detail("I think", format=KEY, more={"deep": [KEY]})])

    assert delta.reasoning_details[0] == {
        "type": "reasoning.text",
        "text": "I think",
        "format": "[key]",
        "more": {"deep": ["[key]"]},
    }


def test_what_waits_of_a_detail_tells_no_key_beside_its_text() -> None:
    first, second = shown([detail("so no-k", id=KEY, format=KEY), Delta("text")])[:2]

    (rest,) = second.reasoning_details
    assert first.reasoning_details[0]["id"] == "[key]"
    assert rest == {"type": "reasoning.text", "id": "[key]", "format": "[key]", "text": "no-k"}


@pytest.mark.parametrize("form", FORMS)
def test_the_id_of_a_call_in_pieces_tells_no_key(form: str) -> None:
    pieces = (
        ToolCallFragment(0, "c1", "f", "{}"),
        ToolCallFragment(1, form, "g", "{"),
        ToolCallFragment(1, None, None, f"{KEY}}}"),
    )
    [delta] = shown([Delta(fragments=pieces)])[:1]

    kept, changed, further = delta.fragments
    assert (kept, further) == (pieces[0], pieces[2])
    assert changed.id == redact_id(form, secrets_of(ACCOUNT)) != form
