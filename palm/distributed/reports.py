"""Notes that the ranks of one machine and their supervisor leave for each other, as files in a folder of their own."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from palm.distributed.rank_environment import REPORTS

RAISED = "raised "
"""Beginning of `LostRank.why` for an error of the rank's own."""


@dataclass(frozen=True)
class LostRank:
    """A rank that the others gave up.

    Attributes:
        index: Its number.
        host: Name of its machine.
        pid: Its process id there.
        last_activity: What it said last of its work, such as `step 12`.
        why: What is wrong with it, such as `has not answered for 9 s`.
    """

    index: int
    host: str
    pid: int
    last_activity: str
    why: str

    @property
    def has_raised(self) -> bool:
        """Whether it has told the others of an error of its own, and so can still end by itself."""
        return self.why.startswith(RAISED)

    def __str__(self) -> str:
        last = f"; last: {self.last_activity}" if self.last_activity else ""
        return f"rank {self.index} ({self.host}, pid {self.pid}) {self.why}{last}"


@dataclass(frozen=True)
class RankReport:
    """What a rank tells its supervisor.

    Attributes:
        lost: The ranks that it gave up.
        saved: The checkpoint that it wrote because of them.
    """

    lost: Sequence[LostRank] = ()
    saved: str | None = None


class Reports:
    """The notes of one run on this machine.

    Args:
        folder: A folder of the supervisor's; None for a rank without one, for which notes are neither written nor read.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @classmethod
    def of_this_rank(cls) -> "Reports":
        """Those of the supervisor that started this process, if one did."""
        folder = os.environ.get(REPORTS)
        return cls(Path(folder) if folder else None)

    def write(self, index: int, report: RankReport) -> None:
        """Tell the supervisor that rank `index` is being watched, and what it knows."""
        self._write(f"{index}.json", json.dumps(asdict(report), ensure_ascii=False))

    def read(self, index: int) -> RankReport | None:
        """The report of a rank; None if it is not watched yet."""
        with suppress(ValueError, TypeError, KeyError):
            given = json.loads(self._read(f"{index}.json") or "")
            return RankReport([LostRank(**lost) for lost in given["lost"]], given["saved"])
        return None

    def write_begun(self, save_path: Path) -> None:
        """Tell the supervisor that what an earlier run left in save_path is archived, or continued."""
        self._write("begun", str(save_path.absolute()))

    @property
    def begun(self) -> Path | None:
        """The save_path of which a rank of this machine has said so last: that of its stage, if the run has stages.

        Another attempt may continue from the newest checkpoint there.
        """
        folder = self._read("begun")
        return None if folder is None else Path(folder)

    def write_end(self, index: int, how: str) -> None:
        """Tell the other ranks that `index` has ended, and how: `was killed by SIGKILL`."""
        self._write(f"{index}.ended", how)

    def ends(self) -> Mapping[int, str]:
        """The ranks of this machine that have ended, and how."""
        files = self._folder.glob("*.ended") if self._folder else ()
        return {int(file.stem): self._read(file.name) or "has ended" for file in files}

    def _write(self, name: str, text: str) -> None:
        """The supervisor, and with it the folder, may be gone: nothing reads them then."""
        if self._folder is None:
            return
        with suppress(OSError):
            new = self._folder / f"{name}.new"
            new.write_text(text, encoding="utf-8")
            new.replace(self._folder / name)

    def _read(self, name: str) -> str | None:
        if self._folder is None:
            return None
        try:
            return (self._folder / name).read_text(encoding="utf-8")
        except OSError:
            return None
