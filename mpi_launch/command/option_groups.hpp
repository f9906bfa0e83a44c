#pragma once

#include "command/options.hpp"

#include <CLI/CLI.hpp>

namespace joblib_mpi::launch {

// Each function adds a group of options to `command`. The struct that the options set must outlive the parsing.

/// Adds the options that place ranks, which `run`, `serve` and `doctor` have.
void add_launch_options(CLI::App& command, LaunchOptions& launch);
/// Adds the options for Python programs, which `run`, `serve` and `submit` have.
void add_python_options(CLI::App& command, PythonOptions& python);
/// Adds the option --python, which all commands have that need nothing else of Python.
void add_interpreter_option(CLI::App& command, PythonOptions& python);
/// Adds the options that `serve` has beside those of the two above.
void add_serve_options(CLI::App& command, ServeOptions& serve);
/// Adds the options of `submit`.
void add_submit_options(CLI::App& command, SubmitOptions& submit);

/// Adds the options that `doctor` has beside those of add_launch_options.
void add_doctor_options(CLI::App& command, DoctorOptions& doctor);

}  // namespace joblib_mpi::launch
