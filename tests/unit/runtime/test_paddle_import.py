import os
import signal
import subprocess
import sys

from palm.runtime.paddle_versions import modules_too_late

QUIET = "import palm; palm.Controller; import sys; sys.stderr.write('own words\\n')"


def test_importing_the_controller_says_nothing_but_what_is_not_known():
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", QUIET], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == "own words\n"


def after_sigterm(code: str) -> subprocess.CompletedProcess[str]:
    """A process that runs `code`, in which Paddle is imported before PALM, and sends itself SIGTERM."""
    program = f"import os, signal, warnings; warnings.simplefilter('ignore'); import numpy.random, zlib, paddle\n{code}"
    program += "\nimport palm; palm.Controller; os.kill(os.getpid(), signal.SIGTERM)"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_paddle_that_a_script_imported_first_does_not_handle_sigterm():
    """Paddle's handler allocates memory: a signal in the middle of an allocation would never end the process."""
    done = after_sigterm("")
    assert done.returncode == -signal.SIGTERM
    assert (done.stdout, done.stderr) == ("", "")


def test_a_handler_of_the_script_stays():
    done = after_sigterm("signal.signal(signal.SIGTERM, lambda *_: print('handled'))")
    assert (done.returncode, done.stdout) == (0, "handled\n")


def test_paddle_2_that_a_script_imported_first_is_refused_before_it_crashes(tmp_path):
    """With Paddle 3 the order does not matter."""
    script = tmp_path / "run.py"
    script.write_text("import warnings; warnings.simplefilter('ignore')\nimport paddle\nimport palm\npalm.Controller\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    if not modules_too_late() and "Paddle" not in done.stderr:
        assert (done.returncode, done.stdout) == (0, "")
        return
    assert done.returncode == 2
    assert "Paddle: Paddle 2.6 is imported after numpy.random.mtrand and zlib, which crash otherwise." in done.stderr
    assert "Write `from palm import Controller` above `import paddle`" in done.stderr
