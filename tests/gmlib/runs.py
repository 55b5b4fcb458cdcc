"""A small run that saves as it goes, for tests that break it off. A fresh process can import it and go on."""

import itertools
import os
import signal

import torch
from torch import nn

from gmlib import checkpoint
from gmlib.train import ema, train

EPOCHS, STEPS = 3, 15  # 23 examples in batches of 5: the last of an epoch is smaller

OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.05),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.02),
    "fused Adam": lambda p: torch.optim.Adam(p, lr=0.02, fused=True),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.02, amsgrad=True),
    "two groups": lambda p: torch.optim.RMSprop([{"params": p[:2]}, {"params": p[2:], "lr": 0.001}], momentum=0.5),
}
schedules = torch.optim.lr_scheduler
SCHEDULES = {
    "step": lambda o: schedules.StepLR(o, 4),
    "milestones": lambda o: schedules.MultiStepLR(o, [3, 4, 9]),
    "cosine": lambda o: schedules.CosineAnnealingLR(o, STEPS),
    "one cycle": lambda o: schedules.OneCycleLR(o, 0.1, total_steps=STEPS + 1),
    "lambda": lambda o: schedules.LambdaLR(o, lambda step: 1 / (1 + step)),
    "one by one": lambda o: schedules.SequentialLR(o, [schedules.LinearLR(o), schedules.ExponentialLR(o, 0.9)], [6]),
}


def build(optimizer="fused Adam", schedule="cosine", seed=0):
    """All that changes while training; dropout draws from the global generator, the loss from its own."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))
    parts = {"model": model, "optimizer": OPTIMIZERS[optimizer](list(model.parameters()))}
    parts["schedule"] = SCHEDULES[schedule](parts["optimizer"])
    parts["average"] = ema(model, 0.9)
    return parts | {"generator": torch.Generator().manual_seed(seed), "dropout": torch.default_generator}


def loss(model, x, generator):
    noise = torch.randn(len(x), generator=generator)
    error = (model(x).squeeze(1) - x.sum(1) + noise).square().mean()
    return error, {"root": error.sqrt()}


def run(path, stop=None, epochs=EPOCHS, before_save=lambda step: None, **options):
    """Train from where ``path`` stands, or from the start, and save after each step up to ``stop``."""
    parts = build(**options)
    start = checkpoint.load(path, **parts) if path.exists() else None
    data = torch.randn(23, 3, generator=torch.Generator().manual_seed(1))
    few = {name: parts[name] for name in ("optimizer", "generator")}
    for step in train(parts["model"], loss, data, epochs=epochs, batch_size=5, resume=start, **few):
        parts["average"].update_parameters(parts["model"])
        parts["schedule"].step()
        before_save(step.step)
        checkpoint.save(path, step, **parts)
        if step.step == stop:
            break
    return parts


def kill_myself(*_):
    os.kill(os.getpid(), signal.SIGKILL)


class DyingFile:
    """A file whose process is killed with -9 when it has written ``limit`` bytes."""

    def __init__(self, file, limit):
        self.file, self.limit = file, limit

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, contents):
        self.file.write(contents[: self.limit])
        self.file.flush()
        kill_myself()


def run_and_die(path, step, where):
    """Be killed while the checkpoint of ``step`` is written, at a fraction of its length, or around the renaming."""
    replace = os.replace

    def die(now):
        if now < step:
            return
        if where == "before fsync":
            os.fsync = kill_myself
        elif where == "before renaming":
            os.replace = kill_myself
        elif where == "after renaming":
            os.replace = lambda *names: kill_myself(replace(*names))
        else:
            size = path.stat().st_size
            limit = where if isinstance(where, int) else int(where * size)
            checkpoint.open = lambda path, mode: DyingFile(open(path, "xb"), limit)

    run(path, before_save=die)


def run_and_die_in_the_loss(path, call):
    """Be killed between two checkpoints, in the middle of a step."""
    global loss
    whole, calls = loss, itertools.count(1)
    loss = lambda *a: kill_myself() if next(calls) == call else whole(*a)  # noqa: E731
    run(path)
