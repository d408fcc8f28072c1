"""`freerouter chat`: one question, or a conversation."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence

import click
from rich.console import Console
from rich.markup import escape

from ...client.router import Router
from ...errors import AttemptRecord, FreeRouterError
from ...routing.plan import Outcome
from ...wire.redact import strip_control_characters
from ...wire.request import ChatRequest
from .console import console, json_option, print_error, print_json, without_tracebacks

COMMANDS = """/model NAME  ask this model first ("auto": the best one available)
/explain     show how the last answer came about
/reset       forget the conversation so far
/quit        leave (or press Ctrl-D)"""
EXAMPLE = '"Why is the sky blue?"'


@click.command()
@click.argument("prompt", required=False)
@click.option("-m", "--model", default="auto", help='A model id, or "auto".')
@click.option("-s", "--system", help="A system message.")
@click.option("--max-tokens", type=click.IntRange(1), help="Longest answer, in tokens.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=None,
    help="Seconds to wait for the first token.",
)
@click.option("--explain", is_flag=True, help="Show which models were tried, and why.")
@json_option
@without_tracebacks
def chat(
    *,
    prompt: str | None,
    model: str,
    system: str | None,
    max_tokens: int | None,
    timeout: float | None,
    explain: bool,
    as_json: bool,
) -> None:
    """Ask PROMPT and print the answer as it arrives.

    Without PROMPT, the prompt is read from standard input. In a terminal, a conversation starts.
    """
    conversation = Conversation(
        Router(model=model), system=system, parameters={"max_tokens": max_tokens}, timeout=timeout
    )
    if prompt is None and sys.stdin.isatty():
        if as_json:
            raise click.UsageError(f"--json needs a prompt: freerouter chat --json {EXAMPLE}")
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  # gives input() a history and line editing
        conversation.run(input)
        return
    text = sys.stdin.read() if prompt is None else prompt
    if not text.strip():
        raise click.UsageError(f"the prompt is empty: freerouter chat {EXAMPLE}")
    if as_json:
        outcome = conversation.router.chat(conversation.request(text))
        print_json({"text": outcome.text, **outcome.metadata, "usage": outcome.answer.usage})
        return
    conversation.ask(text, explain=explain)


class Conversation:
    """The messages so far, and the router that answers them."""

    def __init__(
        self,
        router: Router,
        *,
        system: str | None = None,
        parameters: Mapping[str, object] | None = None,
        timeout: float | None = None,
    ) -> None:
        self.router, self.timeout = router, timeout
        self.parameters = dict(parameters or {})
        self.system = [{"role": "system", "content": system}] if system else []
        self.messages: list[dict[str, str]] = []
        self.model: str | None = None
        self.last: Outcome | None = None
        self.err = console(stderr=True)

    def request(self, prompt: str) -> ChatRequest:
        messages = [*self.system, *self.messages, {"role": "user", "content": prompt}]
        return ChatRequest(
            messages, parameters=self.parameters, timeout=self.timeout, model=self.model
        )

    def ask(self, prompt: str, *, explain: bool = False) -> Outcome:
        """Ask, print the answer as it arrives, and add both to the conversation."""
        stream = self.router.stream(self.request(prompt))
        try:
            for delta in stream:
                if delta.text:
                    sys.stdout.write(_printable(delta.text))
                    sys.stdout.flush()
        except FreeRouterError as error:
            sys.stdout.write("\n" if getattr(error, "partial", "") else "")
            if explain:
                print_attempts(self.err, error.attempts)
            raise
        sys.stdout.write("\n")
        self.last = outcome = stream.outcome
        self.messages += [
            {"role": "user", "content": prompt},
            {"role": "assistant", "content": outcome.text},
        ]
        if explain:
            self.explain()
        if outcome.answer.simulated:
            self.err.print("[yellow]simulated: DEV_MODE is set, so no provider was called[/]")
        return outcome

    def explain(self) -> None:
        """Print how the last answer came about."""
        if self.last is None:
            self.err.print("there is no answer yet")
            return
        for line in self.last.journal.render():
            self.err.print(f"[dim]{escape(line)}[/]")
        print_attempts(self.err, self.last.attempts)

    def run(self, read_line: Callable[[str], str]) -> None:
        """Read prompts and commands until the end of input. A failed request does not end it."""
        self.router = self.router.session("chat").router
        self.err.print("[dim]/model, /explain, /reset, /quit; Ctrl-C stops an answer[/]")
        while True:
            try:
                line = read_line("> ").strip()
            except (EOFError, KeyboardInterrupt):
                return
            command, _, argument = line.partition(" ")
            if command in ("/quit", "/exit"):
                return
            if command == "/explain":
                self.explain()
            elif command == "/reset":
                self.messages.clear()
            elif command == "/model":
                self._switch_model(argument.strip())
            elif command.startswith("/"):
                self.err.print(escape(COMMANDS))
            elif line:
                self._turn(line)

    def _switch_model(self, name: str) -> None:
        self.model = None if name in ("", "auto") else name
        self.err.print(f"[dim]from now on: {escape(self.model or 'the best model available')}[/]")

    def _turn(self, prompt: str) -> None:
        try:
            outcome = self.ask(prompt)
        except FreeRouterError as error:
            print_error(error, str(error))
        except KeyboardInterrupt:
            self.err.print("[dim]stopped[/]")
        else:
            self.err.print(f"[dim]{escape(strip_control_characters(outcome.answer.model))}[/]")


def _printable(text: str) -> str:
    """A model's text, without control characters if it goes to a terminal."""
    return strip_control_characters(text) if sys.stdout.isatty() else text


def print_attempts(out: Console, attempts: Sequence[AttemptRecord]) -> None:
    for attempt in attempts:
        result = f"[red]{attempt['fault']}[/]" if attempt["fault"] else "[green]answered[/]"
        status = f" HTTP {attempt['status']}" if attempt["status"] else ""
        out.print(
            f"  {escape(attempt['model'])} ({attempt['provider']}): "
            f"{result}{status}, {attempt['seconds']:.2f} s"
        )
