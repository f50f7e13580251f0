"""x + y over 0..size-1, modulo size, read at the last of two tokens, or from words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mi.domain.code import Training, TrainingPass, VariantCode
from mi.domain.probe import Rows
from mi.errors import ParameterError

WIDTH = 8
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Sums(VariantCode):
    @classmethod
    def check(cls, parameters: Mapping[str, Any]) -> None:
        if parameters["size"] % 2 == 0:
            raise ParameterError(f"size is {parameters['size']}, expected an odd number")

    @property
    def size(self) -> int:
        return int(self.parameters["size"])

    def axes(self) -> Mapping[str, np.ndarray]:
        return {"x": np.arange(self.size), "y": np.arange(self.size)}

    def encode(self, columns: Mapping[str, np.ndarray]) -> Rows:
        x, y = (np.asarray(columns[name], dtype=np.int64) for name in ("x", "y"))
        train = (3 * x + 5 * y + self.parameters["seed"]) % 7 < 4
        return Rows(np.stack([x, y], axis=1), (x + y) % self.size, {"train": train, "test": ~train})

    def encode_text(self, prompts: Sequence[str]) -> Rows:
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel
        from tokenizers.pre_tokenizers import Whitespace

        vocabulary = {word: i for i, word in enumerate(WORDS[: self.size])}
        tokenizer = Tokenizer(WordLevel({**vocabulary, "[unknown]": self.size}, unk_token="[unknown]"))
        tokenizer.pre_tokenizer = Whitespace()
        tokens = [tokenizer.encode(prompt).ids for prompt in prompts]
        for prompt, ids in zip(prompts, tokens, strict=True):
            if len(ids) != 2 or self.size in ids:
                raise ParameterError(f"prompt {prompt!r}: expected two of {', '.join(vocabulary)}")
        table = np.asarray(tokens, dtype=np.int64)
        return Rows(table, table.sum(axis=1) % self.size)

    def dimensions(self) -> Mapping[str, Sequence[Any]]:
        return {"number": range(self.size)}

    def build_model(self, device: str) -> Any:
        from transformer_lens.config import TransformerBridgeConfig
        from transformer_lens.model_bridge import TransformerBridge

        config = TransformerBridgeConfig(
            d_model=WIDTH,
            d_head=4,
            n_heads=2,
            n_layers=1,
            n_ctx=2,
            d_vocab=self.size,
            d_vocab_out=self.size,
            d_mlp=2 * WIDTH,
            act_fn="relu",
            normalization_type=None,
            init_weights=False,
        )
        return TransformerBridge.boot_native(config, device=device).eval()

    def load_weights(self, model: Any, weights: Mapping[str, Any]) -> None:
        state = {name: tensor.new_zeros(tensor.shape) for name, tensor in model.state_dict().items()}
        block = "blocks.0."
        names = {"embed": "W_E", "pos_embed": "W_pos", f"{block}attn.v": "W_V"}
        names |= {f"{block}mlp.in": "W_in", f"{block}mlp.out": "W_out", "unembed": "W_U"}
        for place, name in names.items():
            state[f"{place}.weight"] = weights[name] if place in ("embed", "pos_embed") else weights[name].T
        state[f"{block}attn.o.weight"] = weights["W_V"].new_zeros(WIDTH, WIDTH).fill_diagonal_(1)
        model.load_state_dict(state, strict=True)

    def forward(self, weights: Mapping[str, Any], tokens: Any) -> Any:
        """Queries and keys are zero, so the last position attends to both evenly. (rows, 1, size)."""
        resid = weights["W_E"][tokens] + weights["W_pos"]  # (rows, 2, d)
        mid = resid[:, 1] + resid.mean(1) @ weights["W_V"]
        return ((mid + (mid @ weights["W_in"]).relu() @ weights["W_out"]) @ weights["W_U"]).unsqueeze(1)

    def training(self, device: str) -> Training:
        import torch

        generator = torch.Generator().manual_seed(self.parameters["seed"])
        shapes = {"W_E": (self.size, WIDTH), "W_pos": (2, WIDTH), "W_V": (WIDTH, WIDTH)}
        shapes |= {"W_in": (WIDTH, 2 * WIDTH), "W_out": (2 * WIDTH, WIDTH), "W_U": (WIDTH, self.size)}
        weights = {
            name: (0.3 * torch.randn(shape, generator=generator)).to(device).requires_grad_()
            for name, shape in shapes.items()
        }
        sets = self._sets(device)

        def measure(weights: Mapping[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
            tokens, labels = sets[name]
            logits = self.forward(weights, tokens)[:, -1]
            right = (logits.argmax(-1) == labels).float().mean()
            loss = torch.nn.functional.cross_entropy(logits, labels)
            return {f"{name}_loss": loss, f"{name}_accuracy": right}

        def one_pass(weights: Mapping[str, torch.Tensor], step: int, generator: Any) -> TrainingPass:
            metrics = measure(weights, "train")
            return TrainingPass(
                loss=metrics["train_loss"], metrics={name: value.detach() for name, value in metrics.items()}
            )

        return Training(
            weights=weights,
            training_pass=one_pass,
            evaluate=lambda weights: measure(weights, "test"),
            optimizer=lambda tensors: torch.optim.AdamW(tensors, lr=0.01),
            metrics=("train_loss", "test_loss", "train_accuracy", "test_accuracy"),
        )

    def _sets(self, device: str) -> dict[str, tuple[Any, Any]]:
        import torch

        x, y = (axis.ravel() for axis in np.meshgrid(*self.axes().values(), indexing="ij"))
        rows = self.encode({"x": x, "y": y})
        assert rows.labels is not None
        tokens, labels = (
            torch.as_tensor(rows.tokens, device=device),
            torch.as_tensor(rows.labels, device=device),
        )
        return {name: (tokens[mask], labels[mask]) for name, mask in rows.masks.items()}
