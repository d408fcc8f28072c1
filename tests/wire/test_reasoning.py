"""One setting of reasoning, in the fields of every provider."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core.wire.json_values import Json
from freerouter_core.wire.reasoning import (
    EFFORTS,
    WRITERS,
    ReasoningOptions,
    turns_reasoning_off,
    write_reasoning,
)


def written(setting: Any, provider: str, model: str = "a/m", **body: Any) -> Json:
    write_reasoning(body, setting, provider, model)
    return body


@pytest.mark.parametrize(
    ("setting", "options"),
    [
        (True, ReasoningOptions(True)),
        (False, ReasoningOptions(False)),
        ("low", ReasoningOptions(True, "low")),
        ("none", ReasoningOptions(False)),
        ("odd", ReasoningOptions()),
        ({}, ReasoningOptions()),
        ({"effort": "none", "enabled": True}, ReasoningOptions(False)),
        ({"max_tokens": 0}, ReasoningOptions(False)),
        ({"max_tokens": 500}, ReasoningOptions(True, budget=500)),
        ({"max_tokens": "500"}, ReasoningOptions()),
        ({"enabled": True}, ReasoningOptions(True)),
        ({"enabled": False, "effort": "low"}, ReasoningOptions(False, "low")),
        ({"enabled": "yes", "effort": "low"}, ReasoningOptions(True, "low")),
        ({"exclude": True}, ReasoningOptions()),
    ],
)
def test_what_a_setting_means(setting: Any, options: ReasoningOptions) -> None:
    assert ReasoningOptions.parse(setting) == options
    assert turns_reasoning_off(setting) is (options.enabled is False)


@pytest.mark.parametrize(
    ("setting", "efforts", "nearest"),
    [
        ("minimal", ("low", "high"), "low"),
        ("medium", ("low", "high"), "low"),
        ("high", ("none", "low", "medium"), "medium"),
        ("max", ("none", "low", "xhigh"), "xhigh"),
        ("minimal", ("none", "low"), "low"),
        ("low", ("none",), None),
        (False, ("none", "low"), "none"),
        (False, ("low",), None),
        (True, ("low",), None),
    ],
)
def test_the_nearest_effort_that_is_known(
    setting: Any, efforts: tuple[str, ...], nearest: str | None
) -> None:
    assert ReasoningOptions.parse(setting).nearest_effort(*efforts) == nearest


@pytest.mark.parametrize(
    ("setting", "reasoning"),
    [
        (True, {"enabled": True}),
        ("low", {"effort": "low"}),
        ({"effort": "low", "exclude": True}, {"effort": "low", "exclude": True}),
    ],
)
def test_openrouters_own_object_is_copied(setting: Any, reasoning: Json) -> None:
    body = written(setting, "openrouter")

    assert body == {"reasoning": reasoning}
    assert body["reasoning"] is not setting


@pytest.mark.parametrize(
    ("provider", "model", "setting", "body"),
    [
        ("acme", "m", "minimal", {"reasoning_effort": "minimal"}),
        ("acme", "m", "max", {"reasoning_effort": "max"}),
        ("acme", "m", False, {}),
        ("acme", "m", True, {}),
        ("huggingface", "m", "max", {"reasoning_effort": "high"}),
        ("huggingface", "m", False, {}),
        ("cloudflare", "m", "max", {"reasoning_effort": "high"}),
        ("cloudflare", "m", False, {"reasoning_effort": "none"}),
        ("lmstudio", "m", "max", {"reasoning_effort": "xhigh"}),
        ("ollama", "m", "xhigh", {"reasoning_effort": "high"}),
        ("ollama-cloud", "m", "max", {"reasoning_effort": "max"}),
        ("cohere", "m", "low", {"reasoning_effort": "high"}),
        ("cohere", "m", False, {"reasoning_effort": "none"}),
        ("cohere", "m", {}, {}),
        ("siliconflow", "m", True, {"enable_thinking": True}),
        ("siliconflow", "m", False, {"enable_thinking": False}),
        ("siliconflow", "m", {}, {}),
        (
            "modelscope",
            "m",
            {"max_tokens": 500},
            {"enable_thinking": True, "thinking_budget": 500},
        ),
        ("modelscope", "m", {"max_tokens": 500, "enabled": False}, {"enable_thinking": False}),
        ("vllm", "m", True, {"chat_template_kwargs": {"enable_thinking": True}}),
        ("nvidia", "deepseek-r1", False, {"chat_template_kwargs": {"thinking": False}}),
        ("llamacpp", "kimi-k2", True, {"chat_template_kwargs": {"thinking": True}}),
        ("sambanova", "granite", True, {"chat_template_kwargs": {"thinking": True}}),
        ("vllm", "gpt-oss-20b", "max", {"reasoning_effort": "high"}),
        ("vllm", "m", {}, {}),
        ("zai", "m", "medium", {"thinking": {"type": "enabled"}, "reasoning_effort": "low"}),
        ("zai", "m", False, {"thinking": {"type": "disabled"}}),
        ("zai", "m", {}, {}),
        ("anthropic", "m", True, {"thinking": {"type": "enabled", "budget_tokens": 8192}}),
        ("anthropic", "m", "minimal", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ("anthropic", "m", "low", {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        ("anthropic", "m", "medium", {"thinking": {"type": "enabled", "budget_tokens": 8192}}),
        ("anthropic", "m", "high", {"thinking": {"type": "enabled", "budget_tokens": 16_384}}),
        ("anthropic", "m", "max", {"thinking": {"type": "enabled", "budget_tokens": 32_768}}),
        (
            "anthropic",
            "m",
            {"max_tokens": 50},
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        ),
        ("anthropic", "m", False, {}),
        (
            "gemini",
            "m",
            {"max_tokens": 50},
            {
                "extra_body": {
                    "google": {"thinking_config": {"thinking_budget": 50, "include_thoughts": True}}
                }
            },
        ),
        ("gemini", "m", "max", {"reasoning_effort": "high"}),
        ("gemini", "m", {"max_tokens": 50, "enabled": False}, {"reasoning_effort": "none"}),
        ("groq", "m", True, {"reasoning_effort": "default", "reasoning_format": "parsed"}),
        ("groq", "m", False, {"reasoning_effort": "none", "reasoning_format": "parsed"}),
        ("groq", "m", {}, {}),
        ("groq", "openai/gpt-oss-20b", "minimal", {"reasoning_effort": "low"}),
        ("mistral", "magistral-small", True, {"prompt_mode": "reasoning"}),
        ("mistral", "magistral-small", False, {}),
        ("mistral", "m", "low", {"reasoning_effort": "high"}),
        ("mistral", "m", False, {"reasoning_effort": "none"}),
        ("cerebras", "m", False, {"reasoning_effort": "none"}),
        ("cerebras", "gpt-oss-120b", False, {}),
        ("cerebras", "gpt-oss-120b", "max", {"reasoning_effort": "high"}),
    ],
)
def test_the_fields_of_each_provider(provider: str, model: str, setting: Any, body: Json) -> None:
    assert written(setting, provider, model) == body


def test_arguments_of_a_template_that_the_caller_gave_stay() -> None:
    body = written(True, "vllm", chat_template_kwargs={"a": 1})

    assert body["chat_template_kwargs"] == {"a": 1, "enable_thinking": True}


@pytest.mark.parametrize("provider", sorted(WRITERS))
def test_every_provider_takes_every_setting_and_names_its_source(provider: str) -> None:
    for setting in (True, False, *EFFORTS, "odd", {"max_tokens": 5}, {}):
        written(setting, provider)

    assert "/" in WRITERS[provider][1] or "." in WRITERS[provider][1]
