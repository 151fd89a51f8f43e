import os
import subprocess
import sys

QUIET = "import palm; palm.Controller; import sys; sys.stderr.write('own words\\n')"


def test_importing_the_controller_says_nothing_but_what_is_not_known():
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", QUIET], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == "own words\n"
