"""What is pinned can be installed, also by the pip that Python brings.

pip before 23.3 wants a package that another asks for with an extra (`uvicorn[standard]`) pinned
with it, where hashes are required. `.ci/run` has such a pip resolve the files; here they are
only read.
"""

import re
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.checkout import ROOT

INSTALLED_HERE = ROOT / "requirements-dev.txt"
FILES = (
    ROOT / "requirements.txt",
    INSTALLED_HERE,
    ROOT / "tests/generated_client/requirements.txt",
)

Requires = Callable[[str], Iterable[str]]


class Pin(NamedTuple):
    """What a file says of one package, where its line applies here."""

    version: str
    extras: frozenset[str]


def pins_of(text: str) -> dict[str, Pin]:
    """Read the pins of a file that hold on this machine."""
    pins: dict[str, Pin] = {}
    for line in text.splitlines():
        if not re.match(r"[A-Za-z0-9]", line):
            continue
        said = Requirement(line.rstrip("\\").strip())
        if said.marker is None or said.marker.evaluate():
            (exactly,) = said.specifier
            assert exactly.operator == "==", line
            pins[canonicalize_name(said.name)] = Pin(exactly.version, _names(said.extras))
    return pins


def _names(extras: Iterable[str]) -> frozenset[str]:
    return frozenset(map(canonicalize_name, extras))


def installed(name: str) -> Iterable[str]:
    """Give what an installed package asks for; nothing, where it is not installed here."""
    try:
        return requires(name) or ()
    except PackageNotFoundError:
        return ()


def pinned_without_an_extra(pins: dict[str, Pin], asked: Requires = installed) -> set[str]:
    """Name what some pinned package asks for with an extra that its pin leaves out."""
    return {
        f"{name} asks for {need.name}[{','.join(sorted(missing))}]"
        for name, pin in pins.items()
        for need in map(Requirement, asked(name))
        if need.extras and _applies(need, pin)
        for pinned in [pins.get(canonicalize_name(need.name))]
        for missing in [_names(need.extras) - (pinned.extras if pinned else frozenset())]
        if missing
    }


def _applies(need: Requirement, pin: Pin) -> bool:
    """Tell whether a requirement holds here, by itself or by one of the extras that are pinned."""
    marker = need.marker
    return marker is None or any(marker.evaluate({"extra": each}) for each in ("", *pin.extras))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_what_is_asked_for_with_an_extra_is_pinned_with_it(file: Path) -> None:
    pins = pins_of(file.read_text())
    assert len(pins) > 20
    assert pinned_without_an_extra(pins) == set()


def test_what_is_pinned_is_what_is_installed_here() -> None:
    # else another version's metadata would be looked at
    pins = pins_of(INSTALLED_HERE.read_text())
    assert {name: version(name) for name in pins} == {
        name: pin.version for name, pin in pins.items()
    }


def test_an_extra_taken_out_of_a_file_is_missed() -> None:
    text, pinned = INSTALLED_HERE.read_text(), "opentelemetry-exporter-http-transport[requests]"
    assert f"\n{pinned}==" in text
    without = pins_of(text.replace(pinned, pinned.partition("[")[0]))
    (missed,) = pinned_without_an_extra(without)
    assert missed.endswith(pinned)


def test_an_extra_is_asked_for_where_its_marker_holds_only() -> None:
    asks = {
        "a": [
            "b[x] ; sys_platform == 'no such'",
            "c[y] ; extra == 'more'",
            "D_d[Z_z] ; extra != 'q'",
        ],
    }

    def asked(name: str) -> Iterable[str]:
        return asks.get(name, ())

    plain = pins_of("a==1\nb==1\nc==1\nd-d==1\nnowhere==1 ; sys_platform == 'no such'\n")
    assert "nowhere" not in plain
    assert pinned_without_an_extra(plain, asked) == {"a asks for D_d[z-z]"}
    more = pins_of("a[more]==1\nb==1\nc==1 \\\n    --hash=sha256:00\nd-d[z-z]==1\n")
    assert pinned_without_an_extra(more, asked) == {"a asks for c[y]"}
