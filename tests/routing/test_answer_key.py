"""The key that equal requests share."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from freerouter_core.errors import BadRequest
from freerouter_core.routing.answer_key import AnswerKeys
from freerouter_core.routing.policy import Policy
from freerouter_core.wire.request import ChatRequest
from freerouter_core.wire.structured import Structured

ASKED = ChatRequest.of("Why is the sky blue?")


def key(request: ChatRequest = ASKED, **policy: Any) -> str:
    return AnswerKeys(Policy(**policy)).of(request)


def test_a_key_is_a_hash_that_tells_nothing_of_the_prompt() -> None:
    assert len(key()) == 64
    assert "sky" not in key()


@pytest.mark.parametrize(
    "policy",
    [
        {"strategy": "random", "prefer": "quality", "order": {"a": 1}, "task": "coding"},
        {"max_latency": 3.0, "max_retries": 1, "hedge": "off", "tool_streaming": "fragments"},
        {"max_cost_per_token": 1.0, "daily_budget_usd": 1.0, "on_stream_break": "continue"},
        {"quality": {"a": 3.0}, "kept": "a/b:free", "min_quality": 0},
    ],
)
def test_how_models_are_ranked_and_asked_is_not_in_it(policy: dict[str, Any]) -> None:
    assert key(**policy) == key()


def test_what_counts_as_an_answer_is_in_it() -> None:
    keys = [
        key(),
        key(preferred=("a/a:free",)),
        key(preferred=("a/b:free",)),
        key(preferred=("a/a:free", "a/b:free")),
        key(preferred=("a/a:free",), others=False),
        key(capabilities=frozenset({"tools"})),
        key(min_context=9_000),
        key(min_quality=3),
        key(min_quality=3, quality={"a": 9.0}),
        key(min_safety=3),
        key(no_train=True),
        key(allow_paid=True),
        key(ChatRequest.of("Why is the sea blue?")),
        AnswerKeys(Policy(), marks=("a",)).of(ASKED),
        AnswerKeys(Policy(), marks=("a", "b")).of(ASKED),
        AnswerKeys(Policy(), namespace="a").of(ASKED),
        AnswerKeys(Policy(), namespace="b").of(ASKED),
        AnswerKeys(Policy(), namespace="a|b").of(ASKED),
        AnswerKeys(Policy(), namespace="a").of(ASKED, "b"),
        AnswerKeys(Policy()).of(ASKED, "a"),
        AnswerKeys(Policy()).of(ASKED, "b"),
        key(ASKED.but(sample=1)),
    ]
    assert len(set(keys)) == len(keys)


def test_a_model_named_by_the_request_comes_before_those_of_the_router() -> None:
    named = ASKED.but(model="a/a:free")
    assert key(named) == key(preferred=("a/a:free",))
    assert key(named, preferred=("a/b:free",)) == key(preferred=("a/a:free", "a/b:free"))
    assert key(ASKED.but(model="auto")) == key()
    both = ASKED.but(model="a/a:free", fallback_models=("a/b:free",))
    assert key(both) == key(preferred=("a/a:free", "a/b:free"))


def test_what_is_no_request_has_no_key() -> None:
    with pytest.raises(BadRequest):
        key(ChatRequest([{"role": "wizard", "content": "hi"}]))


# -- properties ------------------------------------------------------------------------------------

words = st.text(alphabet="ab \n", min_size=1, max_size=4).filter(str.strip)
plain = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "null"])
values = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=5,
)
schemas = st.dictionaries(st.sampled_from(["type", "properties", "x"]), values, max_size=3)
tools = st.builds(
    lambda name, schema: {"type": "function", "function": {"name": name, "parameters": schema}},
    st.sampled_from(["look", "hear"]),
    schemas,
)
messages = st.lists(
    st.tuples(st.sampled_from(["user", "system"]), words), min_size=1, max_size=3
).map(lambda pairs: [{"role": role, "content": text} for role, text in pairs])
requests = st.builds(
    ChatRequest,
    messages,
    st.lists(tools, max_size=2),
    tool_choice=st.sampled_from([None, "required", "none"]),
    parameters=st.dictionaries(
        st.sampled_from(["temperature", "max_tokens", "seed"]), st.integers(1, 3), max_size=2
    ),
    extra_body=st.dictionaries(st.sampled_from(["top_k", "verbosity", "odd"]), values, max_size=2),
    reasoning=st.sampled_from([None, True, False, "low", "high"]),
    structured=st.none() | st.builds(Structured, schemas, st.sampled_from(["answer", "b"])),
)


def shuffled(value: Any) -> Any:
    """The same, with the keys of every object the other way round."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(list(value))}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(requests)
def test_what_is_only_spelt_otherwise_has_the_same_key(request: ChatRequest) -> None:
    parameters = dict(reversed(list(request.parameters.items())))
    other = request.but(
        messages=[
            {"content": [{"text": m["content"], "type": "text"}], "role": m["role"], "name": None}
            for m in request.messages
        ],
        tools=[shuffled(tool) for tool in request.tools],
        parameters={},
        extra_body={
            **shuffled(request.extra_body),
            **parameters,
        },
        structured=request.structured
        and replace(request.structured, schema=shuffled(request.structured.schema)),
    )
    assert key(other) == key(request)


def meaning(request: ChatRequest) -> str:
    """All of a request that a model may be told, written down in another way than keys are."""
    offers: list[Any] = [list(request.tools), request.tool_choice] if request.tools else []
    fields = {**request.parameters, **request.extra_body}
    fields = {k: v for k, v in fields.items() if v is not None or k == "odd"}
    structured = request.structured and [request.structured.schema, request.structured.name]
    said: list[Any] = [request.messages, offers, fields, request.reasoning, structured]
    return json.dumps(said, sort_keys=True)


@given(requests, requests)
def test_requests_of_other_meaning_have_other_keys(one: ChatRequest, other: ChatRequest) -> None:
    assert (key(one) == key(other)) == (meaning(one) == meaning(other))


@given(requests, st.data())
def test_any_change_changes_the_key(request: ChatRequest, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["text", "role", "order", "field", "tool", "more"]))
    changed = request
    said = list(request.messages)
    n = data.draw(st.integers(0, len(said) - 1))
    if kind == "text":
        said[n] = {**said[n], "content": said[n]["content"] + data.draw(words)}
    elif kind == "role":
        said[n] = {**said[n], "role": "system" if said[n]["role"] == "user" else "user"}
    elif kind == "order":
        said.reverse()
        assume(said != request.messages)
    elif kind == "more":
        said.append({"role": "assistant", "content": data.draw(words)})
    elif kind == "field":
        changed = changed.but(extra_body={**request.extra_body, "new": data.draw(values)})
    else:
        new = {"type": "function", "function": {"name": "new"}}
        changed = changed.but(tools=[*request.tools, new])
    assert key(changed.but(messages=said)) != key(request)
