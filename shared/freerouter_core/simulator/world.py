"""`World`: models, accounts and a clock. It decides what each request gets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, Self, overload

from ..catalogue.model import Mode
from ..errors import BadSetting
from ..runtime.loop.clock import Clock, RealClock, VirtualClock
from .dialects import DIALECTS
from .faults import FAULTS, FaultContext
from .inference import Inference
from .models import Seen, SimAccount, SimModel
from .request_validation import capability_error, validation_error
from .response import Json, TimedResponse, json_response
from .vectors import texts_problem

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from ..client.router import Router
    from ..runtime.runtime import Runtime
    from .asgi import WorldApp
    from .transport import WorldTransport

    ClockT = TypeVar("ClockT", bound=Clock, default=VirtualClock, covariant=True)
    P = ParamSpec("P")

    def _takes_options_of(
        router: Callable[P, Router],
    ) -> Callable[[Callable[..., Router]], Callable[Concatenate[World[Any], P], Router]]: ...

    router_options = _takes_options_of(Router)
else:
    from typing import TypeVar

    ClockT = TypeVar("ClockT")

    def router_options(method):
        """Tells type checkers that a method takes what `Router` takes."""
        return method


_MODES: dict[str, Mode] = {
    "/chat/completions": "chat",
    "/embeddings": "embedding",
    "/embed": "embedding",
    "/rerank": "rerank",
    "/reranking": "rerank",
}
"""What a path asks for, by its end."""


class World(Generic[ClockT]):
    """A simulated provider, in OpenRouter's dialect by default.

    Its type parameter is the type of its clock: a plain `World` has a virtual one.

    Args:
        models: what it serves.
        accounts: the keys it accepts, with their limits. None: any key, no limits.
        dialect: how it words limits and lists, a name in `DIALECTS`. In OpenRouter's, limits hold
            for ids that end in ":free"; in all others, for every model.
        seed: decides everything random.
        endpoints: whether it lists each model's endpoints with their speed, as OpenRouter does.
        clock: "virtual" (the default: waiting takes no time), "real", or a clock to share.

    Raises:
        BadSetting: there is no such dialect or fault.
    """

    @overload
    def __init__(
        self: World[VirtualClock],
        models: Sequence[SimModel],
        accounts: Sequence[SimAccount] | None = None,
        *,
        dialect: str = "openrouter",
        seed: int = 0,
        endpoints: bool = False,
        clock: Literal["virtual"] = "virtual",
    ) -> None: ...

    @overload
    def __init__(
        self: World[RealClock],
        models: Sequence[SimModel],
        accounts: Sequence[SimAccount] | None = None,
        *,
        dialect: str = "openrouter",
        seed: int = 0,
        endpoints: bool = False,
        clock: Literal["real"],
    ) -> None: ...

    @overload
    def __init__(
        self,
        models: Sequence[SimModel],
        accounts: Sequence[SimAccount] | None = None,
        *,
        dialect: str = "openrouter",
        seed: int = 0,
        endpoints: bool = False,
        clock: ClockT,
    ) -> None: ...

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
        for model in models:
            _check_faults(model)
        for account in accounts or ():
            _check_fault("accounts", account.at_once_fault)
        if isinstance(clock, str):
            clock = VirtualClock() if clock == "virtual" else RealClock()
        self.dialect = dialect
        self.models = {model.id: model for model in models}
        self.accounts = None if accounts is None else {account.key: account for account in accounts}
        self.clock: ClockT = clock  # type: ignore[assignment]  # the overloads tie the two
        self.start = clock.now()
        self.endpoints = endpoints
        self.requests: list[Seen] = []
        """Every request to a model, in order of arrival."""
        self._dialect = DIALECTS[dialect]
        self._rng = Random(seed)  # noqa: S311  # a simulation
        self._inference = Inference(self._rng)
        self._request_counts: dict[str, int] = {}
        self._runtime: Runtime | None = None

    # -- access -----------------------------------------------------------------------------------

    def transport(self) -> WorldTransport:
        """An `httpx.AsyncBaseTransport` that answers in this process, in this world's time."""
        from .transport import WorldTransport

        return WorldTransport(self)

    def app(self) -> WorldApp:
        """An ASGI application. It serves any path that ends in /chat/completions or /models."""
        from .asgi import WorldApp

        return WorldApp(self)

    @property
    def runtime(self) -> Runtime:
        """This world's own runtime: its clock and transport, and nothing on disk."""
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

    @router_options
    def router(self, **options: Any) -> Router:
        """A `Router` into this world, with any of its arguments.

        By default it uses the key of the first account.
        """
        from ..catalogue.providers import Limit, Provider
        from ..client.router import Router

        key = next(iter(self.accounts)) if self.accounts else "sk-simulated"
        limits: list[Limit] | None = None if self.accounts else []
        provider = Provider("openrouter", "https://simulated.invalid/api/v1", key, limits=limits)
        return Router(**{"providers": (provider,), **options}, runtime=self.runtime)

    def close(self) -> None:
        """Close this world's runtime, if it has one."""
        if self._runtime is not None:
            self._runtime.close()

    def __enter__(self) -> Self:
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

    # -- answering --------------------------------------------------------------------------------

    def respond(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> TimedResponse:
        """What a request gets now. `headers` are looked up by lower-case names."""
        if method == "GET" and path.endswith(("/models", "/models/search", "/api/tags")):
            listed = self._listed(others=path.endswith("/embeddings/models"))
            return json_response(self._dialect.model_list([m.row() for m in listed]))
        if method == "GET" and path.endswith("/endpoints") and self.endpoints:
            model_id = path.partition("/models/")[2].removesuffix("/endpoints")
            model = self.models.get(model_id)
            endpoints = [model.endpoint()] if model else []
            return json_response({"data": {"id": model_id, "endpoints": endpoints}})
        key = headers.get("authorization", "").removeprefix("Bearer ").strip()
        if method == "GET" and path.endswith("/key"):
            return self._key_status(key)
        mode = next((mode for end, mode in _MODES.items() if path.endswith(end)), None)
        if method != "POST" or mode is None:
            return _error(404, f"no such endpoint: {method} {path}")
        if not key:
            return _error(401, "Missing Authentication header")
        if self.accounts is not None and key not in self.accounts:
            return _error(401, "User not found.")
        try:
            request = json.loads(body)
        except ValueError:
            request = None
        return self._answer(mode, request, self.accounts[key] if self.accounts else None)

    def _listed(self, *, others: bool) -> list[SimModel]:
        """The models in a list. OpenRouter lists embeddings apart."""
        if self.dialect != "openrouter":
            return self._existing()
        return [model for model in self._existing() if model.is_chat is not others]

    def _answer(self, mode: Mode, request: object, account: SimAccount | None) -> TimedResponse:
        body: Json = request if isinstance(request, dict) else {"messages": []}
        model_id = str(body.get("model")) if isinstance(request, dict) else "?"
        if model_id == "openrouter/free":  # a random free model, as OpenRouter picks it
            free = [m.id for m in self._existing() if m.prompt_price == "0"]
            model_id = self._rng.choice(sorted(free)) if free else model_id
        model = self.models.get(model_id)
        problem = validation_error(request) if mode == "chat" else None
        if problem is None:
            problem = self._model_error(mode, model, model_id, body)
        now = self.clock.now()
        context = self._inference.context(
            model or SimModel(model_id), body, number=len(self.requests), now=now, mode=mode
        )
        limit = self._limit_error(account, context)
        if limit is not None:
            fate, response = limit
            return self._log(model_id, fate, request, response)
        if model is None or problem is not None:
            problem = problem or "no model"
            status = 404 if problem.startswith("No endpoints") else 400
            return self._log(model_id, str(status), request, _error(status, problem), problem)
        fault, crowd = self._next_fault(model), None
        if account is not None and account.crowded(now):
            fault = crowd = account.at_once_fault
        response = FAULTS[fault](context) if fault else context.answer()
        if account is not None and crowd is None:
            account.under_way.append(now + response.duration)
        if account is not None and fault is None:
            told = account.headers(self._dialect, now, model_id)
            response = replace(response, headers=response.headers | told) if told else response
        return self._log(model_id, fault or "answer", request, response)

    def _existing(self) -> list[SimModel]:
        elapsed = self.elapsed
        return [model for model in self.models.values() if model.exists(elapsed)]

    def _log(
        self, model: str, fate: str, request: object, response: TimedResponse, problem: str = ""
    ) -> TimedResponse:
        body = request if isinstance(request, dict) else {}
        self.requests.append(Seen(self.elapsed, model, fate, body, problem))
        return response

    def _model_error(
        self, mode: Mode, model: SimModel | None, model_id: str, request: Json
    ) -> str | None:
        """Why this model does not take a valid request."""
        if model is None:
            return f"{model_id} is not a valid model ID"
        if not model.exists(self.elapsed):
            return f"No endpoints found for {model_id}."
        if mode != model.mode:
            return f"No endpoints found for {model_id} that serve {mode} requests."
        if mode == "chat":
            error = capability_error(model, request)
        else:
            error = texts_problem(model, request, rerank=mode == "rerank")
        if error is None and model.objects is not None:
            error = model.objects(request)
        return error

    def _next_fault(self, model: SimModel) -> str | None:
        """The fault that the model's next request meets."""
        count = self._request_counts[model.id] = self._request_counts.get(model.id, 0) + 1
        if count <= len(model.script):
            return model.script[count - 1]
        for phase in model.phases:
            if phase.start <= self.elapsed < phase.end and self._rng.random() < phase.share:
                return phase.fault
        return None

    def _limit_error(
        self, account: SimAccount | None, context: FaultContext
    ) -> tuple[str, TimedResponse] | None:
        """Count a request against its account. If a limit refuses it: its fate and response."""
        paid = self.dialect == "openrouter" and not context.model.endswith(":free")
        if account is None or paid:
            return None
        limit = account.spend(context.now, context.model if self._dialect.by_model else "")
        if limit is None and context.texts:
            limit = account.spend_texts(context.now, len(context.texts), sum(context.texts))
        if limit is None:
            return None
        window, until = limit
        allowed = account.per_day if window == "day" else account.per_minute
        context = replace(context, allowed=allowed)
        return f"account-{window}", self._dialect.limit_error(context, window, until)

    def _key_status(self, key: str) -> TimedResponse:
        account = (self.accounts or {}).get(key)
        if self.accounts is not None and account is None:
            return _error(401, "User not found.")
        data: Json = {"label": "simulated", "is_free_tier": True, "usage": 0, "limit": None}
        if account is not None and account.per_day is not None:
            used = account.days.get(int(self.clock.now() // 86_400), 0)
            data["free_model_daily_requests"] = {
                "used": used,
                "limit": account.per_day,
                "remaining": max(0, account.per_day - used),
            }
        return json_response({"data": data})


def _check_faults(model: SimModel) -> None:
    names = [name for name in model.script if name] + [phase.fault for phase in model.phases]
    for name in names:
        _check_fault(model.id, name)


def _check_fault(where: str, name: str) -> None:
    if name not in FAULTS:
        raise BadSetting(
            f"{where}: no fault is called {name!r}", hint=f"known: {', '.join(FAULTS)}"
        )


def _error(status: int, message: str) -> TimedResponse:
    return json_response({"error": {"message": message, "code": status}}, status=status)


def development_world(clock: Clock | None = None) -> World[Any]:
    """The world behind `DEV_MODE=true`: a few quick models that never fail."""
    models = [
        SimModel(
            f"simulated/{size}:free",
            inputs=("text", "image", "audio", "video", "file"),
            first_token=0.02,
            speed=2_000.0,
            reasoning=size == "large",
        )
        for size in ("large", "small", "vision")
    ]
    models.append(SimModel("simulated/embed:free", dimension=256, context=8_192, first_token=0.02))
    models.append(SimModel("simulated/rerank:free", reranks=True, first_token=0.02))
    return World(models, clock=clock or RealClock())
