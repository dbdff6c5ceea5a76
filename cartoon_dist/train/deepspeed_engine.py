"""The engine with DeepSpeed's ZeRO: what the optimizers remember is divided over the processes.

One DeepSpeed engine a network, made by `deepspeed.initialize` itself. Accelerate's own path was not taken: it wants
transformers for any model, holds one active engine at a time, and steps inside its backward. Weights stay float32 and
`precision=bf16` is autocast, as without DeepSpeed, so that both compute the same and their checkpoints are the same
plain ones.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

from cartoon_dist.config.fields import DeviceName
from cartoon_dist.errors import ConfigError
from cartoon_dist.extras import require
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.state import TrainState

STAGES = (1, 2)
"""3 divides the weights themselves, which the running average and the frozen discriminator need whole."""
_MOMENTS = ("exp_avg", "exp_avg_sq")


def launched_stage() -> int:
    """The ZeRO stage that accelerate's config asked for; 0 without DeepSpeed."""
    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "false") != "true":
        return 0
    return int(os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "1"))


class ZeroEngine(Engine):
    """Runs networks as `Engine` does, with optimizers divided over the processes.

    ConfigError for what cannot be divided or computed so, and when DeepSpeed is not installed.
    """

    def __init__(
        self, *, precision: str, stage: int, num_parts: int, clip: float | None = None, device: DeviceName = "auto"
    ) -> None:
        _check(precision, stage, num_parts)
        # From here on accelerate only starts processes and moves data: it is not to prepare DeepSpeed as well.
        os.environ.pop("ACCELERATE_USE_DEEPSPEED", None)
        if device == "cpu" or not torch.cuda.is_available():
            os.environ["DS_ACCELERATOR"] = "cpu"
        super().__init__(precision=precision, clip=clip, device=device)
        self.stage = stage
        self.num_parts = num_parts

    def prepare(self, state: TrainState) -> None:
        """Take charge of the state's networks; moments that a checkpoint brought go to the processes that keep them."""
        self.state = state
        self.wrapped = {
            name: self._divided(network, state.optimizers[name]) for name, network in state.networks.items()
        }

    def backward(self, name: str, loss: Tensor, *, last: bool = True) -> None:
        """Add the gradients of a loss of the named network. DeepSpeed counts the parts of a batch by its own steps."""
        wrapped: Any = self.wrapped[name]
        wrapped.backward(loss, scale_wrt_gas=False)
        if not last:
            wrapped.step()

    def optimizer_step(self, name: str) -> dict[str, Tensor]:
        """After the last part of a batch: one step of the network's optimizer."""
        wrapped: Any = self.wrapped[name]
        wrapped.step()
        if self.clip is None:
            return {}
        return {f"norm/{name}": torch.as_tensor(wrapped.get_global_grad_norm(), dtype=torch.float32)}

    def set_learning_rates(self, rates: dict[str, float]) -> None:
        """Set each named network's learning rate; DeepSpeed wants numbers."""
        for name, rate in rates.items():
            for group in self.state.optimizers[name].param_groups:
                group["lr"] = rate

    def reset_optimizers(self) -> None:
        """Start all optimizers afresh; their memory stays where DeepSpeed knows it."""
        for optimizer in self.state.optimizers.values():
            _zero_moments(optimizer)

    def gathered(self) -> dict[str, dict[str, Tensor]]:
        """What the optimizers remember, put together from all processes."""
        return {f"optimizer-{name}": self._remembered(name) for name in self.state.networks}

    def describe(self) -> str:
        """`2 processes on cpu, ZeRO 1`."""
        return f"{super().describe()}, ZeRO {self.stage}"

    def _remembered(self, name: str) -> dict[str, Tensor]:
        from deepspeed.utils import safe_get_full_optimizer_state

        moments = {}
        [num_steps] = {float(mine["step"]) for mine in self.state.optimizers[name].state.values()}
        for label, weight in self.state.networks[name].named_parameters():
            for key in _MOMENTS:
                moments[f"{label}:{key}"] = safe_get_full_optimizer_state(weight, key).view_as(weight)
            moments[f"{label}:step"] = torch.tensor(num_steps)
        return moments

    def _apart(self, name: str) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()  # DeepSpeed counts the parts itself

    def _divided(self, network: nn.Module, optimizer: Adam) -> nn.Module:
        import deepspeed
        from deepspeed.utils import safe_set_full_optimizer_state

        before = {weight: dict(moments) for weight, moments in optimizer.state.items()}
        optimizer.state.clear()
        wrapped, *_ = deepspeed.initialize(
            model=network, optimizer=optimizer, config=self._words(), dist_init_required=False
        )
        _zero_moments(optimizer)  # DeepSpeed makes a step of nothing to have the moments allocated
        for weight, moments in before.items():
            for key in _MOMENTS:
                safe_set_full_optimizer_state(weight, moments[key].float(), key)
            for mine in optimizer.state.values():
                mine["step"].fill_(moments["step"])
        divided: nn.Module = wrapped
        return divided

    def _words(self) -> dict[str, Any]:
        """The settings in DeepSpeed's words."""
        half = self.accelerator.mixed_precision == "bf16"
        return {
            "train_micro_batch_size_per_gpu": 1,  # only counts what it prints
            "gradient_accumulation_steps": self.num_parts,
            "gradient_clipping": self.clip or 0.0,
            "zero_optimization": {"stage": self.stage},
            "zero_allow_untested_optimizer": True,
            # Gradients are averaged in float32: no module's may be sent in half precision.
            "torch_autocast": {"enabled": half, "dtype": "bfloat16", "lower_precision_safe_modules": []},
            "steps_per_print": 10**9,
        }


def _check(precision: str, stage: int, num_parts: int) -> None:
    if stage not in STAGES:
        raise ConfigError(f"zero_stage: {stage} does not go with two networks; use 1 or 2, or start without DeepSpeed")
    if precision not in ("fp32", "bf16"):
        raise ConfigError(f"precision: {precision} does not go with DeepSpeed; use fp32 or bf16")
    if stage == 2 and num_parts > 1:  # tried: the gradients of the parts do not add up to those of the whole
        raise ConfigError(f"accumulate: {num_parts} does not go with zero_stage=2; use zero_stage=1")
    require("deepspeed")


def _zero_moments(optimizer: Adam) -> None:
    for moments in optimizer.state.values():
        for value in moments.values():
            value.zero_()
