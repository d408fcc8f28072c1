"""`freerouter chat`: one question, or a conversation."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import click
from rich.console import Console
from rich.markup import escape

from ...client.router import Router
from ...errors import AttemptRecord, FreeRouterError
from ...reports import Trail
from ...routing.plan import Outcome
from ...wire.json_values import Json, parse_json
from ...wire.redact import strip_control_characters
from ...wire.request import ChatRequest
from ...wire.sampling import checked
from .attachments import attachment
from .console import console, json_option, print_error, print_json, without_tracebacks
from .conversation_log import Exchange, new_conversation
from .countdown import Countdown
from .log_lines import hold_lines, print_held_lines
from .memory import Memory, exchange_of, find_conversation, open_memory
from .prompt import read_prompt
from .templates import Template, complete_template, load

COMMANDS = """/model NAME  ask this model first ("auto": the best one available)
/explain     show how the last answer came about
/reset       forget the conversation so far
/quit        leave (or press Ctrl-D)"""
EXAMPLE = '"Why is the sky blue?"'


@click.command()
@click.argument("prompt", required=False)
@click.option("-m", "--model", help='A model id, or "auto".')
@click.option("-s", "--system", help="A system message.")
@click.option(
    "-a",
    "--attach",
    "attached",
    multiple=True,
    metavar="PATH",
    help="A picture, recording, PDF or text; - is standard input. May be repeated.",
)
@click.option("-c", "--continue", "goes_on", is_flag=True, help="Continue the last conversation.")
@click.option("--cid", "--conversation", "conversation", help="Continue the one of this id.")
@click.option(
    "-t",
    "--template",
    "name",
    shell_complete=complete_template,
    help="A template; see freerouter templates.",
)
@click.option(
    "-p",
    "--param",
    "given",
    nargs=2,
    multiple=True,
    metavar="KEY VALUE",
    help="A parameter of the template. May be repeated.",
)
@click.option(
    "-o",
    "--option",
    "options",
    nargs=2,
    multiple=True,
    metavar="KEY VALUE",
    help="A field of the request, such as temperature 0.2. May be repeated.",
)
@click.option("--max-tokens", type=click.IntRange(1), help="Longest answer, in tokens.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=None,
    help="Seconds to wait for the first token.",
)
@click.option(
    "--max-wait",
    type=click.FloatRange(0),
    help="Seconds to stand in line for your own limits. Default: up to 600.",
)
@click.option("--explain", is_flag=True, help="Show which models were tried, and why.")
@click.option("-n", "--no-log", is_flag=True, help="Keep nothing of it in freerouter logs.")
@json_option
@without_tracebacks
def chat(
    *,
    prompt: str | None,
    model: str | None,
    system: str | None,
    attached: tuple[str, ...],
    goes_on: bool,
    conversation: str | None,
    name: str | None,
    given: tuple[tuple[str, str], ...],
    options: tuple[tuple[str, str], ...],
    max_tokens: int | None,
    timeout: float | None,
    max_wait: float | None,
    explain: bool,
    no_log: bool,
    as_json: bool,
) -> None:
    """Ask PROMPT and print the answer as it arrives.

    What standard input brings stands before PROMPT. Without PROMPT, or with -, it is the prompt. In
    a terminal without PROMPT, a conversation starts.
    """
    if given and name is None:
        raise click.UsageError("-p needs a template: -t NAME -p key value")
    template = Template() if name is None else load(name)
    text = read_prompt(prompt, taken="-" in attached)
    content = [attachment(place) for place in attached]
    memory = None if no_log else open_memory()
    before = find_conversation(conversation, goes_on=goes_on)
    if name is not None:
        text, filled = template.filled(text or "", dict(given))
        system = system or filled or None
    asked = model or template.model or (before[-1].asked if before else "auto")
    talk = Conversation(
        Router(model=asked, max_wait=max_wait),
        system=system or (before[-1].system if before else None),
        parameters=checked({"max_tokens": max_tokens, **dict(map(_parameter, options))}),
        timeout=timeout,
        memory=memory,
        before=before,
        attached=content,
    )
    if text is None and not content:
        if as_json:
            raise click.UsageError(f"--json needs a prompt: freerouter chat --json {EXAMPLE}")
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  # gives input() a history and line editing
        talk.run(input)
        return
    text = text or ""
    if not text.strip() and not content:
        raise click.UsageError(f"the prompt is empty: freerouter chat {EXAMPLE}")
    if as_json:
        outcome = talk.answer(text)
        print_json(
            {
                "text": outcome.text,
                **outcome.metadata,
                "usage": outcome.answer.usage,
                "conversation": talk.id if memory else None,
            }
        )
        return
    talk.ask(text, explain=explain)


def _parameter(option: tuple[str, str]) -> tuple[str, object]:
    """A field of the request. What reads as JSON is a number, a list, …; the rest is text."""
    name, value = option
    try:
        return name, parse_json(value)
    except ValueError:
        return name, value


class Conversation:
    """The messages so far, and the router that answers them."""

    def __init__(
        self,
        router: Router,
        *,
        system: str | None = None,
        parameters: Mapping[str, object] | None = None,
        timeout: float | None = None,
        memory: Memory | None = None,
        before: Sequence[Exchange] = (),
        attached: Sequence[Json] = (),
    ) -> None:
        self.router, self.timeout = router, timeout
        self.parameters = dict(parameters or {})
        self.system = [{"role": "system", "content": system}] if system else []
        self.messages = [message for exchange in before for message in exchange.messages]
        self.attached = list(attached)
        """Parts that go with the next prompt."""
        self.id = before[-1].conversation if before else new_conversation()
        self.memory = memory
        self.model: str | None = None
        self.last: Outcome | None = None
        self.err = console(stderr=True)

    def request(self, prompt: str) -> ChatRequest:
        messages = [
            *self.system,
            *self.messages,
            {"role": "user", "content": self._content(prompt)},
        ]
        return ChatRequest(
            messages, parameters=self.parameters, timeout=self.timeout, model=self.model
        )

    def _content(self, prompt: str) -> str | list[Json]:
        """The content of the user's message, with what is attached."""
        if not self.attached:
            return prompt
        text: list[Json] = [{"type": "text", "text": prompt}] if prompt.strip() else []
        return [*text, *self.attached]

    def answer(self, prompt: str) -> Outcome:
        """Ask, and return the whole answer."""
        began = time.time()
        outcome = self.router.chat(self.request(prompt))
        self._keep(prompt, outcome, began)
        return outcome

    def _keep(self, prompt: str, outcome: Outcome, began: float) -> None:
        """Add a question and its answer to the conversation, and to the log."""
        content, self.attached = self._content(prompt), []
        self.last = outcome
        self.messages += [
            {"role": "user", "content": content},
            {"role": "assistant", "content": outcome.text},
        ]
        if self.memory is not None:
            system = self.system[0]["content"] if self.system else ""
            asked = self.model or self.router.model
            self.memory.add(exchange_of(self.id, began, asked, system, content, outcome))

    def ask(self, prompt: str, *, explain: bool = False) -> Outcome:
        """Ask, print the answer as it arrives, and add both to the conversation."""
        began, countdown = time.time(), Countdown(self.err)
        stream = self.router.stream(self.request(prompt).but(on_wait=countdown.tell))
        try:
            for delta in stream:
                countdown.end()
                if delta.text:
                    hold_lines()
                    sys.stdout.write(_printable(delta.text))
                    sys.stdout.flush()
        except FreeRouterError as error:
            countdown.end()
            sys.stdout.write("\n" if getattr(error, "partial", "") else "")
            if explain:
                print_attempts(self.err, error.attempts)
            raise
        else:
            sys.stdout.write("\n")
            sys.stdout.flush()
        finally:
            countdown.end()
            print_held_lines()
        outcome = stream.outcome
        self._keep(prompt, outcome, began)
        if explain:
            self.explain()
        return outcome

    def explain(self) -> None:
        """Print how the last answer came about."""
        if self.last is None:
            self.err.print("there is no answer yet")
            return
        for line in self.last.journal.render():
            self.err.print(f"[dim]{escape(line)}[/]")
        self.err.print(Trail.of(self.last.journal))

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
                self.id = new_conversation()
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
