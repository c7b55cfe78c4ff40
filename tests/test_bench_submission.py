from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench_worlds import CLIP, benchmark, case, contest
from poseline import bench
from poseline.bench import Files, chart, submission
from poseline.bench.schema import Accuracy, Machine, Sensors, Spread
from poseline.bench.submission import Submission
from poseline.errors import OutputError, SettingsError


def machine(**changes: object) -> Machine:
    return benchmark().machine.model_copy(update=changes)


def test_a_benchmark_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.jsonl"
    told = benchmark(
        case(25.04, spread=1.0, accuracy=Accuracy(oks=0.98765, persons=3), sensors=Sensors(celsius=60.0)),
        case(40.0, video=False),
        contests=(contest(6.0, 5.0, 7.0),),
    )
    submission.append(path, told)
    submission.append(path, told)
    first, second = path.read_text().splitlines()
    assert first == second
    record = json.loads(first)
    assert (record["schema"], record["kind"], record["started"]) == (1, "poseline bench", "2030-01-01T00:00:00+00:00")
    assert (record["cpu"], record["cores"], record["poseline"], record["runs"]) == ("a processor", 2, "1", 5)
    assert record["clip"] == CLIP.model_dump()
    with_video, without = record["results"]
    assert with_video["fps"] == {"median": 25.0, "least": 24.0, "most": 26.0}
    assert (with_video["cpu_ms"], with_video["memory_mb"], with_video["oks"]) == (50.0, 400, 0.9877)
    assert with_video["sensors"]["celsius"] == 60.0
    assert (without["video"], without["sensors"]) == (False, None)
    assert record["against"] == {
        "peer 1.0, default, yolo11n-pose.pt 640": {"median": 6.0, "least": 5.0, "most": 7.0}
    }  # fmt: skip
    assert submission.read_all(path) == [Submission.of(told)] * 2


def test_a_table_of_many_has_the_fastest_first_clip_by_clip() -> None:
    other = CLIP.model_copy(update={"name": "other.mp4"})
    slow = benchmark(case(20.0), case(30.0, video=False))
    fast = benchmark(case(90.0, device="a card", precision="auto"), machine=machine(cpu="a faster one", cores=8))
    third = benchmark(case(5.0), clip=other)
    first, second = submission.grids(map(Submission.of, (slow, fast, third)))
    assert first.title == "clip.mp4, 1280x720, 100 frames at 50 fps"
    assert [(row[0], row[1], row[first.headings.index("fps")]) for row in first.rows] == [
        ("a faster one", "8", "90.0"), ("a processor", "2", "30.0"), ("a processor", "2", "20.0"),
    ]  # fmt: skip
    assert "but" not in first.headings, "nothing is wrong with any of them"
    assert second.title.startswith("other.mp4")
    assert second.rows[0][second.headings.index("date")] == "2030-01-01"


def test_what_makes_numbers_less_sure_is_told() -> None:
    hot = case(20.0, sensors=Sensors(celsius=99.6, watts=14.7, throttled=True))
    (grid,) = submission.grids([Submission.of(benchmark(hot, machine=machine(load=1.5), quick=3.5))])
    row = dict(zip(grid.headings, grid.rows[0], strict=True))
    assert (row["W"], row["°C"], row["but"]) == ("15", "100", "busy machine, throttled, quick, 3.5 s")


def test_a_card_is_called_by_its_name() -> None:
    on_card = benchmark(
        case(400.0, sensors=Sensors(watts=90.0, gpu_watts=200.0, gpu_celsius=50.0)),
        machine=machine(gpu="NVIDIA A, 80 GiB, 580"),
    )
    told = Submission.of(on_card)
    told = told.model_copy(update={"results": [told.results[0].model_copy(update={"device": "cuda:0 NVIDIA A"})]})
    (grid,) = submission.grids([told])
    row = dict(zip(grid.headings, grid.rows[0], strict=True))
    assert (row["CPU or GPU"], row["W"], row["°C"]) == ("NVIDIA A", "200", "50")
    assert submission.label(told, told.results[0]) == "NVIDIA A yolo11n-pose.pt 640 fp32"


def test_many_are_compared_from_files_of_both_kinds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for fps in (20.0, 30.0):
        submission.append(Path("many.jsonl"), benchmark(case(fps)))
    Path("one.json").write_text(benchmark(case(25.0)).model_dump_json(by_alias=True))
    bench.compare(["many.jsonl", "one.json"], Files(markdown=Path("a.md"), plot=Path("a.png")))
    said = capsys.readouterr().out
    assert [said.index(f" {fps} ") for fps in ("30.0", "25.0", "20.0")] == sorted(
        said.index(f" {fps} ") for fps in ("30.0", "25.0", "20.0")
    )
    assert Path("a.md").read_text().count("| yes | 2030-01-01 |") == 3
    assert Path("a.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no benchmark; make one with poseline bench --submit"),
        (b"{}\n", "benchmarks.jsonl, line 1: not a line of poseline bench --submit: kind|started"),
        (b"\n\nnone\n", "line 3: not a line of poseline bench --submit: .*JSON"),
        (b"\xff\xfe\n", "cannot be read: it is no text"),
        (None, "cannot be read: No such file"),
    ],
)
def test_what_is_no_submission_is_refused(content: bytes | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=words):
        bench.compare([str(path)], Files())


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="give a file of JSON lines"):
        Files(submit=tmp_path / "a.json").check()
    with pytest.raises(OutputError, match="its folder is not there"):
        Files(submit=tmp_path / "none" / "a.jsonl").check()
    with pytest.raises(OutputError, match="cannot be written"):
        submission.append(tmp_path / "none" / "a.jsonl", benchmark())
    with pytest.raises(SettingsError, match="--compare writes no --submit"):
        bench.compare(["a.jsonl"], Files(submit=tmp_path / "a.jsonl"))


def test_a_spread_is_drawn_as_its_median(tmp_path: Path) -> None:
    told = Submission.of(benchmark(case(40.0)))
    assert told.results[0].fps == Spread(median=40.0, least=40.0, most=40.0)
    chart.draw_submissions([told], tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


def test_the_table_of_machines_is_what_its_lines_make(tmp_path: Path) -> None:
    folder = Path(__file__).parents[1] / "docs" / "benchmarks"
    bench.compare([str(folder / "machines.jsonl")], Files(markdown=tmp_path / "made.md"))
    assert (folder / "machines.md").read_text(encoding="utf-8").endswith((tmp_path / "made.md").read_text("utf-8"))
