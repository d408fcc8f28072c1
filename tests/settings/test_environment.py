"""Settings from the environment and dotenv files, and their precedence."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from freerouter_core import Router, Settings, errors
from freerouter_core.client.resolve import Resolved, resolve
from langchain_freerouter import ChatFreeRouter


def resolved(**options: Any) -> Resolved:
    return resolve(Router(**{"api_key": "sk-test", **options}).config, Settings.load())


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        (
            "OPENROUTER_BASE_URL",
            "http://127.0.0.1:9/v1",
            "openrouter_base_url",
            "http://127.0.0.1:9/v1",
        ),
        ("OPENROUTER_DEFAULT_MODEL", "a/b:free", "openrouter_default_model", "a/b:free"),
        (
            "OPENROUTER_FALLBACK_MODELS",
            "a/b:free, c/d:free,",
            "openrouter_fallback_models",
            ("a/b:free", "c/d:free"),
        ),
        ("OPENROUTER_TIMEOUT", "7.5", "openrouter_timeout", 7.5),
        ("OPENROUTER_RETRY_ATTEMPTS", "5", "openrouter_retry_attempts", 5),
        ("OPENROUTER_RETRY_BACKOFF_BASE", "0.5", "openrouter_retry_backoff_base", 0.5),
        ("OPENROUTER_RETRY_BACKOFF_MAX", "3", "openrouter_retry_backoff_max", 3.0),
        ("OPENROUTER_RETRY_JITTER", "0", "openrouter_retry_jitter", 0.0),
        ("OPENROUTER_SHOW_FREE_ONLY", "true", "openrouter_show_free_only", True),
        ("OPENROUTER_PREFER_FREE_MODELS", "false", "openrouter_prefer_free_models", False),
        ("OPENROUTER_MAX_COST_PER_TOKEN", "0.000002", "openrouter_max_cost_per_token", 0.000002),
        ("FREE_MODELS_REFRESH", "1h30m", "free_models_refresh", 5400.0),
        ("FREE_MODELS_REFRESH", "30m", "free_models_refresh", 1800.0),
        ("CHAT_MODEL", "a/b:free", "chat_model", "a/b:free"),
        ("CHAT_MODEL", "", "chat_model", None),
        ("CHAT_FALLBACK_MODELS", "c/d:free", "chat_fallback_models", ("c/d:free",)),
        ("FREEROUTER_PROVIDERS", "groq,mistral", "freerouter_providers", ("groq", "mistral")),
        ("DEV_MODE", "true", "dev_mode", True),
    ],
)
@pytest.mark.parametrize("where", ["environment", ".env", "secrets.env"])
def test_every_variable_is_read_from_the_environment_and_dotenv_files(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    value: str,
    field: str,
    expected: Any,
    where: str,
) -> None:
    if where == "environment":
        monkeypatch.setenv(name, value)
    else:
        (tmp_path / where).write_text(f"{name}={value}\n")

    assert getattr(Settings.load(), field) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENROUTER_TIMEOUT", "-1"), ("OPENROUTER_TIMEOUT", "soon"),
        ("OPENROUTER_RETRY_ATTEMPTS", "0"),
        ("OPENROUTER_RETRY_JITTER", "2"), ("FREE_MODELS_REFRESH", "often"),
        ("FREE_MODELS_REFRESH", "-1h"), ("DEV_MODE", "perhaps"),
    ],
)  # fmt: skip
def test_an_invalid_variable_is_named_with_a_hint(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(errors.BadSetting, match=name) as caught:
        Settings.load()

    assert caught.value.hint


def test_the_environment_takes_precedence_over_dotenv_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("OPENROUTER_TIMEOUT=1\n")
    monkeypatch.setenv("OPENROUTER_TIMEOUT", "2")

    assert Settings.load().openrouter_timeout == 2


def test_each_setting_knows_its_origin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "freerouter.toml").write_text("openrouter_timeout = 31\nfree_models_refresh = '2h'")
    (tmp_path / ".env").write_text(
        "OPENROUTER_TIMEOUT=12\nOPENROUTER_RETRY_ATTEMPTS=4\nOPENROUTER_API_KEY=sk-env"
    )
    (tmp_path / "secrets.env").write_text("openrouter_timeout=13")
    monkeypatch.setenv("openrouter_retry_jitter", "0.5")
    monkeypatch.setenv("OPENROUTER_API_KEY", "")
    settings = Settings.load()
    origins = {name: settings.origin(name) for name in Settings.model_fields}

    assert (settings.openrouter_timeout, origins["openrouter_timeout"]) == (13, "secrets.env")
    assert origins["openrouter_retry_attempts"] == ".env"
    assert origins["openrouter_retry_jitter"] == "environment"
    assert origins["free_models_refresh"].endswith("freerouter.toml")
    assert origins["chat_model"] == "default"
    assert settings.environment.get("OPENROUTER_API_KEY") == "sk-env"
    Router().check()


def test_a_dotenv_file_that_is_not_text_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"OPENROUTER_API_KEY=sk-\xff\xfe")
    with pytest.raises(errors.BadSetting, match=r"\.env cannot be read"):
        Settings.load()


def test_the_key_is_read_from_secrets_env(tmp_path: Path) -> None:
    (tmp_path / "secrets.env").write_text("OPENROUTER_API_KEY=sk-from-file\n")

    assert resolve(Router().config, Settings.load()).accounts["openrouter"].key == "sk-from-file"


def test_without_a_key_the_error_says_what_to_do() -> None:
    with pytest.raises(errors.AuthenticationFailed, match="OPENROUTER_API_KEY") as caught:
        ChatFreeRouter().invoke("x")

    assert "DEV_MODE" in caught.value.hint
    assert caught.value.status_code is None


@pytest.mark.parametrize("key", ["sk-or-…", "sk or", "sk\nor", "sk-\x7f"])
def test_an_impossible_key_is_an_error_that_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", key)
    with pytest.raises(errors.BadSetting, match="no key has") as caught:
        Router().check()

    assert key not in str(caught.value)


def test_whitespace_around_a_key_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", " sk-blank\r\n")

    assert resolve(Router().config, Settings.load()).accounts["openrouter"].key == "sk-blank"


def test_models_are_preferred_in_the_documented_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """FEATURES E2: the requested model, the default, the fallbacks. OPENROUTER_* beats CHAT_*."""
    monkeypatch.setenv("CHAT_MODEL", "chat/default:free")
    monkeypatch.setenv("CHAT_FALLBACK_MODELS", "chat/fallback:free")
    assert resolved().policy.preferred == ("chat/default:free", "chat/fallback:free")
    monkeypatch.setenv("OPENROUTER_DEFAULT_MODEL", "or/default:free")
    monkeypatch.setenv("OPENROUTER_FALLBACK_MODELS", "or/one:free,or/two:free")

    assert resolved(model="x/y:free").policy.preferred == (
        "x/y:free",
        "or/default:free",
        "or/one:free",
        "or/two:free",
    )
    assert resolved(model="x/y:free", fallback_models=["f:free"]).policy.preferred == (
        "x/y:free",
        "f:free",
    )
    only = resolved(model="x/y:free", fallback_models=()).policy
    assert (only.preferred, only.others) == (("x/y:free",), False)


def test_an_argument_takes_precedence_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_TIMEOUT", "7")
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-env")
    monkeypatch.setenv("OPENROUTER_BASE_URL", "http://env.test/v1")

    assert resolved().timeout == 7
    assert resolved(timeout=60.0).timeout == 60
    assert resolved(timeout=None).timeout is None
    account = resolved(api_key="sk-arg", base_url="http://arg.test/v1").accounts["openrouter"]
    assert (account.key, account.base_url) == ("sk-arg", "http://arg.test/v1")
    assert ChatFreeRouter()._router.timeout is not None
    assert resolve(ChatFreeRouter(timeout=60.0)._router.config, Settings.load()).timeout == 60
    assert resolve(ChatFreeRouter()._router.config, Settings.load()).timeout == 7


def test_no_setting_allows_paying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_PREFER_FREE_MODELS", "false")
    monkeypatch.setenv("OPENROUTER_MAX_COST_PER_TOKEN", "1")

    assert not resolved().policy.allow_paid


def test_dev_mode_answers_without_a_provider(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DEV_MODE", "true")
    monkeypatch.setenv(
        "OPENROUTER_API_KEY", "sk-env"
    )  # lying in the environment, it does not switch DEV_MODE off
    with caplog.at_level(logging.WARNING, "freerouter"):
        message = ChatFreeRouter().invoke("hello")

    assert message.response_metadata["simulated"] is True
    assert "DEV_MODE" in caplog.text


@respx.mock
def test_dev_mode_yields_to_a_key_in_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEV_MODE", "true")
    route = respx.route(host="openrouter.ai").mock(
        httpx.Response(401, json={"error": {"message": "no", "code": 401}})
    )
    with pytest.raises(errors.AuthenticationFailed):
        ChatFreeRouter(api_key="sk-code", model="a/b:free", fallback_models=()).invoke("x")

    assert route.called


def test_models_of_dev_mode_are_named_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEV_MODE", "true")

    assert Router().chat("x").metadata["model_name"].startswith("simulated/")
