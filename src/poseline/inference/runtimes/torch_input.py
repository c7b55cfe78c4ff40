"""Pictures on their way into a torch network: packed for one copy to the device, there scaled and turned into RGB.

The arithmetic is that of `Scaler`: planes are resized as OpenCV's linear resize does, then converted.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from av.video.frame import VideoFrame
from torch.nn import functional

from poseline.frame import ON_DEVICE, Frame, Picture, plane_pixels
from poseline.inference.colours import grey_weights
from poseline.orientation import UPRIGHT, Orientation

if TYPE_CHECKING:
    from av.video.plane import VideoPlane

Tensor: TypeAlias = Any

_TWO_BYTES = frozenset({"p010le", "p016le", "yuv444p16le"})
"""Formats of 10 bits or more, at the upper end of 16."""
_FULL_CHROMA = frozenset({"yuv444p", "yuv444p16le"})
"""Formats of three planes of one size; the others have luma, then U and V in turn at half the size."""


@dataclass(frozen=True)
class Packing:
    """How a picture's pixels lie one after another in one row of bytes."""

    kind: str
    """`yuv`: all luma, then U, then V at half the size, as in yuv420p. `bgr`: (height, width, 3)."""
    width: int
    height: int

    @classmethod
    def of(cls, frame: Frame) -> Packing:
        """The packing for a frame."""
        return cls("bgr" if isinstance(frame.picture, np.ndarray) else "yuv", frame.width, frame.height)

    @property
    def half(self) -> tuple[int, int]:
        """(height, width) of the chroma planes."""
        return -(-self.height // 2), -(-self.width // 2)

    @property
    def size(self) -> int:
        """Bytes of a picture."""
        pixels = self.height * self.width
        return 3 * pixels if self.kind == "bgr" else pixels + 2 * self.half[0] * self.half[1]

    def planes(self, packed: Tensor) -> tuple[Tensor, ...]:
        """Views of (B, size) bytes: luma (B, 1, H, W) and chroma (B, 2, H/2, W/2), or the one (B, H, W, 3)."""
        if self.kind == "bgr":
            return (packed.unflatten(1, (self.height, self.width, 3)),)
        pixels = self.height * self.width
        luma = packed[:, :pixels].unflatten(1, (1, self.height, self.width))
        return luma, packed[:, pixels:].unflatten(1, (2, *self.half))


class Staging:
    """The packed pictures of one batch on the device, and pinned host memory from which they are copied.

    Args:
        packing: of every picture.
        batch: most pictures.
        device: where they go.
        stream: that copies them; None on the CPU.
    """

    def __init__(self, packing: Packing, batch: int, device: Any, stream: Any) -> None:
        self.packing, self._stream = packing, stream
        shape = (batch, packing.size)
        with torch.cuda.stream(stream):
            self.packed: Tensor = torch.zeros(shape, dtype=torch.uint8, device=device)
        self._host: Tensor = torch.zeros(shape, dtype=torch.uint8, pin_memory=True) if stream else self.packed
        self._planes = packing.planes(self.packed)
        self._host_planes = [plane.numpy() for plane in packing.planes(self._host)]
        self._on_device: list[tuple[VideoFrame, Orientation]] = []

    def fill(self, index: int, picture: Picture, orientation: Orientation | None = None) -> None:
        """Take a picture for place `index`, 0 first and then the next; it must live until the batch is done.

        All of a batch lie in this machine's memory, or all on the device, where they are turned as `orientation` says.
        """
        if isinstance(picture, VideoFrame) and picture.format.name == ON_DEVICE:
            self._on_device.append((picture, orientation or UPRIGHT))
        else:
            self._pack(index, picture)

    def upload(self) -> None:
        """Queue the copy of all pictures to their places on the device, in one go: each call has its price."""
        if self._stream is None:
            return
        with torch.cuda.stream(self._stream):
            if self._on_device:
                self._copy_on_device()
            else:
                self.packed.copy_(self._host, non_blocking=True)

    def _pack(self, index: int, picture: Picture) -> None:
        if not isinstance(picture, VideoFrame):
            np.copyto(self._host_planes[0][index], picture)
            return
        luma, chroma = self._host_planes
        for plane, target in zip(picture.planes, (luma[index, 0], *chroma[index]), strict=True):
            np.copyto(target, plane_pixels(plane))

    def _copy_on_device(self) -> None:
        # The decoder's own copies are queued on the default stream.
        pictures = [_planes(*each, self.packed.device) for each in self._on_device]
        self._stream.wait_stream(torch.cuda.default_stream(self.packed.device))
        (luma, chroma), count = self._planes, len(pictures)
        torch.stack([planes[0] for planes in pictures], out=luma[:count, 0])
        if len(pictures[0]) == 2:
            chroma[:count].copy_(torch.stack([planes[1] for planes in pictures]).permute(0, 3, 1, 2))
        else:
            full = torch.stack([torch.stack(planes[1:]) for planes in pictures])
            chroma[:count].copy_(_half_size(full))
        self._on_device.clear()  # whoever waits for the batch holds them


def _planes(picture: VideoFrame, orientation: Orientation, device: Any) -> list[Tensor]:
    """(H, W) uint8 luma, and chroma: (H/2, W/2, 2) or two of (H, W); of samples of two bytes the upper one.

    Upright; views of the picture's own memory where it lies so. Lower bits are cut off; the CPU's way dithers them.
    """
    layout = picture.sw_format or picture.format
    if layout.name in _FULL_CHROMA:  # PyAV exports no such plane by DLPack
        planes = [_mapped(plane, 1 + (layout.name in _TWO_BYTES), device) for plane in picture.planes]
    else:  # as a capsule, since torch would pass a stream, which PyAV refuses
        planes = [torch.from_dlpack(plane.__dlpack__()) for plane in picture.planes]
    if layout.name in _TWO_BYTES:
        planes = [plane.view(torch.uint8)[..., 1::2] for plane in planes]
    return planes if orientation.upright else [_turned(plane, orientation) for plane in planes]


def _turned(plane: Tensor, orientation: Orientation) -> Tensor:
    """A plane (height, width, ...) made upright."""
    if orientation.transposed:
        plane = plane.transpose(0, 1)
    return plane.flip([axis for axis, reversed_ in enumerate((orientation.flipped, orientation.mirrored)) if reversed_])


def _mapped(plane: VideoPlane, sample: int, device: Any) -> Tensor:
    """(height, width · sample) uint8: a plane of samples of so many bytes, where it lies on the device."""
    shape, strides = (plane.height, plane.width * sample), (plane.line_size, 1)
    memory = {"data": (plane.buffer_ptr, False), "shape": shape, "strides": strides, "typestr": "|u1", "version": 2}
    return torch.as_tensor(SimpleNamespace(__cuda_array_interface__=memory), device=device)


def _half_size(planes: Tensor) -> Tensor:
    """(B, 2, H, W) uint8 at half the size, as swscale makes 4:2:0 of 4:4:4: weights 1, 3, 3, 1 along each axis."""
    weights = torch.tensor([1.0, 3, 3, 1], device=planes.device)
    single = functional.pad(planes.float().flatten(0, 1)[:, None], (1, 1, 1, 1), mode="replicate")
    halved = functional.conv2d(single, weights.outer(weights)[None, None] / 64, stride=2)
    return halved.round_().unflatten(0, planes.shape[:2])[:, :, 0]


def scale_into(inner: Tensor, packing: Packing, packed: Tensor, matrix: Tensor) -> None:
    """Write packed pictures, scaled, in 0..1 into `inner`, (B, 3, h, w) RGB or (B, 1, h, w) grey of a floating type.

    Args:
        inner: where the pictures lie in the network's input.
        packing: of `packed`.
        packed: (B, size) uint8.
        matrix: (3 or 1, 4) of `inner`'s type, from `network_matrix`, to 0..1; read for `yuv`.
    """
    planes = [plane.to(inner.dtype) for plane in packing.planes(packed)]
    if packing.kind == "bgr":
        pixels = planes[0].permute(0, 3, 1, 2)
        rgb = _resized(pixels, inner).flip(1).div_(255)
        if inner.shape[1] == 1:
            weights = torch.from_numpy(grey_weights()[0]).to(rgb)
            rgb = (rgb * weights[:, None, None]).sum(dim=1, keepdim=True)
        inner.copy_(rgb)
        return
    luma, chroma = (_resized(plane, inner) for plane in planes)
    # As sums of products: a convolution, or a product of matrices, of three channels takes twice as long.
    of_luma, of_u, of_v, rgb = matrix.T[:, None, :, None, None]
    for value, share in ((chroma[:, 1:], of_v), (chroma[:, :1], of_u), (luma, of_luma)):
        rgb = torch.addcmul(rgb, value, share)
    inner.copy_(rgb.clamp_(0, 1))


def _resized(planes: Tensor, inner: Tensor) -> Tensor:
    return functional.interpolate(planes, inner.shape[2:], mode="bilinear", align_corners=False, antialias=False)
