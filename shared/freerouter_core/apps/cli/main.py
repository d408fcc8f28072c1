"""The `freerouter` command. Each subcommand is a thin layer over `Router`."""

from __future__ import annotations

import click

from ..._version import __version__
from . import benchmark, catalogue, chat, config, doctor, local, probe, serve, trust
from .console import console, without_tracebacks


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="freerouter")
def cli() -> None:
    """Free language models that behave like one dependable model."""


@cli.command()
@click.option(
    "--seed", type=int, default=7, show_default=True, help="Seed of the simulated randomness."
)
@without_tracebacks
def demo(*, seed: int) -> None:
    """Run LangChain and LlamaIndex over simulated models that fail.

    Needs no key and no network.
    """
    from .demo import run

    run(console(), seed)


for command in (
    chat.chat,
    serve.serve,
    serve.simulate,
    serve.mcp,
    doctor.doctor,
    probe.probe,
    benchmark.benchmark,
    catalogue.models,
    catalogue.discover,
    catalogue.recommend,
    catalogue.explain,
    catalogue.stats,
    config.config,
    trust.trust_files,
    local.local,
):
    cli.add_command(command)
