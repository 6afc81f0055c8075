"""`opencu shims --coverage` against the libraries themselves."""

import csv
import re
from pathlib import Path

import pytest

from opencu import shims

TABLES = Path(__file__).parents[2] / "shims/tables"


@pytest.fixture(scope="module")
def report():
    return shims.coverage()


@pytest.fixture(scope="module")
def files():
    """{library: its files}"""
    with open(TABLES / "libraries.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return {r["library"]: [s["file"] for s in rows if s["library"] == r["library"]] for r in rows}


def test_every_library_is_counted_as_its_files_export(report, files, lib, run):
    name = re.compile(r" [TDBRV] (\w+)(?:@@\S+)?$", re.M)
    for library, names in files.items():
        exported = {s for f in names for s in name.findall(run(f"nm -D {lib / f}").stdout)}
        counts = report["libraries"][library]
        ours = counts["implemented"] if library == "opencu_blas" else counts["exported"]
        assert ours == len(exported), library  # of BLAS, what is missing is left to the next one
        assert counts["implemented"] + counts["refused"] == counts["exported"], library


def test_wanted_names_that_are_missing_come_first(report):
    cublas = report["libraries"]["cublas"]
    assert cublas["exported"] == 756 and 747 <= cublas["implemented"] < 756
    assert not {"cublasSgemm_v2", "cublasCreate_v2"} & set(cublas["imported_missing"])


def test_a_program_is_told_the_share_of_its_imports_and_what_is_missing(report):
    torch = report["programs"]["torch-2.15.0"]
    missing = sum(map(len, torch["missing"].values()))
    assert torch["imported"] == torch["implemented"] + missing > 473
    assert report["programs"]["custatevec-cu12"]["missing"] == {}
