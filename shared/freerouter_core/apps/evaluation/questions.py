"""The questions of `freerouter benchmark`. A smoke benchmark, not an evaluation.

Each question has an answer that can be checked without opinion.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...wire.answer import Answer
from ...wire.json_values import parse_json
from ...wire.request import ChatRequest

Grader = Callable[[Answer], float]
"""Gives an answer a mark from 0 to 1."""


@dataclass(frozen=True)
class Question:
    """A prompt and its grader. `task` is a name in `routing.task.TASKS`."""

    task: str
    name: str
    prompt: str
    grade: Grader
    tools: tuple[dict[str, Any], ...] = ()

    def request(self, max_tokens: int) -> ChatRequest:
        return ChatRequest.of(self.prompt).but(
            parameters={"max_tokens": max_tokens}, tools=list(self.tools)
        )


def _last_number(expected: float) -> Grader:
    """1 if the last number of the answer is the expected one."""

    def grade(answer: Answer) -> float:
        numbers = re.findall(r"-?\d+(?:\.\d+)?", answer.text.replace(",", ""))
        return float(bool(numbers) and abs(float(numbers[-1]) - expected) < 1e-6)

    return grade


def _matches(*patterns: str) -> Grader:
    """The share of the patterns that the answer matches."""

    def grade(answer: Answer) -> float:
        hits = [re.search(pattern, answer.text, re.IGNORECASE) for pattern in patterns]
        return sum(map(bool, hits)) / len(patterns)

    return grade


def _json_fields(expected: Mapping[str, object]) -> Grader:
    """The share of the fields that are right in the answer's JSON object."""

    def grade(answer: Answer) -> float:
        start, end = answer.text.find("{"), answer.text.rfind("}")
        try:
            fields = parse_json(answer.text[start : end + 1])
        except ValueError:
            return 0.0
        if not isinstance(fields, dict):
            return 0.0
        right = [bool(fields.get(key) == value) for key, value in expected.items()]
        return sum(right) / len(right)

    return grade


def _calls(name: str, **arguments: str) -> Grader:
    """0.5 if the tool is called, 1 if its arguments are right, too."""

    def grade(answer: Answer) -> float:
        call = next((call for call in answer.tool_calls if call.name == name), None)
        if call is None:
            return 0.0
        actual = call.parsed() or {}
        right = all(
            str(actual.get(key, "")).lower() == value.lower() for key, value in arguments.items()
        )
        return 1.0 if right else 0.5

    return grade


def _line_count(expected: int) -> Grader:
    """1 if the answer has so many lines that are not blank."""

    def grade(answer: Answer) -> float:
        return float(sum(bool(line.strip()) for line in answer.text.splitlines()) == expected)

    return grade


_WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}

_ALDER_LAMP = {"name": "Alder lamp", "year": 1962, "price": 1250}

QUESTIONS: tuple[Question, ...] = (
    Question(
        "reasoning",
        "trains",
        "A train leaves at 9:40 and arrives at 13:05. How many minutes does it take? "
        "End with the number.",
        _last_number(205),
    ),
    Question(
        "reasoning",
        "bat and ball",
        "A bat and a ball cost 1.10 together; the bat costs 1.00 more than the ball. "
        "What does the ball cost? End with the number.",
        _last_number(0.05),
    ),
    Question(
        "reasoning",
        "siblings",
        "Ann has 3 brothers. Each brother has 2 sisters. How many sisters does Ann have? "
        "End with the number.",
        _last_number(1),
    ),
    Question(
        "reasoning",
        "product",
        "What is 47 times 86? End with the number.",
        _last_number(4042),
    ),
    Question(
        "code",
        "output",
        "What does this Python print?\nprint(sum(x * x for x in range(5) if x % 2))\n"
        "End with the number.",
        _last_number(10),
    ),
    Question(
        "code",
        "function",
        "Write a Python function is_even(n) that returns whether n is even. Only code.",
        _matches(r"def is_even\(", r"% ?2"),
    ),
    Question(
        "code",
        "regex",
        "Write one regular expression that matches a date such as 2026-11-21, "
        "and nothing else in your answer.",
        _matches(r"\\d\{4\}|\[0-9\]\{4\}", r"\\d\{2\}|\[0-9\]\{2\}"),
    ),
    Question(
        "data",
        "extract",
        'Extract as one JSON object with the keys "name", "year", "price" (a number): '
        '"The Alder lamp of 1962 sold for 1,250 euros."',
        _json_fields(_ALDER_LAMP),
    ),
    Question(
        "data",
        "median",
        "What is the median of 7, 1, 9, 4, 6? End with the number.",
        _last_number(6),
    ),
    Question(
        "multilingual",
        "to English",
        "Translate into English, one word only: Schmetterling",
        _matches(r"^\W*butterfl(?:y|ies)\W*$"),
    ),
    Question(
        "multilingual",
        "to French",
        "Translate into French, three words at most: good night",
        _matches(r"bonne nuit"),
    ),
    Question(
        "creative",
        "haiku",
        "Write a haiku about rain: three lines, nothing else.",
        _line_count(3),
    ),
    Question(
        "tools",
        "weather",
        "What is the weather in Lisbon? Use the tool.",
        _calls("get_weather", city="Lisbon"),
        (_WEATHER,),
    ),
)
