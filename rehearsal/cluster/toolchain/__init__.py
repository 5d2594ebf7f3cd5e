"""The Go programs of the rehearsal, built once into the user's cache from pinned modules.

from rich.console import Console

programs = ensure_programs(Console())
programs.executable("kube-apiserver")          # a path
programs.files("kserve")                       # the folder of its definitions and configuration
"""

from rehearsal.cluster.toolchain.programs import BuiltPrograms, ensure_programs

__all__ = ["BuiltPrograms", "ensure_programs"]
