"""Devices, processes, precision and weight updates: the only file of a step that knows accelerate."""

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
from torch.optim import Optimizer

from cartoon_dist.config.fields import DeviceName
from cartoon_dist.distributed import collectives, devices
from cartoon_dist.errors import ConfigError
from cartoon_dist.gpu import layout
from cartoon_dist.tensors import Batch, from_bytes
from cartoon_dist.train.gradient_averaging import GradientAveraging
from cartoon_dist.train.state import TrainState


class Engine:
    """Runs networks on this process's device and averages their gradients over all processes.

    Every process computes its share of the global batch and every loss is a mean over equal shares, so the averaged
    gradient is the gradient of the global batch: N processes compute what one does.

    recordable: the average is made by `GradientAveraging`, a part of the step, instead of DDP, whose hooks stay outside
    a recorded one. device: `auto` takes CUDA where there is any.
    """

    def __init__(
        self, *, precision: str, clip: float | None = None, recordable: bool = False, device: DeviceName = "auto"
    ) -> None:
        chosen = devices.choose_device(device)
        on_cpu = chosen.type == "cpu"
        _check_precision(precision, on_cpu=on_cpu)
        with collectives.explain_rendezvous_failure():
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
                    InitProcessGroupKwargs(timeout=timedelta(seconds=collectives.TIMEOUT_SECONDS)),
                ],
            )
        # accelerate keeps the device of a process's first engine.
        assert self.device.type == chosen.type, f"an engine on {self.device} is there already"
        devices.check_one_process_per_gpu(self.device)
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
        """Move a network to the device, in the precision and the memory format its weights are kept in there."""
        compute = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.accelerator.mixed_precision)
        return layout.placed(network, self.device, self.dtype, compute_dtype=compute)

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
        self._optimizers = {
            name: NetworkOptimizer(
                name,
                optimizer,
                self.scalers[name],
                clip=self.clip,
                average=self._average(state.networks[name]) if self.recordable else None,
            )
            for name, optimizer in state.optimizers.items()
        }

    def to_device(self, batch: Batch) -> Batch:
        """A batch of bytes on the device."""
        return Batch(*(side.to(self.device, non_blocking=True) for side in batch))

    def to_float(self, batch: Batch) -> Batch:
        """A batch of bytes as floating-point numbers in [-1, 1]."""
        return Batch(*(from_bytes(side, self.dtype, layout.memory_format(self.device)) for side in batch))

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

    def backward(self, name: str, loss: Tensor, *, last: bool = True) -> None:
        """Add the gradients of a loss of the named network; last: it is of the last part of the batch, and the
        processes begin to average."""
        self._optimizers[name].backward(loss, last=last)

    def optimizer_step(self, name: str) -> dict[str, Tensor]:
        """After the last part of a batch: the average over the processes and one step of the network's optimizer.
        Figures: the gradient's norm before it was clipped, and whether fp16 left the step out."""
        return self._optimizers[name].step()

    def abandon(self) -> None:
        """Forget a step that was begun and not finished: no gradient is left of it."""
        for optimizer in self._optimizers.values():
            optimizer.abandon()

    def set_learning_rates(self, rates: dict[str, float]) -> None:
        """Set each named network's learning rate."""
        for name, rate in rates.items():
            for group in self.state.optimizers[name].param_groups:
                group["lr"].fill_(rate)

    def reset_optimizers(self) -> None:
        """Start all optimizers afresh."""
        self.state.reset_optimizers()

    def gathered(self) -> dict[str, dict[str, Tensor]]:
        """What of the state lies divided over the processes, by the checkpoint's file; all of them must ask. Here
        nothing does."""
        return {}

    def scaler_states(self) -> dict[str, dict[str, Any]]:
        """The fp16 scalers by network; empty states in other precisions."""
        return {name: scaler.state_dict() for name, scaler in self.scalers.items()}

    def load_scaler_states(self, states: dict[str, dict[str, Any]]) -> None:
        """Take up the scalers of a checkpoint."""
        for name, scaler_state in states.items():
            self.scalers[name].load_state_dict(scaler_state)

    @property
    def _records_on_device(self) -> bool:
        """Whether optimizers must be `capturable`: on CUDA torch refuses to record any other, fused ones too; on a CPU
        it refuses the flag."""
        return self.recordable and self.device.type != "cpu"

    def _average(self, network: nn.Module) -> GradientAveraging:
        return GradientAveraging(weights_by_use(network), world_size=collectives.world_size())

    def _autocast(self) -> AbstractContextManager[None]:
        autocast: AbstractContextManager[None] = self.accelerator.autocast()
        return autocast

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


