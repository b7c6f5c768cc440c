"""The wheel and the sdist: their version, their content, and that what they install works."""

from __future__ import annotations

import os
import re
import shutil
import site
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from places import ROOT

VERSION = "7.8.9"
VERSIONS = """
import os, runpy, sys
sys.argv, *folders = sys.argv[:1], *sys.argv[1:]
for folder in folders:
    os.chdir(folder)
    try:
        runpy.run_module("setuptools_scm", run_name="__main__")
    except SystemExit as done:
        assert not done.code
"""
GIT = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("PYTHON", "GIT_", "SETUPTOOLS_SCM_", "PYTEST"))
}


def run(*command: object, folder: Path) -> str:
    done = subprocess.run(
        [*map(str, command)], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def files() -> list[str]:
    """The files of the repository, with those that are not committed yet."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a clone: the files of a release are those of the repository")
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", folder=ROOT).splitlines()
    return sorted(name for name in listed if (ROOT / name).is_file())


@pytest.fixture(scope="session")
def repository(files: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with these files, in which a release is tagged."""
    folder = tmp_path_factory.mktemp("repository")
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    run(*GIT, "init", "--quiet", folder=folder)
    run(*GIT, "add", "--all", folder=folder)
    run(*GIT, "commit", "--quiet", "--message", "a release", folder=folder)
    run(*GIT, "tag", VERSION, folder=folder)
    return folder


@pytest.fixture(scope="session")
def dist(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from the sdist."""
    pytest.importorskip("build", reason="needs the package build")
    pytest.importorskip("setuptools_scm", reason="needs setuptools-scm")
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, folder=repository)
    return folder


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    return dist / f"rcl_tad-{VERSION}-py3-none-any.whl"


def test_the_version_is_that_of_the_tag(dist: Path) -> None:
    assert sorted(path.name for path in dist.iterdir()) == [
        f"rcl_tad-{VERSION}-py3-none-any.whl",
        f"rcl_tad-{VERSION}.tar.gz",
    ]


def test_the_wheel_has_all_files_of_the_package_and_no_others(wheel: Path, files: list[str]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        found = [name for name in archive.namelist() if ".dist-info/" not in name]
        described = {name.split("/", 1)[1] for name in archive.namelist() if ".dist-info/" in name}
    expected = [name.removeprefix("src/") for name in files if name.startswith("src/rcl/")]
    assert sorted(found) == expected
    assert {"rcl/py.typed", "rcl/training/recipes/small.yaml", "rcl/web/serve/static/index.html"} <= {*found}
    assert described == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "licenses/LICENSE"}


def test_the_sdist_has_all_that_a_distributor_needs(dist: Path, files: list[str]) -> None:
    with tarfile.open(dist / f"rcl_tad-{VERSION}.tar.gz") as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    assert {*files} - found == set()


def test_versions_without_a_tag_are_above_the_last_release(repository: Path, tmp_path: Path) -> None:
    """Of a clone without tags, of an archive of a commit, and of a folder that never was a repository."""
    pytest.importorskip("setuptools_scm", reason="needs setuptools-scm")
    releases = releases_of((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    run(*GIT, "clone", "--quiet", "--no-tags", repository, tmp_path / "clone", folder=tmp_path)
    archives = {"tagged": repository, "untagged": tmp_path / "clone"}
    for name, origin in archives.items():
        run(*GIT, "archive", "--output", tmp_path / f"{name}.tar", "HEAD", folder=origin)
        (tmp_path / name).mkdir()
        with tarfile.open(tmp_path / f"{name}.tar") as archive:
            archive.extractall(tmp_path / name, filter="data")
    shutil.copytree(tmp_path / "tagged", tmp_path / "copied")
    (tmp_path / "copied" / ".git_archival.txt").unlink()
    names = ("clone", "tagged", "untagged", "copied")
    printed = run(sys.executable, "-c", VERSIONS, *(tmp_path / name for name in names), folder=tmp_path)
    found = dict(zip(names, printed.split(), strict=True))
    assert found["tagged"] == VERSION
    for name in ("clone", "untagged", "copied"):
        assert all(release_of(found[name]) > release for release in releases), (name, found[name])
        assert ".dev" in found[name]


def releases_of(changelog: str) -> list[tuple[int, ...]]:
    return [release_of(version) for version in re.findall(r"^## \[?(\d+\.\d+\.\d+)", changelog, re.MULTILINE)]


def release_of(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.partition(".dev")[0].split("."))


def test_what_the_wheel_installs_works(wheel: Path, tmp_path: Path) -> None:
    """In an environment of its own, which borrows the dependencies of this one."""
    home = tmp_path / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", home, folder=tmp_path)
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = ["-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", "--no-compile", wheel]
    run(sys.executable, *install, folder=tmp_path)
    packages = Path(run(python, "-c", "import site; print(site.getsitepackages()[0])", folder=tmp_path).strip())
    borrowed = "\n".join(site.getsitepackages())
    (packages / "borrowed.pth").write_text(borrowed, encoding="utf-8")
    assert f"rcl {VERSION} works" in run(python, ROOT / "tests" / "installed.py", folder=tmp_path)
