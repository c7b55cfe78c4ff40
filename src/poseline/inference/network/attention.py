"""Attention: each cell of a map (B, C, H, W), or of a part of it, sees all the others. YOLO11, 12 and 26 have it."""

from __future__ import annotations

import numpy as np
from openvino import opset13 as ov

from poseline.inference.network.graph import joined, plus, reshaped, reshaped_to, size_of, split, transposed
from poseline.inference.network.layers import halves
from poseline.inference.network.module import Module, Value, build, builds


@builds("C2PSA", attributes="c cv1 cv2 m")
def _c2psa(module: Module, value: Value) -> Value:
    first, second = halves(module, value)
    return build(module.child("cv2"), joined([first, build(module.child("m"), second)]))


@builds("PSABlock", attributes="attn ffn add")
def _psa_block(module: Module, value: Value) -> Value:
    for part in ("attn", "ffn"):
        answer = build(module.child(part), value)
        value = plus(value, answer) if module.get("add", True) else answer
    return value


@builds("Attention", attributes="num_heads head_dim key_dim scale qkv proj pe")
def _attention(module: Module, value: Value) -> Value:
    heads, key, head = (module.integer(name) for name in ("num_heads", "key_dim", "head_dim"))
    qkv = build(module.child("qkv"), value)
    sizes = [size_of(qkv, 0), heads * head, size_of(qkv, 2), size_of(qkv, 3)]
    q, k, v = split(reshaped(qkv, 0, heads, 2 * key + head, -1), 2, key, key, head)
    seen = _softmax_of_products(q, k, module.get("scale", key**-0.5))
    answer = reshaped_to(ov.matmul(v, seen, False, True), sizes)
    place = build(module.child("pe"), reshaped_to(v, sizes))
    return build(module.child("proj"), plus(answer, place))


@builds("ABlock", attributes="attn mlp")
def _a_block(module: Module, value: Value) -> Value:
    value = plus(value, build(module.child("attn"), value))
    return plus(value, build(module.child("mlp"), value))


@builds("AAttn", attributes="area num_heads head_dim all_head_dim qkv proj pe")
def _area_attention(module: Module, value: Value) -> Value:
    """Attention within each of `area` parts of the map: bands of rows."""
    area, heads, head = (module.integer(name) for name in ("area", "num_heads", "head_dim"))
    width = heads * head
    qkv = build(module.child("qkv"), value)
    cells = transposed(reshaped(qkv, 0, 3 * width, -1), 0, 2, 1)
    bands = reshaped_to(cells, [ov.multiply(size_of(qkv, 0), np.array([area], np.int64)).output(0), -1, 3 * width])
    q, k, v = split(transposed(reshaped(bands, 0, 0, heads, 3 * head), 0, 2, 3, 1), 2, head, head, head)
    answer = ov.matmul(v, _softmax_of_products(q, k, head**-0.5), False, True).output(0)

    def as_map(part: Value) -> Value:
        """(B, width, H, W) of (B·area, heads, head, cells of a band)."""
        rows = transposed(part, 0, 3, 1, 2)
        whole = reshaped_to(rows, [size_of(qkv, 0), size_of(qkv, 2), size_of(qkv, 3), width])
        return transposed(whole, 0, 3, 1, 2)

    return build(module.child("proj"), plus(as_map(answer), build(module.child("pe"), as_map(v))))


def _softmax_of_products(q: Value, k: Value, scale: float) -> Value:
    return ov.softmax(ov.matmul(ov.multiply(q, np.float32(scale)), k, True, False), -1).output(0)
