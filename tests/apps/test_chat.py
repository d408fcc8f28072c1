"""`freerouter chat`, its logs and its templates."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from freerouter_core.apps.cli import cli, conversation_log
from freerouter_core.apps.cli.attachments import part_of
from freerouter_core.apps.cli.conversation_log import ConversationLog, Exchange
from freerouter_core.apps.cli.log_lines import tell_warnings
from freerouter_core.errors import BadRequest
from freerouter_core.events import log
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import SimModel, World

from .shell import Shell, shell

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    models = [
        SimModel("acme/words:free", context=262_144),
        SimModel("acme/eyes:free", inputs=("text", "image", "file", "audio")),
    ]
    with shell(World(models), tmp_path, monkeypatch) as running:
        yield running


def contents(user: Shell) -> list[object]:
    """The user's messages of the last request."""
    return [m["content"] for m in user.world.requests[-1].body["messages"] if m["role"] == "user"]


@pytest.mark.parametrize(
    ("arguments", "stdin", "prompt"),
    [
        (["why?"], None, "why?"),
        (["why?"], b"", "why?"),
        (["summarise"], "a file é\n".encode(), "a file é\n\nsummarise"),
        (["-"], b"all of it", "all of it"),
        ([], b"all of it", "all of it"),
    ],
)
def test_standard_input_joins_the_prompt(
    user: Shell, arguments: list[str], stdin: bytes | None, prompt: str
) -> None:
    screen = user.run("chat", *arguments, stdin=stdin)

    assert (screen.code, screen.err) == (0, "")
    assert contents(user) == [prompt]


