"""`QUIRKS`: how models and providers differ from OpenAI's wire format, and where each was met.

A row tells whom it concerns, by provider, by family (the model's name on the wire) or both, and how a request is written for
them (`mends`) or what they lack. A row may also be learnt: an answer that names it (`wire.judge`) puts its name among what that
model lacks, and from then on it is heeded there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from . import request_transforms as m
from .request_transforms import Mend

DROPPABLE = frozenset(
    {
        "temperature", "top_p", "top_k", "min_p", "top_a", "seed", "frequency_penalty", "presence_penalty", "repetition_penalty",
        "logit_bias", "logprobs", "top_logprobs", "parallel_tool_calls", "stream_options", "reasoning", "reasoning_effort",
        "reasoning_format", "reasoning_budget", "thinking", "enable_thinking", "thinking_budget", "chat_template_kwargs",
        "verbosity", "user", "metadata", "store", "service_tier",
    }
)  # fmt: skip
"""Fields that are left out for a model that proved not to take them, as OpenRouter itself does: the answer is still one."""


@dataclass(frozen=True, slots=True)
class Quirk:
    """One row. Without `providers` and `models` it concerns everybody."""

    name: str
    source: str
    """The issue (repository#number) or page it was met in."""
    mend: Mend | None = None
    lacks: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    models: re.Pattern[str] | None = None

    def concerns(self, model: str, provider: str) -> bool:
        return (not self.providers or provider in self.providers) and (
            self.models is None or self.models.search(model) is not None
        )


def _quirk(
    name: str,
    source: str,
    mend: Mend | None = None,
    *,
    lacks: str = "",
    providers: str = "",
    models: str = "",
) -> Quirk:
    pattern = re.compile(models, re.IGNORECASE) if models else None
    return Quirk(
        name, source, mend, frozenset(lacks.split()), frozenset(providers.split()), pattern
    )


_MISTRAL = r"(?:^|[/:])(?:open-)?(?:mistral|mixtral|ministral|codestral|devstral|magistral|pixtral)"
_OPENAI = r"(?:^|/)(?:gpt-[45]|o[134](?:-|$)|chatgpt)"

QUIRKS: tuple[Quirk, ...] = (
    # -- who speaks -------------------------------------------------------------------------------------------------
    _quirk("developer", "earendil-works/pi#5117", m.each(m.no_developer), models=r"^(?!openai/|gpt-|o[134])"),
    _quirk("no-system", "google/adk-python#3900", m.no_system, models=r"\bgemma-?[123](?![\d.])"),
    _quirk("later-system", "vllm-project/vllm#41114", m.one_leading_system, models=rf"qwen-?3\.[5-9]|{_MISTRAL}|gemma"),
    _quirk("alternation", "google/adk-python#1373", m.alternate, models=r"\bgemma-?[123](?![\d.])|mistral-7b|mixtral"),
    _quirk("user-after-tool", "avante-corp/avante.nvim#2695", m.reply_between, models=_MISTRAL),
    # -- tool calls -------------------------------------------------------------------------------------------------
    _quirk("tool-ids-9", "langchain-ai/langchain#24668", m.with_ids(m.nine), models=_MISTRAL),
    _quirk("tool-ids-numbered", "getkimchi/kimchi#1063", m.with_ids(m.numbered), models=r"kimi-(?:k[2-9]|latest)"),
    _quirk("tool-ids-plain", "tailcallhq/forgecode#1142", m.with_ids(m.plain), models=r"^(?!.*kimi-(?:k[2-9]|latest))"),
    _quirk("tool-name", "vectorize-io/hindsight#187", m.named_results, providers="gemini"),
    _quirk("call-signatures", "ai.google.dev/gemini-api/docs/thought-signatures", m.signed_calls, providers="gemini", models=r"gemini-[3-9]"),
    _quirk("named-tool-choice", "lmstudio-ai/lmstudio-bug-tracker#670", m.only_named, providers="lmstudio"),
    _quirk("no-tool-choice", "567-labs/instructor#1766", lacks="tool_choice", providers="cerebras", models="gpt-oss"),
    _quirk("no-tool-choice", "java.agentscope.io/v2/en/integration/model/glm", lacks="tool_choice", providers="zai"),
    _quirk("no-tool-choice", "ollama/ollama#11171", lacks="tool_choice", providers="ollama ollama-cloud"),
    _quirk("parallel_tool_calls", "braintrustdata/braintrust-proxy#985", lacks="parallel_tool_calls", providers="cohere"),
    _quirk("parallel_tool_calls", "agno-agi/agno#4508", lacks="parallel_tool_calls", providers="cerebras", models="gpt-oss"),
    _quirk("strict", "OpenRouterTeam/openrouter-examples#71", m.not_strict, providers="cohere"),
    _quirk("strict", "OpenRouterTeam/openrouter-examples#71", m.not_strict, models=r"^cohere/"),
    _quirk("plain-schemas", "zed-industries/zed#44875", m.plain_schemas, providers="gemini"),
    # -- contents ---------------------------------------------------------------------------------------------------
    _quirk("content-null", "devoxx/DevoxxGenieIDEAPlugin#1262", m.each(m.no_null), providers="cloudflare"),
    _quirk("flat-content", "OpenHands/OpenHands#4643", m.flat, providers="groq cerebras sambanova nvidia"),
    _quirk("message-name", "microsoft/autogen#2748", m.each(m.nameless), providers="mistral groq cohere"),
    _quirk("reasoning-back", "continuedev/continue#11711", m.each(m.thinking_back), models=r"kimi|deepseek",
           providers="nvidia siliconflow modelscope ollama ollama-cloud huggingface cloudflare vllm kilo"),
    _quirk("reasoning-fields", "BerriAI/litellm#30884", m.each(m.thoughtless), providers="mistral groq cerebras"),
    # -- parameters -------------------------------------------------------------------------------------------------
    _quirk("random_seed", "simonw/llm-mistral#2", m.renamed("seed", "random_seed"), providers="mistral"),
    _quirk("max_completion_tokens", "ITSpecialist111/ai_automation_suggester#38",
           m.renamed("max_tokens", "max_completion_tokens"), providers="openai", models=r"^gpt-5|^o[134]"),
    _quirk("max-tokens-16", "vectorize-io/hindsight#58", m.at_least_16, providers="openrouter", models=_OPENAI),
    _quirk("max-tokens-given", "lobehub/lobehub#7450", m.some_max_tokens, providers="cloudflare"),
    _quirk("temperature", "HKUDS/nanobot#4967", m.without("temperature"), models=r"kimi-k2\.[56]"),
    _quirk("temperature", "QwenLM/qwen-code#921", m.without("temperature"), models=r"(?:^|/)(?:gpt-5|o[134](?:-|$))"),
    _quirk("penalties", "vercel/ai#8943", m.without("frequency_penalty", "presence_penalty"), models=r"gemini-(?:2\.5|[3-9])"),
    _quirk("stream_options", "openai/openai-agents-python#442", m.without("stream_options"), providers="mistral"),
    _quirk("json-with-tools", "agno-agi/agno#1065", lacks="json-with-tools", providers="groq cerebras gemini"),
    # -- a beginning to continue ------------------------------------------------------------------------------------
    _quirk("prefill", "ericc-ch/copilot-api#261", m.ask_to_continue, models=r"claude-(?:opus|sonnet)-(?:4[.-][6-9]|[5-9])"),
    _quirk("prefill", "pipecat-ai/pipecat#5821", m.ask_to_continue, models=r"gemini-(?:3\.[2-9]|[4-9])"),
    _quirk("prefill", "groq/groq-api-cookbook#7", m.ask_to_continue, providers="groq ollama ollama-cloud"),
    _quirk("prefill-continued", "vllm-project/vllm#8942", m.continued, providers="vllm"),
    _quirk("prefill-flag", "vercel/ai#3256", m.prefixed, providers="mistral openrouter", models=_MISTRAL),
)  # fmt: skip
"""Read from the top; every row that concerns a model is heeded, rows of one name once."""


@lru_cache(maxsize=4096)
def quirks_of(model: str, provider: str, learnt: frozenset[str] = frozenset()) -> tuple[Quirk, ...]:
    """The rows for a model (by its wire name) at a provider, with those `learnt` of it."""
    found: dict[str, Quirk] = {}
    for quirk in QUIRKS:
        if quirk.name not in found and (quirk.name in learnt or quirk.concerns(model, provider)):
            found[quirk.name] = quirk
    return tuple(found.values())


@lru_cache(maxsize=4096)
def lacks_of(model: str, provider: str) -> frozenset[str]:
    """What a model lacks at a provider whatever the catalogue says."""
    return frozenset().union(*(quirk.lacks for quirk in quirks_of(model, provider)))
