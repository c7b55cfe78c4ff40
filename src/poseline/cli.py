"""Command line: arguments to settings, settings to runs, errors to exit codes."""

# Without `from __future__ import annotations`: typer would evaluate the text of each option's type again at each start.

import errno
import itertools
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from poseline import __version__
from poseline import batch as runner
from poseline import settings as configuration
from poseline.amounts import whole_in
from poseline.commands.common import numbers, place_of, size_of, stated
from poseline.errors import INTERNAL, OutputError, PoselineError, SettingsError, SourceError, redact
from poseline.interruption import INTERRUPTED, Interruption

_SOURCE, _MODEL, _DRAW, _WRITE = "Source", "Model and tracking", "Drawing", "Output"
_MEASURE = "What is measured"
_DEFAULTS = configuration.Settings()
_REFUSALS = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP)
"""What the system says of a file that it does not let be looked at."""
_OUTPUTS = ("-o", "--output", "--json", "--plot", "--markdown", "--submit")
"""Options that name what is to be written, of all commands."""


def _option(*names: str, help: str, panel: str, of: str = "", metavar: str | None = None) -> Any:  # noqa: A002 # typer's own word
    """An option in a panel of the help; its default is that of the setting `of`, such as `inference.conf`."""
    return typer.Option(
        *names, help=f"{help} ({_default(of, names[-1])})" if of else help, rich_help_panel=panel, metavar=metavar
    )


def _default(setting: str, name: str) -> str:
    """The default of a setting, as the help says it; of a switch, the one of its two names that is in force."""
    section, field = setting.split(".")
    value = getattr(getattr(_DEFAULTS, section), field)
    if isinstance(value, bool):
        return name.split("/")[0 if value else 1]
    return f"{value:g}" if isinstance(value, float) else str(value)


