"""The `freerouter` command as a user runs it: processes, pipes, exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from freerouter_core.simulator import SimAccount, SimModel, World

from ..conftest import Serve
from ..terminal import COMMAND, in_terminal

pytestmark = pytest.mark.timeout(300)  # each test starts processes


def run(
    *arguments: str, stdin: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the command with a clean environment and these variables."""
    names = ("PATH", "PYTHONPATH", "HOME", "PYTHON_KEYRING_BACKEND")
    base = {name: os.environ[name] for name in names if name in os.environ}
    base |= {name: value for name, value in os.environ.items() if name.startswith("XDG_")}
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=90,
        env={**base, **variables},
        check=False,
    )


def run_json(*arguments: str, **variables: str) -> Any:
    """What the command prints with `--json`. It must exit with 0."""
    done = run(*arguments, "--json", **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def server(serve: Serve) -> dict[str, str]:
    world = World(
        [
            SimModel("acme/a:free", first_token=0.0, speed=1e6),
            SimModel("acme/b:free", script=["502"] * 9),
        ],
        clock="real",
    )
    return {"OPENROUTER_BASE_URL": serve(world), "OPENROUTER_API_KEY": "sk-test-12345"}


def test_help_lists_the_commands() -> None:
    done = run("--help")

    assert done.returncode == 0
    for name in ("chat", "models", "doctor", "simulate", "demo"):
        assert name in done.stdout


def test_chat_streams_to_a_pipe(server: dict[str, str]) -> None:
    done = run("chat", "hello", **server)

    assert (done.stdout, done.stderr, done.returncode) == (
        "This is acme/a:free, simulated. You said: hello\n",
        "",
        0,
    )


def test_chat_reads_standard_input(server: dict[str, str]) -> None:
    assert "You said: from a pipe" in run("chat", stdin="from a pipe", **server).stdout


def test_chat_explain_shows_every_attempt(server: dict[str, str]) -> None:
    done = run("chat", "--explain", "--model", "acme/b:free", "hello", **server)

    assert re.search(r"acme/b:free +openrouter +·*█+·* .* busy: server \(502\)", done.stderr)
    assert re.search(r"acme/a:free +openrouter +·*█+·* .* answered", done.stderr)
    assert "send     #1 acme/b:free" in done.stderr


def test_models_are_listed_without_a_key(server: dict[str, str]) -> None:
    del server["OPENROUTER_API_KEY"]
    done = run("models", **server)
    listed = run_json("models", "--tools", **server)

    assert done.returncode == 0
    assert "acme/a:free" in done.stdout
    assert "OPENROUTER_API_KEY is not set" in done.stderr
    assert "freerouter keys set" in done.stderr
    assert [model["id"] for model in listed] == ["acme/a:free", "acme/b:free"]


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("models > /dev/full", 1, "No space left"),
        ("chat hi > /dev/full", 1, "No space left"),
        ("explain hi | head -1", 0, ""),
        ("demo | head -3", 0, ""),
        ("models >&- <&-", 0, ""),
        ("HOME=/proc/none XDG_STATE_HOME= XDG_CACHE_HOME= chat hi", 0, ""),
        (
            "ALL_PROXY=socks5://127.0.0.1:9 OPENROUTER_BASE_URL=http://far.test/v1 models",
            1,
            "cannot be reached: check the network, a proxy",
        ),
    ],
)
def test_a_shell_gets_no_traceback(
    line: str, code: int, words: str, server: dict[str, str]
) -> None:
    """Full disks, readers that leave, closed streams, a home without room, proxies."""
    settings, command = re.match(r"((?:\w+=\S* )*)(.*)", line).groups()  # type: ignore[union-attr]
    program = "python -c 'from freerouter_core.apps import main; main()'"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{settings}{program} {command}"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **server, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        check=False,
    )

    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert words in done.stderr


