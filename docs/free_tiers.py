"""The page of free tiers, from `providers.toml`: what `docs/reference.py` writes."""

from __future__ import annotations

from collections.abc import Iterator

from freerouter_core import Limit
from freerouter_core.catalogue.provider_rows import ProviderRow
from freerouter_core.settings.known_providers import known_providers

_HEAD = """\
# Free tiers

What is known of each provider, from
[`providers.toml`](../../shared/freerouter_core/catalogue/providers.toml). By default only
OpenRouter is asked. Name others: `providers=["openrouter", "groq"]`, or
`FREEROUTER_PROVIDERS=openrouter,groq`. Limits are first guesses: what a provider's answers say
takes precedence. Free tiers change within weeks, so each row has the day on which it was checked.
"""
_TRAINS = {
    "no-train": "no",
    "trains": "yes",
    "endpoint": 'by endpoint: `privacy="no-train"` picks',
    "unknown": "not known",
}
_SPANS = {60.0: "a minute", 3_600.0: "an hour", 86_400.0: "a day", 2_592_000.0: "a month"}
_RESETS = {"utc-day": "a day (UTC)", "pacific-day": "a day (Pacific)", "utc-month": "a month (UTC)"}


def free_tiers() -> str:
    """The page."""
    rows = known_providers()
    parts = [_HEAD]
    open_rows = {n: r for n, r in rows.items() if not (r.get("local") or "ended" in r)}
    local = {n: r for n, r in rows.items() if r.get("local")}
    ended = {n: r for n, r in rows.items() if "ended" in r}
    parts += ["## With a free tier\n", *_table(open_rows)]
    parts += ["\n## On this machine\n", "They are asked only if they are named.\n"]
    parts += ["| provider | address | checked |", "|---|---|---|"]
    parts += [f"| `{n}` | `{r['base_url']}` | {_checked(r)} |" for n, r in local.items()]
    parts += [
        "\n## Without one\n",
        "They need your own key, and `allow_paid`.\n",
    ]
    parts += ["| provider | why | checked |", "|---|---|---|"]
    parts += [f"| `{n}` | {r['ended']} | {_checked(r)} |" for n, r in ended.items()]
    return "\n".join(parts) + "\n"


def _table(rows: dict[str, ProviderRow]) -> Iterator[str]:
    yield "| provider | key | free models | limits | trains on prompts | checked |"
    yield "|---|---|---|---|---|---|"
    for name, row in rows.items():
        key = ", ".join(f"`{variable}`" for variable in row.get("keys", ()))
        if row.get("keyless"):
            key = f"none needed{f'; {key}' if key else ''}"
        cells = [f"`{name}`", _signup(key, row), _free(row), _limits(row), _trains(row)]
        yield f"| {' | '.join(cells)} | {_checked(row)} |"


def _signup(key: str, row: ProviderRow) -> str:
    return f"{key} ([get one]({row['signup']}))" if "signup" in row else key


def _free(row: ProviderRow) -> str:
    free = row.get("free", "all")
    if isinstance(free, str):
        names = {"suffix": "ids that end in `:free`", "price": "every price is zero", "all": "all"}
        return names.get(free, f"where its list says `{free}`")
    ids = ", ".join(f"`{model}`" for model in free[:3])
    return f"{len(free)} ids: {ids}{', …' if len(free) > 3 else ''}"


def _limits(row: ProviderRow) -> str:
    return ", ".join(map(_limit, row.get("limits", ()))) or "not known"


def _limit(limit: Limit) -> str:
    if limit.concurrent is not None:
        words = f"{limit.concurrent} at once"
    else:
        span = _SPANS.get(limit.per, f"in {limit.per:g} s")
        unit = "" if limit.requests is not None else " tokens"
        words = f"{limit.requests or limit.tokens:,}{unit} {_RESETS.get(limit.reset, span)}"
    words += " a model" if limit.scope == "model" else ""
    return f"{words} ({', '.join(limit.models)})" if limit.models else words


def _trains(row: ProviderRow) -> str:
    words = _TRAINS[row.get("privacy", "unknown")]
    return f"{words}, not in {row['no_train_in']}" if "no_train_in" in row else words


def _checked(row: ProviderRow) -> str:
    day, source = row.get("checked", ""), row.get("source")
    return f"[{day}]({source})" if source else f"{day}"
