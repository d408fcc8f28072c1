"""`freerouter.toml` or `freerouter.yaml`: settings under their variables' names in lower case, options of `Router` that are to be other than
its defaults (`router`), and providers of one's own (`providers`).

Read from the working directory, else from the user's configuration directory; everything in the environment is over it. It is a
file that people commit, so it holds no key: a provider's `keys` name the variables that do.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from ..errors import BadSetting

NAMES = ("freerouter.toml", "freerouter.yaml", "freerouter.yml")
SECRET = ("api_key", "key", "openrouter_api_key")


class _Limit(BaseModel):
    """What `Limit` takes; it knows best which values make one."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    requests: int | None = None
    tokens: int | None = None
    concurrent: int | None = None
    per: float = 60.0
    scope: str = "account"
    reset: str = "rolling"


class _Row(BaseModel):
    """What a provider's table may say: as a row of providers.toml, which it extends where it has its name."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    base_url: Annotated[str, Field(pattern=r"^https?://")] = ""
    keys: list[str] = []
    free: Literal["suffix", "price", "all"] | list[str] = "all"
    limits: list[_Limit] = []
    privacy: Literal["no-train", "trains", "endpoint", "unknown"] = "unknown"
    models: str = ""
    keyless: bool = False
    local: bool = False


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Points = Annotated[float, Field(ge=0, le=10)]
ELSEWHERE = {
    "model": "openrouter_default_model, at the top of the file",
    "fallback_models": "openrouter_fallback_models, at the top of the file",
    "timeout": "openrouter_timeout, at the top of the file",
    "max_cost_per_token": "openrouter_max_cost_per_token, at the top of the file",
    "providers": "freerouter_providers, at the top of the file",
    "allow_paid": "nothing but code allows paying: Router(allow_paid=True)",
}
"""Options that are said elsewhere."""


class _Options(BaseModel):
    """What the `router` table may say: options of `Router` that are plain data. What allows paying is said in code alone."""

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
    max_failures: int | None = None
    exclude_failed: float | None = None
    on_stream_break: str | None = None
    tool_streaming: str | None = None
    hedge: Annotated[str, BeforeValidator(lambda said: "off" if said is False else said)] | None = (
        None
    )
    """YAML reads `off` as a truth value."""

    def told(self) -> dict[str, Any]:
        """By the names that `Router` has for them."""
        said = self.model_dump(exclude_none=True)
        if "max_latency_ms" in said:
            said["max_latency"] = said.pop("max_latency_ms") / 1e3
        if "capabilities" in said:
            said["capabilities"] = tuple(said["capabilities"])
        return said


_rows = TypeAdapter(dict[str, _Row])


def find(folder: Path) -> Path | None:
    """The file that counts, or None where there is none."""
    from platformdirs import user_config_path

    places = (folder, user_config_path("freerouter"))
    return next(
        (path for place in places for name in NAMES if (path := place / name).is_file()), None
    )


@dataclass(frozen=True)
class Said:
    """What a file says: settings by name, options of `Router`, rows of providers by name."""

    settings: dict[str, Any] = field(default_factory=dict)
    router: dict[str, Any] = field(default_factory=dict)
    providers: dict[str, dict[str, Any]] = field(default_factory=dict)


def read(path: Path | None, known: Collection[str]) -> Said:
    """What the file says, of settings `known`. Raises `BadSetting`, naming what is wrong, never its value."""
    if path is None:
        return Said()
    said = {str(name).lower(): value for name, value in _parsed(path).items()}
    providers, options = said.pop("providers", None) or {}, said.pop("router", None) or {}
    held = [name for name in SECRET if name in said]
    held += [n for row in _tables(providers) for n in SECRET if n in row]
    if held:
        raise BadSetting(
            f"{path.name}: {held[0]} does not belong in this file",
            hint='put the key into the environment or .env, and name its variable: keys = ["MY_KEY"]',
        )
    unknown = [name for name in said if name not in known]
    if unknown:
        near = get_close_matches(unknown[0], known, n=1)
        raise BadSetting(
            f"{path.name}: {unknown[0]} is no setting",
            hint=f"did you mean {near[0]}?"
            if near and near[0] not in SECRET
            else "names are those of the variables, in lower case, and router and providers",
        )
    try:
        rows = _rows.validate_python(providers)
    except ValidationError as error:
        raise _wrong(path, "providers", error, _Row) from None
    try:
        told = _Options.model_validate(options).told()
    except ValidationError as error:
        raise _wrong(path, "router", error, _Options) from None
    return Said(
        said, told, {name: row.model_dump(exclude_unset=True) for name, row in rows.items()}
    )


def _wrong(path: Path, table: str, error: ValidationError, rows: type[BaseModel]) -> BadSetting:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in (table, *first["loc"]))
    hint = (
        ELSEWHERE.get(str(first["loc"][-1]) if first["loc"] else "") if rows is _Options else None
    )
    hint = hint or f"its names are {', '.join(rows.model_fields)}"
    return BadSetting(f"{path.name}: {where}: {first['msg']}", hint=hint)


def _parsed(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text("utf-8-sig")
        said = tomllib.loads(text) if path.suffix == ".toml" else _yaml(text, path)
    except BadSetting:
        raise
    except (OSError, ValueError) as error:
        raise BadSetting(
            f"{path.name} cannot be read: {error}", hint="correct it, or move it away"
        ) from None
    if said is None:
        return {}
    if not isinstance(said, dict):
        raise BadSetting(f"{path.name} is no table of settings", hint="write `name: value` lines")
    return said


def _yaml(text: str, path: Path) -> Any:
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
        raise ValueError(f"no YAML{f' at line {mark.line + 1}' if mark else ''}") from None


def _tables(providers: object) -> list[Mapping[str, Any]]:
    return (
        [row for row in providers.values() if isinstance(row, dict)]
        if isinstance(providers, dict)
        else []
    )
