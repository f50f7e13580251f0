"""The versions that the tests ran with: those of constraints.txt (a test compares the two)."""

PYTHON = "3.11"
TESTED = {
    "attrs": "26.1.0",
    "bokeh": "3.9.2",
    "click": "8.5.1",
    "filelock": "4.2.12",
    "google-crc32c": "1.9.0",
    "jinja2": "3.1.6",
    "markdown-it-py": "4.3.0",
    "numcodecs": "0.16.6",
    "numpy": "2.4.6",
    "packaging": "26.3",
    "platformdirs": "4.14.7",
    "pluggy": "1.7.0",
    "rich": "15.0.0",
    "safetensors": "0.8.0",
    "torch": "2.13.0",
    "tornado": "6.6.1",
    "transformer-lens": "4.3.0",
    "xarray": "2026.9.0",
    "zarr": "3.1.6",
}
