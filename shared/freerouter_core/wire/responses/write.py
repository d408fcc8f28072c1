"""`Writer`: a `Response` object and its items, as OpenAI's types require them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..answer import Answer
from ..json_values import Json, JsonMapping, as_dicts, as_mapping
from ..messages.signature import sign
from ..openai_answer import full_usage
from ..tool_calls import ToolCall
from .read import ResponsesRequest

_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why an answer is incomplete, by its finish reason."""


@dataclass
class Writer:
    """Writes one response. `created`: unix seconds. `new_id`: makes the end of an id."""

    asked: ResponsesRequest
    id: str
    created: int
    new_id: Callable[[], str]

    def response(
        self,
        status: str,
        model: str,
        output: Sequence[Json] = (),
        *,
        answer: Answer | None = None,
        error: JsonMapping | None = None,
        metadata: JsonMapping | None = None,
        completed: int | None = None,
    ) -> Json:
        """The response as it is now.

        `status`: "in_progress", "completed", "incomplete" or "failed". `metadata`: the attempts.
        `completed`: when it was, unix seconds.
        """
        body: Json = {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "completed_at": completed,
            "status": status,
            "error": None if error is None else dict(error),
            "incomplete_details": None,
            "model": model,
            "output": list(output),
            "usage": None,
            **self.asked.repeated,
        }
        if answer is not None:
            body["usage"] = usage_of(answer)
            if status == "incomplete":
                reason = _REASONS[str(answer.finish_reason)]
                body["incomplete_details"] = {"reason": reason}
        if metadata is not None:
            notes = {"left_out": dict(self.asked.left_out)} if self.asked.left_out else {}
            kept = {key: value for key, value in metadata.items() if key != "logprobs"}
            body["freerouter"] = {**kept, **notes}
        return body

    def whole(self, answer: Answer, metadata: JsonMapping, now: int) -> Json:
        """The response to a request that is not streamed. `now`: unix seconds."""
        return self.ended(self.items(answer), answer, metadata, now)

    def ended(
        self, output: Sequence[Json], answer: Answer, metadata: JsonMapping, now: int
    ) -> Json:
        """The response after its last item. `now`: unix seconds."""
        status = status_of(answer)
        completed = now if status == "completed" else None
        return self.response(
            status, answer.model, output, answer=answer, metadata=metadata, completed=completed
        )

    def items(self, answer: Answer) -> list[Json]:
        """The items of an answer: thoughts, then words, then calls."""
        items = []
        if answer.reasoning or (self.asked.encrypted and answer.reasoning_details):
            details = answer.reasoning_details
            items.append(self.thoughts(answer.reasoning, answer.model, details))
        if answer.text or answer.refusal or not calls_of(answer):
            items.append(self.message(parts_of(answer), status_of(answer)))
        items += [self.asked.tools.item(call, self.item_id("fc")) for call in calls_of(answer)]
        return items

    def item_id(self, prefix: str) -> str:
        """A new id of an item."""
        return f"{prefix}_{self.new_id()}"

    def thoughts(
        self, text: str, model: str = "", details: Sequence[Json] = (), ident: str = ""
    ) -> Json:
        """An item of thoughts. `model` and `details` go back to their writer with the next turn, if
        the client sends thoughts back."""
        item: Json = {
            "id": ident or self.item_id("rs"),
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": text}] if text else [],
        }
        if self.asked.encrypted and model:
            item["encrypted_content"] = sign([model], details)
        return item

    def message(self, parts: Sequence[Json], status: str, ident: str = "") -> Json:
        """An item of words. `status` is the item's, or the response's."""
        return {
            "id": ident or self.item_id("msg"),
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": list(parts),
        }


def status_of(answer: Answer) -> str:
    """ "completed", or "incomplete" for an answer that a limit or a filter ended."""
    ended = answer.finish_reason in _REASONS and not calls_of(answer)
    return "incomplete" if ended else "completed"


def calls_of(answer: Answer) -> list[ToolCall]:
    """The calls of an answer. An invalid one has the reason for arguments, which is no JSON, so
    that no client carries it out."""
    invalid = [ToolCall(call.id, call.name, f"({call.problem})") for call in answer.invalid_calls]
    return [*answer.tool_calls, *invalid]


def parts_of(answer: Answer) -> list[Json]:
    """What a message says: text, or a refusal."""
    if answer.refusal and not answer.text:
        return [{"type": "refusal", "refusal": answer.refusal}]
    return [text_part(answer.text, answer)]


def text_part(text: str, answer: Answer | None = None) -> Json:
    """A part of text, with its sources and the chances of its tokens."""
    annotations = () if answer is None else answer.annotations
    logprobs = None if answer is None else answer.logprobs
    return {
        "type": "output_text",
        "text": text,
        "annotations": [cited for note in annotations if (cited := _citation(note))],
        "logprobs": [_chance(told) for told in as_dicts((logprobs or {}).get("content"))],
    }


def _citation(note: JsonMapping) -> Json | None:
    """A source in this API's form; chat's has it in an object of its own."""
    source = as_mapping(note.get("url_citation")) or note
    if note.get("type") != "url_citation" or not source.get("url"):
        return None
    return {
        "type": "url_citation",
        "url": str(source["url"]),
        "title": str(source.get("title") or ""),
        "start_index": _whole(source.get("start_index")),
        "end_index": _whole(source.get("end_index")),
    }


def _chance(told: JsonMapping) -> Json:
    others = told.get("top_logprobs")
    token = str(told.get("token") or "")
    return {
        "token": token,
        "bytes": _bytes(told.get("bytes"), token),
        "logprob": told.get("logprob"),
        "top_logprobs": [_chance(other) for other in as_dicts(others)],
    }


def _bytes(told: object, token: str) -> list[int]:
    return told if isinstance(told, list) else list(token.encode("utf-8", "replace"))


def usage_of(answer: Answer) -> Json:
    """The usage in this API's words; zeros where the provider told none."""
    usage = full_usage(answer.usage or {})
    prompt = as_mapping(usage.get("prompt_tokens_details"))
    completion = as_mapping(usage.get("completion_tokens_details"))
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {
            "cached_tokens": _whole(prompt.get("cached_tokens")),
            "cache_write_tokens": _whole(prompt.get("cache_write_tokens")),
        },
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": _whole(completion.get("reasoning_tokens"))},
        "total_tokens": usage["total_tokens"],
    }


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
