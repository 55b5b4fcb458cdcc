"""Our U-Net beside that of denoising-diffusion-pytorch, at the same number of parameters, up to 0.2%.

Both learn v under the cosine schedule of 200 steps, from the same images in the same batches, by :func:`gmlib.train.train`
with PyTorch's Adam, ``fused=True``. The peer has a trainer, which reads images from files, logs and saves; it is left out,
and its loss, ``GaussianDiffusion``, is called on tensors. Both sample in 50 steps with noise, predicted x_0 clipped: ours
along the posterior's mean, the peer's by its DDIM with eta = 1, which is the same law.

Where they differ: the peer's network has, at each of three sizes, two blocks on the way down and two on the way up, and
attention; its bridges double the channels of a block's input; with ``dim=16`` it has the widths 16, 16, 32, 64. Ours has
one block each way, adds its bridges, has no attention but learned position maps, and spends its parameters on width: 32,
64, 128. It is channels-last. Its vector of time is made as long as equal numbers of parameters ask for. So what is compared
is two ways to spend as many parameters; what each learns in the same time, the last table tells: the mean square error of v
on held-out digits, by the same code for both.

``bfloat16`` is ``torch.autocast`` around network and loss, for either side. It pays where the processor multiplies bfloat16
in tiles (AMX).

The peer imports torchvision, which the package index has for CUDA only; beside a PyTorch for the CPU it comes from PyTorch's
own index. The whole command is in ``INSTALL``:
``pip install -e ".[bench-diffusion]" && pip install --no-deps denoising-diffusion-pytorch==2.2.5 &&
pip install --no-deps --index-url https://download.pytorch.org/whl/cpu torchvision``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from gmlib.bench import peer
from gmlib.bench.contest import EqualSeconds, Epochs, Functions
from gmlib.data import digits
from gmlib.diffusion import VELOCITY, Diffusion, UNet, cosine, noised, simple_loss
from gmlib.train import Loss, train

PEERS = ("denoising-diffusion-pytorch",)
INSTALL = (
    'pip install -e ".[bench-diffusion]" && pip install --no-deps denoising-diffusion-pytorch==2.2.5'
    " && pip install --no-deps --index-url https://download.pytorch.org/whl/cpu torchvision"
)
WIDTHS, CONDITION, DIM, MULTIPLES = (32, 64, 128), {8: 180, 32: 124}, 16, (1, 2, 4)
T, BATCH, RATE, BATCHES, EPOCHS, SAMPLES, STEPS = 200, 64, 1e-3, {8: 20, 32: 4}, 4, 64, 50
EVERY, SECONDS = 5, (10.0, 30.0, 90.0)
SIDE = "denoising-diffusion-pytorch"
JOB = {
    "data": "1,297 digits to train on and 250 held out, 8 x 8; enlarged to 32 x 32 for the times",
    "batch_size": BATCH,
    "epoch": ", ".join(f"{n} batches at {side} x {side}" for side, n in BATCHES.items()),
    "schedule": f"cosine, {T} steps; v is learned",
    "optimizer": f"Adam, fused=True, learning rate {RATE}",
    "sampling": f"{SAMPLES} images in {STEPS} steps",
    "score": "mean square error of v on held-out digits, 8 x 8, over all times; the lower the better; 1 or so at the start",
}

Build = Callable[[int], nn.Module]  # a model of images of so many pixels a side, with default weights


def contests() -> Iterator[Epochs | Functions | EqualSeconds]:
    """The time of some training steps, and of 50 sampling steps, at two sizes; then the error after as many seconds for each."""
    builds = {"gmlib": ours} | ({SIDE: theirs} if peer("denoising_diffusion_pytorch", INSTALL) else {})
    kinds = {name + (", bfloat16" if half else ""): (name, half) for half in (False, True) for name in builds}
    for side in CONDITION:
        x = images(side)[0][: BATCH * BATCHES[side]]
        entrants = {label: partial(by_epoch, builds[name], LOSSES[name], x, half) for label, (name, half) in kinds.items()}
        yield Epochs(f"{BATCHES[side]} training steps, {side} × {side}", entrants, lambda model: {}, SIDE, EPOCHS)
    entrants = {label: partial(sampler, builds[name], DRAWS[name], half) for label, (name, half) in kinds.items()}
    sizes = {f"{side} × {side}": side for side in CONDITION}
    yield Functions(f"{SAMPLES} images, {STEPS} steps", sizes, entrants, SIDE, 0, numbers)
    entrants = {name: partial(endless, build, LOSSES[name], images(8)[0]) for name, build in builds.items()}
    yield EqualSeconds("error of v, 8 × 8", entrants, partial(error, images(8)[1]), SECONDS)


def images(side: int) -> tuple[Tensor, Tensor]:
    """Digits in [-1, 1] to train on and those held out, ``(N, side * side)``; each pixel of 8 x 8 becomes a square."""
    parts = (part.x / 8 - 1 for part in (digits().train, digits().test))
    return tuple(x.reshape(-1, 8, 8).repeat_interleave(side // 8, 1).repeat_interleave(side // 8, 2).flatten(1) for x in parts)


def ours(side: int) -> Diffusion:
    return Diffusion(UNet(side, WIDTHS, condition=CONDITION[side]), cosine(T), (side * side,), VELOCITY, clip=1.0)


def theirs(side: int) -> nn.Module:
    import denoising_diffusion_pytorch.denoising_diffusion_pytorch as library

    library.tqdm = lambda steps, **_: steps  # no progress bar
    net = library.Unet(DIM, dim_mults=MULTIPLES, channels=1)
    chain = dict(timesteps=T, sampling_timesteps=STEPS, ddim_sampling_eta=1.0, beta_schedule="cosine", objective="pred_v")
    model = library.GaussianDiffusion(net, image_size=side, auto_normalize=False, **chain)
    model.loss_weight.fill_(1.0)  # snr / (snr + 1) where v is learned; ours has none
    return model


def their_loss(model: nn.Module, x: Tensor, generator: torch.Generator | None) -> tuple[Tensor, dict[str, Tensor]]:
    """It draws times and noise from PyTorch's own generator."""
    return model(x.reshape(-1, 1, *model.image_size)), {}