def run(
    context: typer.Context,
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE", help="Camera number, video, picture, folder, glob or rtsp/http URL.")],
    model: Annotated[str | None, _option("-m", "--model", help="A .pt, .onnx or OpenVINO folder, a published name, or builtin. (yolo11n-pose.pt, else builtin)", panel=_MODEL)] = None,
    device: Annotated[str | None, _option("--device", help="auto, cpu, cuda, cuda:N or mps; worker processes are spread over all GPUs with cuda, over some with cuda:0,1.", panel=_MODEL, of="inference.device")] = None,
    runtime: Annotated[configuration.RuntimeName | None, _option("--runtime", help="Runtime that executes the network.", panel=_MODEL, of="inference.runtime")] = None,
    imgsz: Annotated[int | None, _option("--imgsz", help="Inference size: the longer side of the network's input, in pixels.", panel=_MODEL, of="inference.imgsz")] = None,
    conf: Annotated[float | None, _option("--conf", help="Minimum detection confidence.", panel=_MODEL, of="inference.conf")] = None,
    iou: Annotated[float | None, _option("--iou", help="NMS IoU threshold.", panel=_MODEL, of="inference.iou")] = None,
    max_det: Annotated[int | None, _option("--max-det", help="Maximum number of detections per frame.", panel=_MODEL, of="inference.max_det")] = None,
    classes: Annotated[str | None, _option("--classes", help="Class numbers to keep, such as 0,2.", panel=_MODEL)] = None,
    precision: Annotated[configuration.Precision | None, _option("--precision", help="Numeric precision of the network; int8 is calibrated on your clip first.", panel=_MODEL, of="inference.precision")] = None,
    half: Annotated[bool | None, _option("--half/--no-half", help="Half precision: bf16 or fp16, whichever the device has; or fp32. (as --precision says)", panel=_MODEL)] = None,
    calibrate: Annotated[Path | None, _option("--calibrate", help="Clip for int8 calibration. (the source)", panel=_MODEL)] = None,
    roi: Annotated[bool | None, _option("--roi/--no-roi", help="Region of interest: run the network only on the part of the frame where people are.", panel=_MODEL, of="inference.roi")] = None,
    roi_every: Annotated[int | None, _option("--roi-every", help="With --roi, run on the whole frame every N frames.", panel=_MODEL, of="inference.roi_every")] = None,
    skeleton: Annotated[Path | None, _option("--skeleton", help="YAML file with the keypoints' names, edges and sigmas.", panel=_MODEL)] = None,
    batch: Annotated[int | None, _option("--batch", help="Maximum batch size for a file on a GPU.", panel=_MODEL, of="inference.batch")] = None,
    augment: Annotated[bool, typer.Option("--augment", hidden=True)] = False,
    track: Annotated[bool | None, _option("--track/--no-track", help="Track persons: give each an id.", panel=_MODEL, of="tracking.enabled")] = None,
    main: Annotated[bool | None, _option("--main/--no-main", help="Draw and log the main person only: the largest, surest and most central one.", panel=_MODEL, of="tracking.main")] = None,
    live: Annotated[bool | None, _option("--live", help="Treat a file as a camera: newest frame first, late frames are dropped.", panel=_SOURCE)] = None,
    every_frame: Annotated[bool | None, _option("--every-frame", help="Drop no frame, even of a live source.", panel=_SOURCE)] = None,
    vid_stride: Annotated[int | None, _option("--vid-stride", help="Process every N-th frame.", panel=_SOURCE, of="capture.vid_stride")] = None,
    start: Annotated[str | None, _option("--from", metavar="TIME", help="Read a recording from this time on: seconds or h:mm:ss from its first frame.", panel=_SOURCE)] = None,
    end: Annotated[str | None, _option("--to", metavar="TIME", help="Read a recording up to this time, which is not included.", panel=_SOURCE)] = None,
    decoder: Annotated[configuration.Decoder | None, _option("--decoder", help="Where files are decoded.", panel=_SOURCE, of="capture.decoder")] = None,
    source_fps: Annotated[str | None, _option("--source-fps", metavar="RATE", help="Frames a second of a file without time stamps, such as raw .h264: 25, or 30000/1001. (as its codec says, else 25)", panel=_SOURCE)] = None,
    deinterlace: Annotated[configuration.Deinterlacing | None, _option("--deinterlace", help="Deinterlace interlaced frames (bwdif).", panel=_SOURCE, of="capture.deinterlace")] = None,
    damage_check: Annotated[configuration.DamageChecking | None, _option("--damage-check", help="Check on the CPU for damage what a GPU decodes.", panel=_SOURCE, of="capture.damage_check")] = None,
    recursive: Annotated[bool, _option("--recursive", help="Search folders recursively.", panel=_SOURCE)] = False,
    cam_size: Annotated[str | None, _option("--cam-size", help="Picture size to ask a camera for, such as 1280x720.", panel=_SOURCE)] = None,
    cam_fps: Annotated[str | None, _option("--cam-fps", metavar="RATE", help="Frames a second to ask a camera for.", panel=_SOURCE)] = None,
    fourcc: Annotated[str | None, _option("--fourcc", help="Pixel format to ask a camera for, such as MJPG.", panel=_SOURCE)] = None,
    rtsp_transport: Annotated[configuration.RtspTransport | None, _option("--rtsp-transport", help="RTSP transport; auto tries TCP, then UDP.", panel=_SOURCE, of="capture.rtsp_transport")] = None,
    timeout: Annotated[float | None, _option("--timeout", help="Seconds to wait for a source. (10 to open, 5 to read)", panel=_SOURCE)] = None,
    max_outage: Annotated[float | None, _option("--max-outage", help="Seconds to retry a stream that broke off.", panel=_SOURCE, of="capture.max_outage")] = None,
    boxes: Annotated[bool | None, _option("--boxes/--no-boxes", help="Draw bounding boxes.", panel=_DRAW, of="overlay.boxes")] = None,
    labels: Annotated[bool | None, _option("--labels/--no-labels", help="Draw ids and confidences.", panel=_DRAW, of="overlay.labels")] = None,
    hud: Annotated[bool | None, _option("--hud/--no-hud", help="Draw frame rate, latency and dropped frames.", panel=_DRAW, of="overlay.hud")] = None,
    trail: Annotated[float | None, _option("--trail", help="Seconds of each person's path to draw.", panel=_DRAW, of="overlay.trail")] = None,
    smooth: Annotated[bool | None, _option("--smooth/--no-smooth", help="Smooth keypoints in what is drawn and sent; the log keeps what was measured.", panel=_DRAW, of="smoothing.enabled")] = None,
    line_width: Annotated[int | None, _option("--line-width", help="Line width in pixels. (by the frame size)", panel=_DRAW)] = None,
    font_size: Annotated[float | None, _option("--font-size", help="Text height in pixels. (by the frame size)", panel=_DRAW)] = None,
    output: Annotated[Path | None, _option("-o", "--output", help="Output folder. (runs/NAME, then runs/NAME-2 ...)", panel=_WRITE)] = None,
    overwrite: Annotated[bool | None, _option("--overwrite", help="Replace the results of an earlier run in the folder.", panel=_WRITE)] = None,
    video: Annotated[bool | None, _option("--video/--no-video", help="Write annotated video or images.", panel=_WRITE, of="output.video")] = None,
    log: Annotated[str | None, _option("--log", help="Formats of the keypoint log: jsonl,csv,parquet. (jsonl)", panel=_WRITE)] = None,
    analyze: Annotated[bool, _option("--analyze", help="Analyze the main person of each run after it: see `poseline analyze`.", panel=_WRITE)] = False,
    show: Annotated[bool | None, _option("--show", help="Show a window; q quits, space pauses a file.", panel=_WRITE)] = None,
    encoder: Annotated[configuration.Encoder | None, _option("--encoder", help="Video encoder; auto: NVENC where the GPU has it, else x264.", panel=_WRITE, of="output.encoder")] = None,
    preset: Annotated[configuration.Preset | None, _option("--preset", help="x264 preset: speed against file size.", panel=_WRITE, of="output.preset")] = None,
    crf: Annotated[int | None, _option("--crf", help="Video quality, 0 (best) to 51.", panel=_WRITE, of="output.crf")] = None,
    send: Annotated[list[str] | None, _option("--send", metavar="ADDRESS", help="Send keypoints to another program: osc://HOST:PORT, udp://, tcp://, mqtt://, lsl:, ws (on the page's server) or - (stdout); may be given several times.", panel=_WRITE)] = None,
    serve: Annotated[str | None, _option("--serve", metavar="[HOST:PORT]", help="Show it live in a browser, at this address. (127.0.0.1:8100)", panel=_WRITE)] = None,
    pre_roll: Annotated[float, typer.Option("--pre-roll", min=0, max=120, metavar="SECONDS", help="With --serve: seconds that a recording begins earlier; encodes all the time.", rich_help_panel=_WRITE)] = 0.0,
    segment: Annotated[str | None, _option("--segment", metavar="TIME", help="Begin another video and log after this time, such as 10m; with --serve, also of its recordings.", panel=_WRITE)] = None,
    keep: Annotated[str | None, _option("--keep", metavar="TIME|SIZE", help="Remove the oldest of these files beyond this age or size, such as 24h or 50GB.", panel=_WRITE)] = None,
    record: Annotated[bool, _option("--record", help="With --serve: record from the first frame on.", panel=_WRITE)] = False,
    jobs: Annotated[str | None, typer.Option("--jobs", metavar="N|auto", help="Processes to use: for several sources one each, for one recording each for a piece of it. (1; of several GPUs, one each)")] = None,
    on: Annotated[str | None, typer.Option("--on", metavar="ray[://HOST:PORT]", help="Run recorded sources on the machines of a Ray cluster: see docs/scale.md.")] = None,
    retry: Annotated[int, typer.Option("--retry", min=0, metavar="TIMES", help="Run sources that failed again, at the end.")] = 0,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="YAML file of settings; options given here win.")] = None,
) -> None:  # fmt: skip
    """Find keypoints in SOURCE and write annotated video and a keypoint log.

    Writes annotated.mp4, keypoints.jsonl and summary.json. Ctrl-C stops gracefully; a second Ctrl-C aborts.
    """
    as_batch = context.info_name == "batch"
    if as_batch and sources[0] == "status":
        from poseline.commands.batch_status import show_status

        raise typer.Exit(show_status(sources[1:]))
    given: dict[str, dict[str, Any]] = {
        "capture": {
            "live": live, "every_frame": every_frame, "vid_stride": vid_stride, "start": start, "end": end,
            "decoder": decoder, "deinterlace": deinterlace, "damage_check": damage_check,
            "source_fps": source_fps, "cam_size": size_of("--cam-size", cam_size), "cam_fps": cam_fps, "fourcc": fourcc,
            "rtsp_transport": rtsp_transport, "open_timeout": timeout, "read_timeout": timeout,
            "max_outage": max_outage,
        },
        "inference": {
            "model": model, "device": device, "runtime": runtime, "imgsz": imgsz, "conf": conf,
            "iou": iou, "max_det": max_det, "classes": numbers("--classes", classes), "skeleton": skeleton,
            "precision": precision, "half": half, "calibrate": calibrate,
            "roi": roi, "roi_every": roi_every, "batch": batch,
        },
        "tracking": {"enabled": track, "main": main},
        "smoothing": {"enabled": smooth},
        "overlay": {
            "boxes": boxes, "labels": labels, "hud": hud, "trail": trail, "line_width": line_width,
            "font_size": font_size,
        },
        "output": {
            "directory": output, "overwrite": overwrite, "video": video, "show": show,
            "log": None if log is None else tuple(part.strip() for part in log.split(",")),
            "encoder": encoder, "preset": preset, "crf": crf,
            "send": send or None, "segment": segment, "keep": keep,
        },
    }  # fmt: skip
    if augment:
        raise SettingsError(
            "--augment runs each picture several times, which is not real time; poseline does not offer it"
        )
    settings = configuration.load(config, stated(given))
    recordings = _recordings(serve, pre_roll, record, settings.output)
    logs: list[Path] = []
    with _cluster(on, jobs) as machines:
        code = runner.run_batch(
            sources, settings, context.obj, _jobs(jobs), recursive,
            on_log=logs.append, serve=serve, recordings=recordings,
            as_batch=as_batch, retry=retry, machines=machines,
        )  # fmt: skip
    if analyze and code != INTERRUPTED:
        from poseline.commands.analyze import analyze_logs

        analyzed = analyze_logs(logs, context.obj)
        code = code or analyzed
    raise typer.Exit(code)


