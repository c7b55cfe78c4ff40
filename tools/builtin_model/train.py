"""Steps, schedule, average and checkpoints of a training."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from .canvases import Painter
from .losses import NAMES, Distance, spread
from .network import Raw, freeze_statistics, new_student, run

CANVASES = ((384, 640), (640, 384), (384, 640), (512, 512))
"""(height, width) in turn: what 16:9, 9:16 and square pictures come to at about 640 pixels, alike in area."""
CHECKPOINT_EVERY = 60.0
LOG_EVERY = 10.0
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW remembers of each weight."""


@dataclass
class Settings:
    """What decides how the training goes."""

    seconds: float
    """Training time in all, without set-up."""
    batch: int = 96
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    clip: float = 5.0
    """Largest norm of the gradient."""
    warm_up: float = 0.02
    """Share of the time until the learning rate is full."""
    frozen_from: float = 0.8
    """Share of the time after which batch normalisation keeps its statistics."""
    average_steps: float = 1000.0
    """Steps over which the weights that are kept are averaged."""
    canvases: Sequence[tuple[int, int]] = CANVASES
    truth: bool = True
    """Learn the keypoints of rendered people from the truth, not from the teacher."""
    compiled: bool = False
    """Fuse the arithmetic of painting and of comparing features; a minute of compiling, a third more steps a second."""

    def rate(self, done: float) -> float:
        """Share of the full learning rate after the share `done` of the time: up, then down along a cosine."""
        return min(1.0, (done + 0.001) / self.warm_up) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


