# TRB_ARCH, and what is compiled for it: all folders but base, comm and model, whose functions run before the program has seen
# that its processor is one of that kind (include/tribikos/processor.h).
set(default native)
if(DEFINED TRB_NATIVE AND NOT TRB_NATIVE) # what TRB_ARCH was before it knew names
  set(default portable)
endif()
set(TRB_ARCH ${default} CACHE STRING "processor to compile for: native (this machine's), portable (any of its kind), or \
a name that the compiler knows: x86-64-v3, x86-64-v4, znver4, neoverse-v1, armv8.2-a")

set(TRB_PORTABLE_FLAGS)
set(forms -mcpu -march)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  set(TRB_PORTABLE_FLAGS -march=x86-64)
  set(forms -march) # -mcpu is the tuning alone there
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(TRB_PORTABLE_FLAGS -march=armv8-a)
endif()

include(CheckCCompilerFlag)
set(TRB_ARCH_FLAGS)
if(TRB_ARCH STREQUAL portable)
  set(TRB_ARCH_FLAGS ${TRB_PORTABLE_FLAGS})
else()
  foreach(form ${forms})
    string(MAKE_C_IDENTIFIER "TRB_KNOWS_${form}_${TRB_ARCH}" known)
    check_c_compiler_flag(${form}=${TRB_ARCH} ${known})
    if(${known})
      set(TRB_ARCH_FLAGS ${form}=${TRB_ARCH})
      break()
    endif()
  endforeach()
  if(NOT TRB_ARCH_FLAGS)
    message(FATAL_ERROR "TRB_ARCH=${TRB_ARCH}: the compiler knows no such processor; give native, portable, x86-64-v3, "
                        "x86-64-v4, or another name that it knows")
  endif()
endif()

function(trb_compile_for_processor target)
  if(target MATCHES "^trb_(base|comm|model)$")
    target_compile_options(${target} PRIVATE ${TRB_PORTABLE_FLAGS})
  else()
    target_compile_options(${target} PRIVATE ${TRB_ARCH_FLAGS})
  endif()
endfunction()
set_source_files_properties(src/cli/main.c PROPERTIES COMPILE_OPTIONS "${TRB_PORTABLE_FLAGS}")
set_source_files_properties(src/base/built_for.c PROPERTIES COMPILE_OPTIONS "${TRB_ARCH_FLAGS}"
                                                            COMPILE_DEFINITIONS "TRB_ARCH=\"${TRB_ARCH}\"")
