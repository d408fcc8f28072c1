"""Keys out of text. A server may quote the key it refused, or the request it did not understand."""

from __future__ import annotations

import re
from dataclasses import replace

from ..catalogue.providers import Account
from .answer import Answer
from .fault import Fault

_LIKE_A_KEY = re.compile(
    r"\b(?:sk-[A-Za-z0-9_\-]{6,}|gsk_[A-Za-z0-9]{8,}|AIza[A-Za-z0-9_\-]{16,}|nvapi-[A-Za-z0-9_\-]{8,}|hf_[A-Za-z0-9]{8,})"
    r"|(?<=[Bb]earer )[A-Za-z0-9._\-]{6,}"
)


_COMMANDING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def strip_control_characters(text: str) -> str:
    """The text without what would command a terminal."""
    return _COMMANDING.sub("", text)


def redact(text: str, account: Account | None = None) -> str:
    """`text` without the account's key, its headers' values, and anything that looks like a key."""
    if not text:
        return text
    if account is not None:
        for secret in _secrets(account):
            if secret in text:
                text = text.replace(secret, "[key]")
    return _LIKE_A_KEY.sub("[key]", text)


def redact_fault(fault: Fault, account: Account) -> Fault:
    """The fault with keys out of its words, which are cut short only then."""
    if not fault.message:
        return fault
    return replace(fault, message=strip_control_characters(redact(fault.message, account))[:300])


def redact_answer(answer: Answer, account: Account, *, with_text: bool = False) -> Answer:
    """The answer with keys out of what ends in metadata and logs; its text is the model's own, unless `with_text`."""
    if with_text:
        calls = tuple(
            replace(c, name=redact(c.name, account), arguments=redact(c.arguments, account))
            for c in answer.tool_calls
        )
        text, thought = redact(answer.text, account), redact(answer.reasoning, account)
        answer = answer.with_(
            text=text, reasoning=thought, refusal=redact(answer.refusal, account), tool_calls=calls
        )
    told = (
        answer.model,
        answer.upstream,
        answer.finish_reason or "",
        answer.native_finish_reason or "",
        answer.id,
    )
    if not any(
        secret in part for secret in _secrets(account) for part in told if isinstance(part, str)
    ):
        return answer
    return answer.with_(
        model=redact(answer.model, account),
        upstream=redact(answer.upstream, account),
        id=redact(answer.id, account),
        finish_reason=redact(answer.finish_reason or "", account) or None,
        native_finish_reason=redact(str(answer.native_finish_reason or ""), account) or None,
    )


def _secrets(account: Account) -> list[str]:
    values = [account.key, *(value for _, value in account.headers)]
    values += [value.rpartition(" ")[2] for value in values if " " in value]
    return [value for value in values if len(value) >= 6]
