"""Pictures of people in places, and their truth: skinning, shadows, shading, motion blur, sensor.

Everything is batched over pictures and persons. Per picture only its backdrop is drawn on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .body import MATERIAL, MATERIALS, Mesh, Outfit, bind_pose, build_mesh, polygonise
from .raster import barycentric, rasterise
from .scene import Camera, Light, Place, backdrop, noise
from .skeleton import BONES, FACE, KEYPOINTS, RIG_SIZE, Body, forward_kinematics, joint_angles, keypoint_offsets

PROP_MATERIAL = len(MATERIALS)
"""Material of things that are no person; the palette's last row."""

SHADOW_SIZE = 144  # pixels of a person's shadow map, which spans SHADOW_SPAN metres
SHADOW_SPAN = 2.6


class Cast:
    """Meshes of many dressed bodies (and things), laid end to end so that any mixture of them is drawn at once."""

    def __init__(
        self,
        figures: Sequence[tuple[Body, Outfit]],
        device: torch.device | str = "cpu",
        detail: float = 1.0,
        things: int = 0,
    ):
        self.device = torch.device(device)
        bodies = [body for body, _ in figures]
        meshes = [build_mesh(body, outfit, detail, self.device) for body, outfit in figures]
        self.people = len(meshes)
        meshes += [_thing(index, self.device) for index in range(things)]
        self.size = len(meshes)

        def lay(name: str) -> Tensor:
            return torch.cat([getattr(mesh, name) for mesh in meshes])

        self.vertices, self.normals, self.local, self.light = (
            lay("vertices"),
            lay("normals"),
            lay("local"),
            lay("light"),
        )
        self.material, self.bones, self.weights, self.faces, self.head = (
            lay("material"),
            lay("bones"),
            lay("weights"),
            lay("faces"),
            lay("head"),
        )
        self.vertex_count = torch.tensor([len(mesh.vertices) for mesh in meshes], device=self.device)
        self.face_count = torch.tensor([len(mesh.faces) for mesh in meshes], device=self.device)
        self.vertex_start = self.vertex_count.cumsum(0) - self.vertex_count
        self.face_start = self.face_count.cumsum(0) - self.face_count
        joints = [body.joints() for body in bodies] + [torch.zeros(len(BONES), 3)] * things
        self.joints = torch.stack(joints)  # on the CPU: poses are made there
        bind_rotation, bind_position = forward_kinematics(self.joints, bind_pose().expand(self.size, -1))
        bind_rotation[self.people :], bind_position[self.people :] = torch.eye(3), 0
        self.bind_rotation, self.bind_position = bind_rotation, bind_position
        points = [keypoint_offsets(body) for body in bodies]
        self.keypoint_bones = torch.tensor(points[0][0])
        self.keypoint_places = torch.stack([place for _, place in points] + [torch.zeros(len(KEYPOINTS), 3)] * things)
        self.stature = torch.tensor([body.stature for body in bodies] + [1.75] * things)


def _thing(index: int, device: torch.device) -> Mesh:
    """A ball, a box, a post or a cone of about a metre, standing on z = 0."""
    rng = np.random.default_rng(index)
    size = torch.tensor(rng.uniform(0.15, 0.6, 3), dtype=torch.float32, device=device)
    kind = index % 4

    def field(p: Tensor) -> Tensor:
        if kind == 0:
            return (p - p.new_tensor([0, 0, float(size[0])])).norm(dim=1) - size[0]
        if kind == 1:
            q = (p - torch.stack([size[0] * 0, size[0] * 0, size[2]])).abs() - size + 0.03
            return q.clamp_min(0).norm(dim=1) + q.amax(1).clamp_max(0) - 0.03
        radius = 0.03 + 0.12 * size[0] if kind == 2 else size[0] * 0.7 * (1 - p[:, 2] / (1.2 + size[1]))
        height = 1.0 + 2.5 * size[1] if kind == 2 else 0.5 + size[1]
        return torch.maximum(p[:, :2].norm(dim=1) - radius, (p[:, 2] - height / 2).abs() - height / 2)

    low, high = torch.tensor([-0.8, -0.8, -0.1], device=device), torch.tensor([0.8, 0.8, 2.7], device=device)
    v, f, n = polygonise(field, low, high, 0.035)
    count = len(v)
    bones = torch.zeros(count, 4, dtype=torch.long, device=device)
    weights = torch.tensor([1.0, 0, 0, 0], device=device).expand(count, 4)
    light = (0.5 + v[:, 2] * 2).clamp(0.4, 1)
    return Mesh(
        v,
        n,
        v.clone(),
        torch.full((count,), PROP_MATERIAL, device=device),
        light,
        bones,
        weights,
        f,
        torch.zeros(count, dtype=torch.bool, device=device),
    )


