"""The training loop: what it does is what a plain loop does, in one piece or several, alone or with Accelerate."""

import multiprocessing
import os
import sys

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

import gmlib.train
from gmlib import checkpoint
from gmlib.train import Step, ema, train
from tests.gmlib import runs

F64 = torch.float64


def make(dtype=torch.float32):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1)).to(dtype)
    x = torch.randn(23, 3, generator=torch.Generator().manual_seed(1), dtype=dtype)
    return model, x, torch.optim.Adam(model.parameters(), lr=0.02), torch.Generator().manual_seed(2)


def noisy(model, x, generator):
    noise = torch.randn(len(x), generator=generator, dtype=x.dtype)
    error = (model(x).squeeze(1) - x.sum(1) + noise).square().mean()
    return error, {"root": error.sqrt()}


def noiseless(model, x, generator):
    return (model(x).squeeze(1) - x.sum(1)).square().mean(), {}


def run(resume=None, accelerator=None, loss=noisy, **changes):
    """The weights after three epochs, and the steps."""
    model, x, optimizer, generator = make(changes.pop("dtype", torch.float32))
    options = {"epochs": 3, "batch_size": 5, "optimizer": optimizer, "generator": generator} | changes
    steps = list(train(model, loss, x, resume=resume, accelerator=accelerator, **options))
    return torch.cat([p.detach().flatten() for p in model.parameters()]), steps


def test_it_does_what_a_plain_loop_does():
    """The same numbers to the last bit, so that stored outputs of notebooks stay as they are."""
    model, x, optimizer, generator = make()
    losses = []
    for _ in range(3):
        order = torch.randperm(23, generator=generator)
        for start in range(0, 23, 5):
            loss, _ = noisy(model, x[order[start : start + 5]], generator)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    weights, steps = run()
    assert torch.equal(weights, torch.cat([p.flatten() for p in model.parameters()]))
    assert [s.loss.item() for s in steps] == losses and [s.step for s in steps] == list(range(1, 16))
    assert [(s.epoch, s.seen) for s in steps] == [(e, s) for e in range(3) for s in (5, 10, 15, 20, 23)]
    assert not any(s.loss.requires_grad or s.terms["root"].requires_grad for s in steps)


@pytest.mark.parametrize("stop", range(1, 16))
def test_it_goes_on_where_it_stood(stop):
    """Without any file: a step holds the place, whatever the model and the generator have become is theirs."""
    model, x, optimizer, generator = make()
    options = {"epochs": 3, "batch_size": 5, "optimizer": optimizer, "generator": generator}
    for step in train(model, noisy, x, **options):
        if step.step == stop:
            break
    rest = [s.step for s in train(model, noisy, x, resume=step, **options)]
    assert rest == list(range(stop + 1, 16))
    assert torch.equal(torch.cat([p.flatten() for p in model.parameters()]), run()[0])


def test_more_epochs_can_be_added():
    model, x, optimizer, generator = make()
    options, last = {"batch_size": 5, "optimizer": optimizer, "generator": generator}, None
    for epochs in (1, 3):
        *_, last = train(model, noisy, x, epochs=epochs, resume=last, **options)
    assert last.step == 15 and torch.equal(torch.cat([p.flatten() for p in model.parameters()]), run()[0])


def test_the_rest_of_an_epoch_may_go_in_other_batches():
    model, x, optimizer, generator = make()
    first = next(train(model, noisy, x, epochs=1, batch_size=5, optimizer=optimizer, generator=generator))
    *_, last = train(model, noisy, x, epochs=1, batch_size=9, optimizer=optimizer, generator=generator, resume=first)
    assert (last.step, last.seen) == (3, 23) and torch.equal(last.order, first.order)


BAD_RESUME = {
    "resume must be a step that train yielded, got 3": 3,
    "resume must be a step that train yielded, got Step": Step(1, torch.ones(()), {}),
    "resume is a step of a run on 22 examples, data holds 23": Step(1, torch.ones(()), {}, 0, 5, torch.arange(22)),
}


@pytest.mark.parametrize(("message", "resume"), BAD_RESUME.items())
def test_bad_resume(message, resume):
    with pytest.raises(ValueError, match=message):
        run(resume=resume)


def hungry(model, x, generator):
    assert len(x) >= 2, "the work had begun"
    return noiseless(model, x, generator)


hungry.least = 2


