"""`write_reasoning`: one `reasoning` setting in each provider's own fields.

The setting is True, False, an effort ("minimal" … "max"), or OpenRouter's object with `enabled`,
`effort` or `max_tokens`. A provider that has no field for it is sent nothing; its default stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .json_values import Json

ReasoningSetting = bool | str | Mapping[str, Any]

_THINKING = re.compile(r"deepseek|kimi|granite")
"""Models whose chat template calls its switch "thinking"."""
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class ReasoningOptions:
    """A `reasoning` setting, parsed. `enabled` None: the model's default. `budget`: tokens."""

    enabled: bool | None = None
    effort: str | None = None
    budget: int | None = None

    @classmethod
    def parse(cls, setting: ReasoningSetting) -> ReasoningOptions:
        """The options that a setting means. An unknown effort means nothing."""
        if isinstance(setting, bool):
            return cls(enabled=setting)
        options = {"effort": setting} if isinstance(setting, str) else setting
        effort, budget = options.get("effort"), options.get("max_tokens")
        if effort == "none" or budget == 0:
            return cls(enabled=False)
        effort = effort if effort in EFFORTS else None
        budget = budget if isinstance(budget, int) else None
        enabled = options.get("enabled")
        if not isinstance(enabled, bool):
            enabled = True if effort is not None or budget is not None else None
        return cls(enabled, effort, budget)

    def nearest_effort(self, *efforts: str) -> str | None:
        """The nearest of the efforts that a provider knows; None if nothing is to be sent."""
        if self.enabled is False:
            return "none" if "none" in efforts else None
        if self.effort is None:
            return None
        rank = EFFORTS.index(self.effort)
        some = [effort for effort in efforts if effort != "none"]
        return min(some, key=lambda effort: abs(EFFORTS.index(effort) - rank), default=None)


def turns_reasoning_off(setting: ReasoningSetting) -> bool:
    """Whether a setting asks for no reasoning."""
    return ReasoningOptions.parse(setting).enabled is False


Writer = Callable[[Json, ReasoningOptions, str], None]
"""Writes options into a body, for the model of that wire name."""


def _effort(*efforts: str) -> Writer:
    """A writer of OpenAI's `reasoning_effort`, as the nearest of these efforts."""

    def write(body: Json, options: ReasoningOptions, _model: str) -> None:
        effort = options.nearest_effort(*efforts)
        if effort is not None:
            body["reasoning_effort"] = effort

    return write


_LOW_TO_HIGH = _effort("low", "medium", "high")
_NONE_TO_HIGH = _effort("none", "low", "medium", "high")
_NONE_TO_XHIGH = _effort("none", "low", "medium", "high", "xhigh")
_NONE_TO_MAX = _effort("none", "low", "medium", "high", "max")
_OPENAI = _effort(*EFFORTS[1:])


def _on_or_off(body: Json, options: ReasoningOptions, _model: str) -> None:
    if options.enabled is not None:
        body["reasoning_effort"] = "high" if options.enabled else "none"


def _enable_thinking(body: Json, options: ReasoningOptions, _model: str) -> None:
    if options.enabled is not None:
        body["enable_thinking"] = options.enabled
    if options.budget and options.enabled:
        body["thinking_budget"] = options.budget


def _chat_template(body: Json, options: ReasoningOptions, model: str) -> None:
    if "gpt-oss" in model:
        _LOW_TO_HIGH(body, options, model)
    elif options.enabled is not None:
        name = "thinking" if _THINKING.search(model) else "enable_thinking"
        kwargs = body.get("chat_template_kwargs") or {}
        body["chat_template_kwargs"] = {**kwargs, name: options.enabled}


def _zai(body: Json, options: ReasoningOptions, _model: str) -> None:
    if options.enabled is not None:
        body["thinking"] = {"type": "enabled" if options.enabled else "disabled"}
    effort = options.nearest_effort("low", "high", "max")
    if effort is not None:
        body["reasoning_effort"] = effort


