"""`launch/cartoonize.py`: a trained model draws pictures or a film. Here is what the words of its command line mean."""

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path

from cartoon_dist.commands.cartoonize_pictures import draw_pictures
from cartoon_dist.commands.command_lines.cartoonize import parser
from cartoon_dist.config.command_line import SETTING, key_of, parse, read_words
from cartoon_dist.config.commands import CartoonizeSettings, FilmSettings
from cartoon_dist.config.validation_errors import did_you_mean, setting_paths
from cartoon_dist.console.command_names import command_line
from cartoon_dist.console.messages import print_message
from cartoon_dist.data.inputs.search import is_picture, is_video
from cartoon_dist.errors import ConfigError
from cartoon_dist.files.folder_kinds import is_run_or_checkpoint
from cartoon_dist.hub.locate import locate_model
from cartoon_dist.hub.names import SCHEME, parse_name
from cartoon_dist.inference.output_paths import default_target
from cartoon_dist.runs.model_folder import is_model_folder

_MODEL_SUFFIXES = frozenset({".safetensors", ".onnx"})
_OF_FILMS = frozenset(setting_paths(FilmSettings)) - frozenset(setting_paths(CartoonizeSettings))
_OF_PICTURES = frozenset({"format", "quality", "keep_place", "long_side"})
_USAGE = "name a picture, a folder of pictures or a film: {}"


def main(argv: Sequence[str]) -> int:
    """Draw as the command line says; the exit status."""
    arguments, settings = read_command_line(argv)
    source = Path(arguments.input)
    target = Path(arguments.output) if arguments.output else None
    if isinstance(settings, FilmSettings):
        # Imported here: what decodes and encodes films is an extra.
        from cartoon_dist.commands.cartoonize_film import draw_film

        target = target or default_target(source, None)
        return draw_film(locate_model(arguments.model), source, target, settings)
    return draw_pictures(arguments.model, source, target, settings)


def read_command_line(argv: Sequence[str]) -> tuple[argparse.Namespace, CartoonizeSettings]:
    """MODEL, INPUT and OUTPUT as `model`, `input` and `output`, None where there is none, and the settings: those of
    films where INPUT is one by its name. Settings that have no effect on INPUT are told."""
    keys = setting_paths(FilmSettings)
    arguments = parse(parser(), argv, paths=(), keys=keys)
    words = [*arguments.words, *arguments.settings]
    paths = [word for word in words if _is_path(word, keys)]
    settings = [word for word in words if word not in paths]
    arguments.model, arguments.input, arguments.output = _model_input_output(paths)
    del arguments.words, arguments.settings
    read_words(FilmSettings, settings)  # all that is wrong is told, also in a setting that has no effect
    if is_video(arguments.input) and not Path(arguments.input).is_dir():
        _tell_without_effect(settings, _OF_PICTURES, "a film")
        return arguments, read_words(FilmSettings, settings)
    _tell_without_effect(settings, _OF_FILMS, "pictures")
    own = [word for word in settings if key_of(word) not in _OF_FILMS]
    return arguments, read_words(CartoonizeSettings, own)


def _is_path(word: str, keys: Collection[str]) -> bool:
    """A path may look like a setting (`a=b/photo.jpg`) where its key is like none; `./` before it makes it sure."""
    if not SETTING.match(word):
        return True
    if key_of(word) in keys or did_you_mean(key_of(word), keys):
        return False
    return "/" in word or Path(word).exists()


def _model_input_output(paths: Sequence[str]) -> tuple[str | None, str, str | None]:
    """Which path is which; ConfigError for none and for too many."""
    match paths:
        case [source]:
            if _is_model(source):
                raise ConfigError(f"{source}: is a model; {_USAGE.format(command_line('cartoonize', 'MODEL INPUT'))}")
            return None, source, None
        case [first, second]:
            return (first, second, None) if _is_model(first) else (None, first, second)
        case [model, source, target]:
            if is_picture(model) and Path(model).is_file():
                raise ConfigError(
                    f"{model}: is a picture, and the first of three paths is the model; draw several pictures by the "
                    "name of their folder, or one by one"
                )
            return model, source, target
        case []:
            raise ConfigError(_USAGE.format(command_line("cartoonize", "INPUT")))
        case _:
            raise ConfigError(
                f"{paths[3]}: is one path too many after MODEL, INPUT and OUTPUT; draw several pictures by the name of "
                "their folder"
            )


def _is_model(text: str) -> bool:
    """Whether the first of two paths is a model: by its name, or by what is in the folder."""
    path = Path(text)
    if text.startswith(SCHEME) or path.suffix.lower() in _MODEL_SUFFIXES:
        return True
    if path.exists():
        return path.is_dir() and (is_run_or_checkpoint(path) or is_model_folder(path))
    # Where the first part of OWNER/NAME is a folder here, a path with a slip is meant, as `locate_model` has it.
    is_name = parse_name(text) is not None and not Path(path.parts[0]).exists()
    return is_name and not is_picture(text) and not is_video(text)


def _tell_without_effect(settings: Sequence[str], keys: Collection[str], kind: str) -> None:
    for key in dict.fromkeys(map(key_of, settings)):
        if key in keys:
            print_message(f"warning: {key}= has no effect on {kind}")
