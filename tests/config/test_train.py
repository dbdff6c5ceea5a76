"""Settings: merged, checked, all mistakes at once with their paths."""

from pathlib import Path

import pytest
import yaml

from cartoon_dist.config import overrides
from cartoon_dist.config.checks import settings_without_effect
from cartoon_dist.config.reading import check, read
from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import ConfigError
from tests.running import ROOT

ROWS = ["cartoongan", "sal", "sal_cbam", "ressal_cbam"]


def errors(*arguments: str, files: tuple[Path, ...] = ()) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(TrainSettings, files, arguments, run_dir="runs/x")
    return str(caught.value).split("; ")


def test_later_wins_and_the_rest_are_defaults(tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("seed: 1\nloss: {content: {weight: 2, decay: 0.5}}\n")
    second.write_text("loss: {content: {weight: 3}}\n")
    settings = read(TrainSettings, [first, second], ["seed=4", "optimizer.generator=1e-3"], run_dir="runs/x")
    assert (settings.seed, settings.loss.content.weight, settings.loss.content.decay) == (4, 3.0, 0.5)
    assert settings.optimizer.generator == 1e-3
    assert settings.optimizer.discriminator == 2e-4


def test_all_mistakes_at_once_each_with_its_path() -> None:
    mistakes = errors(
        "loss.content.weight=many", "colour=red", "model.depth=3", "precision=no", "batch_size=0", "model.saliency=none"
    )
    paths = {mistake.split(":")[0] for mistake in mistakes}
    assert paths == {
        "loss.content.weight", "colour", "model.depth", "precision", "batch_size", "model.attention"
    }  # fmt: skip
    assert (
        "loss.content.weight: Input should be a valid number, unable to parse string as a number (got 'many')"
        in mistakes
    )
    assert "colour: no such setting, did you mean loss.animegan.colour?" in mistakes


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["model.saliency=none"], "model.attention"),
        (["loss.content.network=vgg16"], "loss.content.layer"),
        (["loss.content.layer=conv9_9"], "loss.content.layer"),
        (["optimizer.milestones=[150,100]"], "optimizer.milestones"),
        (["data.photos=a", "data.cartoons=a"], "data.cartoons"),
        (["data.photos=https://a/b", "data.cartoons=https://a/b/"], "data.cartoons"),
        (["data.photos=https://me:secret@a/b"], "data.photos"),
        (["data.cartoons=http://a/b?token=1"], "data.cartoons"),
        (["data.cartoons=https://a/b#c"], "data.cartoons"),
        (["image_size=30"], "image_size"),
        (["epochs=.inf"], "epochs"),
        (["loss=3"], "loss"),
    ],
)
def test_settings_that_cannot_be_are_refused(arguments: list[str], path: str) -> None:
    assert path in {mistake.split(":")[0] for mistake in errors(*arguments)}


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("epoch=3", "epoch: no such setting, did you mean epochs?"),
        ("batchsize=4", "batchsize: no such setting, did you mean batch_size?"),
        ("loss.contnt.weight=1", "loss.contnt: no such setting, did you mean loss.content?"),
        ("loss.content.weigth=1", "loss.content.weigth: no such setting, did you mean loss.content.weight?"),
        ("channels=32", "channels: no such setting, did you mean model.channels?"),
        ("model.num_block=3", "model.num_block: no such setting, did you mean model.num_blocks?"),
        ("checkpoints.every=3", "checkpoints: no such setting, did you mean checkpoint?"),
        ("zzz=1", "zzz: no such setting"),
    ],
)
def test_a_misspelt_name_gets_a_suggestion(argument: str, message: str) -> None:
    assert message in errors(argument)


def test_an_argument_given_twice_has_its_later_value() -> None:
    assert read(TrainSettings, [], ["seed=1", "seed=2", "run_dir=x"]).seed == 2


