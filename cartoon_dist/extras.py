"""What an installation without some extra lacks, as an error that says what to type."""

from cartoon_dist.errors import ConfigError


def missing(library: str, extra: str) -> ConfigError:
    """The error to raise where `library`, which the extra brings, cannot be imported."""
    return ConfigError(f"{library} is not installed; type: pip install 'cartoon-dist[{extra}]'")
