"""Where PALM keeps what it can make again, and how much of it: the environment says."""

import os
import re
from pathlib import Path

from palm.errors import ConfigError, Problem

PLACE_VARIABLE, LIMIT_VARIABLE = "PALM_CACHE", "PALM_CACHE_LIMIT"
DATASETS_FOLDER = "datasets"
DEFAULT_LIMIT = 4 << 30
_POWERS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?", re.IGNORECASE)


def cache_folder() -> Path:
    """`$PALM_CACHE`, else `palm` in `$XDG_CACHE_HOME`, else `~/.cache/palm`."""
    own = os.environ.get(PLACE_VARIABLE)
    if own:
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification has relative paths ignored.
    return (Path(shared) if Path(shared).is_absolute() else Path("~/.cache").expanduser()) / "palm"


def cache_limit() -> int:
    """Bytes that may be kept: `$PALM_CACHE_LIMIT` (`500MB`, `8G`, plain bytes; 0 switches the cache off), else 4 GB.

    Raises:
        ConfigError: The variable holds something else.
    """
    given = os.environ.get(LIMIT_VARIABLE, "").strip()
    if not given:
        return DEFAULT_LIMIT
    found = _SIZE.fullmatch(given)
    if found is None:
        rule = f"a size such as 500MB or 8G is wanted, 0 for no cache. Found `{given}`."
        raise ConfigError(Problem(LIMIT_VARIABLE, f"{rule} Correct the environment variable, or unset it."))
    return int(float(found[1]) * (1 << _POWERS[found[2].upper()]))


def readable_size(size: int) -> str:
    """`1.4 GB`, in powers of 1024."""
    for unit, power in (("GB", 30), ("MB", 20), ("KB", 10)):
        if size >= 1 << power:
            return f"{size / (1 << power):.1f} {unit}"
    return f"{size} bytes"
