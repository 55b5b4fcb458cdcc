"""What computes in float64 does so on the CPU where the device has none, as Apple's; here such a device is pretended."""

import matplotlib.pyplot as plt
import pytest
import torch

from gmlib import diffusion, metrics, plot, vae


class Apple(torch.Tensor):
    """A tensor that says it is on `mps`, and refuses float64 as tensors there do."""

    device = torch.device("mps")

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        result = super().__torch_function__(function, types, args, kwargs or {})
        if function is torch.Tensor.cpu:
            return result.as_subclass(torch.Tensor)
        if isinstance(result, Apple) and result.dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64")
        return result


def there(x):
    return x.as_subclass(Apple)


codes = torch.tensor([0, 3, 3, 1])
bits = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
Sigma = torch.tensor([[2.0, 0.3], [0.3, 0.5]])
half = torch.tensor([0.5, 0.5])

CALLS = {
    "perplexity": lambda on: vae.perplexity(on(codes), 4),
    "mutual information": lambda on: metrics.mutual_information(on(bits), on(bits)),
    "its gap": lambda on: metrics.mutual_information_gap(on(bits.float()), on(bits)),
    "the cost of the end": lambda on: diffusion.end_kl(on(Sigma), 0.1),
    "a schedule": lambda on: diffusion.Schedule(on(half)).alpha_bar,
    "an ellipse": lambda on: torch.tensor(plot.ellipse(half, on(Sigma), plt.gca()).get_width()),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_device_without_float64_gives_the_same(call):
    torch.testing.assert_close(call(there).as_subclass(torch.Tensor), call(lambda x: x), rtol=0, atol=1e-6)
    plt.close("all")


def test_the_pretended_device_refuses():
    with pytest.raises(TypeError, match="float64"):
        there(half).double()
    assert there(half).cpu().double().dtype == torch.float64