_ANTHROPIC_BUDGETS = {"minimal": 1024, "low": 2048, "high": 16_384, "xhigh": 32_768, "max": 32_768}
"""Tokens by effort; 8,192 for any other."""


def _anthropic(body: Json, options: ReasoningOptions, _model: str) -> None:
    if options.enabled:
        budget = options.budget or _ANTHROPIC_BUDGETS.get(options.effort or "", 8192)
        body["thinking"] = {"type": "enabled", "budget_tokens": max(1024, budget)}


def _gemini(body: Json, options: ReasoningOptions, model: str) -> None:
    if options.budget and options.enabled:
        thinking = {"thinking_budget": options.budget, "include_thoughts": True}
        body["extra_body"] = {"google": {"thinking_config": thinking}}
    else:
        _NONE_TO_HIGH(body, options, model)


def _groq(body: Json, options: ReasoningOptions, model: str) -> None:
    if "gpt-oss" in model:
        _LOW_TO_HIGH(body, options, model)
    elif options.enabled is not None:
        body["reasoning_effort"] = "default" if options.enabled else "none"
        body["reasoning_format"] = "parsed"


def _mistral(body: Json, options: ReasoningOptions, model: str) -> None:
    if "magistral" not in model:
        _on_or_off(body, options, model)
    elif options.enabled:
        body["prompt_mode"] = "reasoning"


def _cerebras(body: Json, options: ReasoningOptions, model: str) -> None:
    write = _LOW_TO_HIGH if "gpt-oss" in model else _NONE_TO_HIGH
    write(body, options, model)


WRITERS: dict[str, tuple[Writer, str]] = {
    "anthropic": (_anthropic, "platform.claude.com/docs/en/api/openai-sdk"),
    "cerebras": (_cerebras, "inference-docs.cerebras.ai/capabilities/reasoning"),
    "cloudflare": (_NONE_TO_HIGH, "cloudflare/workers-sdk#13239"),
    "cohere": (_on_or_off, "cohere-ai/cohere-developer-experience#649"),
    "gemini": (_gemini, "ai.google.dev/gemini-api/docs/openai"),
    "groq": (_groq, "console.groq.com/docs/reasoning"),
    "huggingface": (_LOW_TO_HIGH, "huggingface/ml-intern#51"),
    "llamacpp": (_chat_template, "ggml-org/llama.cpp#15404"),
    "lmstudio": (_NONE_TO_XHIGH, "lmstudio-ai/lmstudio-bug-tracker#2057"),
    "mistral": (_mistral, "docs.mistral.ai/capabilities/reasoning"),
    "modelscope": (_enable_thinking, "musistudio/claude-code-router#948"),
    "nvidia": (_chat_template, "anomalyco/opencode#13584"),
    "ollama": (_NONE_TO_MAX, "ollama/ollama#17141"),
    "ollama-cloud": (_NONE_TO_MAX, "ollama/ollama#17141"),
    "sambanova": (_chat_template, "aaif-goose/goose#11079"),
    "siliconflow": (_enable_thinking, "docs.siliconflow.cn"),
    "vllm": (_chat_template, "docs.vllm.ai/en/latest/features/reasoning_outputs"),
    "zai": (_zai, "docs.z.ai/guides/capabilities/thinking-mode"),
}
"""By provider: the writer, and its source. Any other provider is sent `reasoning_effort`."""


def write_reasoning(body: Json, setting: ReasoningSetting, provider: str, model: str) -> None:
    """Write a setting into a body, in the fields of `provider`. OpenRouter's object is copied."""
    if provider != "openrouter":
        writer = WRITERS[provider][0] if provider in WRITERS else _OPENAI
        writer(body, ReasoningOptions.parse(setting), model)
    elif isinstance(setting, Mapping):
        body["reasoning"] = dict(setting)
    else:
        key = "enabled" if isinstance(setting, bool) else "effort"
        body["reasoning"] = {key: setting}
