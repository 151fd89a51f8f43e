"""Coverage-guided fuzzing of the configuration loader, where atheris is installed (`pip install atheris`, Linux).

python -m benchmarks.faults.configs_atheris -atheris_runs=100000
"""

import sys
import tempfile
from pathlib import Path

try:
    import atheris
except ImportError:
    raise SystemExit("atheris is not installed: pip install atheris (no wheels for every Python)") from None

with atheris.instrument_imports(include=["palm.config", "palm.build", "yaml"]):
    from palm.config.resolve import load_run_config
    from palm.config.yaml_file import parse_yaml
    from palm.errors import ConfigError
    from tests.config_faults import good_config

FOLDER = Path(tempfile.mkdtemp())


def once(data: bytes) -> None:
    """One input: bytes as a complete configuration, or inserted into a valid one."""
    provider = atheris.FuzzedDataProvider(data)
    whole = provider.ConsumeBool()
    text = provider.ConsumeUnicode(provider.remaining_bytes())
    try:
        if whole:
            parse_yaml(text, "fuzzed")
        else:
            file = FOLDER / "config.yaml"
            file.write_bytes(GOOD + text.encode("utf-8", "surrogatepass"))
            load_run_config(str(file), task_dir=str(FOLDER))
    except ConfigError:
        pass


GOOD = good_config(FOLDER)

if __name__ == "__main__":
    atheris.Setup(sys.argv, once)
    atheris.Fuzz()
