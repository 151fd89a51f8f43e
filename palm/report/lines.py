"""The lines that PALM says while it trains, word for word those of PaddlePALM."""

from collections.abc import Mapping
from pathlib import Path

from palm.engine.run import StepResult
from palm.engine.selection import Best


def step_line(result: StepResult, steps_per_second: float) -> str:
    """`Global step: 10. Task: mrqa, step 4/135 (epoch 0), loss: 6.235, speed: 0.75 steps/s`."""
    return (
        f"Global step: {result.global_step}. Task: {result.task}, step {result.step}/{result.steps_per_epoch} "
        f"(epoch {result.epoch}), loss: {result.loss:.3f}, speed: {steps_per_second:.2f} steps/s"
    )


def trainer_line(result: StepResult, steps_per_second: float) -> str:
    """`global step: 5, slot: step 3/309 (epoch 0), loss: 68.965, speed: 0.58 steps/s`, as PALM 2's trainers say it."""
    return (
        f"global step: {result.global_step}, {result.task}: step {result.step}/{result.steps_per_epoch} "
        f"(epoch {result.epoch}), loss: {result.loss:.3f}, speed: {steps_per_second:.2f} steps/s"
    )


def finished_line(task: str) -> str:
    """`mrqa: train finished!`."""
    return f"{task}: train finished!"


def exported_line(task: str, folder: Path) -> str:
    """`mrqa: inference model saved at output_model/secondrun/mrqa/infer_model`."""
    return f"{task}: inference model saved at {folder.as_posix()}"


def evaluation_line(task: str, global_step: int, figures: dict[str, float]) -> str:
    """`mrqa: evaluation at global step 270: f1 0.8745, exact_match 0.8123`."""
    listed = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
    return f"{task}: evaluation at global step {global_step}: {listed}"


def best_line(whose: str, best: Best, folder: Path) -> str:
    """`intent: best accuracy so far 0.9750 at global step 270, kept at output_model/intent/best_infer_model`."""
    figure = f"best {best.metric} so far {best.value:.4f} at global step {best.global_step}"
    return f"{whose}: {figure}, kept at {folder.as_posix()}"


def early_stop_line(whose: str, best: Best | None, global_step: int) -> str:
    """`intent: stops early after global step 270; its best accuracy 0.9750 was at global step 180`."""
    figure = f"; its best {best.metric} {best.value:.4f} was at global step {best.global_step}" if best else ""
    return f"{whose}: stops early after global step {global_step}{figure}"


def stopped_line(signal: str, global_step: int) -> str:
    """`Stopped by SIGTERM after global step 270. `palm train … --resume` goes on from its checkpoint.`."""
    return f"Stopped by {signal} after global step {global_step}. `palm train … --resume` goes on from its checkpoint."


def cosine_line(cosines: Mapping[str, float], global_step: int) -> str:
    """`Gradient cosines at global step 100: intent~slots 0.132, intent~kind -0.041`."""
    listed = ", ".join(f"{pair} {value:.3f}" for pair, value in cosines.items())
    return f"Gradient cosines at global step {global_step}: {listed or 'none (no parameter is shared)'}"


def data_wait_line(share: float) -> str:
    """`Training waited for data 7.3 % of the time. …`, said at the end of a run where that is too much."""
    advice = "Batches are made ahead by one thread: look for a slow disk, or other programs on the same cores."
    return f"Training waited for data {100 * share:.1f} % of the time. {advice}"
