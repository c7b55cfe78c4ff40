"""The choice of an encoder, with a card's own only told of: what none of our machines has cannot be run here."""

from __future__ import annotations

import errno
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import av
import pytest
from av.video.reformatter import ColorRange

from media_worlds import ScriptedSource, estimator, settings, write_clip
from output_worlds import decoded, flat, opened, pictures, seconds
from poseline import machine
from poseline.batch import run_batch
from poseline.errors import DeviceError
from poseline.interruption import Interruption
from poseline.output import VideoWriter, choose_encoder, encoder, encodes, encoding_mp4
from poseline.output.encoder import EncoderName, EncoderSetup, encoder_setup, most_held
from poseline.settings import OutputSettings
from test_run import recorded

PRESETS = get_args(OutputSettings.model_fields["preset"].annotation)
THIRTIETH = Fraction(1, 30)


def preset(name: str, **more: Any) -> OutputSettings:
    return OutputSettings.model_validate({"preset": name, **more})


def test_an_encoder_is_there_if_a_frame_goes_through_it() -> None:
    assert encodes("libx264")
    assert encodes("mpeg4")
    assert not encodes("nobody")


@pytest.mark.parametrize(
    ("wanted", "device", "works", "chosen", "note"),
    [
        ("auto", "cpu", True, "x264", ""),
        ("auto", "mps", True, "x264", ""),
        ("auto", "cuda:0 a card", True, "nvenc", "encoded by the card (NVENC)"),
        ("auto", "cuda:0 a card", False, "x264", "encoded by the CPU (x264): no NVENC opens here"),
        ("x264", "cuda:0 a card", True, "x264", ""),
        ("nvenc", "cuda:0 a card", True, "nvenc", ""),
        ("nvenc", "cpu", True, "nvenc", ""),
    ],
)
def test_auto_is_the_cards_own_only_where_the_network_is_and_it_works(
    wanted: Any, device: str, works: bool, chosen: str, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def probed(codec: str) -> bool:
        asked.append(codec)
        return works

    monkeypatch.setattr(encoder, "encodes", probed)
    assert choose_encoder(wanted, device) == (chosen, note)
    assert asked == (["h264_nvenc"] if "nvenc" in chosen + note.lower() else []), "no card is woken for nothing"


def test_nvenc_that_is_not_there_is_an_error_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "encodes", lambda _: False)
    clip = write_clip(tmp_path / "clip.mp4", range(3))
    chosen = settings(output={"encoder": "nvenc", "directory": tmp_path / "out"}, inference={"model": "missing.pt"})
    with pytest.raises(DeviceError, match=r"--encoder nvenc: no NVENC opens here.*--encoder x264"):
        run_batch([str(clip)], chosen, Interruption())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("works", "said"), [(False, "CPU"), (True, "card")])
def test_a_run_on_a_card_says_what_encoded(
    works: bool, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "encodes", lambda _: works)
    monkeypatch.setattr(encoding_mp4, "CODECS", {"x264": "libx264", "nvenc": "mpeg4"})  # it stands for a card's encoder
    model = estimator()
    model.runtime.device = "cuda:0 a card"
    report = recorded(ScriptedSource(12), tmp_path / "out", model)
    assert report.error is None
    assert next(note for note in report.notes if "encoded" in note).startswith(f"encoded by the {said}")
    with opened(tmp_path / "out" / "annotated.mp4", "v") as (_, stream):
        assert stream.codec_context.name == ("mpeg4" if works else "h264")
    assert decoded(tmp_path / "out" / "annotated.mp4") == 12


@pytest.mark.parametrize("name", ["yuv420p", "yuvj420p", "bgr24"])
def test_a_cards_encoder_is_given_the_one_format_that_it_takes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding_mp4, "CODECS", {"nvenc": "mpeg4"})
    with VideoWriter(tmp_path / "out.mp4", OutputSettings(), encoder="nvenc", frame_rate=Fraction(30)) as writer:
        for index in range(8):
            picture = flat(90, name=name)
            if name == "yuvj420p":
                picture.color_range = ColorRange.JPEG
            picture.pts, picture.time_base = index, THIRTIETH
            writer.write(picture)
    assert seconds(tmp_path / "out.mp4") == [index * THIRTIETH for index in range(8)]
    with av.open(str(tmp_path / "out.mp4")) as video:
        for frame in video.decode(video=0):
            assert frame.format.name == "yuv420p"
            assert abs(frame.to_ndarray(format="bgr24").mean() - 90) < 6


def setup(encoder: EncoderName, settings: OutputSettings, *, live: bool = False, rate: float = 30) -> EncoderSetup:
    return encoder_setup(encoder, settings, live=live, height=720, rate=Fraction(rate), cores=16)


