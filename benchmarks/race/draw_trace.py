"""One drawn world, call by call, lived by two policies."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator

from draw_kinds import kind_of, share_up
from drawn_models import DrawnModel
from draws import draw
from lives import Life, Result, live
from scene import Scene


def trace(seed: int, ours: str, theirs: str) -> Iterator[str]:
    """The world of a seed, then every call in it with the attempts of both, in order of arrival."""
    scene = draw(seed)
    yield from described(scene)
    lives = {policy: live(draw(seed), policy) for policy in (ours, theirs)}
    for policy, life in lives.items():
        yield ""
        yield from _totals(policy, life)
    results = {
        policy: {result.call.number: result for result in life.results}
        for policy, life in lives.items()
    }
    for call in scene.calls:
        mine, other = results[ours][call.number], results[theirs][call.number]
        yield ""
        yield (
            f"#{call.number} at {call.at:.1f} s, {call.way}, {call.length} words, within "
            f"{call.deadline:.0f} s: {mine.seconds - other.seconds:+.1f} s"
        )
        for policy, result in ((ours, mine), (theirs, other)):
            yield f"  {policy:10} {_story(scene, lives[policy], result)}"


def _totals(policy: str, life: Life) -> Iterator[str]:
    """What a life cost by way of asking, and what became of its requests."""
    first: dict[int, float] = {}
    requests: dict[int, int] = defaultdict(int)
    fates: dict[str, int] = defaultdict(int)
    for sent in life.sent:
        first.setdefault(sent.number, sent.at)
        requests[sent.number] += 1
        fates[sent.fate] += 1
    by_way: dict[str, list[Result]] = defaultdict(list)
    for result in life.results:
        by_way[result.call.way].append(result)
    for way, results in sorted(by_way.items()):
        answered = [result for result in results if result.answered]
        spent = sum(requests[result.call.number] for result in answered)
        wasted = sum(requests[result.call.number] for result in results) - spent
        waits = [
            first[result.call.number] - result.call.at
            for result in results
            if result.call.number in first
        ]
        yield (
            f"{policy:10} {way:8} answered {len(answered)} of {len(results)}; cost "
            f"{statistics.fmean(result.seconds for result in results):.1f} s; waited "
            f"{statistics.fmean(waits or [0.0]):.1f} s for the first request, {len(waits)} had one;"
            f" {spent} requests for the answered, {wasted} for the others"
        )
    ends = ", ".join(f"{fate} {n}" for fate, n in sorted(fates.items(), key=lambda item: -item[1]))
    yield f"{policy:10} {len(life.sent)} requests: {ends}"


def _story(scene: Scene, life: Life, result: Result) -> str:
    """A call's attempts, each with the second after its arrival at which it was sent."""
    attempts = [
        f"+{abs(sent.at - result.call.at):.1f} "
        f"{sent.model.rpartition('/')[2].removesuffix(':free')} {sent.fate}"
        for sent in life.sent
        if sent.number == result.call.number
    ]
    end = f"{result.seconds:.1f} s" if result.answered else "no answer"
    return f"{end}: {'; '.join(attempts) or 'nothing sent'}"


def described(scene: Scene) -> Iterator[str]:
    """A world in lines, for a trace."""
    yield f"{scene.name}: {kind_of(scene)}, {len(scene.calls)} calls in {scene.calls[-1].at:.0f} s"
    for server in scene.servers:
        account = server.account
        limits = (
            f"{account.per_minute} a minute, {account.per_day} a day, {account.at_once} at once"
        )
        stated = "as stated"
        if server.stated is not account:
            stated = f"stated as {server.stated and server.stated.per_minute}"
        yield f"  {server.provider}: {limits}, {stated}"
        for model in server.models:
            able = {
                "tools": model.tools,
                "json": model.structured,
                "vision": "image" in model.inputs,
            }
            abilities = " ".join(name for name, has in able.items() if has)
            faults = {phase.fault for phase in model.phases}
            yield (
                f"    {model.id:28} up {share_up(model, scene.span):4.0%}"
                f"  {model.first_token:5.2f} s {model.speed:4.0f}/s"
                f"  {abilities:18} {', '.join(sorted(faults))}"
                + (f"  born {model.born:.0f}" if model.born else "")
                + (f"  dies {model.dies:.0f}" if model.dies < math.inf else "")
                + ("  misprinted" if isinstance(model, DrawnModel) and model.listed else "")
            )
