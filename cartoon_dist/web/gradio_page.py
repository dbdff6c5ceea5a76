"""The page that `cartoon-dist web` serves: a photo in, a cartoon of each chosen style out, before and after side by
side."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from cartoon_dist.errors import PictureError
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.image.decode import Picture
from cartoon_dist.image.png import encode_png
from cartoon_dist.image.shrink import shrink
from cartoon_dist.inference.tiled import PassProgress
from cartoon_dist.web.gradio_library import import_gradio
from cartoon_dist.web.styles import LONG_SIDES, PhotoLimits, Style, draw, read_photo

if TYPE_CHECKING:
    from gradio import Blocks

AS_IT_IS = "as it is"
SIZES = (*(f"{side} px" for side in LONG_SIDES), AS_IT_IS)
_FIRST_SIZE = "768 px"
_BEFORE_QUALITY = 92
_SLIDER_HEIGHT = 620


def build_page(
    styles: Sequence[Style],
    limits: PhotoLimits,
    *,
    max_waiting: int,
    keep_seconds: int,
    folder: Path,
    is_stopped: Callable[[], bool],
) -> "Blocks":
    """The page, ready to be served.

    max_waiting: visitors who may wait for their drawing; more are told to come back. keep_seconds: uploads and drawings
    are deleted after so long. folder: for the drawings until gradio has them; the caller deletes it. is_stopped: asked
    while a drawing goes on, which ends when it answers yes.
    """
    gradio = import_gradio()
    names = [style.name for style in styles]
    drawing = Drawing(styles, limits, folder, is_stopped)
    period = min(keep_seconds, 60)
    with gradio.Blocks(
        title="Turn a photo into a cartoon",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(period, keep_seconds),
    ) as page:
        gradio.Markdown("# Turn a photo into a cartoon\nDrop a photo, paste it or take one with the camera.")
        with gradio.Row():
            with gradio.Column(scale=1, min_width=300):
                photo = _photo_input(gradio)
                chosen = gradio.CheckboxGroup(names, value=names, label="Styles", visible=len(names) > 1)
                size = gradio.Radio(
                    list(SIZES), value=_FIRST_SIZE, label="Size", info="the long side; larger takes longer"
                )
                button = gradio.Button("Draw", variant="primary")
                status = gradio.Markdown(_privacy_note(keep_seconds))
            with gradio.Column(scale=2, min_width=320):
                with gradio.Row():
                    sliders = [_slider(gradio, style.name) for style in styles]
                download = gradio.File(label="Download (PNG)", file_count="multiple", visible=False)

        def run(
            photo: str | None,
            chosen: list[str],
            size: str,
            progress: Any = gradio.Progress(),  # noqa: B008 (how gradio knows that there is a progress to show)
        ) -> Iterator[list[Any]]:
            yield from drawing.run(photo, chosen, size, progress)

        button.click(
            run,
            inputs=[photo, chosen, size],
            outputs=[*sliders, download, status],
            api_name="draw",
            concurrency_limit=1,  # one drawing takes all processors, or the one GPU
        )
    page.queue(max_size=max_waiting, default_concurrency_limit=1)
    return page


def stylesheet() -> str:
    """The page's own CSS, over gradio's."""
    return files("cartoon_dist.web").joinpath("templates", "gradio.css").read_text(encoding="utf-8")


def _photo_input(gradio: Any) -> Any:
    """A photo whose file reaches the drawing as it was uploaded: gradio itself would turn, convert or refuse it."""
    photo = gradio.Image(
        label="Photo", sources=["upload", "webcam", "clipboard"], type="filepath", format="png", height=340, buttons=[]
    )

    def path_of(payload: Any) -> str | None:
        return None if payload is None else payload.path

    # Not by a class of our own: gradio writes a .pyi file beside the source of each.
    photo.preprocess = path_of
    return photo


def _slider(gradio: Any, name: str) -> Any:
    return gradio.ImageSlider(
        label=name,
        type="filepath",
        format="png",
        interactive=False,
        min_width=320,
        max_height=_SLIDER_HEIGHT,
        buttons=["fullscreen"],
    )


def _privacy_note(keep_seconds: int) -> str:
    kept = f"{keep_seconds / 60:g} min" if keep_seconds >= 60 else f"{keep_seconds} s"
    return f"Photos and drawings are deleted from this server after {kept}."


class Drawing:
    """What happens when a visitor asks for a drawing. folder, is_stopped: as `build_page` takes them."""

    def __init__(
        self, styles: Sequence[Style], limits: PhotoLimits, folder: Path, is_stopped: Callable[[], bool]
    ) -> None:
        self._styles, self._limits, self._folder, self._is_stopped = styles, limits, folder, is_stopped
        self._gradio = import_gradio()

    def run(self, photo: str | None, chosen: list[str], size: str, progress: Any) -> Iterator[list[Any]]:
        """The outputs after each style: all sliders, the files to download, a line on what was drawn.

        Where the iterator is closed before its end, the styles that are left are not drawn, and no file stays.
        """
        picture = self._photo(photo, size)
        styles = [style for style in self._styles if style.name in chosen]
        if not styles:
            raise self._gradio.Error("Choose a style.", print_exception=False)
        began = time.monotonic()
        with tempfile.TemporaryDirectory(dir=self._folder) as made:
            before = Path(made) / "photo.jpg"
            _, encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _BEFORE_QUALITY])
            write_atomically(before, encoded.tobytes())
            drawn: dict[str, Path] = {}
            for style in styles:
                path = Path(made) / f"{Path(photo or '').stem[:60] or 'photo'}-{style.name}.png"
                tell = self._teller(progress, style.name, len(drawn), len(styles))
                write_atomically(path, encode_png(self._cartoon(style, picture, tell)))
                drawn[style.name] = path
                yield self._outputs(chosen, before, drawn, _in_words(picture, len(drawn), time.monotonic() - began))

    def _photo(self, path: str | None, size: str) -> Picture:
        if path is None:
            raise self._gradio.Error("Choose a photo first.", print_exception=False)
        if size not in SIZES:
            raise self._gradio.Error("Choose a size.", print_exception=False)
        try:
            photo = read_photo(Path(path), self._limits)
        except PictureError as error:
            raise self._refusal(error) from None
        return shrink(photo, None if size == AS_IT_IS else int(size.removesuffix(" px")))

    def _teller(self, progress: Any, name: str, num_done: int, num_styles: int) -> PassProgress:
        """Shows how far the drawing is, and gives it up where the server is to stop."""

        def tell(done: int, of: int) -> None:
            if self._is_stopped():
                raise self._gradio.Error("The server was stopped.", print_exception=False)
            progress((num_done + done / max(of, 1)) / num_styles, desc=name)

        return tell

    def _cartoon(self, style: Style, picture: Picture, tell: PassProgress) -> Picture:
        tell(0, 1)
        try:
            return draw(style, picture, self._limits, tell)
        except PictureError as error:
            raise self._refusal(error) from None

    def _refusal(self, error: PictureError) -> Exception:
        text = str(error)
        refusal: Exception = self._gradio.Error(text[:1].upper() + text[1:], print_exception=False)
        return refusal

    def _outputs(self, chosen: Sequence[str], before: Path, drawn: dict[str, Path], words: str) -> list[Any]:
        update = self._gradio.update
        sliders = [
            update(
                value=(str(before), str(drawn[style.name])) if style.name in drawn else None,
                visible=style.name in chosen,
            )
            for style in self._styles
        ]
        return [*sliders, update(value=[str(path) for path in drawn.values()], visible=True), words]


def _in_words(picture: Picture, num_drawn: int, seconds: float) -> str:
    height, width = picture.shape[:2]
    drawings = "" if num_drawn == 1 else f", {num_drawn} drawings"
    return f"{width} x {height} pixels{drawings}, {seconds:.1f} s"
