"""Many requests at once, slow stores, full disks and the end of a process (law 12)."""

from __future__ import annotations

import asyncio
import errno
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from freerouter_core import Limit, Provider, Router, events
from freerouter_core.routing.charges import Charge, Grant
from freerouter_core.routing.hedge import HEDGE_SHARE, Prospect
from freerouter_core.routing.lanes import Place
from freerouter_core.runtime import json_cache
from freerouter_core.runtime.http import sockets, transport
from freerouter_core.runtime.ledger import Ledger
from freerouter_core.runtime.ledger.redis import RedisStore
from freerouter_core.runtime.loop.clock import RealClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import SimAccount, SimModel, World

pytestmark = pytest.mark.slow

MANY = Limit(requests=100_000, per=60.0)
MINUTE = Charge("account", Limit(requests=1_000, per=60.0))


def run(program: str, *arguments: str, seconds: float = 50.0) -> str:
    """The output of a Python program in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout


# -- hedges -------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["memory", "sqlite"])
def test_hedges_are_counted_when_they_are_decided(
    state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 calls at once, all of them late: 10 hedges, however long a store takes."""
    url = "memory" if state == "memory" else f"sqlite:///{tmp_path}/state.db"
    models = [SimModel("a/late:free", first_token=2.0), SimModel("a/other:free", first_token=2.0)]
    world = World(models, [SimAccount(per_minute=100_000)])
    runtime = Runtime(clock=world.clock, client=world.transport(), cache=None, state=url)
    provider = Provider("openrouter", "https://x.test/api/v1", "sk-simulated", limits=[MANY])
    router = Router(
        model="a/late:free", providers=(provider,), runtime=runtime, timeout=120.0, max_wait=120.0
    )
    monkeypatch.setattr(Prospect, "hedge_after", lambda *_, **__: 0.2)
    seen: list[events.Event] = []
    runtime.subscribe(seen.append)

    async def all_at_once() -> None:
        await asyncio.gather(*[router.achat("hello") for _ in range(200)])

    asyncio.run(all_at_once())
    runtime.flush()
    runtime.close()
    world.close()
    hedges = sum(isinstance(e, events.ModelChosen) and e.hedge for e in seen)
    assert 1 <= hedges <= HEDGE_SHARE * 200
    assert runtime.state.hedges == hedges


# -- stores -------------------------------------------------------------------------------------


async def test_a_store_that_is_far_away_is_not_lost(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """50 ms away, 64 requests at once."""
    store, trips = RedisStore(redis_url), 0
    lost: list[events.Event] = []
    execute = store._execute

    async def far(*command: Any) -> Any:
        nonlocal trips
        trips += 1
        await asyncio.sleep(0.05)
        return await execute(*command)

    monkeypatch.setattr(store, "_execute", far)
    ledger = Ledger(RealClock(), store, emit=lost.append)
    grants = await asyncio.gather(
        *[ledger.reserve(Place(False, 1), (MINUTE,), 0, 0.0) for _ in range(64)]
    )
    assert all(isinstance(grant, Grant) and grant.shared for grant in grants)
    assert not lost
    assert trips < 10
    assert await ledger.used(MINUTE) == 64
    await ledger.drain()


async def test_machines_that_share_a_server_go_by_its_clock(redis_url: str) -> None:
    class Wrong(RealClock):
        def wall(self) -> float:
            return super().wall() - 6 * 3_600.0

    one = Charge("account", Limit(requests=1, per=60.0))
    behind, right = (
        Ledger(Wrong(), RedisStore(redis_url)),
        Ledger(RealClock(), RedisStore(redis_url)),
    )
    assert isinstance(await behind.reserve(Place(False, 1), (one,), 0, 0.0), Grant)
    assert not isinstance(await right.reserve(Place(False, 1), (one,), 0, 0.0), Grant)
    assert abs(behind.store.lead - 6 * 3_600.0) < 1.0
    assert abs(right.store.lead) < 1.0
    right.store.lead = 99.0  # the machine's clock was set back since
    await right.reserve(Place(False, 2), (MINUTE,), 0, 0.0)
    assert abs(right.store.lead) < 1.0
    await behind.drain()
    await right.drain()


# -- files --------------------------------------------------------------------------------------


def test_a_full_disk_keeps_the_old_file_and_leaves_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "catalogue.json"
    assert json_cache.write_json(path, {"a": 1}) is None

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        assert json_cache.write_json(path, {"a": 2}) == "OSError"
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.NamedTemporaryFile", full)
        assert json_cache.write_json(path, {"a": 2}) == "OSError"
    assert json_cache.write_json(path, {"a": object()}) == "TypeError"
    assert json_cache.read_json(path) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["catalogue.json"]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL])
