"""`launch/cartoonize.py`: a trained model draws pictures."""

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from cartoon_dist.commands.main import EXIT_DONE, EXIT_STOPPED
from cartoon_dist.config.fields import DeviceName
from cartoon_dist.config.reading import read
from cartoon_dist.config.train import DrawSettings
from cartoon_dist.console.first_few import FirstFew
from cartoon_dist.console.messages import count, result, say
from cartoon_dist.console.progress import Progress
from cartoon_dist.data.inputs.search import LeftOut
from cartoon_dist.distributed import devices
from cartoon_dist.errors import PictureError
from cartoon_dist.files.atomic import read_regular, write_whole
from cartoon_dist.image.decode import Damaged, DamagedPictureError, Picture, decode_file, max_file_bytes
from cartoon_dist.image.png import encode_png
from cartoon_dist.inference.batched import Cartoonist, batches, by_torch
from cartoon_dist.inference.output_paths import Page, pages
from cartoon_dist.runs import trained
from cartoon_dist.runs.exported import Facts, copies_photos
from cartoon_dist.runs.trained import Trained

_NUM_NAMED = 20


def main(argv: Sequence[str]) -> int:
    """Draw as the command line says; the exit status."""
    arguments = _parser().parse_intermixed_args(argv)
    left = LeftOut()
    album = pages(arguments.input, arguments.output, left)
    for line in left.lines():
        say(line)
    settings = read(DrawSettings, [], arguments.settings)
    cartoonist = _cartoonist(arguments, settings.device)
    session = _Session(album, cartoonist, max_megapixels=arguments.max_megapixels, damaged=settings.damaged)
    try:
        with devices.without_tf32():  # a drawing is the same on a GPU and on a CPU
            session.run()
    except KeyboardInterrupt:
        say(f"{arguments.output}: stopped; what is drawn is kept, the same command draws all again")
        return EXIT_STOPPED
    finally:
        if session.num_drawn:
            result(_summary(arguments, album, session.num_drawn, left))
    if session.failed:
        raise PictureError(_verdict(session.failed, len(album)))
    return EXIT_DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="launch/cartoonize.py",
        description="Let a trained model draw pictures of any size. Drawings are PNG files of the same size as the "
        "pictures; those of an earlier run are replaced.",
        epilog="example: python launch/cartoonize.py runs/demo shards/samples/photos cartoons",
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        type=Path,
        help="a run folder, a checkpoint in it, or an exported .safetensors or .onnx",
    )
    parser.add_argument("input", metavar="INPUT", type=Path, help="a picture, or a folder that is searched through")
    parser.add_argument(
        "output",
        metavar="OUTPUT",
        type=Path,
        help="a folder outside of INPUT; for a picture also the name of a .png file",
    )
    parser.add_argument(
        "--weights",
        choices=("ema", "raw"),
        help="which weights of a run draw: the running average (default) or the raw ones; an export holds its own",
    )
    parser.add_argument(
        "--megapixels",
        type=_positive,
        default=1.0,
        metavar="N",
        help="larger pictures are drawn in strips, which takes less memory and more time (default 1)",
    )
    parser.add_argument(
        "--max-megapixels",
        type=_positive,
        default=200.0,
        metavar="N",
        help="larger pictures are refused by their header, before they are decoded (default 200)",
    )
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="key=value",
        help="device=auto|cpu|cuda: auto, the default, is CUDA where there is any; damaged=skip|take: whether pictures "
        "that are not whole are skipped, the default, or drawn as far as they can be read",
    )
    return parser


def _positive(word: str) -> float:
    number = float(word)
    if not (number > 0 and math.isfinite(number)):
        raise argparse.ArgumentTypeError(f"{word} is not a number above 0")
    return number


def _cartoonist(arguments: argparse.Namespace, device: DeviceName) -> Cartoonist:
    if arguments.weights and arguments.model.is_file():
        say("warning: --weights has no effect on an export, which holds its own")
    if arguments.model.suffix == ".onnx" and not arguments.model.is_dir():
        # Takes a second to import, and only this kind of model needs it.
        from cartoon_dist.export.exported_model import load_onnx

        if device == "cuda":
            say("warning: device=cuda has no effect on an .onnx, which is drawn with on the CPU")
        onnx = load_onnx(arguments.model)
        _warn_of_copies(arguments.model, onnx.facts)
        return Cartoonist(whole=onnx, strips=None, megapixels=arguments.megapixels)
    held = trained.load(arguments.model, weights=arguments.weights or "ema")
    _warn_of_copies(held.source, held)
    return by_torch(held.generator, devices.choose(device), megapixels=arguments.megapixels)


