"""Segments on the disk: read as they were written, and refused where they are damaged or of another film."""

from pathlib import Path

import pytest
import torch

from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.film.segments import EncodedPacket, PartsFolder, Segment, film_fingerprint, model_fingerprint

SEGMENT = Segment(
    packets=(EncodedPacket(b"whole", 10, is_key=True), EncodedPacket(b"", 30, is_key=False)),
    last_duration=7,
    header=b"\x01header",
)
STATE = {"still/before": torch.arange(6).to(torch.uint16).reshape(1, 2, 3)}


def test_a_segment_is_read_as_it_was_written(tmp_path: Path) -> None:
    parts = PartsFolder(tmp_path / "drawn.mp4")
    with parts.opened({"crf": 18}):
        parts.write(0, SEGMENT, {})
        parts.write(1, SEGMENT, STATE)
    assert parts.path == tmp_path / "drawn.mp4.parts"
    assert (parts.num_segments(), parts.num_frames()) == (2, 4)
    segment = parts.read(1)
    assert [(one.content, one.pts, one.is_key) for one in segment.packets] == [(b"whole", 10, True), (b"", 30, False)]
    assert (segment.last_duration, segment.header, segment.last_pts) == (7, b"\x01header", 30)
    assert torch.equal(parts.read_state(1)["still/before"], STATE["still/before"])
    assert sorted(path.name for path in parts.path.glob("*.state.safetensors")) == ["000001.state.safetensors"]
    parts.remove()
    assert not parts.path.exists()


def test_other_facts_are_refused_by_name(tmp_path: Path) -> None:
    parts = PartsFolder(tmp_path / "drawn.mp4")
    with parts.opened({"crf": 18, "model": "a"}):
        parts.write(0, SEGMENT, {})
    with pytest.raises(ConfigError, match="crf 18, model"), parts.opened({"crf": 20, "model": "b"}):
        pass
    with parts.opened({"crf": 18, "model": "a"}):
        assert parts.num_segments() == 1


def test_another_process_is_told(tmp_path: Path) -> None:
    parts = PartsFolder(tmp_path / "drawn.mp4")
    with (
        parts.opened({}),
        pytest.raises(ConfigError, match="another process"),
        PartsFolder(tmp_path / "drawn.mp4").opened({}),
    ):
        pass


@pytest.mark.parametrize("content", [b"", b"\xff" * 100])
def test_damaged_files(content: bytes, tmp_path: Path) -> None:
    parts = PartsFolder(tmp_path / "drawn.mp4")
    with parts.opened({}):
        parts.write(0, SEGMENT, STATE)
        (parts.path / "000000.safetensors").write_bytes(content)
        (parts.path / "000000.state.safetensors").write_bytes(content)
        for read in (parts.read, parts.times, parts.read_state):
            with pytest.raises(PictureError, match="is damaged"):
                read(0)


def test_fingerprints(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(bytes(1000))
    before = film_fingerprint(film)
    film.write_bytes(bytes(999) + b"x")
    assert film_fingerprint(film) != before
    network = torch.nn.Conv2d(1, 1, 1).double()
    mark = model_fingerprint(film, network)
    assert mark == model_fingerprint(film, network)
    torch.nn.init.constant_(network.weight, 3)
    assert model_fingerprint(film, network) != mark
