"""A run that was broken off and resumed equals one that was not; a checkpoint is whole or is refused."""

import contextlib
import errno
import itertools
import multiprocessing
import os
import random
import resource
import signal
import time

import pytest
import safetensors.torch
import torch
from torch import nn

from gmlib import checkpoint
from gmlib.train import Step, ema, train
from tests.gmlib import runs


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The last checkpoint of a run that was never broken off, and the file."""
    path = tmp_path_factory.mktemp("whole") / "run"
    runs.run(path)
    return path


@pytest.fixture
def saved(whole, tmp_path):
    """A copy that a test may spoil."""
    path = tmp_path / "saved.safetensors"
    path.write_bytes(whole.read_bytes())
    return path


def states(parts):
    """Every number in the parts, to compare them before and after."""
    tensors = {}
    return [checkpoint._take_out(checkpoint._state(p), name, tensors) for name, p in parts.items()], tensors


def same(a, b):
    return a[0] == b[0] and a[1].keys() == b[1].keys() and all(torch.equal(a[1][k], b[1][k]) for k in a[1])


@pytest.mark.parametrize("stop", [1, 4, 5, 7, 14])
@pytest.mark.parametrize(
    "options",
    [{"optimizer": o} for o in runs.OPTIMIZERS] + [{"schedule": s} for s in runs.SCHEDULES if s != "cosine"],
    ids=lambda o: next(iter(o.values())),
)
def test_resumed_equals_uninterrupted(options, stop, tmp_path):
    """Bit for bit, in the files too, from other weights and other seeds; 5 is the end of an epoch."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    runs.run(whole, **options)
    runs.run(broken, stop=stop, **options)
    parts = runs.run(broken, seed=9, **options)
    assert broken.read_bytes() == whole.read_bytes()
    first = checkpoint.load(whole, **parts)
    assert (first.step, first.epoch, first.seen, sorted(first.order)) == (15, 2, 23, list(range(23)))
    assert first.terms["root"] == first.loss.sqrt()


@pytest.mark.parametrize("part", range(6), ids=list(runs.build()))
def test_every_part_matters(part, tmp_path, monkeypatch):
    """The test above would see it if one part were not put back."""
    whole, broken, calls, put = tmp_path / "whole", tmp_path / "broken", itertools.count(), checkpoint._set_state
    runs.run(whole)
    runs.run(broken, stop=7)
    monkeypatch.setattr(checkpoint, "_set_state", lambda *a: None if next(calls) == part else put(*a))
    runs.run(broken, seed=9)
    assert next(calls) == 6 and broken.read_bytes() != whole.read_bytes()


def test_state_of_a_fused_optimiser_lies_as_its_parameter_does(tmp_path):
    """A fused step goes through memory in order: contiguous moments of a channels-last weight would be wrong."""
    path, x = tmp_path / "run", torch.randn(12, 3, 5, 5, generator=torch.Generator().manual_seed(0))

    def go(stop):
        torch.manual_seed(0)
        model = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1, fused=True)
        parts = {"model": model, "optimizer": optimizer, "generator": torch.Generator().manual_seed(0)}
        start = checkpoint.load(path, **parts) if path.exists() else None
        loss = lambda m, x, g: (m(x).square().mean(), {})  # noqa: E731
        few = {"optimizer": optimizer, "generator": parts["generator"]}
        for step in train(model, loss, x, epochs=2, batch_size=4, resume=start, **few):
            checkpoint.save(path, step, **parts)
            if step.step == stop:
                break
        return model.weight

    whole = go(6)
    path.unlink()
    go(2)
    assert torch.equal(go(6), whole)


# Real kills, in processes forked from one that has the library already.


@pytest.fixture(scope="module")
def processes():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.gmlib.runs", "torch._dynamo"])  # the optimisers import the latter
    return context


def killed(context, function, *arguments):
    process = context.Process(target=function, args=arguments)
    process.start()
    process.join()
    return process.exitcode == -signal.SIGKILL


WHERE = [0, 1, 7, 8, 100, 0.5, 0.9, 0.9999, "before fsync", "before renaming", "after renaming"]


