"""What a user can get wrong about a run: one line says what, where and what to do; nothing already written is lost."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cartoon_dist.commands.train import main
from cartoon_dist.data.format.manifest import index_path, read_index, read_manifest, shard_entry, write_record
from cartoon_dist.errors import CartoonError, CheckpointError, ConfigError, ShardError, WeightsError
from cartoon_dist.files.bounded import sha256_of
from cartoon_dist.files.locks import lock_folder
from tests.running import ROOT, train


def words(shards: Path, run: Path, *more: str) -> list[str]:
    folders = [f"data.photos={shards / 'photos'}", f"data.cartoons={shards / 'cartoons'}"]
    # Without a content loss no VGG is needed, and a step takes milliseconds.
    cheap = ["loss.content.weight=0", "warmup.loss=pixel", "max_steps=3"]
    return [str(ROOT / "tests/tiny.yaml"), *folders, f"run_dir={run}", *cheap, *more]


def refused(kind: type[CartoonError], arguments: list[str], run: Path) -> str:
    """The error of a run that must not begin; the run folder says the same."""
    with pytest.raises(kind) as caught:
        main(arguments)
    left = json.loads((run / "exit.json").read_text())
    assert left == {"status": 2, "reason": str(caught.value)}
    assert not list(run.glob("step-*"))
    return str(caught.value)


@pytest.fixture
def copied(shards: Path, tmp_path: Path) -> Path:
    """A copy of the shards, to be damaged."""
    return Path(shutil.copytree(shards, tmp_path / "shards"))


def test_fewer_samples_than_the_batch(shards: Path, tmp_path: Path) -> None:
    said = refused(ShardError, words(shards, tmp_path, "batch_size=64"), tmp_path)
    assert "fewer than batch_size=64" in said


def test_pictures_of_another_size(shards: Path, tmp_path: Path) -> None:
    assert "image_size=64" in refused(ShardError, words(shards, tmp_path, "image_size=64"), tmp_path)
    smaller = refused(ShardError, words(shards, tmp_path, "image_size=16"), tmp_path)
    assert "data.fit=shrink" in smaller


@pytest.mark.parametrize("fit", ["shrink", "crop"])
def test_larger_pictures_are_fitted_when_asked(shards: Path, tmp_path: Path, fit: str) -> None:
    assert main(words(shards, tmp_path, "image_size=16", f"data.fit={fit}")) == 0


@pytest.mark.parametrize(
    "damage", ["cut", "flipped bit", "missing tar", "missing index", "other format", "no manifest"]
)
def test_a_damaged_shard_is_named_before_training_begins(copied: Path, tmp_path: Path, damage: str) -> None:
    tar = copied / "photos/photo-000000.tar"
    index, manifest = tar.with_name("photo-000000.index.json"), tar.with_name("manifest.json")
    content = bytearray(tar.read_bytes())
    match damage:
        case "cut":
            tar.write_bytes(content[: len(content) // 2])
        case "flipped bit":
            content[len(content) // 2] ^= 1
            tar.write_bytes(content)
        case "missing tar":
            tar.unlink()
        case "missing index":
            index.unlink()
        case "other format":
            manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 7'))
        case "no manifest":
            manifest.unlink()
    said = refused(ShardError, words(copied, tmp_path / "run"), tmp_path / "run")
    named = {"other format": "manifest.json", "no manifest": "photos", "missing index": "photo-000000"}
    assert named.get(damage, "photo-000000.tar") in said
    assert "shards/" in said


def test_shards_of_the_other_domain(shards: Path, tmp_path: Path) -> None:
    swapped = [f"data.photos={shards / 'cartoons'}", f"data.cartoons={shards / 'photos'}"]
    assert "data.photos" in refused(ShardError, words(shards, tmp_path, *swapped), tmp_path)


def test_weights_missing_or_not_what_they_should_be(shards: Path, tmp_path: Path) -> None:
    empty = words(shards, tmp_path / "run", "loss.content.weight=1", f"weights_folder={tmp_path / 'weights'}")
    said = refused(WeightsError, empty, tmp_path / "run")
    assert "python launch/weights.py fetch vgg16" in said
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/vgg16.ckpt").write_bytes(b"not weights")
    assert "vgg16" in refused(WeightsError, empty, tmp_path / "run")


def test_a_run_made_with_other_settings_is_left_as_it_is(shards: Path, tmp_path: Path) -> None:
    assert main(words(shards, tmp_path)) == 0
    before = sorted(path.name for path in (tmp_path / "step-0000003").iterdir())
    with pytest.raises(CheckpointError, match="seed: 0 -> 1"):
        main(words(shards, tmp_path, "seed=1"))
    assert sorted(path.name for path in (tmp_path / "step-0000003").iterdir()) == before
    assert main(words(shards, tmp_path, "max_steps=4")) == 0


def test_a_run_on_other_samples_is_refused(shards: Path, copied: Path, tmp_path: Path) -> None:
    assert main(words(shards, tmp_path / "run")) == 0
    folder = copied / "photos"
    tar = folder / "photo-000000.tar"
    tar.write_bytes(tar.read_bytes() + bytes(512))  # as if built from other photos, and sealed
    manifest, index = read_manifest(folder), read_index(folder, tar.name)
    index = replace(index, sha256=sha256_of(tar), bytes=tar.stat().st_size)
    write_record(index_path(folder, tar.name), index)
    write_record(folder / "manifest.json", replace(manifest, shards=(shard_entry(index), *manifest.shards[1:])))
    with pytest.raises(CheckpointError, match="other photos"):
        main(words(copied, tmp_path / "run", "max_steps=5"))


def test_a_folder_in_which_another_run_is_going_on(shards: Path, tmp_path: Path) -> None:
    assert main(words(shards, tmp_path)) == 0
    before = (tmp_path / "exit.json").read_bytes()
    busy = lock_folder(tmp_path, AssertionError())  # a lock is held by its open file, also against the same process
    with busy, pytest.raises(CheckpointError, match="another run is going on"):
        main(words(shards, tmp_path, "max_steps=5"))
    assert (tmp_path / "exit.json").read_bytes() == before
    assert main(words(shards, tmp_path, "max_steps=5")) == 0


def test_a_damaged_checkpoint_is_passed_over(shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(shards, tmp_path, "max_steps=4", "checkpoint.every=2")) == 0
    (tmp_path / "step-0000004/ema.safetensors").write_bytes(b"")
    assert main(words(shards, tmp_path, "max_steps=6")) == 0
    said = capsys.readouterr().err
    assert "step-0000004: ema.safetensors is not what the manifest says; passed over" in said
    assert "goes on after step 2" in said


def test_no_checkpoint_is_whole(shards: Path, tmp_path: Path) -> None:
    assert main(words(shards, tmp_path)) == 0
    (tmp_path / "step-0000003/manifest.json").unlink()
    with pytest.raises(CheckpointError, match="no checkpoint is whole"):
        main(words(shards, tmp_path, "max_steps=6"))


def test_a_loss_that_is_not_finite_names_itself_and_keeps_the_last_checkpoint(shards: Path, tmp_path: Path) -> None:
    steep = ["warmup.steps=2", "optimizer.generator=1e38", "checkpoint.every=2", "max_steps=9"]
    with pytest.raises(CartoonError, match=r"loss/\w+ is (nan|inf) at step \d"):
        main(words(shards, tmp_path, *steep))
    assert [path.name for path in tmp_path.glob("step-*")] == ["step-0000002"]


def test_fp16_on_a_cpu_is_refused(shards: Path, tmp_path: Path) -> None:
    assert "fp16 needs a GPU" in refused(ConfigError, words(shards, tmp_path, "precision=fp16"), tmp_path)


def test_a_config_that_is_not_there() -> None:
    with pytest.raises(
        ConfigError, match=r"^hayo: is no config file, and no config has this name; there are ablation/"
    ):
        main(["hayo", "seed=1"])


def test_a_batch_that_two_processes_cannot_share(shards: Path, tmp_path: Path) -> None:
    done = train(words(shards, tmp_path, "batch_size=5"), num_processes=2)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert errors == ["error: batch_size: 5 cannot be divided over 2 processes; use a multiple of 2"]
    assert json.loads((tmp_path / "exit.json").read_text())["status"] == 2


def test_one_line_and_status_2(shards: Path, tmp_path: Path) -> None:
    done = train(words(shards, tmp_path, "colour=red", "seed=many"))
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "colour: no such setting" in line
    assert "seed: " in line
    assert done.stdout == ""


def test_the_dry_run_needs_neither_shards_nor_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(tmp_path.iterdir())
    nowhere = [f"data.photos={tmp_path / 'a'}", f"data.cartoons={tmp_path / 'b'}", f"run_dir={tmp_path / 'run'}"]
    assert main([str(ROOT / "configs/hayao.yaml"), *nowhere, "--dry-run"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for exact in ("generator 11,129,667", "joints 172,480", "attention 11,522", "discriminator 1,128,385"):
        assert exact in said
    assert "warm-up 16,648" in said
    assert "GAN 100,000" in said
    assert "steps of 4 photos, 4 cartoons; 1 process of 4 each" in said
    assert "sent and as much received warm-up 0.0 GAN 0.0" in said
    assert "time: unknown until the run has measured it" in said
    assert "learning rates are taken as written" in said
    assert main([str(ROOT / "configs/hayao.yaml"), *nowhere, "batch_size=64", "scale_lr=sqrt", "--dry-run"]) == 0
    assert "learning rates times 4: scale_lr=sqrt, a batch of 64 for the paper's 4" in capsys.readouterr().out
    assert set(tmp_path.iterdir()) == before


def test_the_dry_run_for_another_number_of_processes(capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(ROOT / "configs/hayao.yaml"), "batch_size=64", "accumulate=2", "zero_stage=1"]
    assert main([*words, "--dry-run", "processes=8"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "8 processes of 8 each, in 2 parts" in said
    discriminator = 1_128_385
    found = re.search(r"attention [\d,]+ saliency ([\d,]+) ", said)
    assert found
    generator = 11_129_667 + 172_480 + 11_522 + int(found[1].replace(",", ""))
    sent = [2 * 4 * count * 7 / 8 / 2**20 for count in (generator, generator + discriminator)]
    assert f"warm-up {sent[0]:.1f} GAN {sent[1]:.1f}" in said
    # Weights, gradients and the average whole, two moments divided by eight.
    held = 4 * (generator * (1 + 1 + 1 + 2 / 8) + discriminator * (1 + 1 + 2 / 8)) / 2**30
    assert "GiB, estimated, with ZeRO 1 process" in said
    assert f" weights {held:.2f} features" in said
    with pytest.raises(
        ConfigError, match="64 cannot be divided over 7 processes in 2 parts each; use a multiple of 14"
    ):
        main([*words, "--dry-run", "--processes", "7"])  # as it was spelled before


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["zero_stage=1", "precision=fp64"], "precision: fp64 does not go with DeepSpeed; use fp32 or bf16"),
        (["zero_stage=2", "accumulate=2"], "accumulate: 2 does not go with zero_stage=2; use zero_stage=1"),
    ],
)
def test_what_deepspeed_cannot_do_is_refused(shards: Path, tmp_path: Path, more: list[str], complaint: str) -> None:
    assert refused(ConfigError, words(shards, tmp_path, *more), tmp_path) == complaint


def test_a_stage_that_a_launcher_asks_for_is_refused_as_well(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_ZERO_STAGE", "3")
    assert refused(ConfigError, words(shards, tmp_path), tmp_path).startswith("zero_stage: 3 does not go with two")


def test_a_loss_that_dwarfs_the_others_is_named(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heavy = ["loss.saliency.weight=1000", "warning.dominance_steps=2", "warmup.steps=0", "max_steps=4"]
    assert main(words(shards, tmp_path, *heavy)) == 0
    said = capsys.readouterr().err
    assert said.count("lower loss.saliency.weight") == 1
    assert "the style will be weak" in said
