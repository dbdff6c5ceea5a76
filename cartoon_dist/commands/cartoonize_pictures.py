"""`launch/cartoonize.py` where INPUT is a picture or a folder of pictures."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cartoon_dist.commands.main import EXIT_DONE, EXIT_STOPPED
from cartoon_dist.config.commands import CartoonizeSettings
from cartoon_dist.console.limited_messages import LimitedMessages
from cartoon_dist.console.messages import pluralize, print_message, print_result
from cartoon_dist.console.progress import Progress
from cartoon_dist.cpu.beside import InOrder, map_ahead, num_threads_beside
from cartoon_dist.data.inputs.not_pictures import why_not_drawn
from cartoon_dist.data.inputs.search import IgnoredFiles
from cartoon_dist.errors import PictureError
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.files.bounded import read_regular
from cartoon_dist.gpu.tf32 import without_tf32
from cartoon_dist.hub.locate import locate_model
from cartoon_dist.image.decode import DamagedPictureError, Picture, decode_file, max_file_bytes
from cartoon_dist.image.encode import DEFAULT_QUALITY, encode, require_side
from cartoon_dist.image.exif_copy import kept_exif
from cartoon_dist.image.quick_size import estimated_pixels
from cartoon_dist.image.shrink import shrink
from cartoon_dist.image.srgb import srgb_profile
from cartoon_dist.inference.batched import Cartoonizer, batch_by_size
from cartoon_dist.inference.load import load_to_draw
from cartoon_dist.inference.output_paths import OutputPath, default_target, output_paths

_NUM_NAMED = 20
_MAX_ASKED = 2000
"""Of how many pictures the size is asked for before the first is drawn; on a network disk each takes milliseconds."""
_LARGE_PIXELS, _SHORTER = 3e6, 1600
"""From this size on a drawing of the built-in model looks much like the photo; and the long side that is named then."""
_MAX_DECODED_PIXELS = 100e6
"""Of pictures that are decoded ahead of a drawing on a GPU."""


def draw_pictures(model: str | None, source: Path, target: Path | None, settings: CartoonizeSettings) -> int:
    """Draw a picture, or those of a folder, with a model (None: the built-in one) into `target` (None: beside the
    source); the exit status.

    PictureError, at the end, where some could not be drawn; ConfigError and CheckpointError before anything is.
    """
    target = target or default_target(source, settings.format)
    ignored = IgnoredFiles()
    outputs = output_paths(source, target, ignored, file_format=settings.format)
    if settings.quality is not None and all(output.file_format == "png" for output in outputs):
        print_message("warning: quality= has no effect on PNG, which keeps every pixel; see format=")
    for path in ignored.paths:
        print_message(f"not drawn: {path}: {why_not_drawn(path)}")
    for line in ignored.lines():
        print_message(line)
    loaded = load_to_draw(locate_model(model), settings)
    session = _Session(outputs, loaded.cartoonizer, settings)
    if model is None and settings.long_side is None and (num := session.num_larger(_LARGE_PIXELS)):
        print_message(
            f"{pluralize(num, 'picture')} of over {_LARGE_PIXELS / 1e6:.0f} megapixels: the built-in model's strokes "
            f"are some pixels wide; long_side={_SHORTER} makes pictures smaller first: strokes show, and it is faster"
        )
    try:
        with without_tf32():  # a drawing is the same on a GPU and on a CPU
            session.run()
    except KeyboardInterrupt:
        print_message(f"{target}: stopped; what is drawn is kept, the same command draws all again")
        return EXIT_STOPPED
    finally:
        if session.num_drawn:
            by = "the built-in model" if model is None else str(Path(model))
            print_result(_summary(by, target, outputs, session.num_drawn, ignored))
    if session.failed:
        raise PictureError(_failure(session.failed, len(outputs)))
    return EXIT_DONE


@dataclass(frozen=True)
class _Waiting:
    """A decoded picture's output, and what its drawing says of it: EXIF, and whether it had a colour profile."""

    output: OutputPath
    exif: bytes
    has_profile: bool


@dataclass(frozen=True)
class _NotDecoded:
    """A picture that cannot be drawn, and why."""

    output: OutputPath
    reason: str


_Decoded = tuple[_Waiting, Picture, str]
"""A picture, and what is wrong with its file where it is drawn all the same."""


