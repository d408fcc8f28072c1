"""`World`: models, accounts and time; decides what each request gets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, Literal

from ..errors import BadSetting
from ..runtime.loop.clock import Clock, RealClock, VirtualClock
from .dialects import DIALECTS
from .encoding import Speech, cut_to_length, streamed, tokens_of, whole
from .faults import FAULTS, Case
from .models import Seen, SimAccount, SimModel
from .request_validation import fault_in
from .responder import Thought, think
from .script import Json, Script, reply

if TYPE_CHECKING:
    from ..client.router import Router
    from ..runtime.runtime import Runtime


class World:
    """A simulated provider in OpenRouter's dialect.

    Args:
        models: what it serves.
        accounts: the keys it knows, with their limits. None: any key, no limits.
        dialect: whose words it uses for limits and lists: a name in `DIALECTS`. Beside OpenRouter's, limits bind every model.
        seed: decides every chance in it.
        endpoints: whether it tells of each model's endpoints how fast they have been, as OpenRouter does.
        clock: "virtual" (no wait takes any time; the default), "real", or a clock to share.
    """

    def __init__(
        self,
        models: Sequence[SimModel],
        accounts: Sequence[SimAccount] | None = None,
        *,
        dialect: str = "openrouter",
        seed: int = 0,
        endpoints: bool = False,
        clock: Literal["virtual", "real"] | Clock = "virtual",
    ) -> None:
        if dialect not in DIALECTS:
            raise BadSetting(
                f"no dialect is called {dialect!r}", hint=f"known: {', '.join(DIALECTS)}"
            )
        self.dialect, self._words = dialect, DIALECTS[dialect]
        self.models = {model.id: model for model in models}
        for model in models:
            named = [name for name in model.script if name] + [
                phase.fault for phase in model.phases
            ]
            for name in named:
                if name not in FAULTS:
                    raise BadSetting(
                        f"{model.id}: no fault is called {name!r}",
                        hint=f"known: {', '.join(FAULTS)}",
                    )
        self.accounts = None if accounts is None else {account.key: account for account in accounts}
        self.clock: Clock = (
            (VirtualClock() if clock == "virtual" else RealClock())
            if isinstance(clock, str)
            else clock
        )
        self.start = self.clock.now()
        self.endpoints = endpoints
        self.requests: list[Seen] = []
        """Every chat request, in order of arrival."""
        self._rng = Random(seed)  # noqa: S311  # a simulation
        self._counts: dict[str, int] = {}
        self._marked: set[tuple[str, str]] = set()
        self._runtime: Runtime | None = None

    # -- faces ------------------------------------------------------------------------------------------------------

    def transport(self) -> Any:
        """An `httpx.AsyncBaseTransport` that answers in this process, in this world's time."""
        from .transport import WorldTransport

        return WorldTransport(self)

    def app(self) -> Any:
        """An ASGI application that serves this world under any path ending in /chat/completions and /models."""
        from .asgi import WorldApp

        return WorldApp(self)

    @property
    def runtime(self) -> Runtime:
        """A runtime of its own: this world's clock and transport, nothing kept on disk."""
        from ..runtime.runtime import Runtime

        if self._runtime is None:
            self._runtime = Runtime(
                clock=self.clock,
                client=self.transport(),
                seed=self._rng.randrange(1 << 30),
                cache=None,
                state="memory",
            )
        return self._runtime

    def router(self, **policy: Any) -> Router:
        """A `Router` into this world, with any of its arguments; the first account's key is the default."""
        from ..catalogue.providers import Limit, Provider
        from ..client.router import Router

        key = next(iter(self.accounts)) if self.accounts else "sk-simulated"
        limits: list[Limit] | None = None if self.accounts else []
        policy.setdefault(
            "providers",
            (Provider("openrouter", "https://simulated.invalid/api/v1", key, limits=limits),),
        )
        return Router(**policy, runtime=self.runtime)

    def close(self) -> None:
        """End this world's runtime, if it has one."""
        if self._runtime is not None:
            self._runtime.close()

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def elapsed(self) -> float:
        """Seconds since the world began."""
        return self.clock.now() - self.start

    @property
    def asked(self) -> list[str]:
        """The models of all chat requests, in order."""
        return [seen.model for seen in self.requests]

    # -- answering --------------------------------------------------------------------------------------------------

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Script:
        """What happens to a request now. Header names in lower case."""
        if method == "GET" and path.endswith(("/models", "/models/search", "/api/tags")):
            listed = [m.row() for m in self.models.values() if m.born <= self.elapsed < m.dies]
            return reply(self._words.listed(listed))
        if method == "GET" and path.endswith("/endpoints") and self.endpoints:
            name = path.partition("/models/")[2].removesuffix("/endpoints")
            model = self.models.get(name)
            return reply({"data": {"id": name, "endpoints": [model.endpoint()] if model else []}})
        key = headers.get("authorization", "").removeprefix("Bearer ").strip()
        if method == "GET" and path.endswith("/key"):
            return self._key(key)
        if method != "POST" or not path.endswith("/chat/completions"):
            return reply(
                {"error": {"message": f"no such endpoint: {method} {path}", "code": 404}},
                status=404,
            )
        if not key:
            return reply(
                {"error": {"message": "Missing Authentication header", "code": 401}}, status=401
            )
        if self.accounts is not None and key not in self.accounts:
            return reply({"error": {"message": "User not found.", "code": 401}}, status=401)
        try:
            request = json.loads(body)
        except ValueError:
            request = None
        return self._chat(request, self.accounts[key] if self.accounts else None)

    def _chat(self, request: Any, account: SimAccount | None) -> Script:
        name = str(request.get("model")) if isinstance(request, Mapping) else "?"
        if name == "openrouter/free":  # any free one, at random, blind to how it has been doing
            free = [
                m.id
                for m in self.models.values()
                if m.prompt_price == "0" and m.born <= self.elapsed < m.dies
            ]
            name = self._rng.choice(sorted(free)) if free else name
        model = self.models.get(name)
        problem = fault_in(request) or self._unknown(model, name) or _beyond(model, request)
        if problem is None and model is not None and model.objects is not None:
            problem = model.objects(request)
        case = self._case(
            model or SimModel(name), request if isinstance(request, Mapping) else {"messages": []}
        )
        limited = self._limited(account, case)
        if limited is not None:
            return self._seen(name, limited[0], request, limited[1])
        if problem or model is None:
            problem = problem or "no model"
            status, words = (404, problem) if problem.startswith("No endpoints") else (400, problem)
            return self._seen(
                name,
                str(status),
                request,
                reply({"error": {"message": words, "code": status}}, status=status),
                words,
            )
        fault = self._fate(model)
        if account is not None and account.crowded(self.clock.now()):
            fault = "429-at-once"
        script = FAULTS[fault](case) if fault else case.good()
        if account is not None and fault != "429-at-once":
            account.under_way.append(self.clock.now() + script.lasts)
        if fault is None and account is not None:
            told = account.headers(self._words, self.clock.now(), model.id)
            script = replace(script, headers=script.headers | told) if told else script
        return self._seen(name, fault or "answer", request, script)

    def _seen(self, model: str, fate: str, body: Any, script: Script, problem: str = "") -> Script:
        self.requests.append(
            Seen(self.elapsed, model, fate, body if isinstance(body, dict) else {}, problem)
        )
        return script

    def _unknown(self, model: SimModel | None, name: str) -> str | None:
        if model is None:
            return f"{name} is not a valid model ID"
        if not model.born <= self.elapsed < model.dies:
            return f"No endpoints found for {name}."
        return None

    def _fate(self, model: SimModel) -> str | None:
        n = self._counts[model.id] = self._counts.get(model.id, 0) + 1
        if n <= len(model.script):
            return model.script[n - 1]
        for phase in model.phases:
            if phase.start <= self.elapsed < phase.end and self._rng.random() < phase.share:
                return phase.fault
        return None

    def _limited(self, account: SimAccount | None, case: Case) -> tuple[str, Script] | None:
        if account is None or (self.dialect == "openrouter" and not case.model.endswith(":free")):
            return None
        now = self.clock.now()
        spent = account.spend(now, case.model if self._words.by_model else "")
        return None if spent is None else (f"account-{spent[0]}", self._words.refuse(case, *spent))

    def _key(self, key: str) -> Script:
        account = (self.accounts or {}).get(key)
        if self.accounts is not None and account is None:
            return reply({"error": {"message": "User not found.", "code": 401}}, status=401)
        data: Json = {"label": "simulated", "is_free_tier": True, "usage": 0, "limit": None}
        if account is not None and account.per_day is not None:
            used = account.days.get(int(self.clock.now() // 86_400), 0)
            left = max(0, account.per_day - used)
            data["free_model_daily_requests"] = {
                "used": used,
                "limit": account.per_day,
                "remaining": left,
            }
        return reply({"data": data})

    def _case(self, model: SimModel, request: Mapping[str, Any]) -> Case:
        stream = request.get("stream") is True
        ident = f"gen-{len(self.requests)}-{self._rng.randrange(16**8):08x}"
        first = model.first_token * self._spread(model)

        def chunk(finish: str | None = None, usage: Json | None = None, **delta: Any) -> Json:
            choice = {
                "index": 0,
                "delta": {"role": "assistant", **delta},
                "finish_reason": finish,
                "native_finish_reason": finish,
                "logprobs": None,
            }
            made: Json = {
                "id": ident,
                "provider": "Simulated",
                "model": model.id,
                "object": "chat.completion.chunk",
                "created": int(self.clock.now()),
                "system_fingerprint": None,
                "choices": [choice],
            }
            return made | ({"usage": usage} if usage is not None else {})

        def good() -> Script:
            thought = think(request, model.id, self._rng, reasons=model.reasoning)
            said = None if model.says is None or thought.calls else model.says(dict(request))
            if said is not None:
                thought = Thought(said, reasoning=thought.reasoning)
            thought, finish = cut_to_length(thought, request)
            speed = model.speed * self._spread(model)
            speech = Speech(
                thought,
                finish,
                request,
                model.id,
                ident,
                first,
                speed,
                self._cached(model, request),
            )
            return streamed(speech, chunk) if stream else whole(speech)

        return Case(model.id, stream, self.clock.now(), first, good, chunk)

    def _cached(self, model: SimModel, request: Mapping[str, Any]) -> bool:
        """Whether this prompt was marked for caching before; it is from now on."""
        text = json.dumps(request.get("messages"))
        if '"cache_control"' not in text:
            return False
        known = (model.id, text) in self._marked
        self._marked.add((model.id, text))
        return known

    def _spread(self, model: SimModel) -> float:
        return 1 + model.jitter * (2 * self._rng.random() - 1)


def _beyond(model: SimModel | None, request: Any) -> str | None:
    """What the request asks and the model lacks, in the real service's words."""
    if model is None:
        return None
    if request.get("tools") and not model.tools:
        return "No endpoints found that support tool use."
    if request.get("tool_choice") not in (None, "auto", "none") and not model.tool_choice:
        return "No endpoints found that support the provided 'tool_choice' value."
    kinds = {
        p.get("type")
        for m in request["messages"]
        if isinstance(m.get("content"), list)
        for p in m["content"]
    }
    for part, kind in (
        ("image_url", "image"),
        ("input_audio", "audio"),
        ("file", "file"),
        ("video_url", "video"),
    ):
        if part in kinds and kind not in model.inputs:
            return f"No endpoints found that support {kind} input"
    size = tokens_of(request)
    if size > model.context:
        return (
            f"This endpoint's maximum context length is {model.context} tokens. "
            f"However, you requested about {size} tokens."
        )
    return None


def development_world(clock: Clock | None = None) -> World:
    """The world behind `DEV_MODE=true`: a few quick models that never fail."""
    names = ("simulated/large:free", "simulated/small:free", "simulated/vision:free")
    inputs = ("text", "image", "audio", "video", "file")
    return World(
        [
            SimModel(
                name, inputs=inputs, first_token=0.02, speed=2_000.0, reasoning="large" in name
            )
            for name in names
        ],
        clock=clock or "real",
    )
