"""Folders that travel with the package, and configs by their names."""

from pathlib import Path

import pytest

from cartoon_dist.errors import ConfigError
from cartoon_dist.files.shipped import config_file, config_names, shipped
from tests.running import ROOT


def test_a_clone_has_them_beside_the_package() -> None:
    assert shipped("configs") == ROOT / "configs"
    assert shipped("slurm") == ROOT / "slurm"
    assert shipped("samples") == ROOT / "shards/samples"


def test_configs_are_found_by_name() -> None:
    assert {"hayao", "shinkai", "demo", "ablation/sal", "baseline/animegan"} <= set(config_names())
    assert not [name for name in config_names() if "accelerate" in name]
    for name in config_names():
        assert config_file(name).is_file()
        assert config_file(name).stem == name.rpartition("/")[2]


def test_a_path_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert config_file("missing.yaml") == Path("missing.yaml")  # who reads it says that it is not there
    assert config_file("configs/hayao.yml") == Path("configs/hayao.yml")
    (tmp_path / "mine").write_text("seed: 1")
    assert config_file("mine") == Path("mine")
    (tmp_path / "hayao").mkdir()  # a folder of frames
    assert config_file("hayao") == ROOT / "configs/hayao.yaml"


@pytest.mark.parametrize("word", ["hayo", "accelerate/cpu", "../pyproject", "", "."])
def test_an_unknown_name_lists_those_there_are(word: str) -> None:
    with pytest.raises(ConfigError, match=r"no config has this name; there are ablation/.*, hayao, results, shinkai$"):
        config_file(word)
