"""Every command at 60, 80 and 160 columns, in a dumb and in a rich terminal, against golden files.

The files in `golden/` are what people see. `pytest --renew tests/apps/test_screens.py` writes them
anew; look at the difference before you commit it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from freerouter_core.apps.cli import cli
from freerouter_core.apps.cli.main import SECTIONS
from freerouter_core.simulator import SimAccount, SimModel, World, calm_models

from .shell import STYLES, Screen, Shell, leaves, shell

GOLDEN = Path(__file__).parent / "golden"
WIDTHS = (60, 80, 160)
LONG = "nvidia/nemotron-3-super-120b-a12b:free"
ADD = """there is no screen of `freerouter {words}`. To add one:
1. add a row to SCREENS in tests/apps/test_screens.py: its arguments, or None if only its help can
   be shown, for example because it runs until it is stopped;
2. run: pytest --renew tests/apps/test_screens.py
3. if it has arguments, look at tests/apps/golden/{file}, and commit it."""


@dataclass(frozen=True)
class Case:
    """How a command is shown.

    `arguments`: after the command's words. `before`: lines to run first. `pause`: seconds that pass
    first, so that no model is benched. `moves`: whether it draws progress, in real time.
    """

    arguments: tuple[str, ...] = ()
    stdin: bytes | None = None
    before: tuple[tuple[str, ...], ...] = ()
    pause: float = 0.0
    moves: bool = False


SCREENS: dict[str, Case | None] = {  # the words of None are in docs/reference/command.md
    "benchmark": Case(("cedar/mini:free", "--task", "code", "--spacing", "0")),
    "bulk export": None,
    "bulk resume": None,
    "bulk retry": None,
    "bulk run": None,
    "bulk status": None,
    "cache clear": None,
    "cache show": None,
    "cache stats": None,
    "chat": Case(("--explain", "-m", "acme/late:free", "Why is the sky blue?"), pause=3_600),
    "config": Case(),
    "demo": None,  # runs in real time
    "discover": Case(),
    "doctor": Case(),
    "embed": None,
    "explain": Case(("Why is the sky blue?",)),
    "keys list": Case(before=(("keys", "set", "groq"), ("keys", "set", "openrouter"))),
    "keys path": Case(),
    "keys remove": Case(("groq",), before=(("keys", "set", "groq"),)),
    "keys set": Case(("groq",), stdin=b"gsk_0123456789abcdef"),
    "local list": None,  # looks at this machine
    "local up": None,
    "logs": None,  # tells the time
    "logs clear": Case(("--yes",)),
    "logs path": Case(),
    "logs status": None,  # tells a size
    "mcp": None,
    "models": Case(("--all",)),
    "probe": Case(("--spacing", "0"), pause=3_600, moves=True),
    "recommend": Case(("Generate Python code",)),
    "run": None,
    "serve": None,
    "simulate": None,
    "stats": Case(),
    "templates list": Case(
        before=(("templates", "save", "tr", "To $lang: $input", "-s", "Be kind"),)
    ),
    "templates path": Case(),
    "templates remove": Case(("tr",), before=(("templates", "save", "tr", "x"),)),
    "templates save": Case(("tr", "To $lang: $input")),
    "templates show": Case(("tr",), before=(("templates", "save", "tr", "To $lang: $input"),)),
    "trust": Case(("--yes",)),
}
UNSTEADY = ("chat", "benchmark")
"""What asks models: the second time is not the same as the first."""
COMMANDS = dict(leaves(cli))


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """Somebody with a key that has fifty requests a day, two models that failed, and a project."""
    models = [
        SimModel(LONG, context=1_000_000, script=["502"] * 99),
        SimModel("acme/late:free", script=["429-retry-after"] * 99),
        *calm_models(),
    ]
    world = World(models, [SimAccount("sk-simulated", 20, per_day=50)], seed=3)
    (tmp_path / "freerouter.toml").write_text("[router]\nprefer = 'quality'\n", "utf-8")
    with shell(world, tmp_path, monkeypatch) as running:
        for model in (LONG, "cedar/mini:free"):
            running.run("chat", "-n", "-m", model, "hello", stdin=b"")
        yield running


def screens(words: str, user: Shell) -> str:
    """What a command shows, as its golden file has it."""
    line = words.split()
    case = SCREENS[words]
    assert case is not None
    shown = [
        _titled(_called(words, case), width, _run(user, line, case, width, "dumb"))
        for width in WIDTHS
    ]
    if not case.moves:
        styled = _run(user, line, case, 80, "xterm-256color")
        shown.append(_titled(_called(words, case), 80, styled, " in colours"))
    return "\n".join(shown)


def _run(user: Shell, line: list[str], case: Case, width: int, terminal: str) -> Screen:
    user.world.clock.advance(case.pause)
    for earlier in case.before:
        user.run(*earlier, stdin=b"sk-kept-0123456789")
    return user.run(*line, *case.arguments, stdin=case.stdin, columns=width, terminal=terminal)


def _called(words: str, case: Case) -> str:
    quoted = (f"'{a}'" if " " in a else a for a in case.arguments)
    return " ".join([words, *quoted])


def _titled(title: str, width: int, screen: Screen, how: str = "") -> str:
    head = f"$ freerouter {title}  # {width} columns{how}"
    lines = STYLES.sub(_mark, str(screen)).splitlines()
    return "\n".join([head, *(line.rstrip() for line in lines), ""])


def _mark(style: re.Match[str]) -> str:
    return f"<{style[1]}>" if style[1].strip("0") else "<>"


def widest(screen: Screen) -> int:
    """The longest line that could have been folded."""
    lines = f"{screen.out}{screen.err}".splitlines()
    return max((len(line) for line in lines if " " in line.strip()), default=0)


@pytest.mark.parametrize("words", sorted(COMMANDS))
def test_screens(words: str, user: Shell, pytestconfig: pytest.Config) -> None:
    file = GOLDEN / f"{words.replace(' ', '-')}.txt"
    if words not in SCREENS:
        pytest.fail(ADD.format(words=words, file=file.name), pytrace=False)
    for width in WIDTHS:
        assert widest(user.run(*words.split(), "--help", columns=width, terminal="dumb")) <= width
    if SCREENS[words] is None:
        return
    text = screens(words, user)
    if pytestconfig.getoption("--renew"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")
    if not file.exists():
        pytest.fail(ADD.format(words=words, file=file.name), pytrace=False)

    assert text == file.read_text("utf-8"), "pytest --renew tests/apps/test_screens.py"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "words",
    sorted(
        words
        for words, case in SCREENS.items()
        if case and not case.moves and words not in UNSTEADY
    ),
)
def test_a_terminal_without_colours_shows_the_same(words: str, width: int, user: Shell) -> None:
    """No line is wider than the terminal, and no id is cut."""
    case = SCREENS[words]
    assert case is not None
    rich = _run(user, words.split(), case, width, "xterm-256color")
    dumb = _run(user, words.split(), case, width, "dumb")
    lines = STYLES.sub("", f"{rich.out}{rich.err}").splitlines()
    wide = [line for line in lines if len(line) > width and " " in line.strip()]

    assert not wide
    assert STYLES.sub("", rich.out).split() == dumb.out.split()
    assert "Traceback" not in rich.err
    assert not any(line.strip() in LONG and line.strip() for line in lines if LONG not in line)


def test_help_shows_every_command_once() -> None:
    shown = [name for names in SECTIONS.values() for name in names]

    assert sorted(shown) == sorted(cli.commands)


def test_no_golden_file_is_left_over() -> None:
    files = {path.stem for path in GOLDEN.glob("*.txt")}

    assert set(SCREENS) <= set(COMMANDS)
    assert files == {words.replace(" ", "-") for words, case in SCREENS.items() if case}


def test_a_new_command_is_told_how_to_get_a_screen() -> None:
    group = click.Group("g", commands={"new": click.Command("new")})

    assert [words for words, _ in leaves(group) if words not in SCREENS] == ["new"]
    assert "SCREENS" in ADD.format(words="new", file="new.txt")


@pytest.mark.parametrize("words", COMMANDS)
def test_help_tells_of_options_that_repeat_and_of_their_variables(words: str) -> None:
    for option in COMMANDS[words].params:
        if isinstance(option, click.Option):
            assert not option.multiple or "repeated" in (option.help or "")
            assert not option.envvar or option.show_envvar
