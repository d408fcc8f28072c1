"""LangChain's own standard suites, against the simulator over real HTTP on loopback."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, ClassVar

import httpx
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from servers import served

from freerouter_core import Provider
from freerouter_core.simulator import SimModel, World
from langchain_freerouter import ChatFreeRouter

EVERYTHING = ("text", "image", "audio", "file", "video")
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class TestUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatFreeRouter

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "acme/able:free"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return (
            {"OPENROUTER_API_KEY": "sk-from-env"},
            {"model": "acme/able:free"},
            {"api_key": "sk-from-env"},
        )


@pytest.fixture(scope="class")
def base_url() -> Iterator[str]:
    def able(name: str) -> SimModel:
        return SimModel(name, inputs=EVERYTHING, first_token=0.0, speed=1e6, reasoning=True)

    with served(World([able("acme/able:free"), able("acme/other:free")], clock="real")) as url:
        yield url


@pytest.fixture(autouse=True)
def assets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite downloads a picture, a PDF and a sound; here it is handed them."""

    def get(url: str, **_: Any) -> httpx.Response:
        content = (
            PNG if "png" in url.lower() else b"%PDF-1.4 test" if "pdf" in url.lower() else b"RIFF0000WAVE"
        )
        return httpx.Response(200, content=content, request=httpx.Request("GET", url))

    monkeypatch.setattr(httpx, "get", get)
    monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "freerouter-tests")


class Integration(ChatModelIntegrationTests):
    @pytest.fixture(autouse=True)
    def _on(self, base_url: str) -> None:
        type(self).url = base_url

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatFreeRouter

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "model": "acme/able:free",
            "providers": [Provider("openrouter", base_url=self.url, api_key="sk-test", limits=[])],
        }

    supports_model_override = True
    model_override_value = "acme/other:free"
    supports_json_mode = True
    supports_image_inputs = True
    supports_image_urls = True
    supports_pdf_inputs = True
    supports_audio_inputs = True
    supports_image_tool_message = True
    supports_pdf_tool_message = True
    supports_anthropic_inputs = True

    enable_vcr_tests = True


@pytest.fixture
def vcr_config() -> dict[str, Any]:
    """The simulator is asked anew each run: its port changes, so a recording would never match."""
    return {"ignore_localhost": True}


class TestIntegration(Integration):
    """The way of asking for structured output is chosen for each model."""


class TestIntegrationFunctionCalling(Integration):
    structured_output_kwargs: ClassVar[dict[str, Any]] = {"method": "function_calling"}


class TestIntegrationJsonSchema(Integration):
    structured_output_kwargs: ClassVar[dict[str, Any]] = {"method": "json_schema"}
