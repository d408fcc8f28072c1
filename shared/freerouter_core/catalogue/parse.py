"""A provider's list of models, in any recorded form, to `Model`s. A bad row costs only itself.

The rules come from 172 dated catalogues of OpenRouter, December 2025 to November 2026, and from
the other providers' lists. Each trap is named beside its rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from .calendar import DAY, days_from_civil
from .fields import mapping_in, positive_in, strings_in
from .model import TEXT, Model, is_plausible_name
from .pricing import is_free, read_prices
from .quality import quality_prior

# Listed free, able to answer text, and no chat model: safety classifiers answer "safe", OCR models
# describe layout, decision models return verdicts, lyria bills per song.
_NOT_CHAT = re.compile(
    r"content-safety|llama-guard|-guard(?:[-:]|$)|shieldgemma|moderation"
    r"|\bocr\b|-ocr|/decisions|span-\d|embed|rerank|whisper|tts\b|lyria|orpheus|imagen|\bveo-"
    # Gemini lists these beside its chat models, without saying what they put out.
    r"|gemini[\w.-]{0,60}-(?:image|live|native-audio|audio|robotics|computer-use)\b",
    re.IGNORECASE,
)
# "Only available on agentic harnesses": listed, free, and refused to every plain client with 403
# since September 2026.
_GATED = re.compile(r"^thinkingmachines/inkling", re.IGNORECASE)
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_NO_EXPIRY = ("2098", "2099", "9999")
"""Years that mean that a model does not expire."""
_CONTEXT_KEYS = ("context_length", "context_window", "max_context_length", "max_model_len")
"""The context window at OpenRouter and Cohere, Groq, Mistral, and vLLM."""
_LLAMA_CPP_KEYS = ("n_ctx", "n_ctx_train")
"""In `meta` at llama.cpp: the window that it was started with, and the model's own."""
_DEFAULT_CONTEXT = 32_768

Row = Mapping[str, object]


def parse_models(
    payload: object,
    *,
    provider: str = "openrouter",
    free: object = "suffix",
    origin: str = "",
    paid: tuple[str, ...] = (),
    needs_proof: bool = False,
) -> list[Model]:
    """The models in the body of a catalogue: `{"data": [...]}`, a bare list, and the like.

    `free` is how the provider's free models are recognised: "suffix" (`:free`, and every price
    zero), "price" (every price zero), "all", "field=value" (what the list says of them), or a list
    of ids. `paid`: names that are not free all the same. `needs_proof`: the rule counts only where
    the list states that every price is zero. `origin`: the base URL of the list.
    """
    rule = partial(is_free, free=free, paid=paid, needs_proof=needs_proof)
    models = (_model(row, provider, rule, origin) for row in _rows(payload))
    return [model for model in models if model is not None]


def _rows(payload: object) -> Iterable[Row]:
    if isinstance(payload, Mapping):
        lists = (payload.get(key) for key in ("data", "models", "result"))
        payload = next((value for value in lists if isinstance(value, list)), [])
    if not isinstance(payload, list):
        return []
    return [row for row in payload if isinstance(row, Mapping)]


def _model(row: Row, provider: str, rule: Callable[..., bool], origin: str) -> Model | None:
    name = _wire_name(row)
    if name is None:
        return None
    architecture = mapping_in(row.get("architecture"))
    top_provider, meta = mapping_in(row.get("top_provider")), mapping_in(row.get("meta"))
    max_output = top_provider.get("max_completion_tokens") or row.get("max_completion_tokens")
    prices = read_prices(row.get("pricing")) or _flat_prices(row)
    return Model(
        id=name if provider == "openrouter" else f"{provider}:{name}",
        provider=provider,
        name=name,
        origin=origin,
        context=_context(row, top_provider),
        max_output=positive_in(max_output),
        inputs=strings_in(architecture.get("input_modalities")) | TEXT,
        parameters=strings_in(row.get("supported_parameters")),
        free=rule(name, prices, row=row),
        chat=_is_chat(name, strings_in(architecture.get("output_modalities"))),
        prompt_price=prices.get("prompt", 0.0),
        completion_price=prices.get("completion", 0.0),
        reasoning_mandatory=bool(mapping_in(row.get("reasoning")).get("mandatory")),
        expires=_expiry(row.get("expiration_date")),
        quality=quality_prior(name, row),
        size=positive_in(row.get("size")) or positive_in(meta.get("size")) or 0,
    )


def _flat_prices(row: Row) -> dict[str, float]:
    """Prices as Requesty lists them: fields of the row itself."""
    named = {key.removesuffix("_price"): row[key] for key in row if key.endswith("_price")}
    prices = read_prices(named)
    renamed = {"input": "prompt", "output": "completion"}
    return {renamed.get(name, name): price for name, price in prices.items()}


def _wire_name(row: Row) -> str | None:
    """The name for requests. At Cloudflare it is `name`; Gemini lists `models/…`."""
    name = row.get("id") or row.get("name")
    own_name = row.get("name")
    if isinstance(own_name, str) and own_name.startswith("@"):
        name = own_name
    if not isinstance(name, str) or not is_plausible_name(name):
        return None
    return name.removeprefix("models/") or None


def _is_chat(name: str, outputs: frozenset[str]) -> bool:
    # An alias (`~author/latest`) changes its model unnoticed; openrouter/free picks at random.
    if name.startswith("~") or name == "openrouter/free":
        return False
    if _NOT_CHAT.search(name) or _GATED.search(name):
        return False
    return not outputs or outputs == TEXT


def _context(row: Row, top_provider: Row) -> int:
    """The smallest window that is stated: of 24 free models 4 stated two, as far apart as 4 : 1."""
    stated = [row.get(key) for key in _CONTEXT_KEYS] + [top_provider.get("context_length")]
    stated += [mapping_in(row.get("meta")).get(key) for key in _LLAMA_CPP_KEYS]
    return min((size for size in map(positive_in, stated) if size), default=_DEFAULT_CONTEXT)


def _expiry(value: object) -> float | None:
    """The end of an `expiration_date`, in unix seconds."""
    if not isinstance(value, str) or value.startswith(_NO_EXPIRY):
        return None
    match = _DATE.match(value)
    if not match:
        return None
    year, month, day = map(int, match.groups())
    return (days_from_civil(year, month, day) + 1) * DAY
