"""Train four tasks of one CoNLL-U file in one pass, evaluate them, and annotate the dev file."""

import json
import sys
from pathlib import Path

from annotate import annotate

import palm

HOME = Path(__file__).resolve().parent

if __name__ == "__main__":
    controller = palm.Controller(HOME / "config.yaml", overrides=sys.argv[1:])
    controller.train()
    for task in controller.config.tasks:
        metrics = controller.evaluate(task.name)
        sys.stdout.write(json.dumps({"task": task.name, **metrics}) + "\n")
    run = Path(controller.config.run.save_path)
    annotate(palm.load(run), Path(str(controller.config.tasks[0].settings.dev_file)), run / "annotated.conllu")
