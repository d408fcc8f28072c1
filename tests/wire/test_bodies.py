"""The body that one model at one provider is sent."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from freerouter_core import ChatRequest, Model, Structured
from freerouter_core.catalogue.providers import Account
from freerouter_core.wire.body import build_body
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.quirks import DROPPABLE, QUIRKS, Quirk, lacks_of, quirks_of
from freerouter_core.wire.request_transforms import (
    MOVED,
    alternating_roles,
    ask_to_continue,
    at_least_16_tokens,
    continued_final_message,
    drop_fields,
    empty_content_for_null,
    flagged_prefill,
    flat_content,
    one_leading_system,
    reasoning_as_content,
    rename_field,
    reply_after_tool,
    some_max_tokens,
    system_into_user,
    without_cache_marks,
    without_name,
    without_reasoning,
)
from freerouter_core.wire.terms import Terms
from freerouter_core.wire.tool_transforms import (
    named_tool_results,
    nine_characters,
    numbered,
    only_the_named_tool,
    plain,
    plain_schemas,
    rewrite_tool_ids,
    signed_tool_calls,
    without_strict,
)

USER: Json = {"role": "user", "content": "x"}
TOOL: Json = {"type": "function", "function": {"name": "f", "parameters": {}}}
OTHER: Json = {"type": "function", "function": {"name": "g", "parameters": {}}}
PICTURE: Json = {"type": "image_url", "image_url": {"url": "u"}}


def body_of(
    request: ChatRequest | None = None,
    *,
    provider: str = "acme",
    dialect: str = "openai",
    model: Model | None = None,
    **options: Any,
) -> Json:
    account = Account(provider, "https://h/v1", "k", dialect=dialect)
    model = model or Model("a/m", provider, "a/m")
    request = request or ChatRequest([USER])
    return build_body(request, model, account, Terms(**options))[0]


def asked(**fields: Any) -> ChatRequest:
    return ChatRequest([USER], **fields)


# -- parameters ------------------------------------------------------------------------------------


def test_a_plain_request_is_a_model_and_messages() -> None:
    assert body_of() == {"model": "a/m", "messages": [USER]}


def test_a_stream_always_asks_for_usage() -> None:
    request = asked(extra_body={"stream": False, "stream_options": {}, "user": "u"})

    assert body_of(request, stream=True) == {
        "model": "a/m",
        "messages": [USER],
        "user": "u",
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert "stream" not in body_of(request)


def test_parameters_without_a_value_are_left_out() -> None:
    request = asked(parameters={"temperature": 0, "top_p": None, "stop": [], "seed": 7})
    body = body_of(request)

    assert (body["temperature"], body["seed"]) == (0, 7)
    assert not {"top_p", "stop"} & body.keys()
    assert body_of(asked(parameters={"stop": ["x"]}))["stop"] == ["x"]


@pytest.mark.parametrize(
    ("max_tokens", "max_output", "prefill", "sent"),
    [
        (50, None, None, 50),
        (50, 30, None, 30),
        (50, 90, None, 50),
        (50, None, "x" * 80, 30),
        (50, 30, "x" * 40, 20),
        (50, None, "x" * 400, 16),
        ("50", 30, "x" * 40, "50"),
    ],
)
def test_max_tokens_is_within_the_models_and_less_what_was_written_already(
    max_tokens: object, max_output: int | None, prefill: str | None, sent: object
) -> None:
    model = Model("a/m", max_output=max_output)
    body = body_of(asked(parameters={"max_tokens": max_tokens}), model=model, prefill=prefill)

    assert body["max_tokens"] == sent


def test_a_parameter_that_the_model_proved_to_lack_is_dropped() -> None:
    model = Model("a/m", lacks=frozenset({"seed", "messages"}))
    body = body_of(asked(parameters={"seed": 7, "top_k": 5}), model=model)

    assert "seed" not in body
    assert (body["top_k"], body["messages"]) == (5, [USER])


# -- tools -----------------------------------------------------------------------------------------

KNOWS_TOOLS = frozenset({"tools", "tool_choice", "parallel_tool_calls"})


@pytest.mark.parametrize(
    ("parameters", "choice", "tools", "sent"),
    [
        (KNOWS_TOOLS, None, True, None),
        (KNOWS_TOOLS, "auto", True, "auto"),
        (KNOWS_TOOLS, "none", True, "none"),
        (KNOWS_TOOLS, "required", True, "required"),
        (frozenset({"tools"}), "auto", True, None),
        (frozenset({"tools"}), "none", False, None),
        (frozenset({"tool_choice"}), "none", False, None),
        (frozenset({"tools"}), "required", True, None),
    ],
)
def test_tool_choice_is_sent_only_to_models_that_know_it(
    parameters: frozenset[str], choice: Any, tools: bool, sent: object
) -> None:
    request = asked(tools=[TOOL], tool_choice=choice)
    body = body_of(request, model=Model("a/m", parameters=parameters))

    assert ("tools" in body) is tools
    assert body.get("tool_choice") == sent


def test_who_cannot_be_made_to_call_a_tool_sees_no_other() -> None:
    other = {"type": "function", "function": {"name": "other", "parameters": {}}}
    choice = {"type": "function", "function": {"name": "other"}}
    request = asked(tools=[TOOL, other], tool_choice=choice)
    unforced = body_of(request, model=Model("a/m", lacks=frozenset({"tool_choice"})))

    assert (unforced["tools"], unforced.get("tool_choice")) == ([other], None)
    assert len(body_of(request)["tools"]) == 2


def test_no_tools_are_no_empty_list_and_have_no_choice() -> None:
    body = body_of(asked(tool_choice="auto", parallel_tool_calls=True))

    assert not {"tools", "tool_choice", "parallel_tool_calls"} & body.keys()


@pytest.mark.parametrize(
    ("parameters", "parallel", "sent"),
    [(KNOWS_TOOLS, False, False), (KNOWS_TOOLS, None, None), (frozenset({"tools"}), False, None)],
)
def test_parallel_tool_calls_is_sent_only_to_models_that_know_it(
    parameters: frozenset[str], parallel: bool | None, sent: bool | None
) -> None:
    request = asked(tools=[TOOL], parallel_tool_calls=parallel)

    assert (
        body_of(request, model=Model("a/m", parameters=parameters)).get("parallel_tool_calls")
        == sent
    )


# -- a beginning to continue -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "last"),
    [
        ([USER], {"role": "assistant", "content": "Once upon"}),
        (
            [USER, {"role": "assistant", "content": "So: "}],
            {"role": "assistant", "content": "So: Once upon"},
        ),
        (
            [USER, {"role": "assistant", "content": None}],
            {"role": "assistant", "content": "Once upon"},
        ),
    ],
)
def test_a_beginning_goes_behind_the_callers_own(messages: list[Json], last: Json) -> None:
    assert body_of(ChatRequest(messages), prefill="Once upon \n")["messages"][-1] == last


def test_a_prefill_of_spaces_is_left_out() -> None:
    assert body_of(prefill=" \n")["messages"] == [USER]


def test_a_stream_of_a_model_that_lacks_the_field_asks_for_no_usage() -> None:
    model = Model("a/m", lacks=frozenset({"stream_options"}))
    body = body_of(model=model, stream=True)

    assert body["stream"] is True
    assert "stream_options" not in body


def test_a_structured_answer_is_continued_as_text() -> None:
    request = asked(structured=Structured({"type": "object"}))
    account, model = Account("acme", "https://h/v1", "k"), Model("a/m")

    assert build_body(request, model, account)[1] == "json_schema"
    assert build_body(request, model, account, Terms(prefill="{"))[1] == "prompt"


# -- reasoning -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("writers", "kept"),
    [(["a/m"], True), (["a/m:free", "a/m"], True), (["b/m"], False), ([], False), (None, False)],
)
def test_reasoning_goes_back_only_to_the_model_that_wrote_it(writers: Any, kept: bool) -> None:
    message = {
        "role": "assistant",
        "content": "y",
        "reasoning": "r",
        "reasoning_details": [{"type": "reasoning.text"}],
        "model": writers,
    }
    sent = body_of(ChatRequest([USER, message]))["messages"][1]

    assert "model" not in sent
    assert "reasoning" not in sent
    assert ("reasoning_details" in sent) is kept


def test_reasoning_goes_as_text_to_models_that_want_it_back() -> None:
    message = {"role": "assistant", "content": "y", "reasoning": "r", "model": ["kimi"]}
    model = Model("kimi", "vllm", "kimi")
    sent = body_of(ChatRequest([USER, message]), provider="vllm", model=model)["messages"][1]

    assert sent == {"role": "assistant", "content": "y", "reasoning_content": "r"}


def test_reasoning_without_a_writers_name_is_the_callers_own_business() -> None:
    message = {"role": "assistant", "content": "y", "reasoning": "r", "reasoning_details": [1]}
    plain_one = {"role": "assistant", "content": "y"}

    def sent(**where: Any) -> Json:
        return dict(body_of(ChatRequest([USER, message]), **where)["messages"][1])

    assert sent() == plain_one, "a server that nobody named may know no such field"
    assert sent(provider="openrouter", dialect="openrouter") == {
        **plain_one,
        "reasoning_details": [1],
    }
    assert sent(model=Model("deepseek-v4-flash", "x")) == {**plain_one, "reasoning_content": "r"}


@pytest.mark.parametrize(
    ("model", "setting", "sent"),
    [
        (Model("a/m"), None, None),
        (Model("a/m"), "low", "low"),
        (Model("a/m", parameters=frozenset({"tools"})), "low", None),
        (Model("a/m", reasoning_mandatory=True), False, None),
        (Model("a/m", reasoning_mandatory=True), "low", "low"),
        (Model("a/m", lacks=frozenset({"reasoning-off"})), "none", None),
    ],
)
def test_reasoning_is_requested_from_models_that_know_it_and_never_switched_off_if_mandatory(
    model: Model, setting: Any, sent: str | None
) -> None:
    assert body_of(asked(reasoning=setting), model=model).get("reasoning_effort") == sent


def test_openrouter_is_asked_in_its_own_words() -> None:
    body = body_of(asked(reasoning="low"), dialect="openrouter", price_cap=False)

    assert body["reasoning"] == {"effort": "low"}


# -- never pay -------------------------------------------------------------------------------------

CAP = {"prompt": "0", "completion": "0"}


@pytest.mark.parametrize(
    ("dialect", "options", "preferences"),
    [
        ("openrouter", {}, {"max_price": CAP}),
        ("openrouter", {"free_only": False}, None),
        ("openrouter", {"price_cap": False}, None),
        ("openrouter", {"no_train": True}, {"max_price": CAP, "data_collection": "deny"}),
        ("openrouter", {"no_train": True, "price_cap": False}, {"data_collection": "deny"}),
        ("openai", {"no_train": True}, None),
    ],
)
def test_openrouter_gets_the_price_cap_and_the_data_policy(
    dialect: str, options: dict[str, Any], preferences: Json | None
) -> None:
    assert body_of(dialect=dialect, **options).get("provider") == preferences


@pytest.mark.parametrize(
    ("own", "preferences"),
    [
        ({"order": ["x"]}, {"order": ["x"], "max_price": CAP}),
        ({"max_price": {"prompt": 9}}, {"max_price": CAP}),
        ("odd", {"max_price": CAP}),
    ],
)
def test_no_further_field_lifts_the_price(own: object, preferences: Json) -> None:
    request = asked(extra_body={"provider": own})

    assert body_of(request, dialect="openrouter")["provider"] == preferences
    assert request.extra_body["provider"] == own


# -- quirks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "provider", "names"),
    [
        ("acme/able", "acme", {"developer", "tool-ids-plain"}),
        ("openai/gpt-oss-20b", "openrouter", {"tool-ids-plain"}),
        ("gpt-4o", "openrouter", {"tool-ids-plain", "max-tokens-16"}),
        (
            "google/gemma-3-27b-it",
            "openrouter",
            {"developer", "tool-ids-plain", "no-system", "later-system", "alternation"},
        ),
        ("google/gemma-4", "openrouter", {"developer", "tool-ids-plain", "later-system"}),
        ("gemma-3.5", "openrouter", {"developer", "tool-ids-plain", "later-system"}),
        ("Kimi-K2", "acme", {"developer", "tool-ids-numbered"}),
        (
            "moonshotai/kimi-k2.5",
            "nvidia",
            {
                "developer",
                "tool-ids-numbered",
                "flat-content",
                "reasoning-back",
                "reasoning-required",
                "temperature",
            },
        ),
        ("qwen/qwen3.5-9b", "acme", {"developer", "tool-ids-plain", "later-system"}),
        ("qwen/qwen3-8b", "acme", {"developer", "tool-ids-plain"}),
        ("cohere/command", "acme", {"developer", "tool-ids-plain", "strict"}),
        ("command-a", "acme", {"developer", "tool-ids-plain"}),
        ("glm-5", "zai", {"developer", "tool-ids-plain", "no-tool-choice"}),
        ("claude-opus-4-6", "acme", {"developer", "tool-ids-plain", "prefill"}),
        ("claude-opus-4-5", "acme", {"developer", "tool-ids-plain"}),
        ("gemini-3.2-pro", "acme", {"developer", "tool-ids-plain", "penalties", "prefill"}),
        (
            "gemini-2.5-flash",
            "gemini",
            {"developer", "tool-ids-plain", "tool-name", "plain-schemas", "penalties"}
            | {"json-with-tools"},
        ),
    ],
)
def test_which_rows_apply_to_a_model(model: str, provider: str, names: set[str]) -> None:
    applied = [quirk.name for quirk in quirks_of(model, provider)]

    assert set(applied) - {"cache-marks"} == names
    assert len(applied) == len(set(applied))


MARK: Json = {"cache_control": {"type": "ephemeral"}}
MARKED: list[Json] = [
    {"role": "system", "content": [{"type": "text", "text": "be brief", **MARK}]},
    {"role": "user", "content": [{"type": "text", "text": "a", **MARK}, PICTURE]},
    {"role": "assistant", "content": "b", **MARK},
    {"role": "user", "content": [{"type": "text", "text": "c", **MARK},
                                 {"type": "text", "text": "d"}]},
]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "provider", "kept"),
    [
        ("a/m", "acme", False),
        ("gpt-4o", "openai", False),
        ("llama-4", "groq", False),
        ("claude-opus-4-5", "acme", True),
        ("anthropic/claude", "anthropic", True),
        ("google/gemma-4", "openrouter", True),
        ("a/m", "kilo", True),
    ],
)
def test_cache_marks_go_where_they_mean_something(model: str, provider: str, kept: bool) -> None:
    before = copy.deepcopy(MARKED)
    tool: Json = {"type": "function", "function": {"name": "f", "parameters": {}}, **MARK}
    for learnt in (frozenset[str](), frozenset({"cache-marks"})):
        body: Json = {"messages": list(MARKED), "tools": [tool]}
        for quirk in quirks_of(model, provider, learnt):
            if quirk.name == "cache-marks" and quirk.transform is not None:
                quirk.transform(body)

        is_kept = kept and not learnt
        assert ("cache_control" in json.dumps(body)) is is_kept
        if not is_kept:
            contents = [message["content"] for message in body["messages"]]
            assert contents == ["be brief", [{"type": "text", "text": "a"}, PICTURE], "b", "c\nd"]
    assert before == MARKED, "the caller's own messages were changed"


def test_messages_without_marks_stay_the_same_objects() -> None:
    messages: list[Json] = [{"role": "user", "content": [{"type": "text", "text": "a"}, PICTURE]}]
    body: Json = {"messages": messages}
    without_cache_marks(body)

    assert body["messages"][0] is messages[0]
    without_cache_marks(plain := {"messages": messages, "tools": [{"function": {}}]})
    assert plain["tools"] == [{"function": {}}]


def test_a_tools_result_that_was_only_a_picture_has_words() -> None:
    body: Json = {"messages": [
        {"role": "tool", "tool_call_id": "c", "content": [PICTURE]},
        {"role": "tool", "tool_call_id": "d", "content": [{"type": "text", "text": "x"}, PICTURE]},
    ]}  # fmt: skip
    flat_content(body)

    assert [message["content"] for message in body["messages"]] == [MOVED, "x", [PICTURE, PICTURE]]


def test_a_row_is_learnt_by_its_name_and_comes_once() -> None:
    learnt = frozenset({"no-system", "temperature", "seed"})
    rows = quirks_of("acme/able", "acme", learnt)

    assert [row.name for row in rows] == [
        "cache-marks", "developer", "no-system", "tool-ids-plain", "temperature",
    ]  # fmt: skip
    assert rows[-1] is next(row for row in QUIRKS if row.name == "temperature")


@pytest.mark.parametrize(
    ("providers", "models", "applies"),
    [("", "", True), ("p", "", True), ("q", "", False), ("", "m", True), ("p q", "x", False)],
)
def test_a_row_applies_to_its_providers_and_families(
    providers: str, models: str, applies: bool
) -> None:
    row = Quirk(
        "n",
        "s",
        providers=frozenset(providers.split()),
        models=re.compile(models) if models else None,
    )

    assert row.applies_to("a/m", "p") is applies


def test_what_a_model_lacks_at_a_provider_is_known_before_it_is_asked() -> None:
    assert lacks_of("glm-5", "zai") == {"tool_choice"}
    assert lacks_of("llama", "ollama") == {"tool_choice"}
    assert lacks_of("command", "cohere") == {"parallel_tool_calls"}
    assert lacks_of("gpt-oss", "cerebras") == {
        "tool_choice",
        "parallel_tool_calls",
        "json-with-tools",
    }
    assert lacks_of("glm-5", "acme") == frozenset()


def test_what_a_row_says_is_lacking_is_heeded_in_the_body() -> None:
    request = asked(tools=[TOOL], tool_choice="auto", parallel_tool_calls=False)
    zai, cohere = (body_of(request, provider=name) for name in ("zai", "cohere"))

    assert ("tool_choice" in zai, "parallel_tool_calls" in zai) == (False, True)
    assert ("tool_choice" in cohere, "parallel_tool_calls" in cohere) == (True, False)


def test_only_fields_whose_loss_leaves_an_answer_may_be_dropped() -> None:
    assert not DROPPABLE & {"model", "messages", "tools", "max_tokens", "stop", "response_format"}


# -- transforms ------------------------------------------------------------------------------------


def system(content: object, role: str = "system") -> Json:
    return {"role": role, "content": content}


def user(content: object) -> Json:
    return {"role": "user", "content": content}


def after(transform: Any, *messages: Json) -> list[Json]:
    body: Json = {"messages": list(messages)}
    transform(body)
    return list(body["messages"])


def test_leading_instructions_are_joined_and_later_ones_are_the_users() -> None:
    messages = after(
        one_leading_system, system("a"), system("b", "developer"), USER, system("c"), USER
    )

    assert messages == [system("a\n\nb"), USER, user("c"), USER]
    assert after(one_leading_system, USER, system("c")) == [USER, user("c")]


@pytest.mark.parametrize(
    ("messages", "merged"),
    [
        ([system("a"), user("x")], [user("a\n\nx")]),
        ([system("a"), system("b"), user("x")], [user("a\n\nb\n\nx")]),
        ([system("a"), {"role": "assistant", "content": "y"}],
         [user("a"), {"role": "assistant", "content": "y"}]),
        ([system("a")], [user("a")]),
        ([user("x"), system("a")], [user("x"), user("a")]),
        ([system("a"), user([PICTURE])], [user([{"type": "text", "text": "a"}, PICTURE])]),
        ([system(None), user("x")], [user("x")]),
    ],
)  # fmt: skip
def test_instructions_go_to_the_head_of_the_first_user_message(
    messages: list[Json], merged: list[Json]
) -> None:
    assert after(system_into_user, *messages) == merged


def test_neighbours_of_one_role_are_joined_but_none_that_is_about_tools() -> None:
    calls: Json = {"role": "assistant", "content": "", "tool_calls": [{"id": "a"}]}
    reply: Json = {"role": "assistant", "content": "y"}
    result: Json = {"role": "tool", "tool_call_id": "a", "content": "r"}

    assert after(alternating_roles, user("a"), user("b"), reply, reply) == [
        user("a\n\nb"),
        {"role": "assistant", "content": "y\n\ny"},
    ]
    for untouched in ([calls, reply], [reply, calls], [result, result], [system("a"), system("b")]):
        assert after(alternating_roles, *untouched) == untouched


def test_a_reply_stands_between_a_result_and_the_user() -> None:
    result: Json = {"role": "tool", "content": "r"}
    done: Json = {"role": "assistant", "content": "Done."}

    assert after(reply_after_tool, result, USER, USER) == [result, done, USER, USER]
    assert after(reply_after_tool, result, result) == [result, result]
    assert after(reply_after_tool, USER) == [USER]


def test_text_is_flat_and_media_of_others_move_behind_them() -> None:
    parts = [{"type": "text", "text": "a"}, "b", {"type": "text", "text": None}]
    result: Json = {"role": "tool", "content": [*parts, PICTURE]}
    flat: Json = {"role": "tool", "content": "a\nb"}

    assert after(flat_content, user(parts)) == [user("a\nb")]
    assert after(flat_content, user([*parts, PICTURE])) == [user([*parts, PICTURE])]
    assert after(flat_content, result, result, USER) == [flat, flat, user([PICTURE, PICTURE]), USER]
    assert after(flat_content, result) == [flat, user([PICTURE])]
    assert after(flat_content, user(None)) == [user(None)]


def test_single_messages_lose_what_is_refused() -> None:
    thoughts = {"reasoning": "r", "reasoning_details": [1], "reasoning_content": "c"}

    assert without_name({**USER, "name": "n"}) == USER
    assert without_name(USER) is USER
    assert without_reasoning({**USER, **thoughts}) == USER
    assert reasoning_as_content({**USER, **thoughts}) == {**USER, "reasoning_content": "r"}
    assert reasoning_as_content({**USER, "reasoning_content": "c"})["reasoning_content"] == "c"
    assert reasoning_as_content({**USER, "reasoning": ""}) == USER
    assert empty_content_for_null({"content": None}) == {"content": ""}
    assert empty_content_for_null({"content": "x"}) == {"content": "x"}
    assert empty_content_for_null({"role": "assistant"}) == {"role": "assistant"}


def test_a_field_is_renamed_only_if_it_is_there() -> None:
    body: Json = {"a": 1, "c": 3}
    rename_field("a", "b")(body)
    rename_field("x", "y")(body)
    drop_fields("c", "d")(body)

    assert body == {"b": 1}


def test_a_limit_that_the_caller_gave_is_kept() -> None:
    some_max_tokens(body := {"max_tokens": 5})
    some_max_tokens(empty := {"messages": [USER]})

    assert body == {"max_tokens": 5}
    assert empty == {"messages": [USER], "max_tokens": 2048}


def test_small_limits_are_raised_to_16() -> None:
    body: Json = {"max_tokens": 3, "max_completion_tokens": 20, "other": 1}
    at_least_16_tokens(body)

    assert body == {"max_tokens": 16, "max_completion_tokens": 20, "other": 1}
    at_least_16_tokens(odd := {"max_tokens": "3"})
    assert odd == {"max_tokens": "3"}


def test_a_last_message_of_the_models_is_marked_as_to_be_continued() -> None:
    reply: Json = {"role": "assistant", "content": "y"}
    calls: Json = {**reply, "tool_calls": [{"id": "a"}]}

    assert after(flagged_prefill, USER, reply)[-1] == {**reply, "prefix": True}
    assert after(flagged_prefill, USER, calls)[-1] == calls
    assert after(flagged_prefill, reply, USER)[-1] == USER
    assert after(ask_to_continue, USER, reply)[-1]["role"] == "user"
    assert after(ask_to_continue, reply, USER) == [reply, USER]
    body: Json = {"messages": [USER]}
    continued_final_message(body)
    assert body == {"messages": [USER]}


def call(call_id: str | None, name: str | None = "f") -> Json:
    return {"id": call_id, "function": {"name": name}}


def turn(*calls: Json) -> Json:
    return {"role": "assistant", "tool_calls": list(calls)}


def result(call_id: str) -> Json:
    return {"role": "tool", "tool_call_id": call_id, "content": "r"}


def ids(messages: list[Json]) -> list[str]:
    ids_in_order: list[str] = []
    for message in messages:
        ids_in_order += [c["id"] for c in message.get("tool_calls") or ()]
        ids_in_order += [message["tool_call_id"]] if "tool_call_id" in message else []
    return ids_in_order


def test_an_id_that_is_used_again_in_a_later_turn_is_another_calls() -> None:
    turns = [turn(call("a")), result("a"), turn(call("a")), result("a"), USER]
    one, one_again, two, two_again = ids(after(rewrite_tool_ids(numbered), *turns))

    assert (one, two) == ("functions.f:0", "functions.f:1")
    assert (one, two) == (one_again, two_again)


def test_a_call_that_is_repeated_before_its_result_keeps_its_id() -> None:
    turns = [turn(call("a")), turn(call("a")), result("a")]

    assert ids(after(rewrite_tool_ids(numbered), *turns)) == ["functions.f:0"] * 3


def test_rewritten_ids_that_collide_are_made_unique() -> None:
    def same(_old: str, _function: str, number: int) -> str:
        return "x" if number < 2 else f"x{number}"

    turns = [turn(call("a"), call("b"), call("c"))]

    assert ids(after(rewrite_tool_ids(same), *turns)) == ["x", "x2", "x3"]


def test_a_result_without_its_call_gets_an_id_as_well() -> None:
    assert ids(after(rewrite_tool_ids(numbered), result("a"))) == ["functions.:0"]
    assert after(rewrite_tool_ids(numbered), USER) == [USER]


def test_a_call_without_a_function_has_no_name() -> None:
    assert ids(after(rewrite_tool_ids(numbered), turn({"id": "a"}))) == ["functions.:0"]


@pytest.mark.parametrize(
    ("make", "old"),
    [
        (nine_characters, "abcDEF123"),
        (plain, "call_a-1"),
        (plain, "x" * 40),
        (numbered, "functions.f:3"),
    ],
)
def test_an_id_that_is_accepted_stays(make: Any, old: str) -> None:
    assert make(old, "g", 7) == old


@pytest.mark.parametrize(
    ("make", "old", "form"),
    [
        (nine_characters, "abcDEF12", r"[0-9a-f]{9}"),
        (nine_characters, "abcDEF12_", r"[0-9a-f]{9}"),
        (plain, "x" * 65, r"call_[0-9a-f]{24}"),
        (plain, "a b", r"call_[0-9a-f]{24}"),
        (plain, "", r"call_[0-9a-f]{24}"),
        (numbered, "functions.f", r"functions\.g:7"),
    ],
)
def test_any_other_id_is_rewritten_alike_in_every_turn(make: Any, old: str, form: str) -> None:
    assert re.fullmatch(form, make(old, "g", 7))
    assert make(old, "g", 7) == make(old, "g", 7)


def test_results_get_the_name_of_their_function() -> None:
    messages = after(named_tool_results, turn(call("a"), call("b", None)), result("a"), result("z"))

    assert messages[1]["name"] == "f"
    assert "name" not in messages[2]
    assert after(named_tool_results, {**USER, "tool_call_id": "a"}) == [
        {**USER, "tool_call_id": "a"}
    ]


def test_calls_of_others_are_marked_as_such_for_google() -> None:
    own = {**call("b"), "extra_content": {"google": {"thought_signature": "own"}}}
    signed = signed_tool_calls(turn(call("a"), own))["tool_calls"]

    assert signed[0]["extra_content"]["google"]["thought_signature"].startswith("skip_")
    assert signed[1] == own
    assert signed_tool_calls(USER) is USER


def test_functions_lose_their_strictness_and_other_tools_stay() -> None:
    strict: Json = {"type": "function", "function": {"name": "f", "strict": True}}
    body: Json = {"tools": [strict, {"type": "web"}]}
    without_strict(body)

    assert body["tools"] == [{"type": "function", "function": {"name": "f"}}, {"type": "web"}]
    assert strict["function"]["strict"] is True
    without_strict(empty := {"messages": [USER]})
    assert empty == {"messages": [USER]}


@pytest.mark.parametrize(
    ("choice", "tools", "sent"),
    [
        ({"function": {"name": "g"}}, [TOOL, OTHER], ([OTHER], "required")),
        ("auto", [TOOL, OTHER], ([TOOL, OTHER], "auto")),
        ({"function": {"name": "g"}}, [], ([], {"function": {"name": "g"}})),
    ],
)
def test_a_tool_is_forced_by_offering_no_other(
    choice: object, tools: list[Json], sent: tuple[list[Json], object]
) -> None:
    body: Json = {"tools": tools, "tool_choice": choice}
    only_the_named_tool(body)

    assert (body["tools"], body["tool_choice"]) == sent


def test_schemas_lose_the_keywords_that_google_refuses_but_no_property() -> None:
    schema: Json = {
        "$schema": "s",
        "type": "object",
        "additionalProperties": False,
        "propertyNames": {},
        "properties": {
            "strict": {"const": 1},
            "$schema": {"type": "string"},
            "const": {"type": "object", "properties": {"a": {"const": "x"}}},
        },
        "anyOf": [{"strict": True, "const": None}],
    }
    function = {"name": "f", "strict": True, "parameters": schema}
    body: Json = {"tools": [{"function": function}], "response_format": {"strict": True}}
    plain_schemas(body)

    assert body["response_format"] == {}
    assert body["tools"][0]["function"] == {
        "name": "f",
        "parameters": {
            "type": "object",
            "properties": {
                "strict": {"enum": [1]},
                "$schema": {"type": "string"},
                "const": {"type": "object", "properties": {"a": {"enum": ["x"]}}},
            },
            "anyOf": [{"enum": [None]}],
        },
    }
    assert schema["$schema"] == "s"
    plain_schemas(empty := {"messages": [USER]})
    assert empty == {"messages": [USER]}


# -- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "model", "engine"),
    [
        ([{"type": "file"}], Model("a/m:free", inputs=frozenset({"text", "file"})), "native"),
        ([{"type": "text", "text": "x"}, {"type": "file"}], Model("a/m:free"), "cloudflare-ai"),
        (({"type": "file"},), Model("a/m:free", listed=False), "cloudflare-ai"),
        ([{"type": "file"}], Model("a/m:free", lacks=frozenset({"file"})), None),
        ([{"type": "text", "text": "x"}], Model("a/m:free"), None),
        ("text", Model("a/m:free"), None),
    ],
)
def test_openrouter_reads_a_file_with_a_free_parser(
    content: object, model: Model, engine: str | None
) -> None:
    request = ChatRequest([{"role": "user", "content": content}])
    gateway = Account("openrouter", "https://h/v1", "k", dialect="openrouter")
    body, _ = build_body(request, model, gateway)
    plain, _ = build_body(request, model, Account("p", "https://h/v1", "k"))
    paid, _ = build_body(request, model, gateway, Terms(free_only=False))
    own, _ = build_body(request.but(extra_body={"plugins": []}), model, gateway)

    wanted = [{"id": "file-parser", "pdf": {"engine": engine}}]
    assert body.get("plugins") == (wanted if engine else None)
    assert "plugins" not in plain
    assert "plugins" not in paid
    assert own["plugins"] == []