def _cluster(on: str | None, jobs: str | None) -> AbstractContextManager[Any]:
    """The cluster that `--on` names; nothing without it."""
    if on is None:
        return nullcontext()
    from poseline.cluster import Cluster

    return Cluster(on, _jobs(jobs))


def _jobs(text: str | None) -> int | None:
    """Processes to use; 0 for as many as suit the machine, None where it is left open."""
    if text is None:
        return None
    if text == "auto":
        return 0
    if not (number := whole_in(text)):
        raise SettingsError(f"--jobs: a number from 1, or auto, got {text!r}")
    return number


def bench(
    sources: Annotated[list[str] | None, typer.Argument(metavar="[SOURCE]", help="Video file to run; with --compare, the JSON files.")] = None,
    model: Annotated[list[str] | None, _option("-m", "--model", help="A model as for run; may be given several times.", panel=_MEASURE)] = None,
    imgsz: Annotated[str, _option("--imgsz", help="Longer sides of the network's input, such as 320,480,640.", panel=_MEASURE)] = "640",
    precision: Annotated[str, _option("--precision", help="auto, fp32, bf16, fp16 or int8, or several.", panel=_MEASURE)] = "auto",
    runtime: Annotated[str, _option("--runtime", help="auto, openvino, torch or onnx, or several.", panel=_MEASURE)] = "auto",
    device: Annotated[str, _option("--device", help="auto, cpu, cuda, cuda:N or mps, or several.", panel=_MEASURE)] = "auto",
    video: Annotated[bool | None, _option("--video/--no-video", help="With or without annotated video. (both)", panel=_MEASURE)] = None,
    live: Annotated[bool, _option("--live", help="Treat the clip as a camera, and measure the age of its frames.", panel=_MEASURE)] = False,
    vs: Annotated[str | None, _option("--vs", help="A program to compare with, in turns: ultralytics.", panel=_MEASURE)] = None,
    repeat: Annotated[int, _option("--repeat", help="Measured runs of each, after one to warm up.", panel=_MEASURE)] = 5,
    timeout: Annotated[float, _option("--timeout", help="Seconds that one run may take.", panel=_MEASURE)] = 900.0,
    quick: Annotated[bool, _option("--quick", help="In 20 seconds: one combination, on as much of the clip as there is time for.", panel=_MEASURE)] = False,
    json: Annotated[Path | None, _option("--json", help="File for all that was measured.", panel=_WRITE)] = None,
    plot: Annotated[Path | None, _option("--plot", help="PNG file for a chart.", panel=_WRITE)] = None,
    markdown: Annotated[Path | None, _option("--markdown", help="File for tables to paste into an issue.", panel=_WRITE)] = None,
    submit: Annotated[Path | None, _option("--submit", help="File to add the benchmark to, in one line, for tables of many: benchmarks.jsonl.", panel=_WRITE)] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Set benchmarks side by side: --compare a.json b.json, or all lines of benchmarks.jsonl.")] = False,
) -> None:  # fmt: skip
    """Measure whole runs of SOURCE, as you would start them, for each combination of the options.

    Each run is a process of its own. Beside the table come where the time goes, the bottleneck and what would help.
    """
    from poseline import bench as benchmark

    written = {"--json": json, "--plot": plot, "--markdown": markdown, "--submit": submit}
    files = benchmark.Files(*(place_of(option, path) for option, path in written.items()))
    if compare:
        benchmark.compare(sources or [], files)
        return
    options = benchmark.Options.parsed(
        model or [], imgsz, precision, runtime, device, video, live, repeat, timeout, quick
    )
    benchmark.run(sources, options, files, vs)


