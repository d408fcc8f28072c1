"""`Answer`: what a model said, whole; read from a chat-completion body of any recorded shape."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete call: `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str

    def parsed(self) -> Json | None:
        """The arguments, or None when they are no complete JSON object. Nothing is repaired: a call cut inside a
        path or an amount would still parse, and run (langchain#39275)."""
        try:
            value = json.loads(self.arguments or "{}")
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def wire(self) -> Json:
        return {
            "id": self.id,
            "type": "function",
            "function": {"name": self.name, "arguments": self.arguments or "{}"},
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `usage` is the wire's own dict, `cost` USD or None when the provider states none."""

    text: str = ""
    reasoning: str = ""
    reasoning_details: tuple[Json, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str = ""
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    usage: Json | None = None
    model: str = ""
    """The model that answered, as the provider named it, else as asked."""
    upstream: str = ""
    """The inference provider behind the gateway, where it says so."""
    id: str = ""
    annotations: tuple[Json, ...] = ()
    images: tuple[Json, ...] = ()
    audio: Json | None = None
    """Sound that was asked for by `modalities`: `id`, `data` (base64), `transcript`."""
    error: Json | None = None
    """An error found inside a response that claimed success."""
    complete: bool = True
    """False when the stream ended without a finish reason and without `[DONE]`."""
    simulated: bool = False

    @property
    def cost(self) -> float | None:
        value = (self.usage or {}).get("cost")
        known = (
            isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        )
        return float(value) if known and value is not None else None

    @property
    def empty(self) -> bool:
        """Nothing a caller could use: reasoning alone is not an answer."""
        return not (
            self.text.strip() or self.tool_calls or self.refusal or self.images or self.audio
        )

    def with_(self, **changes: Any) -> Answer:
        return replace(self, **changes)


@dataclass(slots=True)
class _Ids:
    """Tool-call ids where a model gives none, an empty one or the same twice."""

    seen: set[str] = field(default_factory=set)

    def unique(self, given: object, stem: str, n: int) -> str:
        name = given if isinstance(given, str) and given else ""
        if not name or name in self.seen:
            name = f"call_{stem[-12:] or 'x'}_{n}"
        self.seen.add(name)
        return name


def read_answer(body: object, asked: str = "") -> Answer:
    """The answer in a non-streamed body. Errors inside a 200 are in `Answer.error`; a body that is no answer at all
    (no object, `choices` null or empty) gives an empty one."""
    if not isinstance(body, Mapping):
        return Answer(model=asked, error={"message": "the response is no JSON object"})
    error = _error_of(body.get("error"))
    choice = _first_choice(body)
    if error is None:
        error = _error_of(choice.get("error"))
    raw = choice.get("message")
    message: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
    finish = choice.get("finish_reason") or None
    if error is None and finish == "error":
        error = {
            "message": f"finish_reason error ({choice.get('native_finish_reason')})",
            "code": 502,
        }
    ident = str(body.get("id") or "")
    text, thought = split_think(paired(text_of(message.get("content"))))
    return Answer(
        text=text,
        reasoning=reasoning_of(message) or thought,
        reasoning_details=_dicts(message.get("reasoning_details")),
        tool_calls=_tool_calls(message, ident),
        refusal=str(message.get("refusal") or ""),
        finish_reason=finish,
        native_finish_reason=choice.get("native_finish_reason"),
        usage=dict(body["usage"]) if isinstance(body.get("usage"), Mapping) else None,
        model=str(body.get("model") or asked),
        upstream=str(body.get("provider") or "")
        if not isinstance(body.get("provider"), Mapping)
        else "",
        id=ident,
        annotations=_dicts(message.get("annotations")),
        images=_dicts(message.get("images")),
        audio=dict(message["audio"]) if isinstance(message.get("audio"), Mapping) else None,
        error=error,
    )


def paired(text: str) -> str:
    """The text with pairs of surrogates as the letters they stand for; half of one is U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def text_of(content: object) -> str:
    """Content as text: a string, null, or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (p.get("text") if isinstance(p, Mapping) else p for p in content)
        return "".join(p for p in parts if isinstance(p, str))
    return ""


def reasoning_of(message: Mapping[str, Any]) -> str:
    """Reasoning in its three spellings: `reasoning` (OpenRouter, newer vLLM), `reasoning_content` (DeepSeek, older
    vLLM; llama_index#21582), or only in `reasoning_details`."""
    for key in ("reasoning", "reasoning_content"):
        value = message.get(key)
        if isinstance(value, str) and value:
            return value
    parts = [d.get("text") or d.get("summary") for d in _dicts(message.get("reasoning_details"))]
    content = _dicts(message.get("content"))  # Mistral's thoughts are parts of it
    parts += [text_of(part.get("thinking")) for part in content if part.get("type") == "thinking"]
    return "".join(p for p in parts if isinstance(p, str))


def split_think(text: str) -> tuple[str, str]:
    """(answer, thought) of a text that opens with an inline `<think>` block."""
    head = text.lstrip()
    if not head.startswith("<think>"):
        return text, ""
    thought, closed, rest = head[len("<think>") :].partition("</think>")
    return (rest.lstrip(), thought.strip()) if closed else ("", thought.strip())


def _first_choice(body: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = body.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        return choices[0]
    return {}


def _tool_calls(message: Mapping[str, Any], stem: str) -> tuple[ToolCall, ...]:
    ids, calls = _Ids(), []
    for n, call in enumerate(_dicts(message.get("tool_calls"))):
        raw = call.get("function")
        function: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
        arguments = function.get("arguments")
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments) if arguments else ""
        calls.append(
            ToolCall(
                ids.unique(call.get("id"), stem, n), str(function.get("name") or ""), arguments
            )
        )
    return tuple(calls)


def _error_of(value: object) -> Json | None:
    if not value:
        return None
    return dict(value) if isinstance(value, Mapping) else {"message": str(value)}


def _dicts(value: object) -> tuple[Json, ...]:
    return (
        tuple(dict(v) for v in value if isinstance(v, Mapping)) if isinstance(value, list) else ()
    )
