"""Reading comprehension: privacy policies (PolicyQA, English), Wikipedia (CMRC 2018, Chinese)."""

import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent
sys.path.insert(0, str(HOME.parent))

from yaml_run import run  # noqa: E402 (beside the examples' folders)

if __name__ == "__main__":
    run(HOME, __doc__, english="policyqa", chinese="cmrc2018")