def test_a_machine_without_sockets_blames_no_model(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = 3
    with World([SimModel("a/b:free"), SimModel("c/d:free")]) as world:
        router = world.router()
        router.free_models()
        send = transport._send

        async def short(*arguments: Any) -> Any:
            nonlocal lacking
            lacking -= 1
            if lacking >= 0:
                raise ConnectionError("all attempts failed") from OSError(number, "none left")
            return await send(*arguments)

        monkeypatch.setattr(transport, "_send", short)
        outcome = router.chat("hello")
        assert [record["fault"] for record in outcome.attempts][:3] == ["slow"] * 3
        for health in world.runtime.state.health.models.values():
            assert not health.failures
            assert not health.benched_until


def test_a_lookup_without_files_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    error = socket.gaierror(-3, "Temporary failure in name resolution")
    assert transport._failure(error).name != "no-socket"
    monkeypatch.setattr(sockets, "_is_out_of_files", lambda: True)
    assert transport._failure(error).name == "no-socket"


# -- the end of a process -----------------------------------------------------------------------


def test_asking_while_the_interpreter_ends_is_an_error_and_no_wait() -> None:
    output = run(
        """
        import atexit
        from freerouter_core.errors import FreeRouterError
        from freerouter_core.simulator import SimModel, World

        router = World([SimModel("a/b:free")]).router()

        class Late:
            def __del__(self):
                try:
                    router.chat("hello")
                except FreeRouterError as error:
                    print(error)

        late = Late()
        router.chat("hello")
        half_read = router.stream("hello")
        next(half_read)
        atexit.register(lambda: print("asked", bool(router.chat("hello").answer.text)))
        """
    )
    assert output.splitlines() == [
        "asked True",
        "the interpreter is shutting down (ask before it ends)",
    ]


# -- slow readers -------------------------------------------------------------------------------

SLOW_READERS = """
    import asyncio, json, resource, sys
    from freerouter_core import Provider, Router
    from freerouter_core.runtime.runtime import Runtime

    STREAMS, SLOW, TOKENS = 1_000, 900, 3_000
    chunk = b"data: " + json.dumps({"choices": [{"delta": {"content": "word " * 20}}]}).encode()
    chunk += b"\\n\\n"
    end = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\\n\\ndata: [DONE]\\n\\n'
    models = json.dumps({"data": [
        {"id": "a/b:free", "context_length": 9_000_000, "pricing": {"prompt": "0"}}]}).encode()

    async def serve(reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\\r\\n\\r\\n")
                if head.startswith(b"GET"):
                    writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\n"
                                 b"content-length: %d\\r\\n\\r\\n" % len(models) + models)
                    continue
                length = int(head.lower().split(b"content-length: ")[1].split(b"\\r")[0])
                await reader.readexactly(length)
                writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-type: text/event-stream\\r\\n"
                             b"transfer-encoding: chunked\\r\\n\\r\\n")
                for _ in range(TOKENS // 10):
                    writer.write(b"%x\\r\\n" % (10 * len(chunk)) + 10 * chunk + b"\\r\\n")
                    await writer.drain()
                writer.write(b"%x\\r\\n" % len(end) + end + b"\\r\\n0\\r\\n\\r\\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=2_000)
        port = server.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/v1"
        if len(sys.argv) > 1:
            print(port, flush=True)
            await asyncio.Event().wait()

    asyncio.run(main())
"""

READ_SLOWLY = """
    import asyncio, sys
    from freerouter_core import Provider, Router
    from freerouter_core.runtime.runtime import Runtime

    async def main():
        runtime = Runtime(cache=None, state="memory")
        provider = Provider("openrouter", f"http://127.0.0.1:{sys.argv[1]}/v1", "sk-test-test",
                            limits=[])
        router = Router(providers=(provider,), runtime=runtime, timeout=300, hedge="off")
        slow = []

        async def begin(whole):
            stream = router.astream("hello")
            await anext(stream)
            if not whole:
                slow.append(stream)
                return 0
            return sum([len(delta.text) async for delta in stream])

        await begin(True)
        sizes = []
        for at in range(0, 1_000, 50):
            sizes += await asyncio.gather(*[begin(n % 10 == 0) for n in range(at, at + 50)])
        await asyncio.sleep(1)
        # Not `ru_maxrss`: after a fork it remembers how large the parent was.
        status = open("/proc/self/status").read()
        memory = int(status.partition("VmHWM:")[2].split()[0]) // 1_000
        print(len(slow), sum(sizes), memory)
        for stream in slow:
            await stream.aclose()
        runtime.close()

    asyncio.run(main())
"""


@pytest.mark.timeout(300)
def test_a_thousand_streams_with_slow_readers_take_little_memory() -> None:
    """900 of 1,000 stop reading after the first token; each answer has 300 kB of text."""
    server = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SLOW_READERS), "serve"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        slow, text, megabytes = map(int, run(READ_SLOWLY, port, seconds=280.0).split())
    finally:
        server.kill()
        server.communicate()
    assert slow == 900
    assert text == 100 * 2_999 * 100  # the first delta of each is read before
    assert megabytes < 300, f"{megabytes} MB"
