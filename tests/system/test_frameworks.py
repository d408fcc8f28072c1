"""Frameworks that take a client of OpenAI's, in an environment of their own: `router` answers.

What this environment has is not installed again: pip sees it there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# instructor needs an older jiter than newer clients of OpenAI's have. Without the bound pip looks
# through fifty of them, which takes minutes.
PACKAGES = (
    "openai-agents", "pydantic-ai-slim[openai]", "instructor", "openai<3.4", "smolagents",
    "haystack-ai", "autogen-ext[openai]", "autogen-agentchat", "dspy",
)  # fmt: skip
NAMES = (
    "openai_agents", "pydantic_ai", "instructor", "smolagents", "haystack", "autogen", "dspy",
)  # fmt: skip


@pytest.mark.system
@pytest.mark.timeout(1_200)
def test_frameworks_run_on_the_client_in_process(tmp_path: Path) -> None:
    place = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    (own,) = place.glob("lib/python*/site-packages")
    (own / "present.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    pip = [str(place / "bin" / "pip"), "install", "-q", "--no-compile", *PACKAGES]
    subprocess.run(pip, check=True)
    program = Path(__file__).with_name("frameworks.py")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "shared")}
    done = subprocess.run(
        [place / "bin" / "python", program, *NAMES],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.splitlines() == [f"{name} It is blue." for name in NAMES], done.stderr
