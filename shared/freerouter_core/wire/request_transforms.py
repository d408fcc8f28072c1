"""Transforms: how a body is rewritten for models and providers that differ (`quirks`).

A transform changes the body, which is the request's own, in place. Messages in it may be the
caller's, so they are replaced, never changed. `tool_transforms` has those that concern tools.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from .content import join_texts, joined
from .json_values import Json

Transform = Callable[[Json], None]


def each_message(change: Callable[[Json], Json]) -> Transform:
    """A transform that rewrites single messages."""

    def transform(body: Json) -> None:
        body["messages"] = [change(message) for message in body["messages"]]

    return transform


# -- roles ----------------------------------------------------------------------------------------


def _is_system(message: Json) -> bool:
    return message.get("role") in ("system", "developer")


def developer_as_system(message: Json) -> Json:
    """The role "system" for "developer"."""
    return {**message, "role": "system"} if message.get("role") == "developer" else message


def one_leading_system(body: Json) -> None:
    """Join leading system messages; turn later ones into user messages."""
    leading: list[Json] = []
    rest: list[Json] = []
    for message in body["messages"]:
        if not _is_system(message):
            rest.append(message)
        elif rest:
            rest.append({**message, "role": "user"})
        else:
            leading.append(message)
    if len(leading) > 1:
        content = _joined(message.get("content") for message in leading)
        leading = [{**leading[0], "content": content}]
    body["messages"] = leading + rest


def system_into_user(body: Json) -> None:
    """Put the system message at the head of the first user message."""
    one_leading_system(body)
    head, *rest = body["messages"]
    if not _is_system(head):
        return
    if rest and rest[0].get("role") == "user":
        content = _joined((head.get("content"), rest[0].get("content")))
        body["messages"] = [{**rest[0], "content": content}, *rest[1:]]
    else:
        body["messages"] = [{**head, "role": "user"}, *rest]


def alternating_roles(body: Json) -> None:
    """Join consecutive messages of one role. Those about tools stay as they are."""
    messages: list[Json] = []
    for message in body["messages"]:
        last = messages[-1] if messages else {}
        role = message.get("role")
        same_role = role in ("user", "assistant") and last.get("role") == role
        if same_role and not (last.get("tool_calls") or message.get("tool_calls")):
            content = _joined((last.get("content"), message.get("content")))
            messages[-1] = {**last, "content": content}
        else:
            messages.append(message)
    body["messages"] = messages


def _joined(contents: Iterable[object]) -> object:
    """Contents as one: a string if all are strings, else a list of parts."""
    filled = [content for content in contents if content]
    if all(isinstance(content, str) for content in filled):
        return "\n\n".join(str(content) for content in filled)
    parts: list[object] = []
    for content in filled:
        parts += content if isinstance(content, list) else [{"type": "text", "text": content}]
    return parts


def reply_after_tool(body: Json) -> None:
    """Put a short reply between a tool's result and a user message."""
    messages: list[Json] = []
    for message in body["messages"]:
        if messages and messages[-1].get("role") == "tool" and message.get("role") == "user":
            messages.append({"role": "assistant", "content": "Done."})
        messages.append(message)
    body["messages"] = messages


# -- contents -------------------------------------------------------------------------------------


_CACHE_MARK = "cache_control"


def without_cache_marks(body: Json) -> None:
    """Messages and tools without the marks of what a provider is to keep for the next request."""
    body["messages"] = [_unmarked(message) for message in body["messages"]]
    tools = body.get("tools")
    if tools and any(_CACHE_MARK in tool for tool in tools):
        body["tools"] = [_without(tool, _CACHE_MARK) for tool in tools]


def _unmarked(message: Json) -> Json:
    message, content = _without(message, _CACHE_MARK), message.get("content")
    if not isinstance(content, list) or not any(map(_is_marked, content)):
        return message
    parts = [_without(part, _CACHE_MARK) if _is_marked(part) else part for part in content]
    return {**message, "content": joined(parts)}


def _is_marked(part: object) -> bool:
    return isinstance(part, Mapping) and _CACHE_MARK in part


def without_name(message: Json) -> Json:
    """A message without `name`."""
    return _without(message, "name")


def _without(message: Json, *keys: str) -> Json:
    if message.keys().isdisjoint(keys):
        return message
    return {key: value for key, value in message.items() if key not in keys}


def empty_content_for_null(message: Json) -> Json:
    """An empty string for a content that is null."""
    return {**message, "content": ""} if message.get("content", "") is None else message


