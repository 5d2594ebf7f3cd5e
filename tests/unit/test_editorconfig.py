"""Every tracked text file keeps to .editorconfig, whichever editor wrote it."""

import re
import subprocess
from configparser import ConfigParser
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]
SETTINGS = ConfigParser()
SETTINGS.read_string("[root]\n" + (ROOT / ".editorconfig").read_text(encoding="utf-8"))


def settings_of(name):
    """What the sections say of a file, the later ones over the earlier."""
    settings = {}
    for section in SETTINGS.sections()[1:]:
        patterns = section[1:-1].split(",") if section.startswith("{") else [section]
        if any(fnmatch(name if "/" in pattern else Path(name).name, pattern) for pattern in patterns):
            settings.update(SETTINGS[section])
    return settings


def tracked_texts():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" not in content:
            yield name, content


def flaws(name, content):
    settings = settings_of(name)
    text = content.decode(settings["charset"])
    if "\r" in text:
        yield "expected lines that end with LF"
    if settings["insert_final_newline"] == "true" and text and not text.endswith("\n"):
        yield "expected a newline at the end"
    if settings["trim_trailing_whitespace"] == "true" and re.search(r"[ \t]$", text, re.MULTILINE):
        yield "expected no blanks at the ends of lines"
    if settings["indent_style"] == "space" and re.search(r"^\t", text, re.MULTILINE):
        yield "expected blanks in place of tabs"


def test_tracked_files_keep_to_the_editorconfig():
    assert {} == {name: broken for name, content in tracked_texts() if (broken := [*flaws(name, content)])}


def test_a_file_that_does_not_is_found():
    assert 4 == len([*flaws("docs/page.md", b"\tone \ntwo\r")])
    assert [] == [*flaws("Makefile", b"all:\n\ttrue\n")]
    assert [] == [*flaws("requirements/dev.txt", b"numpy \\")]
