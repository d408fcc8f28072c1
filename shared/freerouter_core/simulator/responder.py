"""What a simulated model says: no wisdom, but obedience. Tools are called when they are named or must be, schemas are met,
a question over a given context is answered with the sentence that shares most words with it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from ..wire.schema import dereference
from .script import Json


@dataclass(frozen=True, slots=True)
class Thought:
    """An answer before it is put on the wire: text, or tool calls as (name, arguments)."""

    text: str = ""
    calls: tuple[tuple[str, Json], ...] = ()
    reasoning: str = ""


def think(body: Mapping[str, Any], model: str, rng: Random, *, reasons: bool) -> Thought:
    """An obedient answer to a request that `strict` has passed."""
    messages = body["messages"]
    prompt = _last_user(messages)
    reasoning = "The user wants an answer, so I will give one." if reasons else ""
    calls = _calls(body, prompt, rng)
    if calls:
        return Thought(calls=tuple(calls), reasoning=reasoning)
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        schema = form["json_schema"]["schema"]
        return Thought(
            json.dumps(instance(schema, prompt, rng), ensure_ascii=False), reasoning=reasoning
        )
    schema = _schema_in_prompt(messages)
    if schema is not None:
        return Thought(
            json.dumps(instance(schema, prompt, rng), ensure_ascii=False), reasoning=reasoning
        )
    if form.get("type") == "json_object":
        keys = re.findall(r"""["'`](\w+)["'`]""", prompt) or ["answer"]
        text = json.dumps(
            {key: _string(key, prompt, rng) for key in dict.fromkeys(keys)}, ensure_ascii=False
        )
        return Thought(text, reasoning=reasoning)
    return Thought(_stopped(_text(messages, prompt, model), body.get("stop")), reasoning=reasoning)


def _calls(body: Mapping[str, Any], prompt: str, rng: Random) -> list[tuple[str, Json]]:
    tools = {tool["function"]["name"]: tool["function"] for tool in body.get("tools") or ()}
    choice = body.get("tool_choice", "auto")
    if not tools or choice == "none":
        return []
    if isinstance(choice, Mapping):
        wanted = [choice["function"]["name"]]
    else:
        called = {
            call["function"]["name"]
            for message in body["messages"]
            for call in message.get("tool_calls") or ()
        }
        answered = body["messages"][-1]["role"] == "tool"
        words = prompt.lower().replace("_", " ")
        named = [name for name in tools if name.lower().replace("_", " ") in words]
        if choice == "required":
            fresh = [name for name in tools if name not in called]
            wanted = named or fresh[-1:] or list(tools)[-1:]
            if answered:  # what a model does when it must call something after it has its result: the other tool
                wanted = fresh[-1:] or list(tools)[-1:]
        else:
            wanted = (
                [] if answered else named or [n for n, f in tools.items() if _about(f, words)][:1]
            )
        if body.get("parallel_tool_calls") is False:
            wanted = wanted[:1]
    return [(name, _arguments(tools[name], prompt, rng)) for name in wanted]


def _about(function: Mapping[str, Any], words: str) -> bool:
    """Whether the prompt shares a telling word with a tool's name."""
    telling = [w for w in re.split(r"[_\W]+", function["name"].lower()) if len(w) > 3]
    return any(word in words for word in telling)


def _arguments(function: Mapping[str, Any], prompt: str, rng: Random) -> Json:
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    value = instance(schema, prompt, rng)
    return value if isinstance(value, dict) else {}


def instance(schema: Mapping[str, Any], prompt: str, rng: Random) -> Any:
    """A value that satisfies `schema`, made of what the prompt offers: its numbers, quoted words and proper names."""
    hints = _Hints(
        [
            float(n) if "." in n else int(n)
            for n in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])", prompt)
        ],
        re.findall(r"""["“'`]([^"”'`]{1,80})["”'`]""", prompt),
    )
    return _fill(schema, schema, "answer", prompt, hints, rng, 0)


@dataclass(slots=True)
class _Hints:
    numbers: list[float]
    quoted: list[str]


