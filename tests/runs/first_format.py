"""Converts checkpoints to the first format, for tests."""

import json
from pathlib import Path


def to_first_format(folder: Path) -> None:
    """Convert a checkpoint to the first format: without its own settings, random states and hash of the
    manifest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["own_sha256"]
    for name in ("config.yaml", "random.safetensors"):
        manifest["files"].pop(name, None)
        (folder / name).unlink(missing_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 1}, indent=1))
