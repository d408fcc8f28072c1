"""`TextsOptions`: the constructor arguments that the adapters' embeddings and rerankers share."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict

from ..adapter_options import RouterOptions


class TextsOptions(RouterOptions):
    """Options of `freerouter_core.Router`. `model` names an embedding model or a reranker, so the
    router's own chat models are not asked by it."""

    model_config = ConfigDict(defer_build=True)

    def _policy(self) -> dict[str, Any]:
        return {name: value for name, value in super()._policy().items() if name != "model"}
