"""`shape`: the body that one model at one provider is sent for a `ChatRequest`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..catalogue.model import Model
from ..catalogue.providers import Account
from .json_values import Json
from .quirks import DROPPABLE, lacks_of, quirks_of
from .reasoning import Thinking, spell
from .request import ChatRequest
from .structured import Form, ask, form_for

ZERO_PRICE = {"prompt": "0", "completion": "0"}
"""OpenRouter's server-side price cap, as strings: numbers make an SDK drop the whole `provider` object."""


def shape(
    request: ChatRequest,
    model: Model,
    account: Account,
    *,
    stream: bool,
    free_only: bool = True,
    price_cap: bool = True,
    no_train: bool = False,
    resumes: str | None = None,
) -> tuple[Json, Form | None]:
    """(body, form): the JSON that `model` at `account` is sent, and how structured output was asked for.

    `price_cap` adds the cap of price zero, where the provider has one; nothing in `extra_body` can lift it. `resumes`: the beginning
    of the answer, which is handed over for the model to continue.
    """
    quirks = quirks_of(model.wire_name, account.provider, model.lacks)
    lacks = model.lacks | lacks_of(model.wire_name, account.provider)
    model = replace(model, lacks=lacks) if lacks else model
    back = any(quirk.name == "reasoning-back" for quirk in quirks)
    messages = _own_reasoning(request.messages, model, "reasoning" if back else "reasoning_details")
    begun = (resumes or "").rstrip()  # some refuse a beginning that ends with space (litellm#2438)
    if begun:
        messages = _begun(messages, begun)
    body: Json = {"model": model.wire_name, "messages": messages}
    for key, value in request.parameters.items():
        if value is not None and not (key == "stop" and not value):
            body[key] = value
    if model.max_output and isinstance(body.get("max_tokens"), int):
        body["max_tokens"] = min(body["max_tokens"], model.max_output)
    # An empty list is refused by vLLM and others (langchain#37184); "none" asks for no tools where the model has none.
    if request.tools and (
        request.tool_choice != "none" or (model.takes("tools") and model.takes("tool_choice"))
    ):
        body["tools"] = request.tools
        # "auto" is what happens without a word; where the word is not known, it is left out.
        if request.tool_choice is not None and (
            request.tool_choice != "auto" or model.takes("tool_choice")
        ):
            body["tool_choice"] = request.tool_choice
        if request.parallel_tool_calls is not None and model.takes("parallel_tool_calls"):
            body["parallel_tool_calls"] = request.parallel_tool_calls
    if begun and isinstance(body.get("max_tokens"), int):
        body["max_tokens"] = max(
            16, body["max_tokens"] - len(begun) // 4
        )  # what was said already counts
    form: Form | None = None
    if request.structured is not None:
        form = (
            "prompt"
            if begun
            else form_for(request.structured, model, with_tools=bool(request.tools))
        )
        ask(body, request.structured, form)
    _reasoning(body, request.reasoning, model, account)
    body |= {
        key: value
        for key, value in request.extra_body.items()
        if key not in ("stream", "stream_options")
    }
    if account.dialect == "openrouter":
        _openrouter(body, free_only and price_cap, no_train)
    body |= {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    for quirk in quirks:
        if quirk.mend is not None:
            quirk.mend(body)
    for key in lacks & DROPPABLE:
        body.pop(key, None)
    return body, form


def _begun(messages: list[Json], begun: str) -> list[Json]:
    """The conversation with the beginning of its answer; a beginning of the caller's own stands before it."""
    last = messages[-1]
    own = last.get("content")
    if last.get("role") == "assistant" and not last.get("tool_calls") and isinstance(own, str):
        return [*messages[:-1], {**last, "content": own + begun}]
    return [*messages, {"role": "assistant", "content": begun}]


def _own_reasoning(messages: list[Json], model: Model, kept_as: str) -> list[Json]:
    """Messages with the thoughts in them only where this very model wrote them: signatures are the writer's own, and others
    refuse them. `model` on a message lists the writer's names (as asked, as answered) and never goes on the wire. `kept_as`:
    as OpenRouter's "reasoning_details", or as plain words ("reasoning") for those who want them back (`quirks`)."""
    if not any("model" in message for message in messages):
        return messages
    kept = []
    for message in messages:
        copy = {key: value for key, value in message.items() if key != "model"}
        if "model" in message:
            own = {model.wire_name, model.id} & set(message["model"] or ())
            for key in ("reasoning_details", "reasoning"):
                if key != kept_as or not own:
                    copy.pop(key, None)
        kept.append(copy)
    return kept


def _reasoning(
    body: Json, wanted: bool | str | Mapping[str, Any] | None, model: Model, account: Account
) -> None:
    if wanted is None or not model.takes("reasoning"):
        return
    unwilling = Thinking.of(wanted).on is False and (
        model.reasoning_mandatory or "reasoning-off" in model.lacks
    )
    if not unwilling:
        provider = "openrouter" if account.dialect == "openrouter" else account.provider
        spell(body, wanted, provider, model.wire_name)


def _openrouter(body: Json, price_cap: bool, no_train: bool) -> None:
    given = body.get("provider")
    preferences: Json = dict(given) if isinstance(given, Mapping) else {}
    if price_cap:
        preferences["max_price"] = dict(ZERO_PRICE)
    if no_train:
        preferences["data_collection"] = "deny"
    if preferences:
        body["provider"] = preferences
