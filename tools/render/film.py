"""From rendered pictures to an mp4 and its truth file."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from .picture import PersonTruth
from .skeleton import EDGES, KEYPOINTS

Pictures = list[np.ndarray]
"""(H, W, 3) uint8 RGB each, upright."""

MEANING = {
    "keypoints": (
        "x, y in pixels of the upright picture; third number 1.0 visible, 0.5 hidden (by its own body or another) but "
        "inside the frame, 0.0 outside the frame"
    ),
    "box": "x1, y1, x2, y2 around the silhouette inside the frame, as if nobody stood before the person",
    "visible": "share of the silhouette that is seen, neither outside the frame nor behind another person",
    "angles": "degrees in space at the joint between the two segments that meet there, 180 is straight",
}


def encode(
    path: Path,
    pictures: Pictures,
    times: Sequence[float],
    *,
    quarter_turns: int = 0,
    crf: int = 24,
    sound: np.ndarray | None = None,
) -> None:
    """Write H.264 (yuv420p) in mp4. Frame k shows at times[k] seconds, on a clock of 1/90000.

    quarter_turns: how far the coded picture lies turned clockwise from upright; a player turns it back by the
    display matrix. sound: (S,) -1..1 at 48 kHz, becomes an AAC track.
    """
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        coded = [np.ascontiguousarray(np.rot90(picture, -quarter_turns)) for picture in pictures]
        height, width = coded[0].shape[:2]
        mean_rate = Fraction((len(times) - 1) / (times[-1] - times[0])).limit_denominator(1001)
        stream = container.add_stream(
            "libx264",
            rate=mean_rate,
            options={"crf": str(crf), "preset": "veryslow", "x264-params": "keyint=60:threads=1"},
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 90000)
        stream.color_range, stream.colorspace, stream.color_primaries, stream.color_trc = (
            1,
            1,
            1,
            1,
        )  # limited range, BT.709
        if quarter_turns:
            stream.set_display_rotation(90 * quarter_turns)
        audio = None
        if sound is not None:
            audio = container.add_stream("aac", rate=48000, layout="mono")
            audio.bit_rate = 64_000
        for picture, time in zip(coded, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
            )
            frame.pts, frame.time_base = round(time * 90000), Fraction(1, 90000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None and sound is not None:
            for start in range(0, len(sound), 1024):
                block = np.zeros((1, 1024), dtype=np.float32)
                part = sound[start : start + 1024]
                block[0, : len(part)] = part
                chunk = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
                chunk.sample_rate, chunk.pts, chunk.time_base = 48000, start, Fraction(1, 48000)
                container.mux(audio.encode(chunk))
            container.mux(audio.encode(None))


def write_truth(path: Path, clip: Path, truths: Sequence[Sequence[PersonTruth]]) -> None:
    """Write the keypoint log (schema 1) of what is true, with the clip's own time stamps, read back from the file."""
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        frames = [(frame.pts, frame.rotation, frame.width, frame.height) for frame in container.decode(stream)]
        base, rate = stream.time_base, stream.average_rate
    assert len(frames) == len(truths), f"{clip}: {len(frames)} frames, {len(truths)} truths"
    width, height = frames[0][2:] if frames[0][1] % 180 == 0 else frames[0][:1:-1]
    records: list[dict[str, object]] = [
        {
            "type": "run",
            "schema": 1,
            "source": clip.name,
            "model": {"name": "truth", "sha256": None, "imgsz": None, "precision": None},
            "runtime": "render",
            "device": "none",
            "skeleton": {"names": list(KEYPOINTS), "edges": [list(edge) for edge in EDGES]},
            "video": {
                "width": width,
                "height": height,
                "fps": round(float(rate), 4),
                "time_base": f"{base.numerator}/{base.denominator}",
                "pixel_aspect": 1.0,
            },
            "settings": {"truth": MEANING},
            "versions": {"truth": "1"},
            "started": "1970-01-01T00:00:00+00:00",
        }
    ]
    for index, (persons, (pts, *_)) in enumerate(zip(truths, frames, strict=True)):
        records.append(
            {
                "type": "frame",
                "frame": index,
                "pts": pts,
                "time": round(float((pts - frames[0][0]) * base), 6),
                "persons": [_person(person) for person in persons],
                "dropped_before": 0,
                "corrupt": False,
            }
        )
    counts = {
        "read": len(frames),
        "processed": len(frames),
        "dropped": 0,
        "bad": 0,
        "persons": sum(len(persons) for persons in truths),
        "corrupt": 0,
    }
    records.append({"type": "end", "ended": "complete", "counts": counts, "elapsed": 0.0, "fps": 0.0, "error": None})
    path.write_text(
        "".join(json.dumps(record, separators=(",", ":"), allow_nan=False) + "\n" for record in records),
        encoding="utf-8",
    )


def _person(person: PersonTruth) -> dict[str, object]:
    def numbers(values: np.ndarray) -> list[float]:
        return [round(float(value), 2) for value in values]

    assert all(math.isfinite(value) for value in person.box)
    return {
        "id": person.id,
        "score": 1.0,
        "box": numbers(person.box),
        "keypoints": [numbers(point) for point in person.keypoints],
        "angles": {name: round(value, 1) for name, value in person.angles.items()},
        "visible": round(person.visible, 3),
    }
