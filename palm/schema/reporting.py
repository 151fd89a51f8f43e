"""The keys of trackers, to which a run reports its metrics.

They belong to training, for configurations and for trainers alike, and change nothing in a run: it may resume with
others, and is compared without them. What trackers receive, and where they write, is a matter of `palm.tracking`.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from palm.schema.facts import KeyFacts
from palm.schema.fields import Names, Schema, split_list

NO_TRACKER = "none"
"""What `report_to` says for no tracker at all, also for none of those that are used by default."""


def _lower_all(value: Any) -> Any:  # noqa: ANN401 (whatever YAML gave)
    """`TensorBoard` → `tensorboard`."""
    listed = split_list(value)
    return [each.lower() if isinstance(each, str) else each for each in listed] if isinstance(listed, list) else listed


class ReportingFields(Schema):
    """Keys of trackers."""

    key_facts = KeyFacts(scope="run", changes="nothing", resume="nothing")

    report_to: Annotated[Names | None, BeforeValidator(_lower_all)] = Field(
        None,
        description="Trackers of the run: `tensorboard`, `wandb`, `swanlab`, `mlflow`, `visualdl`, a list of them, or "
        "`none`; by default TensorBoard where tensorboardX is installed. A tracker that fails does not end training.",
    )
    run_name: str | None = Field(
        None, description="Name of the run in trackers; by default the name of save_path's last folder."
    )
