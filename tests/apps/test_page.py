"""The page at / and its data: one JSON object without prompts, answers and keys."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from freerouter_core import Router
from freerouter_core.apps.http.overview import MAX_REQUESTS, Overview
from freerouter_core.apps.http.page import page
from freerouter_core.apps.http.quota_history import MAX_LIMITS, POINTS, STEP, QuotaHistory
from freerouter_core.apps.rest import Watchers, api, app
from freerouter_core.errors import Exhausted, FreeRouterError
from freerouter_core.reports.quota import QuotaLine
from freerouter_core.simulator import SimAccount, SimModel, World

KEY = "sk-or-v1-page-0123456789"


def world() -> World:
    models = [
        SimModel("a/x:free", script=["502", "502"]),
        SimModel("b/y:free"),
        SimModel("c/paid", prompt_price="0.1"),
    ]
    return World(models, [SimAccount(KEY, per_minute=20, per_day=50)])


def test_the_overview_shows_models_limits_and_the_attempts_of_each_request() -> None:
    with (
        world() as w,
        TestClient(app(router := w.router(api_key=KEY, strategy="context"))) as client,
    ):
        router.chat("a secret wish")
        list(router.stream("another"))
        router.flush()
        overview = client.get("/api/v1/overview").json()

    assert (overview["usable"], overview["providers"], overview["simulated"]) == (
        1,
        ["openrouter"],
        False,
    )
    assert [(m["id"], m["usable"]) for m in overview["models"]] == [
        ("b/y:free", True),
        ("a/x:free", False),
    ]
    assert overview["models"][1]["failures"] == 1
    assert overview["models"][1]["returns"] > 0
    assert {(row["kind"], row["per"], row["limit"]) for row in overview["limits"]} >= {
        ("requests", 60.0, 20)
    }
    newest, oldest = overview["requests"]
    assert newest["number"] > oldest["number"]
    assert (oldest["outcome"], oldest["model"], oldest["streamed"]) == (
        "answered",
        "b/y:free",
        False,
    )
    assert [(t["model"], t["fault"], t["status"]) for t in oldest["tries"]] == [
        ("a/x:free", "busy", 502),
        ("b/y:free", None, 200),
    ]
    assert newest["streamed"] is True
    assert newest["first_token"] is not None
    assert overview["stats"]["answered"] == 2
    assert KEY not in str(overview)
    assert "secret" not in str(overview)


def test_the_overview_shows_failed_requests() -> None:
    with World([SimModel("a/x:free", script=["502"] * 9)]) as w:
        router = w.router(max_retries=0)
        with TestClient(app(router)) as client:
            with pytest.raises(Exhausted):
                router.chat("hello")
            router.flush()
            (request,) = client.get("/api/v1/overview").json()["requests"]

    assert (request["outcome"], request["status"], request["tries"][0]["cause"]) == (
        "Exhausted",
        502,
        "server",
    )


async def test_the_overview_shows_what_runs_and_what_waits() -> None:
    account = SimAccount(KEY, per_minute=1)
    with World([SimModel("a/x:free", script=["hang"])], accounts=[account], clock="real") as w:
        router = w.router(api_key=KEY, hedge="off")
        overview = Overview(lambda: router)
        tasks = []
        for running in (1, 2):
            tasks.append(asyncio.create_task(router.achat("a secret wish")))
            async with asyncio.timeout(20):
                while True:
                    now = await overview.snapshot(wait=1.0)
                    requests: Any = now["running"]
                    if running == 1 and requests and requests[0]["running"]:
                        break
                    if now["in_line"]:
                        break
                    await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        after = await overview.snapshot(wait=1.0)
        overview.close()

    first, second = requests
    assert (now["under_way"], now["in_line"]) == (2, 1)
    assert [(a["model"], a["stage"]) for a in first["running"]] == [("a/x:free", "asked")]
    assert (first["reason"], first["until"]) == (None, None)
    assert second["until"] > time.time()
    assert second["reason"]
    assert "secret" not in str(now)
    assert (after["running"], after["under_way"]) == ([], 0)


def test_the_overview_shows_the_jobs_of_its_runtime(tmp_path: Path) -> None:
    with World([SimModel("a/x:free")]) as w:
        router = w.router(api_key=KEY)
        overview = Overview(lambda: router)
        job = router.bulk(["one", "two", "three"], tmp_path / "labels.job")
        seen = [asyncio.run(overview.snapshot(wait=1.0))["jobs"] for _ in job]
        after = asyncio.run(overview.snapshot(wait=1.0))["jobs"]
        overview.close()

    last: Any = seen[-1]
    assert [len(jobs) for jobs in seen] == [1, 1, 1]  # type: ignore[arg-type]
    assert last[0]["name"].endswith("labels.job")
    assert (last[0]["progress"]["total"], last[0]["problem"]) == (3, None)
    assert after == []


def line(used: float, per: float = 86_400.0, scope: str = "account") -> QuotaLine:
    return QuotaLine(
        provider="one", scope=scope, kind="requests", used=used, limit=50, per=per, reset="utc_day"
    )


def test_the_quota_of_a_day_is_remembered_in_steps_and_older_points_are_forgotten() -> None:
    history = QuotaHistory()
    for minute in range(0, 2 * 24 * 60, 5):
        history.add(minute * 60.0, [line(minute), line(1, per=60.0)])

    (day,) = history.as_json()
    points: Any = day["points"]
    assert (day["provider"], day["kind"], day["per"], day["limit"]) == (
        "one",
        "requests",
        86_400.0,
        50,
    )
    assert len(points) == POINTS
    assert points[-1] == (2 * 86_400 - 300, 2 * 24 * 60 - 5)
    assert {after[0] - before[0] for before, after in pairwise(points)} == {STEP}

    history.add(9 * 86_400.0, [line(2, scope="other")])
    assert [row["scope"] for row in history.as_json()] == ["other"]
    history.add(9 * 86_400.0, [line(2, scope=f"model {n}") for n in range(99)])
    assert len(history.as_json()) == MAX_LIMITS


def test_the_overview_keeps_the_newest_requests() -> None:
    with World([SimModel("a/x:free")]) as w:
        router = w.router()
        overview = Overview(lambda: router)
        for _ in range(MAX_REQUESTS + 3):
            router.chat("hello")
        router.flush()

    numbers = [int(str(request["number"])) for request in overview.requests]
    assert len(numbers) == MAX_REQUESTS
    assert numbers == sorted(numbers, reverse=True)
    overview.close()


def test_the_page_loads_nothing_from_other_sites_and_runs_only_its_own_script() -> None:
    text, policy = page()
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)

    assert "https://" not in text
    assert "innerHTML" not in text
    assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy
    assert "default-src 'none'" in policy
    with world() as w, TestClient(app(w.router())) as client:
        answer = client.get("/")
    assert answer.text == text
    assert answer.headers["content-security-policy"] == policy
    assert answer.headers["content-type"].startswith("text/html")


def test_the_page_needs_no_token_but_its_data_does() -> None:
    with world() as w, TestClient(app(w.router(), token="door")) as client:
        assert client.get("/").status_code == 200
        assert client.get("/api/v1/overview").status_code == 401
        assert (
            client.get("/api/v1/overview", headers={"authorization": "Bearer door"}).status_code
            == 200
        )


def test_without_a_catalogue_the_overview_says_why_and_shows_the_rest() -> None:
    with TestClient(
        app(router := Router(api_key=KEY, base_url="http://127.0.0.1:9/api/v1"))
    ) as client:
        with pytest.raises(FreeRouterError):
            router.chat("hello")
        router.flush()
        overview = client.get("/api/v1/overview").json()

    assert "could not be fetched" in overview["problem"]
    assert overview["requests"][0]["outcome"] == "CatalogueUnavailable"
    assert overview["models"] == []


@pytest.mark.parametrize("name", ["x/\ud800:free", "x" * 2_000_000, "x/\x1b[31m:free"])
def test_an_unknown_model_name_is_refused_and_breaks_no_report(name: str) -> None:
    body = json.dumps({"model": name, "messages": [{"role": "user", "content": "hello"}]})
    with world() as w, TestClient(app(w.router())) as client:
        refused = client.post(
            "/v1/chat/completions", content=body, headers={"content-type": "application/json"}
        )
        reports = [
            client.get(path)
            for path in ("/api/v1/overview", "/metrics", "/api/v1/stats", "/api/v1/performance")
        ]

    assert refused.status_code == 400
    assert [response.status_code for response in reports] == [200] * 4
    assert max(len(response.content) for response in reports) < 100_000


def test_when_a_limit_is_used_up_no_model_is_usable() -> None:
    with world() as w, TestClient(app(w.router(daily_cap=1))) as client:
        client.post(
            "/v1/chat/completions", json={"messages": [{"role": "user", "content": "hello"}]}
        )
        health, overview = client.get("/health"), client.get("/api/v1/overview").json()

    assert (health.status_code, health.json()["usable"]) == (503, 0)
    assert {row["state"] for row in overview["models"]} == {"its limit is spent"}
    assert all(row["returns"] > 0 for row in overview["models"])


async def test_a_cancelled_request_is_shown_and_counted() -> None:
    with World([SimModel("a/x:free", script=["hang"])], clock="real") as w:
        router = w.router(hedge="off")
        watchers = Watchers(lambda: router)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await router.achat("hello")
        await router.aquota()  # by now the runtime has handled the cancellation
        router.flush()
        (request,) = watchers.overview.requests
        assert watchers.metrics is not None
        text = await watchers.metrics.exposition()
        watchers.close()

    assert (request["outcome"], request["first_token"]) == ("called off", None)
    assert 'freerouter_requests_total{outcome="called_off"} 1.0' in text


def test_the_page_works_inside_another_application() -> None:
    with world() as w:
        routers = [w.router(strategy="context")]
        application = FastAPI()
        application.include_router(api(lambda: routers[0]), prefix="/llm")
        application.get("/metrics")(lambda: {"mine": 1})
        with TestClient(application) as client:
            assert 'fetch("api/v1/overview"' in client.get("/llm/").text
            client.post(
                "/llm/v1/chat/completions", json={"messages": [{"role": "user", "content": "hi"}]}
            )
            routers[0].flush()
            (request,) = client.get("/llm/api/v1/overview").json()["requests"]

    assert request["outcome"] == "answered"


def test_a_limit_that_only_the_provider_counts_is_shown() -> None:
    """OpenRouter tells the day's limit at `GET /key`, which is asked once a minute."""
    w = World([SimModel("acme/a:free")], [SimAccount("sk-simulated", per_day=50)])
    with w, TestClient(app(w.router())) as client:
        looks = (client.get("/api/v1/overview").json() for _ in range(200))
        day = next(line for look in looks for line in look["limits"] if line["per"] == 86_400)
        again = client.get("/api/v1/overview").json()["limits"]

    assert (day["limit"], day["used"], day["scope"]) == (50, 0, "account")
    assert again.count(day) == 1
