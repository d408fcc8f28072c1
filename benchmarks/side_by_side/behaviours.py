"""What a behaviour is, and how a package is tried on all of them over HTTP on loopback."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from freerouter_core.simulator import SimModel, World
from freerouter_core.simulator.server import served

PATIENCE = 40.0
"""Seconds that a behaviour may take. A user would not wait longer."""
MODEL, OTHER = "acme/first:free", "acme/second:free"
Make = Callable[..., Any]
"""Makes a package's model: `make(base_url, model, **its options)`."""


@dataclass(frozen=True)
class Package:
    """A package that is tried."""

    make: Make
    prefix: str = ""
    """What it wants before the names of models."""
    bare: Make | None = None
    """Makes its model without the options that `make` adds."""


@dataclass
class Stage:
    """A world behind a port, and the package that is tried in it."""

    world: World[Any]
    url: str
    package: Package

    def llm(self, model: str = MODEL, **options: Any) -> Any:
        return self.package.make(self.url, model, **options)

    def name(self, model: str) -> str:
        """The model's name as the package wants it."""
        return self.package.prefix + model

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [seen.body for seen in self.world.requests]

    @property
    def refused(self) -> list[str]:
        """Error messages of the requests that the strict server refused."""
        return [seen.problem for seen in self.world.requests if seen.problem]


Test = Callable[[Package], None]


@dataclass
class Behaviours:
    """Behaviours by name. The test of one raises if a package does not show it."""

    tests: dict[str, Test] = field(default_factory=dict)

    def __call__(self, name: str) -> Callable[[Test], Test]:
        def register(test: Test) -> Test:
            self.tests[name] = test
            return test

        return register

    def run(self, package: Package) -> dict[str, str]:
        """Results by behaviour: "pass", or the first line of the error."""
        results = {}
        for name, test in self.tests.items():
            with quiet():
                results[name] = _result(test, package)
        return results

    def main(self, packages: Mapping[str, Package]) -> None:
        """Print the results of the package that the command line names, as JSON."""
        print(json.dumps(self.run(packages[sys.argv[1]])), flush=True)
        os._exit(0)  # a package that waits for a retry would keep the process for an hour


def _result(test: Test, package: Package) -> str:
    pool = ThreadPoolExecutor(1)
    try:
        pool.submit(test, package).result(PATIENCE)
    except FutureTimeout:
        return f"no end within {PATIENCE:.0f} s"
    except BaseException as error:
        lines = (str(error).strip() or _failing_line(error)).splitlines()
        return f"{type(error).__name__}: {' '.join(lines[:1])}"[:160]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return "pass"


def _failing_line(error: BaseException) -> str:
    return (traceback.extract_tb(error.__traceback__)[-1].line or "").strip()


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings and no output."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def staged(package: Package, *models: SimModel) -> Iterator[Stage]:
    """A world of these models; by default `MODEL` and `OTHER`, both quick."""
    world = World(list(models) or [quick(), quick(OTHER)], clock="real")
    with served(world) as url:
        yield Stage(world, url, package)


def quick(name: str = MODEL, **options: Any) -> SimModel:
    return SimModel(name, **{"first_token": 0.0, "speed": 1e6, **options})


@contextmanager
def failing(package: Package, *faults: str) -> Iterator[Stage]:
    """`MODEL` meets each fault in turn; `OTHER` is well."""
    with staged(package, quick(script=list(faults)), quick(OTHER)) as stage:
        yield stage


def raises(error: type[BaseException], call: Callable[[], object]) -> Any:
    """The error that `call` raises. It must raise one."""
    try:
        result = call()
    except error as caught:
        return caught
    raise AssertionError(f"no error, but {str(result)[:60]!r}")


# -- what some models refuse ----------------------------------------------------------------------


def mistral_ids(body: dict[str, Any]) -> str | None:
    """Refuses tool-call ids that are not nine letters or digits."""
    ids = [call["id"] for m in body["messages"] for call in m.get("tool_calls") or ()]
    valid = all(len(call_id) == 9 and call_id.isalnum() for call_id in ids)
    return None if valid else "Tool call id must have a length of 9"


def no_later_system(body: dict[str, Any]) -> str | None:
    """Refuses system messages after the first message."""
    later = any(message["role"] == "system" for message in body["messages"][1:])
    return "System message must be at the beginning." if later else None
