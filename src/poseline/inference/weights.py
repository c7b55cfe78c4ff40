"""Weights: from the name a user gives to files that a runtime can load."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from poseline.cache import cache_folder
from poseline.errors import ModelError, PoselineError
from poseline.home import expanded
from poseline.inference import published, ultralytics_adapter
from poseline.inference.spec import ModelSpec
from poseline.plain_yaml import NotPlainError, load_plain
from poseline.skeleton import Skeleton
from poseline.words import file_alike

log = logging.getLogger("poseline")

DEFAULT = "yolo11n-pose.pt"
_unavailable: set[str] = set()
"""Names that could not be fetched: a process tries once, since that may take long without a network."""
BUILTIN = "builtin"
_BUILTIN_WEIGHTS = Path(__file__).parents[1] / "builtin" / "poseline-builtin.pt"
"""Trained by us, and shipped beside its own OpenVINO conversion, so that a first run needs no network and no torch."""

_ZIP_MAGIC = b"PK\x03\x04"
_LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9"
"""How files begin that torch 1.5 and older wrote."""
_METADATA = "metadata.yaml"
_QUICK_METADATA = "metadata.json"
"""The same, in our own conversions: to import a reader of YAML takes longer than to find and open a clip."""


def find(model: str | None) -> Path:
    """The .pt or .onnx file or OpenVINO folder that `model` names.

    A path, else `builtin`, else a published name, fetched if need be. None is the default model, or the built-in one
    where that cannot be had.

    Raises:
        ModelError: there is no such file, and it could not be fetched.
    """
    if model is None:
        return _default()
    if model == BUILTIN:
        return _builtin()
    path = expanded(model)
    if path.exists():
        return path
    if not path.suffix and published.PUBLISHED.fullmatch(f"{model}.pt"):  # as ultralytics lets it be left out
        return find(f"{model}.pt")
    if path.suffix in (".yaml", ".yml"):
        raise ModelError(
            f"{model}: describes a network without weights; give the .pt that was trained: yolo11n-pose.pt"
        )
    if path.name != model or not published.PUBLISHED.fullmatch(model):
        alike = file_alike(path, published.names())
        wanted = "; give a .pt, .onnx or OpenVINO folder, or a name like yolo11n-pose.pt"
        raise ModelError(f"{model}: no such model file{alike or wanted}")
    kept = cache_folder() / "weights" / model
    if not kept.exists():
        log.info("fetching %s", model)
        try:
            published.fetch(model, kept.parent)
        except ModelError as error:
            raise ModelError(f"{model}: not here, not in {kept.parent}, and not to be fetched: {error}") from error
    return kept


def _default() -> Path:
    if DEFAULT in _unavailable and not Path(DEFAULT).exists():
        return _builtin()
    try:
        return find(DEFAULT)
    except ModelError:
        _unavailable.add(DEFAULT)
        log.warning("%s is not here and could not be fetched: running poseline's built-in model", DEFAULT)
        return _builtin()


def _builtin() -> Path:
    if not _BUILTIN_WEIGHTS.exists():
        raise ModelError("the built-in model is missing from this installation; give a model with -m")
    return _BUILTIN_WEIGHTS


def read_spec(path: Path, *, convert: bool, skeleton: Skeleton | None = None) -> ModelSpec:
    """What the model at `path` says of itself; with `convert`, .pt weights become an OpenVINO model first (cached).

    Raises:
        ModelError: damaged, unsafe, or not a pose model.
    """
    if path.is_dir() or path.suffix == ".xml":
        return _openvino_spec(path if path.is_dir() else path.parent, skeleton=skeleton)
    if path.suffix == ".onnx":
        return ModelSpec.from_metadata(_onnx_metadata(path), path, "onnx", path.name, sha256(path), skeleton)
    if path.suffix != ".pt":
        raise ModelError(f"{path}: not a model; poseline runs .pt, .onnx and OpenVINO folders")
    _check_weights(path)
    digest = sha256(path)
    if convert:
        folder = _shipped(path) if path == _BUILTIN_WEIGHTS else _converted(path, digest)
        return _openvino_spec(folder, path.name, digest, skeleton)
    _, metadata = ultralytics_adapter.load_network(path)
    return ModelSpec.from_metadata(metadata, path, "pt", path.name, digest, skeleton)


def sha256(*paths: Path) -> str:
    """Hex digest of the files' contents, one after another."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _shipped(weights: Path) -> Path:
    return weights.with_name(f"{weights.stem}_openvino_model")


def _converted(weights: Path, digest: str) -> Path:
    # The conversion has a dynamic input, so one serves every image size; compiled models are cached by size, elsewhere.
    folder = cache_folder() / "converted" / f"{weights.stem}-{digest[:16]}-{_builder()}"
    if not (folder / _METADATA).exists():
        log.info("converting %s to OpenVINO, once; kept in %s", weights.name, folder)
    return made_once(folder, lambda made: _convert(weights, made))


