"""The family's code: what `mi` needs to build, feed and train a two-layer attention-only transformer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mi import NotApplicableError, ParameterError, Rows, VariantCode

if TYPE_CHECKING:
    import torch

    from mi import Training


class AttentionOnly(VariantCode):
    """Next tokens of random sequences with a repeated segment; BOS, the token `vocabulary`, comes first."""

    @classmethod
    def check(cls, parameters: Mapping[str, Any]) -> None:
        """Refuse segments that do not fit.

        Raises:
            ParameterError: names the parameter, its value and what was expected.
        """
        shortest, longest, context = (parameters[n] for n in ("segment_min", "segment_max", "context"))
        if longest < shortest:
            raise ParameterError(f"segment_max is {longest}, expected at least segment_min, {shortest}")
        if 2 * longest > context:
            raise ParameterError(
                f"segment_max is {longest}, expected at most {context // 2}: two copies must fit into a "
                f"context of {context} positions"
            )

    def axes(self) -> Mapping[str, np.ndarray]:
        """None: sequences are drawn, not listed."""
        return {}

    def encode(self, columns: Mapping[str, np.ndarray]) -> Rows:
        """Refused: there is no grid.

        Raises:
            ParameterError: always.
        """
        raise ParameterError(
            "sequences have no grid of inputs; use a probe of kind induction.repeated_segments"
        )

    def encode_text(self, prompts: Sequence[str]) -> Rows:
        """Rows of prompts such as `3 14 15 3`: tokens as whole numbers, all of one length; BOS is put first.

        Raises:
            ParameterError: a prompt that is no such row.
        """
        vocabulary, context = self.parameters["vocabulary"], self.parameters["context"]
        rows: list[list[int]] = []
        for prompt in prompts:
            words = prompt.split()
            if not all(word.isdecimal() and int(word) < vocabulary for word in words):
                raise ParameterError(
                    f"prompt is {prompt!r}, expected tokens 0 to {vocabulary - 1} with spaces"
                )
            if len(words) != len(prompts[0].split()) or not 0 < len(words) < context:
                raise ParameterError(
                    f"prompt {prompt!r} has {len(words)} tokens, expected as many as the first and at most "
                    f"{context - 1}"
                )
            rows.append([vocabulary, *map(int, words)])
        return Rows(tokens=np.array(rows, dtype=np.int64))

    def dimensions(self) -> Mapping[str, Sequence[Any]]:
        """Layers, heads, positions and tokens, counted from 0; the last token is BOS."""
        return {
            "layer": range(2),
            "head": range(self.parameters["n_heads"]),
            "position": range(self.parameters["context"]),
            "token": range(self.parameters["vocabulary"] + 1),
        }

    def build_model(self, device: str) -> Any:
        """A native `TransformerBridge`."""
        from mi_induction.bridge import build_bridge

        return build_bridge(self.parameters, device)

    def load_weights(self, model: Any, weights: Mapping[str, torch.Tensor]) -> None:
        """Swap weights into the bridge in place.

        Raises:
            MiError: a tensor is missing, unknown or of another shape.
        """
        from mi_induction.bridge import load

        load(self.parameters, model, weights)

    def forward(self, weights: Mapping[str, torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
        """Logits at every position (rows, n, vocabulary + 1), differentiable."""
        from mi_induction.transformer import logits

        return logits(weights, tokens)

    def row_losses(
        self, logits: torch.Tensor, tokens: torch.Tensor, labels: torch.Tensor | None
    ) -> torch.Tensor:
        """Cross-entropy of the next tokens in nats, the mean over a row's targets: (rows,).

        Raises:
            NotApplicableError: rows of one token have no target.
        """
        from mi_induction.task import next_token_losses

        if tokens.shape[1] < 2:
            raise NotApplicableError("not applicable: rows of one token have no next token")
        return next_token_losses(logits[:, :-1], tokens[:, 1:]).mean(1)

    def training(self, device: str) -> Training:
        """AdamW on batches drawn anew at every step."""
        from mi_induction.task import repeated_segments_training

        return repeated_segments_training(self.parameters, device)
