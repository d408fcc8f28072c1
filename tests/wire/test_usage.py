"""Counts of tokens, as servers write them, and as they are read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freerouter_core.wire.answer import read_answer
from freerouter_core.wire.json_values import parse_json
from freerouter_core.wire.stream import Assembler
from freerouter_core.wire.usage import MOST_TOKENS, count_in, read_usage


@pytest.mark.parametrize(
    ("said", "count"),
    [
        (11, 11), (0, 0), (11.0, 11), ("11", 11), (" 11 ", 11), ("11.0", 11), (11.6, 11),
        (MOST_TOKENS, MOST_TOKENS), (None, None), (True, None), ("", None), ("eleven", None),
        (-1, None), (float("nan"), None), (float("inf"), None), ("inf", None), ("NaN", None),
        (1e300, None), (10**400, None), ("9" * 400, None), ({"total": 11}, None), ([11], None),
    ],
)  # fmt: skip
def test_a_count_is_a_whole_number_or_none(said: Any, count: int | None) -> None:
    assert count_in(said) == count


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 0.0},
         {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 0.0}),
        ({"prompt_tokens": None, "completion_tokens": 5}, {"completion_tokens": 5}),
        ({"prompt_tokens": "11", "completion_tokens": "x"}, {"prompt_tokens": 11}),
        ({"prompt_tokens": {"text": 3}, "total_tokens": [1]}, {}),
        ({"input_tokens": 11, "output_tokens": "5"},
         {"input_tokens": 11, "output_tokens": 5, "prompt_tokens": 11, "completion_tokens": 5}),
        ({"prompt_tokens": 1, "input_tokens": 9}, {"prompt_tokens": 1, "input_tokens": 9}),
        ({"prompt_tokens": None, "input_tokens": 9}, {"prompt_tokens": 9, "input_tokens": 9}),
        ({"prompt_tokens_details": None}, {"prompt_tokens_details": None}),
        ({"prompt_tokens_details": {"cached_tokens": "2", "audio_tokens": float("nan"), "x": "y"}},
         {"prompt_tokens_details": {"cached_tokens": 2, "audio_tokens": None, "x": "y"}}),
        ({"cost": float("nan"), "speed": float("inf"), "took": 0.5, "all": [float("nan")]},
         {"took": 0.5}),
        ({"is_byok": False, "cost": "0.1"}, {"is_byok": False, "cost": "0.1"}),
    ],
)  # fmt: skip
def test_a_usage_holds_what_can_be_read(said: Any, read: Any) -> None:
    before = repr(said)

    assert read_usage(said) == read
    assert repr(said) == before, "the server's object was changed"


@pytest.mark.parametrize("count", ["1e999", "-1e999", "NaN", "Infinity", "null", '{"a": 1}', '"?"'])
def test_odd_counts_of_an_answer_are_absent_whole_and_streamed(count: str) -> None:
    usage = f'{{"prompt_tokens": {count}, "completion_tokens": 5}}'
    whole = f'{{"choices": [{{"message": {{"content": "hi"}}}}], "usage": {usage}}}'
    assembler = Assembler()
    assembler.feed_data(f'{{"choices": [], "usage": {usage}}}')

    for answer in (read_answer(parse_json(whole)), assembler.answer()):
        assert answer.usage == {"completion_tokens": 5}
        json.dumps(answer.usage, allow_nan=False)


def test_groq_tells_the_usage_in_a_field_of_its_own() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 3}
    assembler = Assembler()
    assembler.feed({"choices": [], "x_groq": {"id": "req_1"}})
    assert assembler.answer().usage is None
    assembler.feed({"choices": [], "x_groq": {"id": "req_1", "usage": usage}})

    assert assembler.answer().usage == usage