@dataclass
class Actors:
    """Who is in the pictures: P persons (and things) of a cast, each at the opening and the closing of the shutter."""

    figure: Tensor  # (P,) index into the cast
    picture: Tensor  # (P,) which picture
    ids: Tensor  # (P,) persistent id, -1 for things
    pose: Tensor  # (2, P, angles) degrees
    place: Tensor  # (2, P, 3) metres added to the pelvis
    heading: Tensor  # (2, P) degrees
    palette: Tensor  # (P, materials + 1, 3) linear colours
    # (P, 8): shirt pattern (0 plain, 1 hoops, 2 vertical, 3 halves, 4 sash), its period, second colour,
    # stripe on the leg, beard, wrinkles
    pattern: Tensor


@dataclass(frozen=True)
class Shot:
    """How one picture is taken."""

    place: Place
    light: Light
    opening: Camera
    closing: Camera
    grain: float = 0.012  # sensor noise, standard deviation of a 0..1 picture
    blur: float = 0.0  # lens blur in pixels


Scenery = dict[tuple[Shot, float, tuple[float, float]], tuple[Tensor, Tensor]]
"""Empty places already drawn: colour and floor by shot, moment and place within the pixel."""


@dataclass(frozen=True)
class PersonTruth:
    """What is true of one person in one picture; pixels of the picture."""

    id: int
    box: np.ndarray  # (4,) x1 y1 x2 y2 around its silhouette inside the frame, as if nobody stood before it
    visible_box: np.ndarray  # (4,) around what is seen of it; NaN where nothing is
    keypoints: np.ndarray  # (17, 3) x, y and 1 visible, 0.5 hidden but inside the frame, 0 outside
    visible: float  # share of its silhouette that is seen: neither outside the frame nor behind another
    angles: dict[str, float]  # joint angles in space, degrees


def render(
    cast: Cast,
    actors: Actors,
    shots: Sequence[Shot],
    size: tuple[int, int],
    samples: int = 3,
    still_backdrop: bool = True,
    seed: int = 0,
    scenery: Scenery | None = None,
) -> tuple[Tensor, list[list[PersonTruth]]]:
    """Pictures (N, 3, H, W) uint8 RGB on the cast's device, and for each the truth of its persons.

    `samples` moments within the shutter, each at another place within the pixel: antialiasing and motion blur in one.
    A still backdrop is drawn once a picture, otherwise at every moment, as a panning camera needs. `scenery` keeps the
    empty places from one call to the next, for films by a camera at rest.
    """
    height, width = size
    count, device = len(shots), cast.device
    generator = torch.Generator(device=device).manual_seed(seed)
    world = _skin(cast, actors)
    views = _views(shots, width, device)
    vertex_picture = actors.picture.to(device)[world.person]
    screens = [
        _project(
            world.positions[k],
            views.position[k][vertex_picture],
            views.rotation[k][vertex_picture],
            views.focal[k][vertex_picture],
            size,
        )
        for k in (0, 1)
    ]
    face_picture = actors.picture.to(device)[world.face_person]
    soft, maps = (
        _ground_shadow(world, shots, views, vertex_picture, face_picture, size),
        _shadow_maps(world, shots, actors, device),
    )

    total = torch.zeros(count, height, width, 3, device=device)
    middle = samples // 2
    grounds: Tensor | None = None
    for k in range(samples):
        moment = (k + 0.5) / samples
        jitter = (0.0, 0.0) if k == middle else (_halton(k + 1, 2) - 0.5, _halton(k + 1, 3) - 0.5)
        screen = torch.lerp(screens[0], screens[1], moment)
        shifted = screen - screen.new_tensor([jitter[0], jitter[1], 0.0])
        face, depth = rasterise(shifted, world.faces, face_picture, (count, height, width))
        if grounds is None or not still_backdrop:
            grounds = _backdrops(shots, views, moment, jitter, size, soft, scenery if scenery is not None else {})
        image = grounds.clone()
        hit = (face >= 0).nonzero()
        if len(hit):
            picked = face[hit.unbind(1)]
            image[hit.unbind(1)] = _shade(cast, actors, world, shots, views, maps, shifted, picked, hit)
        total += image
        if k == middle:
            seen = (screen, face, depth)
    picture = _develop(total / samples, shots, generator)
    return picture, _truth(cast, actors, world, views, *seen, size, count)


