"""Jobs in each kind of store. fakeredis stands in for Redis; marked tests use the real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ...runtime.conftest import redis_server as redis_server
from ...runtime.conftest import redis_url as redis_url

REDIS_SERVER = pytest.param("redis-server", marks=pytest.mark.system)


@pytest.fixture(params=["file", "redis", REDIS_SERVER])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a new job is kept."""
    if request.param == "file":
        yield str(tmp_path / "labels.job")
        return
    import redis

    url = request.getfixturevalue("redis_url" if request.param == "redis" else "redis_server")
    with redis.from_url(url) as client:
        client.flushdb()
        yield f"{url}#labels"
