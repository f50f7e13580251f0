"""What `mi plugin new` writes: a package that passes its own tests from the first minute."""

from mi.skeleton.create import create_plugin
from mi.skeleton.parts import PARTS, chosen_parts

__all__ = ["PARTS", "chosen_parts", "create_plugin"]
