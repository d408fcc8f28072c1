"""Keys out of text. A server may quote the key it refused, or the request it did not understand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from ..catalogue.providers import Account
from ..errors import hide_keys
from .account_secrets import MIN_SECRET, Secrets, secrets_of
from .answer import Answer
from .fault import Fault
from .json_values import Json
from .tool_calls import id_of_call

_MAX_MESSAGE = 300
"""Characters of a fault's message."""
_MAX_DEPTH = 20
"""Levels of a JSON value that are cleaned. What is deeper is left out."""
_TEXTLESS = frozenset({int, float, bool, type(None)})
"""Types of values in which no text can stand."""
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def strip_control_characters(text: str) -> str:
    """`text` without what would command a terminal."""
    return _CONTROL_CHARACTER.sub("", text)


def redact(text: str, account: Account | None = None) -> str:
    """`text` without the account's secrets, in any common encoding, and anything that looks like a
    key. Its secrets are the key, its headers' values, and the password of its address."""
    if not text:
        return text
    return hide_keys(text if account is None else secrets_of(account).out_of(text))


def names_key(names: Iterable[str], account: Account) -> bool:
    """Whether a name holds a secret of the account, or a part of one. A short one may be the name
    of a program, which its models have in theirs."""
    return secrets_of(account).are_in_name("\n".join(names))


def redact_fault(fault: Fault, account: Account) -> Fault:
    """The fault with keys out of its message, which is shortened only then."""
    if not fault.message:
        return fault
    message = strip_control_characters(redact(fault.message, account))
    return replace(fault, message=message[:_MAX_MESSAGE])


def tells_key(answer: Answer, account: Account) -> bool:
    """Whether something in what the model said looks like a key."""
    called = [text for call in answer.tool_calls for text in (call.name, call.arguments)]
    texts = "\n".join([answer.text, answer.reasoning, answer.refusal, *called])
    return secrets_of(account).may_be_in(texts) or hide_keys(texts) != texts


def redact_answer(answer: Answer, account: Account, *, with_text: bool = False) -> Answer:
    """The answer with keys out of all that its text is not, and out of the ids of its calls;
    `with_text`: out of its text and calls too."""
    secrets = secrets_of(account)
    if with_text and tells_key(answer, account):
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
    if any(secrets.may_be_in(call.id) for call in answer.tool_calls):
        calls = tuple(replace(c, id=redact_id(c.id, secrets)) for c in answer.tool_calls)
        answer = answer.with_(tool_calls=calls)
    if not secrets.may_be_in(_texts_in(_metadata_of(answer))):
        return answer
    changes: dict[str, Any] = {}
    for name in _METADATA:
        value = getattr(answer, name)
        if value:
            changes[name] = _clean(value, secrets)
    return answer.with_(**changes)


def redact_id(name: str, secrets: Secrets) -> str:
    """The id of a call; if a secret is in it, another, which is the same each time."""
    return id_of_call(name) if secrets.may_be_in(name) and secrets.find(name) else name


def redact_json(value: Json, secrets: Secrets) -> Json:
    """An object with secrets out of all its texts; the same one if it has none."""
    return _clean(value, secrets) if secrets.may_be_in(_texts_in((value,))) else value


_METADATA = (
    "model",
    "upstream",
    "id",
    "reasoning",
    "finish_reason",
    "native_finish_reason",
    "usage",
    "annotations",
    "reasoning_details",
    "images",
    "audio",
    "error",
    "logprobs",
)
"""What an answer has besides text, refusal and calls. A model cannot know the key, so what quotes
it there is the server."""
_metadata_of = attrgetter(*_METADATA)


def _texts_in(values: Sequence[object]) -> str:
    """All texts of JSON values in one, but none that is too short to hold a secret."""
    said: list[str] = []
    level, depth = values, 0
    while level:
        below: list[object] = []
        for value in level:
            kind = type(value)
            if kind in _TEXTLESS:
                continue  # most values are: said early, as it is quick to tell
            if isinstance(value, str):
                if len(value) >= MIN_SECRET:
                    said.append(value)
            elif isinstance(value, (list, tuple)) and depth <= _MAX_DEPTH:
                below += value
            elif isinstance(value, (dict, Mapping)) and depth <= _MAX_DEPTH:
                below += value
                below += value.values()
            else:  # too deep, or no JSON
                said.append(str(value))
        level, depth = below, depth + 1
    return "\n".join(said)


def _clean(value: Any, secrets: Secrets, depth: int = 0) -> Any:
    """A JSON value with the secrets out of its texts and the names of its fields."""
    if isinstance(value, str):
        return secrets.out_of(value)
    if depth > _MAX_DEPTH and isinstance(value, Mapping | list | tuple):
        return None
    if isinstance(value, Mapping):
        return {
            _clean(name, secrets): _clean(item, secrets, depth + 1) for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return type(value)(_clean(item, secrets, depth + 1) for item in value)
    return value
