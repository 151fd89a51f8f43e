"""benchmarks/first_run.py and benchmarks/avx2.py: the runs that are kept, their table, and the instructions hidden."""

import json
import os
import subprocess
import sys

from benchmarks import first_run
from palm.kernels.fused.built import FLAGS_OF_LEVEL

RUN = {
    "language": "zh", "seed": 2, "computed in": "avx2", "right": 15, "intent": 100.0, "slots": 98.333, "answer": 95.5,
    "processor seconds": 250, "minutes": 2.4, "threads": "2", "load": 0.1, "date": "2026-11-28", "cpu": "一个处理器",
    "python": "3.11", "paddlepaddle": "3.3.1", "numpy": "2.4", "tokenizers": "0.23",
}  # fmt: skip


def test_a_run_replaces_that_of_its_language_instructions_and_seed(tmp_path):
    file, page = tmp_path / "kept.json", tmp_path / "page.md"
    page.write_text("# Page\n\n<!-- first_run: begin -->\nold\n<!-- first_run: end -->\n\nrest\n", encoding="utf-8")
    for run in ({**RUN, "right": 9}, {**RUN, "seed": 1}, {**RUN, "language": "en"}, RUN):
        first_run.keep(run, file, page)
    kept = json.loads(file.read_text(encoding="utf-8"))
    found = [(one["language"], one["seed"], one["right"]) for one in kept]
    assert found == [("en", 2, 15), ("zh", 1, 15), ("zh", 2, 15)]
    shown = page.read_text(encoding="utf-8")
    assert "| zh | 2 | avx2 | 15 | 100.0 | 98.3 | 95.5 | 250 | 2.4, 2, 0.1 | 2026-11-28 |" in shown
    assert shown.count("一个处理器") == 1
    assert "old" not in shown
    assert shown.endswith("rest\n")


def test_newer_instructions_are_hidden_from_all_that_choose():
    code = (
        "import json, os\nfrom benchmarks.avx2 import hide_newer_instructions\nhide_newer_instructions()\n"
        "from palm.kernels.fused.library import best_level, processor_flags\nflags = processor_flags()\n"
        "print(json.dumps([best_level(flags), sorted(flags), os.environ['MKL_ENABLE_INSTRUCTIONS']]))"
    )
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ}, capture_output=True, text=True, check=True)
    level, flags, libraries = json.loads(done.stdout.splitlines()[-1])
    assert level in ("_avx2", "_base")
    assert not set(flags) & (FLAGS_OF_LEVEL["_amx"] - FLAGS_OF_LEVEL["_avx2"])
    assert libraries == "AVX2"
