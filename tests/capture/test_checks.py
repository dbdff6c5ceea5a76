"""What a user is told of a step that can be captured, and of planted faults: the line, and what it does."""

import json

import pytest
from torch.utils import backend_registration

from tests.running import ROOT, helper, script

pytestmark = pytest.mark.slow

Found = dict[str, dict[str, list[str]]]
WAITS = "reads a number back from the device"
COPIES = "copies numbers from the host to the device"


@pytest.fixture(scope="module")
def found() -> Found:
    """By planted fault and check, what was found."""
    if not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
        pytest.skip("this torch has no fake device: 2.10 was the first")
    done = helper(ROOT / "tests/capture/checking.py")
    assert done.returncode == 0, done.stderr
    held: Found = json.loads(done.stdout)
    return held


def test_a_step_without_a_fault_has_none(found: Found) -> None:
    assert found["<lambda>"] == {"fake device": [], "replayed": [], "repeated": []}


@pytest.mark.parametrize(
    ("fault", "where", "what"),
    [
        ("reads_back", "faults.py:", WAITS),
        ("branches", "faults.py:", WAITS),
        ("reads_its_step_count", "cartoon_dist/train/engine.py:", WAITS),
        ("reads_back_in_the_backward", "faults.py:", WAITS),
        ("depends_on_a_size", "faults.py:", "size depends on values"),
        ("copies_from_the_host", "faults.py:", COPIES),
        ("copies_there_and_back", "faults.py:", "copies numbers to the host"),
        ("is_not_capturable", "optimizer of generator: Adam", "capturable=False: torch refuses to record its step"),
        ("keeps_a_buffer_on_the_host", "module discriminator: left_behind", "lies on meta"),
    ],
)
def test_on_paper_the_line_that_waits_or_copies_is_named(found: Found, fault: str, where: str, what: str) -> None:
    assert any(where in line and what in line for line in found[fault]["fake device"]), found[fault]


@pytest.mark.parametrize("fault", ["freezes_a_number", "replaces_a_tensor"])
def test_what_a_recording_would_freeze_is_found(found: Found, fault: str) -> None:
    assert "is not what plain steps make it" in found[fault]["replayed"][0]
    assert found[fault]["repeated"], found[fault]


def test_a_frozen_number_is_named_with_its_line(found: Found) -> None:
    [line] = found["freezes_a_number"]["repeated"]
    assert "it would be frozen" in line
    assert "cartoon_dist/methods/method.py:" in line  # where the weight is multiplied


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["loss.content.target=flattened", "model.output=change", "model.padding=reflect"],
        ["method=whitebox", "model.saliency=none", "model.attention=none", "loss.whitebox.structure=0"],
    ],
    ids=["paper", "good pictures", "whitebox without superpixels"],
)
def test_the_command_says_that_the_step_can_be_captured(words: list[str]) -> None:
    done = script("launch/train.py", ROOT / "tests/tiny.yaml", "--check-capture", "capture.mode=generator", *words)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("capture.mode=generator, fp32, 2 random pictures of 32 px")
    assert [line.split()[:2] for line in lines[1:-1]] == [
        [phase, check] for phase in ("warm-up", "GAN") for check in ("replayed", "repeated", "fake")
    ]
    assert lines[-1].startswith("can be captured, as far as a CPU tells")
