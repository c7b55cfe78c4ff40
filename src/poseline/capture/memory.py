"""Pictures in memory: arrays, PIL pictures and torch tensors, as the pixels that everything here works on.

What they mean is ultralytics' convention: arrays are (H, W, C) in BGR order, as OpenCV gives them; tensors are
(C, H, W) in RGB order with values in 0..1; 16 bits a channel are cut to the upper 8.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from poseline.errors import SourceError
from poseline.frame import Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

Array: TypeAlias = "NDArray[Any]"

_ROUNDING = 1e-3
"""By which a tensor's largest value may be above 1, in half precision."""
_WANTED = (
    "give a file's name, an (H, W, 3) uint8 array in BGR order as OpenCV gives it, a PIL picture, "
    "a (3, H, W) torch tensor in RGB order with values in 0..1, or a list of these"
)


def is_tensor(thing: object) -> bool:
    """Whether it is a torch tensor; torch is not imported for that: where nobody has, there is none."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(thing, torch.Tensor)


def pixels_of(picture: object) -> Pixels:
    """(H, W, 3) uint8 BGR of a picture in memory.

    Args:
        picture: an array (H, W), (H, W, 1) grey, (H, W, 2) grey and alpha, (H, W, 3) BGR or (H, W, 4) BGRA, of uint8,
            uint16, or floats in 0..255; a PIL picture of any mode, turned upright as its EXIF says; a torch tensor
            (3, H, W) RGB or (1, H, W) grey, of floats in 0..1 or whole numbers in 0..255. Alpha is left out.

    Raises:
        SourceError: it is nothing of that kind; the text says what to give.
    """
    if isinstance(picture, np.ndarray):
        return _bgr(_eight_bits(_checked(picture)))
    if is_tensor(picture):
        return _of_tensor(picture)
    if _is_pil(picture):
        return _of_pil(picture)
    raise SourceError(f"a picture cannot be a {type(picture).__name__}; {_WANTED}")


def _is_pil(thing: object) -> bool:
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(thing, module.Image)


def _checked(array: Array) -> Array:
    """(H, W, 1 to 4) of an array that may be a picture."""
    shape = array.shape
    if not array.size:
        raise SourceError(f"an array of shape {shape} is empty; {_WANTED}")
    if array.ndim == 4:
        raise SourceError(f"an array of shape {shape} holds several pictures; give a list of them: list(array)")
    if array.ndim not in (2, 3):
        raise SourceError(f"an array of shape {shape} is no picture; {_WANTED}")
    array = np.atleast_3d(array)
    if array.shape[2] > 4:
        if shape[0] in (1, 3, 4):
            raise SourceError(
                f"an array of shape {shape} has its channels first; give (H, W, C) in BGR order: "
                "array.transpose(1, 2, 0), and [..., ::-1] where it is RGB"
            )
        raise SourceError(f"an array of shape {shape} has {shape[2]} channels; {_WANTED}")
    return array


def _eight_bits(array: Array) -> Pixels:
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        return (array >> 8).astype(np.uint8)
    if array.dtype.kind != "f":
        raise SourceError(
            f"an array of {array.dtype} is no picture; give uint8 values in 0..255: array.astype(numpy.uint8)"
        )
    least, most = float(array.min()), float(array.max())
    if not (least >= 0 and most <= 255):  # NaN too
        raise SourceError(f"an array of {array.dtype} must hold 0..255, and this one holds {least:g}..{most:g}")
    if 0 < most <= 1:
        raise SourceError(
            f"an array of {array.dtype} must hold 0..255, and this one seems to hold 0..1; "
            "give (255 * array).astype(numpy.uint8)"
        )
    return np.rint(array).astype(np.uint8)


def _bgr(pixels: Pixels) -> Pixels:
    """(H, W, 3) of 1 to 4 channels: grey, grey and alpha, BGR, BGRA."""
    channels = pixels.shape[2]
    if channels == 3:
        return pixels
    if channels == 4:
        return np.ascontiguousarray(pixels[:, :, :3])
    return np.repeat(pixels[:, :, :1], 3, axis=2)


def _of_pil(picture: Any) -> Pixels:
    try:
        return _bgr(_rgb(picture)[:, :, ::-1])
    except SourceError:
        raise
    except (OSError, SyntaxError, ValueError) as error:  # as PIL reads a file when its pixels are first wanted
        name = getattr(picture, "filename", "") or "the PIL picture"
        raise SourceError(f"{name}: PIL cannot read it: {error}") from error


def _rgb(picture: Image) -> Pixels:
    """(H, W, 1 or 3) RGB or grey."""
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(picture)
    if not all(upright.size):
        raise SourceError(f"a PIL picture of {upright.size[0]}x{upright.size[1]} pixels is empty")
    if upright.mode[:1] in ("I", "F"):  # one number a pixel, of more than 8 bits; PIL would cut it at 255
        return _eight_bits(_checked(_sixteen_bits(np.asarray(upright))))
    return np.asarray(upright if upright.mode == "RGB" else upright.convert("RGB"), np.uint8)


def _sixteen_bits(values: Array) -> Array:
    """PIL has numbers of 16 bits, and those of 8, in int32 too."""
    if values.dtype.kind != "i":
        return values
    if values.min() < 0 or values.max() > 65535:
        raise SourceError(f"a PIL picture must hold 0..65535, and this one holds {values.min()}..{values.max()}")
    return values.astype(np.uint16 if values.max() > 255 else np.uint8)


def _of_tensor(tensor: Any) -> Pixels:
    shape = tuple(tensor.shape)
    if tensor.ndim != 3 or shape[0] not in (1, 3) or not tensor.numel():
        hint = "; give tensor.permute(2, 0, 1)" if tensor.ndim == 3 and shape[2] in (1, 3) else ""
        raise SourceError(
            f"a tensor must be (3, H, W) RGB or (1, H, W) grey, or several (N, 3, H, W), not {shape}{hint}"
        )
    values = tensor.detach().cpu()
    if values.is_complex() or values.dtype == sys.modules["torch"].bool:
        raise SourceError(f"a tensor of {values.dtype} is no picture; give floats in 0..1, or whole numbers in 0..255")
    array: Array = values.float().numpy()
    least, most = float(array.min()), float(array.max())
    if not (least >= 0 and most <= 255):  # NaN too
        raise SourceError(f"a tensor must hold 0..1 or 0..255, and this one holds {least:g}..{most:g}")
    unit = values.is_floating_point() and most <= 1 + _ROUNDING
    pixels = np.rint(array * 255 if unit else array).clip(0, 255).astype(np.uint8)
    return _bgr(np.ascontiguousarray(pixels.transpose(1, 2, 0)[:, :, ::-1]))
