"""Estimates what a config costs, without weights, shards or memory: on torch's meta device."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from cartoon_dist.config.train import TrainSettings
from cartoon_dist.methods.method import Method
from cartoon_dist.models.blocks import num_parameters
from cartoon_dist.models.generator import CartoonGenerator, Generator
from cartoon_dist.runs import method_from_config, networks_from_config
from cartoon_dist.tensors import Batch

Result = TypeVar("Result")

_WEIGHT_BYTES = {"fp32": 4, "bf16": 4, "fp16": 4, "fp64": 8}
_ACTIVATION_SHARE = {"fp32": 1.0, "bf16": 0.5, "fp16": 0.5, "fp64": 2.0}
"""The size of an activation relative to float32. Autocast keeps a few in float32, so half is a little too low."""
PROCESS_BYTES = 725 * 2**20
"""The libraries that a process has loaded (545 MiB), and the constant part of the peak beyond the counted tensors."""
TEMPORARY_SHARE = 0.26
"""The part of the peak beyond the counted tensors that grows with the activations, as a share of them."""


def parameter_counts(settings: TrainSettings) -> dict[str, int]:
    """The number of parameters of each part: the generator's own layers, the joints, their attention, S, D."""
    with torch.device("meta"):
        networks = networks_from_config.build_networks(settings)
    generator = networks["generator"]
    assert isinstance(generator, CartoonGenerator)
    merged = list(generator.joints) if isinstance(generator, Generator) else []
    attention = sum(num_parameters(joint.get_submodule("attention")) for joint in merged if joint.attention)
    joints = sum(map(num_parameters, merged)) - attention
    saliency = num_parameters(generator.saliency) if generator.saliency is not None else 0
    own = num_parameters(generator) - joints - attention - saliency
    counts = {"generator": own, "joints": joints, "attention": attention, "saliency": saliency}
    return counts | {"discriminator": num_parameters(networks["discriminator"])}


def memory_bytes(settings: TrainSettings, *, world_size: int, zero_stage: int = 0) -> dict[str, int]:
    """A process's memory for weights, frozen features and activations.

    Weights come with their gradients, Adam's two moments and the running average; ZeRO divides moments (1) and
    gradients (2) over the processes. Activations are what autograd keeps of one iteration, counted tensor by tensor.
    Passing is what the backward allocates beside them and frees again. It and the process itself were measured on CPU
    in float32 (docs/performance.md), never on a GPU.
    """
    method, features = _on_meta(settings)
    counts = {name: num_parameters(network) for name, network in method.networks.items()}
    size, total = _WEIGHT_BYTES[settings.precision], sum(counts.values())
    gradients = total // (world_size if zero_stage > 1 else 1)
    moments = 2 * total // (world_size if zero_stage > 0 else 1)
    trained = size * (total + gradients + moments + counts["generator"])
    frozen = size * sum(parameter.numel() for parameter in features.parameters()) if features is not None else 0
    images = settings.batch_size // world_size // settings.accumulate
    kept = int(_activation_bytes(method, settings.image_size) * _ACTIVATION_SHARE[settings.precision]) * images
    return {
        "process": PROCESS_BYTES,
        "weights": trained,
        "features": frozen,
        "activations": kept,
        "passing": int(TEMPORARY_SHARE * kept),
    }


def largest_batch(settings: TrainSettings, *, world_size: int, limit: int, zero_stage: int = 0) -> int:
    """The largest `batch_size` with which each process stays within `limit` bytes, by `memory_bytes`; 0 where not even
    one image fits. A multiple of the processes times the parts of an accumulated step."""
    parts = world_size * settings.accumulate
    smallest = memory_bytes(replace(settings, batch_size=parts), world_size=world_size, zero_stage=zero_stage)
    image = smallest["activations"] + smallest["passing"]
    return max(0, limit - sum(smallest.values()) + image) // image * parts


def traffic_bytes(settings: TrainSettings, *, world_size: int) -> dict[str, int]:
    """The bytes that a process sends, and also receives, in a step of each phase: the all-reduce of the gradients.

    A ring all-reduce sends 2 (n - 1) / n of each gradient. ZeRO's two halves (reduce-scatter of the gradients,
    all-gather of the weights) are the same. All other messages are a few bytes.
    """
    with torch.device("meta"):
        counts = {
            name: num_parameters(network) for name, network in networks_from_config.build_networks(settings).items()
        }
    size = _WEIGHT_BYTES[settings.precision]
    sent = {name: 2 * size * count * (world_size - 1) // world_size for name, count in counts.items()}
    return {"warmup": sent["generator"], "gan": sum(sent.values())}


def checkpoint_bytes(settings: TrainSettings) -> int:
    """The size of a checkpoint, and of the host copy it is written from: weights, Adam's moments, running average."""
    counts = parameter_counts(settings)
    all_parameters = sum(counts.values())
    return _WEIGHT_BYTES[settings.precision] * (3 * all_parameters + all_parameters - counts["discriminator"])


def _on_meta(settings: TrainSettings) -> tuple[Method, nn.Module | None]:
    plain = replace(settings, precision="fp32")
    with torch.device("meta"):
        features = method_from_config.empty_features(plain) if method_from_config.needs_features(plain) else None
        return method_from_config.bind_method(plain, networks_from_config.build_networks(plain), features), features


def _activation_bytes(method: Method, size: int) -> int:
    """What autograd keeps for one photo at the peak: G's forward and the larger of the two networks' losses."""
    picture = torch.empty(1, 3, size, size, device="meta")
    batch = Batch(picture, picture[:, :1], picture, picture)
    discriminator = method.networks["discriminator"]
    forward_bytes, output = _count_kept(lambda: method.generate(method.networks, batch))
    d_bytes, _ = _count_kept(lambda: method.losses["discriminator"](method.networks, batch, output, 1.0))
    discriminator.requires_grad_(requires_grad=False)
    g_bytes, _ = _count_kept(lambda: method.losses["generator"](method.networks, batch, output, 1.0))
    return forward_bytes + max(d_bytes, g_bytes) + _checkpointed_bytes(method.networks["generator"], size)


def _checkpointed_bytes(generator: nn.Module, size: int) -> int:
    """What gradient checkpointing hides from the count: each block's input, and all that one block keeps while it is
    recomputed."""
    if not isinstance(generator, Generator) or not generator.checkpoint_blocks or not generator.blocks:
        return 0
    channels = generator.encoder[-1].get_submodule("conv").out_channels
    features = torch.empty(1, int(str(channels)), size // 4, size // 4, device="meta", requires_grad=True)
    inside, _ = _count_kept(lambda: generator.blocks[0](features))
    return len(generator.blocks) * features.nbytes + inside


def _count_kept(forward: Callable[[], Result]) -> tuple[int, Result]:
    """The bytes that a forward keeps for its backward, each storage once, and what it returned."""
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = forward()
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values()), result
