"""An independent judge's verdict over real pictures, where both lie in a folder ``shared`` beside the checkout."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from trio_mirror.flip.jpeg import turbojpeg

CHECKOUT = Path(__file__).parents[2]
JUDGE = CHECKOUT.parent / "shared" / "oracle" / "oracle.py"
CORPUS = CHECKOUT.parent / "shared" / "corpus"
# By which Pillow, and with it the judge, reads what it lacks.
PLUGINS = {"HEIF": "pillow_heif", "JXL": "pillow_jxl"}

Verdicts: TypeAlias = list[dict[str, Any]]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    """What the judge says of each file."""
    if not (JUDGE.is_file() and CORPUS.is_dir()):
        pytest.skip("no judge and corpus in ../shared")
    if not importlib.util.find_spec("numpy"):
        pytest.skip("the judge needs numpy")
    folder = tmp_path_factory.mktemp("judge")
    command = [sys.executable, str(JUDGE), "--flip", "trio_mirror:flip", "--core", "--no-exiftool"]
    subprocess.run(
        [*command, "--json", str(folder / "verdicts.json"), str(CORPUS)],
        cwd=CHECKOUT,
        env=os.environ | {"ORACLE_CACHE": str(folder)},
        check=True,
        capture_output=True,
    )
    found: Verdicts = json.loads((folder / "verdicts.json").read_text())
    return found


@pytest.mark.parametrize(
    ("formats", "share"),
    [
        ({"JPEG", "MPO"}, 0.95),
        ({"PNG"}, 1),
        ({"GIF"}, 0.97),
        ({"WEBP"}, 0.97),
        ({"BMP", "DIB"}, 0.98),
        ({"AVIF"}, 1),
        ({"HEIF"}, 1),
        ({"JXL"}, 1),
        ({"TIFF"}, 0.8),
    ],
    ids=lambda value: "-".join(sorted(value)) if isinstance(value, set) else str(value),
)
def test_real_pictures_keep_all_that_they_have(verdicts: Verdicts, formats: set[str], share: float) -> None:
    if "JPEG" in formats and not turbojpeg.libraries():
        pytest.skip("this machine has no libturbojpeg")
    if not all(importlib.util.find_spec(PLUGINS[kind]) for kind in formats & PLUGINS.keys()):
        pytest.skip("the judge lacks a plugin for Pillow")
    sound = [verdict for verdict in verdicts if verdict["cls"] == "ok" and verdict["fmt"] in formats]
    failed = {Path(verdict["file"]).name: failures for verdict in sound if (failures := hard_failures(verdict))}
    assert sound
    assert len(failed) <= (1 - share) * len(sound), failed


def test_damaged_and_unsupported_pictures_are_refused_cleanly(verdicts: Verdicts) -> None:
    # What the judge cannot decode it takes for damaged, and we decode ourselves where we can.
    unknown = {kind for kind, plugin in PLUGINS.items() if not importlib.util.find_spec(plugin)}
    proof = all(importlib.util.find_spec(decoder) for decoder in ("pi_heif", "pylibjxl"))
    unknown |= set() if proof else PLUGINS.keys()
    others = [verdict for verdict in verdicts if verdict["cls"] != "ok" and verdict["fmt"] not in unknown]
    assert others
    assert not {verdict["file"]: failures for verdict in others if (failures := hard_failures(verdict))}


def hard_failures(verdict: dict[str, Any]) -> list[str]:
    checks: dict[str, tuple[str, str]] = verdict["checks"]
    failed = {name: said for name, (outcome, said) in checks.items() if outcome == "FAIL" and name[0] != "~"}
    return [f"{name}: {said}" for name, said in failed.items() if not is_as_it_should(name, said)]


def is_as_it_should(check: str, said: str) -> bool:
    """Whether the judge complains of what is meant to be so.

    Chunks that are not safe to copy to another raster go (PNG, section 14.2), and BMPs of kinds that Pillow does not
    read are mirrored.
    """
    if check == "png_ancillary":
        return all(kind[3].isupper() for kind in re.findall(r"'(\w{4})'", said))
    return check == "clean_error" and "Unsupported BMP" in said
