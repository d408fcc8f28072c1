"""What a gateway adds: nothing, a relay, ours, LiteLLM's proxy and Portkey's gateway, in one run.

    python benchmarks/gateway                  direct, relay and ours
    python benchmarks/gateway --peers          LiteLLM and Portkey too: installs them first
    python benchmarks/gateway --quick          fewer calls

Each is a process of its own before the same provider, which answers after 20 ms. Peers are
installed once into `FOLDER` (default: a folder of the user's cache), LiteLLM by pip into an
environment of its own, Portkey by npm.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import load
import psutil
import upstream

HERE = Path(__file__).parent
START_TIMEOUT = 300.0
"""Seconds in which a gateway must answer."""
LITELLM = "litellm[proxy]"
PORTKEY = "@portkey-ai/gateway"


@dataclass
class Target:
    """A gateway, started. `pids`: its processes."""

    name: str
    port: int
    path: str = "/v1/chat/completions"
    headers: dict[str, str] = field(default_factory=dict)
    pids: list[int] = field(default_factory=list)
    model: str = upstream.MODEL


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Started(contextlib.ExitStack):
    """Ends what was started."""

    def run(self, command: list[str], **environment: str) -> subprocess.Popen[str]:
        keep = {
            name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ
        }
        process = subprocess.Popen(
            command,
            env=keep | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.callback(process.wait)
        self.callback(process.terminate)
        return process

    def listening(self, command: list[str]) -> tuple[int, int]:
        """(the port that a script of ours prints, its process)."""
        process = self.run([sys.executable, str(HERE / "upstream.py"), *command])
        assert process.stdout is not None
        return int(process.stdout.readline()), process.pid


def targets(started: Started, provider: int, folder: Path, *, peers: bool) -> Iterator[Target]:
    address = f"http://127.0.0.1:{provider}/v1"
    yield Target("direct", provider)
    relay, pid = started.listening(["relay", str(provider)])
    yield Target("relay of bytes", relay, pids=[pid])
    port = free_port()
    command = [sys.executable, str(HERE / "ours.py"), str(port), address]
    ours = started.run(command, FREEROUTER_STATE="memory")
    yield Target("freerouter serve", port, pids=[ours.pid], model="auto")
    if not peers:
        return
    port = free_port()
    config = folder / "litellm.yaml"
    model = {"model": f"openai/{upstream.MODEL}", "api_base": address, "api_key": "sk-x"}
    config.write_text(json.dumps({"model_list": [{"model_name": "auto", "litellm_params": model}]}))
    program = _litellm(folder)
    command = [str(program), "--config", str(config), "--port", str(port), "--host", "127.0.0.1"]
    process = started.run(
        command,
        LITELLM_LOG="ERROR",
        LITELLM_LOCAL_MODEL_COST_MAP="True",
        LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY="true",  # ours has no token either
    )
    yield Target("LiteLLM proxy", port, pids=[process.pid], model="auto")
    port = free_port()
    process = started.run(
        ["node", str(_portkey(folder)), f"--port={port}", "--headless"], NODE_ENV="production"
    )
    headers = {
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": address,
        "authorization": "Bearer sk-x",
    }
    yield Target("Portkey gateway", port, headers=headers, pids=[process.pid])


def _litellm(folder: Path) -> Path:
    place = folder / "litellm"
    if not (place / "bin" / "litellm").exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        subprocess.run([place / "bin" / "pip", "install", "-q", LITELLM], check=True)
    return place / "bin" / "litellm"


def _portkey(folder: Path) -> Path:
    place = folder / "portkey"
    script = place / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not script.exists():
        place.mkdir(parents=True, exist_ok=True)
        npm = shutil.which("npm") or "npm"
        subprocess.run([npm, "install", "--silent", "--prefix", place, PORTKEY], check=True)
    return script


async def wait_for(target: Target) -> None:
    """Wait until the gateway answers, and let it warm up."""
    sent = _request(target, streamed=False)
    end = time.monotonic() + START_TIMEOUT
    while True:
        try:
            if not (await load.measure(target.port, sent, at_once=1, calls=1)).failed:
                break
        except (OSError, asyncio.IncompleteReadError):
            pass
        if time.monotonic() > end or not all(map(_runs, target.pids)):
            raise SystemExit(f"{target.name} does not answer")
        await asyncio.sleep(0.2)
    for streamed in (False, True):
        await load.measure(target.port, _request(target, streamed=streamed), at_once=4, calls=40)


def _runs(pid: int) -> bool:
    return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)


def _request(target: Target, *, streamed: bool) -> bytes:
    messages = [{"role": "user", "content": "Why is the sky blue?"}]
    body = {"model": target.model, "messages": messages, "stream": streamed}
    host = f"127.0.0.1:{target.port}"
    return load.request(target.path, host, json.dumps(body).encode(), target.headers)


async def run(rows: list[Target], *, quick: bool, rounds: int) -> None:
    """Print a table for whole answers, and one for streams: of each row its best round."""
    for streamed in (False, True):
        print("\nstreamed, 100 chunks" if streamed else "\nwhole answers")
        print(f"{'':18} {'at once':>7} {'p50 ms':>8} {'p99 ms':>8} {'calls/s':>8} "
              f"{'CPU µs':>8} {'MiB':>6} {'failed':>6}")  # fmt: skip
        for at_once in (1, 16, 64):
            calls = (40 if streamed else 100) if at_once == 1 else at_once * (4 if streamed else 40)
            calls = max(calls // (4 if quick else 1), at_once)
            runs: dict[str, list[load.Measured]] = {target.name: [] for target in rows}
            for _ in range(rounds):  # in turns: whatever else the machine does meets all alike
                for target in rows:
                    sent = _request(target, streamed=streamed)
                    runs[target.name].append(
                        await load.measure(
                            target.port, sent, at_once=at_once, calls=calls, pids=target.pids
                        )
                    )
            for name, measured in runs.items():
                _show(name, at_once, min(measured, key=lambda run: run.p50), streamed=streamed)
    print("\nCPU: of the gateway, a call, or a chunk of a stream")


def _show(name: str, at_once: int, best: load.Measured, *, streamed: bool) -> None:
    cpu = best.cpu / len(best.seconds) * 1e6 / (upstream.CHUNKS if streamed else 1)
    print(f"{name:18} {at_once:7} {best.p50 * 1e3:8.1f} {best.p99 * 1e3:8.1f} {best.rate:8.0f} "
          f"{cpu:8.0f} {best.memory / 2**20:6.0f} {best.failed:6}", flush=True)  # fmt: skip


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=3, help="of each row the best is shown")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "gateways")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with Started() as started:
        provider, _ = started.listening(["serve"])
        rows = list(targets(started, provider, options.folder, peers=options.peers))
        for target in rows:
            await wait_for(target)
        await run(rows, quick=options.quick, rounds=options.rounds)


if __name__ == "__main__":
    asyncio.run(main())
