"""A user's module, imported before the configuration is read, so that its components are registered.

Modules are named by `--import` on the command line or by the key `imports` (also `import`) of the global file.
"""

import hashlib
import importlib
import importlib.util
import os
import sys
import traceback
from pathlib import Path

from palm.errors import ConfigError, Problem
from palm.schema.places import find_input

_PALM = Path(__file__).parents[1]


def import_user_code(name: str, where: str = "", folder: Path | None = None) -> str:
    """Import `name`, a module or a Python file, once; returns it with the file's path resolved.

    Args:
        name: The module, or the path of the file.
        where: Place of the name, for messages.
        folder: Second search path of a relative path, after the current folder.

    Raises:
        ConfigError: The module or file does not exist, or its import fails.

    """
    where = where or f"--import {name}"
    if os.getcwd() not in sys.path:  # the `palm` script starts with its own folder first
        sys.path.insert(0, os.getcwd())
    try:
        if not name.endswith(".py"):
            importlib.import_module(name)
            return name
        file = find_input(name, folder)
        _import_file(file or Path(name), where)
    except ConfigError:
        raise
    except Exception as error:  # a user's module may raise anything
        raise ConfigError(Problem(where, _reason(name, error))) from error
    return str(file)


def _import_file(file: Path, where: str) -> None:
    if not file.is_file():
        rule = "the module to import must be an existing file."
        raise ConfigError(Problem(where, f"{rule} Found nothing at `{file.absolute()}`. Correct the path."))
    name = _module_name(file)
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError(Problem(where, "is not a Python file."))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def _module_name(file: Path) -> str:
    """The file's own name, unless another module has it."""
    known = getattr(sys.modules.get(file.stem), "__file__", None)
    free = file.stem not in sys.modules or (known is not None and Path(known).resolve() == file.resolve())
    return file.stem if free else f"{file.stem}_{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:8]}"


def _reason(name: str, error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == name.split(".")[0]:
        return (
            f"no module `{name}` in the current folder or among the installed packages. Give its name or its .py file."
        )
    frames = traceback.extract_tb(error.__traceback__)
    # The user's line, also where PALM refuses what it registers.
    where = next((frame for frame in reversed(frames) if not Path(frame.filename).is_relative_to(_PALM)), frames[-1])
    return f"the module fails at {where.filename}:{where.lineno} with {type(error).__name__}: {error}. Correct it."