def test_x264_is_asked_for_quality_in_the_way_that_suits_its_preset() -> None:
    quick = setup("x264", preset("ultrafast", crf=20)).options
    assert (quick["qp"], "no-dct-decimate=1" in quick["x264-params"], "crf" in quick) == ("20", True, False)
    slow = setup("x264", preset("medium", crf=20)).options
    assert (slow["crf"], "qp" in slow, "no-dct-decimate=1" in slow["x264-params"]) == ("20", False, False)


def test_nvenc_is_asked_for_the_same_as_x264() -> None:
    for live in (False, True):
        for number, name in enumerate(PRESETS, 1):
            options = setup("nvenc", preset(name, crf=30), live=live).options
            assert (options["preset"], options["cq"], options["bf"]) == (f"p{number}", "30", "0")
            assert options["delay"] == ("0" if live else "3")
    assert setup("nvenc", preset("slow", crf=0)).options["cq"] == "1", "0 has another meaning there"
    assert setup("nvenc", preset("slow"), rate=12).options["delay"] == "1", "a fifth of a second, with the newest frame"


@pytest.mark.skipif("h264_nvenc" not in av.codecs_available, reason="PyAV has no NVENC for this kind of processor")
@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("name", PRESETS)
def test_ffmpeg_knows_every_value_that_nvenc_is_given(name: str, live: bool) -> None:
    """Values are read before a card is looked for, so that a wrong one shows everywhere."""

    def opened(options: dict[str, str]) -> int:
        context = av.CodecContext.create("h264_nvenc", "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height, context.pix_fmt, context.time_base = 320, 240, "yuv420p", THIRTIETH
        context.options = options
        try:
            context.open()
        except av.error.FFmpegError as error:
            return error.errno or -1
        return 0

    options = setup("nvenc", preset(name), live=live).options
    for key in options:
        assert opened({**options, key: "nonsense"}) == errno.EINVAL, key
    assert opened(options) != errno.EINVAL


@pytest.mark.parametrize(
    ("cores", "live", "height", "rate", "name", "expected"),
    [
        (1, False, 720, 30, "ultrafast", (1, "SLICE")),
        (2, False, 720, 30, "ultrafast", (2, "FRAME")),
        (4, False, 720, 30, "medium", (2, "FRAME")),
        (4, True, 720, 30, "medium", (2, "SLICE")),
        (16, False, 720, 60, "ultrafast", (8, "FRAME")),
        (16, False, 720, 30, "ultrafast", (6, "FRAME")),
        (16, False, 720, 30, "medium", (4, "FRAME")),
        (16, False, 720, 10, "ultrafast", (4, "SLICE")),
        (16, False, 48, 60, "ultrafast", (1, "SLICE")),
        (16, True, 720, 60, "ultrafast", (4, "SLICE")),
        (64, False, 2160, 120, "ultrafast", (24, "FRAME")),
    ],
)
def test_threads_fit_the_machine_and_what_may_be_lost(
    cores: int, live: bool, height: int, rate: int, name: str, expected: tuple[int, str]
) -> None:
    found = encoder_setup("x264", preset(name), live=live, height=height, rate=Fraction(rate), cores=cores)
    assert (found.threads, found.thread_type) == expected
    assert found.held <= (0 if live else most_held(Fraction(rate), sound=False))


def test_threads_are_for_the_cores_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3}, raising=False)
    found = encoder_setup("x264", preset("ultrafast"), live=False, height=720, rate=Fraction(30))
    assert (found.threads, found.thread_type) == (1, "SLICE")


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("rate", [5, 12, 25, 30, 60])
@pytest.mark.parametrize("name", ["ultrafast", "superfast", "veryfast", "medium"])
@pytest.mark.parametrize("cores", [2, 16])
def test_a_fifth_of_a_second_at_most_is_not_on_the_disk_yet(
    cores: int, name: str, rate: int, live: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each picture, what stands in the file's whole fragments: all that a kill at this moment leaves."""
    monkeypatch.setattr(machine, "cores", lambda: cores)
    part, most = tmp_path / "out.mp4.part", 0
    with VideoWriter(tmp_path / "out.mp4", preset(name), live=live, frame_rate=Fraction(rate)) as writer:
        for count, picture in enumerate(pictures(range(24), Fraction(1, rate), (64, 512)), 1):
            writer.write(picture)
            most = max(most, count - in_whole_fragments(part.read_bytes()))
    assert most / rate <= 0.2
    assert decoded(tmp_path / "out.mp4") == 24


def in_whole_fragments(content: bytes) -> int:
    """Pictures in the fragments of a file without sound, but for a last one that is not whole."""
    found = begin = waiting = 0
    while begin + 8 <= len(content):
        kind, end = content[begin + 4 : begin + 8], begin + int.from_bytes(content[begin : begin + 4], "big")
        if end > len(content):
            break
        if kind == b"moof":
            run = content.index(b"trun", begin)
            waiting = int.from_bytes(content[run + 8 : run + 12], "big")
        found += waiting if kind == b"mdat" else 0
        begin = end
    return found
