"""The processes and the shared memory of a tritonserver, as the kernel lists them."""

from pathlib import Path


def group_of(pid):
    """Command lines of tritonserver and its stubs, by process id; a zombie has none."""
    members = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            words = (folder / "cmdline").read_bytes().decode().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(group) == pid and state != "Z":
            members[int(folder.name)] = words
    return members


def shared_memory_of(group):
    return [Path("/dev/shm", word) for words in group.values() for word in words if word.startswith("slipway-")]


def stubs_of(pid):
    """Process ids of the backend's processes."""
    return [member for member, words in group_of(pid).items() if words[0].endswith("triton_python_backend_stub")]
