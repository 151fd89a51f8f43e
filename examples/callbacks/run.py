"""Train two tasks with two callbacks: one writes a learning curve, the other a notice once a task is good enough."""

import csv
from collections.abc import Iterable, Mapping
from email.message import EmailMessage
from pathlib import Path

import palm
from palm.tracking import BeginEvent, EndEvent, EvaluationEvent, ExportEvent, StepEvent

ENOUGH = {"slots.span_f1": 0.4, "intent.accuracy": 0.9}
READER = "you@example.org"


class LearningCurve(palm.Callback):
    """Writes the loss of each step and each dev metric to `curve.csv` in save_path, one number per row.

    A resumed run continues the file after the step that it continues from.
    """

    header = ("global_step", "task", "name", "value")
    file: Path

    def on_begin(self, event: BeginEvent) -> None:
        """Begin the file, or drop what a resumed run is about to do again."""
        self.file = (event.folder or Path()) / "curve.csv"
        kept = list(self._rows_until(event.global_step)) if event.global_step else []
        self._write([self.header, *kept], "w")

    def on_step(self, event: StepEvent) -> None:
        """Add the loss; a step whose loss was not finite has none."""
        if event.loss is not None:
            self._write([(event.global_step, event.task, "loss", event.loss)], "a")

    def on_evaluate(self, event: EvaluationEvent) -> None:
        """Add the loss and the metrics of the dev rows."""
        metrics = event.metrics.items()
        self._write([(event.global_step, event.task, f"dev_{name}", value) for name, value in metrics], "a")

    def _rows_until(self, last_step: int) -> Iterable[list[str]]:
        with open(self.file, encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream))[1:]
        return [row for row in rows if int(row[0]) <= last_step]

    def _write(self, rows: Iterable[Iterable[object]], mode: str) -> None:
        with open(self.file, mode, encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(rows)


class Notices(palm.Callback):
    """Writes a message to `notices/` in save_path once a dev metric is high enough, and one at the end.

    Args:
        enough: The value that is waited for, by `task.metric`.
    """

    def __init__(self, enough: Mapping[str, float]) -> None:
        self.waited_for = dict(enough)
        self.models: dict[str, str] = {}
        self.run, self.outbox = "", Path()

    def on_begin(self, event: BeginEvent) -> None:
        """Make the folder."""
        self.run, self.outbox = event.name, (event.folder or Path()) / "notices"
        self.outbox.mkdir(parents=True, exist_ok=True)

    def on_evaluate(self, event: EvaluationEvent) -> None:
        """Write a message for each metric that has reached its value, once."""
        for metric, value in event.metrics.items():
            name = f"{event.task}.{metric}"
            if value >= self.waited_for.get(name, float("inf")):
                wanted = self.waited_for.pop(name)
                text = f"{wanted} was waited for; step {event.global_step}. Training goes on."
                self.send(f"{name} is {value:.3f}", text)

    def on_export(self, event: ExportEvent) -> None:
        """Keep in mind which model there is; a better one replaces it."""
        self.models[event.task or "all tasks"] = f"{event.folder}, of step {event.of_step}"

    def on_end(self, event: EndEvent) -> None:
        """Write the last message."""
        models = [f"{task}: {model}" for task, model in self.models.items()]
        missed = [f"not reached: {name} {value}" for name, value in self.waited_for.items()]
        self.send(f"{event.outcome} after step {event.global_step}", "\n".join([*models, *missed]))

    def send(self, subject: str, text: str) -> None:
        """Put a message into the folder; `smtplib.SMTP("mail.example.org").send_message(message)` would mail it."""
        message = EmailMessage()
        message["To"], message["Subject"] = READER, f"{self.run}: {subject}"
        message.set_content(text)
        number = len(list(self.outbox.glob("*.eml"))) + 1
        (self.outbox / f"{number:03}.eml").write_bytes(bytes(message))


if __name__ == "__main__":
    palm.Controller("config.yaml").train(callbacks=[LearningCurve(), Notices(ENOUGH)])
