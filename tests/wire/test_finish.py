"""Why answers end, in the words of every provider; and thoughts in fields and tags of their own."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core.wire.answer import read_answer
from freerouter_core.wire.chat import ChatOperation
from freerouter_core.wire.fault import Cause
from freerouter_core.wire.finish import finish_of
from freerouter_core.wire.request import ChatRequest
from freerouter_core.wire.stream import Assembler

CHAT = ChatOperation(ChatRequest([{"role": "user", "content": "Tell me"}]))
WORDS: dict[str, list[str]] = {
    "stop": ["eos", "eos_token", "end_turn", "stop_sequence", "COMPLETE", "STOP", "finished"],
    "length": ["MAX_TOKENS", "max_tokens", "model_length", "max_output_tokens", "token_limit"],
    "tool_calls": ["tool_use", "tool_call"],
    "content_filter": [
        "SAFETY", "sensitive", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST", "content-filter",
        "content_filter: PROHIBITED_CONTENT", "refusal", "guardrail_intervened", "ERROR_TOXIC",
    ],
    "error": [
        "network_error", "insufficient_system_resource", "abort", "aborted", "failed", "timed out",
        "cancelled", "engine_overloaded",
    ],
    "malformed": ["MALFORMED_FUNCTION_CALL", "function_call_filter: MALFORMED_FUNCTION_CALL"],
}  # fmt: skip


@pytest.mark.parametrize(("meaning", "word"), [(m, w) for m, words in WORDS.items() for w in words])
@pytest.mark.parametrize("key", ["finish_reason", "finishReason"])
def test_a_providers_word_has_openais_meaning(meaning: str, word: str, key: str) -> None:
    assert finish_of({key: word}) == (meaning, word)
    assert finish_of({key: word, "native_finish_reason": "x"}) == (meaning, "x")


@pytest.mark.parametrize("word", ["stop", "length", "tool_calls", "function_call", "error", "odd"])
def test_openais_words_and_unknown_ones_stay(word: str) -> None:
    assert finish_of({"finish_reason": word})[0] == word
    assert finish_of({"finish_reason": None, "native_finish_reason": word}) == (None, word)


@pytest.mark.parametrize(
    ("word", "text", "cause"),
    [
        ("network_error", "The ans", Cause.SERVER),
        ("abort", "", Cause.SERVER),
        ("sensitive", "", Cause.CONTENT_FILTER),
        ("MAX_TOKENS", "", Cause.LENGTH),
        ("MALFORMED_FUNCTION_CALL", "", Cause.CALL_FAILED),
        ("end_turn", "hi", None),
        ("eos", "", Cause.EMPTY),
    ],
)
def test_an_answer_that_did_not_end_well_is_none(word: str, text: str, cause: Cause | None) -> None:
    whole = read_answer({"choices": [{"message": {"content": text}, "finish_reason": word}]})
    assembler = Assembler()
    if text:
        assembler.feed({"choices": [{"delta": {"content": text}}]})
    assembler.feed({"choices": [{"delta": {}, "finish_reason": word}]})
    for answer in (whole, assembler.answer()):
        _, fault = CHAT.judge(answer, 0.0)
        assert (None if fault is None else fault.cause) is cause


# -- thoughts --------------------------------------------------------------------------------------

FIELDS: list[dict[str, Any]] = [
    {"reasoning": "hm"},
    {"reasoning_content": "hm"},
    {"reasoning_text": "hm"},
    {"thinking": "hm"},
    {"thinking": True, "reasoning_content": "hm"},
    {"reasoning": {"content": "hm"}},
    {"reasoning": {"text": "hm"}},
    {"reasoning": {}, "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
    {"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "x"}, {}]},
]


@pytest.mark.parametrize("fields", FIELDS, ids=str)
def test_thoughts_are_found_in_every_field(fields: dict[str, Any]) -> None:
    message = {"content": "hi", **fields}
    answer = read_answer({"choices": [{"message": message, "finish_reason": "stop"}]})
    assert (answer.text, answer.reasoning) == ("hi", "hm")

    assembler = Assembler()
    assembler.feed({"choices": [{"delta": fields}]})
    assembler.feed({"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]})
    assert (assembler.answer().text, assembler.answer().reasoning) == ("hi", "hm")


FINAL = "<|channel|>final<|message|>"
TAGGED = [
    ("<think>hm</think>hi", "hm"),
    ("<seed:think>hm</seed:think>\nhi", "hm"),
    ("◁think▷hm◁/think▷hi", "hm"),
    (f"<|channel|>analysis<|message|>hm<|end|><|start|>assistant{FINAL}hi", "hm"),
    (f"{FINAL}hi", ""),
    ("<|channel>thought\nhm<channel|>hi", "hm"),
]


@pytest.mark.parametrize(("text", "reasoning"), TAGGED)
@pytest.mark.parametrize("step", [1, 3, 999])
def test_thoughts_in_a_models_own_tokens_are_no_text(text: str, reasoning: str, step: int) -> None:
    whole = read_answer({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})
    assert (whole.text, whole.reasoning) == ("hi", reasoning)

    assembler = Assembler()
    for n in range(0, len(text), step):
        assembler.feed({"choices": [{"delta": {"content": text[n : n + step]}}]})
    assembler.close()
    assert (assembler.answer().text, assembler.answer().reasoning) == ("hi", reasoning)


@pytest.mark.parametrize(
    ("text", "said", "reasoning"),
    [
        ("hm</think>\n\nhi", "hi", "hm"),
        ("hm</think>", "hm</think>", ""),
        ("Close it with `</think>`.", "Close it with `</think>`.", ""),
        ("a <think> b</think> c", "a <think> b</think> c", ""),
        ("<thought>hm</thought>hi", "<thought>hm</thought>hi", ""),
        ("<thinking>hm</thinking>hi", "<thinking>hm</thinking>hi", ""),
    ],
)
def test_a_closing_tag_alone_ends_thoughts_and_tags_of_prompts_stay(
    text: str, said: str, reasoning: str
) -> None:
    answer = read_answer({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})

    assert (answer.text, answer.reasoning) == (said, reasoning)
