"""What a simulated model answers: nothing clever, but what the request demands.

It calls tools that are named or required, and it meets schemas. It answers a question about a
given context with the sentence that shares most words with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from .instances import instance, name_in
from .response import Json, JsonView


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answers, before encoding: text, or tool calls as (name, arguments)."""

    text: str = ""
    calls: tuple[tuple[str, Json], ...] = ()
    reasoning: str = ""


def compose(request: JsonView, model: str, *, reasons: bool) -> Reply:
    """An obedient reply to a valid request. `reasons`: with reasoning."""
    messages = request["messages"]
    prompt = _last_user_text(messages)
    reasoning = "The user wants an answer, so I will give one." if reasons else ""
    calls = _tool_calls(request, prompt)
    if calls:
        return Reply(calls=tuple(calls), reasoning=reasoning)
    response_format = request.get("response_format") or {}
    schema = (
        response_format["json_schema"]["schema"]
        if response_format.get("type") == "json_schema"
        else _schema_in_prompt(messages)
    )
    judgement = _judgement(prompt)
    if schema is not None and judgement is not None:
        text = json.dumps(judgement)
    elif schema is not None:
        text = json.dumps(instance(schema, prompt), ensure_ascii=False)
    elif response_format.get("type") == "json_object":
        keys = re.findall(r"""["'`](\w+)["'`]""", prompt) or ["answer"]
        fields = {key: name_in(prompt, key) for key in dict.fromkeys(keys)}
        text = json.dumps(fields, ensure_ascii=False)
    else:
        text = _until_stop(_plain_text(messages, prompt, model), request.get("stop"))
    return Reply(text, reasoning=reasoning)


# -- tools ----------------------------------------------------------------------------------------


def _tool_calls(request: JsonView, prompt: str) -> list[tuple[str, Json]]:
    tools = {tool["function"]["name"]: tool["function"] for tool in request.get("tools") or ()}
    choice = request.get("tool_choice", "auto")
    if not tools or choice == "none":
        return []
    if isinstance(choice, Mapping):
        names = [choice["function"]["name"]]
    else:
        names = _chosen_tools(request["messages"], tools, prompt, required=choice == "required")
        if request.get("parallel_tool_calls") is False:
            names = names[:1]
    return [(name, _arguments(tools[name], prompt)) for name in names]


def _chosen_tools(
    messages: list[Json], tools: Mapping[str, JsonView], prompt: str, *, required: bool
) -> list[str]:
    """Tools that the prompt names, or else the first that it seems to be about."""
    text = prompt.lower().replace("_", " ")
    named = [name for name in tools if name.lower().replace("_", " ") in text]
    answered = messages[-1]["role"] == "tool"
    if required:
        called = {
            call["function"]["name"]
            for message in messages
            for call in message.get("tool_calls") or ()
        }
        uncalled = [name for name in tools if name not in called]
        # After a result, a model that must call something calls another tool.
        preferred = [] if answered else named
        return preferred or uncalled[-1:] or list(tools)[-1:]
    if answered:
        return []
    return named or [name for name in tools if _mentions(text, name)][:1]


def _mentions(text: str, tool: str) -> bool:
    """Whether the text has a word of four letters or more in common with the tool's name."""
    return any(word in text for word in re.split(r"[_\W]+", tool.lower()) if len(word) > 3)


def _arguments(function: JsonView, prompt: str) -> Json:
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    value = instance(schema, prompt)
    return value if isinstance(value, dict) else {}


# -- schemas --------------------------------------------------------------------------------------


def _schema_in_prompt(messages: list[Json]) -> JsonView | None:
    """A schema in a system message, where clients put it for models without native JSON."""
    for message in messages:
        content = message.get("content")
        if message["role"] not in ("system", "developer") or not isinstance(content, str):
            continue
        if "JSON Schema" in content:
            try:
                schema = json.JSONDecoder().raw_decode(content, content.index("{"))[0]
            except ValueError:
                continue
            return schema if isinstance(schema, Mapping) else None
    return None


def _judgement(prompt: str) -> Json | None:
    """Scores of passages for a query, by the words they share, if that is what is asked."""
    if '"passages"' not in prompt:
        return None
    try:
        asked = json.loads(prompt)
        words, passages = _words(asked["query"]), asked["passages"]
        shares = [
            len(words & _words(passage["passage"])) / max(1, len(words)) for passage in passages
        ]
    except (ValueError, KeyError, TypeError):
        return None
    return {"scores": [{"index": n, "score": round(100 * s)} for n, s in enumerate(shares)]}


# -- text -----------------------------------------------------------------------------------------


def _plain_text(messages: list[Json], prompt: str, model: str) -> str:
    if messages[-1]["role"] == "tool":
        return f"Here is what the tool says: {text_of(messages[-1].get('content'))}"
    context = re.search(
        r"Context information is below\.\s*-+\s*(.*?)\s*-{5,}(.*)", prompt, re.DOTALL
    )
    if context:
        question = re.search(r"Query:\s*(.*?)\s*Answer:", context.group(2), re.DOTALL)
        return _best_sentence(context.group(1), question.group(1) if question else prompt)
    short = " ".join(prompt.split())
    return f"This is {model}, simulated. You said: {short[:240]}"


def _best_sentence(context: str, question: str) -> str:
    """The sentence of the context that shares most words with the question."""
    asked_for = _words(question)
    sentences = [s.strip() for s in re.split(r"(?<=[.!?])\s+|\n+", context) if len(s.split()) > 2]
    if not sentences:
        return "The context does not say."
    return max(sentences, key=lambda sentence: len(asked_for & _words(sentence)))


def _words(text: str) -> set[str]:
    """Its words of three letters or more."""
    return set(re.findall(r"\w{3,}", text.lower()))


def _until_stop(text: str, stop: object) -> str:
    """The text before the first stop sequence."""
    stops = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    end = min((text.index(s) for s in stops if s and s in text), default=len(text))
    return text[:end]


def _last_user_text(messages: list[Json]) -> str:
    contents = (m.get("content") for m in reversed(messages) if m["role"] == "user")
    return next((text_of(content) for content in contents), "")


def text_of(content: object) -> str:
    """The text of a message's content; other parts by their type, as in "[image_url]"."""
    if isinstance(content, list):
        return " ".join(
            str(part.get("text") or f"[{part.get('type')}]")
            for part in content
            if isinstance(part, Mapping)
        )
    return str(content or "")
