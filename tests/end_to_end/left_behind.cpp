// A library that a program finds when it is linked but not when it starts.

int left_behind() {
  return 0;
}
