"""Feedback weights in PyTorch: each rule against autograd or its definition, and a foreign model converted and back."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import salhw
from salhw_networks.deep import FeedbackConv2d, FeedbackLinear, alignment_angles, convert, feedback_layers, restore
from salhw_networks.deep.layers import RULES, Feedback

torch.set_num_threads(1)  # of small layers, more threads only wait for one another, and long on a busy machine

GEOMETRIES: list[dict[str, Any]] = [
    {},
    {"stride": 2, "padding": 1},
    {"dilation": 2, "groups": 2, "bias": False},
    {"padding": "same", "padding_mode": "reflect"},
    {"padding": (2, 1), "padding_mode": "circular"},
    {"padding": "same"},
]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gradients(model: nn.Module, x: Tensor) -> list[Tensor]:
    """Of x and of all parameters, of a loss that weighs all outputs differently."""
    x = x.clone().requires_grad_()
    y = model(x)
    loss = (y * torch.linspace(-1.0, 1.0, y.numel()).reshape(y.shape)).pow(2).sum()
    return list(torch.autograd.grad(loss, [x, *model.parameters()]))


@pytest.mark.parametrize("shape", [(7, 5), (2, 3, 5), (5,)])
def test_transposed_linear_feedback_is_autograd(shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    plain, x = nn.Linear(5, 4), torch.randn(shape)
    expected = gradients(plain, x)
    for found, value in zip(gradients(convert(plain, rule="transpose"), x), expected, strict=True):
        torch.testing.assert_close(found, value, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("options", GEOMETRIES)
def test_transposed_convolution_is_autograd(options: dict[str, Any]) -> None:
    torch.manual_seed(2)
    plain, x = nn.Conv2d(4, 6, 3, **options).double(), torch.randn(2, 4, 9, 8, dtype=torch.float64)
    y, expected = plain(x), gradients(plain, x)
    convert(plain, rule="transpose")
    torch.testing.assert_close(plain(x), y)
    for found, value in zip(gradients(plain, x), expected, strict=True):
        torch.testing.assert_close(found, value, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("options", GEOMETRIES)
def test_one_image_without_a_batch_is_a_batch_of_one(options: dict[str, Any]) -> None:
    torch.manual_seed(2)
    plain, x = nn.Conv2d(4, 6, 3, **options).double(), torch.randn(4, 9, 8, dtype=torch.float64)
    y, expected = plain(x), gradients(plain, x)
    convert(plain, rule="transpose")
    torch.testing.assert_close(plain(x), y)
    for found, value in zip(gradients(plain, x), expected, strict=True):
        torch.testing.assert_close(found, value, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("make", [lambda: nn.Linear(6, 3), lambda: nn.Conv2d(6, 2, 1)])
def test_mixed_precision_leaves_gradients_of_the_parameters_precision(rule: Any, make: Any) -> None:
    """bfloat16 within autocast, 8 bits of mantissa, and float32 outside: the gradients are those of float32 to 2 %."""
    torch.manual_seed(4)
    layer = convert(make(), rule=rule)
    x = torch.randn(6, 5, 5) if isinstance(layer, nn.Conv2d) else torch.randn(5, 6)
    expected = gradients(layer, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = gradients(layer, x)
    for gradient, value in zip(found, expected, strict=True):
        assert gradient.dtype == torch.float32
        torch.testing.assert_close(gradient, value, rtol=0.02, atol=0.02 * float(value.abs().max()))


@pytest.mark.parametrize("sizes", [(4, 0), (0, 4)])
def test_layers_without_outputs_or_inputs_are_converted(sizes: tuple[int, int]) -> None:
    layer = nn.utils.skip_init(nn.Linear, *sizes)
    assert convert(layer, rule="fixed").feedback.shape == layer.weight.shape


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("make", [lambda: nn.Linear(6, 3), lambda: nn.Conv2d(3, 2, (2, 3), padding=1)])
def test_an_error_goes_back_through_the_rule_s_weights(rule: Any, make: Any) -> None:
    """The gradient of the input is, to finite differences of a plain layer with the backward weights in the weight's
    place, that layer's; weight and bias have their own gradients by finite differences of the loss."""
    torch.manual_seed(3)
    layer: Any = convert(make().double(), rule=rule, generator=seeded())
    x = torch.randn(2, 6) if isinstance(layer, nn.Linear) else torch.randn(1, 3, 4, 5)
    x = x.double()
    weight, bias = layer.weight.detach(), layer.bias.detach()
    defined = {"transpose": weight, "sign": weight.sign() * layer.feedback.abs()}.get(rule, layer.feedback)
    error = torch.randn_like(layer(x))

    def loss(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        if isinstance(layer, nn.Linear):
            return (functional.linear(x, weight, bias) * error).sum()
        return (functional.conv2d(x, weight, bias, padding=layer.padding) * error).sum()

    def slopes(values: Tensor, f: Any) -> Tensor:
        flat, out = values.detach().flatten(), torch.zeros(values.numel(), dtype=torch.float64)
        for k in range(flat.numel()):
            step = torch.zeros_like(flat)
            step[k] = 0.5
            out[k] = f((flat + step).reshape(values.shape)) - f((flat - step).reshape(values.shape))
        return out.reshape(values.shape)  # the loss is linear in each

    leaf = x.clone().requires_grad_()
    found = torch.autograd.grad((layer(leaf) * error).sum(), [leaf, layer.weight, layer.bias])
    torch.testing.assert_close(found[0], slopes(x, lambda v: loss(v, defined.detach(), bias)))
    torch.testing.assert_close(found[1], slopes(weight, lambda v: loss(x, v, bias)))
    torch.testing.assert_close(found[2], slopes(bias, lambda v: loss(x, weight, v)))


def test_kolen_pollack_decays_the_difference_exactly() -> None:
    """Plain SGD with weight decay: W - B shrinks by 1 - lr * decay per step, whatever the gradients."""
    torch.manual_seed(4)
    layer: Any = convert(nn.Linear(5, 3).double(), rule="kp", generator=seeded())
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.1, weight_decay=0.02)
    first, learned = (layer.weight - layer.feedback).detach().clone(), layer.weight.detach().clone()
    for _ in range(50):
        optimiser.zero_grad()
        layer(torch.randn(4, 5, dtype=torch.float64)).pow(2).mean().backward()
        optimiser.step()
    assert float((layer.weight - learned).abs().max().detach()) > 0.05
    torch.testing.assert_close((layer.weight - layer.feedback).detach(), first * (1.0 - 0.1 * 0.02) ** 50, rtol=1e-12,
                               atol=1e-14)  # fmt: skip