class NetworkOptimizer:
    """One network's weight update: scaled backward, the gradient averaged and clipped, a step of its optimizer.

    The gradient scaler is its own (one that is not enabled changes nothing): with a scaler shared by all networks an
    overflow in D's step would shrink G's scale as well. A step whose gradients
    overflowed in fp16 is left out and halves the scale: it is logged as `skipped/NAME`, 1 or 0, and train/meter.py lets
    it pass. In other precisions a figure that is not finite ends the run at the next report. Nothing here waits for the
    device.

    average: puts the average over the processes in the place of each gradient, beginning in the backward; None where a
    wrapper around the network does so. clip: the largest norm that the gradient of all the network's weights may have
    together; a longer one is shortened.
    """

    def __init__(
        self,
        name: str,
        optimizer: Optimizer,
        scaler: torch.amp.GradScaler,
        *,
        clip: float | None,
        average: GradientAveraging | None = None,
    ) -> None:
        self.name = name
        self.optimizer = optimizer
        self.scaler = scaler
        self.clip = clip
        self.average = average

    def backward(self, loss: Tensor, *, last: bool = True) -> None:
        """Add the loss's gradients to those of earlier parts of the batch; last: no part follows."""
        with self.average.in_backward() if last and self.average is not None else nullcontext():
            self.scaler.scale(loss).backward()

    def step(self) -> dict[str, Tensor]:
        """Move the weights, and forget the gradients. Figures: with clipping the norm before it, as `norm/NAME` (not
        finite in a step that is left out); with a scaler whether the step is left out, as `skipped/NAME`."""
        figures = {}
        if self.average is not None:
            self.average()
        if self.clip is not None:
            self.scaler.unscale_(self.optimizer)
            weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
            figures[f"norm/{self.name}"] = torch.nn.utils.clip_grad_norm_(weights, self.clip)
        self.scaler.step(self.optimizer)
        if self.scaler.is_enabled():
            figures[f"skipped/{self.name}"] = self._overflowed()
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return figures

    def _overflowed(self) -> Tensor:
        """1 where a gradient of this step is not finite, else 0; the scaler knows it until its `update`."""
        [overflow] = self.scaler._found_inf_per_device(self.optimizer).values()  # one device a process
        overflowed: Tensor = overflow.clone()  # a recorded step must hand out a tensor of its own
        return overflowed

    def abandon(self) -> None:
        """Forget a step that was begun and not finished."""
        if self.average is not None:
            self.average.abandon()
        self.optimizer.zero_grad(set_to_none=True)
        if self.scaler.is_enabled():
            self.scaler._per_optimizer_states.clear()  # else the next step's gradients count as unscaled already


def weights_by_use(network: nn.Module) -> dict[str, nn.Parameter]:
    """The weights by name, in the order in which the forward uses them: as they are registered, but for a generator's
    saliency network. It draws first and is registered last, and its gradients come last."""
    named = dict(network.named_parameters())
    first = {name: weight for name, weight in named.items() if name.startswith("saliency.")}
    return first | named


def _check_precision(precision: str, *, on_cpu: bool) -> None:
    if precision == "fp16" and on_cpu:
        raise ConfigError("precision: fp16 needs a GPU (torch would silently train in fp32 on CPU); use fp32")
    # With emulation counted, older cards (V100, T4) would pass, and crawl.
    if precision == "bf16" and not on_cpu and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise ConfigError("precision: this GPU has no bf16; use fp16 or fp32")
