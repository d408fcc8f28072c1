"""`freerouter chat`: one question, or a conversation."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from ...client.router import Router
from ...errors import FreeRouterError
from ...routing.plan import Outcome
from ...wire.redact import harmless
from ...wire.request import ChatRequest
from .console import console, guarded, json_option, print_json

COMMANDS = """/model NAME  ask this model first ("auto": whoever is best)
/explain     how the last answer was come by
/reset       forget what was said
/quit        leave (so does Ctrl-D)"""


@click.command()
@click.argument("prompt", required=False)
@click.option("-m", "--model", default="auto", help='A model id, or "auto".')
@click.option("-s", "--system", help="A system message.")
@click.option("--max-tokens", type=click.IntRange(1), help="Tokens the answer may have.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=None,
    help="Seconds to the first token.",
)
@click.option("--explain", is_flag=True, help="Show which models were tried, and why.")
@json_option
@guarded
def chat(
    prompt: str | None,
    model: str,
    system: str | None,
    max_tokens: int | None,
    timeout: float | None,
    explain: bool,
    as_json: bool,
) -> None:
    """Ask PROMPT (or standard input) and print the answer as it comes; in a terminal, without PROMPT, a conversation."""
    talk = Talk(Router(model=model), system, {"max_tokens": max_tokens}, timeout)
    if prompt is None and sys.stdin.isatty():
        if as_json:
            raise click.UsageError(
                "--json wants a prompt: freerouter chat --json 'Why is the sky blue?'"
            )
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  # from here on input() has a history and edits its line
        talk.converse(input)
        return
    said = sys.stdin.read() if prompt is None else prompt
    if not said.strip():
        raise click.UsageError('nothing to ask: freerouter chat "Why is the sky blue?"')
    if as_json:
        outcome = talk.router.chat(talk.request(said))
        print_json({"text": outcome.text, **outcome.metadata, "usage": outcome.answer.usage})
        return
    talk.answer(said, explain=explain)


class Talk:
    """A conversation: what was said so far, and with whom."""

    def __init__(
        self, router: Router, system: str | None, parameters: dict[str, Any], timeout: float | None
    ) -> None:
        self.router, self.parameters, self.timeout = router, parameters, timeout
        self.system = [{"role": "system", "content": system}] if system else []
        self.said: list[dict[str, Any]] = []
        self.model: str | None = None
        self.last: Outcome | None = None
        self.trail = console(stderr=True)

    def request(self, prompt: str) -> ChatRequest:
        messages = [*self.system, *self.said, {"role": "user", "content": prompt}]
        return ChatRequest(
            messages, parameters=self.parameters, timeout=self.timeout, model=self.model
        )

    def answer(self, prompt: str, *, explain: bool = False) -> Outcome | None:
        """Ask, print the answer as it comes, and remember both."""
        stream = self.router.stream(self.request(prompt))
        try:
            for delta in stream:
                if delta.text:
                    sys.stdout.write(_shown(delta.text))
                    sys.stdout.flush()
        except FreeRouterError as error:
            sys.stdout.write("\n" if getattr(error, "partial", "") else "")
            if explain:
                print_attempts(self.trail, error.attempts)
            raise
        sys.stdout.write("\n")
        self.last = outcome = stream.outcome
        if outcome is None:
            return None
        self.said += [
            {"role": "user", "content": prompt},
            {"role": "assistant", "content": outcome.text},
        ]
        if explain:
            self.explain()
        if outcome.answer.simulated:
            self.trail.print("[yellow]simulated: DEV_MODE is set, nobody was called[/]")
        return outcome

    def explain(self) -> None:
        """How the last answer was come by."""
        if self.last is None:
            self.trail.print("nothing was asked yet")
            return
        for line in self.last.journal.render():
            self.trail.print(f"[dim]{escape(line)}[/]")
        print_attempts(self.trail, self.last.attempts)

    def converse(self, read: Callable[[str], str]) -> None:
        """Until the end of what `read` gives. A failure ends its turn, not the conversation."""
        self.router = self.router.session("chat").router
        self.trail.print("[dim]/model, /explain, /reset, /quit; Ctrl-C stops an answer[/]")
        while True:
            try:
                line = read("> ").strip()
            except (EOFError, KeyboardInterrupt):
                return
            word, _, rest = line.partition(" ")
            if word in ("/quit", "/exit"):
                return
            if word == "/explain":
                self.explain()
            elif word == "/reset":
                self.said.clear()
            elif word == "/model":
                self.model = None if rest.strip() in ("", "auto") else rest.strip()
                self.trail.print(f"[dim]from here on: {escape(self.model or 'whoever is best')}[/]")
            elif word.startswith("/"):
                self.trail.print(escape(COMMANDS))
            elif line:
                self._turn(line)

    def _turn(self, line: str) -> None:
        try:
            outcome = self.answer(line)
        except FreeRouterError as error:
            self.trail.print(f"[red]{type(error).__name__}[/]: {escape(str(error))}")
        except KeyboardInterrupt:
            self.trail.print("[dim]stopped[/]")
        else:
            if outcome is not None:
                self.trail.print(f"[dim]{escape(harmless(outcome.answer.model))}[/]")


def _shown(text: str) -> str:
    """A model's text; to a terminal without what would command it."""
    return harmless(text) if sys.stdout.isatty() else text


def print_attempts(told: Console, attempts: Any) -> None:
    for record in attempts:
        verdict = f"[red]{record['fault']}[/]" if record["fault"] else "[green]answered[/]"
        status = f" HTTP {record['status']}" if record["status"] else ""
        told.print(
            f"  {escape(record['model'])} ({record['provider']}): {verdict}{status}, {record['seconds']:.2f} s"
        )
