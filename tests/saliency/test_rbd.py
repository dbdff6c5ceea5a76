"""RBD against a slow one on the same superpixels, and where it must say background."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from cartoon_dist.saliency.picture import min_max_scale
from cartoon_dist.saliency.rbd import rank_author, rank_public, rbd
from cartoon_dist.superpixels.regions import Superpixels, split_into_superpixels
from tests.saliency.known_objects import scenes
from tests.saliency.slow_rbd import slow_author, slow_public

Floats = npt.NDArray[np.float64]
Picture = npt.NDArray[np.uint8]
Rank = Callable[[Picture, Superpixels], Floats]
SlowRank = Callable[[Picture, npt.NDArray[np.intp]], Floats]


@pytest.mark.parametrize(("rank", "slow"), [(rank_public, slow_public), (rank_author, slow_author)])
@pytest.mark.parametrize("connected", [True, False])
def test_agrees_with_the_slow_one_on_the_same_superpixels(rank: Rank, slow: SlowRank, *, connected: bool) -> None:
    for scene in scenes(count=2, seed=5):
        photo = scene.photo
        superpixels = split_into_superpixels(photo, num_segments=70, compactness=10, blur_pixels=1, connected=connected)
        ours = min_max_scale(rank(photo, superpixels))
        theirs = min_max_scale(slow(photo, superpixels.labels))
        assert np.abs(ours - theirs).max() < 1e-4
        assert ours.std() > 0.1


@pytest.mark.parametrize("variant", ["public", "author"])
def test_a_patch_in_the_middle_is_salient_and_a_strip_along_the_border_is_not(variant: str) -> None:
    photo = np.full((120, 120, 3), (40, 90, 60), np.uint8)
    photo[90:] = (60, 60, 200)
    photo[30:70, 40:80] = (220, 60, 50)
    saliency = rbd(photo, variant=variant)
    assert saliency[30:70, 40:80].mean() > 0.95
    assert saliency[90:].mean() < 0.3


@pytest.mark.parametrize("variant", ["public", "author"])
def test_two_plain_halves_have_nothing_that_stands_out_of_its_border(variant: str) -> None:
    photo = np.zeros((96, 128, 3), np.uint8)
    photo[:, 64:] = 255
    saliency = rbd(photo, variant=variant)
    assert np.isfinite(saliency).all()
    assert saliency.min() >= 0
    assert saliency.max() <= 1


@pytest.mark.parametrize("variant", ["public", "author"])
def test_one_colour_is_all_background(variant: str) -> None:
    assert not rbd(np.full((50, 70, 3), 128, np.uint8), variant=variant).any()
