"""Checkpoints: a run of :func:`gmlib.train.train` in one file, written whole or not at all, without pickle.

The file is safetensors: ``model/encoder.weight`` and so on, and what is not a tensor as JSON in its header. A run
resumed from it equals, on a CPU bit for bit, a run that was never broken off: if the parts that are saved
are all that changes while training. Random numbers have their state in generators, so these are parts too. What
draws from PyTorch's global generator (dropout; ``train`` without a ``generator``) needs that one named as well:
``everything_else=torch.default_generator``, on a GPU ``torch.cuda.default_generators[0]``.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from gmlib.train import Step

FORMAT = "gmlib checkpoint 1"


def save(path: str | Path, step: Step, **parts: Any) -> None:
    """Write ``step`` and the state of each part to ``path``: all of it, or nothing.

    The last line in the body of the loop is the place for it, after averages and schedules. The file is written
    beside ``path`` and then renamed, so that whatever happens, ``path`` is the old file or the new one. A process
    killed while it writes leaves a file ``.*.tmp`` behind, which nothing reads and which may be deleted. With several
    processes, each needs a file of its own: each has its own generator.

    Args:
        path: in a folder that exists; a file that is there is replaced.
        step: as :func:`gmlib.train.train` yielded it.
        parts: by name, everything that changes while training: model, optimiser, schedule, :func:`gmlib.train.ema`
            (whatever has ``state_dict`` and ``load_state_dict``), and at least one ``torch.Generator``.

    Raises:
        ValueError: on parts that have no state, or one that is neither a tensor nor plain Python.
        OSError: where the file cannot be written; what stood there before is unchanged.

    Example: see :func:`load`.
    """
    path = Path(path)
    if not isinstance(step, Step) or step.order is None:
        raise ValueError(f"step must be a step that train yielded, got {step!r}")
    _check(parts)
    tensors: dict[str, Tensor] = {}
    states = {"step": step._asdict()} | {name: _state(part) for name, part in parts.items()}
    tree = {name: _take_out(state, name, tensors) for name, state in states.items()}
    text = json.dumps({"tree": tree, "parts": {name: _traits(part) for name, part in parts.items()}})
    _write(path, safetensors.torch.save(tensors, {FORMAT: f"{_digest(text, tensors)} {text}"}))


def load(path: str | Path, **parts: Any) -> Step:
    """Put the state of each part back as ``path`` has it, or change nothing.

    The parts must be made as they were when they were saved, under the same names; their
    weights may be any. An optimiser's options (its learning rate, say) come from the file.

    Returns:
        The step to give to :func:`gmlib.train.train` as ``resume``.

    Raises:
        ValueError: where the file is not a whole checkpoint, or not one of such parts.
        OSError: where there is no such file, or it cannot be read.

    Example:
        >>> import tempfile
        >>> from gmlib.train import train
        >>> path = Path(tempfile.mkdtemp(), "run.safetensors")
        >>> def loss(model, x, generator):
        ...     noise = torch.randn(x.shape, generator=generator)
        ...     return (model(x) - 3 * x + noise).square().mean(), {}
        >>> def run(steps):
        ...     model, generator = nn.Linear(1, 1), torch.Generator().manual_seed(0)
        ...     nn.init.ones_(model.weight), nn.init.zeros_(model.bias)
        ...     parts = {"model": model, "generator": generator}
        ...     parts["optimizer"] = optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        ...     start = load(path, **parts) if path.exists() else None
        ...     for step in train(model, loss, torch.linspace(-1, 1, 10)[:, None], epochs=3, batch_size=4,
        ...                       optimizer=optimizer, generator=generator, resume=start):
        ...         save(path, step, **parts)
        ...         if step.step == steps:
        ...             break
        ...     return model.weight.item()
        >>> whole = run(steps=9)
        >>> path.unlink()
        >>> part = run(steps=5)
        >>> part != whole and run(steps=9) == whole
        True
    """
    path = Path(path)
    _check(parts)
    header, tensors = _read(path)
    saved, given = header["parts"], {name: _traits(part) for name, part in parts.items()}
    if differences := list(_differences(saved, given)):
        more = f"; and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise ValueError(f"{path} does not hold what is to be loaded: {'; '.join(differences[:3])}{more}")
    states = {name: _put_back(tree, tensors) for name, tree in header["tree"].items()}
    before = {name: copy.deepcopy(_state(part)) for name, part in parts.items()}
    try:
        for name, part in parts.items():
            _set_state(part, states[name])
    except Exception as error:
        for other in parts:
            with contextlib.suppress(Exception):  # the part at fault may refuse this too
                _set_state(parts[other], before[other])
        raise ValueError(f"{path} could not be loaded into {name}: {error}") from error
    return Step(**states["step"])


def _check(parts: dict[str, Any]) -> None:
    for name, part in parts.items():
        if not isinstance(part, torch.Generator) and not hasattr(part, "load_state_dict"):
            raise ValueError(f"{name} must be a torch.Generator or have a state_dict, got {part!r}")
    if not any(isinstance(part, torch.Generator) for part in parts.values()):
        raise ValueError("parts must name each torch.Generator that the run draws from, and there is none")


def _state(part: Any) -> Any:
    return part.get_state() if isinstance(part, torch.Generator) else part.state_dict()


def _set_state(part: Any, state: Any) -> None:
    part.set_state(state) if isinstance(part, torch.Generator) else part.load_state_dict(state)


def _traits(part: Any) -> dict[str, str]:
    """What must be the same in a part for its state to fit."""
    if isinstance(part, nn.Module):
        tensors = part.state_dict()
    elif isinstance(part, torch.optim.Optimizer):
        groups = enumerate(part.param_groups)
        tensors = {f"group {i}, parameter {j}": p for i, group in groups for j, p in enumerate(group["params"])}
    else:
        tensors = {}
    traits = {name: f"{t.dtype} {list(t.shape)}" for name, t in tensors.items() if isinstance(t, Tensor)}
    device = {"device": part.device.type} if isinstance(part, torch.Generator) else {}
    return {"class": type(part).__name__, **traits, **device}


def _differences(saved: dict[str, dict[str, str]], given: dict[str, dict[str, str]]) -> Iterator[str]:
    for name in sorted(saved.keys() ^ given.keys()):
        yield f"{name} is {'in the file and not given' if name in saved else 'given and not in the file'}"
    for name, g in given.items():
        s = saved.get(name, g)
        yield from (f"{name}: {k} was {s.get(k)}, is {g.get(k)}" for k in {**s, **g} if s.get(k) != g.get(k))


def _take_out(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """``value`` as JSON can hold it: each tensor goes to ``tensors``, and its name stands in its place."""
    if isinstance(value, Tensor):
        while name in tensors:
            name += "'"
        tensors[name] = value.detach().cpu().contiguous().clone()
        # Fused optimisers go through memory in order: their state must lie there as the parameter does.
        return {"tensor": name, "stride": torch.empty_like(value, device="meta").stride()}
    if isinstance(value, dict):
        return {"dict": [[_take_out(k, name, tensors), _take_out(v, f"{name}/{k}", tensors)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        items = [_take_out(v, f"{name}/{i}", tensors) for i, v in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": items}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ValueError(f"{name} is a {type(value).__name__}, which a checkpoint cannot hold")


def _put_back(tree: Any, tensors: dict[str, Tensor]) -> Any:
    match tree:
        case {"tensor": name, "stride": stride}:
            t = tensors[name]
            return t.new_empty_strided(t.shape, stride).copy_(t)
        case {"dict": items}:
            return {_put_back(k, tensors): _put_back(v, tensors) for k, v in items}
        case {"list": items}:
            return [_put_back(v, tensors) for v in items]
        case {"tuple": items}:
            return tuple(_put_back(v, tensors) for v in items)
    return tree


def _digest(text: str, tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        t = tensors[name]
        digest.update(f"{name} {t.dtype} {list(t.shape)}".encode())
        digest.update(t.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole checkpoint: {error}") from error
    if FORMAT not in header:
        raise ValueError(f"{path} is not a {FORMAT!r}: its header names {sorted(header)}")
    digest, _, text = header[FORMAT].partition(" ")
    if _digest(text, tensors) != digest:
        raise ValueError(f"{path} is damaged: its contents are not those that were written")
    return json.loads(text), tensors


def _write(path: Path, contents: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}; what stood here before is unchanged", str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # so that the new name outlasts a power cut, where folders can be synchronised
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
