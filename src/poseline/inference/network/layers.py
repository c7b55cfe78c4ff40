"""Layers: convolutions, and the blocks of them that YOLOv8, 11, 12 and 26 are made of.

Input and output of each are (B, C, H, W). Batch normalisation is folded into the convolution before it.
"""

from __future__ import annotations

import numpy as np
from openvino import opset13 as ov

from poseline.inference.network.graph import constant, joined, plus, reshaped
from poseline.inference.network.module import Module, UnknownNetworkError, Value, build, builds
from poseline.inference.runtimes.sparse_head import Convolution
from poseline.pose import Floats


@builds("Sequential")
def _in_turn(module: Module, value: Value) -> Value:
    for child in module.children():
        value = build(child, value)
    return value


@builds("Identity")
@builds("ModuleList", "BatchNorm2d", attributes="num_features eps momentum affine track_running_stats weight bias "
        "running_mean running_var num_batches_tracked")  # fmt: skip
def _nothing(module: Module, value: Value) -> Value:
    if module.kind != "Identity":
        raise UnknownNetworkError(f"{module.name}: a {module.kind} by itself")
    return value


@builds("SiLU")
def _silu(module: Module, value: Value) -> Value:
    del module
    return ov.swish(value).output(0)


@builds("Conv", "DWConv", attributes="conv bn act")
def _conv(module: Module, value: Value) -> Value:
    value = _convolved(module.child("conv"), kernel(module), value)
    act = module.get("act")
    return build(act, value) if isinstance(act, Module) else value


@builds("Conv2d", attributes="in_channels out_channels kernel_size stride padding dilation transposed output_padding "
        "groups padding_mode _reversed_padding_repeated_twice weight bias")  # fmt: skip
def _conv2d(module: Module, value: Value) -> Value:
    return _convolved(module, kernel(module), value)


def kernel(module: Module) -> Convolution:
    """The numbers of a `Conv`, `DWConv` or plain `Conv2d`."""
    norm = None
    if module.kind != "Conv2d":
        module, norm = module.child("conv"), module.get("bn")
    module.check()
    if module.kind != "Conv2d" or module.get("padding_mode", "zeros") != "zeros" or module.get("transposed"):
        raise UnknownNetworkError(f"{module.name}: a convolution of another make")
    weights = module.tensor("weight")
    bias = np.zeros(len(weights), np.float32) if module.get("bias") is None else module.tensor("bias")
    if norm is not None and norm.kind != "Identity":
        return _folded(weights, bias, norm)
    return Convolution(weights, bias)


def _folded(weights: Floats, bias: Floats, norm: Module) -> Convolution:
    """A convolution with the batch normalisation behind it: in double precision, rounded once."""
    norm.check()
    if norm.kind != "BatchNorm2d":
        raise UnknownNetworkError(f"{norm.name}: is a {norm.kind}")
    variance = norm.tensor("running_var").astype(np.float64)
    scale = norm.tensor("weight") / np.sqrt(variance + float(norm.get("eps")))
    shift = norm.tensor("bias") + (bias - norm.tensor("running_mean")) * scale
    return Convolution((weights * scale.reshape(-1, 1, 1, 1)).astype(np.float32), shift.astype(np.float32))


def _convolved(module: Module, numbers: Convolution, value: Value) -> Value:
    groups = module.get("groups", 1)
    strides, padding, dilation = (module.pair(name) for name in ("stride", "padding", "dilation"))
    weights = numbers.weights
    if groups > 1:
        weights = weights.reshape(groups, weights.shape[0] // groups, *weights.shape[1:])
    operation = ov.group_convolution if groups > 1 else ov.convolution
    node = operation(value, constant(weights), strides, padding, padding, dilation)
    node.set_friendly_name(module.name)
    return plus(node, constant(numbers.bias.reshape(1, -1, 1, 1)))


@builds("MaxPool2d", attributes="kernel_size stride padding dilation return_indices ceil_mode")
def _max_pool(module: Module, value: Value) -> Value:
    if module.get("ceil_mode") or module.get("return_indices") or module.pair("dilation", 1) != [1, 1]:
        raise UnknownNetworkError(f"{module.name}: a pooling of another make")
    size, stride, padding = (module.pair(name) for name in ("kernel_size", "stride", "padding"))
    return ov.max_pool(value, stride, [1, 1], padding, padding, size).output(0)


@builds("Upsample", attributes="name size scale_factor mode align_corners recompute_scale_factor")
def _upsample(module: Module, value: Value) -> Value:
    factor = module.get("scale_factor")
    if module.get("mode") != "nearest" or module.get("size") is not None or factor not in (2, 2.0, (2, 2), (2.0, 2.0)):
        raise UnknownNetworkError(f"{module.name}: an upsampling of another make")
    return ov.interpolate(
        value, np.array([2, 2], np.float32), "nearest", "scales", axes=np.array([2, 3], np.int32),
        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    ).output(0)  # fmt: skip


@builds("Concat", attributes="d")
def _concat(module: Module, values: Value) -> Value:
    return joined(values, module.integer("d"))


@builds("Bottleneck", attributes="cv1 cv2 add")
def _bottleneck(module: Module, value: Value) -> Value:
    answer = build(module.child("cv2"), build(module.child("cv1"), value))
    return plus(value, answer) if module.integer("add") else answer


def halves(module: Module, value: Value) -> tuple[Value, Value]:
    """Both halves of what the block's first convolution gives."""
    first, second = ov.split(build(module.child("cv1"), value), np.int64(1), 2).outputs()
    return first, second


@builds("C2f", "C3k2", attributes="c cv1 cv2 m")
def _c2f(module: Module, value: Value) -> Value:
    parts = [*halves(module, value)]
    for child in module.child("m").children():
        parts.append(build(child, parts[-1]))
    return build(module.child("cv2"), joined(parts))


@builds("C2", attributes="c cv1 cv2 m")
def _c2(module: Module, value: Value) -> Value:
    first, second = halves(module, value)
    return build(module.child("cv2"), joined([build(module.child("m"), first), second]))


@builds("C3", "C3k", attributes="cv1 cv2 cv3 m")
def _c3(module: Module, value: Value) -> Value:
    long = build(module.child("m"), build(module.child("cv1"), value))
    return build(module.child("cv3"), joined([long, build(module.child("cv2"), value)]))


@builds("SPPF", attributes="cv1 cv2 m n add")
def _sppf(module: Module, value: Value) -> Value:
    parts = [build(module.child("cv1"), value)]
    for _ in range(module.get("n", 3)):
        parts.append(build(module.child("m"), parts[-1]))
    answer = build(module.child("cv2"), joined(parts))
    return plus(value, answer) if module.get("add", False) else answer


@builds("A2C2f", attributes="cv1 cv2 gamma m")
def _a2c2f(module: Module, value: Value) -> Value:
    parts = [build(module.child("cv1"), value)]
    for child in module.child("m").children():
        parts.append(build(child, parts[-1]))
    answer = build(module.child("cv2"), joined(parts))
    if module.get("gamma") is None:
        return answer
    return plus(value, ov.multiply(reshaped(constant(module.tensor("gamma")), 1, -1, 1, 1), answer))
