"""The settings of a server: its model, its token, and how much of a client's work it accepts."""

from dataclasses import dataclass, field
from pathlib import Path

from palm.schema.fields import Precision


@dataclass(frozen=True)
class RequestLimits:
    """How much one client may ask for. The numbers are those of text-embeddings-inference.

    Attributes:
        rows: Rows of a request.
        tokens: Tokens of a request, and of a batch, roughly: three bytes of text count as one.
        body: Bytes of a body.
        queue: Requests that wait.
        header_seconds: How long the head of a request may take to arrive, and a connection may do nothing.
        body_seconds: How long a body may take to arrive.
        wait_seconds: How long a request may wait for its predictions.
        write_seconds: How long a client may leave a response unread.
        connections: Open connections.
    """

    rows: int = 32
    tokens: int = 16_384
    body: int = 2_000_000
    queue: int = 512
    header_seconds: float = 10.0
    body_seconds: float = 10.0
    wait_seconds: float = 30.0
    write_seconds: float = 30.0
    connections: int = 1000


@dataclass(frozen=True)
class ServeSettings:
    """What `palm serve` was told.

    Attributes:
        model: RUN, RUN/task or an inference model.
        tasks: The tasks to serve; all where empty.
        runtime: `auto`, `palm` or `onnx`.
        precision: As in `palm.load`.
        token: The token that requests carry; None for none.
        own_host: The address that it listens at, where no token is asked for and only this machine may ask; else None.
        reload: Whether to load the model again when its folder changes.
        stop_seconds: How long a stop waits for what was accepted.
        limits: Limits of requests.
    """

    model: Path
    tasks: tuple[str, ...] = ()
    runtime: str = "auto"
    precision: Precision = "auto"
    token: str | None = None
    own_host: str | None = None
    reload: bool = False
    stop_seconds: float = 30.0
    limits: RequestLimits = field(default_factory=RequestLimits)
