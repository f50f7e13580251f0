"""safetensors files, read without torch: whether they are whole, and whether a bit has changed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from mi.store.checkpoints import CONTENT

LONGEST_HEADER = 100_000_000  # bytes, as safetensors itself has it


def damage(path: Path, *, deep: bool) -> str:
    """What is wrong with a file, or an empty string.

    Args:
        path: the file: 8 bytes of length, a JSON header of that length, then the tensors' bytes.
        deep: compare the bytes of the tensors with the digest in the header; files that were written before
            there was one are judged by their structure alone.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, LONGEST_HEADER):
                return f"{size} bytes hold no header"
            header = json.loads(file.read(length))
            told = header.pop("__metadata__", {})
            ends = [entry["data_offsets"][1] for entry in header.values()]
            expected = 8 + length + max(ends, default=0)
            if size != expected:
                return f"{size} bytes, expected {expected}"
            if deep and CONTENT in told:
                found = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
                if found != told[CONTENT]:
                    return "its bytes are not those that were written"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return "its header is not that of a safetensors file"
    return ""