LOSSES: dict[str, Loss] = {"gmlib": simple_loss, SIDE: their_loss}
DRAWS: dict[str, Callable[[nn.Module], Tensor]] = {
    "gmlib": lambda model: model.sample((SAMPLES,), steps=STEPS),
    SIDE: lambda model: model.sample(SAMPLES).flatten(1),
}


def velocity(model: nn.Module, x: Tensor, t: Tensor) -> Tensor:
    """What either model says at times from 1 to T; the peer counts from 0."""
    if isinstance(model, Diffusion):
        return model.predict(x, t)
    return model.model(x.reshape(-1, 1, *model.image_size), t - 1).flatten(1)


@torch.no_grad()
def error(x0: Tensor, model: nn.Module) -> float:
    """The mean square error of v, at each image for ten times with noise of their own, the same at each call."""
    generator = torch.Generator().manual_seed(1)
    x0 = x0.repeat(10, 1)
    t = 1 + torch.arange(len(x0)) % T
    eps, a = torch.randn(x0.shape, generator=generator), cosine(T).alpha_bar[t].to(x0)
    return (velocity(model, noised(x0, eps, a), t) - VELOCITY.target(x0, eps, a)).square().mean().item()


def steps(build: Build, loss: Loss, x: Tensor, half: bool, epochs: int, seed: int) -> Iterator[nn.Module]:
    """Train a new model; yield it after each step."""

    def autocast_loss(model: nn.Module, batch: Tensor, generator: torch.Generator | None):
        with torch.autocast("cpu", torch.bfloat16):
            return loss(model, batch, generator)

    torch.manual_seed(seed)
    model = build(round(x.shape[1] ** 0.5))
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
    generator = torch.Generator().manual_seed(seed)
    todo = autocast_loss if half else loss
    for _ in train(model, todo, x, epochs=epochs, batch_size=BATCH, optimizer=optimizer, generator=generator):
        yield model


def by_epoch(build: Build, loss: Loss, x: Tensor, half: bool, seed: int) -> Iterator[nn.Module]:
    """The model after each epoch of whole batches."""
    for step, model in enumerate(steps(build, loss, x, half, EPOCHS, seed), 1):
        if step % (len(x) // BATCH) == 0:
            yield model


def endless(build: Build, loss: Loss, x: Tensor, seed: int) -> Iterator[nn.Module]:
    """The model after each ``EVERY`` steps, without end."""
    for step, model in enumerate(steps(build, loss, x, False, 10**6, seed), 1):
        if step % EVERY == 0:
            yield model


def sampler(build: Build, draw: Callable[[nn.Module], Tensor], half: bool, side: int) -> Callable[[], Tensor]:
    """A function that draws images from a model that has not been trained: the time is that of a trained one."""
    torch.manual_seed(0)
    model = build(side).eval()

    def images() -> Tensor:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            return draw(model)

    return images


def numbers(drawn: Tensor) -> int:
    """How many of them lie in [-1, 1]. Two models draw no equal images; but all numbers must lie there."""
    return (drawn.float().abs() <= 1).sum().item() if drawn.isfinite().all() else -1
