"""What Paddle has once for all threads of a process, held by one thread at a time.

* Its random generator, which initial weights, dropout and SMART use. A thread that builds a model or trains another one
  between the seed of a step and its random numbers would change them.
* The program that its optimizers find their learning rate in. The backward pass of recomputed layers puts another one
  there for a while; a step of another thread would then keep the rate of the step before, or fail.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import paddle

_LOCK = threading.RLock()


@contextmanager
def shared_state() -> Iterator[None]:
    """Have it alone inside the `with` block; other threads of PALM that want it wait for its end."""
    with _LOCK:
        yield


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The same, with the random numbers of `seed`.

    The block of a training step holds its backward pass as well: recomputed layers need theirs again there.
    """
    with shared_state():
        paddle.seed(seed)
        yield
