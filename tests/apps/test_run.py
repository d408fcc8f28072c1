"""`freerouter run`: a client gets a service of its own, by its variables, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from freerouter_core.apps.cli.client_secrets import without_secrets
from freerouter_core.apps.cli.clients import Service, applied, setup_of
from freerouter_core.apps.cli.main import cli
from freerouter_core.settings import Settings, known_providers
from freerouter_core.simulator import SimModel, World

from ..conftest import Serve
from ..terminal import COMMAND

pytestmark = pytest.mark.timeout(300)  # each test starts processes
SERVICE = Service(address="http://127.0.0.1:9", token="t0ken", model="auto")

STUB = """
import json, os, sys, urllib.request
def ask(path, body, **headers):
    base = os.environ["ANTHROPIC_BASE_URL"]
    headers["content-type"] = "application/json"
    request = urllib.request.Request(base + path, json.dumps(body).encode(), headers)
    return json.load(urllib.request.urlopen(request, timeout=60))
token = os.environ.get("ANTHROPIC_AUTH_TOKEN") or os.environ["ANTHROPIC_API_KEY"]
body = {"model": "claude-sonnet-5", "messages": [{"role": "user", "content": sys.stdin.read()}]}
said = ask("/v1/chat/completions", body, authorization="Bearer " + token)
print(json.dumps({"arguments": sys.argv[1:], "variables": dict(os.environ), "said": said}))
sys.exit(7)
"""


@pytest.fixture
def variables(serve: Serve, tmp_path: Path) -> dict[str, str]:
    """The environment of the command: a home of its own, and models of a simulated world."""
    failing = SimModel("acme/a:free", first_token=0.0, speed=1e6, script=["502"])
    other = SimModel("acme/b:free", first_token=0.0, speed=1e6, script=["502"])
    world = World([failing, other], clock="real")  # whoever is asked first fails
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return {
        **kept,
        "HOME": str(tmp_path / "home"),
        "OPENROUTER_BASE_URL": serve(world),
        "OPENROUTER_API_KEY": "sk-or-v1-of-the-user",
    }


def run(*arguments: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "run", *arguments],
        input="hello",
        capture_output=True,
        text=True,
        timeout=90,
        env=variables,
        check=False,
    )


def stub(folder: Path, name: str, text: str = STUB) -> Path:
    """A program that is called like a client."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)
    return path


