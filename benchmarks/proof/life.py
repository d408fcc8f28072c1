"""`live`: one run of a scene, from its first call until long after its last."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import shutil
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from history import History, Trouble
from network import CALL, Network
from process import Machine, MachineClock, Process, owned_task
from scene import Call, Kill, Scene, machine_of
from stores import Link, RedisServer, SimulatedRedis, SimulatedSqlite

from freerouter_core import Limit, Provider
from freerouter_core.routing.charges import Charge
from freerouter_core.routing.window import LEASE, MAX_LEAD, Window
from freerouter_core.runtime.ledger.store import Store
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.loop.os_threads import NativeLoop
from freerouter_core.simulator import SimAccount, World

PATIENCE = 700.0
"""Seconds after the last call in which every call must have ended: the longest wait in line, and
the longest time for an answer."""
SETTLING = LEASE + MAX_LEAD + 35.0
"""Seconds after the last end in which every lease must have ended: the store is tried again."""


class Life:
    """One run."""

    def __init__(self, scene: Scene, *, keep_lines: bool = False) -> None:
        self.scene, self.history = scene, History(lines=[] if keep_lines else None)
        self.rng = Random(scene.seed + 1)
        self.clock = VirtualClock(scene.start)
        loop = self.clock.new_event_loop(lambda: True)
        assert isinstance(loop, NativeLoop)
        self.loop = loop
        self.machines = [Machine(self.clock, skew) for skew in scene.skews]
        # Of no form that is known as a key's: only who knows the key itself can find it.
        self.keys = {
            server.name: f"{self.rng.getrandbits(128):032x}"[:28] for server in scene.servers
        }
        self.servers = {server.name: (server, self._world(server)) for server in scene.servers}
        self.providers = tuple(
            Provider(
                name,
                f"https://{name}.invalid/api/v1",
                self.keys[name],
                free="suffix" if name == "openrouter" else "all",
                limits=server.known,
            )
            for name, (server, _) in self.servers.items()
        )
        self.redis = RedisServer(self.clock)
        self.folder = Path(tempfile.mkdtemp(prefix="proof-"))
        self.processes: list[Process | None] = []
        """The process of each place. None: it was killed."""
        self.incarnations: list[Process] = []
        self.callers: list[asyncio.Task[None]] = []

    def _world(self, server: Any) -> World[VirtualClock]:
        for model in server.models:
            model.says = lambda body, name=model.id: _text(body, name)
        minute = [limit for limit in server.limits if limit.requests and limit.per == 60.0]
        day = [limit for limit in server.limits if limit.reset == "utc-day"]
        account = SimAccount(
            self.keys[server.name],
            minute[0].requests if minute else None,
            per_day=day[0].requests if day else None,
        )
        return World(
            server.models, [account], dialect=server.name, seed=self.scene.seed, clock=self.clock
        )

    # -- processes --------------------------------------------------------------------------------

    def _start(self, place: int) -> Process:
        number = len(self.incarnations)
        name = f"p{place}.{number}"
        machine = self.machines[machine_of(self.scene, place)]
        rng = Random(self.rng.getrandbits(32))
        link = Link(name, self.clock, rng, self.scene.store_troubles, self.history)
        store: Store | None = None
        if self.scene.store == "sqlite":
            store = SimulatedSqlite(self.folder / "state.db", link)
        elif self.scene.store == "redis":
            store = SimulatedRedis(self.redis, link, machine.steady)
        cuts = [span for process, span in self.scene.cuts if process == place]
        network = Network(name, self.clock, rng, self.history, self.servers, cuts, self.scene.loss)
        clock = MachineClock(machine, self.loop)
        process = Process(
            name, clock, network, store, link, number + 1, self.providers, self.history
        )
        self.incarnations.append(process)
        return process

    async def _kill(self, kill: Kill) -> None:
        await asyncio.sleep(max(0.0, kill.at))
        for _ in range(kill.steps):
            await asyncio.sleep(0)
        process = self.processes[kill.process]
        if process is None:
            return
        self.processes[kill.process] = None
        self.history.tell(self.clock.elapsed, "killed", process.name)
        process.kill()
        await asyncio.sleep(kill.restart)
        self.processes[kill.process] = self._start(kill.process)

    # -- what happens -----------------------------------------------------------------------------

    async def _jumps(self) -> None:
        for jump in sorted(self.scene.jumps, key=lambda jump: jump.at):
            await asyncio.sleep(max(0.0, jump.at - self.clock.elapsed))
            self.machines[jump.machine].skew += jump.by
            self.history.troubles.append(Trouble(self.clock.elapsed, "jump"))
            self.history.tell(self.clock.elapsed, "jump", jump.by)

    async def _price_rises(self) -> None:
        for server, world in self.servers.values():
            for model, at in server.paid_from.items():
                await asyncio.sleep(max(0.0, at - self.clock.elapsed))
                world.models[model].prompt_price = world.models[model].completion_price = "0.001"

    async def _losses(self) -> None:
        """The store's data is lost."""
        for span in sorted(self.scene.store_troubles, key=lambda span: span.start):
            if span.what not in ("emptied", "spoilt"):
                continue
            await asyncio.sleep(max(0.0, span.start - self.clock.elapsed))
            self.history.troubles.append(Trouble(self.clock.elapsed, "store"))
            self.history.tell(self.clock.elapsed, span.what)
            if self.scene.store == "redis":
                self.redis.empty()
                continue
            for file in sorted(self.folder.iterdir()):
                if span.what == "emptied":
                    file.unlink()
                elif file.name == "state.db":
                    file.write_bytes(b"this is no database\n" * 300)

    async def _call(self, call: Call) -> None:
        await asyncio.sleep(call.at)
        process = self.processes[call.process]
        if process is None:
            return  # nobody asks in a process that is not there
        caller = process.start(process.ask(call))
        self.callers.append(caller)
        if call.cancel_after is None:
            return
        await asyncio.sleep(call.cancel_after)
        for _ in range(call.steps):
            await asyncio.sleep(0)
        if not caller.done():
            caller.cancel()

    async def _everything(self) -> None:
        self.loop.set_task_factory(owned_task)  # type: ignore[arg-type]  # of any T
        self.processes = [self._start(place) for place in range(self.scene.processes)]
        scene = self.scene
        happenings = [
            self._jumps(),
            self._losses(),
            self._price_rises(),
            *map(self._kill, scene.kills),
        ]
        await asyncio.gather(*happenings, *map(self._call, scene.calls))
        if self.callers:
            await asyncio.wait(self.callers, timeout=PATIENCE)
        await asyncio.sleep(SETTLING)
        await self._look_at_what_is_left()
        self.history.elapsed = self.clock.elapsed
        for process in self.incarnations:
            process.kill()
        await asyncio.sleep(0.0)

    # -- what is left -----------------------------------------------------------------------------

    async def _look_at_what_is_left(self) -> None:
        left = self.history.leftovers
        for process in self.incarnations:
            if not process.alive:
                continue
            ledger = process.ledger
            held = len(ledger._leases._held)  # noqa: SLF001  # no public name shows a leak
            if held:
                left.append(f"{process.name} renews {held} leases")
            for scope, line in ledger._lines._lines.items():  # noqa: SLF001
                left.append(f"{process.name}: {len(line)} wait for {scope}")
        for charge, where, window in self._windows():
            if where in ("sqlite", "redis"):  # a killed process may have left some: by now in vain
                skew = self.machines[0].skew if where == "sqlite" else 0.0
                window.expire(charge.limit, self.clock.now() + skew)
            if window.used or window.times:
                left.append(f"{where}: {window.used:g} leases of {charge.scope}")

    def _windows(self) -> Iterator[tuple[Charge, str, Window]]:
        """The windows of all leases, in memories and in the store."""
        for process in self.incarnations:
            if process.alive:
                for name, window in process.ledger._memory._windows.items():  # noqa: SLF001
                    if window.leases:
                        yield Charge(name, Limit(concurrent=1)), f"memory of {process.name}", window
        lease = Charge("the store", Limit(concurrent=1))
        for key, state in self.redis.texts.items():
            if "|c|" in key:
                yield lease, "redis", Window.of(state)
        if self.scene.store == "sqlite":
            store = self.incarnations[-1].ledger.store
            assert isinstance(store, SimulatedSqlite)
            rows: list[tuple[str, bytes]] = []
            with contextlib.suppress(Exception):
                rows = store.rows("SELECT key, state FROM windows")
            for key, state in rows:
                if "|c|" in key:
                    yield lease, "sqlite", Window.of(state)

    def _hunt(self) -> None:
        """Look for keys in all that was written or could be shown."""
        history = self.history
        places: dict[str, bytes] = {"redis": self.redis.dump()}
        for file in sorted(self.folder.iterdir()):
            places[file.name] = file.read_bytes()
        for number, (_, journal) in history.journals.items():
            text = "\n".join(journal.render()) + repr(journal)
            places[f"the journal of call {number}"] = text.encode() + pickle.dumps(journal)
        for ending in history.endings:
            error = ending.error
            if error is not None:
                text = "".join(traceback.format_exception(error)) + repr(error)
                places[f"the error of call {ending.call}"] = text.encode() + pickle.dumps(error)
        for key in self.keys.values():
            history.leaks += [name for name, data in places.items() if key.encode() in data]

    def run(self) -> History:
        listener = _Listener(self)
        logger = logging.getLogger("freerouter")
        before = logger.level, logger.propagate
        logger.addHandler(listener)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        try:
            self.loop.run_until_complete(self._everything())
            self._hunt()
            return self.history
        finally:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            for process in self.incarnations:
                store = process.ledger.store
                if isinstance(store, SimulatedSqlite):
                    store.drop()
            self.loop.close()
            shutil.rmtree(self.folder)
            logger.removeHandler(listener)
            logger.level, logger.propagate = before


class _Listener(logging.Handler):
    """Hears every event, as a log does."""

    def __init__(self, life: Life) -> None:
        super().__init__()
        self._life = life

    def emit(self, record: logging.LogRecord) -> None:
        life, text = self._life, record.getMessage()
        fields = record.__dict__
        everything = repr(fields) + text
        for key in life.keys.values():
            if key in everything:
                life.history.leaks.append(f"an event: {text[:60]}")
        name = fields.get("freerouter_event")
        if name is None:
            return
        owner = Process.current_name()
        life.history.tell(life.clock.elapsed, owner, text)
        if name == "Charged":
            life.history.charges.append(text)
        if name in ("Answered", "GaveUp", "CalledOff"):
            number = fields["freerouter_trail"]["number"]
            life.history.outcomes.append((owner, number, str(name)))


def _text(body: dict[str, Any], model: str) -> str:
    numbers = CALL.findall(str(body.get("messages")))
    return f"This is about #{numbers[-1] if numbers else 0}#, says {model}, and no more than that."
