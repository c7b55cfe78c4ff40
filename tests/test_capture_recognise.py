"""What a file is, by its content; and that only what is known to be a video reaches FFmpeg."""

from __future__ import annotations

import errno
import subprocess
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import av.error
import pytest
from av.stream import Disposition
from PIL import Image

from media_worlds import CAPTURE, number_in, numbers, picture, turn, write_clip
from output_worlds import tone
from poseline.capture import Images, VideoFile, open_source, read_image
from poseline.capture.container import _FILE_FORMATS, _moving, explain, open_container
from poseline.capture.recognise import Kind, recognise
from poseline.errors import SourceError
from test_capture_images import save

DATA = Path(__file__).parent / "data"
COVER = int(Disposition.attached_pic)
NEEDS_FFMPEG = pytest.mark.system("ffmpeg")


def pillow(form: str) -> bytes:
    target = BytesIO()
    Image.fromarray(picture(9)[:, :, ::-1].copy()).save(target, form)
    return target.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF", "MPO"])
@pytest.mark.parametrize("name", ["clip.mp4", "clip", "clip.png"])
def test_a_picture_is_a_picture_whatever_it_is_called(form: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(pillow(form))
    found = recognise(path)
    assert found is not None
    assert found.kind is Kind.IMAGE
    source = open_source(path, CAPTURE)
    assert isinstance(source, Images)
    assert [number_in(frame.bgr) for frame in source.frames()] == [9]
    with pytest.raises(SourceError, match=f"not a video that FFmpeg can read: it is {found.name}"):
        VideoFile(path, CAPTURE)


def test_a_video_called_a_picture_is_a_video(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", range(3)).rename(tmp_path / "photo.jpg")
    assert numbers(open_source(path, CAPTURE).frames()) == [0, 1, 2]
    with pytest.raises(SourceError, match="not one picture, but an MP4 or QuickTime video; `poseline run` and stream"):
        read_image(path, CAPTURE.max_pixels)


@pytest.mark.parametrize("name", ["clip.mjpeg", "clip.mp4", "clip"])
def test_pictures_behind_each_other_are_a_motion_jpeg(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    frames = [save(tmp_path / "one.jpg", number).read_bytes() for number in range(4)]
    path.write_bytes(b"".join(frames))
    assert numbers(open_source(path, CAPTURE).frames()) == [0, 1, 2, 3]


OTHERS = [
    (b"%PDF-1.7\n\xff\xd8\xff\xe0" + bytes(200), "a PDF document"),
    (b"PK\x03\x04" + bytes(100), "a ZIP archive or an office document"),
    (b"<!DOCTYPE html>\n<html><body>Please log in</body></html>", "a web page"),
    (b"\xef\xbb\xbf <HTML>", "a web page"),
    (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", "a playlist"),
    (b"ffconcat version 1.0\nfile /etc/passwd\n", "a playlist"),
    (b'<?xml version="1.0"?>\n<MPD><BaseURL>/etc/passwd</BaseURL></MPD>', "a playlist"),
    (b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=video 5004 RTP/AVP 96\r\n", "a description of a stream"),
    (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "a pointer of Git LFS"),
    (b"ID3\x04" + bytes(100), "sound without pictures"),
    (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "a JPEG XL picture"),
    (b"BMW, MZ and ID3 are letters.\n" * 3, "text"),
    ("Größe, 大きさ\n".encode() * 400, "text"),
]


@pytest.mark.parametrize(
    ("content", "words"), OTHERS, ids=[f"{words} {index}" for index, (_, words) in enumerate(OTHERS)]
)
def test_what_is_neither_is_named(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=f"clip.mp4: not a video that FFmpeg can read: it is {words}"):
        open_source(path, CAPTURE)
    path = path.rename(tmp_path / "picture.jpg")
    with pytest.raises(SourceError, match="picture.jpg: not a picture that can be read"):
        open_source(path, CAPTURE)


@pytest.mark.parametrize("suffix", [".dng", ".NEF", ".cr2"])
def test_a_raw_picture_is_not_taken_for_the_thumbnail_in_it(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"photo{suffix}"
    path.write_bytes(pillow("TIFF"))
    with pytest.raises(SourceError, match="a camera's raw picture; export it as JPEG"):
        open_source(path, CAPTURE)


def test_sound_with_a_cover_is_sound(tmp_path: Path) -> None:
    path = tone(tmp_path / "song.m4a", "aac", "ipod")
    with pytest.raises(SourceError, match="it is sound without pictures"):
        open_source(path, CAPTURE)


def test_what_nobody_knows_is_ffmpegs_to_judge(tmp_path: Path) -> None:
    for name, content in {"zeros": bytes(5000), "noise": bytes(range(128, 256)) * 40, "empty": b""}.items():
        (tmp_path / name).write_bytes(content)
        assert recognise(tmp_path / name) is None
    assert recognise(tmp_path / "nowhere") is None
    with pytest.raises(SourceError, match="not a video that FFmpeg can read; is it complete"):
        open_source(tmp_path / "zeros", CAPTURE)


@pytest.mark.parametrize("offset", [0, 1, 100, 187])
@pytest.mark.parametrize("suffix", ["ts", "m2ts"])
def test_a_transport_stream_is_known_from_within_a_packet(offset: int, suffix: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / f"clip.{suffix}", range(20))
    (tmp_path / "piece").write_bytes(path.read_bytes()[offset:])
    found = recognise(tmp_path / "piece")
    assert found is not None
    assert found.name == "an MPEG transport stream"


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", "h264"), ("libx265", "hevc")])
def test_a_raw_stream_is_known_without_its_suffix(codec: str, suffix: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / f"clip.{suffix}", range(3), codec=codec, options={"x265-params": "log-level=none"})
    found = recognise(path.rename(tmp_path / "camera.out"))
    assert found is not None
    assert found.name == "a raw H.264 or H.265 video"


CONTAINERS = {
    "clip.dv": ("-target", "pal-dv"),
    "clip.h261": ("-s", "352x288", "-c:v", "h261"),
    "clip.h263": ("-s", "352x288", "-c:v", "h263"),
    "clip.h264": ("-c:v", "libx264"),
    "clip.h265": ("-c:v", "libx265", "-x265-params", "log-level=error"),
    "clip.m2v": ("-c:v", "mpeg2video"),
    "clip.mpjpeg": ("-c:v", "mjpeg", "-f", "mpjpeg"),
    "clip.ivf": ("-c:v", "libvpx"),
    "clip.drc": ("-c:v", "vc2", "-strict", "-1", "-f", "dirac"),
    "clip.dnxhd": ("-s", "1920x1080", "-c:v", "dnxhd", "-b:v", "36M", "-pix_fmt", "yuv422p"),
    "clip.gxf": ("-s", "720x576", "-c:v", "mpeg2video", "-f", "gxf"),
    "clip.mxf": ("-c:v", "mpeg2video"),
    "clip.y4m": ("-pix_fmt", "yuv420p"),
    "clip.nut": ("-f", "nut"),
    "clip.m2ts": ("-c:v", "libx264", "-f", "mpegts", "-mpegts_m2ts_mode", "1"),
    "clip.mod": ("-c:v", "mpeg2video", "-f", "vob"),
    "clip.wtv": ("-c:v", "libx264"),
    "clip.smjpeg": ("-c:v", "mjpeg", "-f", "smjpeg"),
}


@NEEDS_FFMPEG
@pytest.mark.parametrize("name", CONTAINERS)
def test_what_cameras_and_recorders_write_is_opened(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc=s=320x240:r=25:d=0.4",
        *CONTAINERS[name],
        str(path),
    ]
    subprocess.run(command, check=True)
    source = open_source(path, CAPTURE)
    assert isinstance(source, VideoFile)
    assert sum(1 for _ in source.frames()) == 10


def test_a_recorders_dav_is_opened() -> None:
    source = open_source(DATA / "cam.dav", CAPTURE)
    assert (source.info.width, source.info.height, source.info.frame_rate) == (320, 180, Fraction(25))
    assert sum(1 for _ in source.frames()) == 119
    assert (source.bad, source.notes) == (0, []), "its first packet holds the parameter sets alone: no picture is lost"


def test_no_demuxer_that_opens_other_files_is_allowed() -> None:
    reaching = {
        "concat",
        "concatf",
        "hls",
        "dash",
        "imf",
        "sdp",
        "image2",
        "image2pipe",
        "lavfi",
        "mlv",
        "vobsub",
        "webm_dash_manifest",
    }
    allowed = _FILE_FORMATS.split(",")
    assert not reaching & set(allowed)
    assert not [name for name in allowed if name.endswith("_pipe")]
    assert len(allowed) == len(set(allowed))
    known = {part for name in av.formats_available for part in name.split(",")}
    assert set(allowed) <= known | {"mp4", "m4a", "3gp", "3g2", "mj2", "webm"}


@pytest.mark.parametrize(
    ("streams", "chosen"),
    [
        ([(0, 25)], 0), ([(0, 0)], 0), ([(0, 1)], 0), ([(COVER, 1)], 0), ([(COVER, 0), (0, 0)], 1),
        ([(0, 1), (0, 5)], 1),
        ([(COVER, 0), (0, 1), (0, 0), (0, 9)], 2), ([(0, 7), (0, 9)], 0), ([(COVER, 0), (0, 1)], 1),
    ],
)  # fmt: skip
def test_neither_a_cover_nor_a_still_before_a_sequence_is_the_video(
    streams: list[tuple[int, int]], chosen: int
) -> None:
    """(disposition, number of frames, 0 where unknown)."""
    given = [SimpleNamespace(disposition=disposition, frames=frames) for disposition, frames in streams]
    assert _moving(given) is given[chosen]  # type: ignore[arg-type, comparison-overlap] # as much of them as is read


@pytest.mark.parametrize(
    "code",
    [errno.EINVAL, errno.ENOSYS, errno.EPROTONOSUPPORT, errno.EIO, errno.EPROTO, errno.EHOSTUNREACH, errno.ENETUNREACH,
     errno.ETIMEDOUT, errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT,
     errno.EMFILE, errno.ENOENT, errno.EPERM, errno.ENOMEM, errno.EOPNOTSUPP],
)  # fmt: skip
def test_no_errno_reaches_a_user_as_it_is(code: int) -> None:
    with pytest.raises(av.error.FFmpegError) as caught:
        av.error.err_check(-code)
    words = explain(caught.value, 0, 10)
    assert str(caught.value.strerror).lower() not in words.lower()
    assert "errno" not in words.lower()
    assert str(code) not in words
    assert len(words) > 20 or code == errno.ENOENT


def test_what_has_no_words_of_its_own_says_at_least_what_to_look_at() -> None:
    with pytest.raises(av.error.FFmpegError) as caught:
        av.error.err_check(-errno.EXDEV)
    assert explain(caught.value, 0, 10).endswith("is it complete, and can another player read it?")


def aspect_clip(path: Path, ratio: Fraction, pix_fmt: str = "yuv420p") -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        stream.codec_context.sample_aspect_ratio = ratio
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(picture(number), format="bgr24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "h264"])
@pytest.mark.parametrize("ratio", [Fraction(4, 3), Fraction(16, 15), Fraction(8, 9), Fraction(2)])
def test_pixels_that_are_not_square_are_told(suffix: str, ratio: Fraction, tmp_path: Path) -> None:
    source = VideoFile(aspect_clip(tmp_path / f"clip.{suffix}", ratio), CAPTURE)
    assert source.info.pixel_aspect == ratio
    assert (source.info.width, source.info.height) == (64, 48)


@pytest.mark.parametrize(("degrees", "seen"), [(90, Fraction(3, 4)), (180, Fraction(4, 3)), (270, Fraction(3, 4))])
def test_pixels_are_turned_with_the_picture(degrees: int, seen: Fraction, tmp_path: Path) -> None:
    path = turn(aspect_clip(tmp_path / "clip.mp4", Fraction(4, 3)), degrees)
    assert VideoFile(path, CAPTURE).info.pixel_aspect == seen


@pytest.mark.parametrize("ratio", [Fraction(1), Fraction(3645, 3646), Fraction(1, 200), Fraction(60)])
def test_pixels_are_square_where_nothing_else_can_be_meant(ratio: Fraction, tmp_path: Path) -> None:
    assert VideoFile(aspect_clip(tmp_path / "clip.mp4", ratio), CAPTURE).info.pixel_aspect == 1
    assert VideoFile(write_clip(tmp_path / "plain.mp4", range(2)), CAPTURE).info.pixel_aspect == 1


def test_the_containers_word_counts_before_the_codecs(tmp_path: Path) -> None:
    path = aspect_clip(tmp_path / "clip.mp4", Fraction(4, 3))
    content = bytearray(path.read_bytes())
    place = content.index(b"pasp") + 4
    content[place : place + 8] = (3).to_bytes(4, "big") + (2).to_bytes(4, "big")
    path.write_bytes(content)
    assert VideoFile(path, CAPTURE).info.pixel_aspect == Fraction(3, 2)


def test_a_container_knows_whether_to_deinterlace(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", range(2))
    assert open_container(str(path), CAPTURE).deinterlace
    assert not open_container(str(path), CAPTURE.model_copy(update={"deinterlace": "no"})).deinterlace
