"""Write docs/quickstart-report.html: train the quickstart, and make `palm report` of the run (about three minutes).

It downloads the encoder of the quickstart unless it is there. Times and hardware in the page are those of this machine.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "quickstart-report.html"
MOST_BYTES = 2_000_000
_RUN = "output_model/quickstart"
_MEASURE = ("--eval_every_n_steps", "40", "--log_gradient_cosines_every_n_steps", "40", "--print_every_n_steps", "2")
_AGAIN = "<code>python docs/write_quickstart_report.py</code> in a clone of PALM makes this page again."
_QUIET = ("--report_to", "none")  # trackers add nothing to the page


def palm(*words: str) -> None:
    """Run a command of this clone from the folder of the quickstart, so that the page holds no path of this machine."""
    command = [sys.executable, "-m", "palm", *words]
    subprocess.run(command, cwd=ROOT / "examples" / "quickstart", check=True)


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    if not (ROOT / "pretrain" / "minilm-l6-en").is_dir():
        palm("download", "minilm-l6-en", "--to", "../../pretrain")
    shutil.rmtree(ROOT / "examples" / "quickstart" / _RUN, ignore_errors=True)
    palm("train", "config.yaml", "--save_path", _RUN, *_MEASURE, *_QUIET)
    palm("report", _RUN, "--lang", "en", "--output", str(PAGE))
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(page.replace("<footer>", f"<footer>{_AGAIN} ", 1), encoding="utf-8")
    size = PAGE.stat().st_size
    sys.stdout.write(f"{PAGE.relative_to(ROOT).as_posix()}: {size / 1e6:.1f} MB\n")
    return int(size > MOST_BYTES)


if __name__ == "__main__":
    sys.exit(main())
