"""The settings file, `freerouter.toml` or `freerouter.yaml`.

It holds settings under their variables' names in lower case, a table `router` with options of
`Router`, and a table `providers` with providers of your own. It is read from the working directory,
else from the user's configuration directory. The environment takes precedence.

People commit this file, so it must not hold keys: a provider's `keys` name environment variables.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from ..errors import BadSetting, forgets_locals, shown_name
from .sources import Source
from .trust import is_trusted, read_bounded

FILE_NAMES = ("freerouter.toml", "freerouter.yaml", "freerouter.yml")
KEY_NAMES = ("api_key", "key", "openrouter_api_key")
"""Names that would hold a key, which the file must not."""


class _LimitTable(BaseModel):
    """The arguments of a `Limit`, which checks their values itself."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    requests: int | None = None
    tokens: int | None = None
    concurrent: int | None = None
    per: float = 60.0
    scope: str = "account"
    reset: str = "rolling"


VariableName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$", max_length=64)]
"""The name of a variable. A key pasted in its place has other letters, and is not shown."""


class _ProviderTable(BaseModel):
    """One provider. It extends the row of providers.toml that has its name, if there is one."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    base_url: Annotated[str, Field(pattern=r"^https?://")] = ""
    keys: list[VariableName] = []
    free: Literal["suffix", "price", "all"] | list[str] = "all"
    limits: list[_LimitTable] = []
    privacy: Literal["no-train", "trains", "endpoint", "unknown"] = "unknown"
    models: str = ""
    keyless: bool = False
    local: bool = False


def _off(value: object) -> object:
    """YAML reads `off` as False."""
    return "off" if value is False else value


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Points = Annotated[float, Field(ge=0, le=10)]


class _RouterTable(BaseModel):
    """Options of `Router` that are plain data. Paying can only be allowed in code."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, strict=True)

    strategy: str | None = None
    prefer: str | None = None
    task: str | None = None
    capabilities: list[str] | None = None
    min_context: Annotated[int, Field(ge=0)] | None = None
    min_quality: Points | None = None
    min_safety: Points | None = None
    max_latency: Positive | None = None
    max_latency_ms: Positive | None = None
    max_cost_per_request: float | None = None
    daily_budget_usd: float | None = None
    daily_cap: int | None = None
    keyless: bool | None = None
    privacy: str | None = None
    max_retries: int | None = None
    max_wait: float | None = None
    lane: str | None = None
    pace: str | None = None
    max_failures: int | None = None
    exclude_failed: float | None = None
    on_stream_break: str | None = None
    tool_streaming: str | None = None
    hedge: Annotated[str, BeforeValidator(_off)] | None = None
    answer_cache: bool | str | dict[str, Any] | None = None

    def options(self) -> dict[str, Any]:
        """The options as arguments of `Router`."""
        options = self.model_dump(exclude_none=True)
        if "max_latency_ms" in options:
            options["max_latency"] = options.pop("max_latency_ms") / 1e3
        if "capabilities" in options:
            options["capabilities"] = tuple(options["capabilities"])
        return options


HINTS = {
    "model": "openrouter_default_model, at the top of the file",
    "fallback_models": "openrouter_fallback_models, at the top of the file",
    "timeout": "openrouter_timeout, at the top of the file",
    "max_cost_per_token": "openrouter_max_cost_per_token, at the top of the file",
    "providers": "freerouter_providers, at the top of the file",
    "allow_paid": "nothing but code allows paying: Router(allow_paid=True)",
}
"""Options of `Router` that the table `router` does not take, and what to write instead."""

_provider_tables = TypeAdapter(dict[str, _ProviderTable])


