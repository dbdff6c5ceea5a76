"""Devices, processes, precision and weight updates: the only file that knows accelerate."""

import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import AutocastKwargs, DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch import Tensor, nn

from cartoon_dist.config.fields import DeviceName
from cartoon_dist.distributed import collectives, devices
from cartoon_dist.errors import ConfigError
from cartoon_dist.tensors import Batch, from_bytes
from cartoon_dist.train.gradient_averaging import Averaging
from cartoon_dist.train.network_update import Update
from cartoon_dist.train.state import TrainState


class Engine:
    """Runs networks on this process's device and averages their gradients over all processes.

    Every process computes its share of the global batch and every loss is a mean over equal shares, so the averaged
    gradient is the gradient of the global batch: N processes compute what one does.

    recordable: the average is made by `Averaging`, a part of the step, instead of DDP, whose hooks stay outside a
    recorded one. device: `auto` takes CUDA where there is any.
    """

    def __init__(
        self, *, precision: str, clip: float | None = None, recordable: bool = False, device: DeviceName = "auto"
    ) -> None:
        chosen = devices.choose(device)
        on_cpu = chosen.type == "cpu"
        _check_precision(precision, on_cpu=on_cpu)
        with collectives.coming_together():
            self.accelerator = Accelerator(
                cpu=on_cpu,
                mixed_precision=precision if precision in ("bf16", "fp16") else "no",
                kwargs_handlers=[
                    # Buffers (AnimeGAN's spectral norms) depend on the seed and the weights alone: they are the same on
                    # all processes, and nothing need be sent at each forward.
                    DistributedDataParallelKwargs(gradient_as_bucket_view=True, broadcast_buffers=False),
                    # A cast weight that is kept from one step to the next would be frozen into a recorded one.
                    AutocastKwargs(cache_enabled=False),
                    # Long enough for rank 0 to draw pictures or write a checkpoint while the others wait.
                    InitProcessGroupKwargs(timeout=timedelta(seconds=collectives.WAIT_SECONDS)),
                ],
            )
        # accelerate keeps the device of a process's first engine.
        assert self.device.type == chosen.type, f"an engine on {self.device} is there already"
        devices.require_own_gpus(self.device)
        self.clip = clip
        self.recordable = recordable
        self.dtype = torch.float64 if precision == "fp64" else torch.float32
        # One scaler a network: with a shared one, an overflow in D's step would shrink G's scale as well.
        self.scalers: defaultdict[str, torch.amp.GradScaler] = defaultdict(
            lambda: torch.amp.GradScaler(self.device.type, enabled=precision == "fp16")
        )

    @property
    def device(self) -> torch.device:
        """This process's device."""
        return self.accelerator.device

    def place(self, network: nn.Module) -> nn.Module:
        """Move a network to the device, in the precision its weights are kept in."""
        return network.to(self.device, self.dtype)

    def prepare(self, state: TrainState) -> None:
        """Take charge of the state's networks; they keep their plain names and are wrapped here alone."""
        self.state = state
        wrap = (lambda network: network) if self.recordable else self.accelerator.prepare_model
        with warnings.catch_warnings():
            # Since 2.14 torch has another name for it, which older versions and accelerate do not know.
            warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
            self.wrapped = {name: wrap(network) for name, network in state.networks.items()}
        for optimizer in state.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = self._rate()
                group["capturable"] = self._records_on_device
        if self._records_on_device:
            # Said of every plain step before the recording; fused Adam computes the same with the flag.
            warnings.filterwarnings("ignore", message="This instance was constructed with capturable=True")
        self._updates = {
            name: Update(
                name,
                optimizer,
                self.scalers[name],
                clip=self.clip,
                average=self._average(state.networks[name]) if self.recordable else None,
            )
            for name, optimizer in state.optimizers.items()
        }

    def moved(self, held: Batch) -> Batch:
        """A batch of bytes on the device."""
        return Batch(*(side.to(self.device, non_blocking=True) for side in held))

    def numbers(self, batch: Batch) -> Batch:
        """A batch of bytes as numbers in [-1, 1]."""
        return Batch(*(from_bytes(side, self.dtype) for side in batch))

    @contextmanager
    def training(self, name: str, *, last: bool = True) -> Iterator[dict[str, nn.Module]]:
        """The networks while `name`'s losses are computed: it alone is wrapped, the others' weights gather no
        gradients, and half precision is on where it was asked for (also for networks used without their wrapper).

        last: whether these losses are of the last part of the batch, after which the processes average.
        """
        others = [network for other, network in self.state.networks.items() if other != name]
        for network in others:
            network.requires_grad_(requires_grad=False)
        try:
            with nullcontext() if last else self._apart(name), self._autocast():
                yield self.state.networks | {name: self.wrapped[name]}
        finally:
            for network in others:
                network.requires_grad_(requires_grad=True)

    def learn(self, name: str, loss: Tensor, *, last: bool = True) -> dict[str, Tensor]:
        """Backward; after the last part of a batch the average over the processes and one step of the network's
        optimizer. Figures of the step: the gradient's norm before it was clipped."""
        self._updates[name].backward(loss)
        return self._updates[name].step() if last else {}

    def abandon(self) -> None:
        """Forget a step that was begun and not finished: no gradient is left of it."""
        for update in self._updates.values():
            update.abandon()

    def set_learning_rates(self, rates: dict[str, float]) -> None:
        """Set each named network's learning rate."""
        for name, rate in rates.items():
            for group in self.state.optimizers[name].param_groups:
                group["lr"].fill_(rate)

    def forget_moments(self) -> None:
        """Start all optimizers afresh."""
        self.state.forget_moments()

    def gathered(self) -> dict[str, dict[str, Tensor]]:
        """What of the state lies divided over the processes, by the checkpoint's file; all of them must ask. Here
        nothing does."""
        return {}

    def scaler_states(self) -> dict[str, dict[str, Any]]:
        """The fp16 scalers by network; empty states in other precisions."""
        return {name: scaler.state_dict() for name, scaler in self.scalers.items()}

    def load_scaler_states(self, states: dict[str, dict[str, Any]]) -> None:
        """Take up the scalers of a checkpoint."""
        for name, held in states.items():
            self.scalers[name].load_state_dict(held)

    @property
    def _records_on_device(self) -> bool:
        """Whether optimizers must be `capturable`: on CUDA torch refuses to record any other, fused ones too; on a CPU
        it refuses the flag."""
        return self.recordable and self.device.type != "cpu"

    def _average(self, network: nn.Module) -> Averaging:
        return Averaging(list(network.parameters()), world_size=collectives.world_size())

    def _autocast(self) -> AbstractContextManager[None]:
        held: AbstractContextManager[None] = self.accelerator.autocast()
        return held

    def _rate(self) -> Tensor:
        """A learning rate on the device, in the type that fused Adam wants there: filled, never replaced."""
        kind = torch.float64 if self.device.type == "cpu" else torch.float32
        return torch.zeros((), device=self.device, dtype=kind)

    def _apart(self, name: str) -> AbstractContextManager[None]:
        """While losses are computed whose gradients the processes are not to average yet."""
        wrapped = self.wrapped[name]
        apart: AbstractContextManager[None] = getattr(wrapped, "no_sync", nullcontext)()
        return apart

    def describe(self) -> str:
        """`2 processes on cpu`."""
        num = collectives.world_size()
        return f"{num} process{'es' if num > 1 else ''} on {self.device.type}"


def _check_precision(precision: str, *, on_cpu: bool) -> None:
    if precision == "fp16" and on_cpu:
        raise ConfigError("precision: fp16 needs a GPU (torch would silently train in fp32 on CPU); use fp32")
    # With emulation counted, older cards (V100, T4) would pass, and crawl.
    if precision == "bf16" and not on_cpu and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise ConfigError("precision: this GPU has no bf16; use fp16 or fp32")
