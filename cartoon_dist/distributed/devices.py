"""Which device a process computes on."""

import os
import socket
from collections import defaultdict

import torch
import torch.distributed as dist

from cartoon_dist.config.fields import DeviceName
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import ConfigError


def choose_device(name: DeviceName) -> torch.device:
    """This process's device. Of several GPUs it is the one with the process's local rank, and it becomes the current
    device; where each task of a job sees a single GPU, that one. ConfigError where there is no such device."""
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ConfigError(
            "device=cuda: torch finds no CUDA device (no driver, a torch built without CUDA, or CUDA_VISIBLE_DEVICES "
            "hides it); use device=cpu or device=auto"
        )
    device = torch.device("cuda", collectives.local_rank() % torch.cuda.device_count())
    torch.cuda.set_device(device)
    return device


def check_one_process_per_gpu(device: torch.device) -> None:
    """ConfigError on all processes when two of them share a GPU, which NCCL refuses without saying which ones.

    NCCL_MULTI_RANK_GPU_ENABLE=1 (NCCL 2.30 and later) allows it. Waits for the other processes.
    """
    if device.type != "cuda" or collectives.world_size() == 1 or dist.get_backend() != "nccl":
        return
    if os.environ.get("NCCL_MULTI_RANK_GPU_ENABLE") == "1":
        return
    ranks: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    mine = (socket.gethostname(), str(torch.cuda.get_device_properties(device).uuid))
    for rank, gpu_of_host in enumerate(collectives.all_gather(mine)):
        ranks[gpu_of_host].append(rank)
    for (host, gpu), sharing in ranks.items():
        if len(sharing) > 1:
            raise ConfigError(
                f"processes {', '.join(map(str, sharing))} share GPU {gpu} of {host}: start one process a GPU "
                "(accelerate launch --num_processes), or use device=cpu"
            )
