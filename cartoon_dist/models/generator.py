"""G, CartoonGAN's generator, and the joints that merge a saliency network's features into its first three stages."""

from typing import Literal, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from cartoon_dist.models.blocks import Decoder, Padding, ResidualBlock, Upsample, check_size, convolution, encoder
from cartoon_dist.models.cbam import CBAM
from cartoon_dist.models.residual_chain import ResidualChain
from cartoon_dist.models.saliency_net import SaliencyNetwork
from cartoon_dist.tensors import Features, Images, Maps

Output = Literal["picture", "change"]
"""What the decoder draws: the cartoon itself, or what is added to the photo to make it one."""


class GeneratorOutput(NamedTuple):
    """The result of one forward of the generator; the saliency is None where there is no saliency network."""

    generated: Images
    saliency: Maps | None


class CartoonGenerator(nn.Module):
    """The interface of each method's generator. saliency: the network whose features it uses, or None."""

    saliency: SaliencyNetwork | None

    def forward(self, photo: Images, *, detach_joints: bool = False) -> GeneratorOutput:
        """The cartoon of each photo, in [-1, 1]; both sides must be multiples of 4, at least 8 (ValueError)."""
        raise NotImplementedError


class Generator(CartoonGenerator):
    """Photo -> cartoon: encoder c, 2c, 4c, residual blocks, decoder 2c, c, k7 tanh; its IN is affine.

    channels: c, 64 in the paper. saliency: the network that feeds the encoder and is trained along with it; it becomes
    a part of this module. attention: CBAM after each joint. checkpoint_blocks: of each residual block only the input is
    kept for the backward, which runs the block once more. output, padding: the paper's are `picture` and `zeros`; with
    `change` a generated picture may leave [-1, 1]. padding does not reach into the saliency network, which has its own.
    ValueError for attention without a saliency network, or for one of another width.
    """

    def __init__(
        self,
        *,
        channels: int,
        num_blocks: int,
        upsample: Upsample,
        saliency: SaliencyNetwork | None,
        attention: bool,
        checkpoint_blocks: bool = False,
        output: Output = "picture",
        padding: Padding = "zeros",
    ) -> None:
        super().__init__()
        if attention and saliency is None:
            raise ValueError("attention follows the joints with a saliency network, and there is none")
        if saliency is not None and saliency.channels != channels:
            raise ValueError(f"the saliency network has {saliency.channels} channels, the generator {channels}")
        self.encoder = encoder(channels, affine=True, padding=padding)
        self.joints = nn.ModuleList(
            FeatureFusion(channels=width, attention=attention)
            for width in (channels, 2 * channels, 4 * channels)
            if saliency
        )
        self.blocks = ResidualChain(ResidualBlock(4 * channels, affine=True) for _ in range(num_blocks))
        self.decoder = Decoder(channels, 3, upsample=upsample, affine=True, padding=padding)
        self.saliency = saliency
        self.checkpoint_blocks = checkpoint_blocks
        self.output: Output = output

    def forward(self, photo: Images, *, detach_joints: bool = False) -> GeneratorOutput:
        """The cartoon of each photo, in [-1, 1]; both sides must be multiples of 4, at least 8 (ValueError).

        detach_joints: the generator's losses do not reach the saliency network through the joints.
        """
        check_size(*photo.shape[2:])
        if self.saliency is None:
            return GeneratorOutput(self._drawn(photo, self.encoder(photo)), None)
        saliency, saliency_features = self.saliency(photo)
        features = photo
        for stage, joint, extra in zip(self.encoder, self.joints, saliency_features, strict=True):
            features = joint(stage(features), extra.detach() if detach_joints else extra)
        return GeneratorOutput(self._drawn(photo, features), saliency)

    def _drawn(self, photo: Images, features: Features) -> Images:
        """From the encoder's last maps to the cartoon."""
        drawn: Images = self.decoder(self.blocks(features, checkpointed=self.checkpoint_blocks))
        return photo + drawn if self.output == "change" else drawn


class FeatureFusion(nn.Module):
    """A joint: merges a stage of G with the same stage of S: concatenate, k1 back to G's width, then CBAM when on."""

    def __init__(self, *, channels: int, attention: bool) -> None:
        super().__init__()
        self.conv = convolution(2 * channels, channels, kernel=1)
        self.attention = CBAM(channels=channels) if attention else None

    def forward(self, features: Features, saliency_features: Features) -> Features:
        """G's maps and S's, of the same shape -> maps of that shape."""
        if torch.is_grad_enabled() and features.requires_grad:
            # The same sum without the concatenated maps, which would be kept until the backward beside their parts.
            for_features, for_saliency = self.conv.weight.split(features.shape[1], 1)
            merged = functional.conv2d(features, for_features, self.conv.bias)
            merged = merged.add_(functional.conv2d(saliency_features, for_saliency))
        else:
            merged = self.conv(torch.cat([features, saliency_features], 1))  # n 2c y x -> n c y x
        return merged if self.attention is None else self.attention(merged)
