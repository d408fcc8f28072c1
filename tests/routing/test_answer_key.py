"""The key that equal requests share."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from freerouter_core.errors import BadRequest
from freerouter_core.routing.answer_key import AnswerKeys
from freerouter_core.routing.policy import Policy
from freerouter_core.wire.history import read_request
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


def test_a_key_is_the_same_in_every_process() -> None:
    """Who changes it changes `FORMAT`, too: answers of both are kept side by side."""
    capable = Policy(capabilities=frozenset({"vision", "tools", "audio", "file", "reasoning"}))
    assert AnswerKeys(capable, ("mark",), "mine").of(ASKED.but(tools=[LOOK]), "ada") == (
        "c5e563ead6dbb0c5089192d9f610895148ec2d2825df6b2723b701a7773c08cd"
    )


def test_another_format_has_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    first = key()
    monkeypatch.setattr("freerouter_core.routing.answer_key.FORMAT", 2)
    assert key() != first


def test_the_keys_of_a_router_do_not_depend_on_what_it_was_asked_before() -> None:
    keys, other = AnswerKeys(Policy()), ASKED.but(sample=1)
    for request in (ASKED, other, ChatRequest.of("x"), ASKED, other):
        assert keys.of(request) == key(request)
        assert keys.of(request, read=read_request(request)) == key(request)


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


# -- every field -----------------------------------------------------------------------------------

LOOK, HEAR = ({"type": "function", "function": {"name": name}} for name in ("look", "hear"))
TOOLED = ASKED.but(tools=[LOOK])
NAMED = ASKED.but(model="a/a:free")
FORM = Structured(None)
FORMS = (
    replace(FORM, schema={"type": "object"}),
    replace(FORM, name="b"),
    replace(FORM, description="b"),
    replace(FORM, method="json_mode"),
    replace(FORM, strict=True),
    replace(FORM, lax=True),
)
OTHER_REQUESTS: dict[str, tuple[ChatRequest, list[Any]]] = {
    "messages": (ASKED, [[{"role": "user", "content": "Why is the sea blue?"}]]),
    "tools": (TOOLED, [[], [HEAR], [LOOK, HEAR]]),
    "tool_choice": (TOOLED, ["none", "required", LOOK]),
    "parallel_tool_calls": (TOOLED, [True, False]),
    "structured": (ASKED.but(structured=FORM), [None, *FORMS]),
    "parameters": (ASKED, [{"temperature": 0.1}, {"temperature": 0.2}, {"max_tokens": 9}]),
    "reasoning": (ASKED, [True, False, "low", "high", {"max_tokens": 9}]),
    "extra_body": (ASKED, [{"top_k": 1}, {"top_k": 2}, {"unknown": None}]),
    "model": (NAMED, [None, "a/b:free"]),
    "fallback_models": (NAMED, [("a/b:free",), ("a/b:free", "a/c:free"), ("a/c:free", "a/b:free")]),
    "sample": (ASKED, [1, 2]),
}  # fmt: skip
EQUAL_REQUESTS: dict[str, list[Any]] = {
    "timeout": [3.0],
    "validate": [print],
    "on_wait": [print],
    "replaces": [True],
    "lane": ["background"],
    "fresh": [True],
    "label": ["a"],
}
OTHER_POLICIES: dict[str, list[Any]] = {
    "preferred": [("a/a:free",), ("a/b:free",), ("a/a:free", "a/b:free")],
    "others": [False],
    "capabilities": [frozenset({"tools"}), frozenset({"tools", "vision"})],
    "min_context": [9_000],
    "min_quality": [3.0, 4.0],
    "min_safety": [3.0, 4.0],
    "no_train": [True],
    "allow_paid": [True],
}
EQUAL_POLICIES: dict[str, list[Any]] = {
    "kept": ["a/a:free"],
    "strategy": ["random"],
    "prefer": ["speed"],
    "quality": [{"a": 3.0}],
    "task": ["code"],
    "max_latency": [1.0],
    "max_cost_per_token": [1.0],
    "max_cost_per_request": [1.0],
    "daily_budget_usd": [1.0],
    "max_retries": [1],
    "max_failures": [2],
    "exclude_failed": [1.0],
    "retry_attempts": [1],
    "backoff_base": [2.0],
    "backoff_max": [2.0],
    "backoff_jitter": [0.5],
    "hedge": ["off"],
    "tool_streaming": ["fragments"],
    "on_stream_break": ["continue"],
    "memory": [9],
    "order": [{"a/a:free": 1}],
}


def test_every_field_of_a_request_and_of_a_policy_is_known_to_matter_or_not() -> None:
    assert OTHER_REQUESTS.keys() | EQUAL_REQUESTS.keys() == {f.name for f in fields(ChatRequest)}
    assert OTHER_POLICIES.keys() | EQUAL_POLICIES.keys() == {f.name for f in fields(Policy)}
    formed = {n for form in FORMS for n in vars(FORM) if vars(form)[n] != vars(FORM)[n]}
    assert formed == {f.name for f in fields(Structured)}


@pytest.mark.parametrize("field", OTHER_REQUESTS)
def test_what_a_request_may_ask_otherwise_changes_the_key(field: str) -> None:
    base, values = OTHER_REQUESTS[field]
    keys = [key(base), *(key(base.but(**{field: value})) for value in values)]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("field", EQUAL_REQUESTS)
def test_what_a_request_says_of_itself_does_not(field: str) -> None:
    for value in EQUAL_REQUESTS[field]:
        assert key(ASKED.but(**{field: value})) == key()


@pytest.mark.parametrize("field", OTHER_POLICIES)
def test_what_a_router_accepts_changes_the_key(field: str) -> None:
    keys = [key(), *(key(**{field: value}) for value in OTHER_POLICIES[field])]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("field", EQUAL_POLICIES)
def test_how_a_router_chooses_does_not(field: str) -> None:
    for value in EQUAL_POLICIES[field]:
        assert key(**{field: value}) == key()


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
