"""A machine with an NVIDIA GPU, for tests: real shared libraries with the names of NVIDIA's, for the real loader.

No kernel runs on it. `FAKE_INIT`, `FAKE_DRIVER`, `FAKE_COUNT` and `FAKE_CRASHES` say what its driver answers.
"""

import shutil
import subprocess
import sys
from importlib.metadata import distribution

DRIVER = r"""
#include <stdlib.h>
#include <string.h>
static int number(const char *name, int otherwise) { const char *v = getenv(name); return v ? atoi(v) : otherwise; }
int cuInit(unsigned flags) {
  if (number("FAKE_CRASHES", 0)) abort();
  return number("FAKE_INIT", 0);
}
int cuDriverGetVersion(int *v) { *v = number("FAKE_DRIVER", 13000); return 0; }
int cuDeviceGetCount(int *n) { *n = number("FAKE_COUNT", 1); return 0; }
int cuDeviceGetName(char *name, int size, int device) { strncpy(name, "NVIDIA H200", size); return 0; }
int cuGetErrorString(int code, const char **text) { *text = "no CUDA-capable device is detected"; return 0; }
"""
# As the real ones do, which call into ONNX Runtime when they are loaded.
PROVIDER = "#include <stdlib.h>\n__attribute__((constructor)) static void load(void) { abort(); }"
SOURCES = {
    "libcuda.so.1": (DRIVER, ()),
    "libcudart.so.13": ("int cudaRuntimeGetVersion(int *v) { *v = 13050; return 0; }", ()),
    "libcudnn.so.9": ("int cudnn;", ()),
    "libnvinfer.so.10": ("int getInferLibVersion(void) { return 101601; }", ()),
    "libonnxruntime_providers_shared.so": ("int Provider_GetHost;", ()),
    "libonnxruntime_providers_cuda.so": (PROVIDER, ("libcudart.so.13", "libcuda.so.1")),
    "libonnxruntime_providers_tensorrt.so": (PROVIDER, ("libnvinfer.so.10",)),
}
PLACES = {
    "libcuda.so.1": "driver",
    "libcudart.so.13": "site/nvidia/cu13/lib",
    "libcudnn.so.9": "site/nvidia/cudnn/lib",
    "libnvinfer.so.10": "site/tensorrt_libs",
}
CAPI = "site/onnxruntime/capi"


def build_libraries(folder):
    compiler = [found] if (found := shutil.which("cc")) else [sys.executable, "-m", "ziglang", "cc"]
    for name, (source, needed) in SOURCES.items():
        (folder / "source.c").write_text(source)
        command = [*compiler, "-shared", "-fPIC", f"-Wl,-soname,{name}", "source.c"]
        needs = ["-Wl,--no-as-needed", *needed] if needed else []
        subprocess.run([*command, *needs, "-o", name], cwd=folder, check=True, capture_output=True, timeout=240)
    return folder


def make_machine(folder, libraries, monkeypatch, *, tritonserver=False):
    """GPU, driver, and an environment of the extra `serve-gpu` with TensorRT.

    ONNX Runtime's own library is the CPU build's.
    """
    for name in SOURCES:
        place = folder / PLACES.get(name, CAPI) / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(libraries / name)
    (library,) = distribution("onnxruntime").locate_file("onnxruntime/capi").glob("libonnxruntime.so.*")
    (folder / CAPI / "libonnxruntime.so.1.31.1").symlink_to(library)
    (folder / "nvidiactl").touch()
    install(folder, "onnxruntime_gpu", "1.31.1")
    if tritonserver:
        wheel = distribution("nvidia-pytriton")
        for name in ("pytriton", "nvidia_pytriton.libs", f"nvidia_pytriton-{wheel.version}.dist-info"):
            (folder / "site" / name).symlink_to(wheel.locate_file(name))
    monkeypatch.setattr("slipway.triton._gpu._DEVICES", (folder / "nvidiactl",))
    monkeypatch.setattr(sys, "path", [str(folder / "site"), *(entry for entry in sys.path if "site-" not in entry)])
    monkeypatch.setenv("LD_LIBRARY_PATH", str(folder / "driver"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return folder


def install(machine, name, version, site="site"):
    """The metadata of an installed package, with the files of ONNX Runtime as its own."""
    info = machine / site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n")
    files = [path.relative_to(machine / "site") for path in (machine / CAPI).iterdir()]
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
