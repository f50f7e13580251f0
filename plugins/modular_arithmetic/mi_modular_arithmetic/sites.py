"""Where activations are read, as sites are written; light."""

NEURONS = "blocks.0.mlp.hook_post@-1"
PATTERN = "blocks.0.attn.hook_pattern@-1"
