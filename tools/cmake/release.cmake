# cmake -C tools/cmake/release.cmake: what is run, as fast as this machine's processor allows. These are the defaults.
set(CMAKE_BUILD_TYPE Release CACHE STRING "")
set(TRB_ARCH native CACHE STRING "")
