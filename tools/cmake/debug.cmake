# cmake -C tools/cmake/debug.cmake: for debuggers. -O1 takes two thirds of the time that -O2 takes to compile, and most of a
# test's time is the libraries' anyway.
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O1 -g" CACHE STRING "")
