"""`launch/cartoonize.py`: a trained model draws pictures."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from cartoon_dist.commands.command_lines.cartoonize import parser
from cartoon_dist.commands.main import EXIT_DONE, EXIT_STOPPED
from cartoon_dist.config.command_line import parse, read_words
from cartoon_dist.config.commands import CartoonizeSettings
from cartoon_dist.config.validation_errors import setting_paths
from cartoon_dist.console.limited_messages import LimitedMessages
from cartoon_dist.console.messages import pluralize, print_message, print_result
from cartoon_dist.console.progress import Progress
from cartoon_dist.data.inputs.search import IgnoredFiles
from cartoon_dist.distributed import devices
from cartoon_dist.errors import PictureError
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.files.bounded import read_regular
from cartoon_dist.image.decode import DamagedPictureError, Picture, decode_file, max_file_bytes
from cartoon_dist.image.png import encode_png
from cartoon_dist.inference.batched import Cartoonizer, batch_by_size
from cartoon_dist.inference.load import load_model
from cartoon_dist.inference.output_paths import OutputPath, output_paths

_NUM_NAMED = 20


def main(argv: Sequence[str]) -> int:
    """Draw as the command line says; the exit status."""
    arguments, settings = read_command_line(argv)
    model, source, target = Path(arguments.model), Path(arguments.input), Path(arguments.output)
    ignored = IgnoredFiles()
    outputs = output_paths(source, target, ignored)
    for line in ignored.lines():
        print_message(line)
    loaded = load_model(model, weights=settings.weights, device=settings.device, megapixels=settings.megapixels)
    session = _Session(outputs, loaded.cartoonizer, settings)
    try:
        with devices.without_tf32():  # a drawing is the same on a GPU and on a CPU
            session.run()
    except KeyboardInterrupt:
        print_message(f"{target}: stopped; what is drawn is kept, the same command draws all again")
        return EXIT_STOPPED
    finally:
        if session.num_drawn:
            print_result(_summary(model, target, outputs, session.num_drawn, ignored))
    if session.failed:
        raise PictureError(_failure(session.failed, len(outputs)))
    return EXIT_DONE


def read_command_line(argv: Sequence[str]) -> tuple[argparse.Namespace, CartoonizeSettings]:
    """MODEL, INPUT and OUTPUT as `model`, `input` and `output`, and the settings."""
    arguments = parse(parser(), argv, paths=("model", "input", "output"), keys=setting_paths(CartoonizeSettings))
    return arguments, read_words(CartoonizeSettings, arguments.settings)


class _Session:
    """Draws all outputs; `failed` names the pictures that could not be drawn."""

    def __init__(self, outputs: Sequence[OutputPath], cartoonizer: Cartoonizer, settings: CartoonizeSettings) -> None:
        self._outputs, self._cartoonizer = outputs, cartoonizer
        self._max_megapixels, self._damaged = settings.max_megapixels, settings.damaged
        self.num_drawn = 0
        self.failed: list[str] = []
        self._skipped, self._warned = LimitedMessages("skipped"), LimitedMessages("warnings")
        self._progress = Progress(total=len(outputs), unit="pictures", label="cartoonize")

    def run(self) -> None:
        """Draw all that can be drawn; PictureError where a drawing cannot be written."""
        with self._progress:
            for batch in batch_by_size(self._decoded(), max_pixels=self._cartoonizer.max_batch_pixels):
                self._draw([output for output, _ in batch], [picture for _, picture in batch])
        self._skipped.print_summary()
        self._warned.print_summary()

    def _decoded(self) -> Iterator[tuple[OutputPath, Picture]]:
        for output in self._outputs:
            try:
                data = read_regular(output.picture, max_bytes=max_file_bytes(self._max_megapixels))
                decoded = decode_file(data, max_megapixels=self._max_megapixels, damaged=self._damaged)
                if decoded.complaint:
                    line = f"warning: {output.name}: {decoded.complaint}; drawn as it is"
                    self._warned.print(line, decoded.complaint)
                yield output, decoded.picture
            except DamagedPictureError as error:
                self._skip(output, f"{error}; damaged=take draws what can be read of it")
            except PictureError as error:
                self._skip(output, str(error))
            except OSError as error:
                self._skip(output, f"cannot be read ({error.strerror})")
            except MemoryError:
                self._skip(output, "does not fit the memory")

    def _draw(self, outputs: Sequence[OutputPath], pictures: Sequence[Picture]) -> None:
        def tell(done: int, of: int) -> None:
            self._progress.update(self._num_done, f"{outputs[0].name}: pass {done} of {of}")

        try:
            drawings = self._cartoonizer.cartoonize(pictures, on_pass=tell)
        except PictureError as error:
            for output in outputs:
                self._skip(output, str(error))
            return
        for output, drawing in zip(outputs, drawings, strict=True):
            _write(output.path, encode_png(drawing))
            self.num_drawn += 1
            self._progress.update(self._num_done)

    @property
    def _num_done(self) -> int:
        return self.num_drawn + len(self.failed)

    def _skip(self, output: OutputPath, reason: str) -> None:
        self._skipped.print(f"skipped {output.name}: {reason}", reason)
        self.failed.append(output.name)
        self._progress.update(self._num_done)


def _write(drawing: Path, content: bytes) -> None:
    try:
        write_atomically(drawing, content)
    except OSError as error:
        raise PictureError(
            f"{drawing}: cannot be written ({error.strerror}); make room or name another output, then run it again"
        ) from None


def _summary(model: Path, target: Path, outputs: Sequence[OutputPath], num_drawn: int, ignored: IgnoredFiles) -> str:
    beside = f", {words}" if (words := ignored.in_words()) else ""
    if len(outputs) == 1:
        return f"{outputs[0].path}: drawn by {model}{beside}"
    drawn = f"{pluralize(num_drawn, 'drawing')} of {pluralize(len(outputs), 'picture')} by {model}"
    return f"{target}: {drawn}{beside}"


def _failure(failed: Sequence[str], num_pictures: int) -> str:
    named = ", ".join(sorted(failed)[:_NUM_NAMED])
    more = f" and {len(failed) - _NUM_NAMED} more" if len(failed) > _NUM_NAMED else ""
    pictures = pluralize(num_pictures, "picture")
    return f"{len(failed)} of {pictures} could not be drawn: {named}{more}; the reasons are above"