def doctor(
    topic: Annotated[str | None, typer.Argument(metavar="[cameras]", help="cameras: list each camera's formats, and measure it for two seconds.")] = None,
) -> None:  # fmt: skip
    """Say what this machine has for Poseline, what is missing and how to get it."""
    from poseline.doctor import show

    if topic not in (None, "cameras"):
        raise SettingsError(f"doctor {topic}: the one topic that can be asked for is cameras")
    raise typer.Exit(show(topic))


def skeleton(
    model: Annotated[str | None, typer.Argument(help="Model whose keypoints to show; COCO's 17 if none.")] = None,
    picture: Annotated[Path, typer.Option("-o", "--output", help="Picture to write.")] = Path("skeleton.png"),
    names: Annotated[Path | None, typer.Option("--skeleton", help="YAML file that names and joins the keypoints.")] = None,
) -> None:  # fmt: skip
    """Show which keypoint is which body part, as a table and a picture."""
    from poseline.inference import weights
    from poseline.output import save_image
    from poseline.overlay import skeleton_image
    from poseline.skeleton import COCO17, Skeleton
    from poseline.terminal import console, show_skeleton

    place_of("-o", picture)
    chosen = Skeleton.load(names) if names else COCO17
    if model:
        chosen = weights.read_spec(weights.find(model), convert=False, skeleton=chosen if names else None).skeleton
    show_skeleton(chosen)
    console.print(f"picture: {save_image(skeleton_image(chosen), picture)}", markup=False, soft_wrap=True)