@dataclass
class Progress:
    """How far a training has come."""

    seconds: float = 0.0
    steps: int = 0
    samples: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """Holds both networks and moves the student by one batch a call."""

    def __init__(self, teacher: nn.Module, painter: Painter, settings: Settings, device: torch.device) -> None:
        self.settings, self.device, self.painter, self.teacher = settings, device, painter, teacher
        self.student = new_student(device).train()
        self.average = copy.deepcopy(self.student).eval().requires_grad_(False)
        self.rate = torch.zeros((), device=device)
        self.optimizer = self._optimizer()
        self.progress = Progress()
        self.follow = torch.ones((), device=device)
        """How much of the student's weights goes into the average at a step."""
        self.parts = torch.zeros(len(NAMES), device=device)
        """Sum of the loss's parts since they were last read."""
        self._live = [value for value in self.student.state_dict().values() if value.is_floating_point()]
        self._kept = [value for value in self.average.state_dict().values() if value.is_floating_point()]
        with torch.no_grad():
            first, _ = painter.paint(settings.batch, *settings.canvases[0])
            self.distance = Distance(spread(self._taught(first)[1]), device, settings.compiled)
        self._graphs: dict[tuple[int, int], torch.cuda.CUDAGraph] = {}
        self._pool = torch.cuda.graph_pool_handle() if device.type == "cuda" else None
        self._frozen = False

    def _optimizer(self) -> torch.optim.AdamW:
        """AdamW whose rate is a tensor, so that a captured step follows its schedule; biases and norms do not decay."""
        self._weights = [weight for weight in self.student.parameters() if weight.requires_grad]
        kernels = [weight for weight in self._weights if weight.ndim > 1]
        others = [weight for weight in self._weights if weight.ndim <= 1]
        decay = self.settings.weight_decay
        groups = [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
        on_gpu = self.device.type == "cuda"
        return torch.optim.AdamW(groups, lr=self.rate, betas=(0.9, 0.99), fused=True, capturable=on_gpu)

    def _taught(self, canvas: Tensor) -> tuple[Tensor, Raw]:
        canvas = canvas.to(next(self.teacher.parameters()).dtype, memory_format=torch.channels_last)
        return canvas, run(self.teacher, canvas)

    def train(self, height: int, width: int) -> None:
        """One step on canvases of one size, replayed as a graph where the device is a GPU."""
        done = self.progress.seconds / self.settings.seconds
        self.rate.fill_(self.settings.learning_rate * self.settings.rate(done))
        self.follow.fill_(max(1 / self.settings.average_steps, 1 / (1 + 0.1 * self.progress.steps)))
        self._freeze(done >= self.settings.frozen_from)
        if self.device.type == "cuda":
            self._replay(height, width)
        else:
            self._step(height, width)
        self.progress.steps += 1
        self.progress.samples += self.settings.batch

    def _freeze(self, frozen: bool) -> None:
        """Hold the statistics of batch normalisation for the last part; the graphs made before know nothing of it."""
        if frozen and not self._frozen:
            self._frozen = True
            freeze_statistics(self.student)
            self._graphs.clear()
            self._pool = torch.cuda.graph_pool_handle() if self.device.type == "cuda" else None

    def _step(self, height: int, width: int) -> None:
        batch = self.settings.batch
        with torch.no_grad():
            canvas, truth = self.painter.paint(batch, height, width)
            canvas, taught = self._taught(canvas)
        # Autocast's cache of converted weights would outlive the graph it was made in.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda", cache_enabled=False):
            learnt = run(self.student, canvas)
        known = truth if self.settings.truth else None
        parts = self.distance(learnt, taught, self.distance.anchors(height, width), known)
        self.optimizer.zero_grad(set_to_none=True)
        parts.sum().backward()
        nn.utils.clip_grad_norm_(self._weights, self.settings.clip)
        self.optimizer.step()
        with torch.no_grad():
            self.parts += parts
            change = torch._foreach_sub(self._live, self._kept)
            torch._foreach_mul_(change, self.follow)
            torch._foreach_add_(self._kept, change)

    def _replay(self, height: int, width: int) -> None:
        if (height, width) not in self._graphs:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(2):
                    self._step(height, width)
            torch.cuda.current_stream().wait_stream(side)
            self.optimizer.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
            graph = torch.cuda.CUDAGraph()
            # Only one graph runs at a time and none hands a tensor to another, so they may share their memory.
            with torch.cuda.graph(graph, pool=self._pool):
                self._step(height, width)
            self._graphs[height, width] = graph
        self._graphs[height, width].replay()

    def save(self, folder: Path) -> None:
        """Write a checkpoint; an older one stays whole until the new one is.

        One file for each kind of tensor, because some places limit the size of a file.
        """
        folder.mkdir(parents=True, exist_ok=True)
        parts = {
            "student": self.student.state_dict(),
            "average": self.average.state_dict(),
            **{key: [state[key] for state in self.optimizer.state.values()] for key in MOMENTS},
        }
        for name, state in parts.items():
            torch.save(state, folder / f"{name}.pt.part")
        (folder / "progress.json.part").write_text(json.dumps(asdict(self.progress)), encoding="utf-8")
        for part in folder.glob("*.part"):
            part.replace(part.with_suffix(""))

    def start(self, weights: dict[str, Tensor]) -> None:
        """Begin with the weights of an earlier training, and nothing else of it."""
        self.student.load_state_dict(weights)
        self.average.load_state_dict(weights)

    def resume(self, folder: Path) -> None:
        """Go on from the checkpoint in `folder`."""
        self.student.load_state_dict(torch.load(folder / "student.pt", map_location=self.device))
        self.average.load_state_dict(torch.load(folder / "average.pt", map_location=self.device))
        moments = [torch.load(folder / f"{key}.pt", map_location=self.device) for key in MOMENTS]
        order = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        for weight, *values in zip(order, *moments, strict=True):
            self.optimizer.state[weight] = dict(zip(MOMENTS, values, strict=True))
        self.progress = Progress(**json.loads((folder / "progress.json").read_text(encoding="utf-8")))

    def loss(self) -> dict[str, float]:
        """The mean parts of the loss over the steps since the last call."""
        values = self.parts.tolist()
        self.parts.zero_()
        return dict(zip(NAMES, values, strict=True))


def run_training(trainer: Trainer, folder: Path, until: float) -> None:
    """Train until `until` seconds in all are spent, saving every minute and at the end, also when interrupted."""
    progress, settings = trainer.progress, trainer.settings
    clock = saved = logged = time.monotonic()
    steps = progress.steps
    try:
        while progress.seconds < until:
            trainer.train(*settings.canvases[progress.steps % len(settings.canvases)])
            if progress.steps % 10 == 0 and trainer.device.type == "cuda":
                torch.cuda.synchronize()  # else the clock below would time the queue, not the work
            now = time.monotonic()
            progress.seconds += now - clock
            clock = now
            if now - logged >= LOG_EVERY:
                since = progress.steps - steps
                parts = {name: value / since for name, value in trainer.loss().items()}
                rate = since * settings.batch / (now - logged)
                _log(progress, parts, rate)
                if not all(map(math.isfinite, parts.values())):
                    raise SystemExit("the loss is no longer a number; go on from an older checkpoint at a lower rate")
                logged, steps = now, progress.steps
            if now - saved >= CHECKPOINT_EVERY:
                trainer.save(folder)
                saved = now
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", flush=True)
    trainer.save(folder)


def _log(progress: Progress, parts: dict[str, float], rate: float) -> None:
    total = sum(parts.values())
    progress.history.append({"seconds": progress.seconds, "samples": progress.samples, "loss": total, **parts})
    words = " ".join(f"{name} {value:.3f}" for name, value in parts.items())
    print(f"{progress.seconds:6.0f} s {progress.steps:6d} steps {rate:5.0f}/s loss {total:6.3f}: {words}", flush=True)
