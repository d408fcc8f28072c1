"""Structured answers of odd shapes."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from freerouter_core import errors
from freerouter_core.wire.json_values import Json

from ...frameworks import Person
from ..replies import PERSON, Reply, answer, call, event, pieces, refuse, streams
from ..row import STRUCTURED, Ask, Doubted, Fails, Object, Row, hosts

ANNA = {"name": "Anna", "age": 33}


class Keywords(BaseModel):
    """Everything is optional."""

    title: str = ""
    words: list[str] = []


class Note(BaseModel):
    """One field may be null."""

    name: str
    nick: str | None


WORDS = {"title": "t", "words": ["a"]}
KEYWORDS = Ask(schema=Keywords)
SCHEMA = Keywords.model_json_schema()


def read(
    name: str, source: str, text: Any, value: Json = ANNA, schema: type[BaseModel] = Person
) -> Row:
    """An answer that holds the object."""
    text = text if isinstance(text, str) else json.dumps(text)
    wire = hosts(north={"a/x": answer(text)})
    return Row(name=f"an object: {name}", source=source, wire=wire, ask=Ask(schema=schema),
               want=Object(value), requests=1)  # fmt: skip


def passed_on(
    name: str,
    source: str,
    text: Any,
    value: Json = WORDS,
    schema: type[BaseModel] = Keywords,
    **policy: Any,
) -> Row:
    """An answer that is none, and another model that gives one."""
    text = text if isinstance(text, str) else json.dumps(text)
    wire = hosts(north={"a/x": answer(text)}, south={"b/y": answer(json.dumps(value))})
    return Row(name=f"no object: {name}", source=source, wire=wire, ask=Ask(schema=schema),
               want=Object(value), requests=2, policy=policy)  # fmt: skip


READ = (
    read("in a wrapper", "phenobarbital/ai-parrot#338", {"Keywords": WORDS}, WORDS, Keywords),
    read("in a wrapper of the class's name", "lennartpollvogt/ollama-instructor#6",
         {"Person": ANNA}),
    read("as a call in the text", "kind: wrappers", {"name": "Person", "arguments": ANNA}),
    read("as a call in the text, its arguments as text", "kind: wrappers",
         {"name": "Person", "parameters": json.dumps(ANNA)}),
    read("in the schema's properties", "kind: wrappers", {"type": "object", "properties": ANNA}),
    read("alone in a list", "kind: wrappers", [ANNA]),
    read("in a fence, in prose", "kind: prose", f"Sure:\n```json\n{json.dumps(ANNA)}\n```\nBye"),
    read("after an example", "kind: several objects",
         f'For example {{"title": "x"}}. So: {json.dumps(WORDS)}', WORDS, Keywords),
    read("before a remark", "kind: several objects",
         f'{json.dumps(WORDS)} ({{"title": "x"}} would not do)', WORDS, Keywords),
    read("after an empty one", "K4", f"{{}} {json.dumps(WORDS)}", WORDS, Keywords),
    read("after thoughts in the text", "kind: prose",
         f'<think>{{"name": "x", "age": 1}}</think>{json.dumps(ANNA)}'),
    read("after the end of thoughts that nobody began", "kind: prose",
         f"Hm, Anna. </think> {json.dumps(ANNA)}"),
    read("with a null", "kind: null", {"name": "Anna", "nick": None},
         {"name": "Anna", "nick": None}, Note),
)  # fmt: skip

PASSED_ON = (
    passed_on("the schema", "K4", SCHEMA),
    passed_on("the schema in other words", "kind: echoes", {**SCHEMA, "description": "d"}),
    passed_on("the schema in a wrapper", "kind: echoes", {"schema": SCHEMA}),
    passed_on("nothing in common", "K4", {"error": "I cannot do that"}),
    passed_on("an empty object", "K4", "{}", max_retries=1),  # a second one would be believed
    passed_on("an empty object in a wrapper", "kind: wrappers", {"Keywords": {}}),
    passed_on("a text", "kind: prose", "I would rather not."),
    passed_on("cut JSON", "kind: cut", '{"title": "t", "words": ["a'),
)


def broken(name: str, source: str, *parts: Any, cut: bool = False) -> Row:
    """A stream of an object that goes wrong, and somebody who gives one."""
    reply = streams(pieces(*parts, cut=cut), refuse(502, "x"))
    wire = hosts(north={"a/x": reply}, south={"b/y": PERSON})
    return Row(name=f"an object begins again: {name}", source=source, wire=wire, ask=STRUCTURED,
               want=Object(), requests=2)  # fmt: skip


BEGUN = event({"content": '{"name": "An'})
BEGIN_AGAIN = (
    broken("a cut", "K3", BEGUN, cut=True),
    broken("the end without a finish reason", "kind: broken objects", BEGUN),
    broken("cut by a limit", "kind: broken objects", BEGUN, event({}, "length")),
    broken("of another type", "K3", event({"content": '{"name": "Anna", "age": "old"}'}),
           event({}, "stop")),
    broken("an error in the stream", "kind: broken objects", BEGUN,
           'data: {"error": {"message": "x", "code": 502}}\n\n'),
    broken("a stall", "kind: broken objects", BEGUN, 700.0, event({}, "stop")),
)  # fmt: skip


def in_forms(body: Json) -> Reply:
    """Prose if it is asked with a schema; else as it should."""
    kind = (body.get("response_format") or {}).get("type")
    if kind == "json_schema":
        return answer("It is Anna, who is 33.")
    return call(body["tools"][0]["function"]["name"], ANNA) if "tools" in body else PERSON


LEARNT = (
    Row(
        name="a model that answers a schema in prose is asked in the next form",
        source="K2",
        wire=hosts(north={"a/x": in_forms}),
        ask=STRUCTURED,
        want=Object(),
        calls=5,
        every=60.0,
        requests=6,
    ),
    Row(
        name="a model that never gives an object comes last for objects",
        source="K2",
        wire=hosts(north={"a/x": answer("No.")}, south={"b/y": PERSON}),
        ask=STRUCTURED,
        want=Object(),
        calls=10,
        every=30.0,
        requests=12,
        at_most={"a/x": 2},
        policy={"strategy": "adaptive"},
        learnt=[Doubted("a/x", 0.33)],
    ),
    Row(
        name="nobody gives an object",
        source="kind: the last answer",
        wire=hosts(north={"a/x": answer("No.")}),
        ask=STRUCTURED,
        want=Fails(errors.Exhausted, says="JSON"),
        requests=3,
        policy={"max_retries": 1},
    ),
    Row(
        name="an empty object that comes twice is believed",
        source="kind: empty objects",
        wire=hosts(north={"a/x": answer("{}")}, south={"b/y": answer("{}")}),
        ask=KEYWORDS,
        want=Object({"title": "", "words": []}),
        requests=2,
        ways=frozenset(
            {"lc_invoke", "lc_stream", "li_chat", "li_stream"}
        ),  # the class has defaults
    ),
)

ROWS: tuple[Row, ...] = (*READ, *PASSED_ON, *BEGIN_AGAIN, *LEARNT)
