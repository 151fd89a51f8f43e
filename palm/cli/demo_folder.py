"""The folder of `palm demo`: its configuration and data, copied from the package."""

import shutil
from pathlib import Path

from palm.errors import ConfigError, Problem

PACKAGED = Path(__file__).parent / "demo_files"
CONFIG = "config.yaml"
DATA = "demo_data"


def write_demo(folder: Path, language: str) -> bool:
    """Write the demo into `folder`, unless an earlier one of this language is there.

    Returns:
        Whether it was written; an earlier one is left as it is, with what its user has changed.

    Raises:
        ConfigError: The folder holds something else, or cannot be written.
    """
    try:
        if folder.is_dir() and any(folder.iterdir()):
            if not _holds_demo(folder, language):
                rule = "palm demo writes into a new folder, or uses what it wrote there before in the same language."
                raise ConfigError(Problem(str(folder), f"{rule} Found other files. Name another one with --folder."))
            return False
        source = PACKAGED / language
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source / DATA, folder / DATA, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copyfile(source / CONFIG, folder / CONFIG)  # last: it says that the rest is complete
    except (OSError, shutil.Error) as error:
        rule = "palm demo writes its configuration and data into a folder."
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConfigError(Problem(str(folder), f"{rule} {reason}. Name another one with --folder.")) from error
    return True


def _holds_demo(folder: Path, language: str) -> bool:
    """Whether the configuration there begins as that of the demo in this language does."""
    file = folder / CONFIG
    wanted = (PACKAGED / language / CONFIG).read_bytes().splitlines()[0]
    return file.is_file() and file.read_bytes().splitlines()[:1] == [wanted]