@pytest.mark.parametrize(
    "url",
    [
        "https://me:secret@a/b",
        "HTTPS://me:secret@a/b",
        "ftp://me:secret@a/b",
        "s3://key:secret@a/b",
        "simplecache::https://me:secret@a/b",
        "simplecache::sftp://me:secret@a/b",
        "https://a/b?signature=secret",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    for arguments in ([f"data.photos={url}"], [f"data.photos={url}", f"data.cartoons={url}"]):
        message = "; ".join(errors(*arguments))
        assert message.count("the URL carries a password") == len(arguments)
        assert "secret" not in message


def test_addresses_without_a_secret() -> None:
    for url in (
        "github://owner:repository@main/shards",
        "s3://bucket/a@b",
        "simplecache::s3://bucket/a:b@c",
        "sftp://me@a/b",
    ):
        read(TrainSettings, [], [f"data.photos={url}"], run_dir="x")


def test_no_setting_takes_a_bare_yes_or_no() -> None:
    """YAML reads `off` as false: a choice named so could not be typed."""
    from typing import Literal, get_args, get_origin, get_type_hints

    def choices(kind: type) -> set[object]:
        values: set[object] = set()
        for hint in get_type_hints(kind).values():
            if get_origin(hint) is Literal:
                values |= set(get_args(hint))
            elif hasattr(hint, "__dataclass_fields__"):
                values |= choices(hint)
        return values

    for kind in (TrainSettings, ShardSettings):
        for choice in choices(kind):
            assert yaml.safe_load(str(choice)) == choice


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_a_config_is_read_as_any_editor_writes_it(tmp_path: Path, encoding: str, end: str) -> None:
    (tmp_path / "x.yaml").write_bytes(end.join(["run_dir: café", "model:", "  channels: 8"]).encode(encoding))
    settings = read(TrainSettings, [tmp_path / "x.yaml"], [])
    assert (settings.run_dir, settings.model.channels) == ("café", 8)


@pytest.mark.parametrize("content", ["- 1\n- 2\n", "a: [1\n", "\xff\xfea", "a: caf\xe9"])
def test_a_file_that_is_no_config(tmp_path: Path, content: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(content.encode("latin-1"))
    assert str(file) in errors(files=(file,))[0]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "cannot be read" in errors(files=(tmp_path / "no.yaml",))[0]


def test_a_word_without_a_key() -> None:
    assert "key=value" in errors("=3")[0]
    assert "key=value" in errors("loss..content=3")[0]


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_reads_and_comes_back_from_its_own_yaml(path: Path) -> None:
    settings = read(TrainSettings, [path], [], run_dir="runs/x")
    again = check(TrainSettings, yaml.safe_load(yaml.safe_dump(overrides.to_dict(settings))))
    assert again == settings


def test_the_rows_of_table_1_differ_by_a_few_lines() -> None:
    settings = {}
    for row in ROWS:
        path = ROOT / "configs/ablation" / f"{row}.yaml"
        lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
        assert 1 <= len(lines) <= 4
        settings[row] = read(TrainSettings, [ROOT / "configs/hayao.yaml", path], [], run_dir="runs/x")
    assert settings["ressal_cbam"] == read(TrainSettings, [ROOT / "configs/hayao.yaml"], [], run_dir="runs/x")
    original = settings["cartoongan"]
    assert (original.loss.adversarial, original.loss.content.weight, original.loss.content.decay) == ("log", 10, 1)
    assert (settings["sal"].model.saliency, settings["sal"].model.attention) == ("sal", "none")
    assert (settings["sal_cbam"].model.saliency, settings["sal_cbam"].model.attention) == ("sal", "cbam")


def test_settings_without_effect_are_named() -> None:
    arguments = [
        "model.saliency=none",
        "model.attention=none",
        "model.joints=detached",
        "warmup.steps=3",
        "warmup.epochs=4",
    ]
    warnings = settings_without_effect(read(TrainSettings, [], arguments, run_dir="runs/x"))
    assert [line.split(":")[0] for line in warnings] == ["model.joints", "warmup.epochs"]
    assert settings_without_effect(read(TrainSettings, [], [], run_dir="runs/x")) == []


def animegan(*arguments: str) -> TrainSettings:
    files = [ROOT / "configs/hayao.yaml", ROOT / "configs/baseline/animegan.yaml"]
    return read(TrainSettings, files, arguments, run_dir="runs/x")


def test_animegans_config_is_what_was_published() -> None:
    settings = animegan()
    assert (settings.method, settings.batch_size, settings.epochs, settings.data.flip) == ("animegan", 6, 101, False)
    assert (settings.optimizer.generator, settings.optimizer.discriminator, settings.optimizer.betas) == (
        8e-5,
        1.6e-4,
        (0.5, 0.999),
    )
    assert settings.optimizer.milestones == ()
    assert (settings.warmup.epochs, settings.warmup.loss, settings.warmup.learning_rate) == (5, "content", 1e-4)
    content, loss = settings.loss.content, settings.loss.animegan
    assert (content.weight, content.decay, content.network, content.layer) == (1.5, 1, "vgg19", "conv4_4")
    assert (loss.adversarial, loss.style, loss.colour, loss.smoothed) == (300, 3, 10, 0.1)
    assert settings_without_effect(settings) == []


def test_whiteboxs_config_is_what_was_published() -> None:
    files = [ROOT / "configs/hayao.yaml", ROOT / "configs/baseline/whitebox.yaml"]
    settings = read(TrainSettings, files, [], run_dir="runs/x")
    assert (settings.method, settings.batch_size) == ("whitebox", 16)
    assert (settings.warmup.steps, settings.warmup.loss) == (50_000, "pixel")
    assert settings.epochs * 2000 / settings.batch_size == 100_000
    assert (settings.model.channels, settings.model.num_blocks, settings.data.flip) == (32, 4, False)
    optimizer, loss = settings.optimizer, settings.loss.whitebox
    assert (optimizer.generator, optimizer.discriminator, optimizer.betas) == (2e-4, 2e-4, (0.5, 0.99))
    assert (optimizer.milestones, settings.loss.content.weight, settings.loss.content.decay) == ((), 200, 1)
    assert (loss.surface, loss.texture, loss.structure, loss.variation, loss.area) == (0.1, 1, 200, 1e4, 32 * 32 * 512)
    assert loss.segments == 200
    assert settings_without_effect(settings) == []


def test_settings_of_another_method_are_named() -> None:
    arguments = ["loss.adversarial=log", "upsample=resize", "loss.saliency.weight=2", "model.checkpoint_blocks=true"]
    words = ["model.joints=detached", "model.residual=identity", "model.output=change", "model.padding=reflect"]
    warnings = settings_without_effect(animegan(*arguments, *words))
    assert warnings == [
        f"{path}: has no effect with method=animegan"
        for path in (
            "loss.adversarial",
            "loss.saliency.weight",
            "model.checkpoint_blocks",
            "model.joints",
            "model.output",
            "model.residual",
            "upsample",
            "model.padding",
        )
    ]
    words = ["loss.animegan.style=1", "loss.whitebox.segments=20"]
    warnings = settings_without_effect(read(TrainSettings, [], words, run_dir="runs/x"))
    assert warnings == [f"{word.split('=')[0]}: has no effect with method=cartoongan" for word in words]


def test_animegan_with_a_saliency_network_is_refused() -> None:
    message = errors("method=animegan", "model.attention=none")
    assert [line.split(":")[0] for line in message] == ["model.saliency"]


def test_differences_name_paths_and_values() -> None:
    old = {"seed": 0, "loss": {"content": {"weight": 1.0}}, "max_steps": 3}
    new = {"seed": 1, "loss": {"content": {"weight": 2.0}}, "max_steps": 4}
    changes = overrides.differences(old, new, frozenset({"max_steps"}))
    assert changes == ["loss.content.weight: 1.0 -> 2.0", "seed: 0 -> 1"]
