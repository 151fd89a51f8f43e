"""A rank without PALM's engine: steps of a collective of gloo under a Watch, in which rank R does X at step S.

python rank_script.py FOLDER [X R S]; X is kill, stop, raise, loop, lock, slow or nothing.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from palm.runtime.environment import prepare_runtime
from palm.runtime.paddle_import import import_paddle

prepare_runtime()
import_paddle()

import paddle  # noqa: E402 (after it is set up)
import paddle.distributed as dist  # noqa: E402

from palm.distributed.watch import Watch  # noqa: E402

STEPS = 8
rank, count = int(os.environ["PADDLE_TRAINER_ID"]), int(os.environ["PADDLE_TRAINERS_NUM"])
folder = Path(sys.argv[1])
what, who, when = (sys.argv[2], int(sys.argv[3]), int(sys.argv[4])) if len(sys.argv) > 4 else ("nothing", -1, -1)
finished = 0
asked = []


def emergency():
    file = folder / f"emergency_of_{rank}"
    file.write_text(f"step {finished}", encoding="utf-8")
    return file.as_posix()


def misbehave(watch):
    (folder / "moment").write_text(str(time.time()), encoding="utf-8")
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif what == "raise":
        raise ValueError("a wrong 值")
    elif what == "loop":
        while True:
            pass
    elif what == "lock":
        threading.Lock().acquire() and threading.Event().wait()
    elif what == "slow":
        watch.note("evaluating intent")
        time.sleep(6)


def main():
    global finished
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: asked.append(number))
    dist.init_parallel_env()
    watch = Watch(emergency)
    watch.start(rank, count)
    for step in range(1, STEPS + 1):
        watch.step(step)
        time.sleep(0.1)
        if (rank, step) == (who, when):
            misbehave(watch)
        stop = paddle.to_tensor([float(bool(asked))])
        with watch.waiting("the gradients of all ranks", meeting=step):
            dist.all_reduce(stop)
        finished = step
        sys.stdout.write(f"rank {rank} of {count}: step {step}\n")
        sys.stdout.flush()
        if float(stop[0]) > 0:
            emergency()
            sys.exit(128 + (asked or [signal.SIGTERM])[0])
    watch.note("the end")


if __name__ == "__main__":
    main()
