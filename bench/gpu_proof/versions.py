"""Stage `versions`: the machine and software that the other stages run on, and the packages that are missing."""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from bench.gpu_proof.plan import ROOT
from bench.gpu_proof.task import Task
from cartoon_dist.cpu.cores import num_usable_cores


def run(task: Task) -> dict[str, Any]:
    """Everything about the machine and its software; an error of torch's ends the stage, missing packages do not."""
    versions: dict[str, Any] = {
        "python": platform.python_version(),
        "cores": num_usable_cores(),
        "c_compiler": c_compiler(),
        "driver": _output_of("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader").partition("\n")[0],
        "commit": _output_of("git", "rev-parse", "HEAD"),
        "triton": _version("triton"),
        **dependencies(ROOT / "pyproject.toml"),
    }
    task.append("machine", **versions)  # before torch is imported, which may hang
    import torch

    versions |= {"torch": torch.__version__, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}  # type: ignore[no-untyped-call]
    if not torch.cuda.is_available():
        if not task.rehearse:
            raise RuntimeError(f"there is no CUDA device that torch {torch.__version__} can use")
        return versions | {"device": "cpu", "num_gpus": 0}
    properties = torch.cuda.get_device_properties(0)
    return versions | {
        "nccl": ".".join(map(str, torch.cuda.nccl.version())),  # type: ignore[no-untyped-call]
        "device": properties.name,
        "gpu_memory_gib": round(properties.total_memory / 2**30, 1),
        "capability": f"{properties.major}.{properties.minor}",
        "num_gpus": torch.cuda.device_count(),
    }


def c_compiler() -> str:
    """The C compiler that Triton would call, or an empty string."""
    names = (os.environ.get("CC", ""), "gcc", "clang", "cc")
    return next((compiler for name in names if name and (compiler := shutil.which(name))), "")


def dependencies(project: Path) -> dict[str, Any]:
    """Versions of the packages that a pyproject.toml names, and which of them are missing or of another version."""
    project_table = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    needed = [*project_table["dependencies"], *project_table.get("optional-dependencies", {}).get("test", [])]
    versions, missing, other = {}, [], []
    for requirement in needed:
        name = re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0]
        version = _version(name)
        if not version:
            missing.append(name)
            continue
        versions[name] = version
        if not _satisfies(version, requirement):
            other.append(f"{requirement} (here {version})")
    return {"packages": versions, "missing": missing, "other_version": other}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _satisfies(version: str, requirement: str) -> bool:
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return True  # not known
    return Requirement(requirement).specifier.contains(version, prereleases=True)


def _output_of(*command: str) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
