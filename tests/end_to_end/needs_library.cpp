// A program that cannot start without its library.

int left_behind();

int main() {
  return left_behind();
}
