"""Names of the matrices whose dimensions are counted; light, for figures need no torch."""

JOINT = ("W_E", "W_in", "W_out", "W_L")
PER_HEAD = ("W_QK", "W_OV")
