"""What a request gets that is not computed in time; answers are in tests/integration/test_serve.py."""

import asyncio

import pytest

pytest.importorskip("prometheus_client", reason='needs the extra serve: pip install "paddle-palm[serve]"')

from palm.inference.serving.errors import HttpError
from palm.inference.serving.metrics import ServeMetrics
from palm.inference.serving.service import Service
from palm.inference.serving.settings import RequestLimits


async def leaves() -> None:
    """A client that goes away at once."""


async def stays() -> None:
    """A client that waits."""
    await asyncio.sleep(60)


@pytest.mark.parametrize(("client", "status"), [(leaves, 499), (stays, 503)])
def test_a_request_that_is_not_computed_is_counted_by_who_gave_up(client, status):
    service = Service(None, RequestLimits(wait_seconds=0.1), ServeMetrics())  # without a computing thread

    with pytest.raises(HttpError) as caught:
        asyncio.run(service.predict(None, ["水"], ["topic"], client))

    assert caught.value.status == status
