"""A small generator as a file, for tests of what draws with one: no training, a fraction of a second a picture."""

from pathlib import Path

from cartoon_dist.export.exporter import metadata_of
from cartoon_dist.runs.export_file import to_safetensors
from tests.export.test_exporter import made


def write_small_model(path: Path) -> Path:
    """Write a `.safetensors` whose drawings are far from flat and from its photos; its path."""
    source = made()
    path.write_bytes(to_safetensors(source.generator.state_dict(), metadata_of(source)))
    return path
