"""Feature vectors on the disk, block by block: a killed score goes on, and a style's cartoons are extracted once."""

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

from cartoon_dist.files.atomic import write_atomically, write_if_absent
from cartoon_dist.files.bounded import MAX_RECORD_BYTES, read_regular

_DIGEST = hashlib.sha256().digest_size


class FeatureStore:
    """The vectors of one set of pictures, in a folder that is named after all that they depend on.

    made_from: everything a vector depends on (the pictures' bytes, the weights, sizes, rules, versions); whatever of it
    changes makes it another folder, so stale vectors are never read. A block is a file of its own, written atomically,
    with a hash; one that is damaged is computed again. What cannot be written is left out: `write_error` says why.
    """

    def __init__(self, root: Path, made_from: Mapping[str, Any]) -> None:
        self.description = json.dumps(made_from, indent=1, sort_keys=True, allow_nan=False)
        self.folder = root / hashlib.sha256(self.description.encode()).hexdigest()[:32]
        self.write_error = ""

    def load(self, block: range) -> Float[Tensor, "n c"] | None:
        """The vectors of a block of pictures; None where the file is missing or damaged, or a vector is not finite."""
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
        """Write the vectors of a block."""
        payload = io.BytesIO()
        np.save(payload, vectors.numpy(), allow_pickle=False)
        try:
            write_if_absent(self.folder / "made_from.json", self.description + "\n")
            write_atomically(self._path(block), hashlib.sha256(payload.getvalue()).digest() + payload.getvalue())
        except OSError as error:
            self.write_error = f"{self.folder}: cannot be written ({error.strerror}); the score goes on without it"

    def remove(self) -> None:
        """Delete the folder; other processes may do so at the same time."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, block: range) -> Path:
        return self.folder / f"{block.start:07d}-{block.stop:07d}.npy"