def _builder() -> str:
    """A hash of the code that builds networks: what another version of it made is not this one's."""
    here = Path(__file__).parent
    passes = [here / "runtimes" / f"{name}.py" for name in ("constants", "late_upsampling", "sparse_head")]
    files = [*here.glob("network/*.py"), here / "weights_file.py", here / "unpickler.py", *passes]
    code = b"".join(path.read_bytes() for path in sorted(files))
    return hashlib.sha256(code).hexdigest()[:8]


def _convert(weights: Path, folder: Path) -> None:
    """Build the network, or let ultralytics convert it where it has something that we do not know."""
    from poseline.inference.network.build import convert
    from poseline.inference.network.module import UnknownNetworkError

    try:
        metadata = convert(weights, folder)
    except UnknownNetworkError as unknown:
        if not ultralytics_adapter.is_installed():
            raise ModelError(
                f"{weights.name}: its network has something that poseline does not know ({unknown}), and ultralytics, "
                "which may know it, is not installed: pip install ultralytics"
            ) from unknown
        log.info("%s: ultralytics converts it, which takes longer: %s", weights.name, unknown)
        shutil.rmtree(folder, ignore_errors=True)
        ultralytics_adapter.convert(weights, folder)
        write_quick_metadata(folder)
    else:
        for name in (_QUICK_METADATA, _METADATA):  # JSON is YAML too
            (folder / name).write_text(json.dumps(metadata, ensure_ascii=False), encoding="utf-8")


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """The OpenVINO model folder of the cache, made by `make` (given the path to make) where it is not there yet.

    Raises:
        ModelError: what `make` raises, and then nothing is kept; or that the cache cannot be written to.
    """
    if (folder / _METADATA).exists():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            make(Path(scratch) / "model")
            _keep(Path(scratch) / "model", folder)
    except OSError as error:
        if isinstance(error, PoselineError):  # of the clip that `make` reads, not of the cache
            raise
        raise ModelError(
            f"{folder.parent}: the converted model cannot be kept here ({error.strerror}); "
            "set POSELINE_CACHE to a folder that can be written to"
        ) from error
    return folder


def _keep(made: Path, folder: Path) -> None:
    if not (folder / _METADATA).exists():
        shutil.rmtree(folder, ignore_errors=True)  # what is left of a damaged cache
        try:
            made.rename(folder)
        except OSError:
            if not (folder / _METADATA).exists():  # else another process has been quicker
                raise


def _openvino_spec(
    folder: Path, name: str | None = None, digest: str | None = None, skeleton: Skeleton | None = None
) -> ModelSpec:
    networks = sorted(folder.glob("*.xml"))
    if len(networks) != 1 or not networks[0].with_suffix(".bin").exists():
        raise ModelError(f"{folder}: not an OpenVINO model: it needs one .xml with its .bin")
    metadata = (_quick_metadata(folder) if digest else None) or _metadata(folder)
    digest = digest or sha256(networks[0], networks[0].with_suffix(".bin"))
    return ModelSpec.from_metadata(metadata, networks[0], "openvino", name or folder.name, digest, skeleton)


def _metadata(folder: Path) -> dict[str, Any]:
    try:
        metadata: Any = load_plain((folder / _METADATA).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, NotPlainError) as error:
        raise ModelError(
            f"{folder}: metadata.yaml cannot be read ({error}); export the model with ultralytics"
        ) from error
    if not isinstance(metadata, dict):
        raise ModelError(f"{folder}: metadata.yaml holds no metadata; export the model with ultralytics")
    return metadata


def _quick_metadata(folder: Path) -> Any:
    try:
        return json.loads((folder / _QUICK_METADATA).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # of an earlier version, or torn: there is the other one
        return None


def write_quick_metadata(folder: Path) -> None:
    """Beside the metadata.yaml of a conversion of our own, write the same so that it is quickly read."""
    text = json.dumps(_metadata(folder), default=str)
    (folder / _QUICK_METADATA).write_text(text, encoding="utf-8")


def _onnx_metadata(path: Path) -> dict[str, Any]:
    try:
        import onnxruntime
    except ImportError:
        raise ModelError(f"{path}: ONNX models need ONNX Runtime: pip install 'poseline[onnx]'") from None
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exception classes share no public root
        raise ModelError(f"{path}: not an ONNX model that can be read: {str(error).splitlines()[0]}") from error
    return dict(session.get_modelmeta().custom_metadata_map)


def _check_weights(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    if head.startswith(_ZIP_MAGIC):
        return
    kind = "not PyTorch weights"
    if not head:
        kind = "empty"
    elif head.startswith(_LEGACY_MAGIC):
        kind = "was saved in the form of torch 1.5 and older; load it with torch.load and save it with torch.save"
    elif head.startswith(b"\x80"):
        kind = "a bare pickle, not PyTorch weights"
    elif head.startswith(b"version https://git-lfs"):
        kind = "a Git LFS pointer; run git lfs pull"
    elif b"<html" in head.lower() or b"<!doctype" in head.lower():
        kind = "a web page; download the file itself"
    raise ModelError(f"{path}: {kind}")
