"""What of a request could cost money even on a free model (law 9).

Providers sell searches, parsers, presets and other models beside a free model's answer, and invent
new ones every month. So what is known to be free is listed, and all else waits for `allow_paid`.
What counts is that a field is present, not what it holds: `web_search_options: {}` starts a search.
One that is None is not sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from .json_values import Json
from .terms import Terms

FREE_FIELDS = frozenset(
    {
        # sampling, and the length of the answer
        "dry_allowed_length", "dry_base", "dry_multiplier", "epsilon_cutoff", "eta_cutoff",
        "frequency_penalty", "ignore_eos", "length_penalty", "logit_bias", "max_completion_tokens",
        "max_new_tokens", "max_tokens", "min_p", "min_tokens", "mirostat", "mirostat_eta",
        "mirostat_tau", "n", "num_ctx", "num_keep", "num_predict", "presence_penalty",
        "random_seed", "repeat_last_n", "repeat_penalty", "repetition_penalty", "sampler_seed",
        "seed", "stop", "stop_token_ids", "temperature", "tfs_z", "top_a", "top_k", "top_p",
        "typical_p", "use_beam_search", "verbosity",
        # what the answer holds
        "audio", "include_reasoning", "include_stop_str_in_output", "logprobs", "modalities",
        "prompt_logprobs", "response_format", "skip_special_tokens", "stream", "stream_options",
        "top_logprobs", "usage",
        # its form
        "format", "grammar", "guided_choice", "guided_decoding_backend", "guided_grammar",
        "guided_json", "guided_regex", "json_schema", "structured_outputs",
        # reasoning
        "chat_template_kwargs", "clear_thinking", "enable_thinking", "include_thoughts",
        "reasoning", "reasoning_budget", "reasoning_effort", "reasoning_format", "think",
        "thinking", "thinking_budget", "thinking_config",
        # the prompt, and what is said with it
        "add_generation_prompt", "cache_control", "cache_prompt", "chat_template",
        "continue_final_message", "echo", "messages", "metadata", "parallel_tool_calls",
        "prediction", "prompt_cache_key", "prompt_cache_retention", "safe_prompt",
        "safety_identifier", "safety_settings", "session_id", "store", "tool_choice", "tools",
        "trace", "transforms", "truncate_prompt_tokens", "user",
        # where it runs
        "disable_fallbacks", "keep_alive", "options", "priority", "provider", "request_id",
    }
)  # fmt: skip
"""Fields of a request that no provider charges for. `provider` cannot lift the price cap."""
_TOOL_FIELDS = frozenset(
    {"type", "function", "name", "description", "parameters", "input_schema", "strict",
     "cache_control"}
)  # fmt: skip
"""Fields of a tool that runs at the caller."""
_CHOICES = frozenset({"function", "allowed_tools", "tool", "auto", "any", "none", "required"})
"""Words and types of `tool_choice` that name no tool of the provider's."""


def paid_features(
    tools: object, tool_choice: object, model: str | None, fields: Mapping[str, Any]
) -> list[str]:
    """What could cost money, by name. `fields`: all further fields of the body."""
    found = [*_paid_tools(tools)]
    if fields.get("tools") is not None:
        found += _paid_tools(fields["tools"])
    for choice in (tool_choice, fields.get("tool_choice")):
        if choice is not None:
            names = {*_names(tools), *_names(fields.get("tools"))}
            found += _paid_choice(choice, names)
    if not fields.keys() <= FREE_FIELDS:
        unknown = fields.keys() - FREE_FIELDS
        found += sorted(name for name in unknown if fields[name] is not None)
    return [*found, *_paid_name(model)] if model else found


def _paid_tools(tools: object) -> Iterator[str]:
    if not isinstance(tools, list | tuple):
        yield "tools in no known form"
        return
    for tool in tools:
        if not isinstance(tool, Mapping):
            yield "a tool in no known form"
        elif tool.get("type", "function") != "function":
            yield str(tool["type"])
        elif not ("function" in tool or "name" in tool):
            yield "a tool without a function"
        else:
            yield from sorted(str(name) for name in tool if name not in _TOOL_FIELDS)


def _names(tools: object) -> Iterator[object]:
    """The names of the functions on offer."""
    for tool in tools if isinstance(tools, list | tuple) else ():
        if isinstance(tool, Mapping):
            function = tool.get("function")
            yield str(function.get("name") if isinstance(function, Mapping) else tool.get("name"))


def _paid_choice(choice: object, names: Set[object]) -> Iterator[str]:
    if isinstance(choice, str):
        if choice not in _CHOICES and choice not in names:
            yield f"tool_choice {choice}"
    elif not isinstance(choice, Mapping):
        yield "tool_choice in no known form"
    elif str(choice.get("type", "function")) not in _CHOICES:
        yield f"tool_choice {choice['type']}"
    else:
        allowed = choice.get("allowed_tools")
        for holder in (choice, allowed if isinstance(allowed, Mapping) else {}):
            if "tools" in holder:
                yield from _paid_tools(holder["tools"])


def _paid_name(model: str) -> Iterator[str]:
    """A variant that searches the web, or a preset, which may do anything."""
    if "online" in model.split(":")[1:]:
        yield ":online"
    if "@preset" in model:
        yield "@preset"


ZERO_PRICE = {"prompt": "0", "completion": "0"}
"""OpenRouter's price cap. As strings: numbers make an SDK drop the whole `provider` object."""


def write_preferences(body: Json, terms: Terms) -> None:
    """Write OpenRouter's `provider` field: that nothing may cost, and that nobody may train."""
    own = body.get("provider")
    preferences: Json = dict(own) if isinstance(own, Mapping) else {}
    if terms.free_only and terms.price_cap:
        preferences["max_price"] = dict(ZERO_PRICE)
    if terms.no_train:
        preferences["data_collection"] = "deny"
    if preferences:
        body["provider"] = preferences