def flat_content(body: Json) -> None:
    """Text parts as one string. Media of other roles move to a user message behind them."""
    messages: list[Json] = []
    media: list[Json] = []
    for message in body["messages"]:
        if media and message.get("role") != "tool":
            messages.append({"role": "user", "content": media})
            media = []
        if isinstance(message.get("content"), list):
            message, moved = _flattened(message)
            media += moved
        messages.append(message)
    if media:
        messages.append({"role": "user", "content": media})
    body["messages"] = messages


def _flattened(message: Json) -> tuple[Json, list[Json]]:
    """(message with its content as a string if it can be, media that have to move)."""
    parts = [
        {"type": "text", "text": part} if isinstance(part, str) else part
        for part in message["content"]
    ]
    media = [dict(part) for part in parts if part.get("type") != "text"]
    if media and message.get("role") == "user":
        return message, []
    texts = [str(part.get("text") or "") for part in parts if part.get("type") == "text"]
    text = join_texts(texts)
    if media and not text and message.get("role") == "tool":
        text = MOVED
    return {**message, "content": text}, media


MOVED = "(What this tool returned is in the next message of the user.)"
"""For a result that was nothing but media: some servers refuse an empty one."""


# -- reasoning ------------------------------------------------------------------------------------


def without_reasoning(message: Json) -> Json:
    """A message without the reasoning that led to it."""
    return _without(message, "reasoning_details", "reasoning", "reasoning_content")


def reasoning_as_content(message: Json) -> Json:
    """Reasoning as `reasoning_content`, whatever it was called."""
    reasoning = message.get("reasoning") or message.get("reasoning_content")
    message = without_reasoning(message)
    return {**message, "reasoning_content": reasoning} if reasoning else message


SOME_REASONING = "(The thoughts of this turn were not kept.)"
"""For a turn that another model made. It must not be empty (anomalyco/opencode#10996)."""


def reasoning_on_tool_turns(field: str) -> Callable[[Json], Json]:
    """A change that puts reasoning on every turn of an assistant that calls tools, as `field`."""

    def change(message: Json) -> Json:
        reasoning = message.get("reasoning") or message.get("reasoning_content")
        if message.get("tool_calls") and not message.get("reasoning_details"):
            reasoning = reasoning or SOME_REASONING
        if not reasoning:
            return message
        return {**_without(message, "reasoning", "reasoning_content"), field: reasoning}

    return change


# -- empty contents -------------------------------------------------------------------------------


def words_for_no_content(message: Json) -> Json:
    """Words on a turn that only calls tools, for servers that want text on every message."""
    if message.get("tool_calls") and not message.get("content"):
        return {**message, "content": "(calling tools)"}
    return message


# -- parameters -----------------------------------------------------------------------------------


def rename_field(old: str, new: str) -> Transform:
    """A transform that renames a field of the body."""

    def transform(body: Json) -> None:
        if old in body:
            body[new] = body.pop(old)

    return transform


def drop_fields(*keys: str) -> Transform:
    """A transform that drops fields of the body."""

    def transform(body: Json) -> None:
        for key in keys:
            body.pop(key, None)

    return transform


def at_least_16_tokens(body: Json) -> None:
    """A limit of at least 16 tokens."""
    for key in ("max_tokens", "max_completion_tokens"):
        if isinstance(body.get(key), int):
            body[key] = max(16, body[key])


def some_max_tokens(body: Json) -> None:
    """A limit of tokens, where the provider's own default is too small."""
    body.setdefault("max_tokens", 2048)


# -- a beginning to continue ----------------------------------------------------------------------


def flagged_prefill(body: Json) -> None:
    """`prefix` on a last message that the model is to continue."""
    last = body["messages"][-1]
    if last.get("role") == "assistant" and not last.get("tool_calls"):
        body["messages"] = [*body["messages"][:-1], {**last, "prefix": True}]


def continued_final_message(body: Json) -> None:
    """vLLM's fields for a last message that the model is to continue."""
    if body["messages"][-1].get("role") == "assistant":
        body |= {"add_generation_prompt": False, "continue_final_message": True}


CONTINUE_PROMPT = (
    "Your last message was cut off. Begin with its last few words, exactly as they stand there, "
    "and go on from them to the end. "
    "Say nothing else, and nothing about having been cut off."
)
"""The repeated words show where the model goes on; `Splice` drops them."""


def ask_to_continue(body: Json) -> None:
    """A user message that asks to continue, for models that take no beginning."""
    if body["messages"][-1].get("role") == "assistant":
        body["messages"] = [*body["messages"], {"role": "user", "content": CONTINUE_PROMPT}]
