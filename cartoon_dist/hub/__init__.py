"""Models by name: the built-in one, a path, or a repository on a model hub.

`push` gives a trained generator to a hub; docs/export.md.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cartoon_dist.hub.upload import push

__all__ = ["push"]


def __getattr__(name: str) -> Any:
    """Import `push` when it is asked for: it needs the exporter, and reading a model does not."""
    if name == "push":
        from cartoon_dist.hub.upload import push

        return push
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
