"""CUDA: the engine for NVIDIA GPUs. From the decoder's planes to suppressed rows, a batch never leaves the device."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from poseline.errors import DeviceError, ModelError
from poseline.frame import Frame
from poseline.inference import ultralytics_adapter
from poseline.inference.colours import network_matrix
from poseline.inference.letterbox import Letterbox
from poseline.inference.runtimes.pytorch import checked_device, device_name, number_type
from poseline.inference.runtimes.torch_head import decode_best, is_plain
from poseline.inference.runtimes.torch_input import Packing, Staging, Tensor, scale_into
from poseline.inference.runtimes.torch_suppress import MOST_CANDIDATES, final_rows
from poseline.inference.scaler import PAD
from poseline.pose import Floats
from poseline.settings import Arithmetic, InferenceSettings

log = logging.getLogger("poseline")

_MOST_PROGRAMS = 4
"""Picture sizes whose graphs are kept; each holds the memory of a whole network."""
_IN_FLIGHT = 2
"""Batches: one in the network while the next is placed and the last is read."""


class CudaRuntime:
    """A fused network in half precision, with one graph for each size of pictures.

    Args:
        weights: a .pt file.
        device: cuda or cuda:N; on `cpu` the same runs step by step, for tests.
        precision: auto is fp16, and fp32 on the CPU.
        batch: most pictures in one run; a run of fewer is one of its own, with a graph of its own.

    Raises:
        ModelError: the weights cannot be used. DeviceError: there is no such device, or its memory is full.
    """

    def __init__(self, weights: Path, device: str, *, precision: Arithmetic, batch: int) -> None:
        network, self.metadata = ultralytics_adapter.load_network(weights)
        chosen = checked_device(device)
        self.on_gpu = chosen.type == "cuda"
        self.precision = number_type(precision, chosen.type)
        self.type = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.precision]
        with explained(chosen):
            self._network = _prepared(network, chosen, self.type)
            self.uploads: Any = self._stream(chosen)
            self.computes: Any = self._stream(chosen)
            self.downloads: Any = self._stream(chosen)
            if self.on_gpu:
                torch.cuda.synchronize(chosen)  # the streams do not wait for the default one, which has the weights
        self.torch_device = chosen
        self.classes, self.channels = len(network.names), self.metadata["channels"]
        self.end2end = bool(self.metadata.get("end2end"))
        self.name = f"PyTorch {torch.__version__}"
        self.device = device_name(chosen)
        self.batch, self.final = batch, True
        self.in_flight = _IN_FLIGHT if batch > 1 else 1
        self.warmup_runs = 2  # the first finds its kernels, the second is recorded
        self.fixed_size: tuple[int, int] | None = None
        self._programs: OrderedDict[tuple[Packing, Letterbox, int], Program] = OrderedDict()

    def request(self, height: int, width: int, places: int | None = None, *, alone: bool = False) -> CudaRequest:
        """A new request; it takes pictures of any size, that of its first frame."""
        del height, width, alone
        return CudaRequest(self, places or self.batch)

    def program(self, packing: Packing, letterbox: Letterbox, places: int) -> Program:
        """What runs so many pictures of this size; the least recently used ones are dropped for it."""
        key = packing, letterbox, places
        if key not in self._programs:
            while len(self._programs) >= _MOST_PROGRAMS:
                self._programs.popitem(last=False)
            self._programs[key] = Program(self, packing, letterbox, places)
        self._programs.move_to_end(key)
        return self._programs[key]

    def compute(self, image: Tensor, iou: Tensor) -> Tensor:
        """Network and suppression: (B, channels, H, W) to (B, N, 6 + K·values) float32."""
        output = self._network(image)
        output = output[0] if isinstance(output, list | tuple) else output
        return output.float() if self.end2end else final_rows(output, self.classes, iou)

    def _stream(self, device: Any) -> Any:
        return torch.cuda.Stream(device) if self.on_gpu else None

    @property
    def anchors(self) -> tuple[Any, ...]:
        """What the network's head has computed for one size and keeps for the next run: shape, anchors, strides."""
        head = self._network.model[-1]
        return head.shape, head.anchors, head.strides

    @anchors.setter
    def anchors(self, computed: tuple[Any, ...]) -> None:
        head = self._network.model[-1]
        head.shape, head.anchors, head.strides = computed


