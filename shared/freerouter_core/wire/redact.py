"""Keys out of text. A server may quote the key it refused, or the request it did not understand."""

from __future__ import annotations

import re
from dataclasses import replace

from ..catalogue.providers import Account
from .answer import Answer
from .fault import Fault

_MAX_MESSAGE = 300
"""Characters of a fault's message."""
_MIN_SECRET = 6
"""Characters: what is shorter may be a word."""

_LIKE_A_KEY = re.compile(
    r"\b(?:sk-[A-Za-z0-9_\-]{6,}"
    r"|gsk_[A-Za-z0-9]{8,}"
    r"|AIza[A-Za-z0-9_\-]{16,}"
    r"|nvapi-[A-Za-z0-9_\-]{8,}"
    r"|hf_[A-Za-z0-9]{8,})"
    r"|(?<=[Bb]earer )[A-Za-z0-9._\-]{6,}"
)
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def strip_control_characters(text: str) -> str:
    """`text` without what would command a terminal."""
    return _CONTROL_CHARACTER.sub("", text)


def redact(text: str, account: Account | None = None) -> str:
    """`text` without the account's key, its headers' values, and anything that looks like a key."""
    if not text:
        return text
    for secret in _secrets(account) if account is not None else ():
        text = text.replace(secret, "[key]")
    return _LIKE_A_KEY.sub("[key]", text)


def redact_fault(fault: Fault, account: Account) -> Fault:
    """The fault with keys out of its message, which is shortened only then."""
    if not fault.message:
        return fault
    message = strip_control_characters(redact(fault.message, account))
    return replace(fault, message=message[:_MAX_MESSAGE])


def redact_answer(answer: Answer, account: Account, *, with_text: bool = False) -> Answer:
    """The answer with keys out of its metadata; `with_text`: out of its text and calls too."""
    if with_text:
        calls = tuple(
            replace(
                call, name=redact(call.name, account), arguments=redact(call.arguments, account)
            )
            for call in answer.tool_calls
        )
        answer = answer.with_(
            text=redact(answer.text, account),
            reasoning=redact(answer.reasoning, account),
            refusal=redact(answer.refusal, account),
            tool_calls=calls,
        )
    metadata = (
        answer.model,
        answer.upstream,
        answer.id,
        answer.finish_reason,
        answer.native_finish_reason,
    )
    texts = [text for text in metadata if isinstance(text, str)]
    if not any(secret in text for secret in _secrets(account) for text in texts):
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
    return [value for value in values if len(value) >= _MIN_SECRET]