def test_a_key_is_kept_used_and_forgotten(server: dict[str, str], tmp_path: Path) -> None:
    key = server.pop("OPENROUTER_API_KEY")
    kept = run("keys", "set", "openrouter", stdin=f"{key}\n", **server)
    listed = run_json("keys", "list", **server)
    answer = run("chat", "hello", **server)
    hidden = run("keys", "list", OPENROUTER_API_KEY="sk-other-12345")
    forgotten = run("keys", "remove", "OPENROUTER_API_KEY")
    pasted = run("keys", "set", "openrouter", "sk-or-v1-123456789")
    file = tmp_path / "config" / "freerouter" / "keys.json"

    assert "only you can read" in kept.stdout
    assert [(row["variable"], row["provider"], row["used"]) for row in listed] == [
        ("OPENROUTER_API_KEY", "openrouter", True)
    ]
    assert "You said: hello" in answer.stdout
    assert "the environment has another" in hidden.stdout
    assert (forgotten.returncode, json.loads(file.read_text())) == (0, {})
    assert file.stat().st_mode & 0o777 == 0o600
    assert pasted.returncode == 2
    shown = [
        text for done in (kept, hidden, forgotten, pasted) for text in (done.stdout, done.stderr)
    ]
    assert not any(key in text or "123456789" in text for text in shown)


def test_models_prints_a_table(server: dict[str, str]) -> None:
    done = run("models", **server)

    assert done.returncode == 0
    assert re.search(
        r"acme/a:free\s+131,072\s+tools structured\s+0\s+0\s+-\s+ready",
        done.stdout,
    )
    assert "2 of 2 free models usable now" in done.stdout


def test_doctor_exits_with_0_if_all_is_well(server: dict[str, str]) -> None:
    done = run("doctor", **server)

    assert done.returncode == 0
    assert "accepted: OPENROUTER_API_KEY (environment)" in done.stdout
    assert f"{server['OPENROUTER_BASE_URL']} (OPENROUTER_BASE_URL, environment)" in done.stdout
    assert "2 of 2 free models usable now" in done.stdout
    assert "sk-test" not in done.stdout + done.stderr


def test_doctor_without_a_key_exits_with_3() -> None:
    done = run("doctor")

    assert done.returncode == 3
    assert "not set" in done.stdout
    assert "Traceback" not in done.stderr


def test_doctor_proves_the_key(serve: Serve) -> None:
    url = serve(World([SimModel("acme/a:free")], [SimAccount("sk-right-1234")], clock="real"))
    variables = {"OPENROUTER_BASE_URL": url, "OPENROUTER_API_KEY": "sk-wrong-1234"}
    done = run("doctor", **variables)
    report = run("doctor", "--json", **variables)

    assert done.returncode == report.returncode == 3
    assert "refused: OPENROUTER_API_KEY (environment)" in done.stdout
    assert done.stdout.count("User not found") == 1
    assert "usable" not in done.stdout
    assert json.loads(report.stdout)["providers"][0]["key"] == "refused"
    assert "sk-wrong" not in done.stdout + report.stdout + done.stderr


