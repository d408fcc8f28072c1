"""`Settings`: the environment variables that are honoured. docs/settings.md says what each means.

An argument takes precedence over `OPENROUTER_*`, and that over `CHAT_*`. Each variable is looked up
in the environment, then in `secrets.env` and `.env` of the working directory, then in the settings
file, then among the kept keys (`kept_keys`). Nothing is read at import or when a model is made: the
first call reads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from ..catalogue.addresses import shown_address
from ..errors import BadSetting, forgets_locals, shown_name
from ..wire.retry_after import parse_duration
from .file import SettingsFile, find_file, read_file
from .kept_keys import kept_sources
from .sources import ENVIRONMENT, Source, Variables, read_dotenv, source_of_mapping

DOTENV_FILES = ("secrets.env", ".env")
"""The first one that sets a variable counts."""


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
_file_settings: ContextVar[Sequence[Mapping[str, Any]]] = ContextVar("freerouter_files", default=())
"""What the files set while `Settings` is made, the weightiest first: pydantic-settings builds its
sources in a class method, which gets no argument of ours."""


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
    freerouter_logs: bool = True
    freerouter_answer_cache: Name = None
    dev_mode: bool = False
    _content: SettingsFile = PrivateAttr(default_factory=SettingsFile)
    _path: Path | None = PrivateAttr(default=None)
    _variables: Variables = PrivateAttr(default_factory=lambda: Variables([_environment()]))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        files = (InitSettingsSource(settings_cls, dict(values)) for values in _file_settings.get())
        return (init_settings, env_settings, *files)

    @classmethod
    @forgets_locals
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
        path = find_file(folder)
        content = read_file(path, cls.model_fields, found=_is_in(path, folder))
        dotenv = [read_dotenv(folder / name, os.environ) for name in DOTENV_FILES]
        variables = Variables([_environment(), *dotenv, content.source, *kept_sources()])
        by_name = [
            {name.lower(): value for name, value in source.values.items()} for source in dotenv
        ]
        token = _file_settings.set([*by_name, content.settings])
        try:
            settings = cls()
        except ValidationError as error:
            raise _error(error, variables) from None
        finally:
            _file_settings.reset(token)
        settings._content, settings._path, settings._variables = content, path, variables
        return settings

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """The settings without the secrets of addresses, and without keys in wrong places."""
        for name, value in super().__repr_args__():
            yield name, tuple(map(_shown, value)) if isinstance(value, tuple) else _shown(value)

    def origin(self, name: str) -> str:
        """Where a setting or a key comes from: "environment", a dotenv file's name, the settings
        file's path, "keyring", the path of the file of kept keys, or "default"."""
        source = self._variables.source_of(name)
        if source is not None:
            return source.name
        return str(self._path) if name.lower() in self._content.settings else "default"

    @property
    def found(self) -> bool:
        """Whether the settings file was merely found in the working directory; see `sources`."""
        return self._content.source.found

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

    @property
    def environment(self) -> Variables:
        """The environment over the files, as it was when they were read. Empty variables count as
        not set. Providers look for their keys here."""
        return self._variables

    @property
    def default_models(self) -> tuple[str, ...]:
        """OPENROUTER_DEFAULT_MODEL, else CHAT_MODEL, else nothing."""
        name = self.openrouter_default_model or self.chat_model
        return (name,) if name else ()

    @property
    def fallback_models(self) -> tuple[str, ...]:
        """OPENROUTER_FALLBACK_MODELS, else CHAT_FALLBACK_MODELS."""
        return self.openrouter_fallback_models or self.chat_fallback_models


def _shown(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return shown_address(value) if "://" in value else shown_name(value)


def _environment() -> Source:
    return source_of_mapping(ENVIRONMENT, os.environ)


def _is_in(path: Path | None, folder: Path) -> bool:
    """Whether the settings file is the working directory's, and not the user's own."""
    from platformdirs import user_config_path

    own = user_config_path("freerouter")
    return path is not None and path.parent == folder and folder.resolve() != own.resolve()


def _error(error: ValidationError, variables: Variables) -> BadSetting:
    """What pydantic found wrong in a variable, without the value."""
    first = error.errors(include_input=False, include_url=False)[0]
    name = "_".join(str(part) for part in first["loc"])
    source = variables.source_of(name)
    hint = "correct or unset this variable"
    if source is not None and source.name != ENVIRONMENT:
        hint = f"correct it in {Path(source.name).name}"
    return BadSetting(f"{name.upper()}: {first['msg']}", hint=hint)
