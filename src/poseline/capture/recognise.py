"""Recognise: what a file is by its first bytes, whatever it is called."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO

HEAD = 4096
"""Bytes of a file's beginning that decide what it is."""
_TS_PACKETS = (188, 192, 204)
"""Bytes from one packet of an MPEG transport stream to the next: plain, with arrival times, with error correction."""
_MOST_OF_AN_IMAGE = 32 << 20
"""Bytes in which the first picture of a motion JPEG must end."""

IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".dib", ".heic", ".heif", ".hif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".mpo",
     ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)  # fmt: skip
VIDEO_SUFFIXES = frozenset(
    {".264", ".265", ".3g2", ".3gp", ".apng", ".asf", ".avc", ".avi", ".avifs", ".dav", ".dif", ".divx", ".dv", ".f4v",
     ".flv", ".gif", ".gxf", ".h261", ".h263", ".h264", ".h265", ".heics", ".heifs", ".hevc", ".insv", ".ivf", ".lrv",
     ".m1v", ".m2p", ".m2t", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mk3d", ".mkv", ".mov", ".mp4", ".mpe",
     ".mpeg", ".mpg", ".mxf", ".nut", ".obu", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".tod", ".tp", ".trp", ".vc1",
     ".vob", ".vro", ".webm", ".wmv", ".wtv", ".y4m"}
)  # fmt: skip
AMBIGUOUS_SUFFIXES = frozenset({".mod", ".mts", ".ts"})
"""Of videos, and of programs' source: the content decides."""
_MOTION_JPEG_SUFFIXES = frozenset({".mjpeg", ".mjpg"})
_RAW_SUFFIXES = frozenset({".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw"})
_AUDIO_SUFFIXES = frozenset({".m4a", ".m4b", ".mka", ".wma"})
"""Of sound in a container for videos; a cover picture may be in it."""


class Kind(Enum):
    """What can be done with a file."""

    IMAGE = "image"
    VIDEO = "video"
    """Pictures with times: also what moves in a format for pictures."""
    OTHER = "other"
    """Nothing, but its name is known."""


@dataclass(frozen=True)
class Recognised:
    """What a file is."""

    kind: Kind
    name: str
    """With its article, to stand in a sentence."""


HEIC = Recognised(Kind.IMAGE, "a HEIC picture")
AVIF = Recognised(Kind.IMAGE, "an AVIF picture")
JPEG = Recognised(Kind.IMAGE, "a JPEG picture")
PNG = Recognised(Kind.IMAGE, "a PNG picture")
TIFF = Recognised(Kind.IMAGE, "a TIFF picture")
WEBP = Recognised(Kind.IMAGE, "a WebP picture")
ANIMATED_WEBP = Recognised(Kind.VIDEO, "an animated WebP picture")
ANIMATED_PNG = Recognised(Kind.VIDEO, "an animated PNG picture")
MOTION_JPEG = Recognised(Kind.VIDEO, "a motion JPEG video")
"""JPEG pictures one behind the other, and nothing else."""
_MULTIPART_JPEG = Recognised(Kind.VIDEO, MOTION_JPEG.name)
_RAW = Recognised(Kind.OTHER, "a camera's raw picture; export it as JPEG")
_AUDIO = Recognised(Kind.OTHER, "sound without pictures")
TEXT = Recognised(Kind.OTHER, "text")
GIF = Recognised(Kind.VIDEO, "a GIF")

