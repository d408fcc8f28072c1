"""`refused_parameter`: the field of a request that an error names as unknown or unsupported."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .json_values import parse_json
from .quirks import DROPPABLE


def refused_parameter(text: str, error: object = None) -> str | None:
    """The word for the refused field among what models can lack; None if no such field is named.

    `error`: the body, in which a pydantic server lists its errors. `text`: the error as text.
    """
    limit = _OUTPUT_LIMIT.search(text)
    if limit is not None:
        return f"{MAX_OUTPUT}{next(number for number in limit.groups() if number)}"
    unknown = _FieldSearch().find(error)
    if unknown is not None:
        return _word_for_path(*unknown)
    for match in _REFUSALS.finditer(text):
        word = _word_for(next(name for name in match.groups() if name).lower())
        if word is not None:
            return word
    sentence = _SENTENCES.search(text)
    if sentence is None:
        return None
    return _word_for(next(name for name in sentence.groups() if name).lower())


_OUTPUT_LIMIT = re.compile(
    # Groq (anomalyco/opencode#1000), and servers in its words
    r"max_(?:completion_)?tokens\W{1,6}must be less than or equal to \W{0,3}(\d{2,7})"
    # OpenAI, Azure
    r"|max_(?:completion_)?tokens is too large.{0,40}supports at most (\d{2,7})"
    # Z.ai, SiliconFlow, DeepSeek, Alibaba
    r"|\brange of max_(?:completion_)?tokens (?:is|should be) \[\d+, ?(\d{2,7})\]"
    # Anthropic
    r"|max_tokens\W{1,4}\d{2,8} > (\d{2,7}), which is the maximum"
    r"|max_(?:completion_|output_)?tokens\W{0,4}(?:should|must|has to|can) be"
    r" (?:<=?|at most|up to|no more than|not (?:more|greater|larger) than)\W{1,4}(\d{2,7})\b"
    r"|max_(?:completion_|output_)?tokens\b.{0,80}\bmaximum (?:number of )?(?:output|completion)"
    r" tokens\W{1,3}(?:is |of )?(\d{2,7})\b",
    re.IGNORECASE,
)
MAX_OUTPUT = "max-output-"
"""The word for an output limit that a refusal stated, before its tokens."""
_REFUSALS = re.compile(
    # OpenAI, NVIDIA, llama.cpp
    r"Unsupported (?:parameter|param|value)(?:\(s\))?:\W*(\w+)"
    # Azure
    r"|Unrecognized request argument supplied: (\w+)"
    # Groq, Cerebras
    r"|property '(?:[\w.]*\.)?(\w+)' is unsupported"
    # NVIDIA
    r"|extra_forbidden', 'loc': \('body', (?:[^)]{0,200}, )?'(\w+)'\)|body -> (\w+)\s+Extra inputs"
    # OpenAI
    r"|Invalid 'messages\[\d+\]\.(name)'"
    # Gemini
    r"|Unknown name \W{0,6}(\w+)\W{0,6}: Cannot find field"
    # Cohere
    r"|unknown field: parameter '(\w+)'|unprocessable entity: (\w+) is not supported"
    # SiliconFlow, LiteLLM, xAI
    r"|does not support parameters?:?\W{1,5}(\w+)"
    # Cerebras
    r"|\b(\w+)=\w+ is not supported by this model"
    # vLLM
    r"|\b(\w{1,60}) is not supported for .{1,40} tokenizers"
    # Stop words, and more of them than are taken: a word that is common elsewhere
    r"|['\"`](stop)\b['\"`]?.{0,40}(?:\bnot\b|n't\b|\bunsupported|\btoo (?:many|long)|\bat most"
    r"|\bmust\b|\bshould\b|\bmaximum|\binvalid)"
    r"|\b(?:invalid|unexpected)(?: \w{1,12})?\W{1,3}(stop)\b"
    r"|\b(stop)[ _-](?:words?|sequences?|strings?)\b.{0,40}(?:\bnot\b|n't\b|\bunsupported"
    r"|\btoo (?:many|long)|\bexceed|\bat most|\bup to|\bmaximum|\bonly)"
    r"|(?:\bnot\b|n't\b|\btoo many|\bat most|\bonly|\bup to|\bmaximum).{0,30}"
    r"\b(stop)[ _-](?:words?|sequences?|strings?)\b",
    re.IGNORECASE,
)
_NOT_TAKEN = (
    r"(?:not|n't|never) (?:yet |currently )?(?:be )?"
    r"(?:support|allow|permit|accept|enabl|recogni)\w*"
    r"|unsupported|unrecogni[sz]ed|unexpected|unknown|deprecated"
)
"""How anybody says that something is not taken."""
_WORDS = {
    "name": "message-name",
    "reasoning_content": "reasoning-fields",
    "reasoning_details": "reasoning-fields",
    "strict": "strict",
    "max_tokens": "max_completion_tokens",
    "include_usage": "stream_options",
    "chat_template": "chat_template_kwargs",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "response_format": "response_format",
    "stop": "stop",
    "json_schema": "structured_outputs",
    "cache_control": "cache-marks",
}
"""Words for fields whose word is not their name."""
_AMBIGUOUS = frozenset({"name", "user", "store", "stop", "tools", "tool_choice"})
"""Fields whose names mean other things in a sentence, or what a caller put into them."""
_NAMES = sorted((DROPPABLE | _WORDS.keys()) - _AMBIGUOUS, reverse=True)
_FIELD = rf"\b({'|'.join(_NAMES)})\b"
_PLACE = r"(?:\bmessages\b[\w.\[\]]{0,80}?\.)?"
"""Where in a conversation a field stands: `messages[0].content[0].`"""
_SENTENCES = re.compile(
    rf"{_FIELD}[^\w.]{{0,4}}(?:\S{{1,12}} ){{0,4}}"
    rf"(?:{_NOT_TAKEN}|allowed for this model)"
    rf"|(?:{_NOT_TAKEN}|invalid (?:param|arg|field|key))[^.]{{0,40}}?{_PLACE}{_FIELD}",
    re.IGNORECASE,
)
"""A field that is known, beside words that say it is not taken."""


def _word_for(name: str) -> str | None:
    return _WORDS.get(name, name if name in DROPPABLE else None)


def _word_for_path(path: tuple[str, ...], value: object) -> str | None:
    if "content" in path and value is None:
        return "content-null"
    within_body = path[1:] if path[:1] == ("body",) else path
    name = within_body[-1] if within_body else ""
    is_known_place = (
        len(within_body) == 1 or "messages" in within_body or "stream_options" in within_body
    )
    return _word_for(name) if is_known_place or name in _OF_TOOLS else None


_OF_TOOLS = frozenset({"strict", "cache_control"})
"""Fields that stand in tools, too."""


_MAX_DEPTH, _MAX_PARTS, _MAX_PARSED = 50, 1_000, 100_000
"""Levels and parts of a body that are searched, and characters of a string that is parsed."""


class _FieldSearch:
    """Finds the field of a request that a pydantic server did not know."""

    def __init__(self) -> None:
        self._parts = _MAX_PARTS

    def find(self, error: object, depth: int = 0) -> tuple[tuple[str, ...], object] | None:
        """(path, value) of that field, e.g. (("body", "seed"), 7).

        The server's list of errors may stand anywhere in the body. A value it does not take, in a
        field that it knows, is the caller's mistake.
        """
        self._parts -= 1
        if depth > _MAX_DEPTH or self._parts < 0:
            return None
        if isinstance(error, str) and error[:1] in ("{", "[") and len(error) <= _MAX_PARSED:
            try:
                return self.find(parse_json(error), depth + 1)
            except ValueError:
                return None
        if isinstance(error, Mapping):
            texts = [value for value in (error.get("type"), error.get("msg")) if value]
            text = " ".join(value[:200] for value in texts if isinstance(value, str))
            path = error.get("loc")
            is_unknown = "extra_forbidden" in text or "not permitted" in text
            is_null = "input" in error and error["input"] is None
            if isinstance(path, list) and (is_unknown or (is_null and "content" in path)):
                return tuple(str(part)[:100] for part in path[:20]), error.get("input")
            error = list(error.values())
        if isinstance(error, list):
            fields = (self.find(item, depth + 1) for item in error[:_MAX_PARTS])
            return next((field for field in fields if field is not None), None)
        return None
