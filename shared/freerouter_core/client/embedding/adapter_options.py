"""`TextsOptions`, `EmbedderOptions`: the constructor arguments that the adapters' embeddings and
rerankers share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ConfigDict, field_validator

from ...catalogue.serving import InputType
from ...errors import names_a_key
from ..adapter_options import RouterOptions
from ..option_names import not_a_key
from .options import EmbedArguments, LongTexts


class TextsOptions(RouterOptions):
    """Options of `freerouter_core.Router`. `model` names an embedding model or a reranker, so the
    router's own chat models are not asked by it."""

    model_config = ConfigDict(defer_build=True)

    def _policy(self) -> dict[str, Any]:
        return {name: value for name, value in super()._policy().items() if name != "model"}


class EmbedderOptions(TextsOptions):
    """Options of `freerouter_core.Router.embed` besides."""

    pin: str | Path | None = None
    """The record of the space of an index. None: one record beside the state."""
    dimensions: int | None = None
    """Numbers of a vector, where the space offers a choice."""
    long: LongTexts = "error"
    """What becomes of a text that is too long: an error, or the mean of its pieces ("split")."""

    @field_validator("pin")
    @classmethod
    def _check_pin(cls, value: Any) -> Any:
        return not_a_key(value, names_a_key)

    def _arguments(self, kind: InputType) -> EmbedArguments:
        return {
            "model": self.model,
            "kind": kind,
            "dimensions": self.dimensions,
            "pin": self.pin,
            "long": self.long,
        }
