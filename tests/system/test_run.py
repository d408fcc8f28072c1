"""`freerouter run`: the real clients finish a task on a small repository, over a storm."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from freerouter_core.simulator import SimModel, World
from freerouter_core.wire.json_values import Json

from ..conftest import Serve
from ..terminal import COMMAND
from .test_clients import node
from .worlds import STORM

BROKEN = "def add(a, b):\n    return a - b\n"
PROVE = "python3 -c 'import calc; print(calc.add(2, 3))'"


def works(body: Json) -> list[tuple[str, Json]]:
    """What an agent does, by the tools of its client: read, correct, try. A title needs none."""
    names = {tool["function"]["name"] for tool in body.get("tools") or ()}
    done = sum(message["role"] == "tool" for message in body["messages"])
    steps: list[tuple[str, Json]] = []
    if "edit" in names:  # opencode
        place = {"filePath": f"{Path.cwd()}/calc.py"}
        change = {"oldString": "a - b", "newString": "a + b"}
        prove = {"command": PROVE, "description": "Try it"}
        steps = [("read", place), ("edit", {**place, **change}), ("bash", prove)]
    elif "exec_command" in names:  # Codex
        commands = ("cat calc.py", "sed -i 's/a - b/a + b/' calc.py", PROVE)
        steps = [("exec_command", {"cmd": command}) for command in commands]
    return steps[done : done + 1]


@pytest.mark.parametrize(
    "command",
    [
        ["opencode", "run", "--auto"],
        ["codex", "exec", "--skip-git-repo-check", "--sandbox", "danger-full-access"],
    ],
    ids=["opencode", "codex"],
)
def test_a_client_finishes_its_task(
    command: list[str], serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, home = tmp_path / "repository", tmp_path / "home"
    repository.mkdir()
    home.mkdir()
    monkeypatch.chdir(repository)
    Path("calc.py").write_text(BROKEN, "utf-8")
    subprocess.run(["git", "init", "-q"], check=True)
    quick = [
        SimModel(f"{name}/m:free", first_token=0.0, speed=1e6, calls=works, script=script)
        for name, script in (("a", STORM * 30), ("b", STORM[::-1] * 30), ("c", ()))
    ]
    world = World(quick, clock="real")
    programs = node() / "node_modules" / ".bin"
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(home),
        "OPENROUTER_BASE_URL": serve(world),
        "OPENROUTER_API_KEY": "sk-or-v1-of-the-user",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
    }

    done = subprocess.run(
        # The model that is asked first fails at times.
        [*COMMAND, "run", "-m", "a/m:free", *command, "Correct the sum in calc.py, and try it."],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200,
        check=False,
    )  # fmt: skip

    shown = done.stdout + done.stderr
    assert done.returncode == 0, shown
    assert Path("calc.py").read_text("utf-8") == BROKEN.replace("-", "+")
    assert "Here is what the tool says" in shown
    assert "error" not in shown.lower()
    assert {seen.fate for seen in world.requests} > {"answer"}, "it was in no storm"
    assert "sk-or-v1-of-the-user" not in shown
