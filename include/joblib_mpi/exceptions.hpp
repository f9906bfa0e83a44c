#pragma once

#include <joblib_mpi/error.hpp>

#include <concepts>
#include <exception>
#include <string>
#include <typeinfo>

namespace joblib_mpi {

namespace detail {
using MakeException = std::exception_ptr (*)(TaskFailure failure);
bool register_exception_type(const std::type_info& type, MakeException make);

template <class E>
std::exception_ptr make_remote_exception(TaskFailure failure) {
  return std::make_exception_ptr(RemoteException<E>(std::move(failure)));
}
}  // namespace detail

/// Lets an exception of a task arrive as its own type `E`, which must be constructible from a text. Those of
/// <stdexcept> are known; others arrive as TaskError. Call it before the session, the same on every rank: `const bool
/// registered = joblib_mpi::register_exception<SingularMatrix>();` at namespace scope will do.
template <class E>
  requires std::derived_from<E, std::exception> && std::constructible_from<E, const std::string&>
bool register_exception() {
  return detail::register_exception_type(typeid(E), &detail::make_remote_exception<E>);
}

}  // namespace joblib_mpi