# ---------------------------------------------------------------- from poses to triangles


@dataclass
class _World:
    positions: tuple[Tensor, Tensor]  # (V, 3) at the shutter's opening and closing
    normals: Tensor  # (V, 3)
    source: Tensor  # (V,) vertex of the cast
    person: Tensor  # (V,)
    faces: Tensor  # (F, 3)
    face_person: Tensor  # (F,)
    joints: Tensor  # (P, rig, 3) in the middle of the shutter, on the CPU
    keypoints: Tensor  # (P, 17, 3), on the CPU
    root: Tensor  # (P, 3)


@dataclass
class _Views:
    position: Tensor  # (2, N, 3)
    rotation: Tensor  # (2, N, 3, 3)
    focal: Tensor  # (2, N)


def _skin(cast: Cast, actors: Actors) -> _World:
    device, figure = cast.device, actors.figure
    joints = cast.joints[figure]
    rigs = [forward_kinematics(joints, actors.pose[k], actors.place[k], actors.heading[k]) for k in (0, 1)]
    things = figure >= cast.people
    for rotation, position in rigs:
        if things.any():  # a thing has one bone, its place
            position[things] = position[things][:, :1]
            rotation[things] = rotation[things][:, :1]
    vertex_count, face_count = cast.vertex_count[figure.to(device)], cast.face_count[figure.to(device)]
    person = torch.repeat_interleave(torch.arange(len(figure), device=device), vertex_count)
    own_start = vertex_count.cumsum(0) - vertex_count
    source = torch.arange(len(person), device=device) - own_start[person] + cast.vertex_start[figure.to(device)][person]
    face_person = torch.repeat_interleave(torch.arange(len(figure), device=device), face_count)
    face_start = face_count.cumsum(0) - face_count
    face_source = (
        torch.arange(len(face_person), device=device)
        - face_start[face_person]
        + cast.face_start[figure.to(device)][face_person]
    )
    faces = cast.faces[face_source] + own_start[face_person, None]

    positions, matrices = [], []
    for rotation, position in rigs:
        turn = rotation @ cast.bind_rotation[figure].transpose(-1, -2)
        move = position - (turn @ cast.bind_position[figure][..., None])[..., 0]
        matrix = torch.cat([turn, move[..., None]], -1).to(device).view(-1, 3, 4)  # (P * rig, 3, 4)
        blended = torch.zeros(len(person), 3, 4, device=device)
        for k in range(4):
            blended += cast.weights[source, k, None, None] * matrix[person * RIG_SIZE + cast.bones[source, k]]
        positions.append((blended[..., :3] @ cast.vertices[source, :, None])[..., 0] + blended[..., 3])
        matrices.append(blended[..., :3])
    normals = ((matrices[0] + matrices[1]) / 2 @ cast.normals[source, :, None])[..., 0]
    rotation, position = forward_kinematics(joints, actors.pose.mean(0), actors.place.mean(0), actors.heading.mean(0))
    bones = cast.keypoint_bones
    keypoints = position[:, bones] + (rotation[:, bones] @ cast.keypoint_places[figure][..., None])[..., 0]
    return _World(
        (positions[0], positions[1]),
        functional.normalize(normals, dim=1),
        source,
        person,
        faces,
        face_person,
        position,
        keypoints,
        position[:, 0],
    )


def _views(shots: Sequence[Shot], width: int, device: torch.device) -> _Views:
    cameras = [[shot.opening for shot in shots], [shot.closing for shot in shots]]
    position = torch.tensor([[camera.position for camera in row] for row in cameras], dtype=torch.float32)
    rotation = torch.stack([torch.stack([camera.rotation() for camera in row]) for row in cameras])
    focal = torch.tensor([[camera.focal * width for camera in row] for row in cameras], dtype=torch.float32)
    return _Views(position.to(device), rotation.to(device), focal.to(device))