def _fill(
    schema: Any,
    root: Mapping[str, Any],
    name: str,
    prompt: str,
    hints: _Hints,
    rng: Random,
    depth: int,
) -> Any:
    if not isinstance(schema, Mapping):
        return None
    schema = dereference(schema, root)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return next(
            (v for v in schema["enum"] if str(v).lower() in prompt.lower()), schema["enum"][0]
        )
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            options = [
                o for o in schema[key] if not (isinstance(o, Mapping) and o.get("type") == "null")
            ]
            return _fill((options or schema[key])[0], root, name, prompt, hints, rng, depth)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    if kind == "object" or "properties" in schema:
        required = schema.get("required") or ()
        return {
            key: _fill(part, root, key, prompt, hints, rng, depth + 1)
            for key, part in (schema.get("properties") or {}).items()
            if key in required or depth < 3
        }
    if kind == "array":
        count = max(1, schema.get("minItems", 1))
        return [
            _fill(schema.get("items") or {}, root, name, prompt, hints, rng, depth + 1)
            for _ in range(count)
        ]
    if kind in ("integer", "number"):
        return _number(schema, kind, hints)
    if kind == "boolean":
        return True
    if kind == "null":
        return None
    text = hints.quoted.pop(0) if hints.quoted else _string(name, prompt, rng)
    return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength", 10_000)]


def _number(schema: Mapping[str, Any], kind: str, hints: _Hints) -> float:
    value = hints.numbers.pop(0) if hints.numbers else schema.get("minimum", 1)
    value = min(max(value, schema.get("minimum", value)), schema.get("maximum", value))
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        value = schema["exclusiveMinimum"] + 1
    return int(value) if kind == "integer" else value


def _string(name: str, prompt: str, rng: Random) -> str:
    found = re.search(
        r"\b(?:in|for|of|at|to|about|from|named|called)\s+([A-Z][\w-]+(?:\s[A-Z][\w-]+)*)", prompt
    )
    if found:
        return found.group(1)
    names = re.findall(r"\b[A-Z][a-z]{2,}\b", prompt)[1:]
    return names[0] if names else f"a {name.replace('_', ' ')}"


def _schema_in_prompt(messages: list[Json]) -> Mapping[str, Any] | None:
    """A schema given in a system message, as clients do for models without native JSON."""
    for message in messages:
        content = message.get("content")
        if (
            message["role"] in ("system", "developer")
            and isinstance(content, str)
            and "JSON Schema" in content
        ):
            try:
                found = json.JSONDecoder().raw_decode(content, content.index("{"))[0]
            except ValueError:
                continue
            return found if isinstance(found, Mapping) else None
    return None


def _text(messages: list[Json], prompt: str, model: str) -> str:
    results = [_plain(m.get("content")) for m in messages if m["role"] == "tool"]
    if results and messages[-1]["role"] == "tool":
        return f"Here is what the tool says: {results[-1]}"
    context = re.search(
        r"Context information is below\.\s*-+\s*(.*?)\s*-{5,}(.*)", prompt, re.DOTALL
    )
    if context:
        question = re.search(r"Query:\s*(.*?)\s*Answer:", context.group(2), re.DOTALL)
        return _best_sentence(context.group(1), question.group(1) if question else prompt)
    short = " ".join(prompt.split())
    return f"This is {model}, simulated. You said: {short[:240]}"


def _best_sentence(context: str, question: str) -> str:
    asked = set(re.findall(r"\w{3,}", question.lower()))
    sentences = [s.strip() for s in re.split(r"(?<=[.!?])\s+|\n+", context) if len(s.split()) > 2]
    if not sentences:
        return "The context does not say."
    return max(sentences, key=lambda s: len(asked & set(re.findall(r"\w{3,}", s.lower()))))


def _stopped(text: str, stop: object) -> str:
    stops = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    cut = min((text.index(s) for s in stops if s and s in text), default=len(text))
    return text[:cut]


def _last_user(messages: list[Json]) -> str:
    return next((_plain(m.get("content")) for m in reversed(messages) if m["role"] == "user"), "")


def _plain(content: object) -> str:
    if isinstance(content, list):
        return " ".join(
            str(p.get("text") or f"[{p.get('type')}]") for p in content if isinstance(p, Mapping)
        )
    return str(content or "")
