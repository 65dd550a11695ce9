# Has PROGRAM print its pages into the folder OUT: cmake -DPROGRAM=... -DEMULATOR=... -DOUT=... -P pages.cmake
# Where this machine is not one that the program is built for there are no pages, and the installation does without.
file(MAKE_DIRECTORY "${OUT}")
foreach(page tribikos.1 tribikos_config.5 bash)
  execute_process(COMMAND ${EMULATOR} "${PROGRAM}" page ${page} OUTPUT_FILE "${OUT}/${page}" ERROR_VARIABLE why
                  RESULT_VARIABLE status)
  if(status EQUAL 0)
    continue()
  endif()
  file(REMOVE_RECURSE "${OUT}")
  string(STRIP "${why}" why)
  if(NOT FOREIGN AND NOT why MATCHES TRB_ARCH)
    message(FATAL_ERROR "${PROGRAM} page ${page}: ${status}: ${why}")
  endif()
  message(STATUS "no manual pages and no completion: this machine cannot run the program (${status}: ${why})")
  break()
endforeach()
