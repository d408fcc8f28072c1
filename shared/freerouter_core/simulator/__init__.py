"""A simulated world of free models that fail like real ones, for tests, demos and benchmarks.

    from freerouter_core.simulator import SimModel, World

    world = World([
        SimModel("acme/fast:free", script=["429-upstream", "empty"]),   # fails twice, then answers
        SimModel("acme/slow:free", first_token=3.0),
    ])
    router = world.router()              # virtual time: no test waits
    print(router.chat("Hello").text, world.requests)

A `World` answers as an httpx transport in this process (`world.transport()`), or as an ASGI app on
a port (`world.app()`, `freerouter simulate`). It validates requests strictly: a bad one gets a 400
that names the mistake. It obeys tools, tool_choice and schemas, and enforces the limits of
accounts. Models fail by request (`SimModel.script`) or by time (`Phase`). The same seed and the
same requests give the same world.
"""

from .dialects import DIALECTS
from .faults import FAULTS
from .models import Phase, Seen, SimAccount, SimModel
from .presets import calm_models, failing_models
from .stories import tells
from .world import World, development_world

__all__ = [
    "DIALECTS",
    "FAULTS",
    "Phase",
    "Seen",
    "SimAccount",
    "SimModel",
    "World",
    "calm_models",
    "development_world",
    "failing_models",
    "tells",
]
