"""Heads under PALM 2's names, and what importing them costs."""

import subprocess
import sys

from palm import head
from palm.paradigm import PARADIGMS


def test_every_built_in_paradigm_has_its_palm_2_name():
    names = {"cls": "Classify", "match": "Match", "mrc": "MRC", "seq_label": "SequenceLabel", "mlm": "MaskLM"}

    assert {name: getattr(head, there) for name, there in names.items()} == {name: PARADIGMS[name] for name in names}


def test_importing_paradigms_and_metrics_does_not_import_paddle():
    code = "import palm.head, palm.metric, sys; sys.exit('paddle' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
