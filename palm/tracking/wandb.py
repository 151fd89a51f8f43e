"""Weights & Biases."""

import os
from collections.abc import Mapping
from typing import Any, final

from palm.tracking.base import PROJECT, TRACKERS, Started, TrackedRun, Tracker
from palm.tracking.events import HowEnded

_STEP = "global_step"
_TIMEOUT = 30.0  # seconds that the beginning waits for the server, unless $WANDB_INIT_TIMEOUT says otherwise
_PATIENCE = 60.0  # seconds that the end waits for uploads


@final
@TRACKERS.register("wandb")
class WandbTracker(Tracker):
    """Sends a run to Weights & Biases, or records it for `wandb sync` without an API key or a network.

    $WANDB_PROJECT, $WANDB_ENTITY, $WANDB_MODE and others hold. Code, git, the command line and what is printed are not
    sent.
    """

    package = "wandb"
    extra = "wandb"

    def __init__(self) -> None:
        self._run: Any = None

    def start(self, run: TrackedRun) -> Started:
        """Begin the run, or go on with the one of this id."""
        import wandb  # noqa: PLC0415 (an extra)

        reason = ""
        if "WANDB_MODE" not in os.environ and not _has_key(wandb):
            reason = " (no API key: `wandb login`)"
        try:
            self._run = _begin(wandb, run, "offline" if reason else None)
        except wandb.errors.CommError:
            reason = " (the server does not answer)"
            self._run = _begin(wandb, run, "offline")
        self._run.define_metric(_STEP)
        self._run.define_metric("*", step_metric=_STEP)
        folder = os.path.dirname(self._run.dir)
        place = self._run.url or f"offline{reason}; `wandb sync {folder}` sends it"
        return Started(f"Weights & Biases: {place}", self._run.id)

    def log(self, scalars: Mapping[str, float], global_step: int) -> None:
        """Send numbers over the global step: steps that are trained again after a resume are valid, too."""
        self._run.log({**scalars, _STEP: global_step})

    def finish(self, outcome: HowEnded) -> None:
        """Upload what is left."""
        self._run.finish(exit_code=0 if outcome == "finished" else 1)


def _has_key(wandb: Any) -> bool:  # noqa: ANN401 (a module)
    try:
        return bool(wandb.login(prompt=False))
    except TypeError:  # versions that cannot but prompt
        return bool(wandb.api.api_key)


def _begin(wandb: Any, run: TrackedRun, mode: str | None) -> Any:  # noqa: ANN401 (a module; a run of it)
    wanted = {
        "console": "off",
        "disable_code": True,
        "disable_git": True,
        "x_disable_meta": True,
        "x_save_requirements": False,
        "silent": True,
        "init_timeout": float(os.environ.get("WANDB_INIT_TIMEOUT", _TIMEOUT)),
        "finish_timeout": _PATIENCE,
        "finish_timeout_raises": True,
    }
    known = getattr(wandb.Settings, "model_fields", wanted)
    return wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        name=run.name,
        dir=str(run.folder),
        id=run.identity or None,
        resume="allow" if run.identity else None,
        config=dict(run.config),
        mode=mode,
        settings=wandb.Settings(**{key: value for key, value in wanted.items() if key in known}),
    )
