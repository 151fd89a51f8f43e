"""A worker that trains with PyTorch and transformers in a plain loop: fused AdamW, dynamic padding.

Settings: see `workloads.peer_settings` and `Lineup.torch`.
"""

import torch

from benchmarks.speed.peers.features import endless_batches, loader_of, read_task
from benchmarks.speed.peers.multi_head import build, tokenizer_of, tune
from benchmarks.speed.worker import Pace


def main() -> None:
    pace = Pace.of_process()
    settings = pace.settings
    tokenizer = tokenizer_of(settings)
    tasks = [read_task(name, keys, tokenizer) for name, keys in settings["tasks"].items()]
    model, precision = build(settings, tasks), tune(settings)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings["learning_rate"], weight_decay=settings["weight_decay"], fused=True
    )
    compute = torch.compile(model, dynamic=False) if settings.get("compiled") else model
    loaders = {task.name: loader_of(task) for task in tasks}
    pace.ready()
    for task, batch in endless_batches(tasks, loaders, seed=settings["seed"]):
        with precision:
            loss = compute(task.name, **batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings["max_grad_norm"])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        pace.lap(len(batch["input_ids"]), task.name)


if __name__ == "__main__":
    main()
