"""A small set of graded tasks: questions whose answers can be checked without anybody's opinion. Twenty minutes of a free model's
minute tell more of it than its name; they are no examination."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...wire.answer import Answer
from ...wire.request import ChatRequest


@dataclass(frozen=True)
class Question:
    """One task: its kind (a name in `routing.task.TASKS`), what is asked, and the mark of an answer, 0 to 1."""

    task: str
    name: str
    prompt: str
    mark: Callable[[Answer], float]
    tools: tuple[dict[str, Any], ...] = ()

    def request(self, max_tokens: int) -> ChatRequest:
        return ChatRequest.of(self.prompt).but(
            parameters={"max_tokens": max_tokens}, tools=list(self.tools)
        )


def _number(value: float) -> Callable[[Answer], float]:
    """Whether the last number of the answer is this one."""

    def mark(answer: Answer) -> float:
        found = re.findall(r"-?\d+(?:\.\d+)?", answer.text.replace(",", ""))
        return float(bool(found) and abs(float(found[-1]) - value) < 1e-6)

    return mark


def _says(*patterns: str) -> Callable[[Answer], float]:
    """The share of the patterns that are found."""
    return lambda answer: (
        sum(bool(re.search(p, answer.text, re.IGNORECASE)) for p in patterns) / len(patterns)
    )


def _json(expected: dict[str, Any]) -> Callable[[Answer], float]:
    """The share of the fields that are right, in the one JSON object of the answer."""

    def mark(answer: Answer) -> float:
        start, end = answer.text.find("{"), answer.text.rfind("}")
        try:
            told = json.loads(answer.text[start : end + 1])
        except ValueError:
            return 0.0
        if not isinstance(told, dict):
            return 0.0
        return float(sum(told.get(key) == value for key, value in expected.items())) / len(expected)

    return mark


def _calls(name: str, **arguments: Any) -> Callable[[Answer], float]:
    def mark(answer: Answer) -> float:
        for call in answer.tool_calls:
            given = call.parsed() or {}
            if call.name == name:
                return 0.5 + 0.5 * all(
                    str(given.get(k, "")).lower() == str(v).lower() for k, v in arguments.items()
                )
        return 0.0

    return mark


def _lines(count: int) -> Callable[[Answer], float]:
    return lambda answer: float(
        len([line for line in answer.text.strip().splitlines() if line.strip()]) == count
    )


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

QUESTIONS: tuple[Question, ...] = (
    Question("reasoning", "trains", "A train leaves at 9:40 and arrives at 13:05. How many minutes does it take? End with the number.", _number(205)),
    Question("reasoning", "bat and ball", "A bat and a ball cost 1.10 together; the bat costs 1.00 more than the ball. What does the ball cost? End with the number.", _number(0.05)),
    Question("reasoning", "siblings", "Ann has 3 brothers. Each brother has 2 sisters. How many sisters does Ann have? End with the number.", _number(1)),
    Question("reasoning", "product", "What is 47 times 86? End with the number.", _number(4042)),
    Question("code", "output", "What does this Python print?\nprint(sum(x * x for x in range(5) if x % 2))\nEnd with the number.", _number(10)),
    Question("code", "function", "Write a Python function is_even(n) that returns whether n is even. Only code.", _says(r"def is_even\(", r"% ?2")),
    Question("code", "regex", "Write one regular expression that matches a date such as 2026-11-21, and nothing else in your answer.", _says(r"\\d\{4\}|\[0-9\]\{4\}", r"\\d\{2\}|\[0-9\]\{2\}")),
    Question("data", "extract", 'Extract as one JSON object with the keys "name", "year", "price" (a number): "The Alder lamp of 1962 sold for 1,250 euros."', _json({"name": "Alder lamp", "year": 1962, "price": 1250})),
    Question("data", "median", "What is the median of 7, 1, 9, 4, 6? End with the number.", _number(6)),
    Question("multilingual", "to English", "Translate into English, one word only: Schmetterling", _says(r"^\W*butterfl(?:y|ies)\W*$")),
    Question("multilingual", "to French", "Translate into French, three words at most: good night", _says(r"bonne nuit")),
    Question("creative", "haiku", "Write a haiku about rain: three lines, nothing else.", _lines(3)),
    Question("tools", "weather", "What is the weather in Lisbon? Use the tool.", _calls("get_weather", city="Lisbon"), (_WEATHER,)),
)  # fmt: skip
