"""`finish_of`: why an answer ended, in OpenAI's words.

Providers have words of their own: `MAX_TOKENS`, `model_length`, `end_turn`, `eos`, `sensitive`,
`network_error`, `insufficient_system_resource`, `content_filter: PROHIBITED_CONTENT`. Taken for
"stop", an answer that was cut or filtered would pass for a whole one.
"""

from __future__ import annotations

from .json_values import JsonMapping
from .message import word_of

_OPENAI = frozenset({"stop", "length", "tool_calls", "function_call", "content_filter", "error"})
_MEANINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("malformed", ("malformed", "unexpected_tool")),
    (
        "content_filter",
        (
            "filter", "safety", "sensitive", "recitation", "prohibited", "blocklist", "spii",
            "refusal", "guardrail", "toxic", "censor", "policy", "moderation",
        ),
    ),
    ("length", ("length", "max_tokens", "max_output", "max_new", "token_limit", "incomplete")),
    (
        "error",
        (
            "error", "insufficient", "abort", "fail", "timeout", "timed_out", "cancel", "crash",
            "overload", "disconnect", "interrupt",
        ),
    ),
    ("tool_calls", ("tool_use", "tool_call")),
    ("stop", ("eos", "end_turn", "stop", "complete", "finished", "end_of")),
)  # fmt: skip
"""What parts of other words mean, the first that is found."""
MALFORMED = "malformed"
"""The model made a call that its own server could not read."""


def finish_of(choice: JsonMapping) -> tuple[str | None, str | None]:
    """(the finish reason of a choice in OpenAI's words, in the model's own); None: it tells none.

    A word that means nothing here stays as it is.
    """
    told = word_of(choice.get("finish_reason")) or word_of(choice.get("finishReason"))
    native = word_of(choice.get("native_finish_reason"))
    if told is None or told in _OPENAI:
        return told, native
    letters = told[:200].lower().replace("-", "_").replace(" ", "_")
    meaning = next((m for m, parts in _MEANINGS if any(p in letters for p in parts)), told)
    return meaning, native or told


def finish_error(reason: str | None, native: str | None) -> dict[str, object] | None:
    """The error that a finish reason is by itself; None: it is none."""
    if reason == MALFORMED:
        return {"message": f"malformed call ({native})", "code": "tool_use_failed"}
    if reason == "error":
        return {"message": f"finish_reason error ({native})", "code": 502}
    return None
