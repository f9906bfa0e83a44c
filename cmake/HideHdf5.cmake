# Links objects and a static HDF5 to one object in which no name of HDF5 is visible from outside, so that no other HDF5 of a
# program can take the place of this one.
# cmake -DOBJECTS=…|… -DARCHIVE=… -DOUTPUT=… -DLINKER=… -DNM=… -DOBJCOPY=… -P HideHdf5.cmake

string(REPLACE "|" ";" OBJECTS "${OBJECTS}")
set(temporary "${OUTPUT}.parts")
file(REMOVE_RECURSE "${temporary}")
file(MAKE_DIRECTORY "${temporary}")

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# A static HDF5 is seldom compiled for shared libraries, and there its use of the variables stdout and stderr would be the
# only one that cannot be linked. It gets the variables of src/files/hdf5_streams.cpp instead.
set(streams stdout stderr)
set(renamed)
foreach(stream IN LISTS streams)
  list(APPEND renamed --redefine-sym ${stream}=joblib_mpi_hdf5_${stream})
endforeach()
run("${OBJCOPY}" ${renamed} "${ARCHIVE}" "${temporary}/libhdf5.a")
run("${LINKER}" -r -d -o "${temporary}/visible.o" ${OBJECTS} "${temporary}/libhdf5.a")

# Lines of nm: value, kind, name.
execute_process(COMMAND "${NM}" -g --defined-only "${ARCHIVE}" OUTPUT_VARIABLE symbols ERROR_QUIET
                COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[0-9a-f]+ [A-Za-z] [^\n]+" symbols "${symbols}")
list(TRANSFORM symbols REPLACE "^[0-9a-f]+ [A-Za-z] " "")
list(TRANSFORM streams PREPEND joblib_mpi_hdf5_)
list(JOIN symbols "\n" symbols)
list(JOIN streams "\n" streams)
file(WRITE "${temporary}/hidden_names" "${symbols}\n${streams}\n")
run("${OBJCOPY}" "--localize-symbols=${temporary}/hidden_names" "${temporary}/visible.o" "${OUTPUT}")
file(REMOVE_RECURSE "${temporary}")
