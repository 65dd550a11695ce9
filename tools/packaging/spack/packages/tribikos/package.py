# Spack 1.0 and later: spack repo add tools/packaging/spack, then spack install tribikos
import os

from spack_repo.builtin.build_systems.cmake import CMakePackage

from spack.package import *


class Tribikos(CMakePackage):
    """Trains ensembles of networks on MPI ranks, and distils them into one that keeps their uncertainty."""

    # The clone that this recipe lies in; put the address of the repository here to install from elsewhere.
    git = "file://" + os.path.abspath(os.path.join(os.path.dirname(__file__), *5 * [os.pardir]))

    version("main", branch="main")

    variant("tests", default=False, description="Build the tests")
    variant(
        "arch",
        default="portable",
        values=("portable", "native", "x86-64-v3", "x86-64-v4"),
        description="Processor to compile for; portable has loops for wide vectors too",
    )

    depends_on("c", type="build")
    depends_on("cmake@3.18:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi@3.1:")
    depends_on("openblas@0.3.20:")
    depends_on("onednn@2.6: cpu_runtime=omp")
    depends_on("hdf5@1.10.2:")
    depends_on("libyaml")
    depends_on("zlib-api")
    depends_on("xz")
    depends_on("zstd")
    depends_on("libpng")
    depends_on("jpeg")
    depends_on("xxhash@0.8:")
    depends_on("random123")
    depends_on("cmocka", when="+tests")

    conflicts("%gcc@:10")
    conflicts("%clang@:13")

    def cmake_args(self):
        return [
            self.define_from_variant("TRB_ARCH", "arch"),
            self.define_from_variant("BUILD_TESTING", "tests"),
            self.define("RANDOM123_ROOT", self.spec["random123"].prefix),
        ]
