"""`ApiKey`: the type of `api_key`, as LangChain keeps secrets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from langchain_core.utils import secret_from_env
from pydantic import SecretStr

if TYPE_CHECKING:

    class ApiKey:
        """A text goes in and a `SecretStr` comes out. Type checkers learn it from this descriptor,
        pydantic from the union below."""

        def __get__(self, model: object, kind: type[object]) -> SecretStr | None: ...

        def __set__(self, model: object, key: SecretStr | str | None) -> None: ...
else:
    ApiKey = SecretStr | None

# `Any`, since to a type checker an `ApiKey` is no `SecretStr`.
key_from_environment: Callable[[], Any] = secret_from_env("OPENROUTER_API_KEY", default=None)
"""The key in `OPENROUTER_API_KEY`, or None."""
