# Run by the installation's script: has it install the component `aside` into a folder below the prefix, and moves it into
# place when all of it is there and all folders take it. A step that fails leaves what was there before.
get_filename_component(prefix "${CMAKE_INSTALL_PREFIX}" ABSOLUTE)
set(place "$ENV{DESTDIR}${prefix}/.tribikos-aside")
function(check status what)
  if(NOT status EQUAL 0)
    file(REMOVE_RECURSE "${place}")
    message(FATAL_ERROR "${what}; nothing was installed")
  endif()
endfunction()

file(REMOVE_RECURSE "${place}")
execute_process(COMMAND ${CMAKE_COMMAND} -E env "DESTDIR=${place}" ${CMAKE_COMMAND} -DCMAKE_INSTALL_COMPONENT=aside
                        "-DCMAKE_INSTALL_PREFIX=${prefix}" "-DCMAKE_INSTALL_DO_STRIP=${CMAKE_INSTALL_DO_STRIP}"
                        -P "${CMAKE_PARENT_LIST_FILE}" OUTPUT_QUIET ERROR_VARIABLE why RESULT_VARIABLE status)
check("${status}" "${status}: ${why}")

# The program comes last: where it is, there is all of it.
file(GLOB_RECURSE files LIST_DIRECTORIES false RELATIVE "${place}" "${place}/*")
list(SORT files ORDER DESCENDING)
foreach(file ${files})
  get_filename_component(folder "$ENV{DESTDIR}/${file}" DIRECTORY)
  list(APPEND folders "${folder}")
endforeach()
list(REMOVE_DUPLICATES folders)
foreach(folder ${folders})
  foreach(way "make_directory;${folder}" "touch;${folder}/.tribikos-probe" "rm;-f;${folder}/.tribikos-probe")
    execute_process(COMMAND ${CMAKE_COMMAND} -E ${way} ERROR_QUIET RESULT_VARIABLE status)
    check("${status}" "${folder}: no files can be made there")
  endforeach()
endforeach()
foreach(file ${files})
  execute_process(COMMAND ${CMAKE_COMMAND} -E rename "${place}/${file}" "$ENV{DESTDIR}/${file}" ERROR_VARIABLE why
                  RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "$ENV{DESTDIR}/${file}: ${why}")
  endif()
  message(STATUS "Installing: $ENV{DESTDIR}/${file}")
  list(APPEND CMAKE_INSTALL_MANIFEST_FILES "/${file}")
endforeach()
file(REMOVE_RECURSE "${place}")
