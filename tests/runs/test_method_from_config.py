"""Networks and losses built from a config, and their estimated cost."""

import pytest
import torch
from torch import nn

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.losses.flattening import Flattening
from cartoon_dist.models.generator import GeneratorOutput
from cartoon_dist.runs import method_from_config, networks_from_config
from cartoon_dist.runs.estimate import _count_kept as counted
from cartoon_dist.runs.estimate import largest_batch, memory_bytes, parameter_counts
from cartoon_dist.tensors import Batch


def settings(*words: str) -> TrainSettings:
    return read(TrainSettings, [], words, run_dir="x")


def small(*words: str) -> TrainSettings:
    return settings("model.channels=4", "model.num_blocks=1", "image_size=32", *words)


def test_the_seed_alone_determines_the_weights() -> None:
    def first(seed: int, noise: int) -> torch.Tensor:
        torch.manual_seed(noise)
        built = method_from_config.build_method(
            small(f"seed={seed}", "loss.content.weight=0", "warmup.loss=pixel"), lambda network: network
        )
        return built.networks["generator"].get_parameter("encoder.0.conv.weight")

    assert torch.equal(first(1, 5), first(1, 6))
    assert not torch.equal(first(1, 5), first(2, 5))


def test_features_are_needed_only_where_a_loss_uses_them() -> None:
    assert method_from_config.needs_features(settings())
    assert method_from_config.needs_features(settings("loss.content.weight=0"))  # the warm-up's content loss
    assert method_from_config.needs_features(settings("warmup.loss=pixel"))
    assert not method_from_config.needs_features(settings("loss.content.weight=0", "warmup.loss=pixel"))
    assert not method_from_config.needs_features(settings("loss.content.weight=0", "warmup.steps=0"))


ANIMEGAN = ("method=animegan", "model.saliency=none", "model.attention=none", "loss.content.weight=0")


def test_animegan_uses_features_for_its_style_too() -> None:
    assert method_from_config.needs_features(settings(*ANIMEGAN, "warmup.loss=pixel"))
    assert not method_from_config.needs_features(settings(*ANIMEGAN, "warmup.loss=pixel", "loss.animegan.style=0"))
    with torch.device("meta"):
        for style, compares in ((0, False), (3, True)):
            chosen = small(*ANIMEGAN, f"loss.animegan.style={style}")
            built = method_from_config.bind_method(
                chosen, networks_from_config.build_networks(chosen), nn.Conv2d(3, 1, 1)
            )
            assert built.warmup_losses.keywords["name"] == "content"  # type: ignore[attr-defined]
            assert (built.losses["generator"].keywords["extract_features"] is not None) is compares  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", ["cartoongan", "animegan", "whitebox"])
@pytest.mark.parametrize("loss", ["pixel", "content"])
def test_a_flattened_target_takes_the_photos_place_in_content_and_warm_up(method: str, loss: str) -> None:
    words = [f"method={method}", "model.saliency=none", "model.attention=none", f"warmup.loss={loss}"]
    words += ["loss.content.layer=conv1_2", "loss.content.weight=2", "loss.whitebox.structure=0"]
    words += ["loss.flattening.radius=2"]
    features = method_from_config.empty_features(small(*words))
    flatten = Flattening(radius=2, passes=2, ink=8.0)
    pictures = torch.rand(3, 2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    photo, flat = pictures[0], flatten(pictures[0])
    found = []
    for target, given in (("photo", flat), ("flattened", photo)):
        chosen = small(*words, f"loss.content.target={target}")
        built = method_from_config.bind_method(chosen, networks_from_config.initial_networks(chosen), features)
        output = GeneratorOutput(pictures[1].clone().requires_grad_(), None)
        batch = Batch(given, given[:, :1], pictures[2], pictures[2])
        losses = [built.warmup_losses(batch, output), built.losses["generator"](built.networks, batch, output, 2.0)]
        found.append([losses[0].terms[loss].value, losses[1].terms["content"].value])
    torch.testing.assert_close(found[1], found[0])


@pytest.mark.slow
def test_animegans_memory_is_estimated() -> None:
    estimate = memory_bytes(small(*ANIMEGAN, "batch_size=4"), world_size=1)
    counts = parameter_counts(small(*ANIMEGAN))
    assert estimate["weights"] == 4 * (5 * counts["generator"] + 4 * counts["discriminator"])
    assert estimate["activations"] == 2 * memory_bytes(small(*ANIMEGAN, "batch_size=4"), world_size=2)["activations"]


def test_a_warm_up_by_content_has_no_content_loss_after_it_at_weight_0() -> None:
    with torch.device("meta"):
        built = method_from_config.bind_method(
            small("loss.content.weight=0"), networks_from_config.build_networks(small()), nn.Conv2d(3, 1, 1)
        )
    assert built.warmup_losses.keywords["name"] == "content"  # type: ignore[attr-defined]
    assert built.losses["generator"].keywords["content"] is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {"generator": 11_129_667, "joints": 172_480, "attention": 11_522, "saliency": 1_751_169}),
        (["model.saliency=sal", "model.attention=none"], {"joints": 172_480, "attention": 0, "saliency": 1_672_641}),
        (["model.saliency=none", "model.attention=none"], {"generator": 11_129_667, "joints": 0, "saliency": 0}),
        (list(ANIMEGAN), {"generator": 3_956_096, "joints": 0, "saliency": 0, "discriminator": 1_128_800}),
        (["upsample=resize"], {"generator": 11_129_667, "discriminator": 1_128_385}),
    ],
)
def test_parameter_counts_are_the_papers(words: list[str], expected: dict[str, int]) -> None:
    counts = parameter_counts(settings(*words))
    assert {name: counts[name] for name in expected} == expected


