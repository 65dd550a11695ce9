# cmake -C tools/cmake/sanitize.cmake: with AddressSanitizer and UndefinedBehaviorSanitizer.
include(${CMAKE_CURRENT_LIST_DIR}/debug.cmake)
set(TRB_SANITIZE ON CACHE BOOL "")
