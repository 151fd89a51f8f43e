"""`--import`: a user's own module, imported before the configuration is read so that its components are registered."""

import importlib
import importlib.util
import os
import sys
import traceback
from pathlib import Path

from palm.errors import ConfigError, Problem


def import_user_code(name: str) -> None:
    """Import `name`: a module, or a Python file by its path.

    Raises:
        ConfigError: There is no such module or file, or it fails while it is imported.

    """
    if os.getcwd() not in sys.path:  # the `palm` script starts with its own folder there
        sys.path.insert(0, os.getcwd())
    try:
        if name.endswith(".py"):
            _import_file(Path(name))
        else:
            importlib.import_module(name)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(Problem(f"--import {name}", _reason(name, error))) from error


def _import_file(file: Path) -> None:
    if not file.is_file():
        rule = "the module to import is a file that exists."
        raise ConfigError(
            Problem(f"--import {file}", f"{rule} Found nothing at `{file.absolute()}`. Correct the path.")
        )
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ConfigError(Problem(f"--import {file}", "is not a Python file."))
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)


def _reason(name: str, error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == name.split(".")[0]:
        return (
            f"no module `{name}` in the current folder or among the installed packages. Give its name or its .py file."
        )
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"the module fails at {where.filename}:{where.lineno} with {type(error).__name__}: {error}. Correct it."
