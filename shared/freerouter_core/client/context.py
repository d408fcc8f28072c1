"""`Context`: a router's configuration, with the runtime, settings and transports it uses."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..catalogue.model import Catalogue
from ..catalogue.providers import Account
from ..errors import AuthenticationFailed
from ..routing.session_memory import SessionMemory, memory_of
from ..runtime.http.transport import HttpClient, Transport
from ..runtime.runtime import Runtime
from ..settings import Settings
from ..wire.request import ChatRequest
from .answer_cache.lookup import Lookup, ReusePolicy
from .config import RouterConfig
from .resolve import Resolved, resolve


class Context:
    """What a call of a router starts from. It does not change.

    Args:
        config: the router's options, filter included.
        runtime: the router's own runtime. None: the one of the process.
        http_client: the client or transport the router was given.
    """

    def __init__(
        self,
        config: RouterConfig,
        runtime: Runtime | None = None,
        http_client: HttpClient | None = None,
    ) -> None:
        self.config, self.http_client = config, http_client
        self.own_runtime = runtime
        self._resolved: Resolved | None = None
        self._reuse: ReusePolicy | None = None
        self._opened = ""
        """The name of the runtime that was told where to keep its state."""

    def with_options(self, **options: Any) -> Context:
        """This context with other arguments of `Router`. Raises `BadSetting`."""
        runtime = options.pop("runtime", self.own_runtime)
        http_client = options.pop("http_client", self.http_client)
        config = dataclasses.replace(self.config, **options) if options else self.config
        return Context(config, runtime, http_client)

    @property
    def runtime(self) -> Runtime:
        """The router's own runtime, or the one of the process. After a fork that is a new one."""
        return self.own_runtime if self.own_runtime is not None else Runtime.current()

    @property
    def resolved(self) -> Resolved:
        """The configuration together with the environment, which is read once.

        Raises:
            AuthenticationFailed: no provider has a key.
            BadSetting: a setting makes no sense.
        """
        if self._resolved is None:
            self._resolved = self._resolve()
        return self._resolved

    def _resolve(self) -> Resolved:
        return resolve(self.config, Settings.load())

    def check(self) -> None:
        """Raise what `resolved` raises."""
        _ = self.resolved

    async def listing(self) -> Resolved:
        """`opened`, for whoever only lists models: an open list needs no key."""
        try:
            return await self.opened()
        except AuthenticationFailed:
            return resolve(self.config, Settings.load(), listing=True)

    def lookup(self, request: ChatRequest) -> Lookup | None:
        """Where the answer to a request may be kept; None: nowhere. Raises as `resolved` does."""
        settings = self.resolved.answer_cache
        if settings is None:
            return None
        if self._reuse is None:
            self._reuse = ReusePolicy(self.config, self.resolved, self.runtime, settings)
        return self._reuse.lookup(self.runtime, request)

    @property
    def lookup_is_ready(self) -> bool:
        """Whether `lookup` needs nothing that has yet to be read."""
        return self._resolved is not None

    async def opened(self, left: float | None = None) -> Resolved:
        """`resolved`, after the state that other processes share has been read, or after `left`
        seconds."""
        runtime, resolved = self.runtime, self.resolved
        if self._opened != runtime.name:
            self.open_state()
            self._opened = runtime.name
        await runtime.state_sync.pull(left)
        return resolved

    def open_state(self) -> None:
        """Let the runtime keep its state where the settings say. A simulated world keeps none."""
        resolved = self.resolved
        if not all(account.simulated for account in resolved.accounts.values()):
            self.runtime.open_state(resolved.settings.freerouter_state)

    async def catalogue(
        self, resolved: Resolved, *, wait: float | None = None, required: bool = True
    ) -> Catalogue:
        """The models of all accounts.

        Args:
            resolved: what `opened` returned.
            wait: seconds to wait for a first list. None: as long as fetching takes.
            required: whether to raise `CatalogueUnavailable` if there is no list.
        """
        return await self.runtime.discovery.catalogue(
            [account for account in resolved.accounts.values() if account.chat],
            self.transport,
            resolved.settings.free_models_refresh,
            wait=wait,
            required=required,
        )

    def transport(self, account: Account) -> Transport:
        """How to reach an account: the simulator in DEV_MODE, else the router's own client, the
        runtime's, or the network."""
        runtime = self.runtime
        if account.simulated and runtime.client is None:
            return runtime.transport_for(_dev_transport(runtime))
        return runtime.transport_for(self.http_client)

    def session_memory(self) -> SessionMemory | None:
        """What is remembered of this router's session. It is made at first use.

        None: the router has no session.
        """
        if self.config.session_name is None:
            return None
        runtime = self.runtime
        return memory_of(runtime.sessions, self.config.session_name, runtime.clock.now())


def _dev_transport(runtime: Runtime) -> HttpClient:
    """The transport to the simulated world that answers in DEV_MODE, one for each runtime."""
    if runtime.dev_transport is None:
        from ..simulator import development_world

        runtime.dev_transport = development_world(runtime.clock).transport()
    return runtime.dev_transport