class Program:
    """All that happens to a batch of pictures of one size: eager in the first run, then recorded as one CUDA graph.

    The first run finds the kernels and fills the allocator; a size that does not come back is not worth recording.
    """

    def __init__(self, runtime: CudaRuntime, packing: Packing, letterbox: Letterbox, places: int) -> None:
        width, height = letterbox.size
        device = runtime.torch_device
        self._runtime, self._packing = runtime, packing
        self._packed: Tensor = torch.zeros((places, packing.size), dtype=torch.uint8, device=device)
        shape = places, runtime.channels, height, width
        self._image: Tensor = torch.full(shape, PAD / 255, dtype=runtime.type, device=device)
        self._image = self._image.contiguous(memory_format=torch.channels_last)
        (left, top), (inner_width, inner_height) = letterbox.offset, letterbox.scaled
        self._inner = self._image[:, :, top : top + inner_height, left : left + inner_width]
        self._matrix: Tensor = torch.zeros((runtime.channels, 4), dtype=runtime.type, device=device)
        self._iou: Tensor = torch.zeros((), dtype=torch.float32, device=device)
        self._colours: tuple[int, int] | None = None
        self._threshold: float | None = None
        self._rows: Tensor = None
        self._graph: Any = None
        self._anchors: tuple[Any, ...] = ()
        self._runs = 0

    def run(self, packed: Tensor, colours: tuple[int, int], iou: float) -> Tensor:
        """(B, N, 6 + K·values) float32, valid until the next run; queued on the current stream."""
        if colours != self._colours:
            self._matrix.copy_(torch.from_numpy(network_matrix(*colours, self._runtime.channels) / 255))
            self._colours = colours
        if iou != self._threshold:
            self._iou.fill_(iou)
            self._threshold = iou
        self._packed.copy_(packed, non_blocking=True)
        self._runs += 1
        if self._graph is None and self._runs == 2 and packed.is_cuda:
            self._record()
        if self._graph is None:
            self._rows = self._steps()
            self._anchors = self._runtime.anchors
        else:
            self._graph.replay()
        return self._rows

    def _steps(self) -> Tensor:
        scale_into(self._inner, self._packing, self._packed, self._matrix)
        return self._runtime.compute(self._image, self._iou)

    def _record(self) -> None:
        graph = torch.cuda.CUDAGraph()
        # The head keeps anchors for one size only; those of this one must be there, and stay, as the graph reads them.
        self._runtime.anchors = self._anchors
        try:
            # Other threads may use the device meanwhile: the decoder does.
            with torch.cuda.graph(graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
                rows = self._steps()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            log.info("this GPU runs the network step by step: %s", ultralytics_adapter.first_line(error))
            return
        self._graph, self._rows = graph, rows


class CudaRequest:
    """One batch on its way: its pictures on the device, and the rows that come back."""

    def __init__(self, runtime: CudaRuntime, places: int) -> None:
        self._runtime, self._places = runtime, places
        self._staging: Staging | None = None
        self._letterbox: Letterbox | None = None
        self._colours = (0, 0)
        self._rows: Tensor = None
        self._host: Tensor = None
        self._done: Any = None

    def place(self, index: int, frame: Frame, letterbox: Letterbox) -> None:
        """Take the frame for place `index`; it must live until `wait`."""
        if index == 0:
            self._begin(frame, letterbox)
        assert self._staging is not None, "place 0 is the first"
        self._staging.fill(index, frame.picture, frame.orientation)

    def _begin(self, frame: Frame, letterbox: Letterbox) -> None:
        """Get ready for a batch of pictures like this frame's."""
        runtime, packing = self._runtime, Packing.of(frame)
        if self._staging is None or self._staging.packing != packing:
            with explained(runtime.torch_device), torch.inference_mode():
                self._staging = Staging(packing, self._places, runtime.torch_device, runtime.uploads)
        self._letterbox, self._colours = letterbox, _colours(frame)

    def start(self, settings: InferenceSettings) -> None:
        """Queue everything, the copy back too. Of the settings `iou` is read: the rest is left to decoding."""
        runtime, staging = self._runtime, self._staging
        assert staging is not None, "start() before place()"
        assert self._letterbox is not None
        with explained(runtime.torch_device), torch.inference_mode():
            staging.upload()
            if not runtime.on_gpu:
                self._host = runtime.program(staging.packing, self._letterbox, self._places).run(
                    staging.packed, self._colours, settings.iou
                )
                return
            runtime.computes.wait_stream(runtime.uploads)
            with torch.cuda.stream(runtime.computes):
                rows = runtime.program(staging.packing, self._letterbox, self._places).run(
                    staging.packed, self._colours, settings.iou
                )
                if self._rows is None or self._rows.shape != rows.shape:
                    self._rows, self._host = torch.empty_like(rows), torch.empty(rows.shape, pin_memory=True)
                self._rows.copy_(rows, non_blocking=True)  # the program's own rows are the next batch's too
            runtime.downloads.wait_stream(runtime.computes)
            with torch.cuda.stream(runtime.downloads):
                self._host.copy_(self._rows, non_blocking=True)
                self._done = torch.cuda.Event(blocking=True)
                self._done.record()

    def wait(self) -> Floats:
        """(B, N, 6 + K·values) float32."""
        with explained(self._runtime.torch_device):
            if self._done is not None:
                self._done.synchronize()
            rows: Floats = self._host.numpy()
        return rows


@contextmanager
def explained(device: Any) -> Iterator[None]:
    """Errors of torch in words."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceError(f"{device}: out of GPU memory; try a smaller --batch, --imgsz or model") from error
    except RuntimeError as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"PyTorch failed on {device}: {ultralytics_adapter.first_line(error)}") from error


def _prepared(network: Any, device: Any, number_type: Any) -> Any:
    """The network on its device; its head decodes in fp32, as half precision counts large pixels by halves."""
    network = network.to(device, number_type, memory_format=torch.channels_last)
    if device.type == "cuda":
        for module in network.modules():
            if type(module) is torch.nn.Conv2d and module.groups == module.in_channels == module.out_channels > 1:
                module.forward = partial(_depthwise, module)
    head = network.model[-1]
    head.dfl.float()
    if is_plain(head):
        strides = tuple(head.stride.tolist())  # now: a graph that is being recorded cannot wait for the device
        head._inference = lambda raw: decode_best(head, strides, raw, MOST_CANDIDATES)
    else:
        decode = head._inference
        head._inference = lambda raw: decode(
            {name: raw[name] if name == "feats" else raw[name].float() for name in raw}
        )
    return network


def _depthwise(layer: Any, image: Tensor) -> Tensor:
    """A depthwise convolution by PyTorch's own kernel: cuDNN compiles one for each layer, 0.15 s in every process."""
    return torch.ops.aten._conv_depthwise2d(
        image, layer.weight, layer.kernel_size, layer.bias, layer.stride, layer.padding, layer.dilation
    )


def _colours(frame: Frame) -> tuple[int, int]:
    """Colour space and range, as FFmpeg numbers them."""
    picture = frame.picture
    return (0, 0) if isinstance(picture, np.ndarray) else (picture.colorspace, picture.color_range)
