"""A real Prometheus scrapes `freerouter serve`, and promtool tests every alert."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from freerouter_core.simulator import SimAccount, SimModel, World

from ..conftest import Serve
from ..terminal import free_port
from .conftest import TOKEN, program, service

DASHBOARDS = Path(__file__).parent.parent.parent / "dashboards"
KEY = "sk-or-v1-prometheus-0123456789"
RULES = DASHBOARDS / "alerts.yml"
PANELS: list[dict[str, Any]] = json.loads((DASHBOARDS / "grafana.json").read_text("utf-8"))[
    "panels"
]


def wait_for(seconds: float, read: Callable[[], Any], message: str = "no value in time") -> Any:
    """Read until there is a value, for at most `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := read()):
        assert time.monotonic() < deadline, message
    return value


@pytest.fixture
def prometheus(serve: Serve, tmp_path: Path) -> Iterator[tuple[httpx.Client, str]]:
    """A Prometheus that scrapes a service twice a second: (its API, the service's address)."""
    models = [
        SimModel("acme/a:free", script=["502", None, "empty"], first_token=0.01, speed=5e3),
        SimModel("acme/b:free", first_token=0.01, speed=5e3),
    ]
    world = World(models, [SimAccount(KEY, per_minute=20, per_day=50)], clock="real")
    with service(serve(world), tmp_path, "--token", TOKEN, key=KEY) as address:
        config = {
            "global": {
                "scrape_interval": "500ms",
                "scrape_timeout": "450ms",
                "evaluation_interval": "500ms",
            },
            "rule_files": [str(RULES)],
            "scrape_configs": [
                {
                    "job_name": "freerouter",
                    "authorization": {"credentials": TOKEN},
                    "static_configs": [{"targets": [address.removeprefix("http://")]}],
                }
            ],
        }
        file = tmp_path / "prometheus.yml"
        file.write_text(yaml.safe_dump(config), "utf-8")
        subprocess.run(
            [program("promtool"), "check", "config", str(file)], check=True, capture_output=True
        )
        port = free_port()
        options = [f"--config.file={file}", f"--storage.tsdb.path={tmp_path}/data"]
        with subprocess.Popen(
            [program("prometheus"), *options, f"--web.listen-address=127.0.0.1:{port}"],
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1") as client:
                    wait_for(30, lambda: _up(client))
                    yield client, address
            finally:
                process.terminate()


def _up(client: httpx.Client) -> bool:
    try:
        targets = client.get("/targets").json()["data"]["activeTargets"]
    except (httpx.TransportError, ValueError):
        return False
    return bool(targets) and targets[0]["health"] == "up"


def _value(client: httpx.Client, query: str) -> list[Any]:
    body = client.get("/query", params={"query": query}).json()
    assert body["status"] == "success", body
    rows: list[Any] = body["data"]["result"]
    return rows


def test_every_panel_has_data_after_requests(prometheus: tuple[httpx.Client, str]) -> None:
    client, address = prometheus
    headers = {"authorization": f"Bearer {TOKEN}"}
    for n in range(6):
        body = {
            "model": "acme/a:free",
            "messages": [{"role": "user", "content": "hello"}],
            "stream": n % 2 == 1,
        }
        httpx.post(f"{address}/v1/chat/completions", json=body, headers=headers, timeout=30)

    query = 'freerouter_requests_total{outcome="answered"}'
    wait_for(20, lambda: [row for row in _value(client, query) if float(row["value"][1]) == 6.0])
    for panel in PANELS:
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "1m").replace("$__range", "1h")
            rows = wait_for(20, partial(_value, client, expression), expression)
            assert rows, panel["title"]
    exposed = httpx.get(f"{address}/metrics", headers=headers).text
    assert KEY not in exposed
    assert float(_value(client, "freerouter_usable_models")[0]["value"][1]) >= 1
    limits = _value(client, 'freerouter_quota_left{kind="requests", per="60"}')
    assert float(limits[0]["value"][1]) <= 14


def test_the_rules_load_and_stay_quiet_while_all_is_well(
    prometheus: tuple[httpx.Client, str],
) -> None:
    client, _ = prometheus
    rules = client.get("/rules").json()["data"]["groups"][0]["rules"]

    assert len(rules) == len(yaml.safe_load(RULES.read_text("utf-8"))["groups"][0]["rules"])
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    assert not client.get("/alerts").json()["data"]["alerts"]


def test_the_rules_pass_promtool_check() -> None:
    subprocess.run(
        [program("promtool"), "check", "rules", str(RULES)], check=True, capture_output=True
    )


SCENARIOS: dict[str, tuple[dict[str, str], str, dict[str, str]]] = {
    "FreeRouterRequestsFail": (
        {
            'freerouter_requests_total{outcome="answered"}': "0+10x40",
            'freerouter_requests_total{outcome="Exhausted"}': "0+2x40",
        },
        "30m",
        {},
    ),
    "FreeRouterCallersLeave": (
        {
            'freerouter_requests_total{outcome="answered"}': "0+10x40",
            'freerouter_requests_total{outcome="called_off"}': "0+5x40",
        },
        "30m",
        {},
    ),
    "FreeRouterNoModelUsable": ({"freerouter_usable_models": "0x40"}, "30m", {}),
    "FreeRouterDayNearlySpent": (
        {
            'freerouter_quota_left{provider="openrouter", scope="account", '
            'kind="requests", per="86400"}': "50-2x24"
        },
        "24m",
        {"provider": "openrouter", "scope": "account", "kind": "requests", "per": "86400"},
    ),
    "FreeRouterListsAreOld": ({"freerouter_catalogue_age_seconds": "90000+60x40"}, "35m", {}),
    "FreeRouterSlow": (
        {
            'freerouter_request_seconds_bucket{le="20.0"}': "0x60",
            'freerouter_request_seconds_bucket{le="40.0"}': "0+5x60",
            'freerouter_request_seconds_bucket{le="+Inf"}': "0+5x60",
        },
        "50m",
        {},
    ),
    "FreeRouterCharged": (
        {'freerouter_charged_unasked_total{model="a/x"}': "_x10 1x50"},
        "12m",
        {"model": "a/x"},
    ),
}
"""For each alert: the series that fire it, when, and the labels that it then has."""


def test_every_alert_has_a_scenario() -> None:
    assert set(SCENARIOS) == {
        rule["alert"] for rule in yaml.safe_load(RULES.read_text("utf-8"))["groups"][0]["rules"]
    }


def check_alerts(series: dict[str, str], alerts: list[dict[str, Any]], folder: Path) -> None:
    """Run promtool over these series. It fails if the alerts are not these."""
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": alerts,
    }
    file = folder / "scenario.yml"
    scenario = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}
    file.write_text(yaml.safe_dump(scenario), "utf-8")
    done = subprocess.run(
        [program("promtool"), "test", "rules", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_mistakes_of_callers_fire_no_alert(tmp_path: Path) -> None:
    outcomes = ("answered", "BadRequest", "ContextTooLong", "Refused")
    series = {
        f'freerouter_requests_total{{outcome="{outcome}"}}': "0+10x40" for outcome in outcomes
    }

    check_alerts(
        series,
        [{"eval_time": "30m", "alertname": "FreeRouterRequestsFail", "exp_alerts": []}],
        tmp_path,
    )


@pytest.mark.parametrize("alert", SCENARIOS)
def test_an_alert_fires_when_it_should_and_not_before(alert: str, tmp_path: Path) -> None:
    series, when, labels = SCENARIOS[alert]
    rules = yaml.safe_load(RULES.read_text("utf-8"))["groups"][0]["rules"]
    rule = next(rule for rule in rules if rule["alert"] == alert)
    summary = rule["annotations"]["summary"]
    for name, value in labels.items():
        summary = summary.replace(f"{{{{ $labels.{name} }}}}", value)
    firing = {
        "exp_labels": rule["labels"] | labels,
        "exp_annotations": rule["annotations"] | {"summary": summary},
    }
    before = {"eval_time": "0m", "alertname": alert, "exp_alerts": []}

    check_alerts(
        series, [before, {"eval_time": when, "alertname": alert, "exp_alerts": [firing]}], tmp_path
    )
