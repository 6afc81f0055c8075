"""Every piece of Python in the guides runs."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
BLOCKS = [
    pytest.param(code, id=f"{guide.stem}-{n}")
    for guide in sorted(DOCS.glob("*.md"))
    for n, code in enumerate(re.findall(r"^```python\n(.*?)^```", guide.read_text(), re.M | re.S))
]


@pytest.mark.parametrize("code", BLOCKS)
def test_every_piece_of_python_runs(code, python):
    python(code)
