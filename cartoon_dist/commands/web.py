"""`cartoon-dist web`: a page to try models in a browser, served from here, or as files that draw in any browser."""

import argparse
import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path

from cartoon_dist import extras
from cartoon_dist.commands.command_lines.web import parser
from cartoon_dist.commands.main import EXIT_DONE
from cartoon_dist.config.command_line import SETTING, parse, read_words
from cartoon_dist.config.commands import WebSettings
from cartoon_dist.config.validation_errors import setting_paths
from cartoon_dist.console.escape import shell_quoted
from cartoon_dist.console.messages import pluralize, print_message, print_result
from cartoon_dist.hub.locate import locate_model
from cartoon_dist.web import server
from cartoon_dist.web.static_page import write_static_page
from cartoon_dist.web.styles import PhotoLimits, load_styles, style_names


def main(argv: Sequence[str]) -> int:
    """Serve the page until it is stopped, or write it; the exit status."""
    arguments, settings = read_command_line(argv)
    models = _models(arguments.models)
    if arguments.static:
        _write(models, Path(arguments.static), settings)
    else:
        _serve(models, settings)
    return EXIT_DONE


def read_command_line(argv: Sequence[str]) -> tuple[argparse.Namespace, WebSettings]:
    """The models as `models`, the folder of --static as `static`, and the settings."""
    arguments = parse(parser(), argv, paths=(), keys=setting_paths(WebSettings))
    words: list[str] = arguments.settings
    arguments.models = [word for word in words if not SETTING.match(word)]
    return arguments, read_words(WebSettings, [word for word in words if SETTING.match(word)])


def _models(words: Sequence[str]) -> dict[str, Path]:
    """The models by the names that the page shows; the built-in one where there are no words."""
    if not words:
        model = locate_model(None)
        return {model.stem: model}
    return dict(zip(style_names(words), map(locate_model, words), strict=True))


def _serve(models: Mapping[str, Path], settings: WebSettings) -> None:
    extras.require("web")  # before anything is loaded
    listening = server.open_socket(settings.host, settings.port)
    with listening:
        if not is_this_machine_alone(settings.host):
            print_message(f"warning: host={settings.host}: anyone in the network can open the page and send it photos")
        styles = load_styles(models, weights=settings.weights, device=settings.device, megapixels=settings.megapixels)
        address = server.address_of(listening)

        def tell() -> None:
            print_message(f"{pluralize(len(styles), 'model')}: open {address} in a browser; Ctrl-C ends it")

        server.serve(
            styles,
            PhotoLimits(
                max_bytes=round(settings.max_upload_megabytes * 1e6),
                max_megapixels=settings.max_megapixels,
                max_drawn_megapixels=settings.max_drawn_megapixels,
            ),
            listening,
            max_waiting=settings.max_waiting,
            keep_seconds=max(1, round(settings.keep_minutes * 60)),
            on_ready=tell,
        )
    print_result(f"{address}: stopped; photos and drawings are deleted")


def is_this_machine_alone(host: str) -> bool:
    """Whether only this machine itself can reach what listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _write(models: Mapping[str, Path], folder: Path, settings: WebSettings) -> None:
    runtime = Path(settings.runtime) if settings.runtime else None
    written = write_static_page(models, folder, weights=settings.weights, runtime=runtime)
    print_message(
        f"try it: python -m http.server --bind 127.0.0.1 --directory {shell_quoted(folder)} 8000, then open "
        "http://127.0.0.1:8000/"
    )
    print_result(
        f"{folder / 'index.html'}: a page that draws in the visitor's browser by {pluralize(len(models), 'model')}, "
        f"{written / 1e6:.0f} MB in all"
    )
