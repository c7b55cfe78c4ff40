"""What the tests of the report read: pages taken apart, and analyses made of logs, of truth and of odd figures."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from analysis_worlds import DATA, NAMES, SAMPLES
from poseline.analysis import Analysis, Motion, Person, analyse_motion, analyze
from poseline.analysis.analyse import AnalysisOptions
from poseline.skeleton import COCO17

_EMPTY = {"meta", "img", "br", "col"}


@dataclass
class Element:
    """An element of a page."""

    name: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text in it, with the blanks that a reader would see."""
        whole = "".join(child if isinstance(child, str) else f" {child.text} " for child in self.children)
        return re.sub(r"[ \n]+", " ", whole).strip(" ")

    def all(self, name: str, **attributes: str) -> list[Element]:
        """Every element of a name inside, whose attributes have these words among theirs."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                words = {key: child.attributes.get(key.rstrip("_"), "").split() for key in attributes}
                if child.name == name and all(value in words[key] for key, value in attributes.items()):
                    found.append(child)
                found += child.all(name, **attributes)
        return found

    def everything(self) -> list[Element]:
        """Itself and every element inside."""
        inner = [child.everything() for child in self.children if isinstance(child, Element)]
        return [self, *(element for elements in inner for element in elements)]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("page", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {key: value or "" for key, value in attrs})
        assert len(element.attributes) == len(attrs), f"an attribute twice: {attrs}"
        self._open[-1].children.append(element)
        if tag not in _EMPTY:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].name == tag, f"</{tag}> ends <{self._open[-1].name}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def parsed(text: str) -> Element:
    """A page as a tree; every element must be closed in its order."""
    parser = _Parser()
    parser.feed(text)
    parser.close()
    assert parser._open == [parser.root], "an element is not closed"
    return parser.root


def logged(folder: Path, model: str, name: str, source: Path | str | None = None, **options: Any) -> Analysis:
    """The analysis of what a model logged of a sample; the log says that its clip is `source`, or the sample."""
    with gzip.open(DATA / f"{model}-{name}.jsonl.gz", "rt", encoding="utf-8") as log:
        lines = log.read().splitlines()
    header = json.loads(lines[0]) | {
        "source": str(source or SAMPLES / f"{name}.mp4"),
        "started": "2026-11-27T14:03:00+01:00",
    }
    header["model"]["precision"] = "fp32"
    path = folder / "keypoints.jsonl"
    path.write_text(
        "\n".join([json.dumps(header), *lines[1:], '{"type":"end","ended":"complete"}', ""]), encoding="utf-8"
    )
    return analyze(path, **options)


def analysis(
    motions: Sequence[Motion], options: AnalysisOptions | None = None, source: str = "", **fields: Any
) -> Analysis:
    """An analysis of motions that were made by a formula."""
    options = options or AnalysisOptions()
    persons = tuple(
        Person(
            number,
            (number,),
            np.arange(len(motion)),
            np.asarray(motion.seen.any(axis=1)),
            analyse_motion(motion, options),
        )
        for number, motion in enumerate(motions, 1)
    )
    first = motions[0]
    header = {"source": source, "skeleton": {"names": list(NAMES), "edges": [list(edge) for edge in COCO17.edges]}}
    given: dict[str, Any] = {
        "persons": persons, "source": source, "log": None, "size": (first.width, first.height),
        "pixel_aspect": 1.0, "start": float(first.times[0]), "end": float(first.times[-1]), "frames": len(first),
        "slowmo": 1.0, "people": len(persons), "floor": persons[0].result.floor, "options": options, "header": header,
    }  # fmt: skip
    return Analysis(**(given | fields))
