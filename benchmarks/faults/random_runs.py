"""Random configurations, run whole, stopped, killed, resumed, in threads: `python -m benchmarks.faults.random_runs`.

Each run is a process of its own, forked from one that has imported PALM. A run that SIGTERM stopped or kill -9 ended,
and that was resumed, and one that shared its process with another training and with predictions, must leave the same
checkpoint, exported models and metrics as the whole one.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import yaml

import palm
from benchmarks.faults.random_configs import write_random_config
from benchmarks.faults.small_run import TIMED, sha256
from palm.cli.main import main as palm_command
from palm.engine.checkpoint import newest_checkpoint
from palm.runtime.script import EXIT_ERROR
from palm.storage.layout import CHECKPOINT_FOLDER, EARLIER_FOLDER, METRICS_FILE

CARD = "README.md"  # which the model of all tasks has
MODEL_FOLDERS = ("infer_model", "best_infer_model", "encoder")
EXIT_FAILED = 70
LONGEST_RUN = 300  # seconds; one that hangs is killed, and counts as different
MODELS_AT_ONCE = 4


@dataclass(frozen=True)
class Whole:
    """A configuration whose run was left alone.

    Attributes:
        config: The configuration.
        out: What the run left.
        found: The fingerprint of that.
        seconds: How long it took.
    """

    config: Path
    out: Path
    found: dict[str, str]
    seconds: float

    @property
    def folder(self) -> Path:
        """Where everything of this configuration is."""
        return self.config.parent

    @property
    def models(self) -> list[Path]:
        """The inference models of single tasks that it left."""
        return [model for model in _folders(self.out, "infer_model") if not (model / CARD).exists()]


def fork(work: Callable[[], int], log: Path) -> int:
    """The number of a process that does `work`, writes to `log` and exits with what `work` returns."""
    sys.stdout.flush()
    number = os.fork()
    if number:
        return number
    code = EXIT_FAILED
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        code = work()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def wait(number: int) -> int:
    """Its exit code, or minus the number of the signal that ended it."""
    deadline = threading.Timer(LONGEST_RUN, os.kill, (number, signal.SIGKILL))
    deadline.start()
    try:
        return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
    finally:
        deadline.cancel()


def train(config: Path, out: Path, *words: str) -> int:
    """The number of a process that runs `palm train` into `out`."""
    argv = ["train", str(config), f"--save_path={out}", *words]
    return fork(lambda: palm_command(argv), out.with_suffix(".log"))


def fingerprint(out: Path) -> dict[str, str]:
    """sha256 of each newest checkpoint's files, of the exported models, and of metrics without their times."""
    found = {}
    for home in _folders(out, CHECKPOINT_FOLDER):
        newest, complaints = newest_checkpoint(home)
        if newest is None or complaints:
            raise RuntimeError(f"{home}: no good newest checkpoint: {complaints}")
        found |= {str(file.relative_to(out)): sha256(file.read_bytes()) for file in newest.iterdir()}
    for folder in (folder for name in MODEL_FOLDERS for folder in _folders(out, name)):
        # The card names the command, which is another one for a resumed run; the manifest covers the card.
        told = ("manifest.json", CARD) if (folder / CARD).exists() else ()
        files = [file for file in folder.rglob("*") if file.is_file() and file.name not in told]
        found |= {str(file.relative_to(out)): sha256(file.read_bytes()) for file in files}
    for file in _folders(out, METRICS_FILE):
        found[str(file.relative_to(out))] = sha256(json.dumps(_timeless(file)).encode())
    return found


def _folders(out: Path, name: str) -> list[Path]:
    """Those called `name`, without what was archived of a run that ended before its first checkpoint."""
    return sorted(path for path in out.rglob(name) if EARLIER_FOLDER not in path.relative_to(out).parts)


def _timeless(file: Path) -> list[dict[str, object]]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [{key: value for key, value in json.loads(line).items() if key not in TIMED} for line in lines]


def interrupted(whole: Whole, out: Path, number: signal.Signals, chance: Random) -> list[int]:
    """Run into `out`, interrupted by `number` at a random moment once or twice, then resumed; the exit codes."""
    codes = []
    for _ in range(chance.randint(1, 2)):
        process = train(whole.config, out, "--resume")
        time.sleep(chance.uniform(0.1, 0.95) * whole.seconds)
        os.kill(process, number)  # the system keeps a process that has ended until it is waited for
        codes.append(wait(process))
        if codes[-1] == 0:
            return codes
    return [*codes, wait(train(whole.config, out, "--resume"))]


def side_by_side(pair: Sequence[Whole]) -> int:
    """Train two configurations in two threads while a third one predicts; 1 where a prediction differs."""
    models = [model for whole in pair for model in whole.models][:MODELS_AT_ONCE]
    files = {model: _file_to_predict(model) for model in models}
    alone = {model: palm.Predictor(model).predict(files[model]) for model in models}
    with ThreadsWithErrors() as threads:
        trained = [threads.start(_trained, whole) for whole in pair]
        while any(thread.is_alive() for thread in trained):
            for model in models:
                threads.start(_check_prediction, model, files[model], alone[model]).join()
            time.sleep(0.01)
    print(*threads.errors, sep="\n")
    return int(bool(threads.errors))


