"""What each client must be told to use the service: variables of its process, and arguments.

Nothing is written to a client's configuration. A variable that is None is taken away, because it
would lead the client elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from ...wire.json_values import Json, parse_json

Variables = dict[str, str | None]
TOKEN_VARIABLE = "FREEROUTER_RUN_TOKEN"  # noqa: S105  # a name
CONTEXT, OUTPUT = 131_072, 32_768
"""Tokens that a client may believe in. A longer prompt is answered with words to shorten it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service. `address` has no path; `model` is what the client is to ask for."""

    address: str
    token: str
    model: str = "auto"

    @property
    def openai(self) -> str:
        """The base URL for clients of OpenAI's API."""
        return f"{self.address}/v1"


@dataclass(frozen=True, slots=True)
class Setup:
    """What a client is told. `arguments` stand before the user's own."""

    variables: Variables
    arguments: tuple[str, ...] = ()


def claude(service: Service, _: Mapping[str, str]) -> Setup:
    """Claude Code: code.claude.com/docs/en/llm-gateway-connect."""
    tiers = ("OPUS", "SONNET", "HAIKU", "FABLE")
    return Setup(
        {
            "ANTHROPIC_BASE_URL": service.address,
            "ANTHROPIC_AUTH_TOKEN": service.token,
            "ANTHROPIC_API_KEY": None,
            "ANTHROPIC_MODEL": service.model,
            "ANTHROPIC_SMALL_FAST_MODEL": service.model,
            **{f"ANTHROPIC_DEFAULT_{tier}_MODEL": service.model for tier in tiers},
            "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_OAUTH_TOKEN": None,
            "CLAUDE_CODE_USE_BEDROCK": None,
            "CLAUDE_CODE_USE_FOUNDRY": None,
            "CLAUDE_CODE_USE_VERTEX": None,
        }
    )


def codex(service: Service, _: Mapping[str, str]) -> Setup:
    """Codex: developers.openai.com/codex/config-advanced. Its search would cost money."""
    provider = {
        "name": "FreeRouter",
        "base_url": service.openai,
        "env_key": TOKEN_VARIABLE,
        "wire_api": "responses",
    }
    options = {
        "model_provider": "freerouter",
        **{f"model_providers.freerouter.{name}": value for name, value in provider.items()},
        "model": service.model,
        "web_search": "disabled",
    }
    words = [
        word for name, value in options.items() for word in ("-c", f"{name}={json.dumps(value)}")
    ]
    words += ["-c", f"model_context_window={CONTEXT}"]
    return Setup({TOKEN_VARIABLE: service.token}, tuple(words))


def opencode(service: Service, environment: Mapping[str, str]) -> Setup:
    """opencode: opencode.ai/docs/config. What the user gives in the same variable is kept."""
    model = {
        "name": service.model,
        "tool_call": True,
        "attachment": True,
        "limit": {"context": CONTEXT, "output": OUTPUT},
        "modalities": {"input": ["text", "image", "pdf"], "output": ["text"]},
    }
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "FreeRouter",
        "options": {"baseURL": service.openai, "apiKey": f"{{env:{TOKEN_VARIABLE}}}"},
        "models": {service.model: model},
    }
    given = _object(environment.get("OPENCODE_CONFIG_CONTENT", ""))
    providers = given.get("provider")
    name = f"freerouter/{service.model}"
    config = {
        **given,
        "model": name,
        "small_model": name,
        "provider": {
            **(providers if isinstance(providers, dict) else {}),
            "freerouter": provider,
        },
    }
    return Setup({"OPENCODE_CONFIG_CONTENT": json.dumps(config), TOKEN_VARIABLE: service.token})


def _object(text: str) -> Json:
    try:
        value = parse_json(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def aider(service: Service, _: Mapping[str, str]) -> Setup:
    """aider: aider.chat/docs/llms/openai-compat.html. Its own variables win over its files."""
    model = f"openai/{service.model}"
    return Setup(
        {
            "OPENAI_API_BASE": service.openai,
            "OPENAI_API_KEY": service.token,
            "AIDER_OPENAI_API_BASE": service.openai,
            "AIDER_OPENAI_API_KEY": service.token,
            "AIDER_MODEL": model,
            "AIDER_WEAK_MODEL": model,
            "AIDER_EDITOR_MODEL": model,
            "AIDER_SHOW_MODEL_WARNINGS": "false",
        }
    )


def any_client(service: Service, _: Mapping[str, str]) -> Setup:
    """Any program: the variables that the SDKs of OpenAI and Anthropic read."""
    return Setup(
        {
            "OPENAI_BASE_URL": service.openai,
            "OPENAI_API_BASE": service.openai,
            "OPENAI_API_KEY": service.token,
            "OPENAI_MODEL": service.model,
            "ANTHROPIC_BASE_URL": service.address,
            "ANTHROPIC_API_KEY": service.token,
            "ANTHROPIC_AUTH_TOKEN": None,
            "ANTHROPIC_MODEL": service.model,
        }
    )


CLIENTS: Mapping[str, Callable[[Service, Mapping[str, str]], Setup]] = {
    "aider": aider,
    "claude": claude,
    "codex": codex,
    "opencode": opencode,
}
"""By the name of the program."""
INSTALL = {
    "aider": "python -m pip install aider-install && aider-install",
    "claude": "npm install -g @anthropic-ai/claude-code",
    "codex": "npm install -g @openai/codex",
    "opencode": "npm install -g opencode-ai",
}
"""How each is installed."""


def name_of(program: str) -> str:
    """The name of a program: its file's, without folder and ending."""
    return PurePath(program).stem.casefold()


def setup_of(program: str, service: Service, environment: Mapping[str, str]) -> Setup:
    """What a program is told. `environment`: the variables that it would have."""
    setup = CLIENTS.get(name_of(program), any_client)(service, environment)
    # Programs that use a proxy must not ask it for this machine.
    places = [environment.get(name, "") for name in ("NO_PROXY", "no_proxy")]
    no_proxy = ",".join(dict.fromkeys([*filter(None, places), "127.0.0.1", "localhost"]))
    return Setup({**setup.variables, "NO_PROXY": no_proxy, "no_proxy": no_proxy}, setup.arguments)


def applied(variables: Variables, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with these variables set or taken away."""
    merged: Variables = {**environment, **variables}
    return {name: value for name, value in merged.items() if value is not None}
