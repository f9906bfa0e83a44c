#pragma once

#include "command/options.hpp"

#include <CLI/CLI.hpp>

namespace joblib_mpi::launch {

/// Options that several commands share, or that are many. What they set must outlive the parsing.
void add_launch_options(CLI::App& command, LaunchOptions& launch);
void add_python_options(CLI::App& command, PythonOptions& python);
void add_submit_options(CLI::App& command, SubmitOptions& submit);

/// What `doctor` has beside add_launch_options.
void add_doctor_options(CLI::App& command, DoctorOptions& doctor);

}  // namespace joblib_mpi::launch
