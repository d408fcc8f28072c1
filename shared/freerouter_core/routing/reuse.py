"""Which answers are kept for requests that ask the same, and when one may be used again.

`stored` says what may be kept, `StoredAnswer` is what is kept, and `usable` says whether a request
may have it. `replayed` shows it as a stream.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from ..catalogue.providers import Account
from ..wire.answer import Answer
from ..wire.delta import Delta
from ..wire.json_values import Json, as_dicts, encode_json, parse_json
from ..wire.redact import tells_key
from ..wire.request import ChatRequest
from ..wire.tool_calls import ToolCall, ToolCallFragment
from .plan import Outcome
from .steps import Done


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it is kept.

    Attributes:
        answer: the answer.
        model: the id of the model that gave it.
        source: where that model is served, as `source_of` names it.
        at: when it was given, unix seconds.
    """

    answer: Answer
    model: str
    source: str
    at: float

    def encode(self) -> bytes:
        """The answer as JSON."""
        answer = self.answer
        form: dict[str, Any] = {"at": self.at, "by": self.model, "from": self.source}
        for name in _FIELDS:
            value = getattr(answer, name)
            if value:
                form[name] = value
        if answer.tool_calls:
            form["calls"] = [[call.id, call.name, call.arguments] for call in answer.tool_calls]
        if answer.simulated:
            form["simulated"] = True
        return encode_json(form)

    @classmethod
    def decode(cls, data: bytes) -> StoredAnswer | None:
        """What `encode` wrote; None for anything else."""
        try:
            form = parse_json(data)
            fields: Json = {name: form[name] for name in _TEXTS if isinstance(form.get(name), str)}
            fields |= {name: form[name] for name in _OBJECTS if isinstance(form.get(name), dict)}
            fields |= {name: as_dicts(form[name]) for name in _LISTS if name in form}
            fields["tool_calls"] = tuple(ToolCall(*map(str, c)) for c in form.get("calls", ()))
            answer = Answer(**fields, simulated=form.get("simulated") is True)
            return cls(answer, str(form["by"]), str(form["from"]), float(form["at"]))
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


_TEXTS = (
    "text", "reasoning", "finish_reason", "native_finish_reason", "model", "upstream", "id",
)  # fmt: skip
_LISTS = ("reasoning_details", "annotations", "images")
_OBJECTS = ("usage", "audio", "logprobs")
_FIELDS = (*_TEXTS, *_LISTS, *_OBJECTS)
GOOD_ENDS = frozenset({"stop", "tool_calls", "function_call"})
"""Why a model stops that has said all it wanted to say."""


def source_of(account: Account) -> str:
    """Where an answer of this account comes from. The key does not matter."""
    return f"{account.provider}|{account.address}{'|simulated' if account.simulated else ''}"


def mark_of_sources(sources: Collection[str]) -> str:
    """A short text that is equal, in any process, for the same sources or accounts."""
    return hashlib.sha256("\n".join(sorted(sources)).encode()).hexdigest()[:16]


def stored(outcome: Outcome, at: float) -> StoredAnswer | None:
    """The outcome as it is kept from the time `at` on; None: it is not kept.

    What is kept was judged good, is whole, came from one model, and cost nothing. An answer that
    holds a key is not kept.
    """
    answer, attempt = outcome.answer, outcome.attempt
    flawed = answer.error or answer.refusal or answer.invalid_calls or answer.empty
    whole = answer.complete and answer.finish_reason in GOOD_ENDS and not flawed
    plain = not (outcome.seams or outcome.flags or outcome.aside or outcome.cached)
    if not (whole and plain) or _was_charged(outcome):
        return None
    if _tells_key(outcome):  # in its text or calls: the rest of it came without keys
        return None
    return StoredAnswer(answer, attempt.model.id, source_of(attempt.account), at)


def _tells_key(outcome: Outcome) -> bool:
    answer = outcome.answer
    for entry in reversed(outcome.journal.entries):
        if isinstance(entry.what, Done) and entry.what.answer is answer:
            return False  # the journal has looked, and found nothing to take out of it
    return tells_key(answer, outcome.attempt.account)


def _was_charged(outcome: Outcome) -> bool:
    attempt = outcome.attempt
    told = (outcome.answer.cost or 0.0) > 0 and not attempt.account.notional_costs
    return told or not attempt.model.free


# -- what is used ----------------------------------------------------------------------------------


def usable(kept: StoredAnswer, sources: Collection[str], now: float, ttl: float | None) -> bool:
    """Whether an answer may serve a request whose router may ask `sources`, at `now`."""
    return kept.source in sources and (ttl is None or now - kept.at <= ttl)


def slots(key: str, request: ChatRequest, variants: int) -> tuple[str, ...]:
    """The keys under which the answers to a request are kept: as many as there may be."""
    if variants == 1 or _temperature(request) == 0:
        return (key,)
    return (key, *(f"{key}.{n}" for n in range(1, variants)))


def _temperature(request: ChatRequest) -> object:
    return request.extra_body.get("temperature", request.parameters.get("temperature"))


PIECE = 200
"""Characters of a piece of an answer that is shown again as a stream."""


def replayed(answer: Answer, *, fragments: bool) -> list[Delta]:
    """The deltas of a kept answer. `fragments`: calls come as pieces do, not whole."""
    deltas = [Delta(reasoning=piece) for piece in _pieces(answer.reasoning)]
    deltas += [Delta(piece) for piece in _pieces(answer.text)]
    if answer.tool_calls and fragments:
        calls = enumerate(answer.tool_calls)
        pieces = (ToolCallFragment(n, c.id, c.name, c.json_arguments) for n, c in calls)
        deltas += [Delta(fragments=(piece,)) for piece in pieces]
    elif answer.tool_calls:
        deltas.append(Delta(tool_calls=answer.tool_calls))
    return deltas


def _pieces(text: str) -> Sequence[str]:
    return [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
