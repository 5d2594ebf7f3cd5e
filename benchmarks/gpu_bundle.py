"""What a GPU machine without network needs for benchmarks/gpu.sh, in one file that is small enough to carry along.

    uv run --with zstandard benchmarks/gpu_bundle.py --there packages.txt        # writes .gpu-bundle/site.tar.xz

`packages.txt` names the packages that are there already, one a line or separated by commas; they are left out. The rest
comes from the hashed locks, for Python 3.12. Of the tritonserver and of ONNX Runtime's GPU build only what the shipped
networks use is kept:

* The CUDA provider holds each kernel for six generations of GPUs, and its largest kernels are those of language models
  (CUTLASS, flash attention). What is for another generation, or for those, is overwritten with zeros, which take no
  room when compressed. A kernel that was overwritten fails when it is called, and not before.
* Of the tritonserver's wheel, what its Python backend needs is left out, and ICU's tables are empty: the server has
  them for the XML of a cloud's object store.
"""

from __future__ import annotations

import argparse
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKS = ("serve-gpu", "loadtest")
NOT_NEEDED = {"ziglang", "pywin32"}  # a compiler is there; Windows
UNUSED = (
    "bin",
    "share",
    "plotly/package_data/datasets",
    "pytriton/tritonserver/python_backend_stubs",
    "pytriton/tritonserver/backends/python",
    "nvidia_pytriton.libs/libpython3*",
    "onnxruntime/transformers",
    "onnxruntime/tools",
    "onnxruntime/quantization",
    "onnxruntime/capi/onnxruntime_pybind11_state*",
)
PROVIDER = "onnxruntime/capi/libonnxruntime_providers_cuda.so"
LANGUAGE_MODELS = re.compile(rb"\.text\.\w*?(cutlass|flash|fpA_intB|moe|[Aa]ttention)")
FATBIN = b"\x50\xed\x55\xba"  # the magic number of NVIDIA's container of kernels
ICU_DATA = "nvidia_pytriton.libs/libicudata-*"
MIB = 1 << 20


def main() -> None:
    """Read the command line, gather, trim and pack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--there", type=Path, help="file with the names of packages that the machine has")
    parser.add_argument(
        "--generation", type=int, default=90, help="compute capability of its GPU, times ten (90: Hopper)"
    )
    parser.add_argument("--output", type=Path, default=ROOT / ".gpu-bundle" / "site.tar.xz")
    parser.add_argument("--limit-mib", type=float, default=56)
    arguments = parser.parse_args()
    there = set(re.split(r"[\s,]+", arguments.there.read_text(encoding="utf-8").lower())) if arguments.there else set()
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        names = install(site, there)
        for pattern in UNUSED:
            for path in site.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in site.glob(ICU_DATA):
            empty_icu_data(path)
        if (site / PROVIDER).is_file():
            print(f"{PROVIDER}: {trim(site / PROVIDER, arguments.generation) / MIB:.0f} MiB of kernels kept")
        shutil.copytree(ROOT / "model_repository", site / "model_repository")
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(arguments.output, "w:xz", preset=6) as archive:
            archive.add(site, arcname="site")
    size = arguments.output.stat().st_size / MIB
    print(f"{arguments.output}: {size:.1f} MiB, {', '.join(names)}")
    if size > arguments.limit_mib:
        sys.exit(f"expected at most {arguments.limit_mib:g} MiB (--limit-mib)")


def install(site: Path, there: set[str]) -> list[str]:
    """Install what is not there, with the locks' hashes; the requirements that were installed."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as chosen:
        names = []
        for requirement in requirements():
            name = requirement.partition("==")[0].lower()
            if name not in there | NOT_NEEDED and name not in names:
                names.append(name)
                chosen.write(requirement)
        chosen.flush()
        subprocess.run(
            [
                *("uv", "pip", "install", "--quiet", "--target", str(site), "--no-deps", "--require-hashes"),
                *("--link-mode", "copy"),  # not links to the files of uv's cache: they are written to here
                *("--python-version", "3.12", "--python-platform", "x86_64-manylinux_2_39", "-r", chosen.name),
            ],
            check=True,
        )
    return names


def requirements() -> Iterator[str]:
    """Every requirement of the locks with its hashes; where there are two, the one for this Python comes first."""
    for lock in LOCKS:
        text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
        found = re.findall(r"^\S.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
        yield from (each for each in found if "python_full_version < '3.12'" not in each)


def empty_icu_data(library: Path) -> None:
    """Put a library with the same name and symbol in its place."""
    version = library.name.rpartition(".so.")[2].partition(".")[0]
    source = f'const char icudt{version}_dat[64] = "";'
    subprocess.run(
        [shutil.which("cc") or "cc", "-shared", "-x", "c", "-", f"-Wl,-soname,{library.name}", "-o", str(library)],
        input=source.encode(),
        check=True,
    )


def trim(library: Path, generation: int) -> int:
    """Overwrite kernels that are for other GPUs or for language models; the bytes of those that stay."""
    import zstandard  # noqa: PLC0415 - of nobody's lock

    content, kept = bytearray(library.read_bytes()), 0
    offset, size = section(content, b".nv_fatbin")
    unpacker = zstandard.ZstdDecompressor()
    for begin, length, packed, architecture in kernels(content, offset, offset + size):
        code = b""
        if architecture == generation:
            code = bytes(content[begin : begin + (packed or length)])
            code = unpacker.decompress(code, max_output_size=1 << 27) if packed else code
        if code and not LANGUAGE_MODELS.search(code):
            kept += length
        else:
            content[begin : begin + length] = bytes(length)
    library.write_bytes(content)
    return kept


def section(content: bytearray, name: bytes) -> tuple[int, int]:
    """Offset and size of a section of an ELF file of 64 bits."""
    (table,) = struct.unpack_from("<Q", content, 0x28)
    entry, count, strings = struct.unpack_from("<HHH", content, 0x3A)

    def header(number: int) -> tuple[int, int, int]:
        start = table + number * entry
        return (*struct.unpack_from("<I", content, start), *struct.unpack_from("<QQ", content, start + 24))

    _, names, _ = header(strings)
    for number in range(count):
        at, offset, size = header(number)
        if content[names + at : content.index(0, names + at)] == name:
            return offset, size
    raise ValueError(f"expected a section {name.decode()}")


def kernels(content: bytearray, offset: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Begin, length, compressed length (0: it is not compressed) and architecture of each entry of each container."""
    while (offset := content.find(FATBIN, offset, end)) >= 0:
        header, size = struct.unpack_from("<HQ", content, offset + 6)
        entry, offset = offset + header, offset + header + size
        while entry < offset:
            length, payload = struct.unpack_from("<IQ", content, entry + 4)
            (packed,) = struct.unpack_from("<I", content, entry + 16)
            (architecture,) = struct.unpack_from("<I", content, entry + 28)
            yield entry + length, payload, packed, architecture
            entry += length + payload


if __name__ == "__main__":
    main()
