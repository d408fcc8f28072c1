"""Keys, and what would command a terminal, out of every text."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freerouter_core import errors
from freerouter_core.catalogue.providers import Account
from freerouter_core.wire.account_secrets import secrets_of
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.fault import Cause, Fault, Kind
from freerouter_core.wire.redact import (
    names_key,
    redact,
    redact_answer,
    redact_fault,
    redact_id,
    strip_control_characters,
)
from freerouter_core.wire.tool_calls import ToolCall

KEY = "no-known-form-5ec7e7"
ACCOUNT = Account("p", "https://h/v1", KEY, headers=(("Authorization", "Basic dXNlcjpwdw"),))


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("", ""),
        ("key sk-abcdef here", "key [key] here"),
        ("sk-abc", "sk-abc"),
        ("gsk_abcdefgh", "[key]"),
        ("AIzaabcdefghijklmnop", "[key]"),
        ("nvapi-abcdefgh", "[key]"),
        ("hf_abcdefgh", "[key]"),
        ("Bearer abcdef", "Bearer [key]"),
        ("bearer abc.def-g_h", "bearer [key]"),
        ("the bearer is here", "the bearer is here"),
        ("task-abcdefgh", "task-abcdefgh"),
    ],
)
def test_what_looks_like_a_key_is_no_longer_there(text: str, clean: str) -> None:
    assert redact(text) == clean


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"bad key {KEY}!", "bad key [key]!"),
        ("Basic dXNlcjpwdw", "[key]"),
        ("token dXNlcjpwdw", "token [key]"),
    ],
)
def test_the_accounts_key_and_headers_are_redacted_in_any_shape(text: str, clean: str) -> None:
    assert redact(text, ACCOUNT) == clean
    assert redact(text) == text


def test_a_short_key_may_be_a_word_and_stays() -> None:
    assert redact("key secret", Account("p", "https://h/v1", "key")) == "key secret"
    assert redact("key secret", Account("p", "https://h/v1", "secret")) == "key [key]"


def test_a_short_secret_is_found_as_it_is_written_only() -> None:
    account = Account("p", "https://h/v1", "Sesame")
    assert redact("Sesame, SESAME", account) == "[key], SESAME"


def test_a_text_full_of_keys_is_cleaned_of_each() -> None:
    assert redact(f"{KEY}{KEY.upper()} {KEY[:14]}{KEY[4:]}", ACCOUNT) == "[key][key] [key][key]"


@pytest.mark.parametrize(
    ("name", "tells"),
    [
        ("acme/a:free", False),
        (f"acme/{KEY}:free", True),
        (f"acme/{KEY.upper()}", True),
        (f"acme/{KEY[:14]}", True),
        (f"acme/{KEY[:11]}", False),
    ],
)
def test_a_name_tells_a_key(name: str, tells: bool) -> None:
    assert names_key(["acme/b", name], ACCOUNT) is tells


def test_a_short_secret_may_be_the_name_of_a_program() -> None:
    assert not names_key(["ollama/llama3"], Account("p", "http://127.0.0.1/v1", "ollama"))


def test_a_terminal_is_commanded_by_nothing() -> None:
    assert strip_control_characters("a\x1b[2J\x07b\x9fc\x7f\r") == "a[2Jbc"
    assert strip_control_characters("tab\tand\nline") == "tab\tand\nline"


def test_a_message_is_shortened_only_when_its_keys_are_out() -> None:
    message = "x" * 290 + KEY + "\x07" + "y" * 50
    fault = redact_fault(Fault(Kind.BUSY, Cause.SERVER, message), ACCOUNT)

    assert fault.message == "x" * 290 + "[key]" + "y" * 5
    assert redact_fault(Fault(Kind.BUSY, Cause.SERVER), ACCOUNT).message == ""


def test_metadata_is_always_redacted_and_text_only_on_demand() -> None:
    answer = Answer(
        KEY,
        reasoning=KEY,
        refusal=KEY,
        tool_calls=(ToolCall("1", KEY, f'"{KEY}"'),),
        model=f"m-{KEY}",
        upstream=KEY,
        id=KEY,
        finish_reason=KEY,
        native_finish_reason=KEY,
    )
    metadata = redact_answer(answer, ACCOUNT)
    everything = redact_answer(answer, ACCOUNT, with_text=True)

    assert (metadata.model, metadata.upstream, metadata.id) == ("m-[key]", "[key]", "[key]")
    assert (metadata.finish_reason, metadata.native_finish_reason) == ("[key]", "[key]")
    assert metadata.text == KEY
    assert KEY not in repr(everything)


@pytest.mark.parametrize("field", ["model", "upstream", "id", "finish_reason"])
def test_one_field_with_a_key_is_enough(field: str) -> None:
    answer = redact_answer(Answer("x").with_(**{field: KEY}), ACCOUNT)

    assert KEY not in repr(answer)
    assert answer.native_finish_reason is None


def test_an_answer_without_keys_is_the_same_object() -> None:
    answer = Answer("x", model="m", native_finish_reason=7)  # type: ignore[arg-type]  # as sent

    assert redact_answer(answer, ACCOUNT) is answer


ODD = "a/b+c=\u00fc no known form 5ec7e7"
ADDRESS = Account("p", "https://bob:sesame-opens@h/v1?token=q-5ec7e7-q", "")


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz", "Authorization: Bearer "])
@pytest.mark.parametrize("after", ["", "1", "22", "333"])
@pytest.mark.parametrize("secret", [KEY, KEY + "1", KEY + "22", ODD])
def test_a_key_in_base64_is_found_wherever_it_begins(secret: str, before: str, after: str) -> None:
    account = Account("p", "https://h/v1", "", headers=(("x", secret),))
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(f"{before}{secret}{after}".encode()).decode()
        clean = redact(f"got {text} back", account)

        assert "[key]" in clean
        assert len(clean) <= len("got [key] back") + len(before + after) * 4 // 3 + 8


@pytest.mark.parametrize(
    "form",
    [
        KEY.encode().hex(),
        KEY.encode().hex().upper(),
        "".join(f"\\u{ord(letter):04x}" for letter in KEY),
        " ".join(KEY),
        "\x00".join(KEY),
        "\n".join([KEY[:7], KEY[7:12], KEY[12:]]),
        json.dumps([KEY[:9], KEY[9:]]),
        f'"{KEY[:9]}" + "{KEY[9:]}"',
        f"{KEY[:4]}\u200b{KEY[4:]}",
        KEY.upper(),
        KEY.swapcase(),
        " ".join(KEY.title()),
        KEY[:16].upper(),
    ],
)
def test_a_key_in_another_spelling_is_found(form: str) -> None:
    assert "[key]" in redact(f"you sent {form}!", ACCOUNT)
    assert form not in redact(f"you sent {form}!", ACCOUNT)


def test_a_header_that_needs_escaping_is_found_escaped() -> None:
    account = Account("p", "https://h/v1", "", headers=(("x", ODD),))
    for form in (quote(ODD, safe=""), quote(ODD, safe="").lower(), json.dumps(ODD)[1:-1]):
        assert redact(f"({form})", account) == "([key])"
    assert redact(json.dumps(ODD).replace("/", "\\/"), account) == '"[key]"'


@pytest.mark.parametrize("secret", ["bob:sesame-opens", "sesame-opens", "q-5ec7e7-q"])
def test_the_secrets_of_an_address_are_redacted(secret: str) -> None:
    assert redact(f"at {secret}.", ADDRESS) == "at [key]."
    assert redact("nothing", Account("p", "no address", "")) == "nothing"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("usage", {"prompt_tokens": 1, "echo": KEY, KEY: [KEY, {"x": (KEY,)}]}),
        ("annotations", ({"url": f"https://x/?k={KEY}"},)),
        ("reasoning_details", ({"type": "text", "text": KEY},)),
        ("images", ({"image_url": {"url": KEY}},)),
        ("audio", {"id": KEY}),
        ("logprobs", {"content": [{"token": KEY, "top_logprobs": [{"token": KEY}]}]}),
        ("error", {"message": KEY, "metadata": {"raw": json.dumps({"k": KEY})}}),
    ],
)
def test_no_part_of_an_answer_quotes_the_key(field: str, value: Any) -> None:
    clean = redact_answer(Answer("x").with_(**{field: value}), ACCOUNT)

    assert KEY not in repr(clean)
    assert "[key]" in repr(getattr(clean, field))
    assert clean.text == "x"


@pytest.mark.parametrize("form", [KEY, KEY.encode().hex(), f"call-{KEY}#2", KEY[:14]])
def test_the_id_of_a_call_quotes_no_key_and_differs_from_the_others(form: str) -> None:
    calls = tuple(ToolCall(name, "f", "{}") for name in ("c1", form, f"{form}x"))
    first, second, third = redact_answer(Answer("", tool_calls=calls), ACCOUNT).tool_calls

    assert first.id == "c1"
    assert re.fullmatch("call_[0-9a-f]{24}", second.id)
    assert second.id != third.id
    assert redact_id(form, secrets_of(ACCOUNT)) == second.id


def test_a_picture_that_is_too_large_to_look_through_stays_as_it_is() -> None:
    picture = Answer("x", images=({"image_url": {"url": "A" * 200_001}},))
    assert redact_answer(picture, ACCOUNT) is picture


def test_what_is_nested_too_deeply_to_be_read_is_left_out() -> None:
    value: Any = KEY
    for _ in range(30):
        value = [value]
    clean = redact_answer(Answer("x", usage={"deep": value}), ACCOUNT)

    assert KEY not in repr(clean)
    assert "None" in repr(clean.usage)


def test_in_a_picture_only_the_key_itself_is_looked_for() -> None:
    picture = "A" * 200_000

    assert redact(picture + KEY, ACCOUNT) == picture + "[key]"
    assert KEY.encode().hex() in redact(picture + KEY.encode().hex(), ACCOUNT)


PIECES = (
    "sk-abcdefgh", "sk-", "Bearer ", "bearer ", "xai-12345678", "xai_12345678", "hf_abcdefgh12",
    "task-force", "risk-sk-abcdef12", "eyJ", "eyJaaaaaaaaaaaa.bbbbbbbbbbbb", "gsk_abcdefgh",
    "AIzaSyAAAAAAAAAAAAAAAAAAAA", "://u:p@h", "://", "@", "-", "_", ".", " ", "\n", "x", "é",
)  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@settings(deadline=None, max_examples=500)
def test_looking_only_where_a_key_may_begin_finds_the_same_keys(text: str) -> None:
    everywhere = errors._LIKE_A_KEY.sub("[key]", text)
    assert errors.hide_keys(text) == errors._USERINFO.sub("[key]@", everywhere)


@pytest.mark.parametrize("mark", ["sk-", "eyJ", "://", "Bearer "])
def test_a_text_full_of_what_looks_like_keys_is_not_looked_through(mark: str) -> None:
    assert "sk-secret1" not in errors.hide_keys(mark * errors._MAX_MARKS + "sk-secret1")


def test_a_text_with_some_marks_and_no_key_stays_as_it_is() -> None:
    text = "a task-force at http://x/ with eyJ, sk-1 and xai- " * 900
    assert errors.hide_keys(text) == text
