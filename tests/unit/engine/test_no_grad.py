"""A function without gradients, called in two threads of which one is without gradients already."""

import threading

import paddle

from palm.engine.no_grad import without_gradients


@without_gradients
def call(function):
    """What `function` gives, computed without gradients."""
    return function()


def test_it_is_without_gradients_inside_alone():
    assert call(paddle.is_grad_enabled) is False
    assert paddle.is_grad_enabled()


def test_each_thread_gets_back_what_it_had():
    inside, leave = threading.Event(), threading.Event()

    def other():
        with paddle.no_grad():
            call(lambda: (inside.set(), leave.wait(60)))

    thread = threading.Thread(target=other)

    def begin_the_other_call():
        thread.start()
        assert inside.wait(60)

    call(begin_the_other_call)
    enabled = paddle.is_grad_enabled()
    leave.set()
    thread.join()
    assert enabled
    assert paddle.is_grad_enabled()
