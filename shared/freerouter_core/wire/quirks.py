"""`QUIRKS`: how models and providers differ from OpenAI's wire format, and where each was met.

A row applies to a provider, to a family (by the model's name on the wire), or to a family at a
provider. It has a transform of the request, or words for what they lack. A row may also be
learnt: a refusal that names it (`wire.judge`) puts its name among what that model lacks.
"""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache

from . import request_transforms as transforms
from . import tool_transforms as tools
from .request_transforms import Transform, each_message

DROPPABLE = frozenset(
    {
        "chat_template_kwargs", "enable_thinking", "frequency_penalty", "logit_bias", "logprobs",
        "metadata", "min_p", "parallel_tool_calls", "presence_penalty", "reasoning",
        "reasoning_budget", "reasoning_effort", "reasoning_format", "repetition_penalty", "seed",
        "service_tier", "store", "stream_options", "temperature", "thinking", "thinking_budget",
        "top_a", "top_k", "top_logprobs", "top_p", "user", "verbosity",
    }
)  # fmt: skip
"""Fields left out for a model that does not take them, as OpenRouter itself leaves them out."""


@dataclass(frozen=True, slots=True)
class Quirk:
    """One row. Without `providers` and `models` it applies to every model."""

    name: str
    source: str
    """Where it was met: an issue (repository#number) or a page."""
    transform: Transform | None = None
    _: KW_ONLY
    lacks: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    models: re.Pattern[str] | None = None
    except_at: frozenset[str] = frozenset()
    """Providers at which the row applies only if a refusal taught it."""

    def applies_to(self, model: str, provider: str) -> bool:
        """Whether the row is about this model (by its wire name) at this provider."""
        is_there = not self.providers or provider in self.providers
        return (
            is_there
            and provider not in self.except_at
            and (self.models is None or self.models.search(model) is not None)
        )


def _quirk(
    name: str,
    source: str,
    transform: Transform | None = None,
    *,
    lacks: str = "",
    providers: str = "",
    models: str = "",
    except_at: str = "",
) -> Quirk:
    """A row from words separated by spaces, and a pattern without regard to case."""
    return Quirk(
        name,
        source,
        transform,
        lacks=frozenset(lacks.split()),
        providers=frozenset(providers.split()),
        models=re.compile(models, re.IGNORECASE) if models else None,
        except_at=frozenset(except_at.split()),
    )


_MISTRAL = r"(?:^|[/:])(?:open-)?(?:mistral|mixtral|ministral|codestral|devstral|magistral|pixtral)"
_OPENAI = r"(?:^|/)(?:gpt-[45]|o[134](?:-|$)|chatgpt)"
_NONE = r"(?!)"
"""For a row that applies only where a refusal taught it."""
_THINKING_TOOLS = r"deepseek-v(?:[4-9]|3\.[2-9])|kimi-k(?:2\.[5-9]|2-thinking|[3-9])|mimo-v[2-9]"
"""Families that think between calls, and want those thoughts on every turn that calls tools."""