def test_a_warning_stands_in_a_line_of_its_own(
    user: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One stream shows both, as a terminal does. It may come before the answer, or within it."""
    monkeypatch.setattr(log, "handlers", [])
    tell_warnings()
    Runtime._current = user.world.runtime
    done = CliRunner().invoke(cli, ["chat", "-m", "acme/gone:free", "hi"])
    lines = done.output.splitlines()
    [warning] = [line for line in lines if line.startswith("model 'acme/gone:free' was asked for")]
    lines.remove(warning)

    assert warning.endswith("answers instead")
    assert "".join(lines).endswith("You said: hi")


def test_an_option_of_another_kind_asks_nobody(user: Shell) -> None:
    screen = user.run("chat", "-o", "temperature", "hot", "hi")

    assert screen.code == 2
    assert screen.err.startswith("BadRequest: temperature must be")
    assert user.world.requests == []


def test_input_that_is_no_text_is_told(user: Shell) -> None:
    screen = user.run("chat", "what is it?", stdin=PNG)

    assert screen.code == 2
    assert "-a -" in screen.err
    assert user.world.requests == []


def test_attachments_go_with_the_prompt(user: Shell, tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(PNG)
    (tmp_path / "n.txt").write_text("notes", "utf-8")
    screen = user.run("chat", "-a", "p.png", "-a", "n.txt", "-a", "-", "look", stdin=b"%PDF-1.7 x")
    (content,) = contents(user)

    assert screen.code == 0, screen.err
    assert isinstance(content, list)
    kinds = [part["type"] for part in content]
    assert kinds == ["text", "image_url", "text", "file"]
    assert content[1]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert content[2]["text"] == "--- n.txt ---\nnotes"
    assert content[3]["file"]["filename"] == "standard input"
    assert user.run("chat", "-a", "none.png", "x").code == 2


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "image_url"),
        (b"GIF89a", "image_url"),
        (b"RIFF0000WEBPVP8 ", "image_url"),
        (b"RIFF0000WAVEfmt ", "input_audio"),
        (b"ID3\x03", "input_audio"),
        ("plain é".encode(), "text"),
        (b"", "text"),
    ],
)
def test_a_file_is_told_by_its_content(content: bytes, kind: str) -> None:
    assert part_of(content, "f")["type"] == kind


@pytest.mark.parametrize("content", [b"\x00\x01\x02", b"\xff\xfe\xfa\x80"])
def test_what_no_model_reads_is_not_attached(content: bytes) -> None:
    with pytest.raises(BadRequest, match="neither text nor"):
        part_of(content, "f")


def test_a_conversation_goes_on_and_is_shown(user: Shell) -> None:
    user.run("chat", "-s", "be brief", "one")
    first = ConversationLog().newest_conversation()
    user.run("chat", "another")
    user.run("chat", "--cid", str(first), "two")
    user.run("chat", "-c", "three")
    messages = [m["content"] for m in user.world.requests[-1].body["messages"]]
    listed = json.loads(user.run("logs", "--json", "-c", "-n", "0").out)

    assert messages[0] == "be brief"
    assert contents(user) == ["one", "two", "three"]
    assert [row["prompt"] for row in listed] == ["one", "two", "three"]
    assert {row["conversation"] for row in listed} == {first}
    shown = user.run("logs", "-q", "ANOTHER").out
    assert "> another" in shown and "> one" not in shown
    assert user.run("logs", "-r").out.strip().endswith("You said: three")
    assert user.run("chat", "--cid", "nobody", "x").code == 2
    assert "4 exchanges" in user.run("logs", "status").out
    assert user.run("logs", "clear", "--yes").code == 0
    assert "nothing was logged yet" in user.run("logs").out
    assert user.run("chat", "-c", "x").code == 2


def test_logs_are_for_their_owner_bounded_without_keys_and_can_be_off(
    user: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-or-v1-pasted-0123456789"
    user.run("chat", f"is {key} a key?")
    log = ConversationLog()
    assert log.path.stat().st_mode & 0o777 == 0o600
    assert key.encode() not in log.path.read_bytes()

    monkeypatch.setattr(conversation_log, "MAX_EXCHANGES", 5)
    monkeypatch.setattr(conversation_log, "MAX_BYTES", 3_000)
    for n in range(12):
        log.add(exchange(n, content="x" * 100))
    kept = [exchange.at for exchange in log.last(None)]
    assert kept == [7.0, 8.0, 9.0, 10.0, 11.0]
    log.add(exchange(12, content="x" * 2_900))
    assert [exchange.at for exchange in log.last(None)] == [12.0]

    log.clear()
    user.run("chat", "-n", "secret")
    monkeypatch.setenv("FREEROUTER_LOGS", "false")
    user.run("chat", "secret")
    assert log.last(None) == []
    assert user.run("logs", "status").out.startswith("logs are off")


def exchange(number: int, content: str | list[dict[str, object]]) -> Exchange:
    return Exchange(
        conversation="c",
        at=float(number),
        asked="auto",
        model="m",
        provider="p",
        system="",
        content=content,
        answer="a",
    )


def test_a_large_attachment_is_not_kept(tmp_path: Path) -> None:
    log = ConversationLog(tmp_path / "l.db")
    url = "data:image/png;base64," + "A" * 2_000_000
    log.add(exchange(1, [{"type": "image_url", "image_url": {"url": url}}]))

    assert log.last(1)[0].prompt == "[image_url: too large to be kept]"


def test_a_log_that_cannot_be_written_costs_no_answer(
    user: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = ConversationLog()
    log.path.parent.mkdir(parents=True)
    log.path.write_bytes(b"not a database, but somebody's file" * 100)
    broken = user.run("chat", "hello")
    shown = user.run("logs")
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/none")
    lost = user.run("chat", "hello")

    assert (broken.code, lost.code, shown.code) == (0, 0, 2)
    assert broken.err.count("not kept in freerouter logs") == 1
    assert lost.err.count("not kept in freerouter logs") == 1
    with pytest.raises(sqlite3.Error):
        log.last(1)


def test_templates_are_filled(user: Shell, tmp_path: Path) -> None:
    saved = user.run(
        "templates", "save", "tr", "To $lang: $input", "-s", "be $tone", "-p", "tone", 'so "kind"'
    )
    user.run("templates", "save", "terse", "-s", "one line")
    user.run("chat", "-t", "tr", "-p", "lang", "German", "good morning")
    body = user.world.requests[-1].body["messages"]
    assert saved.code == 0
    assert [m["content"] for m in body] == ['be so "kind"', "To German: good morning"]
    user.run("chat", "-t", "terse", "why?", stdin=b"text")
    assert contents(user) == ["text\n\nwhy?"]
    listed = json.loads(user.run("templates", "list", "--json").out)
    assert listed["tr"]["defaults"] == {"tone": 'so "kind"'}
    assert "-p lang VALUE" in user.run("chat", "-t", "tr", "x").err
    assert "no parameter 'x'" in user.run("chat", "-t", "terse", "-p", "x", "1", "y").err
    assert "there are: terse, tr" in user.run("chat", "-t", "none", "x").err
    assert user.run("chat", "-p", "a", "b", "x").code == 2
    assert user.run("templates", "save", "../evil", "x").code == 2
    assert user.run("templates", "remove", "tr").code == 0
    assert "terse" in user.run("templates", "list").out


def test_fields_of_the_request_are_given_as_options(user: Shell) -> None:
    screen = user.run("chat", "-o", "temperature", "0.2", "-o", "stop", "END", "--json", "hello")
    body = user.world.requests[-1].body

    assert (body["temperature"], body["stop"]) == (0.2, "END")
    assert re.fullmatch(r"[0-9a-f]{14}", json.loads(screen.out)["conversation"])
