"""OpenAI's moderations: texts in, and what a safety classifier said of each out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ..errors import BadRequest
from .json_values import Json
from .message import text_of

MOST_INPUTS = 32
"""Texts of one request. Each is a request of its own, which counts against limits."""
_CATEGORIES: Mapping[str, re.Pattern[str]] = {
    name: re.compile(words, re.IGNORECASE)
    for name, words in {
        "harassment": r"\bS5\b|harass|bully|defam|profan",
        "harassment/threatening": r"threat",
        "hate": r"\bS10\b|\bhate|discriminat",
        "hate/threatening": r"hate.{0,20}threat",
        "illicit": r"\bS2\b|crim|illegal|fraud|drug|\bcontrolled|\bS7\b|\bS8\b|\bS14\b",
        "illicit/violent": r"\bS9\b|weapon|\bguns?\b|terror",
        "self-harm": r"\bS11\b|self.?harm|suicid",
        "self-harm/intent": r"self.?harm.{0,5}intent",
        "self-harm/instructions": r"self.?harm.{0,5}instruct",
        "sexual": r"\bS3\b|\bS4\b|\bS12\b|sexual",
        "sexual/minors": r"\bS4\b|minor|child",
        "violence": r"\bS1\b|violen",
        "violence/graphic": r"graphic|gore",
    }.items()
}
"""OpenAI's categories, and the words and numbers by which classifiers tell theirs. The numbers are
Llama Guard's (MLCommons)."""
_LONGEST_REASON = 500
"""Letters of a reason in which categories are looked for."""


class Judged(NamedTuple):
    """What a classifier said of a text. `reason`: its words, if the text is unsafe."""

    safe: bool
    reason: str


def read_moderation(body: object) -> tuple[str, ...]:
    """The texts to judge. Raises `BadRequest`."""
    given = body.get("input") if isinstance(body, Mapping) else None
    inputs = [given] if isinstance(given, str) else given
    if not isinstance(inputs, list) or not inputs:
        raise BadRequest("input must be a text or a list of texts")
    if len(inputs) > MOST_INPUTS:
        raise BadRequest(f"a request has at most {MOST_INPUTS} inputs", hint="send several")
    if all(isinstance(one, str) for one in inputs):
        return tuple(inputs)
    kinds = {str(one.get("type")) if isinstance(one, Mapping) else "" for one in inputs}
    if kinds != {"text"}:
        raise BadRequest("only text can be judged: no free classifier sees", hint="send text")
    return (text_of(inputs),)  # parts of one input


def write_moderation(ident: str, model: str, judged: list[Judged]) -> Json:
    """The verdicts. Classifiers tell no scores: a category that they name has 1."""
    return {"id": ident, "model": model, "results": [_result(one) for one in judged]}


def _result(judged: Judged) -> Json:
    reason = "" if judged.safe else judged.reason[:_LONGEST_REASON]
    found = {name: bool(reason and words.search(reason)) for name, words in _CATEGORIES.items()}
    return {
        "flagged": not judged.safe,
        "categories": found,
        "category_scores": {name: float(value) for name, value in found.items()},
        "category_applied_input_types": {name: ["text"] for name in found},
        "freerouter": {"reason": reason},
    }
