"""Feature vectors on the disk, block by block: a killed score goes on, and a style's cartoons are looked at once."""

import hashlib
import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cartoon_dist.files.atomic import MAX_RECORD_BYTES, read_regular, write_first, write_whole

_DIGEST = hashlib.sha256().digest_size


class FeatureStore:
    """The vectors of one set of pictures, in a folder that is named after all that they depend on.

    made_from: everything a vector depends on (the pictures' bytes, the weights, sizes, rules, versions); whatever of it
    changes makes it another folder, so nothing stale is ever taken. A block is a file of its own, put in place whole,
    with a hash; one that is damaged is made anew. What cannot be written is left out: `unwritten` says why.
    """

    def __init__(self, root: Path, made_from: Mapping[str, Any]) -> None:
        self.words = json.dumps(made_from, indent=1, sort_keys=True, allow_nan=False)
        self.folder = root / hashlib.sha256(self.words.encode()).hexdigest()[:32]
        self.unwritten = ""

    def load(self, block: range) -> Float[Tensor, "n c"] | None:
        """The vectors of a block of pictures; None where there are none, not these bytes any more, or not finite."""
        try:
            content = read_regular(self._path(block), max_bytes=MAX_RECORD_BYTES)
        except OSError:
            return None
        digest, payload = content[:_DIGEST], content[_DIGEST:]
        if hashlib.sha256(payload).digest() != digest:
            return None
        try:
            vectors = np.load(io.BytesIO(payload), allow_pickle=False)
        except (ValueError, EOFError, OSError):
            return None
        if vectors.dtype != np.float32 or vectors.shape[:1] != (len(block),) or not np.isfinite(vectors).all():
            return None
        return torch.from_numpy(vectors)

    def save(self, block: range, vectors: Float[Tensor, "n c"]) -> None:
        """Keep the vectors of a block."""
        payload = io.BytesIO()
        np.save(payload, vectors.numpy(), allow_pickle=False)
        try:
            write_first(self.folder / "made_from.json", self.words + "\n")
            write_whole(self._path(block), hashlib.sha256(payload.getvalue()).digest() + payload.getvalue())
        except OSError as error:
            self.unwritten = f"{self.folder}: cannot be written ({error.strerror}); the score goes on without it"

    def remove(self) -> None:
        """Forget the set; fine when another process does so too."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, block: range) -> Path:
        return self.folder / f"{block.start:07d}-{block.stop:07d}.npy"
