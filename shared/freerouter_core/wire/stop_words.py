"""`StopWords`: ends a text at the caller's stop words, whether or not the server knew them.

Servers take four at most, and some take none. So each is sent as many as it takes (`wire.body`),
and what comes back is cut at all of them: the text, and neither reasoning nor the arguments of
calls.
"""

from __future__ import annotations

from collections.abc import Sequence

from .answer import Answer

MOST_SENT = 4
"""Stop words that OpenAI's interface takes."""
_MOST, _LONGEST = 100, 1_000
"""Stop words, and characters of each, that a text is searched for."""


def stop_words(value: object) -> tuple[str, ...]:
    """The words in the field `stop`, which is a text or a list. Empty ones are none."""
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, (list, tuple)):
        return ()
    known = (word for word in words[:_MOST] if isinstance(word, str) and len(word) <= _LONGEST)
    return tuple(dict.fromkeys(filter(None, known)))


def cut_at_stop(answer: Answer, words: Sequence[str]) -> Answer:
    """The answer without its text from the first stop word on. Its calls stay."""
    if not (words and answer.text):
        return answer
    stop = StopWords(words)
    text = stop.feed(answer.text)
    if not stop.met:
        return answer
    finish_reason = answer.finish_reason if answer.tool_calls else "stop"
    return answer.with_(text=text, finish_reason=finish_reason)


class StopWords:
    """Lets a growing text through up to the first of some words."""

    def __init__(self, words: Sequence[str]) -> None:
        self.met = False
        """Whether a word came. Nothing after it counts."""
        self.dropped = 0
        """Characters that came after it."""
        self.held = ""
        """The end of the text, while it may be the beginning of a word."""
        self._words = tuple(words)
        self._longest = max(map(len, words), default=0)
        self._first_letters = frozenset(word[0] for word in words)

    def feed(self, text: str) -> str:
        """What is certain to stand before any word."""
        if not self._words:
            return text
        if self.met:
            self.dropped += len(text)
            return ""
        text = self.held + text
        # A server stops as soon as one is complete, so the one that ends first counts.
        met = [(at + len(word), at) for word in self._words if (at := text.find(word)) >= 0]
        self.met = bool(met)
        end = min(met)[1] if met else self._beginning(text)
        self.held = "" if met else text[end:]
        return text[:end]

    def _beginning(self, text: str) -> int:
        """Where a word begins that the text ends amid; its length if it does not."""
        for start in range(max(0, len(text) - self._longest + 1), len(text)):
            if text[start] in self._first_letters:
                end = text[start:]
                if any(word.startswith(end) for word in self._words):
                    return start
        return len(text)

    def close(self) -> str:
        """What was held back: the text has ended, and it was no word."""
        rest, self.held = self.held, ""
        return rest
