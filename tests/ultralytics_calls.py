"""The calls of test_ultralytics_calls.py, run by one of the two libraries: python ultralytics_calls.py MODULE WEIGHTS.

Prints a JSON object: for each call what it gave, as `described` makes it. Started in a folder of its own, in which it
finds `a.jpg`, `b.jpg`, `pictures/` with both, `clip.mp4`, `joined.ts`, `list.txt` and `list.csv`.
"""

from __future__ import annotations

import importlib
import json
import sys
import types
from pathlib import Path
from typing import Any

PREDICT = """
model("a.jpg")
model(Path("a.jpg"))
model.predict("a.jpg")
model.predict(source="a.jpg", conf=0.25)
model(im)
model(image)
model(["a.jpg", "b.jpg"])
model([im, other])
model(["a.jpg", image, im])
model((im, other))
model(tensor)
model(torch.cat([tensor, tensor]))
model("pictures")
model("pictures/*.jpg")
model("list.txt")
model("list.csv")
model("clip.mp4")
model("clip.mp4", stream=True)
model.predict("clip.mp4", True)
model(["a.jpg", "b.jpg"], stream=True)
model(im, stream=True)
model(im, conf=0.5)
model(im, iou=0.3)
model(im, imgsz=320)
model(im, imgsz=(256, 448))
model(im, imgsz=[384, 640])
model(im, max_det=1)
model(im, classes=0)
model(im, classes=[0])
model(im, conf=0.999)
model(im, device="cpu")
model(im, half=False, verbose=False)
model(im, augment=False, agnostic_nms=False, visualize=False, retina_masks=False)
model("clip.mp4", stream_buffer=True, vid_stride=1)
model.predict(im, save=True, project=here / "out", name="saved")[0].save_dir
model.predict("pictures", save=True, project=here / "out", name="several"); files("out/several")
model.predict(im, save=True, project=here / "out", name="saved", exist_ok=True)[0].save_dir
model.predict(im, save=True, project=here / "out", name="saved")[0].save_dir
model.predict("a.jpg", save_txt=True, project=here / "out", name="labels"); files("out/labels")
model.predict("clip.mp4", save_txt=True, save_conf=True, project=here / "out", name="frames"); files("out/frames")
model.predict("a.jpg", save_crop=True, project=here / "out", name="crops"); files("out/crops")
model(im, line_width=2, show_labels=False, show_conf=False, show_boxes=False)
"""
"""Calls of a model; each line's last expression is what is compared."""
TRACK = """
model.track("clip.mp4")
model.track("clip.mp4", stream=True)
model.track("clip.mp4", conf=0.3, iou=0.5)
[model.track(frame, persist=True)[0] for frame in frames]
[model.track(frame, persist=True, verbose=False)[0].boxes.id.int().cpu().tolist() for frame in frames]
[list(zip(r.boxes.xywh.cpu(), r.boxes.id.int().cpu().tolist()))[0][1] for r in model.track("clip.mp4", stream=True)]
"""
RESULTS = """
[len(r) for r in model(im)]
[r.keypoints.xy.shape for r in model(im)]
model(im)[0].boxes.xyxy.cpu().numpy()
model(im)[0].keypoints.xyn.cpu().numpy()
model(im)[0].keypoints.data.tolist()
model(im)[0].names[int(model(im)[0].boxes.cls[0])]
[float(box.conf) for box in model(im)[0].boxes]
model(im)[0].boxes.id
model(im)[0].plot().shape
model(im)[0].orig_shape
sorted(model(im)[0].speed)
[result.path for result in model([im, other])]
model.names
model.task
str(model.device)
"""
DIFFERENT = """
[nearest(r.orig_img) for r in model("clip.mp4", vid_stride=2, imgsz=64)]
len(model("joined.ts", imgsz=64))
model.predict("clip.mp4", save=True, imgsz=64, project=here / "out", name="video"); files("out/video")
[model.predict(im, save=True, imgsz=64, project=here / "out", name="twice") for _ in "ab"]; files("out/twice")
len(model(im, classes=7)[0])
len(model(im, augment=True))
len(model(im, tracker="none.yaml"))
len(model(tensor[:, :, :500, :600]))
model([])
len(model(im / 255)[0])
type(model(im)[0].boxes.xyxy).__module__
"""
"""Calls that the two answer in different ways."""
CALLS = [line for block in (PREDICT, TRACK, RESULTS) for line in block.strip().splitlines()]


def described(value: Any) -> Any:
    """The kind, shape and numbers of what a call gave, alike for both libraries."""
    if isinstance(value, types.GeneratorType):
        return {"kind": "generator", "items": [described(each) for each in value]}
    if type(value).__name__ == "Results":
        return {
            "kind": "Results", "persons": len(value), "path": Path(value.path).name, "shape": list(value.orig_shape),
            "boxes": described(value.boxes.xyxy), "conf": described(value.boxes.conf),
            "keypoints": described(value.keypoints.data), "ids": described(value.boxes.id), "names": value.names,
        }  # fmt: skip
    if hasattr(value, "shape") and hasattr(value, "tolist"):
        return {"kind": "array", "shape": list(value.shape), "values": value.tolist()}
    if isinstance(value, list | tuple):
        return {"kind": "list", "items": [described(each) for each in value]}
    return value


def files(folder: str) -> list[str]:
    """The files below a folder of this call."""
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def main(module: str, weights: str) -> None:
    """Run all calls."""
    import cv2
    import numpy as np
    import torch
    from PIL import Image

    library = importlib.import_module(module)
    model = library.YOLO(weights) if module == "ultralytics" else library.YOLO(weights, half=False)
    im, other = cv2.imread("a.jpg"), cv2.imread("b.jpg")
    video = cv2.VideoCapture("clip.mp4")
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1])
    rgb = np.asarray(im)[:512, :640, ::-1].transpose(2, 0, 1)
    given = {
        "model": model, "im": im, "other": other, "image": Image.open("a.jpg"), "frames": frames, "torch": torch,
        "tensor": torch.from_numpy(rgb.copy())[None] / 255, "Path": Path, "here": Path.cwd(), "files": files,
        "nearest": lambda picture: int(np.argmin([np.abs(picture - frame.astype(float)).mean() for frame in frames])),
    }  # fmt: skip
    answers = {}
    for call in [*CALLS, *DIFFERENT.strip().splitlines()]:
        *statements, last = call.split("; ")
        try:
            for statement in statements:
                exec(statement, given)  # noqa: S102 # the calls above
            answers[call] = described(eval(last, given))  # noqa: S307 # likewise
        except Exception as error:  # noqa: BLE001 # it is the answer
            answers[call] = f"{type(error).__name__}: {error}"
    Path("answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
