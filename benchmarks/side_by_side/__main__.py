"""Behaviour by behaviour beside the peers: `python benchmarks/side_by_side` writes README.md here.

Each framework's packages run in an environment of their own. `--ours` tries only this package, in
the current environment. The exit code is 0 if ours showed every behaviour. Only installing needs a
network: the packages talk to the simulator over HTTP on loopback.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATIENCE = 900.0
"""Seconds that all behaviours of one package may take."""
Results = dict[str, dict[str, str]]
"""By package and behaviour."""


@dataclass(frozen=True)
class Side:
    """One framework: the module with its behaviours, and the packages that are tried."""

    title: str
    module: str
    packages: dict[str, str]
    """Distributions by name of the class; ours comes first and needs none."""
    requirements: list[str]

    @property
    def ours(self) -> str:
        return next(iter(self.packages))


SIDES = [
    Side(
        "LangChain",
        "langchain_side",
        {
            "ChatFreeRouter": "",
            "ChatOpenAI": "langchain-openai",
            "ChatOpenRouter": "langchain-openrouter",
            "ChatLiteLLM": "langchain-litellm",
        },
        [f"{ROOT}[langchain,cli]", "langchain"],
    ),
    Side(
        "LlamaIndex",
        "llamaindex_side",
        {
            "FreeRouter": "",
            "OpenAILike": "llama-index-llms-openai-like",
            "OpenRouter": "llama-index-llms-openrouter",
            "LiteLLM": "llama-index-llms-litellm",
        },
        [f"{ROOT}[llamaindex,cli]", "mcp"],
    ),
]


def environment(folder: Path, packages: list[str]) -> str:
    """A Python with these packages. Says which of them do not install together."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = str(folder / "bin" / "python")
    for package in packages:
        command = [python, "-m", "pip", "install", "-q", package]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            print(f"{package} does not install here", file=sys.stderr)
    return python


def version(python: str, distribution: str) -> str:
    code = f"from importlib.metadata import version; print(version({distribution!r}))"
    command = [python, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def results_of(python: str, module: str, package: str) -> dict[str, str]:
    """One package's results; none if it could not be tried."""
    command = [python, "-m", module, package]
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=HERE
        )
        return dict(json.loads(run.stdout.strip().splitlines()[-1]))
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        return {}


def table(side: Side, names: dict[str, str], results: Results) -> list[str]:
    """The lines of one framework's section. `names`: packages with their versions."""
    behaviours = results[side.ours]
    lines = [f"## {side.title}", "", f"| | {' | '.join(names.values())} |"]
    lines.append("|---|" + "---|" * len(names))
    for behaviour in behaviours:
        marks = (
            "✔" if results[p].get(behaviour) == "pass" else "✖" if results[p] else "?"
            for p in names
        )
        lines.append(f"| {behaviour} | {' | '.join(marks)} |")
    counts = (
        f"{sum(result == 'pass' for result in results[p].values())} of {len(behaviours)}"
        for p in names
    )
    lines += [f"| **shown** | {' | '.join(counts)} |", ""]
    lines += ["<details><summary>What was missing</summary>", ""]
    for package, by_behaviour in results.items():
        lines += [
            f"- {package}, {behaviour}: `{result.replace('`', chr(39))}`"
            for behaviour, result in by_behaviour.items()
            if result != "pass"
        ]
    return [*lines, "", "</details>", ""]


INTRODUCTION = """# Side by side

What users of both frameworks rely on, tried on this package and on the frameworks' own ways to
OpenRouter: HTTP on loopback, a strict server (`freerouter_core.simulator`), the same test for each.
`python benchmarks/side_by_side` writes this page. A behaviour is the code of its test in
`langchain_side/` or `llamaindex_side/`. ✔ shown, ✖ not.

A client of one model cannot fail over and does not claim to: those rows say what its user has to
build. The authors of this package chose the behaviours, from the frameworks' standard tests, their
contracts and their users' issues. So the table shows what we thought mattered, not who is best.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours", action="store_true", help="try only this package, here")
    only_ours = parser.parse_args().ours
    lines, missing = [INTRODUCTION], 0
    for side in SIDES:
        distributions = [name for name in side.packages.values() if name]
        with tempfile.TemporaryDirectory() as folder:
            if only_ours:
                python, packages = sys.executable, [side.ours]
            else:
                python = environment(Path(folder), [*side.requirements, *distributions])
                packages = list(side.packages)
            results = {package: results_of(python, side.module, package) for package in packages}
            names = {}
            for package in packages:
                distribution = side.packages[package]
                names[package] = package
                if distribution:
                    names[package] = f"{package} {version(python, distribution)}".strip()
        ours = results[side.ours]
        failures = {name: result for name, result in ours.items() if result != "pass"}
        missing += len(failures) + (not ours)
        print(f"{side.title}: {side.ours} shows {len(ours) - len(failures)} of {len(ours)}")
        for behaviour, result in failures.items():
            print(f"  {behaviour}: {result}")
        lines += table(side, names, results)
    if not only_ours:
        (HERE / "README.md").write_text("\n".join(lines), "utf-8")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
