"""Behaviour by behaviour beside the peers: `python benchmarks/side_by_side` writes README.md here.

Each side runs in an environment of its own, with the peers that install there; `--ours` tries only this package, in this
environment. The exit code says whether ours showed every behaviour. No network but the package index's is needed: all are tried against
the simulator over HTTP on loopback.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SIDES = {
    "langchain_side.py": (
        "LangChain",
        {
            "ChatFreeRouter": "",
            "ChatOpenAI": "langchain-openai",
            "ChatOpenRouter": "langchain-openrouter",
            "ChatLiteLLM": "langchain-litellm",
        },
        [f"{ROOT}[langchain,cli]", "langchain"],
    ),
    "llamaindex_side.py": (
        "LlamaIndex",
        {
            "FreeRouter": "",
            "OpenAILike": "llama-index-llms-openai-like",
            "OpenRouter": "llama-index-llms-openrouter",
            "LiteLLM": "llama-index-llms-litellm",
        },
        [f"{ROOT}[llamaindex,cli]", "mcp"],
    ),
}
PATIENCE = 900.0
Results = dict[str, dict[str, str]]


def environment(folder: Path, packages: list[str]) -> str:
    """A Python with those packages, as far as they install together; says which did not."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = str(folder / "bin" / "python")
    for package in packages:
        made = subprocess.run(
            [python, "-m", "pip", "install", "-q", package],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            print(f"{package} does not install here", file=sys.stderr)
    return python


def version(python: str, package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=False
    ).stdout.strip()


def tried(python: str, script: str, package: str) -> dict[str, str]:
    """One package's results; empty where it could not be tried at all."""
    command = [python, str(HERE / script), package]
    try:
        made = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        return dict(json.loads(made.stdout.strip().splitlines()[-1]))
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        return {}


def table(title: str, packages: dict[str, str], results: Results) -> list[str]:
    ours = next(iter(results))
    lines = [
        f"## {title}",
        "",
        f"| | {' | '.join(packages.values())} |",
        "|---|" + "---|" * len(packages),
    ]
    for behaviour in results[ours]:
        marks = (
            "✔" if results[p].get(behaviour) == "pass" else "✖" if results[p] else "?"
            for p in packages
        )
        lines.append(f"| {behaviour} | {' | '.join(marks)} |")
    counts = (
        f"{sum(r == 'pass' for r in results[p].values())} of {len(results[ours])}" for p in packages
    )
    lines += [f"| **shown** | {' | '.join(counts)} |", ""]
    lines += ["<details><summary>What was missing</summary>", ""]
    for package, found in results.items():
        lines += [
            f"- {package}, {b}: `{why.replace('`', chr(39))}`"
            for b, why in found.items()
            if why != "pass"
        ]
    return [*lines, "", "</details>", ""]


INTRODUCTION = """# Side by side

What users of both frameworks rely on, tried on this package and on the frameworks' own ways to OpenRouter: real HTTP on loopback, a
strict server (`freerouter_core.simulator`), the same test for each. Written by `python benchmarks/side_by_side`, not by hand; a behaviour is the
code of its test in `langchain_side.py` or `llamaindex_side.py`. ✔ shown, ✖ not.

A client of one model cannot fail over, and does not claim to: those rows say what its user has to build. The authors of this package chose the behaviours
(from the frameworks' standard tests, their contracts, and the issues their users opened), so the table shows what we thought mattered, not who is best.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours", action="store_true", help="try only this package, here")
    asked = parser.parse_args()
    lines, missing = [INTRODUCTION], 0
    for script, (title, packages, needed) in SIDES.items():
        with tempfile.TemporaryDirectory() as folder:
            peers = {} if asked.ours else packages
            python = (
                sys.executable
                if asked.ours
                else environment(Path(folder), [*needed, *filter(None, packages.values())])
            )
            results = {
                package: tried(python, script, package) for package in peers or list(packages)[:1]
            }
            named = {
                p: f"{p} {version(python, d)}".strip() if d else p
                for p, d in packages.items()
                if p in results
            }
        ours = next(iter(packages))
        failed = {b: why for b, why in results[ours].items() if why != "pass"}
        missing += len(failed) + (not results[ours])
        print(f"{title}: {ours} shows {len(results[ours]) - len(failed)} of {len(results[ours])}")
        for behaviour, why in failed.items():
            print(f"  {behaviour}: {why}")
        lines += table(title, named, results)
    if not asked.ours:
        (HERE / "README.md").write_text("\n".join(lines), "utf-8")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
