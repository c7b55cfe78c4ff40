"""Drawable: poses in a picture, drawn on it: for a file, a window or a notebook."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from poseline.errors import OutputError, SettingsError
from poseline.frame import Pixels
from poseline.pose import UNTRACKED, Poses
from poseline.results.pictured import Pictured
from poseline.settings import OverlaySettings
from poseline.skeleton import Skeleton

if TYPE_CHECKING:
    from PIL.Image import Image

    from poseline.overlay import Colour

ColorMode = Literal["class", "instance"]
_FONT = "Arial.ttf"
_TEXT_COLOUR = (255, 255, 255)


class Drawable(Pictured):
    """What can be drawn of the poses in one picture."""

    path: str
    names: dict[int, str]
    skeleton: Skeleton

    @property
    def poses(self) -> Poses:
        """The poses, in pixels of the picture."""
        raise NotImplementedError

    @overload
    def plot(
        self, conf: bool = ..., line_width: float | None = ..., font_size: float | None = ..., font: str = ...,
        pil: Literal[False] = ..., img: NDArray[Any] | None = ..., kpt_radius: float | None = ...,
        kpt_line: bool = ..., labels: bool = ..., boxes: bool = ..., masks: bool = ..., probs: bool = ...,
        show: bool = ..., save: bool = ..., filename: str | Path | None = ..., color_mode: ColorMode | None = ...,
        txt_color: tuple[int, int, int] = ...,
    ) -> Pixels: ...  # fmt: skip

    @overload
    def plot(
        self, conf: bool = ..., line_width: float | None = ..., font_size: float | None = ..., font: str = ...,
        *, pil: Literal[True], img: NDArray[Any] | None = ..., kpt_radius: float | None = ...,
        kpt_line: bool = ..., labels: bool = ..., boxes: bool = ..., masks: bool = ..., probs: bool = ...,
        show: bool = ..., save: bool = ..., filename: str | Path | None = ..., color_mode: ColorMode | None = ...,
        txt_color: tuple[int, int, int] = ...,
    ) -> Image: ...  # fmt: skip

    def plot(
        self,
        conf: bool = True,
        line_width: float | None = None,
        font_size: float | None = None,
        font: str = _FONT,
        pil: bool = False,
        img: NDArray[Any] | None = None,
        kpt_radius: float | None = None,
        kpt_line: bool = True,
        labels: bool = True,
        boxes: bool = True,
        masks: bool = True,  # noqa: ARG002 - no pose model has masks to draw
        probs: bool = True,  # noqa: ARG002 - nor probabilities of a whole picture
        show: bool = False,
        save: bool = False,
        filename: str | Path | None = None,
        color_mode: ColorMode | None = None,
        txt_color: tuple[int, int, int] = _TEXT_COLOUR,
    ) -> Pixels | Image:
        """Draw the poses on a copy of the picture.

        Args:
            conf: write scores.
            line_width: pixels; by the picture's size if None.
            font_size: height of text in pixels; by the picture's size if None.
            font: only the default: text is in OpenCV's own letters.
            pil: return a PIL picture (RGB).
            img: draw on a copy of this (H, W, 3) uint8 BGR picture, not of `orig_img`.
            kpt_radius: radius of a keypoint in pixels; by the picture's size if None.
            kpt_line: join the keypoints.
            labels: write ids, or class names where there are no ids.
            boxes: draw boxes, with scores and labels; without boxes there are none.
            masks: without effect: pose models have none.
            probs: without effect: pose models have none.
            show: show it in the notebook, or open a window and wait until a key is pressed or the window is closed.
            save: write the picture to `filename`.
            filename: where to; results_NAME of the picture in the current folder if None.
            color_mode: boxes in a colour for each "class", or for each "instance": each id, or each person where there
                are no ids; None: a colour for each id, and one for all persons without.
            txt_color: only the default: labels are black or white, whichever is easier to read.

        Returns:
            (H, W, 3) uint8 BGR, or a PIL picture.

        Raises:
            OutputError: the picture cannot be written, or no window can be opened to show it.
            SettingsError: a value cannot be: the text says what can.
        """
        _refuse(font, txt_color, color_mode)
        _check_sizes(line_width=line_width, font_size=font_size, kpt_radius=kpt_radius)
        settings = _settings(boxes, labels, conf, line_width, font_size)
        texts = None if labels else [f"{score:.2f}" for score in self.poses.scores.tolist()]
        picture = self._drawn(img, settings, kpt_radius, kpt_line, color_mode, texts)
        if save:
            self._write(picture, filename)
        if show:
            _show(picture, self.path)
        return _pil(picture) if pil else picture

    def show(
        self,
        conf: bool = True,
        line_width: float | None = None,
        font_size: float | None = None,
        font: str = _FONT,
        pil: bool = False,
        img: NDArray[Any] | None = None,
        kpt_radius: float | None = None,
        kpt_line: bool = True,
        labels: bool = True,
        boxes: bool = True,
        masks: bool = True,
        probs: bool = True,
        *,
        save: bool = False,
        filename: str | Path | None = None,
        color_mode: ColorMode | None = None,
        txt_color: tuple[int, int, int] = _TEXT_COLOUR,
    ) -> None:
        """Show the drawn picture, in the notebook or in a window: `plot` with `show`, and with its arguments."""
        del pil  # of what `plot` returns
        self.plot(
            conf, line_width, font_size, font, False, img, kpt_radius, kpt_line, labels, boxes, masks, probs,
            show=True, save=save, filename=filename, color_mode=color_mode, txt_color=txt_color,
        )  # fmt: skip

    def save(
        self,
        filename: str | Path | None = None,
        conf: bool = True,
        line_width: float | None = None,
        font_size: float | None = None,
        font: str = _FONT,
        pil: bool = False,
        img: NDArray[Any] | None = None,
        kpt_radius: float | None = None,
        kpt_line: bool = True,
        labels: bool = True,
        boxes: bool = True,
        masks: bool = True,
        probs: bool = True,
        *,
        show: bool = False,
        color_mode: ColorMode | None = None,
        txt_color: tuple[int, int, int] = _TEXT_COLOUR,
    ) -> str:
        """Write the drawn picture, as `plot` with these arguments draws it.

        Returns:
            The name of the file: `filename`, with `.jpg` behind a suffix that is no picture's.

        Raises:
            OutputError: it cannot be written.
        """
        del pil  # of what `plot` returns
        drawn = self.plot(
            conf, line_width, font_size, font, False, img, kpt_radius, kpt_line, labels, boxes, masks, probs,
            color_mode=color_mode, txt_color=txt_color,
        )  # fmt: skip
        written = str(self._write(drawn, filename))
        if show:
            _show(drawn, self.path)
        return written

    def _repr_png_(self) -> bytes:
        """The drawn picture, for a notebook."""
        return _png(self.plot())

    def _drawn(
        self,
        img: NDArray[Any] | None,
        settings: OverlaySettings,
        kpt_radius: float | None,
        kpt_line: bool,
        color_mode: ColorMode | None,
        labels: list[str] | None,
    ) -> Pixels:
        from poseline.overlay import BgrCanvas, Style, draw_poses

        picture = self._pixels.copy() if img is None else _canvas(img)
        style = Style.of(settings, picture.shape[1], picture.shape[0])
        if kpt_radius is not None:
            style = replace(style, radius=max(1, round(kpt_radius)))
        skeleton = self.skeleton if kpt_line else replace(self.skeleton, edges=())
        colours = _colours(self.poses, color_mode)
        draw_poses(BgrCanvas(picture), self.poses, skeleton, style, self.names, colours, labels)
        return picture

    def _write(self, picture: Pixels, filename: str | Path | None) -> Path:
        from poseline.output import save_image

        target = Path(filename) if filename else Path(f"results_{Path(self.path).name or 'image0.jpg'}")
        if Path(self.path).exists() and target.exists() and target.samefile(self.path):
            raise OutputError(f"{target}: is the picture itself; give another filename")
        return save_image(picture, target)


def _refuse(font: str, txt_color: tuple[int, int, int], color_mode: ColorMode | None) -> None:
    if font != _FONT:
        raise SettingsError(f"font: {font!r} cannot be had; text is in OpenCV's own letters. Leave font out")
    if tuple(txt_color) != _TEXT_COLOUR:
        raise SettingsError(
            "txt_color: is for the text of classification models; labels here are black or white, whichever is easier "
            "to read. Leave txt_color out"
        )
    if color_mode not in (None, "class", "instance"):
        raise SettingsError(f"color_mode: {color_mode!r} must be 'class', 'instance' or None")


def _check_sizes(**pixels: float | None) -> None:
    for name, size in pixels.items():
        if size is not None and not size > 0:
            raise SettingsError(f"{name}: must be more than 0 pixels, or None, not {size}")


def _settings(
    boxes: bool, labels: bool, conf: bool, line_width: float | None, font_size: float | None
) -> OverlaySettings:
    return OverlaySettings(
        boxes=boxes, labels=boxes and (labels or conf), conf=conf, font_size=font_size,
        line_width=None if line_width is None else max(1, round(line_width)),
    )  # fmt: skip


def _canvas(img: Any) -> Pixels:
    """A copy of a picture of the caller's."""
    pixels = np.array(img)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise SettingsError(f"img: must be (H, W, 3) uint8 BGR, got {pixels.shape} {pixels.dtype}")
    return pixels


def _colours(poses: Poses, color_mode: ColorMode | None) -> list[Colour] | None:
    """Each person's colour; None: as ids are coloured everywhere."""
    from poseline.overlay import id_colour

    if color_mode is None:
        return None
    if color_mode == "class":
        return [id_colour(number + 1) for number in poses.classes.tolist()]
    return [
        id_colour(place if number == UNTRACKED else number) for place, number in enumerate(poses.ids.tolist(), start=1)
    ]


def _pil(picture: Pixels) -> Image:
    from PIL import Image

    return Image.fromarray(picture[:, :, ::-1])


def _png(picture: Pixels) -> bytes:
    import cv2

    _, encoded = cv2.imencode(".png", picture)
    return bytes(encoded)


def _show(picture: Pixels, title: str) -> None:
    """Show `picture` in the notebook that this runs in, else in a window until a key is pressed."""
    if _in_notebook():
        from IPython.display import Image, display  # there is one: the notebook runs on it

        display(Image(_png(picture)))
        return
    from poseline.output import Window

    with Window(title, pausable=False) as window:
        window.show(picture)
        window.wait()


def _in_notebook() -> bool:
    """Whether a notebook's kernel runs this; IPython is not imported for that: where nobody has, there is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in shell.config
