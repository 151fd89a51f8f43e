"""MLflow."""

import os
import time
from collections.abc import Mapping
from typing import Any, final

from palm.tracking.base import PROJECT, TRACKERS, Started, TrackedRun, Tracker
from palm.tracking.events import HowEnded

_ADDRESS = "MLFLOW_TRACKING_URI"
_EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"
# A server that does not answer is given up after a minute, and not after MLflow's quarter of an hour.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
_EVERY = 5.0  # seconds between two requests
_LONGEST = 500  # characters of a parameter
_MOST = 100  # parameters of one request
_STATUS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}


@final
@TRACKERS.register("mlflow")
class MLflowTracker(Tracker):
    """Sends a run to the server of $MLFLOW_TRACKING_URI, or to a SQLite file in save_path/trackers."""

    package = "mlflow"
    extra = "mlflow"

    def __init__(self) -> None:
        self._client: Any = None
        self._id = ""
        self._waiting: list[Any] = []
        self._sent = 0.0

    def start(self, run: TrackedRun) -> Started:
        """Begin the run, or go on with the one of this id."""
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        from mlflow.entities import Param  # noqa: PLC0415 (an extra)
        from mlflow.tracking import MlflowClient  # noqa: PLC0415

        address = os.environ.get(_ADDRESS) or f"sqlite:///{(run.folder / 'mlflow.db').resolve()}"
        self._client = MlflowClient(tracking_uri=address)
        if run.identity:
            self._id = run.identity
            self._client.update_run(self._id, status="RUNNING")
        else:
            self._id = self._client.create_run(self._experiment(run), run_name=run.name).info.run_id
            parameters = [Param(key, str(value)[:_LONGEST]) for key, value in run.hyper_parameters.items()]
            for first in range(0, len(parameters), _MOST):
                self._client.log_batch(self._id, params=parameters[first : first + _MOST])
        show = address if _ADDRESS in os.environ else f"`mlflow ui --backend-store-uri {address}` shows the run"
        return Started(f"MLflow: {show}", self._id)

    def _experiment(self, run: TrackedRun) -> str:
        name = os.environ.get(_EXPERIMENT, PROJECT)
        known = self._client.get_experiment_by_name(name)
        if known is not None:
            return str(known.experiment_id)
        place = {} if _ADDRESS in os.environ else {"artifact_location": (run.folder / "mlflow").resolve().as_uri()}
        return str(self._client.create_experiment(name, **place))

    def log(self, scalars: Mapping[str, float], global_step: int) -> None:
        """Keep numbers, and send all of them every few seconds: a request takes longer than a step."""
        from mlflow.entities import Metric  # noqa: PLC0415 (as above)

        now = int(time.time() * 1000)
        self._waiting += [Metric(name, value, now, global_step) for name, value in scalars.items()]
        if time.monotonic() - self._sent > _EVERY:
            self._send()

    def _send(self) -> None:
        while self._waiting:
            self._client.log_batch(self._id, metrics=self._waiting[:1000])
            del self._waiting[:1000]
        self._sent = time.monotonic()

    def finish(self, outcome: HowEnded) -> None:
        """Send what is left."""
        self._send()
        self._client.set_terminated(self._id, _STATUS[outcome])
