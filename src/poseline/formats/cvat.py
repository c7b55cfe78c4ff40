"""CVAT: to correct poses by hand, by its XML format 1.1 with skeletons.

A folder of `annotations.xml`, which is uploaded to a task ("CVAT 1.1"), and `labels.json`, which is pasted as the raw
labels of the task. A clip becomes CVAT for video: a track for each person, with its id as the group, which CVAT keeps.
Separate pictures become CVAT for images. A point that is missing is `outside`, one of little confidence `occluded`. A
track goes on until a skeleton ends it, so all of one is `outside` in the first frame without the person.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray

from poseline.atomic import cause
from poseline.errors import OutputError, SourceError
from poseline.formats.coco import OF_HIDDEN, OF_SEEN, SEEN
from poseline.formats.files import read_json, replacing_folder
from poseline.formats.gather import gathered, present
from poseline.formats.options import ExportOptions, ImportOptions
from poseline.formats.pictures import clip_name, numbered, picture_names, picture_sizes
from poseline.formats.registry import Read
from poseline.formats.skeletons import skeleton_of
from poseline.log import Tracks
from poseline.pose import UNTRACKED
from poseline.skeleton import COCO17, Skeleton

XML, LABELS = "annotations.xml", "labels.json"
_LABEL = "person"
_LARGE, _DENSEST = 256 << 20, 200
"""Bytes of the XML in an archive that may be, whatever its size; and how much smaller deflate makes such lines."""
_LONGEST = 10_000
"""Letters between two tags: names, numbers and white space."""


def write(tracks: Tracks, target: Path, _: ExportOptions) -> Sequence[str]:
    """Write tracks of a clip, or the skeletons of separate pictures, and the labels."""
    with replacing_folder(target) as folder:
        with (folder / XML).open("w", encoding="utf-8", newline="\n") as file:
            file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n')
            file.writelines(_meta(tracks))
            file.writelines(_track_lines(tracks) if tracks.sources is None else _image_lines(tracks))
            file.write("</annotations>\n")
        labels = json.dumps(_labels(tracks.skeleton), indent=1)
        (folder / LABELS).write_text(labels + "\n", encoding="utf-8")
    return [f"no times, scores and boxes; points are seen, or below a confidence of {SEEN:g} occluded"]


def validate(target: Path) -> None:
    """Raise an OutputError unless the folder holds labels, and annotations with their points only."""
    found: set[str] = set()

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "points":
            found.add(attributes["label"])
        elif tag == "skeleton":
            int(attributes.get("frame", 0))

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    try:
        names = {each["name"] for each in read_json(target / LABELS)[0]["sublabels"]}
        _parse(parser, target)
    except (SourceError, KeyError, TypeError, IndexError) as error:
        raise OutputError(f"{target}: is not CVAT's annotations and labels: {error}") from None
    if not found <= names:
        raise OutputError(f"{target}: a skeleton has points that {LABELS} does not have")


def read(path: Path, options: ImportOptions) -> Read:
    """Read `annotations.xml`, its folder, or the ZIP file that CVAT exports, of a task for video or for images."""
    found = _parsed(path)
    if len(found.tasks) > 1:
        raise SourceError(f"{path}: is of a project with several tasks; export a task by itself")
    seen = [each for each in found.skeletons if not each.outside]
    if not seen and not found.images:
        raise SourceError(f"{path}: holds no skeletons")
    skeleton = _skeleton(path, found, options)
    points = np.full((len(seen), len(skeleton), 3), np.nan)
    place = {name: number for number, name in enumerate(skeleton.names)}
    for row, each in enumerate(seen):
        for name, (x, y, occluded) in each.points.items():
            if name not in place:
                raise SourceError(f"{path}: a skeleton has a point {name!r}, which the labels do not have")
            points[row, place[name]] = x, y, OF_HIDDEN if occluded else OF_SEEN
    notes = ["no times, no boxes and no scores: each person has 1"]
    notes.append(f"no confidences: a point that is seen has {OF_SEEN:g}, one that is occluded {OF_HIDDEN:g}")
    common: dict[str, Any] = {"scores": np.ones(len(seen)), "size": found.size}
    if found.images:
        return Read(_of_images(found, seen, points, skeleton, common), notes)
    frames = [each.frame for each in seen]
    tracks = gathered(frames, points, skeleton, ids=_ids(seen), header={"source": found.source}, **common)
    return Read(tracks, notes, sparse=True)


def _meta(tracks: Tracks) -> Iterator[str]:
    """What the file says of its task: only what reading needs."""
    video = tracks.sources is None
    last = int(tracks.frames[-1]) if len(tracks) else 0
    yield f"  <meta>\n    <task>\n      <name>{escape(clip_name(tracks))}</name>\n      <size>{last + 1}</size>\n"
    yield f"      <mode>{'interpolation' if video else 'annotation'}</mode>\n      <labels>\n"
    yield f"        <label><name>{_LABEL}</name><type>skeleton</type></label>\n"
    for name in tracks.skeleton.names:
        yield f"        <label><name>{escape(name)}</name><type>points</type><parent>{_LABEL}</parent></label>\n"
    yield "      </labels>\n"
    if video:
        width, height = tracks.size
        yield f"      <original_size><width>{width}</width><height>{height}</height></original_size>\n"
        yield f"      <source>{escape(clip_name(tracks))}</source>\n"
    yield "    </task>\n  </meta>\n"


def _track_lines(tracks: Tracks) -> Iterator[str]:
    """A track for each person; each pose without an id is a track of its own."""
    rows, frames = tracks.rows, tracks.frames
    following = dict(zip(frames.tolist(), frames[1:].tolist(), strict=False))  # the next frame of the log
    pose = _pose_template(tracks.skeleton, 'keyframe="1" ')
    gone = pose.replace('outside="%d"', 'outside="1"').replace('occluded="%d"', 'occluded="0"')
    values = _values(tracks)
    persons = [np.flatnonzero(rows.id == number) for number in tracks.ids.tolist()]
    persons += [np.array([row]) for row in np.flatnonzero(rows.id == UNTRACKED)]
    for number, chosen in enumerate(persons):
        group = int(rows.id[chosen[0]])
        grouped = f' group_id="{group}"' if group > 0 else ""
        yield f'  <track id="{number}" label="{_LABEL}" source="file"{grouped}>\n'
        numbers = frames[rows.frame[chosen]].tolist()
        for row, frame, after in zip(chosen.tolist(), numbers, [*numbers[1:], None], strict=True):
            head = f'    <skeleton frame="{frame}" keyframe="1" z_order="0">\n'
            yield f"{head}{pose % tuple(values[row].ravel().tolist())}    </skeleton>\n"
            missing = following.get(frame)
            if missing is not None and missing != after:
                head = f'    <skeleton frame="{missing}" keyframe="1" z_order="0">\n'
                yield f"{head}{gone % tuple(values[row][:, 2:].ravel().tolist())}    </skeleton>\n"
        yield "  </track>\n"


def _image_lines(tracks: Tracks) -> Iterator[str]:
    rows = tracks.rows
    pose, values = _pose_template(tracks.skeleton, 'source="file" '), _values(tracks)
    bounds = np.searchsorted(rows.frame, np.arange(len(tracks) + 1)).tolist()
    sizes = picture_sizes(tracks).tolist()
    for place, (name, size) in enumerate(zip(picture_names(tracks), sizes, strict=True)):
        yield f'  <image id="{place}" name={quoteattr(name)} width="{size[0]:.0f}" height="{size[1]:.0f}">\n'
        for row in range(bounds[place], bounds[place + 1]):
            filled = pose % tuple(values[row].ravel().tolist())
            yield f'    <skeleton label="{_LABEL}" source="file" z_order="0">\n{filled}    </skeleton>\n'
        yield "  </image>\n"


def _pose_template(skeleton: Skeleton, attributes: str) -> str:
    """The points of a skeleton, to be filled with outside, occluded, x and y of each."""
    return "".join(
        f"      <points label={quoteattr(name).replace('%', '%%')} {attributes}"
        'outside="%d" occluded="%d" points="%.2f,%.2f"/>\n'
        for name in skeleton.names
    )


def _values(tracks: Tracks) -> NDArray[np.float64]:
    """(N, K, 4) outside, occluded, x and y; a point that is missing is put into the middle of the person's box."""
    points = tracks.rows.keypoints.astype(np.float64)
    there = present(points)
    boxes = np.nan_to_num(tracks.rows.box.astype(np.float64))
    middles = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    places = np.where(there[:, :, None], points[:, :, :2], middles)
    occluded = there & ~(points[:, :, 2] >= SEEN)
    return np.dstack([~there, occluded, places])