def test_a_batch_too_small_for_the_loss_is_said_before_the_first_step():
    """Of 23 examples, batches of 2 or 11 leave one; batches of 5 leave three, or one where 7 of an epoch are done."""
    for batch_size in (1, 2, 11, 22):
        with pytest.raises(ValueError, match=f"batch_size must leave each batch 2 examples .* got {batch_size}: of 23"):
            run(loss=hungry, batch_size=batch_size)
    assert len(run(loss=hungry, batch_size=5)[1]) == len(run(loss=hungry, batch_size=23)[1]) * 5
    half_done = run(loss=hungry, batch_size=7)[1][0]
    with pytest.raises(ValueError, match="got 5: of 16 examples the last batch holds 1"):
        run(loss=hungry, batch_size=5, resume=half_done)


def test_progress_bar(monkeypatch):
    """It counts epochs from where the run stands, and shows only on long work."""
    seen = []
    monkeypatch.setattr(gmlib.train, "tqdm", lambda i, **options: seen.append(options) or i)
    run(resume=Step(6, torch.ones(()), {}, 1, 5, torch.arange(23)))
    assert seen == [{"initial": 1, "total": 3, "desc": "epochs", "delay": 10, "leave": False}]


# The average of the weights.


@pytest.mark.parametrize("decay", [0, 0.5, 0.9, 0.999])
def test_ema_is_the_weighted_sum(decay):
    """After n updates: decay^(n-1) w_1 + sum over i > 1 of (1 - decay) decay^(n-i) w_i."""
    model, x, optimizer, generator = make(F64)
    average, weights = ema(model, decay), []
    for _ in train(model, noisy, x, epochs=3, batch_size=5, optimizer=optimizer, generator=generator):
        average.update_parameters(model)
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    n = torch.arange(15, dtype=F64)
    c = (1 - decay) * torch.as_tensor(decay, dtype=F64) ** (14 - n)
    c[0] = float(decay) ** 14
    assert c.sum().item() == pytest.approx(1, abs=1e-14)
    ours = torch.cat([p.detach().flatten() for p in average.module.parameters()])
    torch.testing.assert_close(ours, (c[:, None] * torch.stack(weights)).sum(0), rtol=0, atol=1e-12)


def test_ema_copies_buffers():
    """Running statistics are averages already, and a count has no average."""
    model = nn.BatchNorm1d(2).double()
    average = ema(model, 0.9)
    for _ in range(3):
        model(torch.randn(8, 2, dtype=F64))
        average.update_parameters(model)
    assert isinstance(average, AveragedModel) and average.module is not model
    assert all(torch.equal(a, b) for a, b in zip(average.module.buffers(), model.buffers(), strict=True))
    assert average.module.num_batches_tracked == 3 and model.running_mean.abs().min() > 0


@pytest.mark.parametrize("decay", [-0.1, 1, 1.5, float("nan"), "0.9", None])
def test_bad_decay(decay):
    with pytest.raises(ValueError, match=r"decay must be in \[0, 1\), got"):
        ema(nn.Linear(1, 1), decay)


# Accelerate.


@pytest.fixture
def accelerate():
    module = pytest.importorskip("accelerate")
    module.state.AcceleratorState._reset_state(True)
    yield module
    module.state.AcceleratorState._reset_state(True)


def test_with_accelerate_it_does_the_same(accelerate):
    weights, steps = run(accelerator=accelerate.Accelerator(cpu=True))
    plain, plain_steps = run()
    assert torch.equal(weights, plain)
    assert [s.loss for s in steps] == [s.loss for s in plain_steps] and [*map(len, steps)] == [*map(len, plain_steps)]
    resumed = run(resume=steps[-1], epochs=4, accelerator=accelerate.Accelerator(cpu=True))[1]
    assert [s.step for s in resumed] == [16, 17, 18, 19, 20]


def test_accelerate_decides_the_precision(accelerate):
    """The forward pass is in bfloat16, to 8 bits; weights and what is reported stay in float32."""
    seen = []

    def loss(model, x, generator):
        seen.append(model(x).dtype)
        return noisy(model, x, generator)

    weights, steps = run(loss=loss, accelerator=accelerate.Accelerator(cpu=True, mixed_precision="bf16"))
    plain, _ = run()
    assert set(seen) == {torch.bfloat16} and weights.dtype == steps[0].loss.dtype == torch.float32
    assert 0 < (weights - plain).abs().max() < 0.05


