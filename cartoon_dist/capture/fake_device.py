"""A training step on a fake device: tensors have shapes and a place in memory, and no values.

There the host cannot look at a value, nor bring one along unnoticed: each line that tries is found, in the forward, the
backward and the optimizer, as a GPU's capture would find it. It uses torch's tools for new backends,
which are not public: where a release has changed them, `available` says so.
"""

from collections import defaultdict
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from cartoon_dist.capture.fault import current_line, line_of_error, waits_for_device
from cartoon_dist.gpu import layout
from cartoon_dist.train.engine import Engine, weights_by_use
from cartoon_dist.train.gradient_averaging import GradientAveraging

NAME = "fake"
_aten = torch.ops.aten
_UPDATES = ("_fused_adam_", "_amp_foreach_non_finite_check_and_unscale_", "_amp_update_scale_")
"""Operations in place that have no form without numbers: here there is nothing to do."""


def available() -> str:
    """Why this torch has no such device, or an empty string; makes it, once and for the whole process."""
    try:
        from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

        if torch._C._get_privateuse1_backend_name() != NAME:
            _setup_privateuseone_for_python_backend(NAME)
    except (ImportError, AttributeError, RuntimeError) as error:
        return f"torch {torch.__version__} has no fake device: {error}"
    return ""


class FakeEngine(Engine):
    """An engine on the fake device, as if of two processes; without half precision, which adds casts alone."""

    def __init__(self, *, clip: float | None) -> None:
        self.clip = clip
        self.recordable = True
        self.dtype = torch.float32
        self.scalers = defaultdict(lambda: torch.amp.GradScaler("cpu", enabled=False))

    @property
    def device(self) -> torch.device:
        """The fake device."""
        return torch.device(NAME, 0)

    def place(self, network: nn.Module) -> nn.Module:
        """Move a network to the fake device, weight by weight: torch's own way needs numbers."""
        for module in network.modules():
            for name, weight in list(module.named_parameters(recurse=False)):
                moved = layout.laid_out(weight.detach().to(self.device, self.dtype))
                setattr(module, name, nn.Parameter(moved, requires_grad=weight.requires_grad))
            for name, buffer in list(module.named_buffers(recurse=False)):
                setattr(module, name, buffer.to(self.device))
        return network

    def _average(self, network: nn.Module) -> GradientAveraging:
        return GradientAveraging(weights_by_use(network), world_size=2)

    def _autocast(self) -> AbstractContextManager[None]:
        return nullcontext()


def no_values() -> AbstractContextManager[Any]:
    """While tensors have no numbers; only then can they be moved to the fake device."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    class Mode(FakeTensorMode):
        def __deepcopy__(self, memo: dict[int, Any]) -> "Mode":
            return self  # the running average is a copy of G, under the same mode

    return Mode()


class HostAccessRecorder(TorchDispatchMode):
    """Notes each line that waits for the device or brings numbers to it, and reads on."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.num_operations = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        self.num_operations += func.namespace == "aten"
        if waits := waits_for_device(func, args):
            self._note(waits)
        if func is _aten._local_scalar_dense.default:
            return 1.0  # some number, so that lines after this one are read too
        if func.overloadpacket.__name__ in _UPDATES:
            return None
        result = func(*args, **kwargs)
        self._check_copy(func, (args, kwargs), result)
        return result

    def failed(self, error: Exception) -> None:
        """Note what kept the step from being read to its end."""
        where = line_of_error(error)
        what = str(error).strip().splitlines()[0]
        if isinstance(error, NotImplementedError) and "empty_strided" in what:
            what = _COPIES
        elif any(fault.startswith(where) for fault in self.faults):
            return  # said already: the error follows from it
        self.faults.append(f"{where} {what}")

    def _check_copy(self, func: Any, arguments: Any, result: Any) -> None:
        """Whether numbers went from one device to the other; a 0-d tensor of the host's is sent along as a number."""
        moved = func in (_aten._to_copy.default, _aten.copy_.default)
        tensors = [leaf for leaf in pytree.tree_leaves(arguments) if isinstance(leaf, Tensor)]
        before = {tensor.device.type for tensor in tensors if moved or tensor.dim()}
        after = {leaf.device.type for leaf in pytree.tree_leaves(result) if isinstance(leaf, Tensor)}
        if before | after == {"cpu", NAME}:
            self._note("copies numbers to the host" if after == {"cpu"} else _COPIES)

    def _note(self, what: str) -> None:
        said = f"{current_line()} {what}"
        if said not in self.faults:
            self.faults.append(said)


_COPIES = "copies numbers from the host to the device (torch.tensor(...), .to(device), numpy)"
