"""What training carries from step to step, which is what a checkpoint holds."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from cartoon_dist.config.train import OptimizerSettings
from cartoon_dist.errors import CheckpointError
from cartoon_dist.runs.load_tensors import load_tensors, require_finite


@dataclass
class TrainState:
    """The networks by their plain names, the generator's running average, and an optimizer for each network.

    No random state is among them: every random choice of ours is a function of the seed and the position. That of torch
    is kept beside them (`random_state.py`) for what draws from it without our doing.
    """

    step: int
    networks: dict[str, nn.Module]
    ema: nn.Module
    optimizers: dict[str, Adam]
    # Grows when tensors were replaced by others: a recorded step, which knows them by their place, is void then.
    generation: int = 0

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """All tensors, by the checkpoint file they go into."""
        tensors = {name: dict(network.state_dict()) for name, network in self.networks.items()}
        tensors["ema"] = dict(self.ema.state_dict())
        for name, optimizer in self.optimizers.items():
            tensors[f"optimizer-{name}"] = _optimizer_tensors(optimizer, self.networks[name])
        return tensors

    def load(self, step: int, tensors: dict[str, dict[str, Tensor]], *, source: str = "") -> None:
        """Take up a checkpoint's tensors in place; CheckpointError when they are not of these networks, or not
        finite."""
        try:
            for name, network in {**self.networks, "ema": self.ema}.items():
                load_tensors(network, tensors[name], f"{source}{name}")
            for name, optimizer in self.optimizers.items():
                moments = tensors[f"optimizer-{name}"]
                require_finite(moments, f"{source}optimizer-{name}")
                _load_optimizer(optimizer, self.networks[name], moments)
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(f"{source}the checkpoint holds other networks than the config: {error}") from None
        self.step = step
        self.generation += 1

    def reset_optimizers(self) -> None:
        """Start all optimizers afresh: the GAN phase must not inherit the warm-up's moments."""
        for optimizer in self.optimizers.values():
            reset_optimizer(optimizer)
        self.generation += 1


def initial_state(networks: dict[str, nn.Module], settings: OptimizerSettings) -> TrainState:
    """The state before the first step."""
    ema = copy.deepcopy(networks["generator"]).requires_grad_(requires_grad=False)
    optimizers = {name: _adam(network, settings) for name, network in networks.items()}
    return TrainState(0, networks, ema, optimizers)


def copy_to_host(tensors: Mapping[str, Mapping[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """Copies of tensors in host memory, which later steps leave alone. Waits for the GPU, once for all of them.

    Those of a GPU go into page-locked memory, at the full speed of its bus.
    """
    copies = {
        stem: {
            name: torch.empty(source.shape, dtype=source.dtype, pin_memory=source.is_cuda).copy_(
                source, non_blocking=True
            )
            for name, source in named.items()
        }
        for stem, named in tensors.items()
    }
    if any(source.is_cuda for named in tensors.values() for source in named.values()):
        torch.cuda.synchronize()
    return copies


def reset_optimizer(optimizer: Optimizer) -> None:
    """Start an optimizer afresh."""
    optimizer.state.clear()


@torch.no_grad()
def update_ema(ema: nn.Module, network: nn.Module, share: Tensor) -> None:
    """ema += share (weights - ema); the share lies on the device, as it changes and the step may be recorded."""
    averages: list[Tensor] = list(ema.parameters())
    weights: list[Tensor] = list(network.parameters())
    moved = list(torch._foreach_sub(weights, averages))
    torch._foreach_mul_(moved, share)
    torch._foreach_add_(averages, moved)


def _adam(network: nn.Module, settings: OptimizerSettings) -> Adam:
    # The learning rate is set at every step from its position; fused works on CPU and CUDA and can be captured.
    return Adam(network.parameters(), lr=0.0, betas=settings.betas, fused=True)


def _optimizer_tensors(optimizer: Adam, network: nn.Module) -> dict[str, Tensor]:
    return {
        f"{name}:{key}": value
        for name, parameter in network.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def _load_optimizer(optimizer: Adam, network: nn.Module, moments: dict[str, Tensor]) -> None:
    parameters = dict(network.named_parameters())
    reset_optimizer(optimizer)
    for label, value in moments.items():
        name, _, key = label.rpartition(":")
        parameter = parameters[name]
        # Adam counts its steps in float32 on the parameter's device, whatever the parameter's own type. Its moments
        # must lie in memory as the parameter does: the fused one on a CPU computes nonsense otherwise.
        like = torch.empty_like(value, device=parameter.device) if key == "step" else torch.empty_like(parameter)
        if value.shape != like.shape:
            raise RuntimeError(f"{label} has the shape {tuple(value.shape)} instead of {tuple(like.shape)}")
        optimizer.state[parameter][key] = like.copy_(value)
