"""The four clips in `samples/`: a sprint, a squat, three players who cross, and a crowd."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .body import MATERIALS, Body, Outfit
from .film import encode, write_truth
from .motion import STRIDE_SECONDS, gait, gait_height, gait_speed, hands_on_hips, repetition, squat, stand, waving
from .picture import Actors, Cast, PersonTruth, Scenery, Shot, render
from .scene import Camera, Light, Place
from .skeleton import lowest_point
from .wardrobe import HAIR, SKIN, linear

SHUTTER = 1 / 200  # seconds
RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Player:
    """One person of a clip: how it looks and how it moves."""

    body: Body
    outfit: Outfit
    move: Callable[[np.ndarray, Tensor], tuple[Tensor, Tensor, Tensor]]
    """(times (T,), joints (1, bones, 3)) to pose (T, angles), place (T, 3) and heading (T,)."""
    skin: int = 2
    hair: int = 1
    shirt: RGB = (200, 40, 40)
    lower: RGB = (30, 40, 90)
    second: RGB = (235, 235, 235)
    shoe: RGB = (60, 180, 90)
    pattern: int = 0
    period: float = 0.1
    leg_stripe: float = 0.0
    beard: float = 0.0


@dataclass(frozen=True)
class Clip:
    """A film: who plays, how it is shot, how it is stored."""

    name: str
    players: Sequence[Player]
    shot: Callable[[float], tuple[Place, Light, Camera]]
    times: np.ndarray
    size: tuple[int, int]
    quarter_turns: int = 0
    crf: int = 24
    sound: Callable[[np.ndarray], np.ndarray] | None = None
    grain: float = 0.006


# ---------------------------------------------------------------- ways to move


def spline(knots: Sequence[tuple[float, ...]], times: np.ndarray) -> np.ndarray:
    """(T, D) Catmull-Rom through knots (time, values…), at rest before the first and after the last."""
    table = np.array(knots, dtype=float)
    x, y = table[:, 0], table[:, 1:]
    slope = np.gradient(y, x, axis=0)
    slope[0], slope[-1] = (y[1] - y[0]) / (x[1] - x[0]), (y[-1] - y[-2]) / (x[-1] - x[-2])
    i = np.clip(np.searchsorted(x, times, side="right") - 1, 0, len(x) - 2)
    h = (x[i + 1] - x[i])[:, None]
    t = ((times - x[i])[:, None] / h).clip(0, 1)
    return (
        (2 * t**3 - 3 * t**2 + 1) * y[i]
        + (t**3 - 2 * t**2 + t) * h * slope[i]
        + (3 * t**2 - 2 * t**3) * y[i + 1]
        + (t**3 - t**2) * h * slope[i + 1]
    )


def along(
    knots: Sequence[tuple[float, float, float]],
    start: float = 0.0,
    change: Callable[[Tensor, np.ndarray], None] | None = None,
    pace: str | None = None,
) -> Callable[[np.ndarray, Tensor], tuple[Tensor, Tensor, Tensor]]:
    """Walk or run (by speed, or as `pace`) through knots (time, x, y), from phase `start`; `change` edits the poses."""

    def move(times: np.ndarray, joints: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fine = np.arange(-0.5, times[-1] + 0.5, 1 / 120)
        path = spline(knots, fine)
        velocity = np.gradient(path, fine, axis=0)
        speed = np.hypot(*velocity.T)
        kinds = (pace, pace) if pace else ("walk", "run")
        strides = [gait_speed(kind, joints) * STRIDE_SECONDS[kind] for kind in kinds]
        swift = np.clip((speed - 1.5) / 0.9, 0, 1) if not pace else np.ones_like(speed)
        swift = swift * swift * (3 - 2 * swift)
        phase = start + np.cumsum(speed / (strides[0] + (strides[1] - strides[0]) * swift)) / 120
        heading = np.unwrap(np.arctan2(velocity[:, 1], velocity[:, 0]))
        kernel = np.hanning(41) / np.hanning(41).sum()
        heading = np.convolve(np.pad(heading, 20, mode="edge"), kernel, mode="valid")
        now = np.interp(times, fine, phase)
        share = torch.as_tensor(np.interp(times, fine, swift), dtype=torch.float32)[:, None]
        still = torch.as_tensor(np.clip(1 - np.interp(times, fine, speed) / 0.5, 0, 1), dtype=torch.float32)[:, None]
        pose = torch.lerp(gait(kinds[0], now), gait(kinds[1], now), share)
        pose = torch.lerp(pose, stand(times), still)
        if change is not None:
            change(pose, times)
        height = np.interp(times, fine, np.zeros_like(fine))
        walk, run = (gait_height(kind, now, joints) for kind in kinds)
        height = walk + (run - walk) * share[:, 0].numpy()
        height = (
            height * (1 - still[:, 0].numpy())
            - still[:, 0].numpy() * lowest_point(joints.expand(len(times), -1, -1), pose).numpy()
        )
        place = np.stack([np.interp(times, fine, path[:, 0]), np.interp(times, fine, path[:, 1]), height], 1)
        return (
            pose,
            torch.as_tensor(place, dtype=torch.float32),
            torch.as_tensor(np.rad2deg(np.interp(times, fine, heading)), dtype=torch.float32),
        )

    return move


def on_the_spot(
    poses: Callable[[np.ndarray], Tensor], x: float, y: float, heading: float
) -> Callable[[np.ndarray, Tensor], tuple[Tensor, Tensor, Tensor]]:
    """Poses on the ground at (x, y); the feet stay where they are, so the pelvis moves back when they would not."""

    def move(times: np.ndarray, joints: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        from .skeleton import BONE, forward_kinematics

        pose = poses(times)
        everyone = joints.expand(len(times), -1, -1)
        _, position = forward_kinematics(everyone, pose)
        feet = (position[:, BONE["left_foot"], :2] + position[:, BONE["right_foot"], :2]) / 2
        turn = np.deg2rad(heading)
        back = -torch.stack(
            [
                feet[:, 0] * np.cos(turn) - feet[:, 1] * np.sin(turn),
                feet[:, 0] * np.sin(turn) + feet[:, 1] * np.cos(turn),
            ],
            1,
        )
        place = torch.cat([back + torch.tensor([x, y]), -lowest_point(everyone, pose)[:, None]], 1)
        return pose, place, torch.full((len(times),), float(heading))

    return move


# ---------------------------------------------------------------- the clips


def sprint() -> Clip:
    """One runner seen from the side; the camera pans with her. With a sound track: her steps, and wind."""
    times = np.arange(150) / 30
    body = Body(stature=1.72, girth=0.95, female=0.9, muscle=0.6)
    speed = 4.9
    runner = Player(
        body,
        Outfit(sleeves=0.0, lower="shorts", hem=0.40, hair="tail", socks=0.14, loose=0.55),
        along([(0.0, -speed * 2.5, 0.0), (2.5, 0.0, 0.0), (5.0, speed * 2.5, 0.0)], pace="sprint"),
        skin=3,
        hair=1,
        shirt=(206, 40, 52),
        lower=(25, 28, 40),
        shoe=(250, 220, 60),
        second=(245, 245, 240),
        pattern=3,
    )
    place = Place(
        "track",
        "boards",
        (-45.0, 45.0, -15.0, 9.5),
        2.2,
        False,
        tuple(tuple(linear(c)) for c in ((74, 112, 150), (92, 108, 84), (236, 236, 230), (120, 120, 120))),
        4,
    )
    light = Light((-0.45, -0.60, 0.62), strength=0.95, ambient=0.42, soft=0.004, exposure=1.05)

    def shot(t: float) -> tuple[Place, Light, Camera]:
        follow = (
            speed * (t - 2.5) + 0.25 * np.sin(2.1 * t) + 0.10 * np.sin(5.3 * t + 1)
        )  # a hand that follows, not quite evenly
        return (
            place,
            light,
            Camera(
                (0.0, -12.0, 1.5),
                (float(follow), 0.0, 0.98 + 0.02 * float(np.sin(3.1 * t))),
                3.55 + 0.14 * (t - 2.5) ** 2,
            ),
        )

    def sound(t: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(7)
        wind = (
            np.convolve(rng.normal(0, 1, len(t)), np.hanning(301) / 60, mode="same")
            * 0.05
            * (1 + 0.5 * np.sin(t * 1.1))
        )
        step = STRIDE_SECONDS["sprint"] / 2
        since = t % step
        return (
            wind
            + 0.5 * np.exp(-since * 60) * np.sin(2 * np.pi * 85 * since)
            + 0.12 * np.exp(-since * 140) * rng.normal(0, 1, len(t))
        )

    return Clip("sprint", [runner], shot, times, (540, 960), crf=25, sound=sound)


def squats() -> Clip:
    """One athlete, three repetitions, a camera at rest held upright: 9:16, stored lying with a display matrix."""
    times = np.arange(int(8.4 * 25)) / 25
    body = Body(stature=1.80, girth=1.06, muscle=0.9)
    athlete = Player(
        body,
        Outfit(sleeves=0.3, lower="shorts", hem=0.62, hair="short", socks=0.25, loose=0.7),
        on_the_spot(lambda t: squat(np.where((t > 0.3) & (t < 8.1), repetition(t - 0.3, 2.6), 0)), 0, 0, -90 + 38),
        skin=1,
        hair=2,
        shirt=(52, 120, 120),
        lower=(28, 28, 32),
        shoe=(235, 235, 235),
        second=(220, 220, 220),
        beard=0.6,
    )
    place = Place(
        "wood",
        "panels",
        (-5.0, 4.5, -6.0, 3.2),
        4.2,
        True,
        tuple(tuple(linear(c)) for c in ((190, 146, 96), (186, 190, 186), (235, 235, 228), (66, 96, 128))),
        2,
    )
    light = Light((-0.35, -0.45, 0.82), (1.0, 0.97, 0.92), 0.55, (1.0, 0.99, 0.96), 0.55, 0.018, 1.0)
    camera = Camera((0.0, -4.6, 1.25), (0.0, 0.0, 0.88), 2.7)
    return Clip("squat", [athlete], lambda _: (place, light, camera), times, (960, 540), quarter_turns=1, crf=19)


def crossing() -> Clip:
    """Three players who cross, hide one another, leave and come back; frames come unevenly, as from a telephone."""
    rng = np.random.default_rng(11)
    steps = rng.choice([1 / 30, 1 / 30, 1 / 30, 1 / 24, 1 / 20], size=300) + rng.normal(0, 0.0006, 300)
    times = np.concatenate([[0.0], np.cumsum(steps)])
    times = np.round(times[times < 9.0] * 90000) / 90000
    shirt = {"lower": (240, 240, 240), "pattern": 5}
    players = [
        Player(
            Body(stature=1.82, muscle=0.7),
            Outfit(0.42, "shorts", 0.6, "short", 0.75),
            along(
                [
                    (-1, -5.6, -0.2),
                    (0, -4.0, -0.2),
                    (2.2, 0.0, -0.2),
                    (4.2, 4.2, 0.0),
                    (5.0, 6.6, 0.6),
                    (6.0, 6.8, 1.6),
                    (7.0, 3.6, 1.8),
                    (9.5, -2.4, 0.8),
                ]
            ),
            skin=6,
            hair=0,
            shirt=(205, 36, 44),
            second=(250, 250, 250),
            shoe=(30, 30, 30),
            **shirt,
        ),
        Player(
            Body(stature=1.76, girth=0.97, muscle=0.6),
            Outfit(0.42, "shorts", 0.6, "curly", 0.75),
            along(
                [
                    (-1, 4.6, 1.0),
                    (0, 3.6, 0.9),
                    (2.2, 0.3, 0.7),
                    (4.6, -3.2, 0.6),
                    (6.0, -2.6, 1.6),
                    (7.5, -0.4, 1.9),
                    (9.5, 3.0, 1.2),
                ],
                0.3,
            ),
            skin=2,
            hair=3,
            shirt=(28, 64, 168),
            second=(250, 230, 80),
            shoe=(230, 230, 60),
            **shirt,
        ),
        Player(
            Body(stature=1.70, girth=0.95, female=0.9),
            Outfit(0.42, "shorts", 0.5, "tail", 0.75),
            along(
                [
                    (-1, -1.6, 3.6),
                    (0, -1.0, 3.2),
                    (2.4, 0.6, 2.0),
                    (4.0, -0.6, -1.0),
                    (5.4, -4.4, -1.2),
                    (6.2, -6.0, -0.6),
                    (7.2, -4.8, 0.2),
                    (9.5, 1.4, -0.9),
                ],
                0.6,
            ),
            skin=0,
            hair=5,
            shirt=(240, 150, 30),
            second=(20, 20, 20),
            shoe=(120, 60, 200),
            lower=(30, 30, 36),
            pattern=1,
            period=0.09,
        ),
    ]
    place = Place(
        "grass",
        "hedge",
        (-40.0, 40.0, -20.0, 17.0),
        4.5,
        False,
        tuple(tuple(linear(c)) for c in ((88, 122, 54), (58, 84, 44), (236, 238, 230), (120, 120, 120))),
        5,
    )
    light = Light((0.55, -0.5, 0.60), strength=1.0, ambient=0.40, soft=0.004)
    camera = Camera((0.0, -9.0, 2.1), (0.0, 0.6, 0.95), 1.38)
    return Clip("crossing", players, lambda _: (place, light, camera), times, (540, 960), crf=25)


def crowd() -> Clip:
    """Eight persons of different sizes and ages before a house."""
    times = np.arange(200) / 25
    pl = Player
    players = [
        pl(
            Body(stature=1.84, girth=1.05, muscle=0.7),
            Outfit(1.0, "trousers", 0.7, "short", 0.12, 1.0),
            along([(-1, -3.6, 1.1), (4, 1.2, 1.2), (9, 6.0, 1.3)]),
            1,
            2,
            (60, 66, 80),
            (110, 96, 76),
            shoe=(60, 40, 30),
            beard=0.9,
        ),
        pl(
            Body(stature=1.66, female=1.0, girth=1.0),
            Outfit(0.3, "skirt", 0.8, "long", 0.0, 0.9),
            along([(-1, 4.4, 2.7), (4, 0.0, 2.6), (9, -4.4, 2.5)], 0.4),
            3,
            1,
            (225, 220, 210),
            (150, 40, 70),
            shoe=(40, 40, 45),
        ),
        pl(
            Body(stature=1.22, girth=0.95, head=1.05),
            Outfit(0.42, "shorts", 0.7, "short", 0.3, 1.1),
            along([(-1, 3.0, -0.6), (1.5, 1.2, -0.5), (4.5, -2.2, -0.3), (9, -3.0, 0.8)], 0.1),
            4,
            1,
            (240, 180, 40),
            (40, 60, 110),
            shoe=(220, 60, 60),
        ),
        pl(
            Body(stature=1.75, girth=1.32, muscle=0.3),
            Outfit(0.5, "trousers", 0.7, "bald", 0.1, 1.4),
            on_the_spot(hands_on_hips(3), -2.5, 1.9, -70),
            2,
            6,
            (90, 130, 170),
            (60, 60, 64),
            shoe=(90, 70, 50),
            beard=0.5,
            pattern=2,
            period=0.06,
            second=(210, 215, 220),
        ),
        pl(
            Body(stature=1.70, female=0.9, girth=0.95, muscle=0.5),
            Outfit(0.0, "tights", 0.7, "tail", 0.0, 0.6),
            on_the_spot(waving("left", 4), -0.9, 0.5, -85),
            5,
            0,
            (230, 70, 130),
            (35, 35, 45),
            shoe=(240, 240, 240),
        ),
        pl(
            Body(stature=1.88, muscle=0.8),
            Outfit(0.42, "shorts", 0.8, "cap", 0.5, 1.2),
            along([(-1, -5.2, 4.4), (4, -1.2, 4.2), (9, 2.8, 4.0)], 0.7),
            4,
            1,
            (250, 250, 248),
            (30, 60, 120),
            shoe=(230, 230, 230),
            pattern=3,
            second=(30, 90, 60),
        ),
        pl(
            Body(stature=1.60, female=0.8, girth=1.12),
            Outfit(1.0, "trousers", 0.7, "bun", 0.0, 1.0),
            on_the_spot(lambda t: stand(t, seed=9), 2.6, 2.2, -120),
            1,
            6,
            (110, 60, 120),
            (40, 44, 60),
            shoe=(30, 30, 30),
        ),
        pl(
            Body(stature=1.45, girth=0.92, head=1.04, female=0.2),
            Outfit(0.5, "trousers", 0.7, "curly", 0.2, 0.9),
            on_the_spot(lambda t: squat(0.25 + 0.25 * np.sin(2 * np.pi * 0.4 * t), "chest"), 1.5, 0.2, -105),
            6,
            0,
            (60, 170, 180),
            (80, 84, 100),
            shoe=(250, 210, 60),
        ),
    ]
    place = Place(
        "asphalt",
        "windows",
        (-30.0, 30.0, -14.0, 7.6),
        9.0,
        False,
        tuple(tuple(linear(c)) for c in ((112, 110, 108), (196, 176, 148), (228, 226, 220), (158, 154, 148))),
        8,
    )
    light = Light((-0.5, -0.62, 0.75), strength=0.85, ambient=0.45, soft=0.005)
    camera = Camera((0.0, -8.0, 2.5), (0.0, 1.5, 0.88), 1.45)
    return Clip("crowd", players, lambda _: (place, light, camera), times, (720, 1280), crf=26)


CLIPS: dict[str, Callable[[], Clip]] = {"sprint": sprint, "squat": squats, "crossing": crossing, "crowd": crowd}


# ---------------------------------------------------------------- filming


def _colours(players: Sequence[Player]) -> tuple[Tensor, Tensor]:
    palette, pattern = np.zeros((len(players), len(MATERIALS) + 1, 3)), np.zeros((len(players), 8))
    for row, p in enumerate(players):
        srgb = [
            SKIN[p.skin],
            (222, 220, 214),
            HAIR[p.hair],
            p.shirt,
            p.lower,
            (236, 236, 232),
            p.shoe,
            (228, 228, 224),
            p.second,
            (128, 128, 128),
        ]
        palette[row] = [linear(colour) for colour in srgb]
        pattern[row] = [p.pattern, p.period, *linear(p.second), p.leg_stripe, p.beard, 0.8]
    return torch.as_tensor(palette, dtype=torch.float32), torch.as_tensor(pattern, dtype=torch.float32)


def film(
    clip: Clip, device: torch.device | str = "cpu", samples: int = 5, batch: int = 8, every: int = 1
) -> tuple[list[np.ndarray], list[list[PersonTruth]]]:
    """Upright RGB pictures (H, W, 3) of a clip and their truths; `every` n-th frame only, to look at."""
    cast = Cast(
        [(player.body, player.outfit) for player in clip.players], device, detail=0.75 if len(clip.players) < 4 else 0.6
    )
    count = len(clip.players)
    times = clip.times[::every]
    both = np.stack([times, times + SHUTTER], 1).ravel()  # opening and closing of each frame's shutter
    moves = [player.move(both, cast.joints[index : index + 1]) for index, player in enumerate(clip.players)]
    pose, place, heading = (torch.stack([move[k] for move in moves], 1) for k in range(3))  # (2T, P, …)
    palette, pattern = _colours(clip.players)
    at_rest = clip.shot(float(times[0])) == clip.shot(float(times[-1]))
    scenery: Scenery = {}
    pictures, truths = [], []
    for start in range(0, len(times), batch):
        frames = list(range(start, min(start + batch, len(times))))
        opening, closing = ([2 * frame + k for frame in frames] for k in (0, 1))
        shots = []
        for frame in frames:
            (where, light, first), (_, _, last) = (
                clip.shot(float(times[frame])),
                clip.shot(float(times[frame]) + SHUTTER),
            )
            shots.append(Shot(where, light, first, last, clip.grain, 0.35))
        actors = Actors(
            torch.arange(count).repeat(len(frames)),
            torch.arange(len(frames)).repeat_interleave(count),
            torch.arange(1, count + 1).repeat(len(frames)),
            torch.stack([pose[opening].flatten(0, 1), pose[closing].flatten(0, 1)]),
            torch.stack([place[opening].flatten(0, 1), place[closing].flatten(0, 1)]),
            torch.stack([heading[opening].flatten(), heading[closing].flatten()]),
            palette.repeat(len(frames), 1, 1),
            pattern.repeat(len(frames), 1),
        )
        images, persons = render(
            cast,
            actors,
            shots,
            clip.size,
            samples,
            still_backdrop=False,
            seed=start,
            scenery=scenery if at_rest else None,
        )
        pictures += [image.permute(1, 2, 0).cpu().numpy() for image in images]
        truths += persons
    return pictures, truths


def make(name: str, folder: Path, device: torch.device | str = "cpu") -> None:
    """Render clip `name` and write NAME.mp4 and NAME.truth.jsonl into `folder`."""
    began = clock.monotonic()
    clip = CLIPS[name]()
    pictures, truths = film(clip, device, 5 if clip.shot(0.0) == clip.shot(1.0) else 4)
    path = folder / f"{name}.mp4"
    sound = clip.sound(np.arange(int(48000 * (clip.times[-1] + 1 / 30))) / 48000) if clip.sound else None
    encode(path, pictures, clip.times.tolist(), quarter_turns=clip.quarter_turns, crf=clip.crf, sound=sound)
    write_truth(folder / f"{name}.truth.jsonl", path, truths)
    print(f"{path}: {len(pictures)} frames, {path.stat().st_size / 1e6:.2f} MB, {clock.monotonic() - began:.0f} s")
