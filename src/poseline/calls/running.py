"""Running: one call, from what it was given to its results."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from poseline.calls.arguments import Call
from poseline.calls.following import Following, identified
from poseline.calls.results_out import Place, ResultsOut
from poseline.calls.save_folder import SaveFolders
from poseline.calls.sources import Found, Pictures, frame_of
from poseline.capture import Location, is_tensor
from poseline.frame import Frame
from poseline.inference import PoseEstimator
from poseline.pose import Observation
from poseline.request import RunRequest
from poseline.results import Results
from poseline.session import Models, Session
from poseline.settings import InferenceSettings, Settings, TrackingSettings

_MANY = 1000
"""Results in memory from which on a call says that `stream=True` needs less."""


class Running:
    """One call.

    Args:
        estimator: what runs it.
        call: what is asked for.
        mode: how it was called.
        folders: where files go.
        following: gives ids; None: nobody gets one.
    """

    def __init__(
        self,
        estimator: PoseEstimator,
        call: Call,
        mode: Literal["predict", "track"],
        folders: SaveFolders,
        following: Following | None,
    ) -> None:
        self._estimator, self._call, self._mode, self._folders = estimator, call, mode, folders
        self._following = following

    def results(self, found: Found, *, stream: bool) -> Generator[Results, None, None]:
        """The results as they come; with `stream`, pictures are not waited for to be looked at together."""
        spec, runtime, call = self._estimator.spec, self._estimator.runtime, self._call
        folder = self._folders.get(call.output, self._mode) if call.output.writes else None
        with ResultsOut(call.output, self._mode, folder, call.capture, runtime.device, runtime.channels) as out:
            for seen, place in self._places(found, stream):
                result = Results.of(seen, spec.names, spec.skeleton)
                more = out.take(result, seen, place)
                yield result
                if not more:
                    return

    def collected(self, found: Found) -> list[Results]:
        """All results in memory."""
        if isinstance(found, list) and any(location.live for location in found):
            _warn("a camera or stream may have no end, and all its results are kept in memory; pass stream=True")
        results = []
        for result in self.results(found, stream=False):
            results.append(result)
            if len(results) == _MANY:
                _warn(f"{_MANY} results are in memory; with stream=True they come one by one")
        return results

    def _places(self, found: Found, stream: bool) -> Iterator[tuple[Observation, Place]]:
        if isinstance(found, Pictures):
            ready = hasattr(found.pictures, "__len__")  # else they may come from a camera, one by one
            batch = self._estimator.runtime.batch if ready else 1
            yield from self._of_pictures(found, batch if stream else None)
            return
        for number, location in enumerate(found):
            yield from self._of_location(location, number, len(found))

    def _of_pictures(self, found: Pictures, together: int | None) -> Iterator[tuple[Observation, Place]]:
        """Of so many `together`, at most; None: all, since those of one size make a batch."""
        follow = self._following.add if self._following is not None else None
        settings = self._settings()
        numbered = enumerate(found.pictures)
        while chosen := list(islice(numbered, together)):
            for (index, _), seen in zip(chosen, self._estimated(found, chosen, settings), strict=True):
                seen = follow(seen) if follow is not None else seen
                begin = f"image 1/1 {found.file}: " if found.file is not None else f"{index}: "
                yield seen, Place(begin, Path(seen.frame.source).stem)

    def _estimated(
        self, found: Pictures, chosen: Sequence[tuple[int, Any]], settings: InferenceSettings
    ) -> list[Observation]:
        """Tensors are looked at in their own size, as ultralytics does, unless the call gives another."""
        frames = [frame_of(picture, index, found.file) for index, picture in chosen]
        if self._call.sized or not any(is_tensor(picture) for _, picture in chosen):
            return self._estimator.estimate_all(frames, settings)
        sized: dict[int | tuple[int, int], list[int]] = {}
        for index, ((_, picture), frame) in enumerate(zip(chosen, frames, strict=True)):
            own = max(frame.width, frame.height)
            sized.setdefault(own if is_tensor(picture) else settings.imgsz, []).append(index)
        results: dict[int, Observation] = {}
        for imgsz, indices in sized.items():
            asked = settings if imgsz == settings.imgsz else settings.model_copy(update={"imgsz": imgsz})
            found_in = self._estimator.estimate_all([frames[index] for index in indices], asked)
            results.update(zip(indices, found_in, strict=True))
        return [results[index] for index in range(len(frames))]

    def _of_location(self, location: Location, number: int, count: int) -> Iterator[tuple[Observation, Place]]:
        following, pictures, capture = self._following, bool(location.pictures), self._call.capture
        settings = Settings(
            capture=capture.model_copy(update={"vid_stride": 1}) if pictures else capture,
            inference=self._settings() if pictures else self._call.inference,
            tracking=TrackingSettings(enabled=following is not None),
        )
        with Session(RunRequest(location, settings), Models(loaded=self._estimator)) as session:
            info = session.source.info
            video = info if info.width else None
            tracker = following.begin_source() if following is not None and video is not None else None
            for seen in session.observations(tracker):
                frame = seen.frame
                if following is not None:
                    seen = following.add(seen) if video is None else identified(seen)
                yield seen, _place(location, number, count, frame, session.source.info.frames, video)
            for note in session.source.notes:
                _warn(f"{info.name}: {note}" if info.name not in note else note)

    def _settings(self) -> InferenceSettings:
        """Those of single pictures: whoever is followed is found down to the tracker's least confidence."""
        asked = self._call.inference
        if self._following is None or self._following.low == asked.conf:
            return asked
        return asked.model_copy(update={"conf": self._following.low})


def _place(location: Location, number: int, count: int, frame: Frame, frames: int | None, video: Any) -> Place:
    if video is None:
        stem = location.name if len(location.pictures) == 1 else Path(frame.source).stem
        return Place(f"image {frame.index + 1}/{frames or '?'} {frame.source}: ", stem)
    if video.live:
        return Place(f"{number}: ", location.name, video)
    of = f"frame {frame.index + 1}/{frames or '?'}"
    return Place(f"video {number + 1}/{count} ({of}) {frame.source}: ", location.name, video)


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=5)  # where the model was called
