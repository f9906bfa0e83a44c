#pragma once

/// Includes everything that a program needs.
#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/delayed.hpp>
#include <joblib_mpi/error.hpp>
#include <joblib_mpi/mpi_session.hpp>
#include <joblib_mpi/outcome.hpp>
#include <joblib_mpi/parallel.hpp>
#include <joblib_mpi/parallel_config.hpp>
#include <joblib_mpi/parallel_options.hpp>
#include <joblib_mpi/scatter.hpp>
#include <joblib_mpi/serialization.hpp>
#include <joblib_mpi/spilled.hpp>