def test_memory_of_weights_by_hand() -> None:
    counts = parameter_counts(settings())
    all_parameters, generator = sum(counts.values()), sum(counts.values()) - counts["discriminator"]
    # float32: a weight, its gradient, two moments; the generator's average.
    assert memory_bytes(settings(), world_size=1)["weights"] == 4 * (4 * all_parameters + generator)


def test_memory_of_activations_follows_batch_size_and_precision() -> None:
    def kept(*words: str, world_size: int = 1) -> int:
        return memory_bytes(small("batch_size=4", *words), world_size=world_size)["activations"]

    one = kept()
    assert kept(world_size=2) * 2 == one
    assert kept("precision=fp64") == 2 * one
    assert kept("image_size=64") == pytest.approx(4 * one, rel=0.05)


@pytest.mark.parametrize(
    ("world_size", "words"), [(1, []), (2, ["accumulate=2"]), (1, ["model.checkpoint_blocks=true"])]
)
def test_the_largest_batch_just_fits(world_size: int, words: list[str]) -> None:
    def num_bytes(batch_size: int) -> int:
        return sum(memory_bytes(small(f"batch_size={batch_size}", *words), world_size=world_size).values())

    parts = world_size * small(*words).accumulate
    limit = num_bytes(parts) + 10**6
    largest = largest_batch(small(*words), world_size=world_size, limit=limit)
    assert largest >= parts
    assert num_bytes(largest) <= limit < num_bytes(largest + parts)
    assert largest_batch(small(*words), world_size=world_size, limit=0) == 0


def test_checkpointed_blocks_are_estimated_at_less() -> None:
    many = "model.num_blocks=8"
    plain, less = (memory_bytes(small(many, f"model.checkpoint_blocks={on}"), world_size=1) for on in (False, True))
    assert 0.5 * plain["activations"] < less["activations"] < plain["activations"]


def test_tensors_that_autograd_keeps_are_counted_once() -> None:
    inputs = torch.ones(5, 3, requires_grad=True)

    def forward() -> torch.Tensor:
        grown = inputs.exp()  # keeps its result: 15 float32
        return (grown * grown).sin()  # the product keeps the same result again, the sine the product: 15 more

    num_bytes, result = counted(forward)
    assert num_bytes == 2 * 15 * 4
    assert result.shape == (5, 3)


@pytest.mark.parametrize("saliency", ["none", "sal", "ressal"])
def test_no_network_has_a_batch_norm_or_any_buffer(saliency: str) -> None:
    """Statistics of a batch would make the step depend on how it is divided over processes."""
    attention = "none" if saliency == "none" else "cbam"
    networks = networks_from_config.build_networks(small(f"model.saliency={saliency}", f"model.attention={attention}"))
    for network in networks.values():
        assert not list(network.buffers())
        assert not any("BatchNorm" in type(module).__name__ for module in network.modules())
