"""A provider's list of models, in any of the shapes seen, to `Model`s. Tolerant: a bad row costs only itself.

Facts: the `GET /models` schema and the rules of what is free, as recorded over 172 dated catalogues from
December 2025 to November 2026. The traps each rule answers are named beside it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .model import TEXT, Model, is_plausible_name

# Listed free, able to answer text, and still no chat model: safety classifiers answer "safe", OCR models describe
# layout, decision models return verdicts, lyria bills per song upstream.
_NOT_CHAT = re.compile(
    r"content-safety|llama-guard|-guard(?:[-:]|$)|shieldgemma|moderation|\bocr\b|-ocr|/decisions|span-\d"
    r"|embed|rerank|whisper|tts\b|lyria",
    re.IGNORECASE,
)
# "only available on agentic harnesses": listed, free, and refused to every plain client (403, since 2026-09).
_GATED = re.compile(r"^thinkingmachines/inkling", re.IGNORECASE)
_SENTINEL_EXPIRY = ("2098", "2099", "9999")


def parse_models(
    payload: object, *, provider: str = "openrouter", free: object = "suffix", origin: str = ""
) -> list[Model]:
    """Models of a catalogue body: `{"data": [...]}`, a bare list, or a wrapping with either inside.

    `free` says how the provider's free models are told: "suffix" (`:free` and every present price zero), "price"
    (every present price zero), "all", or a collection of ids. `origin`: the base URL the list was had from.
    """
    models = []
    for row in _rows(payload):
        model = _model(row, provider, free, origin)
        if model is not None:
            models.append(model)
    return models


def _rows(payload: object) -> Iterable[Mapping[str, Any]]:
    if isinstance(payload, Mapping):
        payload = next(
            (payload[k] for k in ("data", "models", "result") if isinstance(payload.get(k), list)),
            [],
        )
    if not isinstance(payload, list):
        return []
    return [row for row in payload if isinstance(row, Mapping)]


def _model(row: Mapping[str, Any], provider: str, free: object, origin: str) -> Model | None:
    name = _name(row)
    if name is None:
        return None
    architecture = _mapping(row.get("architecture"))
    outputs = _words(architecture.get("output_modalities"))
    top = _mapping(row.get("top_provider"))
    reasoning = _mapping(row.get("reasoning"))
    prices = _prices(row.get("pricing"))
    # -1 is a router whose price depends on what it picks (openrouter/auto, fusion, ...): paid.
    priced = [price for price in prices.values() if price != 0]
    # An alias (`~author/latest`) moves under its users; openrouter/free picks at random, blind to health and limits.
    redirecting = name.startswith("~") or name == "openrouter/free"
    chat = not (
        redirecting
        or _NOT_CHAT.search(name)
        or _GATED.search(name)
        or (outputs and outputs != TEXT)
    )
    return Model(
        id=name if provider == "openrouter" else f"{provider}:{name}",
        provider=provider,
        name=name,
        origin=origin,
        context=_context(row, top),
        max_output=_positive(top.get("max_completion_tokens") or row.get("max_completion_tokens")),
        inputs=(_words(architecture.get("input_modalities")) or TEXT) | TEXT,
        parameters=_words(row.get("supported_parameters")),
        free=_is_free(name, priced, bool(prices), free),
        chat=bool(chat),
        prompt_price=prices.get("prompt", 0.0),
        completion_price=prices.get("completion", 0.0),
        reasoning_mandatory=bool(reasoning.get("mandatory")),
        expires=_expiry(row.get("expiration_date")),
        quality=quality_prior(name, row),
        size=_positive(row.get("size")) or 0,
    )


def _is_free(name: str, priced: list[float], any_price: bool, free: object) -> bool:
    if free == "suffix":
        # Both halves matter: gemini-2.0-flash-exp:free listed prices on 2026-01-22 and -23, and zero prices
        # without the suffix have been one-day glitches of paid models (moonshotai/kimi-k2.5, 2026-04-18).
        return name.endswith(":free") and not priced
    if free == "price":
        return any_price and not priced
    if free == "all":
        return True
    return not isinstance(free, str) and matches_free_list(name, free)


def matches_free_list(name: str, free: object) -> bool:
    """Whether a list of free models holds `name`; a * in it stands for anything."""
    if not isinstance(free, (list, tuple, set, frozenset)):
        return False
    return name in free or any(
        re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name)
        for pattern in free
        if "*" in pattern
    )


def _prices(pricing: object) -> dict[str, float]:
    """Every present numeric price. Unlisted keys mean nothing: since March 2026 zero fields are left out."""
    found: dict[str, float] = {}
    for key, value in _mapping(pricing).items():
        if key == "discount":
            continue
        if key == "overrides" and isinstance(value, list):
            for n, override in enumerate(value):
                extra = {
                    k: v
                    for k, v in _mapping(override).items()
                    if not k.startswith(("min_", "utc_"))
                }
                found.update({f"{k}#{n}": price for k, price in _prices(extra).items()})
            continue
        number = _number(value)
        if number is not None:
            found[key] = number
        elif value not in (None, ""):
            found[key] = math.inf  # a price nobody can read is not zero
    return found


_WINDOWS = ("context_length", "context_window", "max_context_length", "max_model_len")
"""What OpenRouter and Cohere, Groq, Mistral, and vLLM call the context window."""


def _name(row: Mapping[str, Any]) -> str | None:
    """What goes on the wire. Cloudflare's `id` is a number of its own, its `name` the model; Gemini lists `models/…`."""
    name = row.get("id") or row.get("name")
    if isinstance(row.get("name"), str) and row["name"].startswith("@"):
        name = row["name"]
    if not isinstance(name, str) or not is_plausible_name(name):
        return None
    return name.removeprefix("models/") or None


