# JOBLIB_MPI_SANITIZE=address,undefined (or thread, ...) instruments every target that is defined after this file.
include_guard()

set(JOBLIB_MPI_SANITIZE "" CACHE STRING "Sanitizers to compile with, as for -fsanitize=; empty for none")

if(JOBLIB_MPI_SANITIZE)
  add_compile_options(-fsanitize=${JOBLIB_MPI_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${JOBLIB_MPI_SANITIZE})
  if(JOBLIB_MPI_SANITIZE MATCHES "undefined")
    # It opens a pipe to look at an object, and takes each for invalid while a test leaves no file to open.
    add_compile_options(-fno-sanitize=vptr)
  endif()
endif()