def test_angles() -> None:
    """0 for the weight itself, 180 for its negative, 90 within five standard errors for random ones; SCFA's is that of
    sgn(W) abs(B), for uniform numbers arccos(3/4) = 41.4 degrees, not B's own."""
    layer: Any = FeedbackLinear(200, 100, "external")
    assert layer.alignment_angle() == pytest.approx(90.0, abs=5 * 57.3 / 20_000**0.5)
    with torch.no_grad():
        layer.feedback.copy_(-layer.weight)
    assert layer.alignment_angle() == pytest.approx(180.0, abs=1e-3)
    convert(layer, rule="transpose")
    assert layer.alignment_angle() == pytest.approx(0.0, abs=1e-3)
    convert(layer, rule="sign")
    assert layer.alignment_angle() == pytest.approx(41.4, abs=1.0)


class SmallConvNet(nn.Module):
    """Somebody else's model, in torchvision's manner."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU())
        self.fc1, self.drop, self.fc2 = nn.Linear(8, 24), nn.Dropout(0.1), nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x).mean((2, 3))
        return self.fc2(self.drop(torch.relu(self.fc1(x))))  # type: ignore[no-any-return]


def trained(model: nn.Module, images: Tensor, labels: Tensor, epochs: int, optimiser: Any) -> list[float]:
    """A user's own loop; the loss of each epoch."""
    losses = []
    for _ in range(epochs):
        total = 0.0
        for x, y in zip(images.split(50), labels.split(50), strict=True):
            optimiser.zero_grad()
            loss = functional.cross_entropy(model(x), y)
            loss.backward()
            optimiser.step()
            total += float(loss.detach()) * len(x)
        losses.append(total / len(images))
    return losses


def test_a_foreign_model_is_converted_trained_aligned_saved_loaded_and_restored() -> None:
    from sklearn.datasets import load_digits

    from salhw_networks.deep import Aligner

    torch.manual_seed(5)
    images, labels = load_digits(return_X_y=True)
    x = torch.as_tensor(images[:600] / 16.0, dtype=torch.float32).reshape(-1, 1, 8, 8)
    y = torch.as_tensor(labels[:600])
    model = SmallConvNet()
    names, forward = list(model.state_dict()), model.fc1.weight
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)  # made before the conversion: still sound
    convert(convert(model, "features.3"), "fc*", rule="external")
    assert model.fc1.weight is forward
    assert isinstance(model.fc1, FeedbackLinear)
    assert isinstance(model.features[3], FeedbackConv2d)
    assert type(model.features[0]) is nn.Conv2d
    losses = trained(model, x, y, 2, optimiser)
    assert losses[1] < losses[0]
    before = alignment_angles(model)
    report = Aligner(model, replicas=8, seed=1).align(2)
    after = alignment_angles(model)
    assert [layer.name for layer in report.layers] == ["fc1", "fc2"]
    assert after["features.3"] == before["features.3"]
    assert max(after["fc1"], after["fc2"]) < 45.0 < min(before["fc1"], before["fc2"])
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other = convert(convert(SmallConvNet(), "features.3"), "fc*", rule="external")
    other.load_state_dict(torch.load(file, weights_only=True))
    assert alignment_angles(other) == after
    model.eval()
    expected = model(x)
    restore(model)
    assert list(model.state_dict()) == names
    assert type(model.fc1) is nn.Linear
    assert feedback_layers(model) == {}
    torch.testing.assert_close(model(x), expected)
    (gradient,) = torch.autograd.grad(model(x).sum(), [model.features[0].weight])
    assert float(gradient.abs().sum()) > 0.0


def test_wrong_arguments_are_one_error_with_a_fix() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    with pytest.raises(salhw.DescriptionError, match=r"layers = fc\*: one of 0"):
        convert(model, "fc*")
    with pytest.raises(salhw.DescriptionError, match="one of transpose, fixed, sign, kp, external"):
        convert(model, rule="transposed")  # type: ignore[arg-type]
    assert type(model[0]) is nn.Linear  # as it was
    assert not hasattr(model[0], "feedback")


def test_kp_is_moved_by_an_optimiser_and_the_other_rules_are_not() -> None:
    for rule in RULES:
        layer: Any = convert(nn.Linear(3, 2), rule=rule)
        assert isinstance(layer, Feedback)
        assert ("feedback" in dict(layer.named_parameters())) == (rule == "kp")
        assert "feedback" in layer.state_dict()


def test_nothing_is_imported_before_it_is_used() -> None:
    code = "import sys, salhw_networks.deep; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
