"""What this machine can hold: bytes of memory that a local model may take.

psutil and nvidia-ml-py are used where they are installed (the extra `local`); without them the operating system is asked, and where that
does not tell either, nothing is known and nothing is left out.
"""

from __future__ import annotations

import os
from functools import lru_cache


@lru_cache(maxsize=1)
def memory() -> int:
    """Bytes of the largest store a model fits into: the graphics cards' together, or the machine's own. 0: not known."""
    return max(_graphics(), _main())


def _main() -> int:
    try:
        import psutil

        return int(psutil.virtual_memory().total)
    except ImportError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


def _graphics() -> int:
    try:
        import pynvml
    except ImportError:
        return 0
    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
        cards = [
            pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(n)).total
            for n in range(count)
        ]
        pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return 0
    return int(sum(cards))
