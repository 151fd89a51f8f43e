"""What the main thread of this process does, as another of its threads sees it."""

import os
import sys
import threading
import time
from pathlib import Path
from types import FrameType

_STANDARD_LIBRARY = os.path.dirname(threading.__file__)


class MainThread:
    """Watches the main thread of this process."""

    def __init__(self) -> None:
        self._thread = threading.main_thread()
        self._used = 0.0

    def is_busy(self) -> bool:
        """Whether it has used the processor since the last call."""
        before, self._used = self._used, self._processor_time()
        return self._used > before

    def position(self) -> str:
        """`file:line` in its innermost function that is neither Python's nor Paddle's."""
        frame: FrameType | None = sys._current_frames().get(self._thread.ident or 0)
        found = frame
        while frame is not None and _is_foreign(frame.f_code.co_filename):
            frame = frame.f_back
        found = frame or found
        return f"{found.f_code.co_filename}:{found.f_lineno}" if found else "its end"

    def _processor_time(self) -> float:
        """Ticks of the processor that it has used; the seconds of the whole process where the system is not Linux."""
        try:
            text = Path(f"/proc/self/task/{self._thread.native_id}/stat").read_text(encoding="utf-8")
        except OSError:
            return time.process_time()
        user, system = text.rpartition(")")[2].split()[11:13]  # proc(5)
        return float(user) + float(system)


def _is_foreign(file: str) -> bool:
    in_library = file.startswith(_STANDARD_LIBRARY) and "site-packages" not in file
    return in_library or file.startswith("<") or f"{os.sep}paddle{os.sep}" in file
