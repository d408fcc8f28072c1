"""The load: clients that keep their connections, each with one call at a time."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass, field

import psutil


@dataclass
class Measured:
    """One run. `seconds` of each call; `cpu` is seconds of the gateway's processes."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    elapsed: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    """Bytes, at the end."""

    @property
    def rate(self) -> float:
        return len(self.seconds) / self.elapsed

    @property
    def p50(self) -> float:
        return statistics.median(self.seconds)

    @property
    def p99(self) -> float:
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]


def request(path: str, host: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A POST as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", f"host: {host}", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


async def measure(
    port: int, sent: bytes, *, at_once: int, calls: int, pids: list[int] | None = None
) -> Measured:
    """So many calls, so many at once. `pids`: the gateway, with its children."""
    measured, left = Measured(), [calls]
    processes = _tree(pids or [])
    ready = [
        await asyncio.open_connection("127.0.0.1", port, limit=1 << 20) for _ in range(at_once)
    ]

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while left[0] > 0:
            left[0] -= 1
            began = time.perf_counter()
            writer.write(sent)
            ok = await _read_response(reader)
            measured.seconds.append(time.perf_counter() - began)
            measured.failed += not ok
        writer.close()

    cpu, began = _cpu(processes), time.perf_counter()
    await asyncio.gather(*(client(*streams) for streams in ready))
    measured.elapsed = time.perf_counter() - began
    measured.cpu = _cpu(processes) - cpu
    measured.memory = sum(process.memory_info().rss for process in processes)
    return measured


async def _read_response(reader: asyncio.StreamReader) -> bool:
    """Whether it is a success. The whole response is read."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    ok = head.split(b" ", 2)[1] == b"200"
    if b"transfer-encoding: chunked" in head:
        while (size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)) > 0:
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
        return ok
    length = head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]
    await reader.readexactly(int(length))
    return ok


def _tree(pids: list[int]) -> list[psutil.Process]:
    roots = [psutil.Process(pid) for pid in pids]
    return [*roots, *(child for root in roots for child in root.children(recursive=True))]


def _cpu(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)
