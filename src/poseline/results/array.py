"""Array: a numpy array that also has the methods that programs call on the tensors of ultralytics' results."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from poseline.errors import DeviceError, SettingsError

_GPUS = ("cuda", "mps", "xpu", "npu", "mlu", "hip")
"""How the names of devices begin that numpy cannot reach."""

if TYPE_CHECKING:
    _Base = np.ndarray[tuple[Any, ...], np.dtype[Any]]
else:
    _Base = np.ndarray


class Array(_Base):
    """A numpy array in the CPU's memory, with a tensor's conversions: `.cpu()`, `.numpy()`, `.int()`, `.tolist()` ...

    It is made where somebody asks for it. All of numpy works on it, and `numpy.asarray` or `.numpy()` makes it a plain
    array. As with tensors, `int(...)` and `float(...)` take an array of one element of any shape, and one element of
    an array of floats is an Array too, so that `boxes.conf[0].cpu()` works; whole numbers are numpy's own, which is
    what OpenCV takes for points.
    """

    def __getitem__(self, index: Any) -> Array:
        found = super().__getitem__(index)
        return np.asarray(found).view(Array) if isinstance(found, np.floating) else found

    def __repr__(self) -> str:
        return repr(np.asarray(self)).replace("array(", "Array(", 1)  # numpy asks a subclass for each element

    def __str__(self) -> str:
        return str(np.asarray(self))

    def __int__(self) -> builtins.int:
        return builtins.int(self.item())

    def __float__(self) -> builtins.float:
        return builtins.float(self.item())

    def __round__(self, digits: SupportsIndex | None = None) -> Any:
        return round(self.item(), digits)

    def __hash__(self) -> builtins.int:  # type: ignore[override] # numpy's arrays have none; its numbers have
        if self.ndim:
            raise TypeError(f"an Array of shape {self.shape} cannot be a key; take one element, such as array[0]")
        return hash(self.item())

    if not TYPE_CHECKING:  # a type checker says by itself what there is not

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(
                f"an Array has no {name!r}: it is a numpy array with a few methods of tensors; "
                f"numpy may have it, or use torch.as_tensor(array).{name}"
            )

    def cpu(self) -> Array:
        """The array itself: it is in the CPU's memory."""
        return self

    def detach(self) -> Array:
        """The array itself: it has no gradient."""
        return self

    def clone(self) -> Array:
        """A copy."""
        return self.copy()

    def numpy(self) -> NDArray[Any]:
        """A plain numpy array: of the same memory, or a copy where that is not contiguous."""
        return np.asarray(self, order="C")

    def cuda(self, device: object = None) -> Array:
        """Not possible.

        Raises:
            DeviceError: always; its text says how to make a tensor on a GPU.
        """
        raise no_gpu("cuda" if device is None else device)

    def to(self, *targets: object, device: object = None, dtype: object = None) -> Array:
        """The array as another type of numbers: `.to("cpu", torch.float16)`, `.to(dtype=numpy.float64)`.

        Args:
            targets: devices and dtypes, numpy's or torch's.
            device: only "cpu" is possible.
            dtype: a dtype of numpy or torch, or its name.

        Raises:
            DeviceError: a device is not the CPU.
            SettingsError: it is neither a device nor a dtype that numpy has.
        """
        wanted = [_dtype(target) for target in (*targets, device, dtype) if not _is_cpu(target)]
        return array(self.astype(wanted[-1])) if wanted else self

    def int(self) -> Array:
        """As int32; fractions are cut off."""
        return array(self.astype(np.int32))

    def long(self) -> Array:
        """As int64; fractions are cut off."""
        return array(self.astype(np.int64))

    def half(self) -> Array:
        """As float16."""
        return array(self.astype(np.float16))

    def float(self) -> Array:
        """As float32."""
        return array(self.astype(np.float32))

    def double(self) -> Array:
        """As float64."""
        return array(self.astype(np.float64))

    def bool(self) -> Array:
        """True where it is not 0."""
        return array(self.astype(np.bool_))


def array(values: NDArray[Any]) -> Array:
    """`values` as an Array of the same memory."""
    return values.view(Array)


def no_gpu(device: object) -> DeviceError:
    """The error that results cannot be moved to `device`."""
    return DeviceError(
        f"{device}: results are numpy arrays in the CPU's memory, wherever the model ran; for a tensor on a GPU, "
        f"use torch.as_tensor(result.boxes.xyxy).to({str(device)!r})"
    )


def _is_cpu(target: object) -> builtins.bool:
    """Whether `target` asks for nothing but the CPU.

    Raises:
        DeviceError: it is another device.
    """
    name = str(target)
    if target is None or name == "cpu" or name.startswith("cpu:"):
        return True
    if name.startswith(_GPUS) or (isinstance(target, builtins.int) and not isinstance(target, builtins.bool)):
        raise no_gpu(target)
    return False


def _dtype(target: Any) -> np.dtype[Any]:
    name = str(target)
    try:
        dtype = np.dtype(name.removeprefix("torch.") if name.startswith("torch.") else target)
    except TypeError:
        dtype = None
    if dtype is None or dtype.kind == "V":  # such as bfloat16, where a package (ml_dtypes) has added it to numpy
        raise SettingsError(f"to({target!r}): is neither the device 'cpu' nor a dtype that numpy has")
    return dtype
