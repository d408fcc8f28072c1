"""`freerouter serve`, before a provider without limits.

python ours.py PORT URL
"""

from __future__ import annotations

import sys

from freerouter_core import Provider, Router
from freerouter_core.apps.cli import serve, server
from freerouter_core.apps.rest import app

if __name__ == "__main__":
    router = Router(providers=[Provider("openrouter", sys.argv[2], "sk-x", limits=[])])
    listener, _ = server.listen("127.0.0.1", int(sys.argv[1]))
    serve.serve_until_signal(app(router), listener, grace=1, router=router)