def _project(points: Tensor, position: Tensor, rotation: Tensor, focal: Tensor, size: tuple[int, int]) -> Tensor:
    """(V, 3) pixel x, pixel y, depth in metres; every point with its own camera."""
    seen = (rotation @ (points - position)[..., None])[..., 0]
    depth = torch.where(seen[:, 2].abs() < 1e-3, seen.new_full((), 1e-3), seen[:, 2])
    x = seen[:, 0] / depth * focal + size[1] / 2
    y = seen[:, 1] / depth * focal + size[0] / 2
    return torch.stack([x, y, seen[:, 2]], 1)


# ---------------------------------------------------------------- light


def _suns(shots: Sequence[Shot], device: torch.device) -> Tensor:
    return functional.normalize(torch.tensor([shot.light.direction for shot in shots], dtype=torch.float32), dim=1).to(
        device
    )


def _ground_shadow(
    world: _World,
    shots: Sequence[Shot],
    views: _Views,
    vertex_picture: Tensor,
    face_picture: Tensor,
    size: tuple[int, int],
) -> Tensor:
    """(N, H, W) 0..1 how much sun the persons keep from the ground: their outline along the light, and from above."""
    height, width = size
    suns = _suns(shots, world.normals.device)
    layers = []
    for above in (False, True):
        sun = suns[vertex_picture]
        if above:
            sun = torch.zeros_like(sun)
            sun[:, 2] = 1
        point = (world.positions[0] + world.positions[1]) / 2
        flat = point - sun * (point[:, 2:] / sun[:, 2:].clamp_min(0.15))
        flat[:, 2] = 0.0
        small = (height // 2, width // 2)
        focal = views.focal.mean(0)[vertex_picture] / 2
        screen = _project(flat, views.position.mean(0)[vertex_picture], views.rotation[0][vertex_picture], focal, small)
        face, _ = rasterise(screen, world.faces, face_picture, (len(shots), *small), cull=False)
        layers.append((face >= 0).float())
    softened = []
    for index, shot in enumerate(shots):
        radius = max(1, round(shot.light.soft * width / 4))
        direct, overhead = (
            _box_blur(layer[index], r) for layer, r in zip(layers, (radius, max(2, width // 90)), strict=True)
        )
        share = shot.light.strength / (shot.light.strength + shot.light.ambient)
        softened.append((direct * share * 0.9 + overhead * 0.45).clamp(0, 0.85))
    return functional.interpolate(torch.stack(softened)[:, None], size=size, mode="bilinear")[:, 0]


def _box_blur(layer: Tensor, radius: int) -> Tensor:
    image, span = layer[None, None], 2 * radius + 1
    for _ in range(3):
        image = functional.avg_pool2d(image, (1, span), 1, (0, radius), count_include_pad=False)
        image = functional.avg_pool2d(image, (span, 1), 1, (radius, 0), count_include_pad=False)
    return image[0, 0]


def _shadow_maps(
    world: _World, shots: Sequence[Shot], actors: Actors, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Each person seen from the sun: depth (P, S, S), the sun's frame (P, 3, 3) and the centre (P, 3)."""
    sun = _suns(shots, device)[actors.picture.to(device)]
    side = functional.normalize(torch.linalg.cross(sun, sun.new_tensor([0.13, 0.05, 0.99]).expand_as(sun)), dim=1)
    frame = torch.stack([side, torch.linalg.cross(sun, side), -sun], 1)
    centre = world.root.to(device)
    middle = (world.positions[0] + world.positions[1]) / 2
    local = (frame[world.person] @ (middle - centre[world.person])[..., None])[..., 0]
    scale = SHADOW_SIZE / SHADOW_SPAN
    points = torch.stack(
        [local[:, 0] * scale + SHADOW_SIZE / 2, local[:, 1] * scale + SHADOW_SIZE / 2, local[:, 2] + 4], 1
    )
    _, depth = rasterise(points, world.faces, world.face_person, (len(centre), SHADOW_SIZE, SHADOW_SIZE), cull=False)
    return depth, frame, centre


def _sunlit(maps: tuple[Tensor, Tensor, Tensor], person: Tensor, point: Tensor, normal: Tensor) -> Tensor:
    """(M,) 0..1 how far the sun reaches points of a person past the person itself."""
    depth, frame, centre = maps
    local = (frame[person] @ (point + normal * 0.02 - centre[person])[..., None])[..., 0]
    scale = SHADOW_SIZE / SHADOW_SPAN
    x, y = local[:, 0] * scale + SHADOW_SIZE / 2 - 0.5, local[:, 1] * scale + SHADOW_SIZE / 2 - 0.5
    lit = torch.zeros_like(x)
    for dx in (-0.7, 0.7):
        for dy in (-0.7, 0.7):
            column, row = (
                (x + dx).round().long().clamp(0, SHADOW_SIZE - 1),
                (y + dy).round().long().clamp(0, SHADOW_SIZE - 1),
            )
            lit += ((local[:, 2] + 4 - depth[person, row, column]) < 0.04).float()
    return lit / 4


def _shade(
    cast: Cast,
    actors: Actors,
    world: _World,
    shots: Sequence[Shot],
    views: _Views,
    maps: tuple[Tensor, Tensor, Tensor],
    screen: Tensor,
    face: Tensor,
    hit: Tensor,
) -> Tensor:
    """(M, 3) linear colour of the pixels `hit` (M, 3: picture, row, column) that show triangles `face` (M,)."""
    device = cast.device
    corners = world.faces[face]
    weight = barycentric(screen, corners, hit[:, 2] + 0.5, hit[:, 1] + 0.5)
    person, source = world.face_person[face], world.source[corners]

    def blend(values: Tensor) -> Tensor:
        return (values * weight[..., None]).sum(1)

    normal = functional.normalize(blend(world.normals[corners]), dim=1)
    point = blend((world.positions[0][corners] + world.positions[1][corners]) / 2)
    local = blend(cast.local[source])
    light = (cast.light[source] * weight).sum(1)
    material = cast.material[source[:, 0]]
    albedo, gloss = _paint(actors, device, person, material, cast.head[source[:, 0]], local)
    pattern = actors.pattern.to(device)[person]
    cloth = (material == MATERIAL["shirt"]) | (material == MATERIAL["lower"])
    folds = _folds(local, person) * (cloth.float() * pattern[:, 7])[:, None]
    hairy = (material == MATERIAL["hair"]).float()[:, None]
    strands = torch.stack(
        [
            noise(local[:, 1] * 160 + local[:, 0] * 90, local[:, 2] * 22, 5),
            noise(local[:, 0] * 150, local[:, 2] * 25, 6),
            noise(local[:, 1] * 40, local[:, 0] * 40, 7),
        ],
        1,
    )
    normal = functional.normalize(normal + folds + hairy * strands * 0.35, dim=1)

    picture = hit[:, 0]
    sun = _suns(shots, device)[picture]
    white = torch.tensor(
        [[c * shot.light.strength for c in shot.light.sun] for shot in shots], dtype=torch.float32, device=device
    )[picture]
    sky = torch.tensor(
        [[c * shot.light.ambient for c in shot.light.sky] for shot in shots], dtype=torch.float32, device=device
    )[picture]
    floor = torch.tensor([shot.place.colours[0] for shot in shots], dtype=torch.float32, device=device)[picture]
    facing = (normal * sun).sum(1)
    wrap = torch.where(material == MATERIAL["skin"], 0.18, 0.05)  # light creeps into skin
    direct = ((facing + wrap) / (1 + wrap)).clamp_min(0) * _sunlit(maps, person, point, normal)
    upward = (0.5 + 0.5 * normal[:, 2])[:, None]
    ambient = (sky * upward + (sky + white * 0.6) * floor * (1 - upward) * 0.8) * light[:, None]
    colour = albedo * (white * direct[:, None] + ambient)
    to_eye = functional.normalize(views.position[0][picture] - point, dim=1)
    half = functional.normalize(sun + to_eye, dim=1)
    shine = (normal * half).sum(1).clamp_min(0) ** 24 * gloss * (direct > 0)
    return colour + shine[:, None] * white * 0.5


def _folds(local: Tensor, person: Tensor) -> Tensor:
    """(M, 3) bend of cloth's normals: a few diagonal creases."""
    shift = person.float() * 3.7
    across, up = local[:, 1] + 0.6 * local[:, 0], local[:, 2]
    a = noise(across * 9 + up * 5 + shift, up * 4 - across * 3, 3)
    b = noise(across * 20 - up * 9, up * 10 + across * 4 + shift, 4)
    return torch.stack([0.30 * a + 0.16 * b, 0.30 * b - 0.16 * a, 0.22 * a], 1)


def _paint(
    actors: Actors, device: torch.device, person: Tensor, material: Tensor, head: Tensor, local: Tensor
) -> tuple[Tensor, Tensor]:
    """Colour (M, 3) before light, and gloss (M,), of surface points: palette, face, patterns on cloth."""
    palette, pattern = actors.palette.to(device), actors.pattern.to(device)[person]
    colour = palette[person, material]
    skin, hair = palette[person, MATERIAL["skin"]], palette[person, MATERIAL["hair"]]
    x, y, z = local.unbind(1)
    side = y.abs()
    front = head & (x > 0.04)

    def toward(other: Tensor, share: Tensor) -> None:
        nonlocal colour
        colour = colour + (other - colour) * share[:, None]

    def spot(u: Tensor, v: Tensor, edge: float = 0.25) -> Tensor:
        """1 inside the unit circle of (u, v)."""
        return ((1 - (u * u + v * v).sqrt()) / edge + 0.5).clamp(0, 1)

    face = (front & (material == MATERIAL["skin"])).float()
    _, eye_y, eye_z = FACE["eye"]
    slant = (side - eye_y - 0.002) / 0.030
    toward(hair * 0.8, face * 0.85 * spot(slant * 1.30, (z - eye_z - 0.0245 + 0.003 * slant**2) / 0.0052))  # eyebrows
    toward(skin * 0.45, face * 0.55 * spot((side - eye_y) / 0.021, (z - eye_z) / 0.014, 0.5))  # lids, lashes
    lips = spot(y / 0.026, (z + 0.005 + 0.004 * (y / 0.026) ** 2) / 0.0095, 0.4)
    toward(skin * skin.new_tensor([0.85, 0.50, 0.50]), face * 0.75 * lips)
    toward(skin * 0.30, face * 0.8 * spot(y / 0.024, (z + 0.0055) / 0.0017, 0.8))  # the mouth's line
    toward(skin * 0.35, face * 0.8 * spot((side - 0.009) / 0.0055, (z - 0.0205) / 0.0035, 0.6) * (x > 0.09))  # nostrils
    toward(
        skin * skin.new_tensor([1.0, 0.72, 0.70]), face * 0.22 * spot((side - 0.045) / 0.025, (z - 0.030) / 0.02, 1.0)
    )  # cheeks
    beard = ((0.002 - z) / 0.012).clamp(0, 1) * ((x - 0.03) / 0.03).clamp(0, 1) * (1 - lips) + spot(
        y / 0.032, (z - 0.010) / 0.006, 0.6
    ) * (x > 0.08)
    toward(hair, face * pattern[:, 6] * beard.clamp(0, 1) * 0.8 * (z > -0.075))
    scalp = (
        (head & (material == MATERIAL["skin"])).float()
        * ((z - 0.10) / 0.02).clamp(0, 1)
        * ((0.085 - x) / 0.02).clamp(0, 1)
    )
    toward(hair, scalp * 0.35 * (pattern[:, 6] > 0.3))
    eye = (material == MATERIAL["eye"]).float()
    toward(hair * 0.6 + 0.02, eye * spot((side - eye_y) / 0.0058, (z - eye_z) / 0.0062, 0.2) * (x > 0.08))
    toward(hair.new_tensor([0.01, 0.01, 0.01]), eye * spot((side - eye_y) / 0.0026, (z - eye_z) / 0.0028, 0.3))

    shirt = (material == MATERIAL["shirt"]).float()
    kind, period, second = pattern[:, 0], pattern[:, 1], pattern[:, 2:5]
    wave = torch.stack([z, y, z + y], 1)[torch.arange(len(z), device=device), (kind.long() - 1).clamp(0, 1)]
    striped = (((wave / period) % 1 - 0.5).abs() < 0.22).float() * ((kind == 1) | (kind == 2))
    halves = (side > 0.125).float() * (kind == 3)
    sash = ((z - 1.2 + y * 0.9).abs() < 0.07).float() * (kind == 4)
    number = (
        (x < 0).float() * spot(y / 0.09, (z - 1.24) / 0.12, 0.05) * (1 - spot(y / 0.05, (z - 1.24) / 0.08, 0.1))
    ) * (kind == 5)
    toward(second, shirt * (striped + halves + sash + number).clamp(0, 1))
    lower = (material == MATERIAL["lower"]).float()
    toward(second, lower * pattern[:, 5] * (side > 0.172 + 0.155 * (0.93 - z).clamp_min(0)).float())
    gloss = torch.where(material == MATERIAL["skin"], 0.16, 0.03)
    gloss = torch.where(material == MATERIAL["hair"], 0.18, gloss)
    gloss = torch.where((material == MATERIAL["eye"]) | (material == MATERIAL["shoe"]), 0.4, gloss)
    return colour, gloss


# ---------------------------------------------------------------- backdrop and sensor


def _backdrops(
    shots: Sequence[Shot],
    views: _Views,
    moment: float,
    jitter: tuple[float, float],
    size: tuple[int, int],
    shadow: Tensor,
    drawn: Scenery,
) -> Tensor:
    images = []
    for index, shot in enumerate(shots):
        key = (shot, moment, jitter)
        if key not in drawn:
            rotation = torch.lerp(views.rotation[0, index], views.rotation[1, index], moment)
            position = torch.lerp(views.position[0, index], views.position[1, index], moment)
            drawn[key] = backdrop(
                shot.place, shot.light, position, rotation, float(shot.opening.focal * size[1]), size, jitter
            )[:2]
        colour, ground = drawn[key]
        images.append(colour * (1 - shadow[index] * ground)[..., None])
    return torch.stack(images)


def _develop(linear: Tensor, shots: Sequence[Shot], generator: torch.Generator) -> Tensor:
    """uint8 pictures (N, 3, H, W) from linear light (N, H, W, 3): lens blur, exposure, film curve, grain."""
    device = linear.device
    image = linear.permute(0, 3, 1, 2)
    blur = torch.tensor([shot.blur for shot in shots], dtype=torch.float32, device=device).clamp(0, 2)[
        :, None, None, None
    ]
    soft = functional.avg_pool2d(functional.pad(image, (1, 1, 1, 1), mode="replicate"), 3, 1)
    softer = functional.avg_pool2d(functional.pad(soft, (1, 1, 1, 1), mode="replicate"), 3, 1)
    image = torch.lerp(torch.lerp(image, soft, blur.clamp(max=1)), softer, (blur - 1).clamp_min(0))
    exposure = torch.tensor([shot.light.exposure for shot in shots], dtype=torch.float32, device=device)[
        :, None, None, None
    ]
    image = image * exposure
    image = (image * (1 + image / 6) / (1 + image * 0.55)).clamp(0, 1) ** (1 / 2.2)  # highlights roll off
    grain = torch.tensor([shot.grain for shot in shots], dtype=torch.float32, device=device)[:, None, None, None]
    image = image + torch.randn(image.shape, generator=generator, device=device) * grain
    return (image.clamp(0, 1) * 255 + 0.5).to(torch.uint8)


def _halton(index: int, base: int) -> float:
    value, share = 0.0, 1.0
    while index:
        share /= base
        value += share * (index % base)
        index //= base
    return value


# ---------------------------------------------------------------- truth


def _truth(
    cast: Cast,
    actors: Actors,
    world: _World,
    views: _Views,
    screen: Tensor,
    face: Tensor,
    depth: Tensor,
    size: tuple[int, int],
    count: int,
) -> list[list[PersonTruth]]:
    height, width = size
    device, persons = cast.device, len(actors.figure)
    picture = actors.picture.to(device)
    shown = torch.where(face >= 0, world.face_person[face.clamp_min(0)], -1)  # (N, H, W) person at each pixel

    # Which vertices lie in the frame, and at which of them the picture shows their own person.
    x, y, z = screen.unbind(1)
    column, row = x.floor().long(), y.floor().long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (z > 0.05)
    at = (picture[world.person], row.clamp(0, height - 1), column.clamp(0, width - 1))
    own = inside & (shown[at] == world.person)
    toward = views.position.mean(0)[picture[world.person]] - (world.positions[0] + world.positions[1]) / 2
    facing = (functional.normalize(toward, dim=1) * world.normals).sum(1).clamp_min(0) / z.clamp_min(0.3) ** 2
    facing = facing * _vertex_area(cast)[world.source]

    def per_person(values: Tensor) -> Tensor:
        return torch.zeros(persons, device=device).scatter_add_(0, world.person, values)

    visible = per_person(facing * own) / per_person(facing).clamp_min(1e-9)

    def bounds(mask: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """(P, 2) least and greatest of x or y over a person's vertices in `mask`."""
        least = torch.full((persons,), torch.inf, device=device).scatter_reduce_(
            0, world.person, torch.where(mask, low, torch.inf), "amin"
        )
        most = torch.full((persons,), -torch.inf, device=device).scatter_reduce_(
            0, world.person, torch.where(mask, high, -torch.inf), "amax"
        )
        return torch.stack([least, most], 1)

    # A silhouette that leaves the frame reaches the frame's edge, so vertices just outside count, clamped.
    margin = 0.02 * views.focal[0][picture[world.person]] / z.clamp_min(0.1)
    near = (x > -margin) & (x < width + margin) & (y > -margin) & (y < height + margin) & (z > 0.05)
    xs, ys = bounds(near, x.clamp(0, width), x.clamp(0, width)), bounds(near, y.clamp(0, height), y.clamp(0, height))
    boxes = torch.stack([xs[:, 0], ys[:, 0], xs[:, 1], ys[:, 1]], 1).cpu().numpy()
    pixel = (shown >= 0).nonzero()
    who = shown[pixel.unbind(1)]
    px, py = pixel[:, 2].float(), pixel[:, 1].float()
    seen = (
        torch.stack(
            [torch.full((persons,), torch.inf, device=device).scatter_reduce_(0, who, v, "amin") for v in (px, py)]
            + [
                torch.full((persons,), -torch.inf, device=device).scatter_reduce_(0, who, v + 1, "amax")
                for v in (px, py)
            ],
            1,
        )
        .cpu()
        .numpy()
    )
    seen[~np.isfinite(seen).all(1)] = np.nan

    # Keypoints: hidden where the surface seen there is another's, or its own but clearly in front of the joint.
    own_picture = picture[:, None].expand(-1, len(KEYPOINTS)).reshape(-1)
    flat = world.keypoints.to(device).view(-1, 3)
    points = _project(
        flat,
        views.position.mean(0)[own_picture],
        torch.lerp(views.rotation[0], views.rotation[1], 0.5)[own_picture],
        views.focal.mean(0)[own_picture],
        size,
    )
    kx, ky = points[:, 0].floor().long(), points[:, 1].floor().long()
    in_frame = (kx >= 0) & (kx < width) & (ky >= 0) & (ky < height) & (points[:, 2] > 0.05)
    at = (own_picture, ky.clamp(0, height - 1), kx.clamp(0, width - 1))
    owner = torch.arange(persons, device=device)[:, None].expand(-1, len(KEYPOINTS)).reshape(-1)
    depth_in = points[:, 2] - depth[at]
    reach = torch.tensor(_REACH, device=device).repeat(persons) * (
        cast.stature[actors.figure].to(device) / 1.75
    ).repeat_interleave(len(KEYPOINTS))
    # the backdrop at a keypoint means that the limb is thinner than a pixel there: it is seen
    clear = in_frame & (((shown[at] == owner) & (depth_in < reach)) | (shown[at] < 0))
    state = torch.where(clear, 1.0, torch.where(in_frame, 0.5, 0.0))
    keypoints = torch.stack([points[:, 0], points[:, 1], state], 1).view(persons, -1, 3).cpu().numpy()

    angles = {name: values.numpy() for name, values in joint_angles(world.joints).items()}
    share = visible.cpu().numpy()
    truths: list[list[PersonTruth]] = [[] for _ in range(count)]
    for index in range(persons):
        if actors.ids[index] < 0 or not np.isfinite(boxes[index]).all():
            continue
        truths[int(actors.picture[index])].append(
            PersonTruth(
                int(actors.ids[index]),
                boxes[index],
                seen[index],
                keypoints[index],
                float(share[index]),
                {name: float(values[index]) for name, values in angles.items()},
            )
        )
    return truths


# How far before a keypoint its own surface may lie, in metres, for it to count as seen: the flesh over the joint.
_REACH = [0.03] + [0.025] * 2 + [0.05] * 2 + [0.13] * 2 + [0.09] * 2 + [0.07] * 2 + [0.20] * 2 + [0.11] * 2 + [0.09] * 2


def _vertex_area(cast: Cast) -> Tensor:
    """(V,) surface share of each vertex of the cast: a third of its triangles."""
    if not hasattr(cast, "_area"):
        starts = torch.repeat_interleave(cast.vertex_start, cast.face_count)
        faces = cast.faces + starts[:, None]
        a, b, c = (cast.vertices[faces[:, k]] for k in range(3))
        area = torch.linalg.cross(b - a, c - a).norm(dim=1) / 6
        total = torch.zeros(len(cast.vertices), device=cast.device)
        for k in range(3):
            total.scatter_add_(0, faces[:, k], area)
        cast._area = total
    return cast._area