def test_doctor_without_a_network_exits_with_4() -> None:
    done = run(
        "doctor", OPENROUTER_API_KEY="sk-test-12345", OPENROUTER_BASE_URL="http://127.0.0.1:9/v1"
    )

    assert done.returncode == 4
    assert done.stdout.count("ConnectError") + done.stdout.count("Cannot connect") == 1
    assert "not reachable: http://127.0.0.1:9/v1 (OPENROUTER_BASE_URL, environment)" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "message"),
    [
        (("chat", "hello"), {}, 3, "OPENROUTER_API_KEY"),
        (("chat", "hello"), {"OPENROUTER_TIMEOUT": "soon"}, 2, "OPENROUTER_TIMEOUT"),
        (("chat", "--max-tokens", "0", "hello"), {}, 2, "max-tokens"),
        (("nonsense",), {}, 2, "No such command"),
        (("quota",), {}, 2, "Did you mean 'freerouter stats'?"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(
    arguments: tuple[str, ...], variables: dict[str, str], code: int, message: str
) -> None:
    done = run(*arguments, **variables)

    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "observer" not in done.stderr


def test_dev_mode_says_that_the_answer_is_simulated() -> None:
    done = run("chat", "hello", DEV_MODE="true")

    assert "You said: hello" in done.stdout
    assert "simulated" in done.stderr


@pytest.mark.slow
def test_demo_runs_to_its_end() -> None:
    done = run("demo")

    assert done.returncode == 0, done.stderr
    assert "This world is simulated" in done.stdout
    for text in (
        "rate-limited (429)",
        "nothing in it",
        "no longer free (404)",
        "get_weather",
        "City(name='Lisbon'",
        "1998",
    ):
        assert text in done.stdout
    assert "every call answered, nothing paid" in done.stdout


def test_a_port_that_is_taken_is_no_traceback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("simulate", "--port", str(taken.getsockname()[1]))

    assert done.returncode == 1
    assert "in use; --port 0 picks a free one" in done.stderr
    assert "Traceback" not in done.stderr


def test_simulate_serves_any_client() -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-u",
            "-c",
            "from freerouter_core.apps import main; main()",
            "simulate",
            "--port",
            "0",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = re.search(r"http://\S+", process.stdout.readline())
        assert url is not None
        body = {"model": "cedar/mini:free", "messages": [{"role": "user", "content": "hi"}]}
        answer = httpx.post(
            f"{url[0]}/chat/completions",
            json=body,
            headers={"authorization": "Bearer x"},
            timeout=20,
        )
        bad = httpx.post(
            f"{url[0]}/chat/completions",
            json=body | {"tools": []},
            headers={"authorization": "Bearer x"},
        )
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)

    assert answer.json()["choices"][0]["message"]["content"].endswith("hi")
    assert (bad.status_code, bad.json()["error"]["message"]) == (
        400,
        "'tools' must be a non-empty array",
    )


def test_without_its_extra_the_command_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['click'] = None\nfrom freerouter_core.apps import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 2
    assert "pip install 'freerouter-llm[cli]'" in done.stderr


def test_reports_are_printed_as_json_and_as_tables(server: dict[str, str]) -> None:
    output = {
        name: run_json(*arguments, **server)
        for name, arguments in {
            "models": ("models", "--tools"),
            "discover": ("discover",),
            "recommend": ("recommend", "write Python code"),
            "explain": ("explain", "hello"),
            "stats": ("stats",),
            "config": ("config",),
            "chat": ("chat", "hello"),
        }.items()
    }

    assert [row["id"] for row in output["models"]] == [row["id"] for row in output["explain"]]
    assert output["discover"]["providers"] == {"openrouter": {"listed": 2, "free": 2}}
    assert set(output["recommend"][0]["parts"]) == {
        "capability",
        "context",
        "provider",
        "free",
        "availability",
    }
    assert output["stats"]["stats"]["free"] == 2
    assert output["chat"]["model_name"] == "acme/a:free"
    assert "acme/a:free" in run("recommend", "write Python code", **server).stdout
    assert "of 20 requests a minute" in run("stats", **server).stdout


def test_config_shows_the_origin_of_a_setting_but_no_key(tmp_path: Path) -> None:
    (tmp_path / "freerouter.toml").write_text("openrouter_timeout = 9\n")
    done = run("config", "--json", OPENROUTER_API_KEY="sk-secret-1", DEV_MODE="true", COLUMNS="40")
    rows = {row["name"]: row for row in json.loads(done.stdout)["settings"]}

    assert rows["OPENROUTER_API_KEY"] == {
        "name": "OPENROUTER_API_KEY",
        "value": "set",
        "origin": "environment",
    }
    assert (rows["OPENROUTER_TIMEOUT"]["value"], rows["OPENROUTER_TIMEOUT"]["origin"]) == (
        9.0,
        str(tmp_path / "freerouter.toml"),
    )
    assert rows["FREEROUTER_STATE"]["origin"] == "default"
    assert "sk-secret" not in done.stdout + run("config", OPENROUTER_API_KEY="sk-secret-1").stdout


def test_a_conversation_and_its_commands(
    server: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a terminal, but the lines come from a list."""
    from freerouter_core.apps.cli.chat import Conversation

    typed = iter(
        ["hello", "/explain", "/model acme/b:free", "and you?", "/reset", "/what", "/quit", "never"]
    )
    with World([SimModel("acme/a:free"), SimModel("acme/b:free")]) as world:
        conversation = Conversation(world.router(model="acme/a:free"), system="be brief")
        conversation.run(lambda prompt: next(typed))
        prompts = [[m["content"] for m in request.body["messages"]] for request in world.requests]

    assert world.asked == ["acme/a:free", "acme/b:free"]
    assert prompts[1][0] == "be brief"
    assert prompts[1][1] == "hello"
    assert prompts[1][3] == "and you?"
    shown = capsys.readouterr()
    assert "You said: hello" in shown.out
    assert re.search(r"acme/a:free .*█+·* .* answered", shown.err)
    assert "/model NAME" in shown.err
    assert next(typed) == "never"


def test_serve_answers_and_shuts_down_while_a_stream_is_open() -> None:
    slow = World(
        [
            SimModel(
                "acme/slow:free", first_token=0.0, speed=20.0, says=lambda request: "word " * 2_000
            )
        ],
        clock="real",
    )
    from freerouter_core.simulator.server import served

    with (
        served(slow) as url,
        subprocess.Popen(
            [
                *COMMAND,
                "serve",
                "--port",
                "0",
                "--grace",
                "1",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "OPENROUTER_BASE_URL": url,
                "OPENROUTER_API_KEY": "sk-test-12345",
                "PYTHONUNBUFFERED": "1",
            },
        ) as process,
    ):
        try:
            assert process.stdout is not None
            address = re.search(r"http://127.0.0.1:\d+", process.stdout.readline())
            assert address is not None
            body = {
                "model": "auto",
                "stream": True,
                "messages": [{"role": "user", "content": "hi"}],
            }
            with httpx.stream(
                "POST", f"{address.group()}/v1/chat/completions", json=body, timeout=30
            ) as response:
                lines = response.iter_lines()
                assert next(lines).startswith("data: ")
                process.send_signal(signal.SIGINT)
                rest = [line for line in lines if line]
            assert "shutting down" in rest[-2]
            assert rest[-1] == "data: [DONE]"
            assert process.wait(30) == 0
            assert process.stderr is not None
            assert "Traceback" not in process.stderr.read()
        finally:
            process.kill()


def test_serve_answers_to_admitted_names_and_apps_and_maps_models(serve: Serve) -> None:
    half = SimModel("acme/half:free", first_token=0.0, speed=1e6, script=["mid-stream-cut"])
    whole = SimModel("acme/whole:free", first_token=0.0, speed=1e6)
    world = World([half, whole], clock="real")
    url = serve(world)
    command = [*COMMAND, "serve", "--port", "0", "--allow-host", "my.test", "--max-requests", "9"]
    command += ["--map", "gpt-*=acme/half:free", "--on-stream-break", "continue"]
    variables = {
        "OPENROUTER_BASE_URL": url,
        "OPENROUTER_API_KEY": "sk-test-12345",
        "FREEROUTER_SERVE_ORIGINS": "app://one.test app://two.test",
        "PYTHONUNBUFFERED": "1",
    }
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **variables}
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://127.0.0.1:\d+", process.stdout.readline())
            assert found is not None
            statuses = [
                httpx.get(f"{found.group()}/health", headers=headers, timeout=30).status_code
                for headers in (
                    {},
                    {"host": "my.test"},
                    {"host": "other.test"},
                    {"origin": "app://two.test"},
                    {"origin": "app://three.test"},
                )
            ]
            assert statuses == [200, 200, 403, 200, 403]
            messages = [{"role": "user", "content": "hello"}]
            body = {"model": "gpt-9", "messages": messages, "stream": True}
            address = f"{found.group()}/v1/chat/completions"
            stream = httpx.post(address, json=body, timeout=30).text
            assert world.asked == ["acme/half:free", "acme/whole:free"]
            assert "Once" in stream
            assert '"error"' not in stream
        finally:
            process.kill()


def test_serve_refuses_a_map_without_a_model() -> None:
    done = run("serve", "--port", "0", "--map", "claude-*", OPENROUTER_API_KEY="sk-test-12345")

    assert done.returncode == 2
    assert "PATTERN=MODEL" in done.stderr


def test_serve_on_a_public_address_needs_a_token() -> None:
    done = run("serve", "--host", "0.0.0.0", OPENROUTER_API_KEY="sk-test-12345")  # noqa: S104

    assert done.returncode == 2
    assert "--token" in done.stderr


def test_probe_asks_every_model_once_and_resumes(serve: Serve, tmp_path: Path) -> None:
    world = World(
        [
            SimModel("acme/a:free", first_token=0.0, speed=1e6),
            SimModel("acme/b:free", first_token=0.05, speed=1e6),
            SimModel("acme/c:free", script=["404-gone"] * 9),
        ],
        clock="real",
    )
    variables = {"OPENROUTER_BASE_URL": serve(world), "OPENROUTER_API_KEY": "sk-test-12345"}
    report = tmp_path / "probe.json"
    first = run("probe", "--limit", "1", "--spacing", "0", "--report", str(report), **variables)
    done = run(
        "probe", "--resume", "--spacing", "0", "--report", str(report), "--json", **variables
    )
    results = json.loads(done.stdout)

    assert first.returncode == done.returncode == 0
    assert "1 of 1 answered (100%)" in first.stdout or "0 of 1" in first.stdout
    assert sorted(world.asked) == ["acme/a:free", "acme/b:free", "acme/c:free"], (
        "each model is asked once"
    )
    assert (results["summary"]["asked"], results["summary"]["answered"]) == (3, 2)
    assert json.loads(report.read_text()) == results
    failed = next(row for row in results["results"] if not row["ok"])
    assert (failed["model"], failed["fault"]) == ("acme/c:free", "gone")
    assert "3 models" not in done.stderr
    assert "2 models, one request each" in done.stderr


def test_an_interrupted_probe_keeps_its_results(serve: Serve, tmp_path: Path) -> None:
    world = World(
        [SimModel(f"acme/m{n}:free", first_token=0.0, speed=1e6) for n in range(4)], clock="real"
    )
    report = tmp_path / "probe.json"
    with subprocess.Popen(
        [
            *COMMAND,
            "probe",
            "--spacing",
            "20",
            "--report",
            str(report),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "OPENROUTER_BASE_URL": serve(world),
            "OPENROUTER_API_KEY": "sk-test-12345",
            "PYTHONUNBUFFERED": "1",
        },
    ) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if "answered" in line:
                    break
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()

    assert process.returncode == 130
    assert "1 of 1 answered" in out
    assert "--resume" in err
    assert len(json.loads(report.read_text())["results"]) == 1


def test_a_new_process_knows_what_earlier_ones_did(server: dict[str, str], tmp_path: Path) -> None:
    state = {**server, "FREEROUTER_STATE": f"sqlite:///{tmp_path}/shared.db"}
    for _ in range(2):
        run("chat", "hi", "-m", "acme/a:free", **state)
    stats = run_json("stats", **state)

    assert stats["performance"]["total"]["answers"] == 2
    assert stats["quota"]["lines"][0]["used"] == 2


def test_config_shows_no_password_of_a_url(tmp_path: Path) -> None:
    url = "redis://:hunter2@127.0.0.1:6379/0"
    done = run(
        "config",
        "--json",
        OPENROUTER_API_KEY="k",
        FREEROUTER_STATE=url,
        OPENROUTER_BASE_URL="http://u:pw99@h/v1",
    )

    assert "hunter2" not in done.stdout
    assert "pw99" not in done.stdout
    assert "127.0.0.1:6379" in done.stdout


def test_odd_terminals_cause_no_crash(server: dict[str, str]) -> None:
    done = run("chat", "hé", **server, PYTHONIOENCODING="ascii")
    empty = run("chat", stdin=" \n", **server)

    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert empty.returncode == 2


def test_serve_without_a_key_exits_with_3() -> None:
    assert run("serve", "--port", "0").returncode == 3


def test_a_table_fits_a_narrow_terminal(server: dict[str, str]) -> None:
    """A real terminal of 40 columns: no line is wider, and names are not cut."""
    output = in_terminal(["models"], 40, server)
    lines = re.sub(r"\x1b\[[\d;]*m", "", output).splitlines()

    assert max(map(len, lines)) <= 40
    assert any(line.startswith("acme/a:free ") for line in lines)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_the_commands(shell: str) -> None:
    typed = {"COMP_WORDS": "freerouter mod", "COMP_CWORD": "mod" if shell == "fish" else "1"}
    script = run_installed(_FREEROUTER_COMPLETE=f"{shell}_source")
    completions = run_installed(_FREEROUTER_COMPLETE=f"{shell}_complete", **typed)

    assert "freerouter" in script
    assert "models" in completions


def test_a_shell_completes_providers_and_templates(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "freerouter" / "templates"
    folder.mkdir(parents=True)
    (folder / "translate.toml").write_text('prompt = "x"')
    typed = ("freerouter keys set gr", "3"), ("freerouter chat -t tr", "3")
    groq, translate = (
        run_installed(_FREEROUTER_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=place)
        for words, place in typed
    )

    assert "groq" in groq
    assert "translate" in translate


def test_warnings_are_sentences(server: dict[str, str]) -> None:
    done = run("chat", "hi", **{**server, "FREEROUTER_STATE": "sqlite:////proc/none/state.db"})
    lost = run("models", **{**server, "OPENROUTER_BASE_URL": "http://127.0.0.1:9/v1"})

    assert done.returncode == 0
    assert "what other processes know cannot be read" in done.stderr
    assert "the models of openrouter could not be listed" in lost.stderr
    assert "reason=" not in done.stderr + lost.stderr


def run_installed(**variables: str) -> str:
    """Run the installed command, because completion depends on its name."""
    program = Path(sys.executable).parent / "freerouter"
    done = subprocess.run(
        [program],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **variables},
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.stdout


def test_doctor_says_why_no_model_would_be_asked(server: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "freerouter.toml").write_text("[router]\nmin_context = 900000000")
    failing = run("doctor", "--json", **server)
    (tmp_path / "freerouter.toml").unlink()
    working = run("doctor", "--json", **server)

    assert (failing.returncode, json.loads(failing.stdout)["well"]) == (1, False)
    assert "min_context" in json.loads(failing.stdout)["problem"]
    assert (working.returncode, json.loads(working.stdout)["well"]) == (0, True)


def test_an_interrupted_chat_exits_with_130(serve: Serve) -> None:
    received = threading.Event()
    slow = SimModel("acme/a:free", first_token=600.0, says=lambda request: received.set())
    world = World([slow], clock="real")
    program = [*COMMAND, "chat", "hello"]
    variables = {"OPENROUTER_BASE_URL": serve(world), "OPENROUTER_API_KEY": "sk-test-12345"}
    with subprocess.Popen(
        program, stderr=subprocess.PIPE, text=True, env={**os.environ, **variables}
    ) as process:
        assert received.wait(60)
        process.send_signal(signal.SIGINT)
        stderr = process.stderr.read() if process.stderr else ""

    assert (process.returncode, "Traceback" in stderr) == (130, False)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("redis://u:pa@SECRET@h:1/0", "redis://…@h:1/0"),
        ("redis://u:p/w-SECRET@h", "redis://…@h"),
        ("https://h/v1?key=SECRET&x=1", "https://h/v1?key=…&x=…"),
        ("sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
        ("memory", "memory"),
    ],
)
def test_secrets_in_urls_are_masked(value: str, shown: str) -> None:
    from freerouter_core.apps.cli.config import mask_url

    assert mask_url(value) == shown
