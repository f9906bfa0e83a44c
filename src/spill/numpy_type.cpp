#include "spill/numpy_type.hpp"

#include <charconv>
#include <limits>

namespace joblib_mpi {
namespace {

constexpr std::size_t largest = std::numeric_limits<std::ptrdiff_t>::max();
constexpr int deepest = 32;  // levels of nested structures; chosen, not measured

/// Thrown if the text does not describe a type; never leaves this file.
struct NotAType {};

std::size_t times(std::size_t a, std::size_t b) {
  if (b != 0 && a > largest / b) throw NotAType{};
  return a * b;
}

std::size_t plus(std::size_t a, std::size_t b) {
  if (a > largest - b) throw NotAType{};
  return a + b;
}

/// Appends a code point as UTF-8.
void append_utf8(std::string& text, std::uint32_t code) {
  const auto byte = [&](std::uint32_t value) { text += static_cast<char>(value); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xc0 | code >> 6);
    byte(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    byte(0xe0 | code >> 12);
    byte(0x80 | (code >> 6 & 0x3f));
    byte(0x80 | (code & 0x3f));
  } else {
    byte(0xf0 | (code >> 18 & 0x07));
    byte(0x80 | (code >> 12 & 0x3f));
    byte(0x80 | (code >> 6 & 0x3f));
    byte(0x80 | (code & 0x3f));
  }
}

/// Parses Python's notation of lists, tuples, texts and numbers from the front.
class DescriptionReader {
 public:
  explicit DescriptionReader(std::string_view text) : rest_(text) {}

  [[nodiscard]] NumpyType whole() {
    skip_spaces();
    // A simple type is given as it is, not as a text in quotes.
    const bool is_simple = !rest_.empty() && rest_.front() != '[' && rest_.front() != '\'' && rest_.front() != '"';
    NumpyType type = is_simple ? simple(rest_) : any(0);
    if (!is_simple && (skip_spaces(), !rest_.empty())) throw NotAType{};
    return type;
  }

 private:
  NumpyType any(int depth) { return next_is('[') ? structure(depth) : simple(text()); }

  NumpyType structure(int depth) {
    if (depth == deepest) throw NotAType{};
    NumpyType type;
    expect('[');
    while (!next_is(']')) {
      field(type, depth);
      if (!next_is(']')) expect(',');
    }
    expect(']');
    return type;
  }

  void field(NumpyType& structure, int depth) {
    expect('(');
    std::string name;
    if (next_is('(')) {  // a title comes before the name
      expect('(');
      (void)text();
      expect(',');
      name = text();
      expect(')');
    } else {
      name = text();
    }
    expect(',');
    NumpyType type = any(depth + 1);
    if (!next_is(')')) {
      expect(',');
      if (!next_is(')')) type.shape = shape();
    }
    expect(')');
    std::size_t size = type.item_size;
    for (const std::uint64_t length : type.shape) size = times(size, length);
    const std::size_t offset = structure.item_size;
    structure.item_size = plus(offset, size);
    const bool is_padding = name.empty() && type.kind == 'V' && type.fields.empty();
    if (!is_padding) structure.fields.push_back({std::move(name), offset, std::move(type)});
  }

  std::vector<std::uint64_t> shape() {
    std::vector<std::uint64_t> lengths;
    if (!next_is('(')) return {number()};
    expect('(');
    while (!next_is(')')) {
      lengths.push_back(number());
      if (!next_is(')')) expect(',');
    }
    expect(')');
    return lengths;
  }

  /// Parses a simple type, such as "<f8", "|S5" or "<M8[ns]".
  static NumpyType simple(std::string_view code) {
    if (code.size() < 2) throw NotAType{};
    NumpyType type;
    const char order = code[0];
    if (order != '<' && order != '>' && order != '|' && order != '=') throw NotAType{};
    type.big_endian = order == '>';
    type.kind = code[1];
    std::size_t count = 0;
    const char* end = code.data() + code.size();
    const auto [stop, error] = std::from_chars(code.data() + 2, end, count);
    const bool has_count = error == std::errc{};
    if (!has_count && type.kind != 'O') throw NotAType{};
    std::string_view unit(stop, static_cast<std::size_t>(end - stop));
    const bool is_time = type.kind == 'M' || type.kind == 'm';
    if (is_time && unit.size() > 2 && unit.front() == '[' && unit.back() == ']') {
      type.unit = unit.substr(1, unit.size() - 2);
      unit = {};
    }
    if (!unit.empty() || std::string_view("biufcSUVOmM").find(type.kind) == std::string_view::npos) throw NotAType{};
    constexpr std::size_t letter_bytes = 4;  // numpy keeps text as UCS-4
    type.item_size = type.kind == 'U' ? times(count, letter_bytes) : count;
    return type;
  }

  std::uint64_t number() {
    skip_spaces();
    std::uint64_t value = 0;
    const auto [stop, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc{} || value > largest) throw NotAType{};
    rest_.remove_prefix(static_cast<std::size_t>(stop - rest_.data()));
    return value;
  }

  std::string text() {
    skip_spaces();
    const char quote = take();
    if (quote != '\'' && quote != '"') throw NotAType{};
    std::string result;
    for (char letter = take(); letter != quote; letter = take()) {
      letter == '\\' ? escape(result) : result.push_back(letter);
    }
    return result;
  }

  void escape(std::string& result) {
    const char letter = take();
    switch (letter) {
      case 'n':
        result += '\n';
        break;
      case 't':
        result += '\t';
        break;
      case 'r':
        result += '\r';
        break;
      case 'x':
        append_utf8(result, hexadecimal(2));
        break;
      case 'u':
        append_utf8(result, hexadecimal(4));
        break;
      case 'U':
        append_utf8(result, hexadecimal(8));
        break;
      default:
        result += letter;  // a quote or a backslash
    }
  }

  std::uint32_t hexadecimal(std::size_t digits) {
    if (rest_.size() < digits) throw NotAType{};
    std::uint32_t value = 0;
    const auto [stop, error] = std::from_chars(rest_.data(), rest_.data() + digits, value, 16);
    if (error != std::errc{} || stop != rest_.data() + digits) throw NotAType{};
    rest_.remove_prefix(digits);
    return value;
  }

  void skip_spaces() {
    while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
  }
  bool next_is(char letter) {
    skip_spaces();
    return !rest_.empty() && rest_.front() == letter;
  }
  void expect(char letter) {
    if (!next_is(letter)) throw NotAType{};
    rest_.remove_prefix(1);
  }
  char take() {
    if (rest_.empty()) throw NotAType{};
    const char letter = rest_.front();
    rest_.remove_prefix(1);
    return letter;
  }

  std::string_view rest_;
};

}  // namespace

std::size_t NumpyType::size() const noexcept {
  std::size_t total = item_size;
  for (const std::uint64_t length : shape) total *= length;
  return total;
}

std::optional<NumpyType> parse_numpy_type(std::string_view text) {
  try {
    return DescriptionReader(text).whole();
  } catch (const NotAType&) {
    return std::nullopt;
  }
}

}  // namespace joblib_mpi
