"""Two names of files or folders change places in one step, so that at no moment either is missing."""

import os
from pathlib import Path

_HERE = -100  # AT_FDCWD: paths as they are
_EXCHANGE = 2  # RENAME_EXCHANGE, see renameat2(2)


def swap_names(one: Path, other: Path) -> bool:
    """Swap two existing names; False where this system or disk cannot do it (not Linux, some network disks)."""
    import ctypes  # noqa: PLC0415 (rarely needed)

    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return rename is not None and rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0
