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
                   COMMAND ${CMAKE_COMMAND} -E touch ${CMAKE_BINARY_DIR}/pages.made
                   DEPENDS tribikos tools/cmake/pages.cmake VERBATIM)
add_custom_target(trb_pages ALL DEPENDS ${CMAKE_BINARY_DIR}/pages.made)
install(FILES ${pages}/tribikos.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 ${aside} OPTIONAL)
install(FILES ${pages}/tribikos_config.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5 ${aside} OPTIONAL)
install(FILES ${pages}/bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME tribikos ${aside}
        OPTIONAL)

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
