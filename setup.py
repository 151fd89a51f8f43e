"""Builds the optional C kernels; everything else is in pyproject.toml.

The kernels are plain shared libraries without Python's API, so one wheel serves every version of Python: its tag is
`py3-none-<platform>`. Where no compiler is found the installation goes on without them: PALM computes in Paddle's own
operations. `PALM_BUILD_KERNELS=all` fails instead, and `none` makes the wheel for every platform, as a release needs.
"""

import copy
import os
import runpy
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

PLACE = "palm/kernels/fused"
# By itself: an isolated build has none of the packages that `import palm` may need.
BUILT = runpy.run_path(str(Path(__file__).parent / PLACE / "built.py"))
WANTED = os.environ.get("PALM_BUILD_KERNELS", "auto")
if WANTED not in ("auto", "all", "none"):
    raise SystemExit(f"PALM_BUILD_KERNELS: auto, all or none. Found {WANTED!r}. Set one of them.")


def kernels(name: str, options: tuple[str, ...]) -> Extension:
    """One shared library. OpenMP is not linked: its symbols bind to the runtime that Paddle loads."""
    return Extension(
        f"{PLACE.replace('/', '.')}.{name}",
        sources=[f"{PLACE}/{source}" for source in BUILT["SOURCES"]],
        # This file too: a source that is added to the list may be older than the library.
        depends=["setup.py", f"{PLACE}/built.py", *(str(file) for file in Path(PLACE).glob("*.h"))],
        define_macros=[("PALM_SOURCES", f'"{BUILT["sources_digest"]()}"')],
        extra_compile_args=[*BUILT["COMPILER_FLAGS"], *options],
        optional=WANTED != "all",
    )


class BuildKernels(build_ext):
    """Compiles each library into a folder of its own: all have the same sources, and are compiled at the same time."""

    def get_ext_filename(self, fullname: str) -> str:
        """The file of a library: without a version of Python in its name."""
        return str(Path(*fullname.split("."))) + BUILT["SUFFIX"]

    def build_extension(self, ext: Extension) -> None:
        """Compile and link one library."""
        own = copy.copy(self)
        own.build_temp = str(Path(self.build_temp) / ext.name)
        file = Path(self.get_ext_fullpath(ext.name))
        present = BUILT["find_library"](file.name.partition(".")[0], file.parent)
        own.force = self.force or present is None or present.is_stale  # a copied file may be newer than the sources
        super(BuildKernels, own).build_extension(ext)


class PlatformWheel(bdist_wheel):
    """A wheel for every version of Python; for one platform where it holds libraries."""

    def get_tag(self) -> tuple[str, str, str]:
        """The tags of Python, ABI and platform."""
        return ("py3", "none", "any" if self.root_is_pure else super().get_tag()[2])


HERE = sys.platform == "linux" and WANTED != "none"
setup(
    cmdclass={"build_ext": BuildKernels, "bdist_wheel": PlatformWheel},
    ext_modules=[kernels(name, options) for name, options in BUILT["levels_here"]().items()] if HERE else [],
    options={"build_ext": {"parallel": True}},
)
