"""Small inputs for the shard job's tests: the embedded cartoons linked into a folder, and the job over them."""

import hashlib
from pathlib import Path

from cartoon_dist.config import ShardSettings
from cartoon_dist.data.build import Built, build
from cartoon_dist.data.job import plan_job
from cartoon_dist.data.sample import Domain

SAMPLES = Path(__file__).parents[2] / "shards" / "samples"
SMALL = ShardSettings(image_size=64, samples_per_shard=3, num_workers=1)


def linked(folder: Path, num_pictures: int, kind: str = "cartoons") -> Path:
    """A folder of links to the first embedded pictures."""
    folder.mkdir()
    for picture in sorted((SAMPLES / kind).glob("*.jpg"))[:num_pictures]:
        (folder / picture.name).symlink_to(picture)
    return folder


def built(inputs: Path, out: Path, settings: ShardSettings = SMALL, domain: Domain = "cartoon") -> Built:
    """Run the job as the command does."""
    return build(plan_job([str(inputs)], domain=domain, settings=settings), out, settings, shown=False)


def contents(folder: Path) -> dict[str, str]:
    """Each file's hash by its name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
