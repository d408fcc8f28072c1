"""A world of free models that fail like the real one, for tests, demonstrations and benchmarks.

    from freerouter_core.simulator import SimModel, World

    world = World([
        SimModel("acme/fast:free", script=["429-upstream", "empty"]),   # fails twice, then answers
        SimModel("acme/slow:free", first_token=3.0),
    ])
    router = world.router()              # virtual time: no test waits
    print(router.chat("Hello").text, world.requests)

A `World` answers as an httpx transport in this process (`world.transport()`) or as an ASGI app on a port (`world.app()`,
`freerouter simulate`). It checks requests strictly (a bad one gets a 400 that names the fault), obeys tools, tool_choice and
schemas, enforces accounts' limits, and fails as it is told to: by request (`SimModel.script`) or by time (`Phase`). The same seed and
the same requests give the same world.
"""

from .dialects import DIALECTS
from .faults import FAULTS
from .models import Phase, Seen, SimAccount, SimModel
from .presets import calm_models, failing_models
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
]
