"""`palm train` in several processes: how many, where, and with which command."""

import argparse
import sys
from pathlib import Path

from palm.config.encoder import fetch_encoder_weights
from palm.config.resolve import load_run_configs
from palm.config.run_config import RunConfig
from palm.distributed.launch import RANKS_FOLDER, LaunchPlan, launch
from palm.distributed.network import check_master_here, parse_master
from palm.distributed.rank_environment import DEFAULT_TIMEOUT, RANK, rank_count, rank_index
from palm.errors import ConfigError, Problem, counted
from palm.runtime.device import possible_gpus, usable_gpus
from palm.storage.atomic_directory import os_errors_as

__all__ = ["launch", "plan_of", "refuse_in_a_rank"]

_OPTIONS = ("nproc", "nnodes", "node_rank", "master", "rank_timeout", "max_restarts")


def plan_of(args: argparse.Namespace, overrides: list[str]) -> LaunchPlan | None:
    """What to start on this machine; None if this process trains by itself.

    Raises:
        ConfigError: Something is wrong with the options, or with the configuration.
    """
    given = [name for name in _OPTIONS if getattr(args, name) is not None]
    if not given and possible_gpus() < 2:
        return None
    machine, machines, master = _machines(args)
    words = [*overrides, f"--resume={args.resume}"] if args.resume else overrides
    configs = load_run_configs(args.config, task_dir=args.task_dir, overrides=words)
    gpus = usable_gpus() if configs[-1].train.use_gpu else 0
    per_machine = _processes(args.nproc, gpus)
    if per_machine * machines == 1 and not args.max_restarts:
        if args.rank_timeout is not None:
            sys.stderr.write("Warning: --rank_timeout has no effect: this run is a single process.\n")
        return None
    if configs[0].run.freeze_encoder_of is None:
        fetch_encoder_weights(configs[0].run)  # once, and not by every rank
    plan = LaunchPlan(
        command=_rank_command(args, overrides),
        resume=("--resume=auto",),
        logs=_ranks_folder(configs[-1]),
        per_machine=per_machine,
        machines=machines,
        machine=machine,
        master=master,
        on_gpu=gpus > 0,
        rank_timeout=args.rank_timeout or DEFAULT_TIMEOUT,
        max_restarts=args.max_restarts or 0,
    )
    sys.stdout.write(f"{_beginning(plan)}\n")
    sys.stdout.flush()
    return plan


def refuse_in_a_rank(args: argparse.Namespace) -> None:
    """Refuse the options about several processes in a process that is one of several.

    Raises:
        ConfigError: One is given.
    """
    given = [f"--{name}" for name in _OPTIONS if getattr(args, name) is not None]
    if given:
        rule = f"this process is rank {rank_index()} of {rank_count()} already, as {RANK} in its environment says."
        raise ConfigError(Problem(", ".join(given), f"{rule} Leave it out, or start `palm train` without a launcher."))


def _machines(args: argparse.Namespace) -> tuple[int, int, tuple[str, int] | None]:
    """Which machine this is, how many there are, and the master's address and port.

    Raises:
        ConfigError: Options that belong together are incomplete, or the address is wrong.
    """
    machines = args.nnodes or 1
    given = {f"--{name}": getattr(args, name) for name in ("node_rank", "master")}
    if machines == 1:
        unexpected = [name for name, value in given.items() if value is not None]
        if unexpected:
            rule = "it belongs to --nnodes, with 2 machines or more."
            raise ConfigError(Problem(", ".join(unexpected), f"{rule} Add --nnodes, or leave it out."))
        return 0, 1, None
    missing = [name for name, value in given.items() if value is None]
    if missing:
        rule = f"with --nnodes {machines} each machine is given its number (--node_rank) and the address of machine 0"
        example = f"--nnodes {machines} --node_rank 0 --master 10.0.0.1:29500"
        raise ConfigError(Problem(", ".join(missing), f"{rule} (--master). Write {example}."))
    if args.node_rank >= machines:
        rule = f"the machines are numbered from 0 to {machines - 1}."
        raise ConfigError(Problem("--node_rank", f"{rule} Found {args.node_rank}."))
    master = parse_master(args.master)
    if args.node_rank == 0:
        check_master_here(*master)
    return args.node_rank, machines, master


def _processes(wanted: int | None, gpus: int) -> int:
    """Processes on this machine.

    Raises:
        ConfigError: More than there are GPUs, if there are any.
    """
    if wanted is not None and gpus and wanted > gpus:
        rule = f"on GPUs each process has one of its own, and {counted(gpus, 'GPU')} can be used here."
        advice = f"Give at most {gpus}, check CUDA_VISIBLE_DEVICES, or set use_gpu: false"
        raise ConfigError(Problem("--nproc", f"{rule} Found {wanted}. {advice}."))
    return wanted or max(gpus, 1)


def _rank_command(args: argparse.Namespace, overrides: list[str]) -> list[str]:
    """This command in a fresh process, without the options about several of them."""
    flags = [f"-W{option}" for option in sys.warnoptions]
    imports = [f"--import={name}" for name in args.imports]
    resume = [f"--resume={args.resume}"] if args.resume else []
    own = ["train", args.config, f"--task_dir={args.task_dir}", f"--log={args.log}", *imports, *resume]
    return [sys.executable, *flags, "-m", "palm", *own, *overrides]


def _ranks_folder(config: RunConfig) -> Path:
    """The folder for the output of ranks, created."""
    folder = Path(config.run.save_path)
    logs = (folder.parent if config.stage else folder) / RANKS_FOLDER
    with os_errors_as(logs, "save_path"):
        logs.mkdir(parents=True, exist_ok=True)
    return logs


def _beginning(plan: LaunchPlan) -> str:
    """`Processes: 2, one per GPU. Output of rank 1: out/ranks/rank1.log`."""
    first = plan.machine * plan.per_machine
    numbers = f"ranks {first} to {first + plan.per_machine - 1} of {plan.machines * plan.per_machine}"
    where = f" on machine {plan.machine} of {plan.machines} ({numbers})" if plan.machines > 1 else ""
    device = "one per GPU" if plan.on_gpu else "on the CPU"
    others = [str(first + local) for local in range(1, plan.per_machine)]
    name = "ranks" if len(others) > 1 else "rank"
    output = f" Output of {name} {', '.join(others)}: {plan.logs.as_posix()}" if others else ""
    return f"Processes: {plan.per_machine}, {device}{where}.{output}"
