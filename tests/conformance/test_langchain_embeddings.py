"""LangChain's own standard suites for embeddings, against the simulator over HTTP on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from freerouter_core import Provider
from freerouter_core.simulator import SimModel, World
from freerouter_core.simulator.server import served
from langchain_freerouter import FreeRouterEmbeddings


class TestUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return FreeRouterEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": "bge-m3"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return (
            {"OPENROUTER_API_KEY": "sk-from-env"},
            {"model": "bge-m3"},
            {"api_key": "sk-from-env"},
        )


URLS: list[str] = []
"""Where the simulator is served."""


@pytest.fixture(autouse=True, scope="module")
def simulator() -> Iterator[None]:
    model = SimModel("baai/bge-m3:free", dimension=1024, context=8192, first_token=0.0)
    with served(World([model], clock="real")) as url:
        URLS.append(url)
        yield


class TestIntegration(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return FreeRouterEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        provider = Provider("openrouter", URLS[-1], "sk-simulated", limits=[])
        return {"model": "bge-m3", "providers": [provider]}
