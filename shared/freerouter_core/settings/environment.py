"""`Settings`: the environment variables that are honoured. docs/settings.md says what each means.

An argument takes precedence over `OPENROUTER_*`, and that over `CHAT_*`. Each variable is looked up
in the environment, then in `secrets.env` and `.env` of the working directory, then in the settings
file. Nothing is read at import or when a model is made: the first call reads.
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
from .file import SettingsFile, find_file, read_file

DOTENV_FILES = (".env", "secrets.env")
"""The last one wins."""


def _read_dotenv(path: str) -> dict[str, str]:
    """The variables of a dotenv file. Raises `BadSetting` if it cannot be read."""
    try:
        return {name: value for name, value in dotenv_values(path).items() if value is not None}
    except (OSError, ValueError) as error:
        raise BadSetting(
            f"{path} cannot be read: {type(error).__name__}", hint="it must be text in UTF-8"
        ) from None


def _has(variables: Mapping[str, str], name: str) -> bool:
    """Whether a variable is set, in any case, and not empty."""
    return any(value and variable.lower() == name for variable, value in variables.items())


def _split_names(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(name.strip() for name in value.split(",") if name.strip())


def _parse_seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    seconds = parse_duration(value)
    if seconds is None or seconds <= 0:
        raise ValueError('not a duration such as "1h" or "30m"')
    return seconds


def _blank_to_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_names)]
Seconds = Annotated[float, BeforeValidator(_parse_seconds)]
Name = Annotated[str | None, BeforeValidator(_blank_to_none)]
Positive = Annotated[float, Field(gt=0)]
_file_settings: ContextVar[dict[str, Any]] = ContextVar("freerouter_file")
"""The file's settings while `Settings` is made: pydantic-settings builds its sources in a class
method, which gets no argument of ours."""


class Settings(BaseSettings):
    """Every variable that is honoured, with its default. A field is named as its variable, in
    lower case."""

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
    _content: SettingsFile = PrivateAttr(default_factory=SettingsFile)
    _path: Path | None = PrivateAttr(default=None)

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
            InitSettingsSource(settings_cls, _file_settings.get({})),
        )

    @classmethod
    def load(cls, directory: str | Path | None = None) -> Settings:
        """Read the settings.

        Args:
            directory: where files are looked for. None: the working directory.

        Raises:
            BadSetting: a variable makes no sense. It is named, and its value is not shown.
        """
        try:
            folder = Path.cwd() if directory is None else Path(directory)
        except FileNotFoundError:
            raise BadSetting(
                "the working directory does not exist any more", hint="change to another directory"
            ) from None
        dotenv_paths = tuple(folder / name for name in DOTENV_FILES)
        for dotenv_path in dotenv_paths:
            _read_dotenv(str(dotenv_path))  # raises a clearer error than pydantic-settings
        path = find_file(folder)
        content = read_file(path, cls.model_fields)
        token = _file_settings.set(content.settings)
        try:
            settings = cls(_env_file=dotenv_paths)  # type: ignore[call-arg]  # a private argument
        except ValidationError as error:
            raise _error(error, path, content) from None
        finally:
            _file_settings.reset(token)
        settings._content, settings._path = content, path
        return settings

    def origin(self, name: str) -> str:
        """Where a setting comes from: "environment", a dotenv file's name, the settings file's
        path, or "default"."""
        if _has(os.environ, name):
            return "environment"
        for dotenv in reversed(DOTENV_FILES):
            if _has(_read_dotenv(dotenv), name):
                return dotenv
        return str(self._path) if name in self._content.settings else "default"

    @property
    def file(self) -> str | None:
        """The path of the settings file. None: there is none."""
        return None if self._path is None else str(self._path)

    @property
    def providers(self) -> Mapping[str, dict[str, Any]]:
        """The providers of the settings file: rows by name."""
        return self._content.providers

    @property
    def policy(self) -> Mapping[str, Any]:
        """The options of `Router` in the settings file. They replace its defaults."""
        return self._content.router

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """The environment over the dotenv files. Empty variables count as not set. Providers look
        for their keys here."""
        variables: dict[str, str] = {}
        for source in (*map(_read_dotenv, DOTENV_FILES), os.environ):
            variables |= {name: value for name, value in source.items() if value}
        return variables

    @property
    def default_models(self) -> tuple[str, ...]:
        """OPENROUTER_DEFAULT_MODEL, else CHAT_MODEL, else nothing."""
        name = self.openrouter_default_model or self.chat_model
        return (name,) if name else ()

    @property
    def fallback_models(self) -> tuple[str, ...]:
        """OPENROUTER_FALLBACK_MODELS, else CHAT_FALLBACK_MODELS."""
        return self.openrouter_fallback_models or self.chat_fallback_models


def _error(error: ValidationError, path: Path | None, content: SettingsFile) -> BadSetting:
    """What pydantic found wrong in a variable, without the value."""
    first = error.errors(include_input=False, include_url=False)[0]
    name = "_".join(str(part) for part in first["loc"])
    in_file = name.lower() in content.settings and not _has(os.environ, name.lower())
    hint = f"correct it in {path.name}" if path and in_file else "correct or unset this variable"
    return BadSetting(f"{name.upper()}: {first['msg']}", hint=hint)
