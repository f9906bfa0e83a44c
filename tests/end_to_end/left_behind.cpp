// A library that a program finds when it is linked and not when it starts.

int left_behind() {
  return 0;
}
