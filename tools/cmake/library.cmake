# libtribikos, shared and static: what trb_model_* needs of the folders, joined into one object. The linker takes from the
# folders' archives only files that are used, and of src/comm none: the object must not need MPI. The sanitizers' libraries
# belong to a program, so such a build has no library.
if(TRB_SANITIZE)
  return()
endif()
set(joined ${CMAKE_BINARY_DIR}/libtribikos.o)
set(archives)
foreach(folder base math net store data methods model)
  list(APPEND archives $<TARGET_FILE:trb_${folder}>)
  list(APPEND folders trb_${folder})
endforeach()
add_custom_command(OUTPUT ${joined} VERBATIM
                   # The compiler tells each linker for which machine; lld alone does not see it in archives.
                   COMMAND ${CMAKE_C_COMPILER} -r -nostdlib -Wl,-u,trb_model_open -Wl,--start-group ${archives}
                           -Wl,--end-group -o ${joined}
                   # Only what is visible keeps its name, so nothing else of it can meet a name of the host's.
                   COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${joined}
                   DEPENDS ${folders} ${archives})
set_source_files_properties(${joined} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
add_custom_target(trb_joined DEPENDS ${joined})
set(map ${CMAKE_SOURCE_DIR}/src/model/libtribikos.map)
foreach(kind SHARED STATIC)
  string(TOLOWER tribikos_${kind} target)
  add_library(${target} ${kind} ${joined})
  add_dependencies(${target} trb_joined)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME tribikos LINKER_LANGUAGE C VERSION ${PROJECT_VERSION}
                                             SOVERSION ${PROJECT_VERSION_MAJOR} LINK_DEPENDS ${map})
endforeach()
target_link_options(tribikos_shared PRIVATE -Wl,--version-script=${map} -Wl,--no-undefined -Wl,--as-needed)
target_link_libraries(tribikos_shared PRIVATE TRB::oneDNN TRB::HDF5 OpenMP::OpenMP_C Threads::Threads ${CMAKE_DL_LIBS} m)
# What a program that links the static library has to link too.
get_target_property(openmp OpenMP::OpenMP_C INTERFACE_LINK_LIBRARIES)
set(TRB_LIBRARY_LINKS ${TRB_oneDNN_LIBRARY} ${TRB_HDF5_LIBRARY} ${openmp} -lpthread -ldl -lm)