class _Session:
    """Draws all outputs; `failed` names the pictures that could not be drawn.

    Where the drawing leaves the CPU free, threads decode ahead of it and encode behind it, and the next batch is begun
    before the one under way is waited for. What is told is told in the pictures' order.
    """

    def __init__(self, outputs: Sequence[OutputPath], cartoonizer: Cartoonizer, settings: CartoonizeSettings) -> None:
        self._outputs, self._cartoonizer, self._settings = outputs, cartoonizer, settings
        self.num_drawn = 0
        self.failed: list[str] = []
        self._skipped, self._warned = LimitedMessages("skipped"), LimitedMessages("warnings")
        pixels = estimated_pixels([output.picture for output in outputs], max_asked=_MAX_ASKED)
        self._pixels = dict(zip((output.name for output in outputs), pixels, strict=True))
        self._pixels_done = 0.0
        self._progress = Progress(total=len(outputs), unit="pictures", label="cartoonize", work=sum(pixels))

    def num_larger(self, pixels: float) -> int:
        """How many pictures have more pixels, as far as their headers tell."""
        return sum(of > pixels for of in self._pixels.values())

    def run(self) -> None:
        """Draw all that can be drawn; PictureError where a drawing cannot be written."""
        num_threads = num_threads_beside(leaves_the_cpu_free=self._cartoonizer.leaves_the_cpu_free)
        with self._progress, ThreadPoolExecutor(num_threads) if num_threads else nullcontext() as pool:
            writing = InOrder(pool, self._tell_drawn, max_waiting=2 * num_threads)
            try:
                self._draw_all(pool, writing)
                writing.finish()
            finally:
                writing.stop()
        self._skipped.print_summary()
        self._warned.print_summary()

    def _draw_all(self, pool: ThreadPoolExecutor | None, writing: InOrder[OutputPath]) -> None:
        finish: Callable[[], None] = lambda: None  # noqa: E731
        for batch in batch_by_size(self._decoded(pool), max_pixels=self._cartoonizer.max_batch_pixels):
            begun = self._begin(batch, writing)
            finish()
            finish = begun
            if pool is None:
                finish()
                finish = lambda: None  # noqa: E731
        finish()

    def _decoded(self, pool: ThreadPoolExecutor | None) -> Iterator[tuple[_Waiting, Picture]]:
        every = map_ahead(
            self._decode,
            self._outputs,
            pool,
            cost=lambda output: self._pixels[output.name],
            max_cost=_MAX_DECODED_PIXELS,
        )
        for one in every:
            if isinstance(one, _NotDecoded):
                self._skip(one.output, one.reason)
                continue
            waiting, picture, complaint = one
            if complaint:
                self._warned.print(f"warning: {waiting.output.name}: {complaint}; drawn as it is", complaint)
            yield waiting, picture

    def _decode(self, output: OutputPath) -> _Decoded | _NotDecoded:
        max_megapixels = self._settings.max_megapixels
        try:
            data = read_regular(output.picture, max_bytes=max_file_bytes(max_megapixels))
            decoded = decode_file(data, max_megapixels=max_megapixels, damaged=self._settings.damaged)
            picture = shrink(decoded.picture, self._settings.long_side)
            height, width = picture.shape[:2]
            require_side(height, width, output.file_format)
            exif = kept_exif(decoded.exif, keep_place=self._settings.keep_place)
            return _Waiting(output, exif, decoded.has_profile), picture, decoded.complaint or ""
        except DamagedPictureError as error:
            return _NotDecoded(output, f"{error}; damaged=take draws what can be read of it")
        except PictureError as error:
            return _NotDecoded(output, str(error))
        except OSError as error:
            return _NotDecoded(output, f"cannot be read ({error.strerror})")
        except MemoryError:
            return _NotDecoded(output, "does not fit the memory")

    def _begin(self, batch: Sequence[tuple[_Waiting, Picture]], writing: InOrder[OutputPath]) -> Callable[[], None]:
        """Begin to draw a batch; what this returns waits for it and has it written."""

        def tell(done: int, of: int) -> None:
            name = batch[0][0].output.name
            pixels = self._pixels_done + done / of * self._pixels[name]
            self._progress.update(self._num_done, f"{name}: pass {done} of {of}", work=pixels)

        def skip(error: PictureError) -> None:
            for waiting, _ in batch:
                self._skip(waiting.output, str(error))

        try:
            drawings = self._cartoonizer.start([picture for _, picture in batch], on_pass=tell)
        except PictureError as error:
            skip(error)
            return lambda: None

        def finish() -> None:
            try:
                drawn = drawings()
            except PictureError as error:
                skip(error)
                return
            for (waiting, _), drawing in zip(batch, drawn, strict=True):
                writing.add(partial(self._write, waiting, drawing))

        return finish

    def _write(self, waiting: _Waiting, drawing: Picture) -> OutputPath:
        _write(waiting.output.path, self._encoded(drawing, waiting))
        return waiting.output

    def _encoded(self, drawing: Picture, waiting: _Waiting) -> bytes:
        return encode(
            drawing,
            waiting.output.file_format,
            quality=self._settings.quality or DEFAULT_QUALITY,
            exif=waiting.exif,
            icc=srgb_profile() if waiting.has_profile else None,
        )

    @property
    def _num_done(self) -> int:
        return self.num_drawn + len(self.failed)

    def _skip(self, output: OutputPath, reason: str) -> None:
        self._skipped.print(f"skipped {output.name}: {reason}", reason)
        self.failed.append(output.name)
        self._tell_done(output)

    def _tell_drawn(self, output: OutputPath) -> None:
        self.num_drawn += 1
        self._tell_done(output)

    def _tell_done(self, output: OutputPath) -> None:
        self._pixels_done += self._pixels[output.name]
        self._progress.update(self._num_done, work=self._pixels_done)


def _write(drawing: Path, content: bytes) -> None:
    try:
        write_atomically(drawing, content)
    except OSError as error:
        raise PictureError(
            f"{drawing}: cannot be written ({error.strerror}); make room or name another output, then run it again"
        ) from None


def _summary(model: str, target: Path, outputs: Sequence[OutputPath], num_drawn: int, ignored: IgnoredFiles) -> str:
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
