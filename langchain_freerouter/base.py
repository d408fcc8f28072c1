"""`BaseFreeRouter`: what LangChain asks of a model besides answers.

That is its name, its profile, its serialized form, its key in a cache, and its place in a trace.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

from langchain_core.language_models import ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.load.serializable import SerializedConstructor, SerializedNotImplemented
from pydantic import Field, model_validator
from typing_extensions import override

import freerouter_core
from freerouter_core.client.adapter_options import POLICY, RouterOptions
from freerouter_core.errors import FreeRouterError, forgets_locals
from freerouter_core.guards import mark_of

from .api_key import ApiKey, key_from_environment
from .outputs import PROVIDER
from .streamed_runs import TracedStreams

CONTEXT_PROMISE = 32_768
"""Tokens that `profile` promises: what most free models take, not what the largest one does."""
SPELLINGS = {"model_name": "model", "request_timeout": "timeout"}
"""LangChain's other names for two options."""


class BaseFreeRouter(RouterOptions, TracedStreams):
    """The options of `ChatFreeRouter`, and how LangChain identifies a model with them."""

    also_accepted: ClassVar[frozenset[str]] = frozenset(SPELLINGS)

    api_key: ApiKey = Field(default_factory=key_from_environment)
    """OpenRouter's key; else `OPENROUTER_API_KEY`."""
    streaming: bool = False
    """Whether `invoke` streams beneath, so that callbacks see tokens."""
    stream_usage: bool = True
    """Whether a stream ends with a chunk that carries usage."""

    @model_validator(mode="before")
    @classmethod
    def _read_spellings(cls, values: object) -> object:
        if isinstance(values, dict):
            values = dict(values)
            for spelling, name in SPELLINGS.items():
                if spelling in values:
                    values.setdefault(name, values.pop(spelling))
        return values

    @model_validator(mode="after")
    def _set_freerouter_version(self) -> Self:
        self._add_version("freerouter-llm", freerouter_core.__version__)
        return self

    @property
    def model_name(self) -> str:
        """`model`, under LangChain's other name for it."""
        return self.model

    @property
    @forgets_locals
    def _router(self) -> freerouter_core.Router:
        key = self.api_key.get_secret_value() if self.api_key is not None else None
        # DEV_MODE yields to a key given in code, not to one that merely lies in the environment.
        return self.make_router(None if key == os.environ.get("OPENROUTER_API_KEY") else key)

    # -- name and profile ---------------------------------------------------------------------

    @property
    def _llm_type(self) -> str:
        return PROVIDER

    @override
    def _resolve_model_profile(self) -> ModelProfile | None:
        # What some models take is promised only if every model that may be asked must take it.
        # What is not said counts as yes for some middleware, so what is not promised is False.
        promised = frozenset(self.capabilities)
        sees = not promised.isdisjoint({"vision", "image", "multimodal"})
        return {
            "max_input_tokens": max(self.min_context, CONTEXT_PROMISE),
            "tool_calling": True,
            "tool_choice": True,
            "structured_output": True,
            "text_inputs": True,
            "text_outputs": True,
            "image_inputs": sees,
            "image_url_inputs": sees,
            "image_tool_message": sees,
            "pdf_inputs": "file" in promised,
            "pdf_tool_message": False,
            "audio_inputs": "audio" in promised,
            "video_inputs": "video" in promised,
            "image_outputs": False,
            "audio_outputs": False,
            "video_outputs": False,
        }

    # -- serialized form ----------------------------------------------------------------------

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        return ["langchain_freerouter", "chat_models"]

    @property
    def lc_secrets(self) -> dict[str, str]:
        return {"api_key": "OPENROUTER_API_KEY"}

    @override
    def to_json(self) -> SerializedConstructor | SerializedNotImplemented:
        """LangChain's serialized form, which is also the cache's key: plain data, no API key, and
        no option that equals its default."""
        serialized = super().to_json()
        if serialized["type"] != "constructor":
            return serialized
        kwargs, chosen = serialized["kwargs"], self._chosen
        for name in POLICY:
            if name not in chosen:
                kwargs.pop(name, None)
        objects = self._objects_as_data()
        kwargs |= {name: value for name, value in objects.items() if name in chosen}
        if objects["router"] is not None:  # the session's, if no router was given
            kwargs["router"] = objects["router"]
        kwargs.pop("http_client", None)
        return serialized

    # The serialized form is kept, and so is what identifies. A changed model keeps neither.

    def __setattr__(self, name: str, value: object) -> None:
        self._forget(self)
        super().__setattr__(name, value)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        copied = super().model_copy(update=update, deep=deep)
        self._forget(copied)
        return copied

    @staticmethod
    def _forget(model: BaseFreeRouter) -> None:
        for name in ("_serialized", "_identified"):
            model.__dict__.pop(name, None)

    # -- cache key and trace ------------------------------------------------------------------

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """The cache's key. It names the environment's preferred models, which decide who answers,
        and the very guards, which decide what is let through."""
        key = super()._get_llm_string(stop, **kwargs)
        with contextlib.suppress(FreeRouterError):
            router = self._router
            key += "".join(f"|{mark_of(guard)}" for guard in router.config.guards)
            key += f"|{router.preferred}"
        return key

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return dict(self._identified)

    @cached_property
    def _identified(self) -> dict[str, Any]:
        objects = self._objects_as_data()
        skipped = {"api_key", "http_client", *objects, *BaseChatModel.model_fields}
        options = {
            name: getattr(self, name) for name in type(self).model_fields if name not in skipped
        }
        params = {"model_name": self.model}
        params |= {name: value for name, value in options.items() if value is not None}
        always = ("strategy", "providers")
        return params | {name: value for name, value in objects.items() if value or name in always}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = LangSmithParams(
            ls_provider=PROVIDER,
            ls_model_name=str(kwargs.get("model") or self.model),
            ls_model_type="chat",
        )
        temperature = kwargs.get("temperature", self.temperature)
        if temperature is not None:
            params["ls_temperature"] = temperature
        limit = kwargs.get("max_tokens", self.max_tokens)
        if limit is not None:
            params["ls_max_tokens"] = limit
        stops = stop or self.stop
        if stops:
            params["ls_stop"] = [stops] if isinstance(stops, str) else list(stops)
        return params
