# Functions that each add one test program and its CTest entries.
include_guard()

set(JOBLIB_MPI_MPIEXEC_OPTIONS
    --oversubscribe --bind-to none
    CACHE STRING "Options of mpiexec in tests: more ranks than cores, and no two tests pinned to the same core")

option(JOBLIB_MPI_UNIT_TESTS "Build the tests that need no MPI, too" ON)

# add_unit_test(NAME SOURCES file... [LIBRARIES target...] [TIMEOUT seconds] [LABEL label])
#
# A Catch2 program without MPI; every test case is a CTest entry `NAME.<test case>`, labelled `unit` or LABEL. The target
# `unit_programs`, or `LABEL_programs`, builds all that have the same label.
function(add_unit_test name)
  cmake_parse_arguments(PARSE_ARGV 1 test "" "TIMEOUT;LABEL" "SOURCES;LIBRARIES")
  _joblib_mpi_add_test_program()
  if(NOT DEFINED test_TIMEOUT)
    set(test_TIMEOUT 180)
  endif()
  if(NOT DEFINED test_LABEL)
    set(test_LABEL unit)
  endif()
  add_labelled_program(${test_LABEL} ${name})
  if(NOT JOBLIB_MPI_UNIT_TESTS)
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
    return()
  endif()
  catch_discover_tests(${name} TEST_PREFIX "${name}." PROPERTIES LABELS ${test_LABEL} TIMEOUT ${test_TIMEOUT})
endfunction()

# add_labelled_program(LABEL target): lets `LABEL_programs` build this program, too.
function(add_labelled_program label target)
  if(NOT TARGET ${label}_programs)
    add_custom_target(${label}_programs)
  endif()
  add_dependencies(${label}_programs ${target})
endfunction()

# add_mpi_test(NAME SOURCES file... RANKS n... [LIBRARIES target...] [ARGUMENTS word...] [TIMEOUT seconds]
#              [LABELS label...] [ALONE name])
#
# One program that runs once per number of ranks: CTest entries `NAME.ranks_1`, `NAME.ranks_2`, ..., labelled `mpi`.
# A run that takes longer than TIMEOUT seconds (600) is ended with all its ranks. With ALONE, at most one test of that name
# runs at a time on this machine, across all users; each may wait for ten minutes.
function(add_mpi_test name)
  cmake_parse_arguments(PARSE_ARGV 1 test "" "TIMEOUT;ALONE" "SOURCES;RANKS;LIBRARIES;ARGUMENTS;LABELS")
  if(NOT test_RANKS)
    message(FATAL_ERROR "add_mpi_test(${name}): say RANKS, for example RANKS 1 2 4")
  endif()
  if(NOT test_TIMEOUT)
    set(test_TIMEOUT 600)
  endif()
  _joblib_mpi_add_test_program()
  foreach(ranks IN LISTS test_RANKS)
    add_mpi_run(
      ${name}.ranks_${ranks}
      RANKS ${ranks}
      COMMAND $<TARGET_FILE:${name}> ${test_ARGUMENTS}
      TIMEOUT ${test_TIMEOUT}
      LABELS ${test_LABELS}
      ALONE ${test_ALONE})
  endforeach()
endfunction()

# add_mpi_run(NAME RANKS n COMMAND word... [TIMEOUT seconds] [LABELS label...] [ALONE [name]])
#
# One CTest entry for any program on n ranks, such as an example or a short run of a benchmark.
function(add_mpi_run name)
  cmake_parse_arguments(PARSE_ARGV 1 run "" "RANKS;TIMEOUT" "COMMAND;LABELS;ALONE")
  if(run_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "add_mpi_run(${name}): unknown arguments ${run_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT run_TIMEOUT)
    set(run_TIMEOUT 600)
  endif()
  # mpiexec ends its ranks on SIGTERM, but not when ctest kills it, so `timeout` must act first.
  math(EXPR last_resort_seconds "${run_TIMEOUT} + 15")
  set(alone)
  if(run_ALONE)
    set(alone "${PROJECT_SOURCE_DIR}/tests/one_at_a_time.py" ${run_ALONE})
    math(EXPR last_resort_seconds "${last_resort_seconds} + 600")
  endif()
  add_test(NAME ${name} COMMAND ${alone} timeout -k 5 ${run_TIMEOUT} ${MPIEXEC_EXECUTABLE} ${JOBLIB_MPI_MPIEXEC_OPTIONS}
                                ${MPIEXEC_NUMPROC_FLAG} ${run_RANKS} ${run_COMMAND})
  set_tests_properties(
    ${name}
    PROPERTIES PROCESSORS ${run_RANKS}
               TIMEOUT ${last_resort_seconds}
               LABELS "mpi;${run_LABELS}"
               ENVIRONMENT "OMPI_ALLOW_RUN_AS_ROOT=1;OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
endfunction()

# add_smoke_tests(NAME...)
#
# Adds the label `smoke` to CTest entries of the caller's folder: one or two tests of each kind, which together show within
# two minutes whether a system is usable.
function(add_smoke_tests)
  set_property(TEST ${ARGV} APPEND PROPERTY LABELS smoke)
endfunction()

# Adds the program that both kinds of test need; reads the caller's `name` and `test_` arguments.
function(_joblib_mpi_add_test_program)
  if(test_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "test ${name}: unknown arguments ${test_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT test_SOURCES)
    message(FATAL_ERROR "test ${name}: say SOURCES, for example SOURCES ${name}.cpp")
  endif()
  add_executable(${name} ${test_SOURCES})
  target_link_libraries(${name} PRIVATE ${test_LIBRARIES} joblib_mpi_warnings)
endfunction()
