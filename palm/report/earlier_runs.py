"""What an earlier run left in save_path: set aside by a run that starts anew, cut back by one that resumes."""

import json
from pathlib import Path

from palm.default_settings import CHECKPOINT_FOLDER, EARLIER_FOLDER, LOG_FILE, METRICS_FILE

_KEPT = (CHECKPOINT_FOLDER, LOG_FILE, METRICS_FILE)


def set_aside(folder: Path) -> str | None:
    """Move checkpoints, log and figures of an earlier run to `earlier/<number>`; say so where there were any.

    Otherwise a later resume could continue from the other run's checkpoint.
    """
    left = [folder / name for name in _KEPT if (folder / name).exists()]
    if not left:
        return None
    home = folder / EARLIER_FOLDER
    home.mkdir(exist_ok=True)
    taken = [int(path.name) for path in home.iterdir() if path.name.isdigit()]
    target = home / str(max(taken, default=0) + 1)
    target.mkdir()
    for path in left:
        path.rename(target / path.name)
    return f"An earlier run's {', '.join(path.name for path in left)} moved to {target.as_posix()}."


def cut_back(folder: Path, global_step: int) -> None:
    """Drop figures after `global_step` from metrics.jsonl: the resumed run writes them again."""
    file = folder / METRICS_FILE
    if file.is_file():
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["global_step"] <= global_step]
        aside = file.with_suffix(".writing")
        aside.write_text("".join(kept), encoding="utf-8")
        aside.replace(file)