def _context(row: Mapping[str, Any], top: Mapping[str, Any]) -> int:
    """The smaller of the two the catalogue gives: 4 of 24 free models differed, 1,048,576 against 262,000."""
    sizes = [
        *(_positive(row.get(key)) for key in _WINDOWS),
        _positive(top.get("context_length")),
    ]
    return min([size for size in sizes if size] or [32_768])


def _expiry(value: object) -> float | None:
    """Unix seconds of an `expiration_date`; far-future sentinels (2098-12-31, 9999-01-01) mean none."""
    if not isinstance(value, str) or value.startswith(_SENTINEL_EXPIRY):
        return None
    found = re.match(r"(\d{4})-(\d{2})-(\d{2})", value)
    if not found:
        return None
    year, month, day = map(int, found.groups())
    return (_days_from_civil(year, month, day) + 1) * 86_400.0


def _days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 (Howard Hinnant's algorithm): calendars are arithmetic, `datetime` would be a clock."""
    year -= month <= 2
    era = year // 400
    yoe = year - era * 400
    doy = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719_468


def quality_prior(name: str, row: Mapping[str, Any]) -> float:
    """0 to 10. A published intelligence index decides where there is one; else size, which is what a name tells, and a little for being
    of late (a model of this year does what one of twice its size did before) and for a large window."""
    index = _number(
        _mapping(_mapping(row.get("benchmarks")).get("artificial_analysis")).get(
            "intelligence_index"
        )
    )
    if index is not None:
        return max(0.0, min(10.0, index / 7.0))
    sizes = [
        float(size) for size in re.findall(r"(?<![\d.])(\d+(?:\.\d+)?)b(?![a-z])", name.lower())
    ]
    prior = 5.0 if not sizes else max(1.0, min(9.0, 2.0 + 1.15 * math.log2(max(*sizes, 0.1))))
    created = _number(row.get("created")) or 0.0
    late = min(1.0, max(0.0, (created - _OLD) / _YEAR * 0.5))
    roomy = 0.3 if (_positive(row.get("context_length")) or 0) >= 200_000 else 0.0
    return min(9.5, prior + late + roomy)


_OLD, _YEAR = 1_704_067_200.0, 31_557_600.0
"""2024-01-01, unix seconds, before which being of late counts nothing; and a year."""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _words(value: object) -> frozenset[str]:
    return (
        frozenset(word for word in value if isinstance(word, str))
        if isinstance(value, list)
        else frozenset()
    )


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _positive(value: object) -> int | None:
    number = _number(value)
    return int(number) if number and number > 0 else None
