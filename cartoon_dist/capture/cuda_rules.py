"""What CUDA asks, before it records a step, of optimizers, scalers and modules: asked anywhere, of the objects
themselves.

A step whose every operation can be recorded is still refused when an optimizer is not marked for it, and computes
nonsense or waits when something lies on another device. None of this shows in the operations of a CPU's step.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cartoon_dist.train.loop import TrainingStep


def broken_rules(step: TrainingStep, *, scaled: bool) -> list[str]:
    """A line for each rule that the step breaks, after it has run once, when optimizers have their moments.

    scaled: whether the step trains in fp16, with gradient scalers.
    """
    device, state = step.engine.device, step.state
    broken: list[str] = []
    for name, optimizer in state.optimizers.items():
        broken += [f"optimizer of {name}: {what}" for what in _of_optimizer(optimizer, device)]
        if scaled and not getattr(optimizer, "_step_supports_amp_scaling", False):
            broken.append(
                f"scaler of {name}: {type(optimizer).__name__} is not fused, so torch's GradScaler reads back "
                "whether gradients overflowed"
            )
    for name, network in {**state.networks, "ema": state.ema}.items():
        broken += [f"module {name}: {what}" for what in _of_module(network, device)]
    for name, network in step.engine.wrapped.items():
        if isinstance(network, DistributedDataParallel):
            broken.append(f"module {name}: DDP's hooks average outside of the graph; the engine must be recordable")
    return broken


def _of_optimizer(optimizer: torch.optim.Optimizer, device: torch.device) -> Iterator[str]:
    for group in optimizer.param_groups:
        if not group.get("capturable", True):
            yield f"{type(optimizer).__name__} with capturable=False: torch refuses to record its step on CUDA"
        if isinstance(group["lr"], Tensor) and group["lr"].device != device:
            yield f"its learning rate lies on {group['lr'].device}, the weights on {device}"
        for weight in group["params"]:
            for key, tensor in optimizer.state.get(weight, {}).items():
                if isinstance(tensor, Tensor) and tensor.device != device:
                    yield f"{key} of a weight of shape {tuple(weight.shape)} lies on {tensor.device}"
                elif isinstance(tensor, Tensor) and tensor.dim() and tensor.stride() != weight.stride():
                    yield (
                        f"{key} of a weight of shape {tuple(weight.shape)} has strides {tensor.stride()}, the weight "
                        f"{weight.stride()}: fused Adam refuses them"
                    )


def _of_module(network: nn.Module, device: torch.device) -> Iterator[str]:
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if tensor.device != device:
            yield f"{name} lies on {tensor.device}: each step would copy it to {device}"