@dataclass(frozen=True)
class SettingsFile:
    """What a settings file holds.

    Attributes:
        settings: settings by name.
        router: options of `Router` by name.
        providers: rows of providers by name, as in providers.toml.
        source: the file, and its settings that are text, as variables.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    router: dict[str, Any] = field(default_factory=dict)
    providers: dict[str, dict[str, Any]] = field(default_factory=dict)
    source: Source = field(default_factory=lambda: Source("no file"))


def find_file(folder: Path) -> Path | None:
    """The settings file for a working directory. None: there is none."""
    from platformdirs import user_config_path

    for place in (folder, user_config_path("freerouter")):
        for name in FILE_NAMES:
            path = place / name
            if path.is_file():
                return path
    return None


@forgets_locals  # somebody may have put a key into it
def read_file(path: Path | None, names: Collection[str], *, found: bool = False) -> SettingsFile:
    """Read a settings file.

    Args:
        path: the file. None: nothing is set.
        names: the settings it may hold.
        found: whether it was merely found in the working directory.

    Raises:
        BadSetting: something in the file is wrong. It is named, and its value is not shown.
    """
    if path is None:
        return SettingsFile()
    content = _content_of(path)
    settings = {str(name).lower(): value for name, value in _parse(path, content).items()}
    providers, router = settings.pop("providers", None) or {}, settings.pop("router", None) or {}
    _refuse_keys(path, settings, providers)
    _refuse_unknown(path, settings, names)
    try:
        tables = _provider_tables.validate_python(providers)
    except ValidationError as error:
        raise _error(path, "providers", error, _ProviderTable) from None
    try:
        options = _RouterTable.model_validate(router).options()
    except ValidationError as error:
        raise _error(path, "router", error, _RouterTable) from None
    rows = {name: table.model_dump(exclude_unset=True) for name, table in tables.items()}
    texts = {name.upper(): value for name, value in settings.items() if isinstance(value, str)}
    source = Source(str(path), found and not is_trusted(content), texts)
    return SettingsFile(settings, options, rows, source)


def _refuse_keys(path: Path, settings: Mapping[str, Any], providers: object) -> None:
    tables = [settings]
    if isinstance(providers, dict):
        tables += [table for table in providers.values() if isinstance(table, dict)]
    for table in tables:
        for name in KEY_NAMES:
            if name in table:
                raise BadSetting(
                    f"{path.name}: {name} does not belong in this file",
                    hint="put the key into the environment or .env, and name its variable: "
                    'keys = ["MY_KEY"]',
                )


def _refuse_unknown(path: Path, settings: Mapping[str, Any], names: Collection[str]) -> None:
    for name in settings:
        if name in names:
            continue
        close = get_close_matches(name, names, n=1)
        hint = "settings are named as their variables, in lower case"
        if close and close[0] not in KEY_NAMES:
            hint = f"did you mean {close[0]}?"
        raise BadSetting(f"{path.name}: {shown_name(name)} is not a setting", hint=hint)


def _error(
    path: Path, table: str, error: ValidationError, kind: type[_ProviderTable | _RouterTable]
) -> BadSetting:
    """What pydantic found wrong in a table, without the value."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(shown_name(str(part)) for part in (table, *first["loc"]))
    hint = f"the names are {', '.join(kind.model_fields)}"
    if kind is _RouterTable and first["loc"]:
        hint = HINTS.get(str(first["loc"][-1]), hint)
    return BadSetting(f"{path.name}: {where}: {first['msg']}", hint=hint)


def _content_of(path: Path) -> bytes:
    try:
        return read_bounded(path)
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> BadSetting:
    return BadSetting(f"{path.name} cannot be read: {error}", hint="correct it, or move it away")


def _parse(path: Path, raw: bytes) -> Mapping[str, Any]:
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
        content = tomllib.loads(text) if path.suffix == ".toml" else _parse_yaml(text, path)
    except BadSetting:
        raise
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, error) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise BadSetting(
            f"{path.name} is not a table of settings", hint="write lines such as `name: value`"
        )
    return content


def _parse_yaml(text: str, path: Path) -> object:
    try:
        import yaml
    except ImportError:
        raise BadSetting(
            f"{path.name} needs PyYAML",
            hint="pip install 'freerouter-llm[yaml]', or write freerouter.toml instead",
        ) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise ValueError(f"invalid YAML{line}") from None
