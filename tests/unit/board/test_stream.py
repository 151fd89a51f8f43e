import asyncio
import json

import pytest

from palm.board import stream
from palm.board.stream import EventStreams


class FakeBoard:
    """What a stream needs of a board."""

    def __init__(self):
        self.version, self.list_version, self.grown, self.watching = 3, 2, {"a": 3}, {}

    def watch(self, viewer, keys):
        self.watching[viewer] = keys

    def unwatch(self, viewer):
        del self.watching[viewer]

    def listed(self):
        return {"runs": ["实验\n"]}

    def progress_since(self, version, keys):
        return {key: {"step": 1} for key in keys if self.grown.get(key, 0) > version}


async def first(streams, keys, last_id, count=1):
    events = streams.events(keys, last_id)
    assert await anext(events) == "retry: 1000\n\n"
    told = [await anext(events) for _ in range(count)]
    await events.aclose()
    return told


def parsed(text):
    events = [dict(line.split(": ", 1) for line in part.split("\n")) for part in text.strip().split("\n\n")]
    return [(event["event"], json.loads(event["data"]), event["id"]) for event in events]


@pytest.fixture
def board():
    return FakeBoard()


def test_a_new_viewer_is_told_everything(board):
    [told] = asyncio.run(first(EventStreams(board), ["a", "b"], None))
    events = parsed(told)
    assert [event[:2] for event in events] == [("runs", {"runs": ["实验\n"]}), ("grown", {"a": {"step": 1}})]
    assert board.watching == {}


def test_a_viewer_that_comes_back_is_told_what_it_has_missed(board):
    streams = EventStreams(board)

    async def visit():
        [told] = await first(streams, ["a"], None)
        last = parsed(told)[-1][2]
        board.version, board.grown["b"] = 4, 4
        return await first(streams, ["a", "b"], last)

    [told] = asyncio.run(visit())
    assert [event[:2] for event in parsed(told)] == [("grown", {"b": {"step": 1}})]


@pytest.mark.parametrize("last_id", ["other-3", "", "x", "-", "٣", "9" * 5000])
def test_an_id_of_another_process_or_none_is_as_new(board, last_id):
    [told] = asyncio.run(first(EventStreams(board), ["a"], last_id))
    assert [event[0] for event in parsed(told)] == ["runs", "grown"]


def test_a_stream_tells_changes_and_beats_and_ends(board, monkeypatch):
    monkeypatch.setattr(stream, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(stream, "_PAUSE_SECONDS", 0.0)
    streams = EventStreams(board)

    async def visit():
        events = streams.events(["a"], None)
        told = [await anext(events) for _ in range(3)]
        board.version = board.grown["a"] = 5
        await streams.notify()
        told.append(await anext(events))
        streams.is_stopping = True
        await streams.notify()
        return told, [event async for event in events]

    told, after = asyncio.run(visit())
    assert told[2] == ": still here\n\n"
    assert [event[0] for event in parsed(told[3])] == ["grown"]
    assert after == []
