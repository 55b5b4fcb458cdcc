"""What lets a test of the CPU run on another device, and one noise serve both."""

import dataclasses
import importlib.util
import sys
import types

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

# The library shows progress with tqdm, which the machine with the GPU need not have: there, no bar.
if importlib.util.find_spec("tqdm") is None:
    sys.modules["tqdm.auto"] = types.ModuleType("tqdm.auto")
    sys.modules["tqdm.auto"].tqdm = lambda iterable, **options: iterable

RANDOM = {torch.rand, torch.randn, torch.randint, torch.randperm, torch.multinomial}


class SameNoise(TorchFunctionMode):
    """Inside it random numbers come from a CPU generator, also where they are asked for on another device."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function not in RANDOM:
            return function(*args, **kwargs)
        device = kwargs.pop("device", next((a.device for a in args if isinstance(a, Tensor)), "cpu"))
        return function(*(a.cpu() if isinstance(a, Tensor) else a for a in args), **kwargs).to(device)


class On:
    """A model on a device as it looks from the CPU: arguments go there, results come back, noise is drawn there."""

    def __init__(self, model, device):
        self.model, self.device = model.to(device), device

    def __getattr__(self, name):
        value = getattr(self.model, name)
        if not callable(value):
            return self._back(value)
        return lambda *a, **k: self._back(value(*map(self._there, a), **{n: self._there(v) for n, v in k.items()}))

    def _there(self, value):
        if isinstance(value, torch.Generator):
            seed = torch.randint(2**62, (), generator=value).item()
            return torch.Generator(self.device).manual_seed(seed)
        return value.to(self.device) if isinstance(value, Tensor) else value

    def _back(self, value):
        if isinstance(value, Tensor):
            assert value.device.type == torch.device(self.device).type, "the result is not on the model's device"
            return value.cpu()
        if dataclasses.is_dataclass(value):
            return dataclasses.replace(value, **{k: self._back(v) for k, v in vars(value).items()})
        return value