def _labels(skeleton: Skeleton) -> list[dict[str, Any]]:
    """The raw labels of a task: a skeleton with a drawing of its points, which CVAT shows while one is placed."""
    across = int(np.ceil(np.sqrt(len(skeleton))))
    grid = [(10 + 80 * (n % across) / across, 10 + 80 * (n // across) / across) for n in range(len(skeleton))]
    spots = _COCO_SPOTS if skeleton.names == COCO17.names else grid
    lines = [
        f'<line x1="{spots[a][0]:g}" y1="{spots[a][1]:g}" x2="{spots[b][0]:g}" y2="{spots[b][1]:g}" stroke="black" '
        f'data-type="edge" data-node-from="{a + 1}" data-node-to="{b + 1}" stroke-width="0.5"></line>'
        for a, b in skeleton.edges
    ]
    circles = [
        f'<circle r="1.5" stroke="black" fill="#b3b3b3" cx="{x:g}" cy="{y:g}" data-type="element node" '
        f'data-element-id="{n}" data-node-id="{n}" data-label-name={quoteattr(name)} stroke-width="0.1"></circle>'
        for n, (name, (x, y)) in enumerate(zip(skeleton.names, spots, strict=True), 1)
    ]
    points = [{"name": name, "type": "points", "attributes": []} for name in skeleton.names]
    drawing = "".join([*lines, *circles])
    return [{"name": _LABEL, "type": "skeleton", "attributes": [], "svg": drawing, "sublabels": points}]


_COCO_SPOTS = (
    (50, 12), (53, 9), (47, 9), (57, 11), (43, 11), (62, 25), (38, 25), (68, 40), (32, 40), (72, 54), (28, 54),
    (58, 54), (42, 54), (59, 74), (41, 74), (60, 93), (40, 93),
)  # fmt: skip
"""Places of COCO's keypoints in a drawing of 100 by 100, of somebody who faces the camera."""


class _Skeleton:
    """One skeleton in one frame or picture."""

    def __init__(self, track: int, group: int, frame: int) -> None:
        self.track, self.group, self.frame = track, group, frame
        self.points: dict[str, tuple[float, float, bool]] = {}
        """x, y and whether it is occluded, without those that are outside."""

    @property
    def outside(self) -> bool:
        """Whether nothing of it is in the picture: its track has ended, or pauses."""
        return not self.points


class _Parsed:
    """What the file holds; filled by the parser's events."""

    def __init__(self) -> None:
        self.skeletons: list[_Skeleton] = []
        self.images: list[tuple[str, int, int]] = []
        """Names and sizes."""
        self.size = (0, 0)
        self.source = ""
        self.labels: list[tuple[str, str]] = []
        """Names of labels and those of their parents."""
        self.tasks: set[str] = set()
        """Numbers of tasks, in the file of a project."""
        self._tags: list[str] = []
        self._text = ""
        self._label: dict[str, str] = {}
        self._original: dict[str, int] = {}
        self._track = self._group = -1

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Begin an element."""
        self._tags.append(tag)
        self._text = ""
        if tag in ("track", "image"):
            self.tasks.add(attributes.get("task_id", ""))
        if tag == "track":
            self._track, self._group = self._track + 1, int(attributes.get("group_id", 0))
        elif tag == "image":
            self.images.append((attributes["name"], int(attributes["width"]), int(attributes["height"])))
        elif tag == "skeleton":
            frame = attributes["frame"] if "frame" in attributes else len(self.images) - 1
            self.skeletons.append(_Skeleton(self._track, self._group, int(frame)))
        elif tag == "points" and self._tags[-2:-1] == ["skeleton"] and attributes.get("outside", "0") != "1":
            x, y = (float(number) for number in attributes["points"].split(","))
            self.skeletons[-1].points[attributes["label"]] = x, y, attributes.get("occluded", "0") == "1"

    def text(self, part: str) -> None:
        """A piece of an element's text."""
        self._text += part
        if len(self._text) > _LONGEST:
            raise ValueError(f"a text of more than {_LONGEST} letters")

    def end(self, tag: str) -> None:
        """End an element."""
        self._tags.pop()
        parent = self._tags[-1] if self._tags else ""
        if parent == "label" and tag in ("name", "parent"):
            self._label[tag] = self._text
        elif tag == "label":
            self.labels.append((self._label.get("name", ""), self._label.get("parent", "")))
            self._label = {}
        elif parent == "original_size" and tag in ("width", "height"):
            self._original[tag] = int(self._text)
        elif tag == "original_size":
            self.size = self._original.get("width", 0), self._original.get("height", 0)
        elif tag == "source":
            self.source = self._text


def _parsed(path: Path) -> _Parsed:
    found = _Parsed()
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = found.start, found.end
    parser.CharacterDataHandler, parser.buffer_text = found.text, True
    _parse(parser, path)
    return found


def _parse(parser: expat.XMLParserType, path: Path) -> None:
    """Read a file by a parser's handlers, whose errors are those of the file."""
    parser.EntityDeclHandler = _refused  # a few lines of them may stand for gigabytes
    try:
        with _opened(path) as file:
            first = file.read(4096)
            if b"<annotations" not in first:
                raise SourceError(f"{path}: is not CVAT's XML")
            parser.Parse(first, False)
            parser.ParseFile(file)
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{path}: cannot be read: {cause(error)}") from error
    except Exception as error:  # noqa: BLE001 # zipfile lets through what zlib, lzma and others have of their own
        raise SourceError(f"{path}: is not CVAT's XML with skeletons: {error}") from None


def _refused(*_: object) -> None:
    raise ValueError("it declares entities, which CVAT's files do not")


def _opened(path: Path) -> IO[bytes]:
    if path.is_dir():
        path = path / XML
    if path.suffix.lower() == ".zip":
        archive = zipfile.ZipFile(path)
        try:
            held = archive.getinfo(XML)
        except KeyError:
            raise SourceError(f"{path}: holds no {XML}") from None
        if held.file_size > max(_LARGE, _DENSEST * held.compress_size):
            raise SourceError(f"{path}: its {XML} claims {held.file_size} bytes, more than CVAT's hold")
        return archive.open(held)
    return path.open("rb")


def _skeleton(path: Path, found: _Parsed, options: ImportOptions) -> Skeleton:
    if options.skeleton is not None:
        return options.skeleton
    names = tuple(dict.fromkeys(name for name, parent in found.labels if parent))
    if not names:
        names = tuple(dict.fromkeys(name for each in found.skeletons for name in each.points))
    return COCO17 if set(names) == set(COCO17.names) else skeleton_of(path, names)


def _ids(seen: Sequence[_Skeleton]) -> list[int]:
    """Each track's id: its group where no other has it, else a new one; -1 for what is in one frame only."""
    groups: dict[int, set[int]] = {}
    frames: dict[int, int] = {}
    for each in seen:
        groups.setdefault(each.group, set()).add(each.track)
        frames[each.track] = frames.get(each.track, 0) + 1
    own = {tracks.copy().pop(): group for group, tracks in groups.items() if group > 0 and len(tracks) == 1}
    unused = max(own.values(), default=0) + 1
    for track in sorted(frames):
        if track not in own:
            own[track] = UNTRACKED if frames[track] == 1 else unused
            unused += frames[track] > 1
    return [own[each.track] for each in seen]


def _of_images(
    found: _Parsed, seen: Sequence[_Skeleton], points: NDArray[np.float64], skeleton: Skeleton, common: dict[str, Any]
) -> Tracks:
    names = [name for name, _, _ in found.images]
    frames = np.array(numbered(names) or range(len(names)))
    order = np.argsort(frames, kind="stable")
    sizes = np.array([size for _, *size in found.images])
    return gathered(
        frames[[each.frame for each in seen]],
        points,
        skeleton,
        all_frames=frames[order],
        sizes=sizes[order],
        sources=[names[place] for place in order],
        **common,
    )