@pytest.mark.parametrize("where", WHERE)
def test_killed_while_writing(where, processes, whole, tmp_path):
    path = tmp_path / "run"
    runs.run(path, stop=6)
    before = path.read_bytes()
    assert killed(processes, runs.run_and_die, path, 8, where)
    step = checkpoint.load(path, **runs.build()).step
    assert step == (8 if where == "after renaming" else 7) and path.read_bytes() != before
    left = list(tmp_path.glob(".*.tmp"))
    assert len(left) == (where != "after renaming")
    if isinstance(where, int):
        assert left[0].stat().st_size == where
    runs.run(path, seed=9)
    assert path.read_bytes() == whole.read_bytes()
    assert list(tmp_path.glob(".*.tmp")) == left  # stale files do no harm


@pytest.mark.parametrize("call", [2, 5, 6, 13])
def test_killed_in_a_step(call, processes, whole, tmp_path):
    path = tmp_path / "run"
    assert killed(processes, runs.run_and_die_in_the_loss, path, call)
    assert checkpoint.load(path, **runs.build()).step == call - 1
    runs.run(path, seed=9)
    assert path.read_bytes() == whole.read_bytes()


def test_killed_at_any_moment(processes, tmp_path):
    """From outside, again and again, wherever it happens to be."""
    path, whole, epochs = tmp_path / "run", tmp_path / "whole", 20
    runs.run(whole, epochs=epochs)
    kills, draw = 0, random.Random(0)
    for _ in range(4):
        process = processes.Process(target=runs.run, args=(path,), kwargs={"epochs": epochs})
        process.start()
        for _ in range(draw.randrange(1, 9)):  # so many checkpoints, and then some
            wait_for_a_new_file(path, process)
        time.sleep(draw.uniform(0, 0.01))
        process.kill()
        process.join()
        kills += process.exitcode == -signal.SIGKILL
    assert kills > 0
    runs.run(path, epochs=epochs)
    assert path.read_bytes() == whole.read_bytes()


def wait_for_a_new_file(path, process):
    def look():
        with contextlib.suppress(FileNotFoundError):
            return path.stat().st_mtime_ns

    seen = look()
    while look() == seen and process.is_alive():
        time.sleep(0.0005)


# Files that are refused, each leaving everything as it was.


def refused(path, message, parts=None):
    parts = parts or runs.build(seed=9)
    before = states(parts)
    with pytest.raises(ValueError, match=message) as caught:
        checkpoint.load(path, **parts)
    assert str(path) in str(caught.value)
    assert same(before, states(parts))


def test_truncated_anywhere(saved):
    contents, parts = saved.read_bytes(), runs.build(seed=9)
    header = 8 + int.from_bytes(contents[:8], "little")
    for length in {*range(12), *range(12, len(contents), 997), header - 1, header, header + 1, len(contents) - 1}:
        saved.write_bytes(contents[:length])
        refused(saved, "is not a whole checkpoint", parts)


def test_padded_with_zeros_to_the_full_length(saved):
    """As a copy that reserves its space and is then broken off."""
    contents, parts = saved.read_bytes(), runs.build(seed=9)
    for length in range(0, len(contents), 997):
        saved.write_bytes(contents[:length].ljust(len(contents), b"\0"))
        refused(saved, "is not a whole checkpoint|is damaged", parts)


def test_any_bit_flipped(saved):
    contents, parts = saved.read_bytes(), runs.build(seed=9)
    flip = random.Random(0)
    for _ in range(300):
        spoiled = bytearray(contents)
        spoiled[flip.randrange(len(contents))] ^= 1 << flip.randrange(8)
        saved.write_bytes(spoiled)
        refused(saved, "is not a whole checkpoint|is damaged|is not a 'gmlib", parts)


FOREIGN = {
    "empty": b"",
    "HTML": b"<!DOCTYPE html><html>404</html>" * 20,
    "noise": random.Random(0).randbytes(5000),
    "safetensors of another": safetensors.torch.save({"weight": torch.ones(3)}, {"format": "pt"}),
    "safetensors with no header": safetensors.torch.save({"weight": torch.ones(3)}),
}


@pytest.mark.parametrize("contents", FOREIGN.values(), ids=FOREIGN.keys())
def test_foreign_file(contents, tmp_path):
    (tmp_path / "foreign").write_bytes(contents)
    refused(tmp_path / "foreign", "is not a whole checkpoint|is not a 'gmlib checkpoint 1': its header names")