def recover(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The .part video, or the folder of a killed run.")],
) -> None:
    """Make the video of a killed run playable."""
    from poseline.output import recover as mend
    from poseline.terminal import show_recovered

    show_recovered(mend(path))


def _root(version: Annotated[bool, typer.Option("--version", help="Say the version.")] = False) -> None:
    if version:
        typer.echo(f"poseline {__version__}")
        raise typer.Exit


def program() -> typer.Typer:
    """The whole command line."""
    from poseline.commands.analyze import analyze
    from poseline.commands.batch_status import BATCH_HELP
    from poseline.commands.compare import compare
    from poseline.commands.corrections import corrections
    from poseline.commands.evaluate import evaluate
    from poseline.commands.export import export
    from poseline.commands.import_command import import_keypoints
    from poseline.commands.inspect import inspect
    from poseline.commands.render import render
    from poseline.commands.verify import verify

    reading = (analyze, render, compare, export, verify, evaluate, corrections, inspect)
    whole = _program(run, bench, doctor, skeleton, recover, *reading)
    whole.command("batch", help=BATCH_HELP)(run)
    whole.command("import")(import_keypoints)
    return whole


def _program(*commands: Callable[..., None]) -> typer.Typer:
    made = typer.Typer(
        name="poseline", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Real-time keypoints from a webcam, a stream, a video or a picture.",
    )  # fmt: skip
    made.callback(invoke_without_command=True)(_root)
    for each in commands:
        made.command()(each)
    return made


