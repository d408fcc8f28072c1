"""LangChain's own standard suites, against the simulator over real HTTP on loopback."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

import httpx
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from freerouter_core import Provider
from freerouter_core.simulator import SimModel, World
from freerouter_core.simulator.server import served
from langchain_freerouter import ChatFreeRouter

from ..frameworks import merged

EVERYTHING = ("text", "image", "audio", "file", "video")
UsageDetail = Literal[
    "audio_input", "audio_output", "reasoning_output", "cache_read_input", "cache_creation_input"
]
DETAILS: list[UsageDetail] = [
    "audio_input",
    "audio_output",
    "reasoning_output",
    "cache_read_input",
    "cache_creation_input",
]
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
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
    """Gives the suite the image, the PDF and the sound that it downloads."""

    def get(url: str, **_: Any) -> httpx.Response:
        content = (
            PNG
            if "png" in url.lower()
            else b"%PDF-1.4 test"
            if "pdf" in url.lower()
            else b"RIFF0000WAVE"
        )
        return httpx.Response(200, content=content, request=httpx.Request("GET", url))

    monkeypatch.setattr(httpx, "get", get)
    monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "freerouter-tests")


def usage_of(message: AIMessage) -> UsageMetadata:
    assert message.usage_metadata is not None
    return message.usage_metadata


class Integration(ChatModelIntegrationTests):
    url: ClassVar[str]

    @pytest.fixture(autouse=True)
    def _set_url(self, base_url: str) -> None:
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

    supported_usage_metadata_details: ClassVar[
        dict[Literal["invoke", "stream"], list[UsageDetail]]
    ] = {
        "invoke": DETAILS,
        "stream": DETAILS,
    }

    def _ask(self, content: Any, stream: bool, **options: Any) -> AIMessage:
        llm = ChatFreeRouter(**self.chat_model_params, **options)
        if not stream:
            return llm.invoke([HumanMessage(content)])
        return merged(llm.stream([HumanMessage(content)]))

    def invoke_with_audio_input(self, *, stream: bool = False) -> AIMessage:
        sound = {
            "type": "audio",
            "base64": base64.b64encode(b"RIFF0000WAVE").decode(),
            "mime_type": "audio/wav",
        }
        message = self._ask([{"type": "text", "text": "What is said?"}, sound], stream)
        assert usage_of(message)["input_token_details"]["audio"] > 0
        return message

    def invoke_with_audio_output(self, *, stream: bool = False) -> AIMessage:
        message = self._ask("Say hello", stream, extra_body={"modalities": ["text", "audio"]})
        assert usage_of(message)["output_token_details"]["audio"] > 0
        assert message.additional_kwargs["audio"]["transcript"]
        return message

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        message = self._ask("Why?", stream, reasoning="high")
        assert usage_of(message)["output_token_details"]["reasoning"] > 0
        return message

    def _cached(self, stream: bool, text: str) -> tuple[AIMessage, AIMessage]:
        part = {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}
        return self._ask([part], stream), self._ask([part], stream)

    def invoke_with_cache_creation_input(self, *, stream: bool = False) -> AIMessage:
        first, _ = self._cached(stream, f"{self._testid} {stream} remember this")
        assert usage_of(first)["input_token_details"]["cache_creation"] > 0
        return first

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        _, second = self._cached(stream, f"{self._testid} {stream} read this again")
        assert usage_of(second)["input_token_details"]["cache_read"] > 0
        return second

    @property
    def _testid(self) -> str:
        return type(self).__name__


@pytest.fixture
def vcr_config() -> dict[str, Any]:
    """Plays a recorded stream back. Its host and port differ in every run, so they are ignored.

    Record again: `pytest tests/conformance -k stream_time --record-mode=rewrite`.
    """

    def without_host(request: Any) -> Any:
        request.uri = "http://recorded.invalid" + urlsplit(request.uri).path
        return request

    return {
        "match_on": ["method", "path", "body"],
        "filter_headers": ["authorization", "host", "user-agent"],
        "before_record_request": without_host,
        "allow_playback_repeats": True,
    }


class TestIntegration(Integration):
    """Structured output in the way that each model supports."""


class TestIntegrationFunctionCalling(Integration):
    structured_output_kwargs: ClassVar[dict[str, Any]] = {"method": "function_calling"}


class TestIntegrationJsonSchema(Integration):
    structured_output_kwargs: ClassVar[dict[str, Any]] = {"method": "json_schema"}
