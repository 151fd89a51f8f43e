"""The base of callbacks: a user's code that is told of a run's steps, evaluations, exports and end."""

from palm.tracking.events import (
    BeginEvent,
    CosineEvent,
    EndEvent,
    EvaluationEvent,
    ExportEvent,
    RecordEvent,
    StepEvent,
)


class Callback:
    """Told of a run as it goes: `Controller.train(callbacks=[…])`, and the trainers alike.

    Override what you need; the other methods do nothing. Events are every step, and what metrics.jsonl has, in the same
    order, each right after its line was written. They are frozen: a callback observes, and changes nothing in the run.
    Of several ranks, the first one calls it; with `stages`, each stage is a run with its beginning and end.

    An exception ends the run once the step with its evaluations and exports is complete, with a checkpoint and a
    message that names the callback; after the first one the callback is only told of the end.
    """

    @property
    def name(self) -> str:
        """Its name in messages: that of its class."""
        return type(self).__qualname__

    def on_begin(self, event: BeginEvent) -> None:
        """Before the first step, once the run is ready to train; of a resumed run, before the first of the rest."""

    def on_step(self, event: StepEvent) -> None:
        """After each step, before its evaluations and exports; `event.logged` where the log has a line about it."""

    def on_evaluate(self, event: EvaluationEvent) -> None:
        """After the evaluation of a task on its dev data, before models are written because of it."""

    def on_export(self, event: ExportEvent) -> None:
        """After an inference model was written: of a target, or of all tasks."""

    def on_cosines(self, event: CosineEvent) -> None:
        """After the cosines between the tasks' gradients were measured."""

    def on_end(self, event: EndEvent) -> None:
        """At the end, whichever way the run ended: after everything was written, and before an error is raised."""


def tell(callback: Callback, event: BeginEvent | RecordEvent | EndEvent) -> None:
    """Call the method of `callback` for `event`."""
    match event:
        case BeginEvent():
            callback.on_begin(event)
        case StepEvent():
            callback.on_step(event)
        case EvaluationEvent():
            callback.on_evaluate(event)
        case ExportEvent():
            callback.on_export(event)
        case CosineEvent():
            callback.on_cosines(event)
        case EndEvent():
            callback.on_end(event)
