"""`read_request`: a body of the Responses API as a `ChatRequest`, with what its answer repeats.

The items of the input go as they are to `history`, which reads every API's. Here they get ids, for
those who ask for them later, and thoughts get back what their writer signed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ...errors import BadRequest
from ..json_values import Json, JsonMapping, as_dicts, as_mapping
from ..message import join_surrogates
from ..messages.signature import read_signature
from ..openai import read_models
from ..openai_fields import limit_in, picked
from ..reasoning import EFFORTS, ReasoningSetting
from ..request import CHOICES, ChatRequest
from ..sampling import checked
from ..structured import Structured
from .tools import ToolTable, as_call

_PARAMETERS = (
    "temperature", "top_p", "top_k", "min_p", "top_a", "seed", "stop", "frequency_penalty",
    "presence_penalty", "repetition_penalty", "logit_bias",
)  # fmt: skip
_EXTRA_BODY = ("provider", "plugins", "preset", "web_search_options", "image_config")
_NOT_SERVED = {
    "background": "use stream: an answer that nobody waits for is not kept running",
    "conversation": "use previous_response_id",
    "prompt": "send the text itself: stored prompts are OpenAI's",
}
"""Fields that are refused, with hints."""
_READ = frozenset(
    {
        "model", "models", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls",
        "text", "reasoning", "max_output_tokens", "previous_response_id", "store", "stream",
        "stream_options", "include", "metadata", "top_logprobs", "user", "truncation",
        "service_tier", "safety_identifier", "prompt_cache_key", "max_tool_calls", "fresh",
        *_PARAMETERS, *_EXTRA_BODY, *_NOT_SERVED,
    }
)  # fmt: skip
_LEFT_OUT = {
    "client_metadata": "nothing is stored, logged or billed here by it",
    "context_management": "the client's own shortening of the conversation counts",
}
_KINDS: tuple[tuple[str, tuple[type, ...], tuple[str, ...]], ...] = (
    ("a text", (str,), ("previous_response_id", "prompt_cache_key", "safety_identifier", "user")),
    ("true or false", (bool,), ("parallel_tool_calls", "store", "stream")),
    ("a number", (int, float), ("frequency_penalty", "presence_penalty", "temperature", "top_p")),
    ("a whole number", (int,), ("max_tool_calls", "top_logprobs")),
    ("a list", (list,), ("include",)),
    ("an object", (Mapping,), ("metadata", "reasoning", "text")),
    ("a text or an object", (str, Mapping), ("tool_choice",)),
    ("a text or a list of items", (str, list), ("instructions",)),
)
"""What the fields hold that an answer repeats, in words and as types."""
_SUMMARIES = ("auto", "concise", "detailed")
_VERBOSITIES = ("low", "medium", "high")
_UNKNOWN = "no field of a response that is known here"
_MOST_TOLD = 20


@dataclass(frozen=True)
class ResponsesRequest:
    """A client's request.

    `items`: the input as items, each with an id. `repeated`: what the answer repeats of the
    request. `include`: what the client wants besides.
    """

    body: JsonMapping
    items: tuple[Json, ...]
    tools: ToolTable
    repeated: Json
    stream: bool
    store: bool
    previous: str | None
    include: tuple[str, ...]
    left_out: Mapping[str, str]

    @property
    def encrypted(self) -> bool:
        """Whether thoughts are wanted in the form in which they can come back."""
        return "reasoning.encrypted_content" in self.include

    def chat(self, before: Sequence[JsonMapping] = ()) -> ChatRequest:
        """The request to a model. `before`: the items of earlier turns. Raises `BadRequest`."""
        body = self.body
        messages = [_readable(item) for item in _with_call_ids((*before, *self.items))]
        if self.repeated["instructions"]:
            messages.insert(0, {"role": "system", "content": self.repeated["instructions"]})
        model, models = read_models(body)
        parameters = checked(picked(body, _PARAMETERS))
        limit = limit_in(body, "max_output_tokens")
        if limit is not None:
            parameters["max_tokens"] = limit
        if "message.output_text.logprobs" in self.include:
            parameters |= {"logprobs": True, "top_logprobs": body.get("top_logprobs")}
        choice = self.tools.choice(body.get("tool_choice"))
        parallel = body.get("parallel_tool_calls")
        return ChatRequest(
            messages=messages,
            tools=self.tools.functions,
            tool_choice=choice if isinstance(choice, str | Mapping) else None,
            parallel_tool_calls=parallel if isinstance(parallel, bool) else None,
            structured=_structured(body),
            parameters=parameters,
            reasoning=_reasoning(body),
            extra_body=picked(body, _EXTRA_BODY),
            model=model,
            fallback_models=models,
            fresh=body.get("fresh") is True,
        )


def read_request(
    body: object, new_id: Callable[[], str], *, unasked: bool = False
) -> ResponsesRequest:
    """Read a client's body. Raises `BadRequest`.

    `new_id`: makes the end of an id. `unasked`: see `ToolTable.of`.
    """
    if not isinstance(body, Mapping):
        raise BadRequest("the body must be a JSON object")
    for name, hint in _NOT_SERVED.items():
        if body.get(name):
            raise BadRequest(f"{name} is not served", hint=hint)
    _check_kinds(body)
    tools = ToolTable.of(body.get("tools"), unasked=unasked)
    names = [name for name in body if name not in _READ and body[name] is not None][:_MOST_TOLD]
    left_out = {str(name)[:64]: _LEFT_OUT.get(name, _UNKNOWN) for name in names}
    return ResponsesRequest(
        body=body,
        items=_items(body, new_id),
        tools=tools,
        repeated=_repeated(body) | {"tools": tools.shown},
        stream=bool(body.get("stream")),
        store=body.get("store") is not False,
        previous=join_surrogates(str(body.get("previous_response_id") or "")) or None,
        include=tuple(map(str, _list_in(body, "include"))),
        left_out=left_out | tools.left_out,
    )


def _check_kinds(body: JsonMapping) -> None:
    """Raise `BadRequest` for a field that holds something of another kind."""
    for words, kinds, names in _KINDS:
        for name in names:
            value = body.get(name)
            wrong_bool = isinstance(value, bool) and bool not in kinds
            if value is not None and (wrong_bool or not isinstance(value, kinds)):
                raise BadRequest(f"{name} must be {words}")
    choice = body.get("tool_choice")
    if isinstance(choice, str) and choice not in CHOICES:
        raise BadRequest(f"tool_choice {choice[:40]!r} is not known", hint=", ".join(CHOICES))


def _list_in(body: JsonMapping, name: str) -> list[object]:
    value = body.get(name)
    return value if isinstance(value, list) else []


def _items(body: JsonMapping, new_id: Callable[[], str]) -> tuple[Json, ...]:
    """The input as items with ids. Instructions may be items, too, and come first."""
    given = body.get("input")
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    if not isinstance(given, list) or not all(isinstance(item, Mapping) for item in given):
        raise BadRequest("input must be a text or a list of items")
    first = _list_in(body, "instructions")
    return tuple(_item(as_mapping(item), new_id) for item in (*first, *given))


def _item(item: JsonMapping, new_id: Callable[[], str]) -> Json:
    read = dict(item)
    if "role" in read:
        read.setdefault("type", "message")
        if isinstance(read.get("content"), str):
            kind = "output_text" if read["role"] == "assistant" else "input_text"
            read["content"] = [{"type": kind, "text": read["content"]}]
    prefix = "msg" if read.get("type") == "message" else "item"
    if not read.get("id"):
        read["id"] = f"{prefix}_{new_id()}"
    return read


def references(items: Sequence[JsonMapping]) -> list[str]:
    """The ids of earlier items that an input only refers to."""
    return [
        join_surrogates(str(item.get("id")))
        for item in items
        if item.get("type") == "item_reference"
    ]


def _with_call_ids(items: Sequence[JsonMapping]) -> list[JsonMapping]:
    """The items, each result with the id of its call: a local shell's tells the item's id only."""
    calls = {str(item.get("id")): item.get("call_id") for item in items if "call_id" in item}
    return [
        {**item, "call_id": calls.get(str(item.get("id")), item.get("id"))}
        if item.get("type") == "local_shell_call_output" and not item.get("call_id")
        else item
        for item in items
    ]


def _readable(item: JsonMapping) -> JsonMapping:
    """An item as `history` reads it."""
    if item.get("type") != "reasoning":
        return as_call(item)
    names, details = read_signature(item.get("encrypted_content"))
    if not names:
        return item
    # The same turn's text and calls join it.
    thoughts: Json = {"type": "message", "role": "assistant", "content": None, "model": names}
    texts = [part for key in ("summary", "content") for part in as_dicts(item.get(key))]
    thoughts["reasoning"] = "".join(str(part.get("text") or "") for part in texts)
    return thoughts | ({"reasoning_details": list(details)} if details else {})


def _structured(body: JsonMapping) -> Structured | None:
    text = body.get("text")
    form = as_mapping(text).get("format")
    if form is None or as_mapping(form).get("type") == "text":
        return None
    structured = Structured.from_response_format(form) if isinstance(form, Mapping) else None
    if structured is None:
        raise BadRequest(
            "text.format is in no known shape",
            hint='{"type": "json_schema", "name": …, "schema": {…}}, or json_object',
        )
    return structured


def _reasoning(body: JsonMapping) -> ReasoningSetting | None:
    effort = as_mapping(body.get("reasoning")).get("effort")
    return effort if isinstance(effort, str) else None


def _repeated(body: JsonMapping) -> Json:
    """What an answer says of its request. Strict clients require most of it."""
    instructions, text = body.get("instructions"), as_mapping(body.get("text"))
    metadata, choice = as_mapping(body.get("metadata")), body.get("tool_choice")
    reasoning = as_mapping(body.get("reasoning"))
    return {
        "background": False,
        "instructions": instructions if isinstance(instructions, str) else None,
        "frequency_penalty": _or(body.get("frequency_penalty"), 0.0),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": body.get("max_tool_calls"),
        "metadata": {name: text for name, text in metadata.items() if isinstance(text, str)},
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "previous_response_id": body.get("previous_response_id"),
        "presence_penalty": _or(body.get("presence_penalty"), 0.0),
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": {
            "effort": _known(reasoning.get("effort"), EFFORTS),
            "summary": _known(reasoning.get("summary"), _SUMMARIES),
        },
        "safety_identifier": body.get("safety_identifier"),
        "service_tier": "default",
        "store": body.get("store") is not False,
        "temperature": _or(body.get("temperature"), 1.0),
        "text": {
            "format": text.get("format") or {"type": "text"},
            "verbosity": _known(text.get("verbosity"), _VERBOSITIES),
        },
        "tool_choice": "auto" if choice is None else choice,
        "top_logprobs": _or(body.get("top_logprobs"), 0),
        "top_p": _or(body.get("top_p"), 1.0),
        "truncation": "disabled",
        "user": body.get("user"),
    }


def _or(value: object, default: float) -> object:
    return default if value is None else value


def _known(value: object, words: tuple[str, ...]) -> object:
    return value if value in words else None
