"""Guards that look for words and patterns: `PatternGuard` and `CrisisGuard`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import BadSetting
from .base import Action, Exchange, Guard, Verdict, check_action


class PatternGuard(Guard):
    """Rejects or flags texts that contain certain words or match certain patterns.

    Args:
        keywords: whole words to look for, in any case.
        patterns: regular expressions to look for, in any case.
        action: what follows, "reject" or "flag".
        on_prompt: whether to judge prompts.
        on_answer: whether to judge answers.
        reason: the reason of its verdicts. Empty: the pattern that matched.
        name: what flags call it.

    Raises:
        BadSetting: a pattern is not a regular expression, or there is nothing to look for.
    """

    def __init__(
        self,
        keywords: Iterable[str] = (),
        patterns: Iterable[str] = (),
        *,
        action: Action = "reject",
        on_prompt: bool = False,
        on_answer: bool = True,
        reason: str = "",
        name: str = "pattern",
    ) -> None:
        check_action(action)
        whole_words = [rf"(?<!\w){re.escape(word)}(?!\w)" for word in keywords]
        try:
            self._patterns = [re.compile(p, re.IGNORECASE) for p in (*whole_words, *patterns)]
        except re.error as error:
            raise BadSetting(
                f"a pattern of {name!r} is not a regular expression: {error}"
            ) from None
        if not self._patterns:
            raise BadSetting(f"{name!r} has neither keywords nor patterns")
        self.action, self.on_prompt, self.on_answer, self.name = action, on_prompt, on_answer, name
        self.reason = reason

    def judge(self, exchange: Exchange) -> Verdict:
        for pattern in self._patterns:
            if pattern.search(exchange.text):
                return Verdict(self.action, self.reason or f"matches {pattern.pattern!r}")
        return Verdict()


class CrisisGuard(PatternGuard):
    """Flags prompts that speak of self-harm, and puts a text of yours before the answer.

    It looks for phrases in English, German, Spanish and French, and will miss some.

    Args:
        help_text: what to put before the answer. The right number to call depends on where your
            users are.
        patterns: further regular expressions to look for.
        name: what flags call it.
    """

    def __init__(
        self, help_text: str = "", *, patterns: Iterable[str] = (), name: str = "crisis"
    ) -> None:
        super().__init__(
            patterns=(*_CRISIS_PATTERNS, *patterns),
            action="flag",
            on_prompt=True,
            on_answer=False,
            name=name,
        )
        self.help_text = help_text

    def judge(self, exchange: Exchange) -> Verdict:
        verdict = super().judge(exchange)
        if verdict.action == "accept":
            return verdict
        return Verdict("flag", "speaks of self-harm", self.help_text)


_CRISIS_PATTERNS = (
    r"\b(?:kill|hang|harm|hurt|cut|shoot)(?:ing)? myself\b",
    r"\bend(?:ing)? (?:my life|it all)\b",
    r"\b(?:want|wish|going|ready|plan(?:ning)?) to (?:die|be dead|not (?:exist|be alive))\b",
    r"\bsuicid(?:e|al)\b",
    r"\bno reason to (?:live|go on)\b",
    r"\bbetter off (?:dead|without me)\b",
    r"\b(?:mich|mir) (?:umbringen|das leben nehmen|etwas antun)\b|\bnicht mehr leben\b",
    r"\bselbstmord\b|\bsuizid",
    r"\b(?:matarme|suicidarme|quitarme la vida|no quiero (?:seguir )?vivi(?:r|endo))\b",
    r"\bsuicid(?:io|arse)\b",
    r"\b(?:me (?:tuer|suicider)|en finir avec la vie|plus envie de vivre)\b",
)
