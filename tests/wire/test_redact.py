"""Keys, and what would command a terminal, out of every text."""

from __future__ import annotations

import pytest

from freerouter_core.catalogue.providers import Account
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.fault import Cause, Fault, Kind
from freerouter_core.wire.redact import (
    redact,
    redact_answer,
    redact_fault,
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
