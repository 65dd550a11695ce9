# cmake --install: the program, and in share/tribikos jobs, configs and the tools of users; manual pages, completion and a
# module file. All of it is the component `aside`, which publish.cmake puts aside first and then moves into place.
include(GNUInstallDirs)
set(TRB_HOME ${CMAKE_INSTALL_DATADIR}/tribikos)
set(aside COMPONENT aside EXCLUDE_FROM_ALL)

# Libraries that were found outside of the system's folders are found again without LD_LIBRARY_PATH.
set_target_properties(tribikos PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
install(TARGETS tribikos RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} ${aside})
install(DIRECTORY jobs configs DESTINATION ${TRB_HOME} USE_SOURCE_PERMISSIONS ${aside})
install(DIRECTORY tools/user tools/python DESTINATION ${TRB_HOME}/tools USE_SOURCE_PERMISSIONS ${aside}
        PATTERN __pycache__ EXCLUDE)
install(PROGRAMS tools/develop/check_torch.py DESTINATION ${TRB_HOME}/tools/develop ${aside})

set(pages ${CMAKE_BINARY_DIR}/pages)
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/pages.made
                   COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:tribikos> "-DEMULATOR=${CMAKE_CROSSCOMPILING_EMULATOR}"
                           -DFOREIGN=${CMAKE_CROSSCOMPILING} -DOUT=${pages} -P ${CMAKE_SOURCE_DIR}/tools/cmake/pages.cmake
                   COMMAND ${CMAKE_COMMAND} -DHEADER=${CMAKE_SOURCE_DIR}/include/tribikos/model.h
                           -DVERSION=${PROJECT_VERSION} -DOUT=${pages}/tribikos.3
                           -P ${CMAKE_SOURCE_DIR}/tools/cmake/manual.cmake
                   COMMAND ${CMAKE_COMMAND} -E touch ${CMAKE_BINARY_DIR}/pages.made
                   DEPENDS tribikos tools/cmake/pages.cmake tools/cmake/manual.cmake include/tribikos/model.h VERBATIM)
add_custom_target(trb_pages ALL DEPENDS ${CMAKE_BINARY_DIR}/pages.made)
install(FILES ${pages}/tribikos.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 ${aside} OPTIONAL)
install(FILES ${pages}/tribikos_config.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5 ${aside} OPTIONAL)
install(FILES ${pages}/bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME tribikos ${aside}
        OPTIONAL)

# The library: it finds its own libraries as the program does. Its modules for Fortran and Python are sources.
if(TARGET tribikos_shared)
  set_target_properties(tribikos_shared PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
  install(TARGETS tribikos_shared tribikos_static LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ${aside}
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} ${aside})
  install(FILES include/tribikos/model.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tribikos ${aside})
  install(DIRECTORY tools/fortran tools/examples DESTINATION ${TRB_HOME}/tools USE_SOURCE_PERMISSIONS ${aside}
          PATTERN __pycache__ EXCLUDE)
  install(FILES ${pages}/tribikos.3 DESTINATION ${CMAKE_INSTALL_MANDIR}/man3 ${aside})
  include(CMakePackageConfigHelpers)
  set(package ${CMAKE_INSTALL_LIBDIR}/cmake/tribikos)
  configure_package_config_file(tools/cmake/tribikos-config.cmake.in tribikos-config.cmake INSTALL_DESTINATION ${package}
                                PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
  write_basic_package_version_file(tribikos-config-version.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${CMAKE_BINARY_DIR}/tribikos-config.cmake ${CMAKE_BINARY_DIR}/tribikos-config-version.cmake
          DESTINATION ${package} ${aside})
  file(RELATIVE_PATH TRB_PREFIX_FROM_PC /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
  string(REGEX REPLACE "/$" "" TRB_PREFIX_FROM_PC "${TRB_PREFIX_FROM_PC}")
  string(REPLACE ";" " " TRB_LIBRARY_LINKS "${TRB_LIBRARY_LINKS}") # as a linker takes them
  configure_file(tools/cmake/tribikos.pc.in tribikos.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/tribikos.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig ${aside})
endif()

set(TRB_MODULES "$ENV{LOADEDMODULES}" CACHE STRING "modules that the module file loads, with colons between them")
install(CODE "
set(PROJECT_VERSION ${PROJECT_VERSION})
set(TRB_MODULES \"${TRB_MODULES}\")
set(TRB_HOME ${TRB_HOME})
set(CMAKE_INSTALL_BINDIR ${CMAKE_INSTALL_BINDIR})
set(CMAKE_INSTALL_DATADIR ${CMAKE_INSTALL_DATADIR})
configure_file(\"${CMAKE_SOURCE_DIR}/tools/cmake/module.in\" \"${CMAKE_BINARY_DIR}/module\" @ONLY)
file(INSTALL \"${CMAKE_BINARY_DIR}/module\" DESTINATION \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}/modulefiles/tribikos\"
     RENAME ${PROJECT_VERSION})" ${aside})

install(SCRIPT tools/cmake/publish.cmake)