QUIRKS: tuple[Quirk, ...] = (
    # -- contents, which later rows may move or join ----------------------------------------------
    # Anthropic's mark means something to Claude, and to gateways that translate it.
    _quirk("cache-marks", "routatic/proxy#53", transforms.without_cache_marks,
           models=r"^(?!.*(?:claude|anthropic))", except_at="openrouter kilo requesty anthropic"),
    _quirk("flat-content", "OpenHands/OpenHands#4643", transforms.flat_content,
           providers="groq cerebras sambanova nvidia"),

    # -- roles ------------------------------------------------------------------------------------
    _quirk("developer", "earendil-works/pi#5117", each_message(transforms.developer_as_system),
           models=r"^(?!openai/|gpt-|o[134])"),
    _quirk("no-system", "google/adk-python#3900", transforms.system_into_user,
           models=r"\bgemma-?[123](?![\d.])"),
    _quirk("later-system", "vllm-project/vllm#41114", transforms.one_leading_system,
           models=rf"qwen-?3\.[5-9]|{_MISTRAL}|gemma"),
    _quirk("alternation", "google/adk-python#1373", transforms.alternating_roles,
           models=r"\bgemma-?[123](?![\d.])|mistral-7b|mixtral"),
    _quirk("user-after-tool", "avante-corp/avante.nvim#2695", transforms.reply_after_tool,
           models=_MISTRAL),

    # -- tool calls -------------------------------------------------------------------------------
    _quirk("tool-ids-9", "langchain-ai/langchain#24668",
           tools.rewrite_tool_ids(tools.nine_characters), models=_MISTRAL),
    _quirk("tool-ids-numbered", "getkimchi/kimchi#1063",
           tools.rewrite_tool_ids(tools.numbered), models=r"kimi-(?:k[2-9]|latest)"),
    _quirk("tool-ids-plain", "tailcallhq/forgecode#1142",
           tools.rewrite_tool_ids(tools.plain), models=r"^(?!.*kimi-(?:k[2-9]|latest))"),
    _quirk("tool-name", "vectorize-io/hindsight#187", tools.named_tool_results,
           providers="gemini"),
    _quirk("call-signatures", "ai.google.dev/gemini-api/docs/thought-signatures",
           each_message(tools.signed_tool_calls), providers="gemini", models=r"gemini-[3-9]"),
    _quirk("named-tool-choice", "lmstudio-ai/lmstudio-bug-tracker#670", tools.only_the_named_tool,
           providers="lmstudio"),
    _quirk("no-tool-choice", "567-labs/instructor#1766",
           lacks="tool_choice", providers="cerebras", models="gpt-oss"),
    _quirk("no-tool-choice", "java.agentscope.io/v2/en/integration/model/glm",
           lacks="tool_choice", providers="zai"),
    _quirk("no-tool-choice", "ollama/ollama#11171",
           lacks="tool_choice", providers="ollama ollama-cloud"),
    _quirk("parallel_tool_calls", "braintrustdata/braintrust-proxy#985",
           lacks="parallel_tool_calls", providers="cohere"),
    _quirk("parallel_tool_calls", "agno-agi/agno#4508",
           lacks="parallel_tool_calls", providers="cerebras", models="gpt-oss"),
    _quirk("strict", "OpenRouterTeam/openrouter-examples#71", tools.without_strict,
           providers="cohere"),
    _quirk("strict", "OpenRouterTeam/openrouter-examples#71", tools.without_strict,
           models=r"^cohere/"),
    _quirk("plain-schemas", "zed-industries/zed#44875", tools.plain_schemas, providers="gemini"),

    # -- contents ---------------------------------------------------------------------------------
    _quirk("content-null", "devoxx/DevoxxGenieIDEAPlugin#1262",
           each_message(transforms.empty_content_for_null), providers="cloudflare"),
    _quirk("content-empty", "HKUDS/nanobot#949", each_message(transforms.words_for_no_content),
           models=_NONE),
    _quirk("message-name", "microsoft/autogen#2748", each_message(transforms.without_name),
           providers="mistral groq cohere"),
    _quirk("reasoning-back", "continuedev/continue#11711",
           each_message(transforms.reasoning_as_content), models=r"kimi|deepseek",
           providers="nvidia siliconflow modelscope ollama ollama-cloud huggingface cloudflare"
                     " vllm kilo"),
    _quirk("reasoning-required", "anomalyco/opencode#25356",
           each_message(transforms.reasoning_on_tool_turns("reasoning")),
           providers="openrouter kilo", models=_THINKING_TOOLS),
    _quirk("reasoning-required", "continuedev/continue#11711",
           each_message(transforms.reasoning_on_tool_turns("reasoning_content")),
           models=_THINKING_TOOLS),
    _quirk("reasoning-fields", "BerriAI/litellm#30884", each_message(transforms.without_reasoning),
           providers="mistral groq cerebras"),

    # -- parameters -------------------------------------------------------------------------------
    _quirk("random_seed", "simonw/llm-mistral#2", transforms.rename_field("seed", "random_seed"),
           providers="mistral"),
    _quirk("max_completion_tokens", "ITSpecialist111/ai_automation_suggester#38",
           transforms.rename_field("max_tokens", "max_completion_tokens"),
           providers="openai", models=r"^gpt-5|^o[134]"),
    _quirk("max-tokens-16", "vectorize-io/hindsight#58", transforms.at_least_16_tokens,
           providers="openrouter", models=_OPENAI),
    _quirk("max-tokens-given", "lobehub/lobehub#7450", transforms.some_max_tokens,
           providers="cloudflare"),
    _quirk("temperature", "HKUDS/nanobot#4967", transforms.drop_fields("temperature"),
           models=r"kimi-k2\.[56]"),
    _quirk("temperature", "QwenLM/qwen-code#921", transforms.drop_fields("temperature"),
           models=r"(?:^|/)(?:gpt-5|o[134](?:-|$))"),
    _quirk("penalties", "vercel/ai#8943",
           transforms.drop_fields("frequency_penalty", "presence_penalty"),
           models=r"gemini-(?:2\.5|[3-9])"),
    _quirk("stream_options", "openai/openai-agents-python#442",
           transforms.drop_fields("stream_options"), providers="mistral"),
    _quirk("json-with-tools", "agno-agi/agno#1065",
           lacks="json-with-tools", providers="groq cerebras gemini"),

    # -- a beginning to continue ------------------------------------------------------------------
    _quirk("prefill", "ericc-ch/copilot-api#261", transforms.ask_to_continue,
           models=r"claude-(?:opus|sonnet)-(?:4[.-][6-9]|[5-9])"),
    _quirk("prefill", "pipecat-ai/pipecat#5821", transforms.ask_to_continue,
           models=r"gemini-(?:3\.[2-9]|[4-9])"),
    _quirk("prefill", "groq/groq-api-cookbook#7", transforms.ask_to_continue,
           providers="groq ollama ollama-cloud"),
    _quirk("prefill-continued", "vllm-project/vllm#8942", transforms.continued_final_message,
           providers="vllm"),
    _quirk("prefill-flag", "vercel/ai#3256", transforms.flagged_prefill,
           providers="mistral openrouter", models=_MISTRAL),
)  # fmt: skip
"""Read from the top: every row that applies to a model counts, and of a name only the first."""


@lru_cache(maxsize=4096)
def quirks_of(model: str, provider: str, learnt: frozenset[str] = frozenset()) -> tuple[Quirk, ...]:
    """The rows for a model (by its wire name) at a provider, and those `learnt` of it."""
    chosen: dict[str, Quirk] = {}
    for quirk in QUIRKS:
        if quirk.applies_to(model, provider):
            chosen.setdefault(quirk.name, quirk)
    for quirk in sorted(QUIRKS, key=lambda quirk: provider not in quirk.providers):
        # Of a row that was learnt, the variant for this provider counts.
        if quirk.name in learnt and (not quirk.providers or provider in quirk.providers):
            chosen.setdefault(quirk.name, quirk)
    for quirk in QUIRKS:
        if quirk.name in learnt:
            chosen.setdefault(quirk.name, quirk)
    return tuple(quirk for quirk in QUIRKS if chosen.get(quirk.name) is quirk)


@lru_cache(maxsize=4096)
def lacks_of(model: str, provider: str) -> frozenset[str]:
    """What a model lacks at a provider, whatever the catalogue says."""
    return frozenset().union(*(quirk.lacks for quirk in quirks_of(model, provider)))