def test_a_client_finds_a_service_and_its_exit_code_is_passed_on(
    variables: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    stub(folder, "claude")
    variables |= {
        "PATH": f"{folder}{os.pathsep}{variables['PATH']}",
        "ANTHROPIC_API_KEY": "sk-ant-of-the-user",
        "NO_PROXY": "example.test",
    }
    done = run("-m", "acme/a:free", "claude", "-p", "--model", "x", variables=variables)

    assert done.returncode == 7, done.stderr
    assert done.stderr == ""
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["arguments"] == ["-p", "--model", "x"]
    assert told["said"]["choices"][0]["message"]["content"].endswith("You said: hello")
    given = told["variables"]
    assert "ANTHROPIC_API_KEY" not in given
    assert given["ANTHROPIC_MODEL"] == given["ANTHROPIC_DEFAULT_HAIKU_MODEL"] == "acme/a:free"
    assert given["NO_PROXY"] == "example.test,127.0.0.1,localhost"
    assert len(given["ANTHROPIC_AUTH_TOKEN"]) >= 32
    address = urlsplit(given["ANTHROPIC_BASE_URL"])
    with socket.socket() as probe:  # the service ended with the client
        assert probe.connect_ex((str(address.hostname), int(address.port or 0))) != 0
    written = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert all("freerouter" in path.parts for path in written), written


def test_a_program_of_any_kind_finds_the_sdks_variables(
    variables: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "log.txt"
    program = stub(tmp_path, "mine.py")

    done = run("--log", str(log), sys.executable, str(program), "--help", variables=variables)

    assert done.returncode == 7, done.stderr
    given = json.loads(done.stdout)["variables"]
    assert given["OPENAI_BASE_URL"] == f"{given['ANTHROPIC_BASE_URL']}/v1"
    assert given["OPENAI_API_KEY"] == given["ANTHROPIC_API_KEY"]
    assert "AttemptFailed model=acme/" in log.read_text()


def test_a_signal_reaches_the_client_and_its_death_is_told(
    variables: dict[str, str], tmp_path: Path
) -> None:
    text = """
import os, signal
signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"terminated\\n"), os._exit(3)))
os.write(1, b"ready\\n")
signal.pause()
"""
    for number, code, said in ((signal.SIGTERM, 3, "terminated\n"), (signal.SIGINT, 130, "")):
        with subprocess.Popen(
            [*COMMAND, "run", sys.executable, str(stub(tmp_path, "waits.py", text))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=variables,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
            assert process.stdout.read() == said
            assert process.wait(30) == code


def test_what_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-of-the-user")
    client, other, odd = (
        CliRunner().invoke(cli, ["run", *arguments])
        for arguments in (["opencode"], ["no-such-program"], ["--map", "odd", sys.executable])
    )

    assert (client.exit_code, other.exit_code, odd.exit_code) == (127, 127, 2)
    assert "npm install -g opencode-ai" in client.stderr
    assert other.stderr == "no-such-program: command not found\n"


# -- what each does not get ------------------------------------------------------------------------

KEY = "sk-or-v1-of-the-user"
SECRETS = {
    "OPENROUTER_API_KEY": KEY,
    "groq_api_key": "gsk-of-the-user",
    "GITHUB_TOKEN": "ghp-of-the-user",
    "GH_TOKEN": "ghp-of-the-user",
    "OLLAMA_API_KEY": "1",
    "LAB_SECRET": "lab-of-the-user",
    "MY_COPY": f"openrouter={KEY}",
    "FREEROUTER_SERVE_TOKEN": "first-token second-token",
    "ONE_TOKEN": "second-token",
    "FREEROUTER_STATE": "redis://:hunter2@store.test/0",
    "FREEROUTER_ANSWER_CACHE": "redis://store.test/1?password=hunter2",
    "OPENROUTER_BASE_URL": "https://me:hunter2@proxy.test/v1",
    "COPY_OF_STATE": "redis://:hunter2@store.test/0",
    "OF_DOTENV": "nvapi-of-a-dotenv",
}
"""Variables that hold what FreeRouter keeps to itself."""
HARMLESS = {
    "PATH": "/usr/bin",
    "SHLVL": "1",
    "OLLAMA_BASE_URL": "http://127.0.0.1:11434/v1",
    "FREEROUTER_PROVIDERS": "groq,lab",
    "AWS_SECRET_ACCESS_KEY": "of-something-else",
}
FILE = """
[providers.lab]
base_url = "https://lab.test/v1"
keys = ["LAB_SECRET"]
"""


def settings_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an environment with all of these, and of two files."""
    (folder / "freerouter.toml").write_text(FILE)
    (folder / ".env").write_text("NVIDIA_API_KEY=nvapi-of-a-dotenv\n")
    for name, value in (SECRETS | HARMLESS).items():
        monkeypatch.setenv(name, value)
    return Settings.load(folder)


def test_a_client_gets_no_key(variables: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    variables |= {"GROQ_API_KEY": "gsk-of-the-user", "MY_COPY": KEY}
    show = "import os; print(*(f'{name}={value}' for name, value in os.environ.items()), sep='\\n')"

    done = run("--log", str(log), sys.executable, "-c", show, variables=variables)
    keeps = run("--keep-env", "GROQ_API_KEY", sys.executable, "-c", show, variables=variables)

    assert done.returncode == keeps.returncode == 0, done.stderr
    assert "OPENAI_API_KEY=fr-" in done.stdout
    assert "of-the-user" not in done.stdout
    assert "does not get: GROQ_API_KEY, MY_COPY, OPENROUTER_API_KEY" in log.read_text()
    assert "of-the-user" not in log.read_text()
    assert "GROQ_API_KEY=gsk-of-the-user" in keeps.stdout
    assert KEY not in keeps.stdout


def test_no_name_and_no_copy_brings_a_secret_to_a_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(tmp_path, monkeypatch)

    assert without_secrets(SECRETS | HARMLESS, settings) == HARMLESS


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        (["GITHUB_TOKEN"], {"GITHUB_TOKEN", "GH_TOKEN"}),  # the same secret
        (["github_token"], {"GITHUB_TOKEN", "GH_TOKEN"}),
        (["MY_COPY", "LAB_SECRET"], {"MY_COPY", "LAB_SECRET"}),
        (["FREEROUTER_STATE"], {"FREEROUTER_STATE", "COPY_OF_STATE"}),
        (["NO_SUCH"], set()),
    ],
)
def test_what_the_user_wants_is_kept(
    keep: list[str], kept: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(tmp_path, monkeypatch)

    assert without_secrets(SECRETS | HARMLESS, settings, keep).keys() == kept | HARMLESS.keys()


def test_every_key_of_every_provider_stays_here() -> None:
    names = [name for row in known_providers().values() for name in row.get("keys", ())]

    assert len(names) >= 30
    assert without_secrets(dict.fromkeys(names, "x"), Settings.load()) == {}


# -- what each is told -----------------------------------------------------------------------------


def test_claude_is_led_to_the_service_and_nowhere_else() -> None:
    given = {"CLAUDE_CODE_USE_BEDROCK": "1", "ANTHROPIC_API_KEY": "sk-ant-x", "HOME": "/h"}
    setup = setup_of("claude", SERVICE, given)
    environment = applied(setup.variables, given)

    assert environment["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:9"
    assert environment["ANTHROPIC_AUTH_TOKEN"] == "t0ken"
    assert not environment.keys() & given.keys() - {"HOME"}
    assert setup.arguments == ()


def test_codex_is_told_by_arguments_which_hold_no_token() -> None:
    setup = setup_of("/usr/bin/codex", SERVICE, {})

    assert "t0ken" not in str(setup.arguments)
    assert setup.variables["FREEROUTER_RUN_TOKEN"] == "t0ken"
    settings = setup.arguments[1::2]
    assert set(setup.arguments[::2]) == {"-c"}
    assert 'model_providers.freerouter.base_url="http://127.0.0.1:9/v1"' in settings
    assert 'model_providers.freerouter.wire_api="responses"' in settings
    assert 'model_provider="freerouter"' in settings


@pytest.mark.parametrize("given", ["", "{", "[]", '{"provider": 7}'])
def test_opencode_is_told_by_its_variable(given: str) -> None:
    setup = setup_of("opencode.CMD", SERVICE, {"OPENCODE_CONFIG_CONTENT": given})
    config = json.loads(setup.variables["OPENCODE_CONFIG_CONTENT"] or "")

    assert config["model"] == "freerouter/auto"
    options = config["provider"]["freerouter"]["options"]
    assert options == {"baseURL": "http://127.0.0.1:9/v1", "apiKey": "{env:FREEROUTER_RUN_TOKEN}"}


def test_what_the_user_tells_opencode_is_kept() -> None:
    given = {"theme": "x", "provider": {"other": {"name": "o"}}}
    setup = setup_of("opencode", SERVICE, {"OPENCODE_CONFIG_CONTENT": json.dumps(given)})
    config = json.loads(setup.variables["OPENCODE_CONFIG_CONTENT"] or "")

    assert config["theme"] == "x"
    assert set(config["provider"]) == {"other", "freerouter"}


def test_aider_is_told_by_variables_that_win_over_its_files() -> None:
    variables = setup_of("aider", SERVICE, {}).variables

    assert variables["AIDER_MODEL"] == "openai/auto"
    assert variables["OPENAI_API_BASE"] == variables["AIDER_OPENAI_API_BASE"] == SERVICE.openai
