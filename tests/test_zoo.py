"""Pretrained models are the real ones: they know what their training taught them."""

from __future__ import annotations

import pytest
import torch

from utils import data, zoo


def square(image, size: int = 224) -> torch.Tensor:
    """The middle of a photograph, uint8 (1, 3, size, size)."""
    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    pixels = torch.from_numpy(image[top : top + side, left : left + side]).permute(2, 0, 1)[None].float()
    resized = torch.nn.functional.interpolate(pixels, (size, size), mode="bicubic", antialias=True)
    return resized.clamp(0, 255).to(torch.uint8)


# Class numbers of ImageNet (ILSVRC 2012): 442 bell cote, 698 palace; 985 daisy; 652 military uniform.
@pytest.mark.parametrize(("name", "classes"), [("palace", {442, 698}), ("flower", {985}), ("portrait", {652})])
def test_efficientnet_knows_what_is_on_a_photograph(name, classes):
    pixels = zoo.efficientnet_pixels(square(data.photographs()[name]))
    assert int(zoo.efficientnet_lite0()(pixels).argmax()) in classes


def test_efficientnet_runs_layer_by_layer_at_any_size():
    net, x = zoo.efficientnet_lite0(), torch.zeros(2, 3, 72, 64)
    names = [name for name, _ in net.named_children()]
    assert names == ["stem", *(f"block{number}" for number in range(1, 17)), "head", "pool", "classifier"]
    sizes = [tuple((x := layer(x)).shape) for layer in net]
    assert sizes[0] == (2, 32, 36, 32) and sizes[16] == (2, 320, 3, 2) and sizes[-2:] == [(2, 1280), (2, 1000)]


def test_the_random_control_has_the_same_layers_and_other_weights():
    trained, control = zoo.efficientnet_lite0().state_dict(), zoo.efficientnet_lite0(pretrained=False).state_dict()
    assert {name: value.shape for name, value in trained.items()} == {name: v.shape for name, v in control.items()}
    assert not torch.equal(trained["stem.0.weight"], control["stem.0.weight"])


def test_smollm2_is_unpacked_once_and_knows_a_capital(monkeypatch, capfd):
    model, tokenizer = zoo.smollm2()
    monkeypatch.setattr(zoo, "_convert", None)  # a second conversion would fail
    capfd.readouterr()
    model, tokenizer = zoo.smollm2(attention="eager")
    assert capfd.readouterr().err == ""  # nbgrader gives no points where there is standard error
    prompt = tokenizer("The capital of the country France is the city of", return_tensors="pt")
    with torch.no_grad():
        out = model(**prompt, output_attentions=True)
    assert tokenizer.decode(out.logits[0, -1].argmax()) == " Paris"
    assert len(out.attentions) == 30 and out.attentions[0].shape[1] == 9
    assert not any(parameter.requires_grad for parameter in model.parameters())
