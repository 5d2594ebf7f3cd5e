"""Carry out a Dockerfile without a container engine: its own COPY and RUN lines, in a folder that plays the image.

    image = replay(Path("docker/client.Dockerfile"), root, context=Path())
    image.run("--help")

A virtual environment plays the base image's Python, so what `apt` or another base would bring is not covered.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import venv
from dataclasses import dataclass
from pathlib import Path

import dockerfile

# How the machine reaches its package index, and where downloads are kept; nothing else of the environment is let in.
_LET_IN = re.compile(r"(PIP|UV|SSL|REQUESTS|HTTPS?|NO|http|https|no)_.*|HOME|LANG")
_PLACES = re.compile(r"(?<![\w./$}-])/(?=(?:dist|etc|opt|src|tmp|usr/local|work)\b)")


@dataclass(frozen=True, kw_only=True)
class Image:
    root: Path
    environment: dict[str, str]
    workdir: Path
    user: str
    entrypoint: list[str]

    def run(self, *arguments, cwd=None):
        """Run the entry point as the image would, with nothing of this process's environment."""
        program = shutil.which(self.entrypoint[0], path=self.environment["PATH"])
        return subprocess.run(
            [program, *self.entrypoint[1:], *map(str, arguments)],
            env=self.environment,
            cwd=cwd or self.workdir,
            capture_output=True,
            text=True,
            check=False,
        )

    def files(self):
        """Every file that an image of this Dockerfile holds as read-only: all but /tmp and /work."""
        writable = (self.root / "tmp", self.root / "work")
        return {
            path.relative_to(self.root): (path.lstat().st_size, path.lstat().st_mtime_ns)
            for path in self.root.rglob("*")
            if not path.is_dir() and not any(path.is_relative_to(folder) for folder in writable)
        }


def replay(path, root, *, context, arguments=None):
    """Carry out every stage of the Dockerfile at `path`; `arguments` are its build arguments."""
    for folder in ("etc", "tmp"):
        (root / folder).mkdir(parents=True)
    venv.create(root / "usr" / "local", with_pip=True, symlinks=True)
    build = _Build(root, context, arguments or {})
    for command in dockerfile.parse_file(str(path)):
        build.carry_out(command)
    return Image(
        root=root,
        environment=build.environment,
        workdir=build.workdir,
        user=build.user,
        entrypoint=build.entrypoint,
    )


class _Build:
    def __init__(self, root, context, given):
        self.root, self.context, self.given = root, context, given
        self.begin_stage()

    def begin_stage(self):
        self.environment = {"PATH": f"{self.root}/usr/local/bin:/usr/bin:/bin"}
        self.arguments = {}
        self.workdir, self.user, self.entrypoint = self.root, "root", []

    def carry_out(self, command):
        match command.cmd.upper():
            case "FROM":
                self.begin_stage()
            case "ARG":
                name, _, default = command.value[0].partition("=")
                self.arguments[name] = self.given.get(name, default)
            case "ENV":
                for name, value in zip(command.value[::2], command.value[1::2], strict=True):
                    self.environment[name] = self.inside(value).replace("$PATH", self.environment["PATH"])
            case "WORKDIR":
                self.workdir = Path(self.inside(command.value[0]))
                self.workdir.mkdir(exist_ok=True)
            case "COPY":
                self.copy(command)
            case "RUN":
                self.run(command)
            case "USER":
                (self.user,) = command.value
            case "ENTRYPOINT":
                self.entrypoint = list(command.value)
            case other:
                assert other in {"CMD", "HEALTHCHECK", "LABEL"}, f"line {command.start_line}: teach this file {other}"

    def inside(self, text):
        return _PLACES.sub(f"{self.root}/", text)

    def copy(self, command):
        *sources, target = command.value
        if command.flags:  # out of an earlier stage, which lies in the same folder
            assert [target] == sources, f"line {command.start_line}: a virtual environment cannot be moved"
            return
        for source in map(self.context.joinpath, sources):
            place = self.workdir / target
            if source.is_dir():
                shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                place.mkdir(exist_ok=True)
                shutil.copy(source, place)

    def run(self, command):
        let_in = {name: value for name, value in os.environ.items() if _LET_IN.fullmatch(name)}
        done = subprocess.run(
            ["/bin/sh", "-c", self.inside(command.value[0])],
            # A link into uv's cache stands for a copy of it: two gigabytes less to write.
            env=let_in | self.arguments | self.environment | {"UV_LINK_MODE": "hardlink"},
            cwd=self.workdir,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BuildFailed(f"line {command.start_line} of the Dockerfile: {done.stdout}{done.stderr}")


class BuildFailed(Exception):
    """A RUN line ended with another exit code than 0."""
