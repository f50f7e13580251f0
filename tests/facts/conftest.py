"""Tiny real models, and what a test says when a library has changed; docs/libraries.md lists the facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from attrs import frozen
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.sources import build_bridge_from_module
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from mi.engine.capture import Resident

Still = Callable[[bool, str], None]


@pytest.fixture
def still() -> Still:
    """``still(holds, guard)``: the library does as docs/libraries.md says; else what of `mi` may go."""

    def check(holds: bool, guard: str) -> None:
        assert holds, f"the library has changed, see docs/libraries.md: {guard}"

    return check


@frozen
class Code:
    """What a resident model needs of a family's code."""

    build: Callable[[], Any]

    def build_model(self, device: str) -> Any:
        return self.build()

    def load_weights(self, model: Any, weights: Any) -> None:
        model.load_state_dict(weights, strict=True)


def native() -> Any:
    """Two layers, random weights, no network."""
    config = TransformerBridgeConfig(
        d_model=8,
        d_head=4,
        n_heads=2,
        n_layers=2,
        n_ctx=4,
        d_vocab=7,
        d_vocab_out=7,
        d_mlp=16,
        act_fn="relu",
        normalization_type=None,
        init_weights=False,
    )
    with torch.random.fork_rng(devices=[]):
        model = TransformerBridge.boot_native(config, device="cpu").eval()
    model.load_state_dict(drawn(model, 0), strict=True)
    return model


def drawn(model: Any, seed: int) -> dict[str, torch.Tensor]:
    """Random weights for a model, under the names of its state dict."""
    generator = torch.Generator().manual_seed(seed)
    return {n: torch.randn(t.shape, generator=generator) / 2 for n, t in model.state_dict().items()}


def neox_config() -> Any:
    return GPTNeoXConfig(
        vocab_size=7,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=8,
        attn_implementation="eager",
    )


def bare_neox(seed: int) -> Any:
    """A Hugging Face model that no bridge wraps."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GPTNeoXForCausalLM(neox_config()).eval()


def wrapped_neox(seed: int) -> Any:
    """A model of another architecture, wrapped without a tokenizer and without a network."""
    hf = bare_neox(seed)
    found = build_bridge_from_module(hf, "GPTNeoXForCausalLM", hf_config=hf.config, tokenizer=None)
    return found.eval()


@pytest.fixture
def bridge() -> Any:
    """A native bridge of one's own: 12 ms."""
    return native()


@pytest.fixture
def neox() -> Any:
    """A wrapped GPT-NeoX of one's own: 30 ms."""
    return wrapped_neox(0)


@pytest.fixture
def resident(bridge: Any) -> Resident:
    """The native bridge as the engine holds it."""
    return Resident(Code(native), bridge, "cpu", "float32")  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def tokens() -> torch.Tensor:
    """(5, 4)."""
    return torch.randint(0, 7, (5, 4), generator=torch.Generator().manual_seed(1))
