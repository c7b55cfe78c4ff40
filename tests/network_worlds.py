"""Weights of the tests' own: networks of ultralytics' making with random weights, and what torch says of a picture.

Run as a program, it writes them: python network_worlds.py folder
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from poseline.pose import Floats

FAMILIES = {
    "v8n": ("yolov8n-pose.yaml", 3, (5, 2)),
    "11n": ("yolo11n-pose.yaml", 1, (17, 3)),
    "12n": ("yolo12n-pose.yaml", 1, (17, 3)),
    "26n": ("yolo26n-pose.yaml", 1, (17, 3)),
    "26n-end2end": ("yolo26n-pose.yaml", 3, (5, 2)),
}
"""A network of each family: ultralytics' description, classes, keypoints and the numbers of each."""
SIZE = 96, 160


def picture() -> Floats:
    """(1, 3, H, W) coarse noise, by which every part of a network has something to say."""
    height, width = SIZE
    coarse = np.random.default_rng(5).uniform(0, 1, (1, 3, height // 16, width // 16))
    return np.kron(coarse, np.ones((1, 1, 16, 16))).astype(np.float32)


def _made(name: str) -> Any:
    """A network with random weights, whose normalisation fits them, so that numbers stay small as in a trained one."""
    import torch
    from ultralytics.nn.tasks import PoseModel

    description, classes, shape = FAMILIES[name]
    torch.manual_seed(1)
    network = PoseModel(description, nc=classes, data_kpt_shape=shape, verbose=False)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.3, 0.9)
            torch.nn.init.normal_(module.bias, 0, 0.2)
            module.momentum = None  # the mean over all that it sees
            module.reset_running_stats()
    seen = torch.from_numpy(picture())
    with torch.no_grad():
        network.train()(torch.cat([seen, seen.flip(2), seen.flip(3), 1 - seen]))
    for module in network.model[-1].modules():
        if isinstance(module, torch.nn.Conv2d) and module.bias is not None:
            torch.nn.init.normal_(module.bias, 0, 0.5)
    network.names = {number: f"class {number}" for number in range(classes)}
    return network.eval()


def _answer(network: Any) -> Any:
    """(anchors, 4 + classes + K·values) of the picture in double precision; final rows of an end-to-end head."""
    import torch

    with torch.inference_mode():
        output = network.double()(torch.from_numpy(picture()).double())
    output = (output[0] if isinstance(output, (tuple, list)) else output)[0].numpy()
    return output if network.model[-1].cv2 is None else output.T


def main(folder: Path) -> None:
    """Write a `.pt` and a `.npy` of each family, and some weights that are saved in other ways."""
    import copy

    import torch

    torch.set_num_threads(1)
    for name in FAMILIES:
        network = _made(name)
        if name.endswith("end2end"):
            network.end2end = True
            network.fuse(verbose=False)
        saved = network if name == "12n" else network.half()
        torch.save({"model": saved, "train_args": {"task": "pose"}}, folder / f"{name}.pt")
        np.save(folder / f"{name}.npy", _answer(copy.deepcopy(saved)))
        if name == "11n":
            _save_otherwise(saved, folder)


def _save_otherwise(network: Any, folder: Path) -> None:
    import torch

    content = {"model": network, "train_args": {}}
    torch.save(content, folder / "protocol4.pt", pickle_protocol=4)
    torch.save(content, folder / "bfloat16.pt")
    torch.save({"model": None, "ema": network.float().bfloat16()}, folder / "bfloat16.pt")
    torch.save(network.half(), folder / "bare.pt")
    torch.save(network.state_dict(), folder / "state_dict.pt")
    torch.save({"model": network.state_dict()}, folder / "model_of_numbers.pt")
    torch.save(content, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.jit.save(torch.jit.trace(torch.nn.SiLU(), torch.zeros(1)), folder / "script.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
