"""What another thread sees of the main thread."""

import inspect
import threading
import time

from palm.distributed.main_thread import MainThread


def seen_while(action):
    """Two looks of another thread while the main thread is in `action`: where it is, and whether it computes."""
    main, found = MainThread(), []
    begun = threading.Event()

    def look():
        begun.wait()
        time.sleep(0.05)
        main.is_busy()
        time.sleep(0.15)
        found.extend([main.position(), main.is_busy()])

    thread = threading.Thread(target=look)
    thread.start()
    begun.set()
    action(lambda: bool(found))
    thread.join()
    return found


def compute(ended):
    while not ended():
        pass


def stand_still(ended):
    event = threading.Event()
    while not ended():
        event.wait(0.3)


def lines_of(function):
    source, first = inspect.getsourcelines(function)
    return range(first, first + len(source))


def test_a_thread_that_computes_is_busy_where_it_computes():
    position, busy = seen_while(compute)
    file, _, line = position.rpartition(":")
    assert busy
    assert file == __file__
    assert int(line) in [*lines_of(compute), *lines_of(seen_while)]


def test_a_thread_that_waits_is_not_busy_and_is_seen_in_its_own_code():
    """`Event.wait` is Python's own."""
    position, busy = seen_while(stand_still)
    file, _, line = position.rpartition(":")
    assert not busy
    assert file == __file__
    assert int(line) in lines_of(stand_still)
