"""What the environment says. Names are those users already have set; see the README's table.

Precedence: an argument, then `OPENROUTER_*`, then `CHAT_*`, each from the environment over the files `secrets.env` and `.env` of the
working directory over `freerouter.toml` (see `configfile`).
Nothing is read when this module is imported or a model constructed: the first call reads.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextvars import ContextVar
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from dotenv import dotenv_values
from pydantic import BeforeValidator, Field, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from ..errors import BadSetting
from ..wire.retry_after import parse_duration
from . import file as configfile

FILES = (".env", "secrets.env")


def _dotenv(name: str) -> dict[str, str]:
    """What a dotenv file says. Raises `BadSetting` where it cannot be read."""
    try:
        return {k: v for k, v in dotenv_values(name).items() if v is not None}
    except (OSError, ValueError) as error:
        raise BadSetting(
            f"{name} cannot be read: {type(error).__name__}", hint="it must be text in UTF-8"
        ) from None


def _has(source: Mapping[str, str], name: str) -> bool:
    return any(value and variable.lower() == name for variable, value in source.items())


def _names(value: Any) -> Any:
    return (
        tuple(n.strip() for n in value.split(",") if n.strip()) if isinstance(value, str) else value
    )


def _seconds(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    seconds = parse_duration(value)
    if seconds is None or seconds <= 0:
        raise ValueError('not a duration such as "1h" or "30m"')
    return seconds


def _blank(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
Seconds = Annotated[float, BeforeValidator(_seconds)]
Name = Annotated[str | None, BeforeValidator(_blank)]
Positive = Annotated[float, Field(gt=0)]
_from_file: ContextVar[dict[str, Any]] = ContextVar("freerouter_file", default={})  # noqa: B039  # read only
"""What the file says, while settings are made of it: pydantic-settings builds its sources from the class."""


class Settings(BaseSettings):
    """Every variable that is honoured, with its default. Field names are the variables' in lower case."""

    model_config = SettingsConfigDict(
        extra="ignore", case_sensitive=False, hide_input_in_errors=True, env_ignore_empty=True
    )

    openrouter_api_key: SecretStr | None = None
    openrouter_base_url: Name = None
    openrouter_default_model: Name = None
    openrouter_fallback_models: Names = ()
    openrouter_timeout: Positive = 60.0
    openrouter_retry_attempts: Annotated[int, Field(ge=1)] = 3
    openrouter_retry_backoff_base: Annotated[float, Field(ge=0)] = 1.0
    openrouter_retry_backoff_max: Annotated[float, Field(ge=0)] = 12.0
    openrouter_retry_jitter: Annotated[float, Field(ge=0, le=1)] = 0.25
    openrouter_show_free_only: bool = False
    openrouter_prefer_free_models: bool = True
    openrouter_max_cost_per_token: float | None = None
    free_models_refresh: Seconds = 3600.0
    chat_model: Name = None
    chat_fallback_models: Names = ()
    freerouter_providers: Names = ()
    freerouter_state: str = "sqlite"
    dev_mode: bool = False
    _said: configfile.Said = PrivateAttr(default_factory=configfile.Said)
    _file: str | None = PrivateAttr(default=None)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            env_settings,
            dotenv_settings,
            InitSettingsSource(settings_cls, _from_file.get()),
        )

    @classmethod
    def load(cls, directory: str | Path | None = None) -> Settings:
        """The settings as of now. Raises `BadSetting`, naming the variable and never its value."""
        try:
            folder = Path.cwd() if directory is None else Path(directory)
        except FileNotFoundError:
            raise BadSetting(
                "the working directory is gone", hint="go to one that is there"
            ) from None
        for name in FILES:
            _dotenv(str(folder / name))
        file = configfile.find(folder)
        said = configfile.read(file, known=cls.model_fields)
        token = _from_file.set(said.settings)
        try:
            settings = cls(_env_file=tuple(folder / name for name in FILES))  # type: ignore[call-arg]
            settings._said = said
            settings._file = None if file is None else str(file)
            return settings
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = "_".join(str(part) for part in first["loc"]).upper()
            hint = "correct or unset this variable"
            if (
                file is not None
                and name.lower() in said.settings
                and not _has(os.environ, name.lower())
            ):
                hint = f"correct it in {file.name}"
            raise BadSetting(f"{name}: {first['msg']}", hint=hint) from None
        finally:
            _from_file.reset(token)

    def origin(self, name: str) -> str:
        """Where a setting comes from: "environment", a dotenv file, the settings file's path, or "default"."""
        if _has(os.environ, name):
            return "environment"
        for file in reversed(FILES):  # the last one wins
            if _has(_dotenv(file), name):
                return file
        return str(self._file) if name in self._said.settings else "default"

    @property
    def file(self) -> str | None:
        """The path of the settings file, where there is one."""
        return self._file

    @property
    def providers(self) -> Mapping[str, dict[str, Any]]:
        """Rows of the user's own from the file, by name."""
        return self._said.providers

    @property
    def policy(self) -> Mapping[str, Any]:
        """Options of `Router` from the file: for those who leave them at their defaults."""
        return self._said.router

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """The process's environment over the files': where providers look for their keys. What is set to nothing is not set."""
        found: dict[str, str] = {}
        for source in (*map(_dotenv, FILES), os.environ):
            found |= {k: v for k, v in source.items() if v}
        return found

    @property
    def default_models(self) -> tuple[str, ...]:
        """The configured default: OPENROUTER_DEFAULT_MODEL, else CHAT_MODEL."""
        name = self.openrouter_default_model or self.chat_model
        return (name,) if name else ()

    @property
    def fallback_models(self) -> tuple[str, ...]:
        return self.openrouter_fallback_models or self.chat_fallback_models