def test_the_model_itself_is_not_wrapped(accelerate):
    """A loss calls the model's own methods, and its weights are saved under their own names."""
    model, x, optimizer, generator = make()
    before = model.forward.__func__
    options = {"epochs": 1, "batch_size": 5, "generator": generator, "optimizer": optimizer}
    list(train(model, noisy, x, accelerator=accelerate.Accelerator(cpu=True, mixed_precision="bf16"), **options))
    assert model.forward.__func__ is before and list(model.state_dict())[0] == "0.weight"


def test_bad_accelerator(accelerate):
    with pytest.raises(ValueError, match="accelerator must be an accelerate.Accelerator, got True"):
        run(accelerator=True)
    with pytest.raises(ValueError, match="accelerator must not accumulate gradients, and does so over 4 steps"):
        run(accelerator=accelerate.Accelerator(cpu=True, gradient_accumulation_steps=4))


def test_each_process_needs_its_examples(accelerate):
    """Three examples are enough for one process and not for two."""
    gmlib.train._check_batches(5, 2, (23,), processes=1)
    with pytest.raises(ValueError, match="each process as many"):
        gmlib.train._check_batches(5, 2, (23,), processes=2)


def test_without_accelerate(monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ImportError, match="accelerator needs the package accelerate: pip install accelerate"):
        run(accelerator=object())


def one_of_two(rank, folder, stop):
    """What one process does: noiseless training against the plain loop, then noisy training in two pieces."""
    from accelerate import Accelerator

    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}  # Accelerate asks for them; they meet in a file
    torch.distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)

    accelerator = Accelerator(cpu=True)
    assert accelerator.num_processes == 2 and accelerator.process_index == rank
    results = {}
    for batch_size in (5, 11):
        model, x, optimizer, _ = make(F64)
        if rank:
            nn.init.zeros_(model[0].weight)  # the first process's weights are taken
        generator = torch.Generator().manual_seed(2 + rank)
        options = {"epochs": 3, "batch_size": batch_size, "optimizer": optimizer, "generator": generator}
        steps = list(train(model, noiseless, x, accelerator=accelerator, **options))
        results[f"noiseless {batch_size}"] = torch.cat([p.detach().flatten() for p in model.parameters()])
        results[f"order {batch_size}"] = steps[0].order
    for name, stops in (("whole", [15]), ("pieces", [stop, 15])):
        for last in stops:
            model, x, optimizer, _ = make(F64)
            parts = {"model": model, "optimizer": optimizer, "generator": torch.Generator().manual_seed(2 + rank)}
            path = folder / f"{name}{rank}"
            start = checkpoint.load(path, **parts) if path.exists() else None
            few = {"optimizer": optimizer, "generator": parts["generator"], "accelerator": accelerator}
            for step in train(model, noisy, x, epochs=3, batch_size=5, resume=start, **few):
                if step.step == last:
                    break
            checkpoint.save(path, step, **parts)
    torch.save(results, folder / f"results{rank}")
    torch.distributed.destroy_process_group()


def test_two_processes(accelerate, tmp_path):
    """They do together what one does, also where the last batch has three examples (5s of 23), or one (11s of 23)."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["accelerate", "torch._dynamo"])
    processes = [context.Process(target=one_of_two, args=(rank, tmp_path, 7), daemon=True) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    a, b = (torch.load(tmp_path / f"results{rank}", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(a[k], b[k]) for k in a)
    for batch_size in (5, 11):
        plain, steps = run(loss=noiseless, batch_size=batch_size, dtype=F64)
        assert torch.equal(a[f"order {batch_size}"], steps[0].order)
        torch.testing.assert_close(a[f"noiseless {batch_size}"], plain, rtol=0, atol=1e-12)
    for rank in (0, 1):
        assert (tmp_path / f"pieces{rank}").read_bytes() == (tmp_path / f"whole{rank}").read_bytes()
    model, _, optimizer, generator = make(F64)
    parts = {"model": model, "optimizer": optimizer, "generator": generator}
    first, second = (checkpoint.load(tmp_path / f"whole{rank}", **parts) for rank in (0, 1))
    assert first.loss != second.loss  # each its own examples and its own noise


def test_loss_beyond_all_numbers_is_reported_after_a_resume():
    with pytest.raises(FloatingPointError, match="in epoch 2"):
        run(resume=run()[1][5], loss=lambda m, x, g: (m(x).sum() * float("nan"), {}))


def test_runs_are_of_the_length_that_they_say():
    assert runs.STEPS == runs.EPOCHS * len(torch.arange(23).split(5))
