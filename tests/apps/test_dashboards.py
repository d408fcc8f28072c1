"""The dashboard and the alerts use metrics and labels that the service exposes."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from freerouter_core.apps.metrics import Metrics
from freerouter_core.events import (
    Answered,
    AttemptFailed,
    Charged,
    FetchFailed,
    GaveUp,
    ModelChosen,
    ModelsFetched,
    Waiting,
)
from freerouter_core.simulator import SimAccount, SimModel, World

FOLDER = Path(__file__).parent.parent.parent / "dashboards"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana.json").read_text("utf-8"))
RULES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"][
    0
]["rules"]
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
QUERIES += [rule["expr"] for rule in RULES]
EVENTS = (
    ModelChosen("m", "p", 1),
    AttemptFailed(model="m", provider="p", fault="busy", cause="server", status=502),
    Answered(model="m", provider="p", attempts=2, seconds=1.0, cost=0.1, first_token=0.5),
    GaveUp("Exhausted", 2, 1.0),
    Waiting(2.0),
    Charged("m", 0.1),
    ModelsFetched("p", 3, 2),
    FetchFailed("p", "no answer"),
)


@pytest.fixture(scope="module")
def exposed() -> dict[str, set[str]]:
    """The samples after every kind of event, with their labels."""
    with World([SimModel("a/x:free")], [SimAccount(per_day=50)]) as world:
        router = world.router(daily_cap=50)
        metrics = Metrics(router)
        for event in EVENTS:
            metrics.observe(event)
        text = asyncio.run(metrics.exposition())
        metrics.close()
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_uses_metrics_and_labels_that_exist(
    query: str, exposed: dict[str, set[str]]
) -> None:
    names = set(re.findall(r"freerouter_\w+", query))
    labels = set(re.findall(r"(\w+)!?=\"", query)) | {
        label.strip()
        for group in re.findall(r"by \(([^)]*)\)", query)
        for label in group.split(",")
    }

    assert names
    assert names <= set(exposed)
    assert labels <= set.union(*(exposed[name] for name in names))
    assert query.count("(") == query.count(")")


def test_every_legend_uses_labels_that_exist(exposed: dict[str, set[str]]) -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            names = re.findall(r"freerouter_\w+", target["expr"])
            assert labels <= set.union(*(exposed[name] for name in names)), panel["title"]
    for rule in RULES:
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_panels_do_not_overlap() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
