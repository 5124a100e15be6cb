from __future__ import annotations

import subprocess
import sys

import pytest

import trio_mirror


def test_the_public_names_are_sorted_and_all_there() -> None:
    assert trio_mirror.__all__ == sorted(trio_mirror.__all__)
    for name in set(trio_mirror.__all__) - {"__version__", "Place", "aio"}:
        assert getattr(trio_mirror, name).__module__ == "trio_mirror", name


def test_what_is_not_there_is_an_attribute_error() -> None:
    assert not hasattr(trio_mirror, "mirrors")


def modules_after(code: str) -> set[str]:
    output = subprocess.check_output([sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], text=True)
    return {module.partition(".")[0] for module in output.split()}


@pytest.mark.parametrize("statement", ["import trio_mirror.aio", "from trio_mirror import aio", "import trio_mirror"])
def test_asyncio_has_its_module_however_it_is_imported(statement: str) -> None:
    assert "asyncio" in modules_after(f"{statement}\nimport trio_mirror; trio_mirror.aio.open_mirror")


def test_importing_the_package_is_light() -> None:
    assert not modules_after("import trio_mirror") & {"trio", "httpx", "PIL", "hypercorn", "starlette", "typer"}


def test_importing_the_pipeline_needs_no_server() -> None:
    assert not modules_after("from trio_mirror import mirror") & {"hypercorn", "starlette", "multipart", "ray"}
