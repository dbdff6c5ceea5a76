"""cartoon_dist: photos into cartoons, and the distributed training of the networks that draw them.

`load` opens a model that draws pictures; docs/python.md shows it.
"""

import logging
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cartoon_dist.api import load

__all__ = ["__version__", "load"]

__version__ = version("cartoon-dist")
"""As pyproject.toml has it."""

# Who imports the package decides what becomes of its log records; commands print them.
logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    """Import what the package offers when it is asked for: `load` needs torch, which takes seconds to import."""
    if name == "load":
        from cartoon_dist.api import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