def _warn_of_copies(source: Path, model: Facts | Trained) -> None:
    if model.is_warmup:
        say(f"warning: {copies_photos(source, model.step)}")


class _Session:
    """Goes through an album; `failed` names the pictures that could not be drawn."""

    def __init__(
        self, album: Sequence[Page], cartoonist: Cartoonist, *, max_megapixels: float, damaged: Damaged
    ) -> None:
        self._album, self._cartoonist, self._max_megapixels = album, cartoonist, max_megapixels
        self._damaged: Damaged = damaged
        self.num_drawn = 0
        self.failed: list[str] = []
        self._skipped, self._warned = FirstFew("skipped"), FirstFew("warnings")
        self._progress = Progress(total=len(album), unit="pictures", label="cartoonize")

    def run(self) -> None:
        """Draw all that can be drawn; PictureError where a drawing cannot be written."""
        with self._progress:
            for batch in batches(self._decoded(), pixels=self._cartoonist.pixels):
                self._draw([page for page, _ in batch], [picture for _, picture in batch])
        self._skipped.end()
        self._warned.end()

    def _decoded(self) -> Iterator[tuple[Page, Picture]]:
        for page in self._album:
            try:
                data = read_regular(page.picture, max_bytes=max_file_bytes(self._max_megapixels))
                decoded = decode_file(data, max_megapixels=self._max_megapixels, damaged=self._damaged)
                if decoded.complaint:
                    line = f"warning: {page.name}: {decoded.complaint}; drawn as it is"
                    self._warned.say(line, decoded.complaint)
                yield page, decoded.picture
            except DamagedPictureError as error:
                self._skip(page, f"{error}; damaged=take draws what can be read of it")
            except PictureError as error:
                self._skip(page, str(error))
            except OSError as error:
                self._skip(page, f"cannot be read ({error.strerror})")
            except MemoryError:
                self._skip(page, "does not fit the memory")

    def _draw(self, some: Sequence[Page], pictures: Sequence[Picture]) -> None:
        def tell(done: int, of: int) -> None:
            self._progress.update(self._num_done, f"{some[0].name}: pass {done} of {of}")

        try:
            drawings = self._cartoonist.draw(pictures, tell=tell)
        except PictureError as error:
            for page in some:
                self._skip(page, str(error))
            return
        for page, drawing in zip(some, drawings, strict=True):
            _write(page.drawing, encode_png(drawing))
            self.num_drawn += 1
            self._progress.update(self._num_done)

    @property
    def _num_done(self) -> int:
        return self.num_drawn + len(self.failed)

    def _skip(self, page: Page, reason: str) -> None:
        self._skipped.say(f"skipped {page.name}: {reason}", reason)
        self.failed.append(page.name)
        self._progress.update(self._num_done)


def _write(drawing: Path, content: bytes) -> None:
    try:
        write_whole(drawing, content)
    except OSError as error:
        raise PictureError(
            f"{drawing}: cannot be written ({error.strerror}); make room or name another output, then run it again"
        ) from None


def _summary(arguments: argparse.Namespace, album: Sequence[Page], num_drawn: int, left: LeftOut) -> str:
    beside = f", {words}" if (words := left.in_words()) else ""
    if len(album) == 1:
        return f"{album[0].drawing}: drawn by {arguments.model}{beside}"
    drawn = f"{count(num_drawn, 'drawing')} of {count(len(album), 'picture')} by {arguments.model}"
    return f"{arguments.output}: {drawn}{beside}"


def _verdict(failed: Sequence[str], num_pictures: int) -> str:
    named = ", ".join(sorted(failed)[:_NUM_NAMED])
    more = f" and {len(failed) - _NUM_NAMED} more" if len(failed) > _NUM_NAMED else ""
    return f"{len(failed)} of {count(num_pictures, 'picture')} could not be drawn: {named}{more}; the reasons are above"
