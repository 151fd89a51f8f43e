"""A worker that trains with PALM like `palm train`, without writing files.

Settings: `config`, the global configuration as a mapping.
"""

from functools import partial

from benchmarks.speed.worker import Pace


def main() -> None:
    pace = Pace.of_process()
    import palm  # noqa: PLC0415 (stdout belongs to the pace by now)

    controller = palm.Controller(pace.settings["config"], overrides=[])
    if controller.config.run.pretrain_model_path:
        controller.load_pretrain()
    from palm.engine.run import StepResult  # noqa: PLC0415 (`palm.Controller` sets Paddle up first)
    from palm.engine.train import train_steps  # noqa: PLC0415 (the same)

    run = controller._training_run()
    tasks = {task.name: task for task in run.tasks}

    def examples(result: StepResult) -> int:
        """Rows of the trained batch; batches are a pure function of the task's step."""
        number = result.epoch * result.steps_per_epoch + result.step - 1
        return len(tasks[result.task].batch_at(number)["token_ids"])

    pace.ready()
    for result in train_steps(run):
        pace.lap(partial(examples, result), result.task)


if __name__ == "__main__":
    main()
