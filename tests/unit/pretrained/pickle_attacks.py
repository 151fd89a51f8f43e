"""Objects whose pickles run something when Python's own unpickler reads them."""

import collections
import functools
import io
import os
import pickle
import posix
import subprocess
import sys
from pathlib import Path

import numpy as np


class Runs:
    """Pickles to a call."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.function, self.arguments


def attacks(trace: Path) -> dict[str, object]:
    """Attacks by name; those that succeed leave a file `trace`."""
    command = f"touch {trace}"
    code = f"open({str(trace)!r}, 'w')"
    return {
        "os.system": Runs(os.system, command),
        "posix.system": Runs(posix.system, command),
        "builtins.eval": Runs(eval, code),
        "builtins.exec": Runs(exec, code),
        "builtins.open": Runs(open, str(trace), "w"),
        "builtins.getattr": Runs(getattr, {}, "keys"),
        "builtins.__import__": Runs(__import__, "os"),
        "subprocess.Popen": Runs(subprocess.Popen, ["touch", str(trace)]),
        "functools.partial": Runs(functools.partial, print, "hello"),
        "numpy.load": Runs(np.load, str(trace)),
        "numpy.fromfile": Runs(np.fromfile, str(trace)),
        "io.open": Runs(io.FileIO, str(trace), "w"),
        "pickle.loads": Runs(pickle.loads, pickle.dumps(1)),
        "sys.exit": Runs(sys.exit, 1),
        "within a tuple": ("w", Runs(os.system, command)),
        "within a list": [[Runs(eval, code)]],
        "as an argument of what is allowed": Runs(collections.OrderedDict, [("a", Runs(os.system, command))]),
        "as a dictionary's key": {Runs(eval, "'w'"): 1},
        "a class": os._Environ,
    }
