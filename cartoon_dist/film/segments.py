"""Segments: the encoded parts of a film that is being drawn, each a file that is there as a whole or not at all.

`drawn.mp4.parts/` lies beside the film until it is done. `film.json` in it says of which film, model and settings the
segments are. `000000.safetensors` holds a segment: `packets`, the encoder's output end to end, with `sizes`, `times`
and `keys` of each in the order of decoding; `last_duration`, of the last frame; and `header`, the encoder's.
`000000.state.safetensors`, of the last segment alone, holds what the next one begins from: eased statistics and frames.
"""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.files.atomic import write_atomically, write_json
from cartoon_dist.files.bounded import read_regular, sha256_of
from cartoon_dist.files.json_yaml import ParseError, read_json
from cartoon_dist.files.locks import lock_folder

_MAX_SEGMENT_BYTES = 4 << 30
_RECORD = "film.json"
_NUM_BLOCKS, _BLOCK_BYTES = 64, 1 << 16
"""A film is known again by its size and so many blocks of it: all of it would take minutes to read."""

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class EncodedPacket:
    """An encoded frame: its bytes, its time in units of the film's time base, and whether decoding can begin here."""

    content: bytes
    pts: int
    is_key: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Segment:
    """A part of a drawn film. packets: in the order of decoding. last_duration: of the last frame, 0 where nothing says
    it. header: the encoder's, the same in all segments."""

    packets: tuple[EncodedPacket, ...]
    last_duration: int
    header: bytes

    @property
    def last_pts(self) -> int:
        """The time of the last frame."""
        return max(packet.pts for packet in self.packets)


@dataclass(frozen=True)
class SegmentTimes:
    """pts: of a segment's packets, in the order of decoding; last_duration as in `Segment`."""

    pts: tuple[int, ...]
    last_duration: int


class PartsFolder:
    """The folder of segments beside a film that is being drawn; its segments are numbered from 0 without a gap."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.parts")

    @contextmanager
    def opened(self, facts: Mapping[str, Any]) -> Iterator[None]:
        """Hold the folder for a film, model and settings; ConfigError while another process holds it, or where its
        segments were drawn with other ones."""
        self.path.mkdir(parents=True, exist_ok=True)
        busy = ConfigError(f"{self.path}: another process draws this film; wait for it or stop it")
        with lock_folder(self.path, busy):
            self._require_same(facts)
            yield

    def remove(self) -> None:
        """Remove the folder: the film is done."""
        shutil.rmtree(self.path, ignore_errors=True)

    def num_segments(self) -> int:
        """How many segments are there."""
        number = 0
        while self._file(number).exists():
            number += 1
        return number

    def num_frames(self) -> int:
        """How many frames they have."""
        return sum(len(self.times(number).pts) for number in range(self.num_segments()))

    def write(self, number: int, segment: Segment, state: Mapping[str, Tensor]) -> None:
        """Write a segment, atomically, and the state that the next one begins from, which replaces the one before."""
        packets = segment.packets
        tensors = {
            "packets": _bytes_tensor(b"".join(packet.content for packet in packets)),
            "sizes": torch.tensor([len(packet.content) for packet in packets], dtype=torch.int64),
            "times": torch.tensor([packet.pts for packet in packets], dtype=torch.int64),
            "keys": torch.tensor([packet.is_key for packet in packets], dtype=torch.bool),
            "last_duration": torch.tensor([segment.last_duration], dtype=torch.int64),
            "header": _bytes_tensor(segment.header),
        }
        # The state first: a segment that is there has its state.
        write_atomically(self._state_file(number), save({name: values.contiguous() for name, values in state.items()}))
        write_atomically(self._file(number), save(tensors))
        self._state_file(number - 1).unlink(missing_ok=True)

    def read_state(self, number: int) -> dict[str, Tensor]:
        """The state after the last segment, whose number it is; PictureError where it is missing or damaged."""
        path = self._state_file(number)
        try:
            return load(read_regular(path, max_bytes=_MAX_SEGMENT_BYTES))
        except (OSError, SafetensorError) as error:
            raise PictureError(f"{path}: is damaged ({error}); remove the folder to draw the film anew") from None

    def read(self, number: int) -> Segment:
        """A segment; PictureError where its file is damaged."""
        path = self._file(number)
        try:
            tensors = load(read_regular(path, max_bytes=_MAX_SEGMENT_BYTES))
            content = tensors["packets"].numpy().tobytes()
            sizes, times, keys = (tensors[name].tolist() for name in ("sizes", "times", "keys"))
            if sum(sizes) != len(content) or not sizes or len(sizes) != len(times):
                raise ValueError("its numbers do not agree")
            ends = np.cumsum(sizes).tolist()
            packets = tuple(
                EncodedPacket(content[end - size : end], pts, is_key)
                for end, size, pts, is_key in zip(ends, sizes, times, keys, strict=True)
            )
            return Segment(
                packets=packets,
                last_duration=int(tensors["last_duration"]),
                header=tensors["header"].numpy().tobytes(),
            )
        except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise _damaged(path, error) from None

    def times(self, number: int) -> SegmentTimes:
        """The times of a segment, without its frames; PictureError as `read`."""
        path = self._file(number)
        try:
            with safe_open(path, framework="pt") as file:
                return SegmentTimes(tuple(file.get_tensor("times").tolist()), int(file.get_tensor("last_duration")))
        except (OSError, SafetensorError) as error:
            raise _damaged(path, error) from None

    def _file(self, number: int) -> Path:
        return self.path / f"{number:06d}.safetensors"

    def _state_file(self, number: int) -> Path:
        return self.path / f"{number:06d}.state.safetensors"

    def _require_same(self, facts: Mapping[str, Any]) -> None:
        record = self.path / _RECORD
        try:
            before = read_json(record)
        except FileNotFoundError:
            before = None
        except (OSError, ParseError) as error:
            raise ConfigError(f"{record}: cannot be read ({error}); remove the folder to draw the film anew") from None
        if before is None or (before != facts and not self.num_segments()):
            write_json(record, facts)
        elif before != facts:
            names = before.keys() | facts.keys() if isinstance(before, dict) else ()
            others = sorted(name for name in names if before.get(name) != facts.get(name))
            told = ", ".join(f"{name} {before.get(name)}" if name in _TOLD else name for name in others)
            raise ConfigError(
                f"{self.path}: holds segments that were drawn with other facts: {told}; give the same to go on, or "
                "remove the folder to draw the film anew"
            )


def _damaged(path: Path, error: Exception) -> PictureError:
    return PictureError(f"{path}: is damaged ({error}); remove the folder to draw the film anew")


_TOLD = frozenset({"steady", "codec", "crf", "preset", "segment", "megapixels", "damaged", "weights"})


def film_fingerprint(path: Path) -> str:
    """Tells films apart by their size and by blocks all over them."""
    num_bytes = path.stat().st_size
    digest = hashlib.sha256(str(num_bytes).encode())
    with path.open("rb") as file:
        for index in range(_NUM_BLOCKS):
            file.seek(index * max(0, num_bytes - _BLOCK_BYTES) // (_NUM_BLOCKS - 1))
            digest.update(file.read(_BLOCK_BYTES))
    return digest.hexdigest()


def model_fingerprint(source: Path, generator: torch.nn.Module | None) -> str:
    """Tells models apart by their weights."""
    if generator is None:
        return sha256_of(source)
    digest = hashlib.sha256()
    for name, values in sorted(generator.state_dict().items()):
        digest.update(name.encode())
        digest.update(values.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _bytes_tensor(content: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(content, np.uint8).copy())
