"""cartoon_dist: photos into cartoons, and the distributed training of the networks that draw them."""

import logging
from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("cartoon-dist")
"""As pyproject.toml has it."""

# Who imports the package decides what becomes of its log records; commands print them.
logging.getLogger(__name__).addHandler(logging.NullHandler())