def test_pickle_is_never_opened(tmp_path):
    torch.save(runs.build()["model"].state_dict(), tmp_path / "model.pt")
    refused(tmp_path / "model.pt", "is not a whole checkpoint")


def test_other_version(tmp_path, saved, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", "gmlib checkpoint 2")
    refused(saved, "is not a 'gmlib checkpoint 2': its header names \\['gmlib checkpoint 1'\\]")


adam = torch.optim.Adam


def with_model(model, **more):
    parts = {"model": model, "optimizer": adam(model.parameters()), "average": ema(model, 0.9)}
    parts["schedule"] = runs.SCHEDULES["cosine"](parts["optimizer"])
    return parts | {"generator": torch.Generator(), "dropout": torch.Generator()} | more


class Other(nn.Sequential):
    pass


def net(width=8, kind=nn.Sequential):
    return kind(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Dropout(0.3), nn.Linear(width, 1))


WRONG = {
    r"model: 0.weight was torch.float32 \[8, 3\], is torch.float32 \[9, 3\].* and \d+ more": lambda: with_model(net(9)),
    "model: 3.weight was torch.float32 \\[1, 8\\], is None": lambda: with_model(net()[:2]),
    "model: 0.weight was torch.float32 \\[8, 3\\], is torch.float64": lambda: with_model(net().double()),
    "model: class was Sequential, is Other": lambda: with_model(net(kind=Other)),
    "model: 4.weight was None, is torch.float32": lambda: with_model(net().append(nn.Linear(1, 1))),
    "optimizer: class was Adam, is SGD": lambda: with_model(m := net(), optimizer=torch.optim.SGD(m.parameters())),
    "optimizer: group 0, parameter 5 was": lambda: with_model(m := net(), optimizer=adam(m[:2].parameters())),
    "group 0, parameter 0 was": lambda: with_model(m := net(), optimizer=adam([*m.parameters()][::-1])),
    "schedule: class was CosineAnnealingLR, is StepLR": lambda: runs.build(schedule="step"),
    "schedule: device was None, is cpu": lambda: with_model(net(), schedule=torch.Generator()),
    "more is given and not in the file": lambda: with_model(net(), more=torch.Generator()),
    "average is in the file and not given": lambda: {k: v for k, v in with_model(net()).items() if k != "average"},
}


@pytest.mark.parametrize(("message", "make"), WRONG.items(), ids=WRONG.keys())
def test_file_of_other_parts(message, make, saved):
    refused(saved, message, make())


class Stubborn:
    """Has a state, and does not take one."""

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        raise KeyError("no")


@pytest.mark.parametrize("place", ["first", "last"])
def test_all_is_put_back_where_one_part_fails(place, tmp_path):
    def parts(seed):
        stubborn, others = {"stubborn": Stubborn()}, runs.build(seed=seed)
        return stubborn | others if place == "first" else others | stubborn

    checkpoint.save(tmp_path / "run", a_step(), **parts(0))
    refused(tmp_path / "run", "could not be loaded into stubborn: 'no'", parts(9))


def a_step():
    return Step(1, torch.tensor(1.0), {}, 0, 2, torch.arange(4))


g, no_order = torch.Generator(), Step(1, torch.ones(()), {})
BAD = {
    "step must be a step that train yielded, got 3": lambda path: checkpoint.save(path, 3, g=g),
    "step must be a step that train yielded": lambda path: checkpoint.save(path, no_order, g=g),
    "parts must name each torch.Generator": lambda path: checkpoint.save(path, a_step(), model=net()),
    "parts must name each torch.Generator ": lambda path: checkpoint.load(path, model=net()),
    "model must be a torch.Generator or have a state_dict": lambda path: checkpoint.save(path, a_step(), g=g, model=7),
    "model must be a torch.Generator or have a state_dict, got 7 ": lambda path: checkpoint.load(path, model=7),
    "odd/what is a set, which a checkpoint cannot hold": lambda path: checkpoint.save(path, a_step(), g=g, odd=Odd()),
}


class Odd(Stubborn):
    def state_dict(self):
        return {"what": {1, 2}}


@pytest.mark.parametrize(("message", "call"), BAD.items(), ids=BAD.keys())
def test_bad_arguments(message, call, tmp_path):
    with pytest.raises(ValueError, match=message.strip()):
        call(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_no_file(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(OSError):
            checkpoint.load(path, **runs.build())


class Keeper(Stubborn):
    """Holds anything, and takes it back."""

    def __init__(self, state=None):
        self.state = state

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = state


def test_any_plain_state_comes_back_as_it_was(tmp_path):
    tensors = {
        "bool": torch.tensor([True, False]), "bfloat16": torch.randn(3, 2).bfloat16(), "int": torch.tensor(2**62),
        "half": torch.randn(2).half(), "empty": torch.zeros(0, 3),
        "not finite": torch.tensor([float("nan"), float("inf")]), "expanded": torch.ones(1).expand(3),
        "transposed": torch.randn(2, 3).T,
    }  # fmt: skip
    plain = {1: (1, 2.5, None), "a": [True, {"b": ()}], (3, "c"): "text · 文", "tiny": 5e-324, "inf": float("inf")}
    one = torch.randn(3)
    state = {"tensors": tensors, "plain": plain, "a/b": {"c": one}, "a": {"b/c": one + 1}, "shared": [one, one[:2]]}
    checkpoint.save(tmp_path / "run", a_step(), keeper=Keeper(state), g=torch.Generator())
    keeper = Keeper()
    step = checkpoint.load(tmp_path / "run", keeper=keeper, g=torch.Generator())
    assert keeper.state["plain"] == plain and type(keeper.state["plain"][1]) is tuple
    for name, t in tensors.items():
        back = keeper.state["tensors"][name]
        assert back.dtype == t.dtype and back.stride() == torch.empty_like(t).stride()
        torch.testing.assert_close(back, t, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(keeper.state["a/b"]["c"], one) and torch.equal(keeper.state["a"]["b/c"], one + 1)
    assert torch.equal(keeper.state["shared"][1], one[:2])
    assert step[:2] == a_step()[:2] and torch.equal(step.order, a_step().order) and step.seen == 2


def test_file_is_plain_safetensors(saved):
    tensors, parts = safetensors.torch.load_file(saved), runs.build()
    checkpoint.load(saved, **parts)
    assert torch.equal(tensors["model/0.weight"], parts["model"][0].weight)
    assert torch.equal(tensors["average/module.0.weight"], parts["average"].module[0].weight)


# Where nothing can be written, the older file survives.


@contextlib.contextmanager
def disk_full(folder, monkeypatch):
    """The system itself refuses to write beyond a few kilobytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        yield "File too large"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def no_space_left(folder, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as m:
        m.setattr(os, "fsync", fail)
        yield "No space left on device"


@contextlib.contextmanager
def unwritable(folder, monkeypatch):
    """Where the tests run as root, who may write anywhere, this process is somebody else meanwhile."""
    root = os.geteuid() == 0
    folder.chmod(0o555)
    if root:
        os.seteuid(65534)
    try:
        yield "Permission denied"
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.mark.parametrize("trouble", [disk_full, no_space_left, unwritable], ids=lambda f: f.__name__)
def test_trouble_with_the_disk(trouble, saved, monkeypatch):
    before, parts = saved.read_bytes(), runs.build(seed=3)
    with trouble(saved.parent, monkeypatch) as message:
        with pytest.raises(OSError, match=f"{message}; what stood here before is unchanged") as caught:
            checkpoint.save(saved, a_step(), **parts)
    assert caught.value.filename == str(saved)
    assert saved.read_bytes() == before and os.listdir(saved.parent) == [saved.name]


@pytest.mark.parametrize("where", ["missing/run", "file/run"])
def test_no_such_folder(where, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="unchanged"):
        checkpoint.save(tmp_path / where, a_step(), **runs.build())
    assert os.listdir(tmp_path) == ["file"]


def test_folder_that_cannot_be_synchronised(tmp_path, monkeypatch):
    """Some network disks refuse it: the file is there all the same."""
    fsync, calls = os.fsync, itertools.count()

    def only_files(descriptor):
        if next(calls):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    parts = runs.build()
    checkpoint.save(tmp_path / "run", a_step(), **parts)
    assert next(calls) == 2 and checkpoint.load(tmp_path / "run", **parts).step == 1
