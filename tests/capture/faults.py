"""What keeps a step from being captured: each plants one fault into a training step before it runs."""

import torch
from torch import Tensor, nn

from cartoon_dist.train.loop import TrainingStep


def reads_back(made: TrainingStep) -> None:
    judged = made.method.losses["generator"]

    def losses(*given: object) -> object:
        found = judged(*given)
        assert found.terms["content"].value.item() > 0
        return found

    made.method.losses["generator"] = losses  # type: ignore[assignment]


def branches(made: TrainingStep) -> None:
    def hook(_network: nn.Module, _given: object, logits: Tensor) -> Tensor:
        return logits if logits.mean() > -100 else -logits

    made.state.networks["discriminator"].register_forward_hook(hook)


def reads_its_step_count(made: TrainingStep) -> None:
    for name, network in made.state.networks.items():
        made.state.optimizers[name] = torch.optim.Adam(network.parameters(), lr=0.0, betas=(0.5, 0.999), fused=False)
    made.engine.prepare(made.state)
    is_not_capturable(made)  # a capturable one computes with its count where it lies


def is_not_capturable(made: TrainingStep) -> None:
    """What failed on the first GPU."""
    for optimizer in made.state.optimizers.values():
        for group in optimizer.param_groups:
            group["capturable"] = False


def keeps_a_buffer_on_the_host(made: TrainingStep) -> None:
    made.state.networks["discriminator"].register_buffer("left_behind", torch.empty(1, device="meta"))


def depends_on_a_size(made: TrainingStep) -> None:
    def hook(_network: nn.Module, _given: object, logits: Tensor) -> Tensor:
        return logits + logits[logits > 0].sum() * 0

    made.state.networks["discriminator"].register_forward_hook(hook)


def freezes_a_number(made: TrainingStep) -> None:
    judged = made.method.losses["generator"]

    def losses(networks: object, part: object, drawing: object, _weight: object) -> object:
        return judged(networks, part, drawing, made.scalars._values["content_weight"])  # type: ignore[arg-type]

    made.method.losses["generator"] = losses  # type: ignore[assignment]


def replaces_a_tensor(made: TrainingStep) -> None:
    turn = made.scalars.set

    def replaced(*, content_weight: float, ema_share: float) -> None:
        made.scalars.ema_share = torch.zeros(())
        turn(content_weight=content_weight, ema_share=ema_share)

    made.scalars.set = replaced  # type: ignore[method-assign]


def copies_from_the_host(made: TrainingStep) -> None:
    def hook(_network: nn.Module, _given: object, logits: Tensor) -> Tensor:
        return logits + torch.tensor([0.0], device=logits.device)

    made.state.networks["discriminator"].register_forward_hook(hook)


def copies_there_and_back(made: TrainingStep) -> None:
    def hook(_network: nn.Module, _given: object, logits: Tensor) -> Tensor:
        return logits.cpu().to(logits.device)

    made.state.networks["discriminator"].register_forward_hook(hook)


def reads_back_in_the_backward(made: TrainingStep) -> None:
    def hook(_network: nn.Module, _given: object, logits: Tensor) -> Tensor:
        return Looking.apply(logits)  # type: ignore[no-any-return, no-untyped-call]

    made.state.networks["discriminator"].register_forward_hook(hook)


class Looking(torch.autograd.Function):
    """The identity, whose backward looks at a value."""

    @staticmethod
    def forward(_context: object, logits: Tensor) -> Tensor:  # type: ignore[override]
        return logits.clone()

    @staticmethod
    def backward(_context: object, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return gradient * (1.0 if gradient.sum().item() < 1e9 else 0.0)
