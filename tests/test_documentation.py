"""README.md, CONTRIBUTING.md and docs/ against the program: commands, code, names, links and figures."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from PIL import Image

import poseline
from media_worlds import joined
from poseline import analysis, comparison, corrections, inspection
from poseline.cli import program
from poseline.rendering import analysis as rendered_analysis
from poseline.serve.address import with_value
from rooms import PROJECT

README = PROJECT / "README.md"
PAGES = [README, PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").rglob("*.md"))]
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)

UNRUN = {
    r"run \d": "needs a camera",
    r"run \w+://": "needs a stream",
    r"--show": "needs a screen",
    r"--serve": "serves a page; test_serve_cameras.py does it",
    r"--jobs": "starts processes; test_jobs_command.py does it",
    r"--on ray": "needs Ray; test_cluster.py does it",
    r"--device cuda": "needs a GPU",
    r"int8": "takes a minute; test_precision.py does it",
    r"^poseline doctor": "imports every engine; test_doctor.py does it",
    r"^poseline bench": "takes minutes; test_bench_process.py does it",
    r"^poseline verify model.onnx": "there is no such export; test_verify.py makes one",
    r"^poseline batch status": "needs a batch; test_manifest.py has one",
    r"^poseline inspect (?!.*--(list|json))": "serves a page; test_inspect_server.py does it",
    r"--(act|merge|corrected)": "needs JSON, or corrections; test_corrections_readers.py does it",
    r"best\.pt": "needs a network that was trained; test_corrections_training.py does it",
    r"^poseline evaluate": "needs pycocotools and TrackEval; test_evaluate.py does it",
}
"""Commands that the test below does not run, and why; that their options exist is tested all the same."""


def name(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def commands(page: str) -> Iterator[str]:
    """The commands of a page that begin with `poseline`, without their comments, also those between other commands."""
    for block in SHELL.findall(page):
        for line in block.splitlines():
            for command in shlex.join(shlex.split(line, comments=True)).split(" '&&' "):
                if command.startswith("poseline "):
                    yield command


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_command_is_one_of_the_program(path: Path) -> None:
    known = typer.main.get_command(program())
    inline = re.findall(r"`(poseline [a-z]+ [^`…]+)`", read(path))
    for command in [*commands(read(path)), *inline]:
        _, kind, *arguments = [word for word in shlex.split(command) if word != "--help"]
        assert kind in known.commands, command  # type: ignore[attr-defined] # typer's group, whose types are click's
        known.commands[kind].make_context(kind, with_value(arguments))  # type: ignore[attr-defined] # raises for an unknown option


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the pages' examples read: short clips, a picture, a keypoint log."""
    place = tmp_path_factory.mktemp("place")
    clip = joined(place / "clip.mp4", PROJECT / "samples" / "squat.mp4", packets=8)
    for other in ("clips/a.mp4", "clips/b.mp4", "clips/below/c.mp4", "samples/crossing.mp4", "samples/squat.mp4"):
        (place / other).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, place / other)
    shutil.copytree(PROJECT / "configs", place / "configs")
    names = [f"point{number}" for number in range(17)]
    (place / "skeleton.yaml").write_text(json.dumps({"names": names, "edges": [[0, 1]]}))
    with Image.open(PROJECT / "docs" / "crossing.webp") as picture:
        picture.convert("RGB").save(place / "picture.jpg")
    poseline.record(clip, place / "runs" / "clip", inference={"model": "builtin", "imgsz": 160})
    shutil.copytree(place / "runs" / "clip", place / "runs" / "squat")
    for day in ("monday", "friday"):
        (place / "runs" / day).mkdir()
        log = gzip.decompress((PROJECT / "tests" / "data" / "builtin-squat.jsonl.gz").read_bytes())
        (place / "runs" / day / "keypoints.jsonl").write_bytes(log)
    poseline.export_log(place / "runs" / "clip", "coco", place / "labels.json")
    video = place / "runs" / "clip" / "annotated.mp4"
    video.rename(f"{video}.part")  # as of a run that was killed
    return place


RUN_ALL = """
import shutil, sys
from pathlib import Path
from poseline.cli import command
from poseline.interruption import Interruption
import os
for number, line in enumerate(sys.argv[1:]):
    folder = Path(f"../copy{number}").resolve()
    shutil.copytree(".", folder)
    here = os.getcwd()
    os.chdir(folder)
    sys.argv[1:] = line.split()[1:]
    print(">", line)
    code = command(Interruption())
    assert code == 0, (line, code)
    os.chdir(here)
"""


