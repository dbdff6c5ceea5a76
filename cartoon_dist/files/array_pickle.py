"""Reads pickles of plain numpy arrays, as some publish their weights; nothing else in a pickle is ever called."""

import pickle
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from cartoon_dist.errors import WeightsError


def read_arrays(path: Path) -> dict[str, Any]:
    """Read a pickle of nested dictionaries of numpy arrays; WeightsError, before any code runs, if it names more."""
    with path.open("rb") as file:
        arrays: dict[str, Any] = _ArrayUnpickler(file).load()
    return arrays


class _ArrayUnpickler(pickle.Unpickler):
    """Refuses every global except the four that numpy arrays need; a plain unpickler calls whatever a file names."""

    _allowed: ClassVar[dict[tuple[str, str], Any]] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        # The same function, as numpy 1 and numpy 2 name it.
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._allowed:
            raise WeightsError(f"a file of weights asks for {module}.{name}: not plain arrays, do not trust it")
        return self._allowed[module, name]
