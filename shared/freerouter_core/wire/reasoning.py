"""`spell`: one `reasoning` setting in each provider's words.

What is asked for is the same everywhere: True or False, an effort ("minimal" … "max"), or OpenRouter's object with `enabled`,
`effort` or `max_tokens`. Where a provider has no word for it, nothing is sent: its default stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .json_values import Json

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Thinking:
    """What is wanted. `on` None: as the model does by itself; `budget` is tokens."""

    on: bool | None = None
    effort: str | None = None
    budget: int | None = None

    @classmethod
    def of(cls, wanted: bool | str | Mapping[str, Any]) -> Thinking:
        if isinstance(wanted, bool):
            return cls(on=wanted)
        given = {"effort": wanted} if isinstance(wanted, str) else wanted
        effort, budget, on = given.get("effort"), given.get("max_tokens"), given.get("enabled")
        if effort == "none" or budget == 0:
            return cls(on=False)
        effort = effort if effort in EFFORTS else None
        asked = effort is not None or isinstance(budget, int)
        return cls(
            on if isinstance(on, bool) else (True if asked else None),
            effort,
            budget if isinstance(budget, int) else None,
        )

    def among(self, *known: str) -> str | None:
        """The nearest effort a provider knows; "none" where thinking is unwanted and that is a word of its."""
        if self.on is False:
            return "none" if "none" in known else None
        if self.effort is None:
            return None
        at = EFFORTS.index(self.effort)
        words = [word for word in known if word != "none"]
        return min(words, key=lambda word: abs(EFFORTS.index(word) - at), default=None)


Spelling = Callable[[Json, Thinking, str], None]
"""Writes what is wanted into a body, for the model of that wire name."""


def _effort(*known: str) -> Spelling:
    def write(body: Json, wanted: Thinking, _model: str) -> None:
        word = wanted.among(*known)
        if word is not None:
            body["reasoning_effort"] = word

    return write


def _flag(body: Json, wanted: Thinking, _model: str) -> None:
    if wanted.on is not None:
        body["enable_thinking"] = wanted.on
    if wanted.budget and wanted.on:
        body["thinking_budget"] = wanted.budget


def _template(body: Json, wanted: Thinking, model: str) -> None:
    if "gpt-oss" in model:
        return _THREE(body, wanted, model)
    if wanted.on is not None:
        word = "thinking" if re.search(r"deepseek|kimi|granite", model) else "enable_thinking"
        body["chat_template_kwargs"] = {**(body.get("chat_template_kwargs") or {}), word: wanted.on}
    return None


def _zai(body: Json, wanted: Thinking, _model: str) -> None:
    if wanted.on is not None:
        body["thinking"] = {"type": "enabled" if wanted.on else "disabled"}
    word = wanted.among("low", "high", "max")
    if word is not None:
        body["reasoning_effort"] = word


def _anthropic(body: Json, wanted: Thinking, _model: str) -> None:
    if wanted.on:
        budgets = {
            "minimal": 1024,
            "low": 2048,
            "medium": 8192,
            "high": 16384,
            "xhigh": 32768,
            "max": 32768,
        }
        body["thinking"] = {
            "type": "enabled",
            "budget_tokens": max(
                1024, wanted.budget or budgets.get(wanted.effort or "medium", 8192)
            ),
        }


def _gemini(body: Json, wanted: Thinking, _model: str) -> None:
    if wanted.budget and wanted.on:
        body["extra_body"] = {
            "google": {
                "thinking_config": {"thinking_budget": wanted.budget, "include_thoughts": True}
            }
        }
    else:
        _effort("none", "low", "medium", "high")(body, wanted, _model)


def _groq(body: Json, wanted: Thinking, model: str) -> None:
    if "gpt-oss" in model:
        return _THREE(body, wanted, model)
    if wanted.on is not None:
        body["reasoning_effort"] = "default" if wanted.on else "none"
        body["reasoning_format"] = "parsed"
    return None


def _mistral(body: Json, wanted: Thinking, model: str) -> None:
    if "magistral" in model:
        if wanted.on:
            body["prompt_mode"] = "reasoning"
    elif wanted.on is not None:
        body["reasoning_effort"] = "high" if wanted.on else "none"


def _cohere(body: Json, wanted: Thinking, _model: str) -> None:
    if wanted.on is not None:
        body["reasoning_effort"] = "high" if wanted.on else "none"


def _cerebras(body: Json, wanted: Thinking, model: str) -> None:
    (_THREE if "gpt-oss" in model else _effort("none", "low", "medium", "high"))(
        body, wanted, model
    )


_THREE = _effort("low", "medium", "high")

SPELLINGS: dict[str, tuple[Spelling, str]] = {
    "groq": (_groq, "console.groq.com/docs/reasoning"),
    "gemini": (_gemini, "ai.google.dev/gemini-api/docs/openai"),
    "mistral": (_mistral, "docs.mistral.ai/capabilities/reasoning"),
    "nvidia": (_template, "anomalyco/opencode#13584"),
    "zai": (_zai, "docs.z.ai/guides/capabilities/thinking-mode"),
    "cohere": (_cohere, "cohere-ai/cohere-developer-experience#649"),
    "siliconflow": (_flag, "docs.siliconflow.cn"),
    "modelscope": (_flag, "musistudio/claude-code-router#948"),
    "ollama": (_effort("none", "low", "medium", "high", "max"), "ollama/ollama#17141"),
    "ollama-cloud": (_effort("none", "low", "medium", "high", "max"), "ollama/ollama#17141"),
    "vllm": (_template, "docs.vllm.ai/en/latest/features/reasoning_outputs"),
    "llamacpp": (_template, "ggml-org/llama.cpp#15404"),
    "sambanova": (_template, "aaif-goose/goose#11079"),
    "cerebras": (_cerebras, "inference-docs.cerebras.ai/capabilities/reasoning"),
    "cloudflare": (_effort("none", "low", "medium", "high"), "cloudflare/workers-sdk#13239"),
    "huggingface": (_THREE, "huggingface/ml-intern#51"),
    "lmstudio": (
        _effort("none", "low", "medium", "high", "xhigh"),
        "lmstudio-ai/lmstudio-bug-tracker#2057",
    ),
    "anthropic": (_anthropic, "platform.claude.com/docs/en/api/openai-sdk"),
}
"""By provider: how it is written, and where that is said. Any other provider is sent OpenAI's own `reasoning_effort`."""


def spell(body: Json, wanted: bool | str | Mapping[str, Any], provider: str, model: str) -> None:
    """Write what is wanted into a body as `provider` words it; OpenRouter's own object is passed on as it is."""
    if provider == "openrouter":
        spelled: Any = dict(wanted) if isinstance(wanted, Mapping) else {"effort": wanted}
        body["reasoning"] = {"enabled": wanted} if isinstance(wanted, bool) else spelled
        return
    write = SPELLINGS[provider][0] if provider in SPELLINGS else _effort(*EFFORTS[1:])
    write(body, Thinking.of(wanted), model)