def command(interruption: Interruption) -> int:
    """Run the command that the process was called with, and show the first error once; returns the exit code.

    Raises:
        ImportError: something that is needed is not installed.
    """
    try:
        # Typer returns its Exit's code, and 130.
        called = _program(run) if sys.argv[1:2] == ["run"] else program()  # to look at all options takes a while
        return int(called(_arguments(called), standalone_mode=False, obj=interruption) or 0)
    except Exception as error:  # the last handler: a bug, or typer's usage errors
        if interruption.aborted:  # inside an import, and some libraries make another error of it
            return INTERRUPTED
        if isinstance(error, ImportError):  # what would show it may be missing too
            raise
        error = _in_words(error)
        _show(error)
        return int(getattr(error, "exit_code", INTERNAL))


def _arguments(called: typer.Typer) -> list[str]:
    """What the process was called with, and an address behind a `--serve` that has none.

    Raises:
        SettingsError: it is in ultralytics' words; the text says what to type instead.
    """
    arguments = sys.argv[1:]
    commands = [each.name or getattr(each.callback, "__name__", "") for each in called.registered_commands]
    if arguments and (arguments[0] not in commands or any("=" in word for word in arguments)):
        from poseline.commands.yolo_words import translated

        if instead := translated(arguments, commands):
            raise SettingsError(instead)
    if "--serve" in arguments:
        from poseline.serve.address import with_value

        return with_value(arguments)
    return arguments


def _in_words(error: Exception) -> Exception:
    """The error of a file that the system does not even let be looked at, such as one in a folder of somebody else."""
    if isinstance(error, PoselineError) or not isinstance(error, OSError) or error.errno not in _REFUSALS:
        return error
    if error.filename is None or isinstance(error.filename, int):  # the number of a file that is open
        return error
    kind = OutputError if _is_output(os.fsdecode(error.filename), sys.argv[1:]) else SourceError
    return kind(f"{error.filename}: {error.strerror}")


def _is_output(name: str, arguments: list[str]) -> bool:
    """Whether a path is one that the command is to write, lies in it, or is a folder on the way to it; no input is."""
    if arguments[:1] == ["inspect"]:  # whose --json takes no file
        return False
    path = Path(os.path.abspath(name))
    wanted: list[Path] = []
    inputs: list[Path] = []
    words = [part for word in arguments[1:] for part in _parts_of(word)]
    for before, word in itertools.pairwise(["", *words]):
        (wanted if before in _OUTPUTS else inputs).append(Path(os.path.abspath(word)))
    return path not in inputs and any(path.is_relative_to(each) or each.is_relative_to(path) for each in wanted)


def _parts_of(word: str) -> list[str]:
    """An option and its value, where they are one word, such as `--output=runs/a` or `-oruns/a`; else the word alone."""
    if word.startswith("--"):
        return word.split("=", 1)
    return [word[:2], word[2:]] if word.startswith("-o") and len(word) > 2 else [word]


def _show(error: Exception) -> None:
    show = getattr(error, "show", None)
    if show is not None:  # typer's own usage errors know how to show themselves
        show()
    else:
        from poseline.terminal import show_error

        show_error(error)
        if not isinstance(error, PoselineError):
            import traceback

            sys.stderr.write(redact("".join(traceback.format_exception(error))))


def _recordings(serve: str | None, pre_roll: float, record: bool, output: configuration.OutputSettings) -> Any:
    """What the page's recordings are like; None without a page."""
    if serve is None:
        for option, given in (("--pre-roll", pre_roll), ("--record", record)):
            if given:
                raise SettingsError(f"{option} is about the recordings of the live page; add --serve")
        if output.keep and not output.segment:
            raise SettingsError(
                "--keep removes the oldest segments of a recording; add --segment, such as --segment 10m"
            )
        return None
    from poseline.serve.keep import Recordings

    return Recordings.of(pre_roll, record, output)
