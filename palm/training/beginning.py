"""What a run says before its first step, in order."""

from pathlib import Path

from palm.config.run_config import RunConfig
from palm.engine.run import TrainingRun
from palm.training.dev_split import split_lines
from palm.training.earlier_runs import resume_or_archive
from palm.training.label_notices import label_lines
from palm.training.notices import copies_line, export_lines, first_example_lines, precision_lines, short_run_lines


def beginning_lines(run: TrainingRun, config: RunConfig, *, resume: bool) -> list[str]:
    """Restore the run from its newest checkpoint if it resumes, archive an earlier one else; the lines for the user.

    Args:
        run: The run, before its first step.
        config: Its configuration.
        resume: Whether to look for a checkpoint.

    Raises:
        CheckpointError: A checkpoint does not fit, or the earlier run cannot be archived.
    """
    lines = [f"Warning: {warning}" for warning in config.warnings]
    lines += short_run_lines(run)
    lines += export_lines(run)
    lines += resume_or_archive(run, Path(config.run.save_path), resume=resume, resolved=config.resolved)
    lines += precision_lines(run)
    lines += [] if run.progress.global_step else label_lines(run.tasks)  # once per run
    lines += split_lines(run.tasks)
    lines += copies_line(run.model.copied_parameters())
    lines += first_example_lines(run.tasks)
    return lines
