"""Parts of a message, whole or streamed, in every spelling seen: text, reasoning, errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .json_values import Json, JsonMapping, as_dicts

_TEXT_ONLY = frozenset({"role", "content"})
_ROLES = frozenset({"system", "user", "assistant"})


def is_text(message: JsonMapping) -> bool:
    """Whether a message is a role and a text, as most are: no parts, calls or thoughts."""
    return (
        isinstance(message, dict)
        and message.keys() == _TEXT_ONLY
        and isinstance(message["content"], str)
        and message["role"] in _ROLES
    )


def text_of(content: object) -> str:
    """Content as text: from a string, null, a part or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        content = [content]
    if isinstance(content, list):
        parts = (part.get("text") if isinstance(part, Mapping) else part for part in content)
        return "".join(part for part in parts if isinstance(part, str))
    return ""


_REASONING = ("reasoning", "reasoning_content", "reasoning_text", "thinking")


def reasoning_of(message: JsonMapping) -> str:
    """The reasoning of a message as text.

    Spellings: `reasoning` (OpenRouter, newer vLLM), `reasoning_content` (DeepSeek, older vLLM;
    run-llama/llama_index#21582), `reasoning_text` (Copilot), `thinking` (Ollama), objects with a
    text in one of those, `reasoning_details` alone, or parts of the content (Mistral).
    """
    for key in _REASONING:
        value = message.get(key)
        if not value:
            continue
        if isinstance(value, Mapping):
            value = value.get("content") or value.get("text") or value.get("summary")
        if isinstance(value, str) and value:
            return value
    details = message.get("reasoning_details") or message.get("thinking_blocks")
    content = message.get("content")
    if not (details or isinstance(content, list)):
        return ""
    keys = ("text", "summary", "thinking")
    parts = [next(filter(None, map(d.get, keys)), None) for d in as_dicts(details)]
    parts += [
        text_of(part.get("thinking"))
        for part in as_dicts(content)
        if part.get("type") == "thinking"
    ]
    return "".join(part for part in parts if isinstance(part, str))


class ReasoningDetails:
    """Streamed `reasoning_details`, put into the form that a whole answer has them in.

    Neighbours of the same type join if they are text or summaries; encrypted ones never do.
    `index` is unreliable and decides nothing.
    """

    def __init__(self) -> None:
        self._merged: list[Json] = []
        self._pieces: list[str] = []
        """Further texts of the last of them: joined once, when another begins."""

    def add(self, details: Iterable[Json]) -> None:
        """Add the details of one chunk."""
        for detail in details:
            last = self._merged[-1] if self._merged else None
            key = JOINED_KEY.get(str(detail.get("type")))
            if key is None or last is None or not _continues(detail, last, key):
                self._join()
                self._merged.append(dict(detail))
                continue
            if isinstance(detail.get(key), str):
                self._pieces.append(detail[key])
            for name, value in detail.items():
                if name != key and value is not None:
                    last[name] = value

    def __len__(self) -> int:
        return len(self._merged)

    def merged(self) -> tuple[Json, ...]:
        """All details so far."""
        self._join()
        return tuple(map(dict, self._merged))

    def _join(self) -> None:
        if self._pieces:
            last = self._merged[-1]
            key = JOINED_KEY[str(last["type"])]
            so_far = last.get(key)
            last[key] = "".join((so_far if isinstance(so_far, str) else "", *self._pieces))
            self._pieces.clear()


JOINED_KEY = {"reasoning.text": "text", "reasoning.summary": "summary"}
"""The key whose strings join, by the type of a detail."""


def _continues(detail: Json, last: Json, key: str) -> bool:
    if last.get("type") != detail.get("type"):
        return False
    if last.get("signature") and detail.get(key):
        return False  # a signature ends the text that it signs
    return (last.get("id") or None) == (detail.get("id") or None)


def word_of(value: object) -> str | None:
    """A field that is a word, such as a finish reason; None if it is absent or empty."""
    return str(value) if value else None


def error_of(value: object) -> Json | None:
    """An `error` field as an object; None if it is absent or empty."""
    if not value:
        return None
    return dict(value) if isinstance(value, Mapping) else {"message": str(value)}


def error_beside(value: object) -> Json | None:
    """An `error` field beside choices; None if it says nothing: Go writes an empty object whole."""
    error = error_of(value)
    return error if error is not None and any(error.values()) else None


def join_surrogates(text: str) -> str:
    """Text with each surrogate pair as its character, and each lone surrogate as U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
