"""Functions that compute without gradients, in several threads at once."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import paddle

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def without_gradients(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """`function`, computed without gradients.

    As a decorator, Paddle's own `no_grad()` is one object for all calls, which keeps what to restore: a thread that
    calls the function inside `no_grad` would leave another one without gradients for good.
    """

    @wraps(function)
    def computed(*args: Parameters.args, **keywords: Parameters.kwargs) -> Result:
        with paddle.no_grad():
            return function(*args, **keywords)

    return computed
