"""`build_body`: the JSON that one model at one provider is sent for a `ChatRequest`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..catalogue.model import Model
from ..catalogue.providers import Account
from .content import MEDIA, in_words, joined
from .json_values import Json
from .message import is_text
from .paid import FREE_FIELDS, write_preferences
from .quirks import DROPPABLE, Quirk, lacks_of, quirks_of
from .reasoning import ReasoningSetting, turns_reasoning_off, write_reasoning
from .refused_parameter import MAX_OUTPUT
from .request import ChatRequest, Messages
from .stop_words import MOST_SENT, stop_words
from .structured import Form, Structured, choose_form, write_form
from .terms import TERMS, Terms
from .tool_names import rename_speakers, rename_tools
from .tool_transforms import function_name


def build_body(
    request: ChatRequest,
    model: Model,
    account: Account,
    terms: Terms = TERMS,
) -> tuple[Json, Form | None]:
    """(body, form): the JSON for `model` at `account`, and how structured output is requested.

    Nothing in `extra_body` lifts the cap of price zero.
    """
    quirks = quirks_of(model.wire_name, account.provider, model.lacks)
    model = _known(model, account)
    lacks = model.lacks
    messages, only_texts = request.messages, all(map(is_text, request.messages))
    if not only_texts:
        messages = _with_words_for_media(messages, model, account)
        messages = _without_foreign_reasoning(messages, model, _reasoning_kept(quirks, account))
    # Some refuse a beginning that ends with whitespace (BerriAI/litellm#2438).
    prefill = (terms.prefill or "").rstrip()
    if prefill:
        messages = _with_prefill(messages, prefill)
    body: Json = {"model": model.wire_name, "messages": messages}
    _write_parameters(body, request, model, prefill)
    _write_tools(body, request, model)
    form: Form | None = None
    if request.structured is not None:
        form = _form(request.structured, model, with_tools=bool(request.tools), prefill=prefill)
        write_form(body, request.structured, form)
    _write_reasoning(body, request.reasoning, model, account)
    body.update(_further_fields(request.extra_body, terms.free_only))
    if "stop" in body:
        _limit_stop(body, model)
    if account.dialect == "openrouter":
        # A file among further messages may have any spelling.
        has_file = "messages" in request.extra_body or (not only_texts and _has_file(messages))
        if terms.free_only and has_file and "plugins" not in body:
            body["plugins"] = [_free_parser(model)]
        write_preferences(body, terms)
    if terms.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    rename_speakers(body)
    rename_tools(body)
    for quirk in quirks:
        if quirk.transform is not None:
            quirk.transform(body)
    for key in lacks & DROPPABLE:
        body.pop(key, None)
    return body, form


def _further_fields(fields: Mapping[str, Any], free_only: bool) -> Json:
    """The caller's own fields, but for those that the router writes, and those that are None and
    not known to be free: a null may start what costs."""
    return {
        name: value
        for name, value in fields.items()
        if name not in _OWNED and (value is not None or name in FREE_FIELDS or not free_only)
    }


_OWNED = frozenset({"stream", "stream_options"})


def form_of(
    request: ChatRequest, model: Model, account: Account, *, prefill: str | None = None
) -> Form | None:
    """How `build_body` asks for structured output; None: it does not."""
    if request.structured is None:
        return None
    model, prefill = _known(model, account), (prefill or "").rstrip()
    return _form(request.structured, model, with_tools=bool(request.tools), prefill=prefill)


def _known(model: Model, account: Account) -> Model:
    """The model with all that it is known to lack."""
    lacks = model.lacks | lacks_of(model.wire_name, account.provider)
    return replace(model, lacks=lacks) if lacks else model


def _form(structured: Structured, model: Model, *, with_tools: bool, prefill: str) -> Form:
    # What continues an answer is asked in words: nothing else goes on in the middle of an object.
    return "prompt" if prefill else choose_form(structured, model, with_tools=with_tools)


def _write_parameters(body: Json, request: ChatRequest, model: Model, prefill: str) -> None:
    for key, value in request.parameters.items():
        if value is not None:
            body[key] = value
    if not isinstance(body.get("max_tokens"), int):
        return
    body["max_tokens"] = min(body["max_tokens"], *_output_limits(model))
    if prefill:  # its tokens count
        body["max_tokens"] = max(16, body["max_tokens"] - len(prefill) // 4)


def _limit_stop(body: Json, model: Model) -> None:
    """As many stop words as servers take; none where they are not taken. The answer is cut at all
    of them, whoever gives it (`wire.stop_words`)."""
    words = stop_words(body["stop"])
    if not words or not model.takes("stop"):
        del body["stop"]
    elif not isinstance(body["stop"], str):
        body["stop"] = list(words[:MOST_SENT])


def _output_limits(model: Model) -> list[int]:
    """What the catalogue says a model writes at most, and what its refusals said; never none."""
    stated = [word.removeprefix(MAX_OUTPUT) for word in model.lacks if word.startswith(MAX_OUTPUT)]
    return [model.max_output or _NO_LIMIT, *map(int, stated)]


_NO_LIMIT = 10**9


def _write_tools(body: Json, request: ChatRequest, model: Model) -> None:
    """Write the tools, but no empty list, which vLLM and others refuse (langchain#37184).

    "none" goes with the tools only to models that know both; to others no tools are offered.
    "auto" is the default: models that do not know the field are not sent it.
    """
    choice, must_call = request.tool_choice, request.must_call
    knows_choice = model.takes("tool_choice")
    if not request.tools or (choice == "none" and not (model.takes("tools") and knows_choice)):
        return
    body["tools"] = request.tools
    if knows_choice and choice is not None:
        body["tool_choice"] = choice
    elif isinstance(must_call, str):  # it cannot be made to call this one, but can see no other
        body["tools"] = [tool for tool in request.tools if function_name(tool) == must_call]
    if request.parallel_tool_calls is not None and model.takes("parallel_tool_calls"):
        body["parallel_tool_calls"] = request.parallel_tool_calls


def _with_prefill(messages: Messages, prefill: str) -> Messages:
    """The conversation with the beginning of its answer, after a beginning of the caller's own."""
    last = messages[-1]
    content = last.get("content")
    if last.get("role") == "assistant" and not last.get("tool_calls") and isinstance(content, str):
        return [*messages[:-1], {**last, "content": content + prefill}]
    return [*messages, {"role": "assistant", "content": prefill}]


# -- what a model takes of a history --------------------------------------------------------------


def _with_words_for_media(messages: Messages, model: Model, account: Account) -> Messages:
    """Pictures, sounds, films and files in words if this model does not take them.

    OpenRouter reads a file to every model (`_free_parser`).
    """
    if not any(isinstance(message.get("content"), list) for message in messages):
        return messages
    taken = {kind for kind in MEDIA.values() if _takes(model, kind)}
    if account.dialect == "openrouter" and "file" not in model.lacks:
        taken.add("file")
    return [_in_words(message, taken) for message in messages]


def _takes(model: Model, kind: str) -> bool:
    return kind not in model.lacks and (kind in model.inputs or not model.listed)


def _in_words(message: Mapping[str, Any], taken: set[str]) -> Mapping[str, Any]:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    parts = [
        part if MEDIA.get(part.get("type", ""), "") in {"", *taken} else in_words(part)
        for part in content
    ]
    return message if parts == content else {**message, "content": joined(parts)}


def _reasoning_kept(quirks: Sequence[Quirk], account: Account) -> dict[bool | None, str]:
    """The field of thoughts that is kept, by whether this model wrote them (None: not known).

    Signed details go back to their writer only; another model refuses them (LiteLLM and others
    report it). Plain text is kept for models that want it back.
    """
    if any(quirk.name in ("reasoning-back", "reasoning-required") for quirk in quirks):
        return {True: "reasoning", None: "reasoning"}
    if account.dialect == "openrouter":
        return {True: "reasoning_details", None: "reasoning_details"}
    return {True: "reasoning_details"}


def _without_foreign_reasoning(
    messages: Messages, model: Model, kept: Mapping[bool | None, str]
) -> Messages:
    """Messages with thoughts only as far as this model may be sent them.

    `model` on a message lists the writer's names (as requested, as answered) and is never sent.
    """
    if not any(_THOUGHTS & message.keys() for message in messages):
        return messages
    return [
        _without_reasoning(message, model, kept) if _THOUGHTS & message.keys() else message
        for message in messages
    ]


_THOUGHTS = frozenset({"model", "reasoning", "reasoning_details"})


def _without_reasoning(
    message: Mapping[str, Any], model: Model, kept: Mapping[bool | None, str]
) -> Json:
    is_own = None
    if "model" in message:
        is_own = not {model.wire_name, model.id}.isdisjoint(message["model"] or ())
    dropped = _THOUGHTS - {kept.get(is_own, "")}
    return {key: value for key, value in message.items() if key not in dropped}


def _write_reasoning(
    body: Json, setting: ReasoningSetting | None, model: Model, account: Account
) -> None:
    if setting is None or not model.takes("reasoning"):
        return
    cannot_turn_off = model.reasoning_mandatory or "reasoning-off" in model.lacks
    if not (cannot_turn_off and turns_reasoning_off(setting)):
        provider = "openrouter" if account.dialect == "openrouter" else account.provider
        write_reasoning(body, setting, provider, model.wire_name)


def _has_file(messages: Messages) -> bool:
    contents = (message.get("content") for message in messages)
    parts = (part for content in contents if isinstance(content, list | tuple) for part in content)
    return any(isinstance(part, Mapping) and part.get("type") == "file" for part in parts)


def _free_parser(model: Model) -> Json:
    """How OpenRouter is to read a PDF. It would choose a paid parser for models that cannot."""
    engine = "native" if model.listed and "file" in model.inputs else "cloudflare-ai"
    return {"id": "file-parser", "pdf": {"engine": engine}}
