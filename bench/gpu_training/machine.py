"""What this machine is: `python -m bench.gpu_training.machine` prints it as JSON, in a process that may hang."""

import json
import platform
import sys

from cartoon_dist.cpu.cores import num_usable_cores


def main() -> int:
    """Print Python, torch, the GPU if there is one, and the cores."""
    import torch

    found: dict[str, object] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cores": num_usable_cores(),
        "device": "cpu",
    }
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        found |= {"device": properties.name, "gpu_memory_gib": round(properties.total_memory / 2**30, 1)}
        found |= {"cuda": torch.version.cuda, "capability": f"{properties.major}.{properties.minor}"}
    sys.stdout.write(f"\n{json.dumps(found)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
