"""Random numbers as a pure function of a seed and a purpose, in every process and after every restart."""

import hashlib
import json

import numpy as np


def philox(seed: int, *purpose: str | int) -> np.random.Generator:
    """A separate generator for each `(seed, *purpose)`, such as `philox(1, "shuffle", "mrqa", 3)`.

    Counter-based (Philox 4x64, https://www.thesalmons.org/john/random123/papers/random123sc11.pdf), keyed by a SHA-256:
    equal arguments always give the same stream, so that resuming a run needs no saved state.
    """
    words = [part if isinstance(part, str) else int(part) for part in (seed, *purpose)]
    digest = hashlib.sha256(json.dumps(words).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
