"""Every block of the README and of `docs` runs and prints what stands below it.

`--renew` writes that anew.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console
from rich.text import Text

from freerouter_core import Settings
from freerouter_core.apps.cli import demo
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.simulator import World, calm_models, failing_models

from .conftest import Serve
from .documents import ROOT, Block, blocks, renewed, run_python, run_shell
from .pictures import picture
from .terminal import in_terminal

pytestmark = pytest.mark.timeout(300)  # each test starts processes

README, FEATURES = ROOT / "README.md", ROOT / "docs" / "features.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = sorted({*(ROOT / "docs").glob("*.md")} - {FEATURES})
"""Pages whose blocks each run by themselves. A new page is among them."""
REFERENCE = ROOT / "docs" / "reference"
LEFT = re.compile(r"^(python3 -m venv|pip install|python benchmarks/)")
"""Shell lines that are run elsewhere: `.ci/run` installs and measures."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where shell lines run."""
    folder = tmp_path / "shell"
    folder.mkdir()
    return folder


@pytest.fixture
def environment(serve: Serve, tmp_path: Path) -> dict[str, str]:
    """The environment of a user with a key, over a simulated OpenRouter."""
    return {
        "HOME": str(tmp_path),
        "OPENROUTER_API_KEY": "sk-or-v1-documents-0123456789",
        "OPENROUTER_BASE_URL": serve(World(calm_models(), clock="real")),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }


def run(
    block: Block, page: Path, space: dict[str, Any], folder: Path, environment: dict[str, str]
) -> str:
    name = f"{page.name}:{block.line}"
    match block.language:
        case "python":
            return run_python("\n" * block.line + block.text, name, space)
        case "sh":
            lines = [line for line in block.text.splitlines() if not LEFT.match(line)]
            return run_shell("\n".join(lines), folder, environment)
        case "toml" | "yaml":  # for the shell lines below it
            (folder / f"freerouter.{block.language}").write_text(block.text, "utf-8")
            assert Settings.load(folder).file
            return ""
        case "json":  # for another program
            assert json.loads(block.text)
            return ""
    raise AssertionError(f"{name}: no test runs a block of {block.language}")


@pytest.mark.slow
def test_the_features_page(
    environment: dict[str, str], folder: Path, pytestconfig: pytest.Config
) -> None:
    """Its blocks run from top to bottom in one namespace."""
    space: dict[str, Any] = {"__name__": "features"}
    printed = {
        block.line: run(block, FEATURES, space, folder, environment) for block in blocks(FEATURES)
    }
    if pytestconfig.getoption("--renew"):
        FEATURES.write_text(renewed(FEATURES, printed), "utf-8")

    for block, output in zip(blocks(FEATURES), list(printed.values()), strict=True):
        assert (output or None) == block.printed, f"features.md:{block.line}"


