"""The hours that a dry run tells."""

from pathlib import Path

from cartoon_dist.config.run_config import read_settings
from cartoon_dist.data.load.kept import kept_bytes
from cartoon_dist.train.dry_run import describe_run
from tests.data.load.keeping import streams

RECORD = '{"step": 400, "phase": "gan", "images_per_second": 2.0}\n'


def told(run: Path) -> str:
    words = ["hayao", f"run_dir={run}", "batch_size=4", "max_steps=2200", f"data.photos={run / 'none'}"]
    said = describe_run(read_settings(words), world_size=1)
    [line] = [line for line in said.splitlines() if line.startswith("time:")]
    return line


def kept(*words: str) -> str:
    said = describe_run(read_settings(["hayao", "run_dir=none", *words]), world_size=1)
    [line] = [line for line in said.splitlines() if line.startswith("decoded pictures:")]
    return line


def test_hours_at_the_last_measured_speed(tmp_path: Path) -> None:
    assert "unknown until the run has measured it" in told(tmp_path / "new")
    (tmp_path / "metrics.jsonl").write_text(RECORD)
    # Nothing is saved yet: all 2,200 steps of 4 photos at 2 a second.
    assert told(tmp_path).startswith("time: 1.22 hours for the 2,200 steps left, at 2 images a second as measured at")
    (tmp_path / "step-0000400").mkdir()
    (tmp_path / "step-0000400/manifest.json").write_text('{"format": 1}')
    assert told(tmp_path).startswith("time: 1 hours for the 1,800 steps left")


def test_bytes_of_decoded_pictures(shards: Path, tmp_path: Path) -> None:
    there = (f"data.photos={shards / 'photos'}", f"data.cartoons={shards / 'cartoons'}")
    # 6,659 photos with labels and 2,000 cartoons with theirs, of 256 px.
    missing = (f"data.photos={tmp_path / 'a'}", f"data.cartoons={tmp_path / 'b'}", "image_size=256")
    photos, cartoons = 6659 * 256**2 * 4, 2000 * 256**2 * 6
    said = f"decoded pictures: 2.36 GiB (bytes: {photos:,} of photos, {cartoons:,} of cartoons), "
    assert kept(*missing) == said + "not kept, as data.keep=none"
    assert kept(*missing, "data.keep=host") == said + "kept in host memory, one copy a node"
    assert kept(*missing, "data.keep=device").startswith(said + "kept on each GPU; while")
    assert kept(*missing, "data.keep=auto").startswith(said + "kept on each GPU or in host memory")
    # Cropped pictures are kept whole, all others at image_size: as what keeps them counts, but for the ends of pages.
    for fit, size, stored in (("crop", 20, 32), ("shrink", 16, 16)):
        num_photos, num_cartoons = (len(stream.shards) for stream in streams(shards, fit, size))
        photos, cartoons = num_photos * stored**2 * 4, num_cartoons * stored**2 * 6
        line = kept(*there, f"image_size={size}", f"data.fit={fit}")
        assert line.startswith(f"decoded pictures: 0.00 GiB (bytes: {photos:,} of photos, {cartoons:,} of cartoons), ")
        assert photos + cartoons <= kept_bytes(streams(shards, fit, size)) < photos + cartoons + 4 * 4096
