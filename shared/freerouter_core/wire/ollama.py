"""Ollama's chat API from the server's side: bodies in, lines of JSON out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..catalogue.model import Model
from ..errors import BadRequest
from .answer import Answer
from .delta import Delta
from .json_values import Json, JsonMapping, as_mapping
from .messages.write import call_blocks
from .openai import AUTO_NAMES
from .request import ChatRequest
from .sampling import checked
from .structured import Structured

VERSION = "0.12.6"
"""The version of Ollama whose API this is. Clients ask for one that is new enough."""
_OPTIONS = {
    "temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "min_p": "min_p",
    "seed": "seed", "stop": "stop", "num_predict": "max_tokens",
    "repeat_penalty": "repetition_penalty", "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}  # fmt: skip
"""Options of Ollama's that have another API's name; the rest tunes a local machine."""


class Shown(NamedTuple):
    """What a client is shown. `offered`: the names of the tools."""

    thinking: bool
    offered: frozenset[str]

    def message(self, said: Answer | Delta) -> Json:
        """What was said, as a message."""
        message: Json = {"role": "assistant", "content": said.text}
        if self.thinking and said.reasoning:
            message["thinking"] = said.reasoning
        blocks = call_blocks(said.tool_calls, said.invalid_calls, self.offered)
        if blocks:
            functions = [{"name": b["name"], "arguments": b["input"]} for b in blocks]
            message["tool_calls"] = [
                {"id": block["id"], "function": function}
                for block, function in zip(blocks, functions, strict=True)
            ]
        return message


class OllamaRequest(NamedTuple):
    """A client's request. `shown`: what of the answer the client is shown."""

    request: ChatRequest
    stream: bool
    shown: Shown


def read_chat(body: object) -> OllamaRequest:
    """The request in a client's body. Raises `BadRequest`."""
    if not isinstance(body, Mapping) or not isinstance(body.get("messages"), list):
        raise BadRequest("messages must be a list")
    model, tools, think = body.get("model"), body.get("tools") or [], body.get("think")
    if (model is not None and not isinstance(model, str)) or not isinstance(tools, list):
        raise BadRequest("model must be a name, and tools a list")
    # Ollama's clients write a tag behind every name, and so do free models.
    name = model.removesuffix(":latest") if model else None
    request = ChatRequest(
        messages=[_message(message) for message in body["messages"]],
        tools=tools,
        structured=_structured(body.get("format")),
        parameters=_parameters(as_mapping(body.get("options"))),
        reasoning=think if isinstance(think, (bool, str)) else None,
        model=None if name in AUTO_NAMES else name,
        fresh=body.get("fresh") is True,
    )
    shown = Shown(think not in (None, False), request.offered)
    return OllamaRequest(request, body.get("stream") is not False, shown)


def _message(message: object) -> Any:
    """A message whose result of a tool tells the tool's name as others do."""
    if not isinstance(message, Mapping) or not message.get("tool_name"):
        return message
    return {**message, "name": message["tool_name"]}


def _parameters(options: JsonMapping) -> Json:
    given = {_OPTIONS[k]: v for k, v in options.items() if k in _OPTIONS and v is not None}
    named = checked(given)
    limit = named.get("max_tokens")
    if (
        isinstance(limit, bool) or not isinstance(limit, int) or limit < 1
    ):  # -1 and -2 mean no limit
        named.pop("max_tokens", None)
    return named


def _structured(wanted: object) -> Structured | None:
    if not wanted:
        return None
    if wanted == "json":
        return Structured(None, method="json_mode")
    if not isinstance(wanted, Mapping):
        raise BadRequest("format is in no known form", hint='"json", or a JSON schema')
    return Structured(dict(wanted), method="json_schema")


# -- what is said ----------------------------------------------------------------------------------


def write_delta(delta: Delta, model: str, at: str, shown: Shown) -> Json | None:
    """A line of a stream; None: the client is to see none of it. `at`: the time, RFC 3339."""
    message = shown.message(delta)
    if len(message) == 2 and not delta.text:
        return None
    return {"model": model, "created_at": at, "message": message, "done": False}


def write_end(answer: Answer, at: str, seconds: float, metadata: JsonMapping) -> Json:
    """The last line of a stream."""
    return {
        "model": answer.model,
        "created_at": at,
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "length" if answer.finish_reason == "length" else "stop",
        "total_duration": int(seconds * 1e9),
        "prompt_eval_count": _count(answer, "prompt_tokens"),
        "eval_count": _count(answer, "completion_tokens"),
        "freerouter": dict(metadata),
    }


def write_whole(
    answer: Answer, at: str, seconds: float, metadata: JsonMapping, shown: Shown
) -> Json:
    """An answer that is not streamed."""
    said = answer.with_(text=answer.text or answer.refusal)
    return write_end(answer, at, seconds, metadata) | {"message": shown.message(said)}


def _count(answer: Answer, name: str) -> int:
    value = (answer.usage or {}).get(name)
    return value if isinstance(value, int) else 0


def write_tags(models: Sequence[Model], at: str) -> Json:
    """The list of models. Nothing of them is on this machine."""
    details = {"format": "", "family": "", "parameter_size": "", "quantization_level": ""}
    rows = [
        {"name": model.id, "model": model.id, "modified_at": at, "size": model.size, "digest": "",
         "details": {**details, "families": None}}
        for model in models
    ]  # fmt: skip
    return {"models": rows}
