"""A page as files: it draws in the visitor's own browser, so that no photo leaves their machine, and needs no server
but one that hands out files."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from cartoon_dist.errors import ConfigError
from cartoon_dist.export.onnx_model import to_onnx
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.files.bounded import MAX_EXPORT_BYTES, read_regular
from cartoon_dist.inference.onnx_generator import load_onnx
from cartoon_dist.report import rendering
from cartoon_dist.runs import trained
from cartoon_dist.runs.export_file import ExportMetadata, warmup_warning
from cartoon_dist.web.browser_runtime import VERSION, bring_runtime
from cartoon_dist.web.styles import LONG_SIDES

_log = logging.getLogger(__name__)
_PACKAGE = "cartoon_dist.web"
_ASSETS = ("page.css", "page.js", "worker.js")
_FIRST_LONG_SIDE = 768


@dataclass(frozen=True)
class _PageModel:
    name: str
    file: str
    megabytes: str


def write_static_page(
    models: Mapping[str, Path], folder: Path, *, weights: Literal["ema", "raw"] | None, runtime: Path | None
) -> int:
    """Write the page into a folder, which may hold an earlier one; how many bytes it has in all.

    models: by the names that the page shows, see `styles.style_names`. weights: which of a run's draw. runtime: see
    `browser_runtime.bring_runtime`. A model that is no .onnx yet is exported, ten seconds each. index.html is written
    last. CheckpointError for what is no model; ConfigError where onnxruntime-web cannot be had or the folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is a file; name a folder for the page")
    bring_runtime(folder / "runtime", runtime)
    listed = []
    for name, model in models.items():
        content = _onnx_of(model, weights)
        write_atomically(folder / "models" / f"{name}.onnx", content)
        listed.append(_PageModel(name, f"models/{name}.onnx", f"{len(content) / 1e6:.1f}"))
    for asset in _ASSETS:
        write_atomically(folder / asset, _template(asset))
    write_atomically(folder / "index.html", render(listed))
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def render(models: Sequence[_PageModel]) -> str:
    """The page's HTML."""
    template = rendering.environment(_PACKAGE).get_template("index.html.jinja")
    return template.render(
        models=models, long_sides=LONG_SIDES, first_long_side=_FIRST_LONG_SIDE, runtime_version=VERSION
    )


def _onnx_of(model: Path, weights: Literal["ema", "raw"] | None) -> bytes:
    """The model as an .onnx file: as it is where it is one, else exported from the run or the .safetensors."""
    if model.suffix == ".onnx" and not model.is_dir():
        _warn_of_copies(model, load_onnx(model).facts)  # also refuses what is none of ours
        return read_regular(model, max_bytes=MAX_EXPORT_BYTES)
    source = trained.load(model, weights=weights or "ema")
    facts = ExportMetadata(
        settings=source.settings, weights=source.weights, step=source.step, is_warmup=source.is_warmup
    )
    _warn_of_copies(source.source, facts)
    _log.info("%s: exporting it for the browser, which takes some seconds", model)
    return to_onnx(source.generator, facts)


def _warn_of_copies(source: Path, facts: ExportMetadata) -> None:
    if facts.is_warmup:
        _log.warning("%s", warmup_warning(source, facts.step))


def _template(name: str) -> str:
    return files(_PACKAGE).joinpath("templates", name).read_text(encoding="utf-8")