def test_every_command_that_can_runs(place: Path, tmp_path: Path) -> None:
    wanted = dict.fromkeys(command for path in PAGES for command in commands(read(path)))
    runnable = [command for command in wanted if not any(re.search(pattern, command) for pattern in UNRUN)]
    assert len(runnable) >= 10
    lines = []
    for command in runnable:
        quick = command.replace("yolo11n-pose.pt", "builtin")
        if quick.startswith("poseline run"):
            quick += " --imgsz 160" + ("" if "-m builtin" in quick else " -m builtin")
        lines.append(f"{quick} builtin" if quick == "poseline skeleton" else quick)
    shutil.copytree(place, tmp_path / "place")
    result = subprocess.run(
        [sys.executable, "-c", RUN_ALL, *lines], cwd=tmp_path / "place", capture_output=True, text=True, timeout=280
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_python_example_runs(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place, tmp_path / "place")
    pages = [path for path in PAGES if path.name != "outputs.md"]  # test_outputs_docs.py runs its receivers
    blocks = {name(path): CODE.findall(read(path)) for path in pages}
    code = f"for page, blocks in {blocks!r}.items():\n for block in blocks: print('>', page); exec(block, {{}})"
    code = code.replace("yolo11n-pose.pt", "builtin")  # nothing is to be fetched
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "place", capture_output=True, text=True, timeout=280
    )
    assert result.returncode == 0, result.stdout + result.stderr
    examples_of_extensions(tmp_path / "place" / "runs", blocks["CONTRIBUTING.md"])


def examples_of_extensions(runs: Path, blocks: list[str]) -> None:
    """The four examples did what their text says, in ten lines at most."""
    assert len(blocks) == 4
    for block in blocks:
        assert len([line for line in block.splitlines() if line.strip()]) <= 10, block
    summaries = {kind: json.loads((runs / kind / "summary.json").read_text()) for kind in ("sink", "stage", "format")}
    assert "at most 1 persons at once" in summaries["sink"]["notes"]
    works = {stage["name"]: stage["work"] for kind in ("sink", "stage") for stage in summaries[kind]["stages"]}
    assert (works["crowd"], works["best"]) == ("counting persons", "choosing the best")
    assert "runs/format/keypoints.counts" in summaries["format"]["files"]
    assert (runs / "format" / "keypoints.counts").read_text().startswith("time persons\n0.0 1\n")


def test_what_is_public_is_what_the_page_documents() -> None:
    rows = re.findall(r"^\| (`.+?) \|", read(PROJECT / "docs" / "python.md"), re.MULTILINE)
    documented = [public for row in rows for public in re.findall(r"`(\w+)`", row)]
    assert len(documented) == len(set(documented))
    assert set(documented) == set(poseline.__all__), "a public name has a row in docs/python.md, and no other has one"


INTERNAL = {"CONTRIBUTING.md": {"poseline.inference"}, "docs/rendering.md": {"poseline.rendering.analysis"}}
"""What contributors see, who change the package itself; and what a page says may change without notice."""


@pytest.mark.parametrize("path", [*PAGES, *sorted((PROJECT / "samples").glob("*.[pi][yp]*"))], ids=name)
def test_examples_import_public_names_alone(path: Path) -> None:
    text = read(path).replace('\\"', '"') if path.suffix == ".ipynb" else read(path)
    code = "\n".join(CODE.findall(text)) if path.suffix == ".md" else text
    public = (poseline, analysis, comparison, corrections, inspection, rendered_analysis)
    rooms = {room.__name__: room.__all__ for room in public}
    for module, names in re.findall(r"from (poseline[\w.]*) import ([\w, ]+)", code):
        if module not in INTERNAL.get(name(path), ()):
            assert set(names.strip().split(", ")) <= set(rooms[module]), f"{module}: {names}"


def anchors(path: Path) -> set[str]:
    """What a link to a heading of the page ends in."""
    headings = re.findall(r"^#+ (.+)$", read(path), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", [*PAGES, PROJECT / "CHANGELOG.md"], ids=name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target, _, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(#?)([^)\s]*)\)", read(path)):
        aim = path.parent / target if target else path
        assert aim.exists(), f"{name(path)} links to {target}"
        assert not anchor or anchor in anchors(aim), f"{name(path)} links to {target}#{anchor}"


def test_files_that_the_pages_name_are_there() -> None:
    for path in PAGES:
        for named in re.findall(r"(?:src|tests|samples|tools|configs|docs)/[\w/.-]*\w", read(path)):
            assert (PROJECT / named).exists(), f"{name(path)} names {named}"


def test_the_first_screen_is_short_and_links_each_page_once() -> None:
    text = read(README)
    assert len(text.splitlines()) <= 150
    pages = {path.relative_to(PROJECT).as_posix() for path in (PROJECT / "docs").glob("*.md")}
    links = re.findall(r"\]\((docs/[\w-]+\.md)", text)
    assert sorted(links) == sorted(pages), "README.md links each page of docs/ once"


def test_the_picture_moves_and_is_small() -> None:
    path = PROJECT / "docs" / "crossing.webp"
    assert path.stat().st_size <= 2_000_000
    with Image.open(path) as picture:
        assert (picture.width, picture.n_frames >= 100) == (640, True)  # type: ignore[attr-defined] # of animations


def test_the_speed_table_is_what_was_measured() -> None:
    rows = re.findall(r"^\|.*?\| (\d{4}-\d\d-\d\d) \| ([\d,]+) \| ([\d,]+) \| \[JSON\]\((\S+)\)", read(README), re.M)
    assert len(rows) == 3
    for date, log_only, with_video, data in rows:
        measured = json.loads(read(PROJECT / data))
        assert measured["started"].startswith(date)
        for video, figure in ((False, log_only), (True, with_video)):
            case = next(case for case in measured["cases"] if case["asked"]["video"] is video)
            rates = [run["processed"] / run["elapsed"] for run in case["runs"]]
            assert round(statistics.median(rates)) == int(figure), (data, video)
