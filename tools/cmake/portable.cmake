# cmake -C tools/cmake/portable.cmake: the same for every processor of its kind, as for a cluster of several or for packages.
# The loops that matter are there for wide vectors too, and the libraries choose their kernels when they start.
set(CMAKE_BUILD_TYPE Release CACHE STRING "")
set(TRB_ARCH portable CACHE STRING "")
