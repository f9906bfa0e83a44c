#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace joblib_mpi {

/// The name of a task's function, for messages. Copies share the text.
class TaskName {
 public:
  TaskName() = default;
  /// Owns `text`.
  TaskName(std::string text) : owner_(std::make_shared<const std::string>(std::move(text))) {}
  TaskName(const char* text) : TaskName(std::string(text)) {}
  /// Refers to `text`, which lives as long as the program, as the names of registered functions do. So it costs no
  /// allocation.
  [[nodiscard]] static TaskName of_registered(std::string_view text) {
    TaskName name;
    name.registered_ = text;
    return name;
  }

  /// Returns the text; valid as long as this object or a copy of it lives.
  [[nodiscard]] std::string_view view() const noexcept { return owner_ ? *owner_ : registered_; }
  friend bool operator==(const TaskName& a, std::string_view b) { return a.view() == b; }

 private:
  std::shared_ptr<const std::string> owner_;
  std::string_view registered_;  // if nothing owns the text
};

}  // namespace joblib_mpi
