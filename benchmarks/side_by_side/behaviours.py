"""What a behaviour is, and how a package is put through all of them over real HTTP on loopback."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLong
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from freerouter_core.simulator import SimModel, World
from freerouter_core.simulator.server import served

PATIENCE = 40.0
"""Seconds a behaviour may take: what waits longer than a user would has not shown it."""
MODEL, OTHER = "acme/first:free", "acme/second:free"
Make = Callable[..., Any]
"""Makes the package's model: `make(base_url, model, **its options)`."""


@dataclass
class Stage:
    """A world behind a port, and the package that is tried in it."""

    world: World
    url: str
    make: Make

    def llm(self, model: str = MODEL, **options: Any) -> Any:
        return self.make(self.url, model, **options)

    def name(self, model: str) -> str:
        """The model as the package wants it named."""
        return getattr(self.make, "prefix", "") + model

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [seen.body for seen in self.world.requests]

    @property
    def refused(self) -> list[str]:
        """What the strict server had to object to."""
        return [seen.problem for seen in self.world.requests if seen.problem]


@dataclass
class Behaviours:
    """Named behaviours; each raises where a package does not show it."""

    tests: dict[str, Callable[[Make], None]] = field(default_factory=dict)

    def __call__(self, name: str) -> Callable[[Callable[[Make], None]], Callable[[Make], None]]:
        def keep(test: Callable[[Make], None]) -> Callable[[Make], None]:
            self.tests[name] = test
            return test

        return keep

    def run(self, make: Make) -> dict[str, str]:
        """ "pass", or the first line of what went wrong, by behaviour."""
        results = {}
        for name, test in self.tests.items():
            with quiet():
                results[name] = _tried(test, make)
        return results

    def main(self, packages: dict[str, Make]) -> None:
        """`python <side>.py PACKAGE` prints that package's results as JSON."""
        name = sys.argv[1]
        print(json.dumps(self.run(packages[name])), flush=True)
        os._exit(0)  # a package that still waits for a retry would keep the process for an hour


def _tried(test: Callable[[Make], None], make: Make) -> str:
    pool = ThreadPoolExecutor(1)
    try:
        pool.submit(test, make).result(PATIENCE)
    except TooLong:
        return f"no end within {PATIENCE:.0f} s"
    except BaseException as error:
        words = (str(error).strip() or _line(error)).splitlines()
        return f"{type(error).__name__}: {' '.join(words[:1])}"[:160]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return "pass"


def _line(error: BaseException) -> str:
    return (traceback.extract_tb(error.__traceback__)[-1].line or "").strip()


@contextmanager
def quiet() -> Iterator[None]:
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def staged(make: Make, *models: SimModel) -> Iterator[Stage]:
    """Quick models: `MODEL` with the given faults and `OTHER`, unless others are given."""
    world = World(list(models) or [quick(), quick(OTHER)], clock="real")
    with served(world) as url:
        yield Stage(world, url, make)


def quick(name: str = MODEL, **options: Any) -> SimModel:
    return SimModel(name, **{"first_token": 0.0, "speed": 1e6, **options})


@contextmanager
def failing(make: Make, *faults: str) -> Iterator[Stage]:
    """`MODEL` meets each fault in turn; `OTHER` is well."""
    with staged(make, quick(script=list(faults)), quick(OTHER)) as stage:
        yield stage


def raises(error: Any, call: Callable[[], Any]) -> Any:
    """The error that `call` raises; it must."""
    try:
        got = call()
    except error as caught:
        return caught
    raise AssertionError(f"no error, but {str(got)[:60]!r}")
