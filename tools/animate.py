"""Make an animated WebP of an annotated video, as the README shows one: python tools/animate.py VIDEO OUT.webp."""

import argparse
from itertools import pairwise
from pathlib import Path

import av
from PIL import Image


def main() -> None:
    """Scale every n-th frame and show each for as long as the video does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--start", type=float, default=0.0, help="seconds")
    parser.add_argument("--stop", type=float, default=1e9, help="seconds")
    parser.add_argument("--every", type=int, default=2, help="take every n-th frame")
    parser.add_argument("--width", type=int, default=640, help="pixels")
    parser.add_argument("--quality", type=int, default=45, help="0 to 100")
    chosen = parser.parse_args()
    pictures, times = [], []
    with av.open(str(chosen.video)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % chosen.every == 0 and chosen.start <= frame.time < chosen.stop:
                height = round(chosen.width * frame.height / frame.width)
                pictures.append(frame.to_image().resize((chosen.width, height), Image.Resampling.LANCZOS))
                times.append(frame.time)
    shown = [round(1000 * (later - time)) for time, later in pairwise(times)]
    pictures[0].save(
        chosen.out, save_all=True, append_images=pictures[1:], duration=[*shown, 1000], loop=0,
        quality=chosen.quality, method=6, minimize_size=True,
    )  # fmt: skip
    print(f"{chosen.out}: {len(pictures)} pictures, {times[-1] - times[0]:.1f} s, {chosen.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