def _trained(whole: Whole) -> None:
    palm.Controller(whole.config, overrides=[f"--save_path={whole.folder / 'threads'}"]).train()


def _check_prediction(model: Path, file: Path, wanted: object) -> None:
    if palm.Predictor(model).predict(file) != wanted:
        raise RuntimeError(f"{model}: another prediction than alone")


def _file_to_predict(model: Path) -> Path:
    config = next(file for parent in model.parents if (file := parent / "config.yaml").exists())
    keys = yaml.safe_load(config.read_text(encoding="utf-8"))
    return Path(keys["tasks"][model.parent.name]["pred_file"])


class ThreadsWithErrors:
    """Threads that are waited for at the end of a `with` block.

    Attributes:
        errors: Tracebacks of those that failed.
    """

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._threads: list[threading.Thread] = []

    def start(self, work: Callable[..., object], *given: object) -> threading.Thread:
        """A thread that calls `work`."""

        def run() -> None:
            try:
                work(*given)
            except BaseException:
                self.errors.append(traceback.format_exc())

        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()
        return self._threads[-1]

    def __enter__(self) -> "ThreadsWithErrors":
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()


class Tally:
    """What was found."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self.differences: list[str] = []

    def compare(self, kind: str, whole: Whole, out: Path, codes: list[int]) -> bool:
        """Count a run of `kind` by whether it left what the whole one did."""
        self.count[kind] += 1
        found = fingerprint(out) if codes[-1] == 0 else {}
        different = sorted(key for key in whole.found | found if whole.found.get(key) != found.get(key))
        if different:
            self.count[f"{kind}, different"] += 1
            self.note(f"{out} (exit codes {codes}): {', '.join(different[:6])}")
        return not different

    def note(self, difference: str) -> None:
        """Print it, at once and at the end."""
        self.differences.append(difference)
        print(difference, flush=True)


def whole_run(home: Path, *, seed: int, number: int, tally: Tally) -> Whole:
    """Configuration `number`, run to its end."""
    for attempt in range(1000):
        folder = home / f"{number}"
        config = write_random_config(folder, seed=seed, number=number, attempt=attempt)
        began = time.monotonic()
        code = wait(train(config, folder / "whole"))
        seconds = time.monotonic() - began
        if code == 0:
            return Whole(config, folder / "whole", fingerprint(folder / "whole"), seconds)
        tally.count["combinations of keys that were refused"] += 1
        if code != EXIT_ERROR:
            tally.note(f"{folder}: exit code {code}\n{(folder / 'whole.log').read_text(encoding='utf-8')[-2000:]}")
        shutil.move(folder / "whole.log", home / f"{number}.{attempt}.log")
        shutil.rmtree(folder)
    raise RuntimeError("no valid configuration in 1000")


def try_interruptions(whole: Whole, tally: Tally, chance: Random) -> bool:
    """Whether the configuration ends the same after signals."""
    same = True
    for kind, number in (("stopped", signal.SIGTERM), ("killed", signal.SIGKILL)):
        out = whole.folder / kind
        codes = interrupted(whole, out, number, chance)
        tally.count[f"interruptions, {kind}"] += len(codes) - 1
        same &= tally.compare(kind, whole, out, codes)
    return same


def try_threads(pair: Sequence[Whole], tally: Tally) -> bool:
    """Whether both configurations end the same beside each other."""
    code = wait(fork(lambda: side_by_side(pair), pair[0].folder / "threads.log"))
    return all([tally.compare("in threads", whole, whole.folder / "threads", [code]) for whole in pair])


@contextmanager
def _home(wanted: Path | None) -> Iterator[Path]:
    if wanted is not None:
        yield wanted
        return
    with tempfile.TemporaryDirectory() as place:
        yield Path(place)


def main() -> int:
    """Print what differs, and the counts; 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="configurations, taken two by two")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for the runs; those that differ stay there")
    given = parser.parse_args()
    tally, began = Tally(), time.monotonic()
    with _home(given.keep) as home:
        for number in range(given.first, given.first + given.count, 2):
            chance = Random(f"{given.seed} {number} interruptions")
            pair = [whole_run(home, seed=given.seed, number=number + each, tally=tally) for each in range(2)]
            same = all([*(try_interruptions(whole, tally, chance) for whole in pair), try_threads(pair, tally)])
            for whole in pair if same else ():
                shutil.rmtree(whole.folder)
            tally.count["configurations"] += len(pair)
            print(dict(tally.count), f"{time.monotonic() - began:.0f} s", flush=True)
    print(*tally.differences, sep="\n")
    return int(bool(tally.differences))


if __name__ == "__main__":
    sys.exit(main())