def test_every_row_has_its_lines() -> None:
    text = FEATURES.read_text("utf-8")
    rows = re.findall(r"^### (\w+) · .*?(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    parts = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    rows_in_part = {"A": 11, "B": 8, "C": 9, "D": 9, "E": 11}
    expected = [f"{part}{n}" for part, count in rows_in_part.items() for n in range(1, count + 1)]

    assert rows == [*expected, *map(str, range(1, 18))]
    for row, part in zip(rows, parts, strict=True):
        assert re.search(r"^```(python|sh|yaml)$", part, re.MULTILINE), row


SINGLE = [(page, block) for page in (README, *PAGES) for block in blocks(page)]


@pytest.mark.parametrize(
    ("page", "block"),
    [
        pytest.param(
            page,
            block,
            id=f"{page.stem}:{block.language}:{block.line}",
            marks=[pytest.mark.slow] if block.language == "sh" else [],  # a process for each line
        )
        for page, block in SINGLE
    ],
)
def test_blocks_that_run_by_themselves(
    page: Path,
    block: Block,
    environment: dict[str, str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    pytestconfig: pytest.Config,
) -> None:
    monkeypatch.setenv("LAB_API_KEY", "sk-lab")
    printed = run(block, page, {"__name__": "readme"}, folder, environment)
    if block.language != "python":
        return
    place = [other for owner, other in SINGLE if owner == page].index(block)
    if pytestconfig.getoption("--renew"):
        page.write_text(renewed(page, {blocks(page)[place].line: printed}), "utf-8")

    assert (printed or None) == blocks(page)[place].printed


@pytest.mark.parametrize("page", sorted(REFERENCE.glob("*.md")), ids=lambda page: page.stem)
def test_examples_of_the_reference(
    page: Path, environment: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The examples of docstrings run as they stand, answered by the simulator."""
    monkeypatch.setenv("DEV_MODE", "true")
    for block in blocks(page):
        if block.language != "py":  # a signature
            run(block, page, {"__name__": "reference"}, folder, environment)


@pytest.mark.slow
def test_the_reference_is_what_the_docstrings_say(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """In a process of its own: click keeps how a command was first asked for help."""
    folder = REFERENCE if pytestconfig.getoption("--renew") else tmp_path / "reference"
    subprocess.run(
        [sys.executable, ROOT / "docs" / "reference.py", folder], check=True, timeout=120
    )

    assert {page.name for page in folder.glob("*.md")} == {
        page.name for page in REFERENCE.glob("*.md")
    }
    for page in folder.glob("*.md"):
        kept = (REFERENCE / page.name).read_text("utf-8")
        assert page.read_text("utf-8").split() == kept.split(), (
            f"{page.name}: python docs/reference.py"
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("models", ["models"]),
        ("chat", ["chat", "--explain", "-m", "gale/27b:free", "Why is the sky blue?"]),
        ("explain", ["explain", "Why is the sky blue?"]),
        ("stats", ["stats"]),
    ],
)
def test_pictures_of_commands(
    name: str,
    command: list[str],
    serve: Serve,
    environment: dict[str, str],
    pytestconfig: pytest.Config,
) -> None:
    """Commands in a terminal of a hundred columns, in a world where most models fail."""
    environment |= {"OPENROUTER_BASE_URL": serve(World(failing_models(), seed=8, clock="real"))}
    for model in () if name == "chat" else ("haze/ultra:free", "gale/27b:free", "cedar/mini:free"):
        in_terminal(["chat", "-m", model, "hello"], 100, environment)
    svg = picture(in_terminal(command, 100, environment), f"freerouter {command[0]}", 100)
    if pytestconfig.getoption("--renew"):
        (ROOT / "docs" / "images" / f"{name}.svg").write_text(svg, "utf-8")

    assert "gale/27b:free" in svg
    assert "url(http" not in svg
    assert (ROOT / "docs" / "images" / f"{name}.svg").exists()


def test_the_moving_picture_of_the_demo(pytestconfig: pytest.Config) -> None:
    """On a virtual clock it prints the same each time, so the picture is held to the letter."""
    screen = Console(
        width=80, file=io.StringIO(), record=True, force_terminal=True, emoji=False, highlight=False
    )
    demo.run(screen, seed=7, clock=VirtualClock())
    printed = screen.export_text(styles=True)
    file = ROOT / "docs" / "images" / "demo.svg"
    svg = picture(printed, "freerouter demo", 80, moving=True)
    if pytestconfig.getoption("--renew"):
        file.write_text(svg, "utf-8")
    tree = ElementTree.fromstring(svg)  # noqa: S314  # our own
    rows = [row for row in tree.iter("{http://www.w3.org/2000/svg}g") if row.get("class") != "all"]
    drawn = [text for row in rows for text in row.itertext()]

    assert "every call answered, nothing paid" in Text.from_ansi(printed).plain
    assert "".join("".join(drawn).split()) == "".join(Text.from_ansi(printed).plain.split())
    assert svg == file.read_text("utf-8"), "pytest --renew tests/test_documents.py -k moving"


TEXTS = [
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_a_package_index_shows_no_link_that_leads_nowhere() -> None:
    """There a relative link is broken. The words of each stay, and so do all other lines."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    hook = project["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    text = README.read_text("utf-8")
    for rule in hook["substitutions"]:
        text = re.sub(rule["pattern"], rule["replacement"], text)

    assert "Every feature by example, with what it prints." in text
    assert "[openrouter.ai/keys](https://openrouter.ai/keys)" in text
    assert not re.findall(r"\]\((?!https?:)", text)
    assert text.count("```") == README.read_text("utf-8").count("```")


def test_the_index_of_the_features_names_its_rows() -> None:
    """Anchors are those of GitHub, which `mkdocs.yml` uses, too."""
    text = FEATURES.read_text("utf-8")
    heads = re.findall(r"^### (.+)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}

    assert set(re.findall(r"\]\(#([^)]+)\)", text)) == anchors
    assert len(anchors) == len(heads)


def test_the_architecture_names_files_that_exist() -> None:
    """In its text, in its links and in its picture."""
    core = ROOT / "shared" / "freerouter_core"
    page = ARCHITECTURE.read_text("utf-8")
    picture = (ROOT / "docs" / "images" / "house.svg").read_text("utf-8")
    names = {
        *re.findall(r"`([\w./]+(?:\.py|\.toml|/))`", page),
        *re.findall(r"(?<=[ >])[\w/]+/(?:\w+\.py)?(?=[ <])", picture),
    }

    assert len(names) > 50
    assert not {name for name in names if not ((core / name).exists() or (ROOT / name).exists())}
    for label, target in re.findall(r"\[`([\w./]+)`\]\(([\w./]+)\)", page):
        assert f"/{target}/".endswith((f"/{label}", f"/{label}/")), label


def test_the_architecture_shows_every_room() -> None:
    core = ROOT / "shared" / "freerouter_core"
    page = ARCHITECTURE.read_text("utf-8")
    rooms = {f"{path.name}/" for path in core.iterdir() if (path / "__init__.py").exists()}
    files = {path.name for path in core.glob("*.py")}

    assert not {name for name in rooms | files if f"`{name}`" not in page}


def test_the_two_commands_are_one_line_each() -> None:
    commands = [
        line
        for line in README.read_text("utf-8").splitlines()
        if line.startswith("python3 -m venv")
    ]

    assert [command.rpartition("/")[2] for command in commands] == ["freerouter demo", "pytest"]


def test_the_first_example_is_short() -> None:
    first = next(block for block in blocks(README) if block.language == "python")

    assert len([line for line in first.text.splitlines() if line.strip()]) <= 15


def test_every_variable_is_in_the_table() -> None:
    text = (ROOT / "docs" / "settings.md").read_text("utf-8")
    for name in Settings.model_fields:
        stem = name.upper().removeprefix("OPENROUTER_RETRY_BACKOFF")
        assert stem in text, name


def test_the_messages_of_the_troubleshooting_page_are_ours() -> None:
    """Each quoted title is a message of the code, which fills in what "…" stands for."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    source = "\n".join(path.read_text("utf-8") for path in ROOT.glob("shared/**/*.py"))
    messages = re.findall(r'^## "(.+)"', page, re.MULTILINE)

    assert len(messages) > 5
    for message in messages:
        words = r"(%r|\{[^}]+\})".join(map(re.escape, message.split("…")))
        assert re.search(words, source), message
