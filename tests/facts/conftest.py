"""Tiny real models, and what a test says when a library has changed; docs/libraries.md lists the facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from bridges import Code, native
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
    return Resident(Code(), bridge, "cpu", "float32")  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def tokens() -> torch.Tensor:
    """(5, 4)."""
    return torch.randint(0, 7, (5, 4), generator=torch.Generator().manual_seed(1))
