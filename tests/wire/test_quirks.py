"""The quirks of models: the effect of each row on a request."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freerouter_core.catalogue.model import Model
from freerouter_core.catalogue.providers import Account
from freerouter_core.simulator.request_validation import validation_error
from freerouter_core.wire.body import build_body
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.quirks import QUIRKS, lacks_of, quirks_of
from freerouter_core.wire.reasoning import WRITERS
from freerouter_core.wire.request import ChatRequest
from freerouter_core.wire.terms import Terms

CALL = {"id": "call_abc:1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
TOOL = {
    "type": "function",
    "function": {
        "name": "add",
        "strict": True,
        "parameters": {
            "$schema": "x",
            "type": "object",
            "properties": {"const": {"const": 1}},
            "additionalProperties": False,
        },
    },
}
OTHER = {
    "type": "function",
    "function": {"name": "sub", "parameters": {"type": "object", "properties": {}}},
}
PICTURE = {"type": "image_url", "image_url": {"url": "https://a.example/x.png"}}
HISTORY: list[dict[str, Any]] = [
    {"role": "developer", "content": "be brief"},
    {"role": "system", "content": "be kind"},
    {"role": "user", "content": "add", "name": "ann"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {
        "role": "tool",
        "tool_call_id": "call_abc:1",
        "content": [{"type": "text", "text": "3"}, PICTURE],
    },
    {"role": "user", "content": "and"},
    {"role": "user", "content": "now?"},
    {"role": "system", "content": "answer at last"},
]


def body_for(
    wire_name: str,
    provider: str = "openrouter",
    lacks: frozenset[str] = frozenset(),
    resumes: str | None = None,
    **request: Any,
) -> dict[str, Any]:
    chat_request = ChatRequest(
        copy.deepcopy(request.pop("messages", HISTORY)),
        tools=request.pop("tools", [TOOL, OTHER]),
        **request,
    )
    before = copy.deepcopy(chat_request)
    dialect = "openrouter" if provider == "openrouter" else "openai"
    eyes = frozenset({"text", "image"})
    model = Model(wire_name, provider, wire_name, lacks=lacks, inputs=eyes)
    body, _ = build_body(
        chat_request,
        model,
        Account(provider, "https://x.example/v1", "k", dialect=dialect),
        Terms(stream=True, prefill=resumes),
    )
    assert chat_request == before, "the caller's own messages were changed"
    return body


def roles(body: dict[str, Any]) -> str:
    return " ".join(message["role"][0] for message in body["messages"])


def test_a_model_without_quirks_gets_the_request_as_it_is() -> None:
    body = body_for("acme/able:free")

    assert roles(body) == "s s u a t u u s"
    assert [m["content"] for m in body["messages"] if m["role"] == "tool"] == [
        HISTORY[4]["content"]
    ]
    assert validation_error(body | {"tools": [OTHER]}) is None


def test_later_system_messages_become_user_messages() -> None:
    assert roles(body_for("qwen/qwen3.5-9b:free")) == "s u a t u u u"
    assert body_for("qwen/qwen3.5-9b:free")["messages"][0]["content"] == "be brief\n\nbe kind"


def test_a_model_without_system_messages_gets_alternating_turns() -> None:
    body = body_for("google/gemma-3-27b-it:free")

    assert roles(body) == "u a t u"
    assert body["messages"][0]["content"] == "be brief\n\nbe kind\n\nadd"
    assert body["messages"][-1]["content"] == "and\n\nnow?\n\nanswer at last"
    assert roles(body_for("google/gemma-4-31b-it:free")) == "s u a t u u u"


def test_mistral_gets_ids_of_nine_letters_and_an_assistant_turn_after_results() -> None:
    body = body_for("mistralai/devstral-small:free")
    [call] = body["messages"][2]["tool_calls"]

    assert re.fullmatch(r"[A-Za-z0-9]{9}", call["id"])
    assert body["messages"][3]["tool_call_id"] == call["id"]
    assert roles(body) == "s u a t a u u u", (
        "an assistant's word stands between a result and the user"
    )
    assert body_for("mistralai/devstral-small:free")["messages"][2] == body["messages"][2], (
        "the same in every turn"
    )


def test_tool_call_ids_are_rewritten_for_each_model() -> None:
    kimi = body_for("moonshotai/kimi-k2:free")["messages"][3]["tool_calls"][0]["id"]
    plain = body_for("acme/able:free")["messages"][3]["tool_calls"][0]["id"]

    assert kimi == "functions.add:0"
    assert re.fullmatch(r"[A-Za-z0-9_-]+", plain)


@given(
    ids=st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=5, unique=True),
    name=st.sampled_from(["mistralai/m", "moonshotai/kimi-k2", "a/m"]),
)
def test_rewritten_ids_still_pair_and_stay_unique(ids: list[str], name: str) -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "", "tool_calls": [{**CALL, "id": i} for i in ids]},
    ]
    messages += [{"role": "tool", "tool_call_id": i, "content": "r"} for i in ids]
    sent_messages = body_for(name, messages=messages)["messages"]
    sent = [call["id"] for call in sent_messages[1]["tool_calls"]]

    assert [m["tool_call_id"] for m in sent_messages[2:]] == sent
    assert len(set(sent)) == len(ids)


def test_gemini_gets_its_schemas_names_and_thought_signatures() -> None:
    body = body_for("gemini-3-flash", "gemini", parameters={"frequency_penalty": 0.1})
    parameters = body["tools"][0]["function"]["parameters"]

    assert parameters == {"type": "object", "properties": {"const": {"enum": [1]}}}
    assert body["messages"][4]["name"] == "add"
    assert body["messages"][3]["tool_calls"][0]["extra_content"]["google"]["thought_signature"]
    assert "frequency_penalty" not in body


def test_groq_gets_text_as_strings_and_pictures_from_the_user_only() -> None:
    body = body_for("openai/gpt-oss-20b", "groq")
    tool, user = body["messages"][4:6]

    assert tool["content"] == "3"
    assert user == {"role": "user", "content": [PICTURE]}
    assert "name" not in body["messages"][2]


@pytest.mark.parametrize(
    ("model", "provider", "sent", "there", "gone"),
    [
        ("mistral-small", "mistral", {"seed": 7}, {"random_seed": 7}, {"seed", "stream_options"}),
        (
            "openai/gpt-5-mini",
            "openrouter",
            {"max_tokens": 3, "temperature": 0.2},
            {"max_tokens": 16},
            {"temperature"},
        ),
        (
            "openai/gpt-oss-20b:free",
            "openrouter",
            {"max_tokens": 3, "temperature": 0.2},
            {"max_tokens": 3, "temperature": 0.2},
            set(),
        ),
        ("@cf/meta/llama", "cloudflare", {}, {"max_tokens": 2048}, set()),
        ("moonshotai/kimi-k2.5", "nvidia", {"temperature": 0.2}, {}, {"temperature"}),
    ],
)
def test_parameters_are_renamed_raised_or_dropped(
    model: str, provider: str, sent: dict[str, Any], there: dict[str, Any], gone: set[str]
) -> None:
    body = body_for(model, provider, parameters=sent)

    assert {key: body[key] for key in there} == there
    assert not gone & body.keys()


def test_a_named_tool_becomes_the_only_tool_with_required() -> None:
    choice = {"type": "function", "function": {"name": "sub"}}
    body = body_for("any", "lmstudio", tool_choice=choice)

    assert (body["tools"], body["tool_choice"]) == ([OTHER], "required")
    assert lacks_of("openai/gpt-oss-20b", "cerebras") == {
        "tool_choice",
        "parallel_tool_calls",
        "json-with-tools",
    }


def test_a_partial_answer_is_sent_as_a_prefill() -> None:
    beginning: dict[str, Any] = {
        "messages": [{"role": "user", "content": "x"}],
        "resumes": "Once upon a ",
    }

    assert body_for("a/m", **beginning)["messages"][-1] == {
        "role": "assistant",
        "content": "Once upon a",
    }
    assert body_for("mistral-small", "mistral", **beginning)["messages"][-1]["prefix"] is True
    assert body_for("any", "vllm", **beginning)["continue_final_message"] is True
    assert body_for("openai/gpt-oss", "groq", **beginning)["messages"][-1]["role"] == "user"


def test_reasoning_goes_back_to_its_writer_in_the_writers_own_field() -> None:
    thinking = {
        "role": "assistant",
        "content": "hi",
        "reasoning": "hm",
        "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
    }
    for provider, model, fields in (
        ("openrouter", "a/m", {"reasoning_details"}),
        ("mistral", "a/m", set()),
        ("siliconflow", "deepseek-v3", {"reasoning_content"}),
        ("anybody", "a/m", {"reasoning_details"}),
    ):
        messages: list[Json] = [
            {"role": "user", "content": "x"},
            {**thinking, "model": [model]},
            {"role": "user", "content": "y"},
        ]
        own = body_for(model, provider, messages=messages)["messages"][1]
        messages[1]["model"] = ["another/model"]
        foreign = body_for(model, provider, messages=messages)["messages"][1]

        assert own.keys() - {"role", "content"} == fields
        assert foreign.keys() == {"role", "content"}


def test_every_quirk_names_its_source() -> None:
    for quirk in QUIRKS:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+#\d+|[\w.-]+\.\w+/[\w./-]+", quirk.source), quirk
        assert quirk.transform is not None or quirk.lacks
        assert quirk.providers or quirk.models, "what concerns everybody is no quirk"


@given(
    provider=st.sampled_from([*WRITERS, "openrouter", "other"]),
    model=st.sampled_from(["a/m", "mistralai/m", "gemma-3", "kimi-k2.5", "gemini-3", "gpt-oss"]),
    lacks=st.sets(st.sampled_from(sorted({q.name for q in QUIRKS}))),
)
def test_any_history_is_a_valid_request_for_every_model(
    provider: str, model: str, lacks: set[str]
) -> None:
    body = body_for(model, provider, frozenset(lacks), reasoning="high")

    assert {"tool-ids-9", *lacks} >= {
        q.name for q in quirks_of("x/m", "nobody", frozenset(lacks))
    } - {
        "cache-marks",
        "developer",
        "tool-ids-plain",
    }
    json.dumps(body)
    open_calls = [c["id"] for m in body["messages"] for c in m.get("tool_calls") or ()]
    assert open_calls == [m["tool_call_id"] for m in body["messages"] if m["role"] == "tool"]


@pytest.mark.parametrize(
    ("provider", "model", "reasoning", "sent"),
    [
        ("openrouter", "a/m", True, {"reasoning": {"enabled": True}}),
        ("openrouter", "a/m", "low", {"reasoning": {"effort": "low"}}),
        ("openrouter", "a/m", {"max_tokens": 99}, {"reasoning": {"max_tokens": 99}}),
        ("groq", "openai/gpt-oss-20b", "minimal", {"reasoning_effort": "low"}),
        ("groq", "openai/gpt-oss-20b", False, {}),
        (
            "groq",
            "qwen/qwen3-32b",
            False,
            {"reasoning_effort": "none", "reasoning_format": "parsed"},
        ),
        ("gemini", "gemini-2.5-flash", False, {"reasoning_effort": "none"}),
        ("gemini", "gemini-2.5-flash", "max", {"reasoning_effort": "high"}),
        ("mistral", "mistral-small", "low", {"reasoning_effort": "high"}),
        ("mistral", "magistral-small", True, {"prompt_mode": "reasoning"}),
        ("nvidia", "qwen/qwen3.5", False, {"chat_template_kwargs": {"enable_thinking": False}}),
        ("nvidia", "deepseek-ai/deepseek-v4", True, {"chat_template_kwargs": {"thinking": True}}),
        ("zai", "glm-4.7-flash", False, {"thinking": {"type": "disabled"}}),
        ("cohere", "command-a-reasoning", "medium", {"reasoning_effort": "high"}),
        (
            "siliconflow",
            "qwen3",
            {"max_tokens": 500},
            {"enable_thinking": True, "thinking_budget": 500},
        ),
        ("ollama", "qwen3", "minimal", {"reasoning_effort": "low"}),
        ("anthropic", "claude", "low", {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        ("somebody", "m", "high", {"reasoning_effort": "high"}),
        ("somebody", "m", False, {}),
        ("somebody", "m", None, {}),
    ],
)
def test_reasoning_is_requested_as_each_provider_spells_it(
    provider: str, model: str, reasoning: Any, sent: dict[str, Any]
) -> None:
    plain = body_for(model, provider, messages=[{"role": "user", "content": "x"}])
    body = body_for(
        model, provider, messages=[{"role": "user", "content": "x"}], reasoning=reasoning
    )

    assert {key: value for key, value in body.items() if key not in plain} == sent


@pytest.mark.parametrize("unwanted", [False, "none", {"enabled": False}, {"effort": "none"}])
def test_mandatory_reasoning_is_switched_off_in_no_spelling(unwanted: Any) -> None:
    body = body_for(
        "a/m",
        lacks=frozenset({"reasoning-off"}),
        messages=[{"role": "user", "content": "x"}],
        reasoning=unwanted,
    )

    assert "reasoning" not in body


def test_reasoning_is_not_switched_off_for_a_model_that_must_reason() -> None:
    account = Account("openrouter", "https://x.test/v1", "k", dialect="openrouter")
    parameters = frozenset({"reasoning"})
    free, bound = (
        Model("m", parameters=parameters, reasoning_mandatory=must) for must in (False, True)
    )
    request = ChatRequest.of("x").but(reasoning=False)

    assert build_body(request, free, account)[0]["reasoning"] == {"enabled": False}
    assert "reasoning" not in build_body(request, bound, account)[0]