_IMAGES = (
    (0, b"\xff\xd8\xff", JPEG),
    (0, b"\x89PNG\r\n\x1a\n", PNG),
    (0, b"BM", Recognised(Kind.IMAGE, "a BMP picture")),
    (0, b"\0\0\0\x0cjP  \r\n", Recognised(Kind.IMAGE, "a JPEG 2000 picture")),
    (0, b"\xff\x4f\xff\x51", Recognised(Kind.IMAGE, "a JPEG 2000 picture")),
    (0, b"II*\0", TIFF),
    (0, b"MM\0*", TIFF),
    (0, b"II+\0", TIFF),
    (0, b"MM\0+", TIFF),
)
_VIDEOS = (
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM video"),
    (0, b"FLV\x01", "a Flash video"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media video"),
    (0, b"\0\0\x01\xba", "an MPEG program stream"),
    (0, b"\0\0\x01\xb3", "an MPEG video"),
    (0, b"DHAV", "a Dahua recording"),
    (0, b"DKIF", "an IVF video"),
    (0, b"YUV4MPEG2 ", "an uncompressed video"),
    (0, b"nut/multimedia container\0", "a NUT video"),
    (0, b".RMF", "a RealMedia video"),
    (0, b"\xb7\xd8\x00\x20\x37\x49\xda\x11", "a Windows TV recording"),
    (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01", "an MXF video"),
    (0, b"\x1f\x07\0", "a DV recording"),
    (0, b"BBCD\0", "a Dirac video"),
    (0, b"\0\0\0\0\x01\xbc", "a GXF video"),
    (4, b"moov", "a QuickTime video"),
    (4, b"mdat", "a QuickTime video"),
    (4, b"wide", "a QuickTime video"),
)
_OTHERS = (
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive or an office document"),
    (0, b"\x1f\x8b\x08", "a gzip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"\xfd7zXZ\0", "an xz archive"),
    (0, b"BZh", "a bzip2 archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
    (0, b"SQLite format 3\0", "a database"),
    (0, b"PAR1", "a Parquet table"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"ID3", _AUDIO.name),
    (0, b"fLaC", _AUDIO.name),
    (0, b"8BPS", "a Photoshop picture; export it as PNG"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture; convert it to PNG"),
    (0, b"\xff\x0a", "a JPEG XL picture; convert it to PNG"),
    (0, b"\0\0\x01\0", "an icon"),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR picture; convert it to PNG"),
    (0, b"IIRO", _RAW.name),
    (0, b"IIU\0", _RAW.name),
    (0, b"FUJIFILMCCD-RAW", _RAW.name),
    (0, b"version https://git-lfs.github.com", "a pointer of Git LFS; fetch the file itself with `git lfs pull`"),
    (0, b"#EXTM3U", "a playlist, which names other files; give one of those, or the playlist's address"),
    (0, b"ffconcat", "a playlist, which names other files; give those one by one"),
    (0, b"v=0\r\n", "a description of a stream (SDP); give the stream's address"),
    (0, b"v=0\n", "a description of a stream (SDP); give the stream's address"),
)
_KNOWN = (
    *_IMAGES,
    (0, b"GIF8", GIF),
    *((place, magic, Recognised(Kind.VIDEO, name)) for place, magic, name in _VIDEOS),
    *((place, magic, Recognised(Kind.OTHER, name)) for place, magic, name in _OTHERS),
)
"""(place, bytes that stand there, what that is)."""
_SHORT = 4
"""Bytes below which a text may begin with the same letters."""


def recognise(path: Path) -> Recognised | None:
    """What the file is; None where nothing in it is known here, or where it cannot be read.

    The content decides. The name helps where that alone cannot: audio and video in the same container, a camera's raw
    image and a TIFF, a motion JPEG and the image that it begins with.
    """
    try:
        with path.open("rb") as file:
            return recognise_file(file, path.suffix.lower())
    except OSError:
        return None


def recognise_file(file: BinaryIO, suffix: str = "") -> Recognised | None:
    """The same for an open file, or for a BytesIO of its whole content; `suffix` is its name's, in small letters."""
    found = recognise_bytes(file.read(HEAD))
    if found is PNG and _png_is_animated(file):
        return ANIMATED_PNG
    if found is JPEG and suffix not in IMAGE_SUFFIXES and _jpeg_goes_on(file, suffix):
        return MOTION_JPEG
    if found is not None and found.kind is Kind.VIDEO and suffix in _AUDIO_SUFFIXES:
        return _AUDIO
    return _RAW if found in (None, TIFF) and suffix in _RAW_SUFFIXES else found


def recognise_bytes(head: bytes) -> Recognised | None:
    """What a file of any name is by its first `HEAD` bytes; what moves in a PNG or JPEG is told by more of it only."""
    for find in (_iso_media, _riff, _ogg, _written, _raw_stream):
        if found := find(head):
            return found
    text = _is_text(head)
    for place, magic, known in _KNOWN:
        if head.startswith(magic, place) and not (text and len(magic) < _SHORT):
            return known
    return TEXT if text else _transport_stream(head)


def _iso_media(head: bytes) -> Recognised | None:
    """MP4 and its kin (ISO/IEC 14496-12), by the brands in the first box."""
    if head[4:8] != b"ftyp":
        return None
    brand = head[8:12]
    compatible = head[16 : int.from_bytes(head[:4], "big")]
    brands = {brand, *(compatible[at : at + 4] for at in range(0, len(compatible), 4))}
    if brand in (b"avis", b"msf1", b"hevc", b"hevx"):
        return Recognised(Kind.VIDEO, "a sequence of HEIC or AVIF pictures")
    if brand == b"avif" or (brand in (b"mif1", b"mif2", b"miaf") and b"avif" in brands):
        return AVIF
    if brand in (b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"miaf"):
        return HEIC
    if brand == b"crx ":
        return _RAW
    return _AUDIO if brand in (b"M4A ", b"M4B ") else Recognised(Kind.VIDEO, "an MP4 or QuickTime video")


def _riff(head: bytes) -> Recognised | None:
    if head[:4] not in (b"RIFF", b"RF64"):
        return None
    form = head[8:12]
    if form == b"WEBP":
        animated = head[12:16] == b"VP8X" and len(head) > 20 and head[20] & 2
        return ANIMATED_WEBP if animated else WEBP
    return {b"AVI ": Recognised(Kind.VIDEO, "an AVI video"), b"WAVE": _AUDIO}.get(form)


def _ogg(head: bytes) -> Recognised | None:
    if head[:4] != b"OggS":
        return None
    seen = any(codec in head[:512] for codec in (b"\x80theora", b"video\0", b"BBCD", b"OVP80"))
    return Recognised(Kind.VIDEO, "an Ogg video") if seen else _AUDIO


def _raw_stream(head: bytes) -> Recognised | None:
    """H.264 or H.265 without a container: it begins with a parameter set or a delimiter."""
    begins = re.match(rb"\0{2,3}\x01(?:[\x27\x47\x67]|\x09[\x10\x30\x50\x70\x90\xb0\xd0\xf0]|[\x40\x42\x46]\x01)", head)
    return Recognised(Kind.VIDEO, "a raw H.264 or H.265 video") if begins else None


def _transport_stream(head: bytes) -> Recognised | None:
    """An MPEG transport stream, also one whose recording began within a packet."""
    for step in _TS_PACKETS:
        for start in range(min(step, len(head) - 4 * step)):
            if all(head[start + number * step] == 0x47 for number in range(5)):
                return Recognised(Kind.VIDEO, "an MPEG transport stream")
    return None


def _written(head: bytes) -> Recognised | None:
    """What begins in letters, with more freedom than a few fixed bytes."""
    if re.match(rb"P[1-7]\s", head):
        return Recognised(Kind.IMAGE, "a PNM picture")
    if re.match(rb"\s*--\S+\s*\r?\nContent-[Tt]ype: image/jpeg", head):
        return _MULTIPART_JPEG
    start = head[:1024].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return Recognised(Kind.OTHER, "a web page; was the download refused, or a log-in asked for?")
    if start.startswith((b"<svg", b"<?xml")) and b"<svg" in start:
        return Recognised(Kind.OTHER, "an SVG drawing; convert it to PNG")
    if start.startswith((b"<mpd", b"<?xml")) and b"<mpd" in start:
        return Recognised(Kind.OTHER, "a playlist (DASH), which names other files; give the playlist's address")
    return None


def _is_text(head: bytes) -> bool:
    if not head or re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", head):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # which allows for a letter that is cut at the end
    except UnicodeDecodeError:
        return False
    return True


def _png_is_animated(file: BinaryIO) -> bool:
    """Whether an acTL chunk announces several pictures before the first (PNG, third edition, 11.3.4.1)."""
    file.seek(8)
    while len(header := file.read(8)) == 8 and header[4:] != b"IDAT":
        if header[4:] == b"acTL":
            return int.from_bytes(file.read(4), "big") > 1
        file.seek(int.from_bytes(header[:4], "big") + 4, 1)
    return False


def _jpeg_goes_on(file: BinaryIO, suffix: str) -> bool:
    """Whether picture follows picture; a photo may hold more of them too, and says so (MPF: CIPA DC-007)."""
    if suffix in _MOTION_JPEG_SUFFIXES:
        return True
    file.seek(0)
    content = file.read(_MOST_OF_AN_IMAGE)
    return b"MPF\0" not in content[: 1 << 16] and b"\xff\xd9\xff\xd8" in content
