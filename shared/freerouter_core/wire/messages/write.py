"""`write_message`: an answer as a message of Anthropic's API."""

from __future__ import annotations

import json
import re
from collections.abc import Collection

from ..answer import Answer
from ..json_values import Json, JsonMapping, as_mapping
from ..tool_calls import InvalidToolCall, ToolCall
from .signature import sign

INVALID_CALL = "invalid_tool_call"
"""The name of a call that cannot be carried out. No tool has it, so every client tells its model
that it made a mistake."""
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")
_STOP_REASONS = {"length": "max_tokens", "content_filter": "refusal"}
"""By finish reason; any other: end_turn."""


def write_message(
    answer: Answer,
    ident: str,
    metadata: JsonMapping,
    *,
    prompt_tokens: int,
    thinking: bool,
    offered: Collection[str],
) -> Json:
    """The message; `freerouter` holds the attempts that led to it.

    `prompt_tokens`: an estimate, where the provider told no usage. `thinking`: whether thoughts are
    shown. `offered`: the names of the tools.
    """
    content: list[Json] = []
    if thinking and answer.reasoning:
        content.append(
            {
                "type": "thinking",
                "thinking": answer.reasoning,
                "signature": sign(_names(answer, metadata), answer.reasoning_details),
            }
        )
    text = answer.text or answer.refusal
    if text:
        content.append({"type": "text", "text": text})
    content += call_blocks(answer.tool_calls, answer.invalid_calls, offered)
    return message(
        ident,
        answer.model,
        content=content,
        usage=usage_of(answer, prompt_tokens),
        **stop_of(answer),
    ) | {"freerouter": dict(metadata)}


def _names(answer: Answer, metadata: JsonMapping) -> list[str]:
    """What the model that answered is called: by itself, and by us."""
    names = (answer.model, metadata.get("model_id"))
    return list(dict.fromkeys(str(name) for name in names if name))


def message(
    ident: str,
    model: str,
    *,
    content: list[Json],
    usage: Json,
    stop_reason: str | None = None,
    stop_sequence: str | None = None,
) -> Json:
    """A message object."""
    return {
        "id": ident,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": stop_sequence,
        "usage": usage,
    }


def stop_of(answer: Answer) -> dict[str, str | None]:
    """`stop_reason` and `stop_sequence`. Which sequence stopped a model, hardly anybody tells."""
    reason = _STOP_REASONS.get(answer.finish_reason or "", "end_turn")
    if answer.tool_calls or answer.invalid_calls:
        reason = "tool_use"
    elif answer.refusal:
        reason = "refusal"
    elif answer.native_finish_reason == "stop_sequence":
        reason = "stop_sequence"
    return {"stop_reason": reason, "stop_sequence": None}


def usage_of(answer: Answer, prompt_tokens: int) -> Json:
    """The usage, its parts as Anthropic counts them: `input_tokens` are those no cache held."""
    told = answer.usage or {}
    read = _count(as_mapping(told.get("prompt_tokens_details")), "cached_tokens") or 0
    prompt = _count(told, "prompt_tokens")
    prompt = prompt_tokens if prompt is None else prompt
    output = _count(told, "completion_tokens")
    if output is None:
        said = answer.text + answer.reasoning + "".join(c.arguments for c in answer.tool_calls)
        output = len(said) // 4 + 1
    usage = start_usage(max(0, prompt - read), output) | {"cache_read_input_tokens": read}
    thoughts = _count(as_mapping(told.get("completion_tokens_details")), "reasoning_tokens")
    if thoughts is not None:
        usage["output_tokens_details"] = {"thinking_tokens": thoughts}
    return usage


def start_usage(prompt_tokens: int, output_tokens: int = 1) -> Json:
    """A usage of which no more is known. Some clients need every field (BerriAI/litellm#24176)."""
    return {
        "input_tokens": prompt_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
    }


def _count(fields: JsonMapping, name: str) -> int | None:
    value = fields.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


# -- calls -----------------------------------------------------------------------------------------


def call_blocks(
    calls: Collection[ToolCall], invalid: Collection[InvalidToolCall], offered: Collection[str]
) -> list[Json]:
    """The calls as blocks, invalid ones under a name that no tool has."""
    blocks = [tool_use(call.id, call.name, call.parsed() or {}) for call in calls]
    for call in invalid:
        name = INVALID_CALL
        while name in offered:
            name += "_"
        said = {"tool": call.name, "problem": call.problem, "arguments": call.arguments}
        blocks.append(tool_use(call.id, name, said))
    return blocks


def tool_use(ident: str, name: str, arguments: Json) -> Json:
    """A call as a block. Ids have the letters that Anthropic allows."""
    return {
        "type": "tool_use",
        "id": _NOT_IN_IDS.sub("_", ident),
        "name": name,
        "input": arguments,
    }


def arguments_of(block: Json) -> str:
    """The arguments of a call as the text of a stream."""
    return json.dumps(block["input"], ensure_ascii=False)
