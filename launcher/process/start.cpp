// What must be settled before the constructor of any library runs: which descriptors are open, and
// how OpenMP's threads wait. The linker puts `settle` into the table that the dynamic loader goes
// through first; the C library is not set up yet then, so nothing but system calls in here.
#include <fcntl.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <initializer_list>

namespace {

/// libgomp's threads spin for milliseconds before they sleep (300,000 rounds), which on a node that
/// is not idle takes the processor from the one they wait for: an update then takes 30 times as
/// long. A thousand rounds are enough where every thread has a core of its own.
char spin_count[] = "GOMP_SPINCOUNT=1000";
constexpr const char* kHowThreadsWait[] = {"GOMP_SPINCOUNT=", "OMP_WAIT_POLICY="};
constexpr const char* kComputingVerbs[] = {"train", "evaluate", "adapt", "predict"};
constexpr int kMostVariables = 4096;
char* more_variables[kMostVariables + 2];
char program[4096];

bool starts_with(const char* text, const char* start) {
  while (*start != '\0' && *text == *start) ++text, ++start;
  return *start == '\0';
}

/// A file that is opened on a closed descriptor 0, 1 or 2 would be taken for the terminal: progress
/// lines went into metrics.jsonl. What holds the place cannot be read, or written, either.
void fill_closed_descriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) >= 0) continue;
    static_cast<void>(::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY));
  }
}

bool is(const char* text, const char* other) {
  return starts_with(text, other) && starts_with(other, text);
}

/// Whether many threads will compute: then the second start, a tenth of a second, is worth it.
bool computes(char** words) {
  bool verb = false;
  for (const char* each : kComputingVerbs)
    verb = verb || (words[0] != nullptr && words[1] != nullptr && is(words[1], each));
  for (char** word = words; verb && *word != nullptr; ++word) {
    if (is(*word, "--help") || is(*word, "comm.threads=1")) return false;
  }
  return verb;
}

/// libgomp reads the variable in its constructor: so the program starts once more with it, unless
/// its user has said how threads wait.
[[maybe_unused]] void start_with_spin_count(char** words, char** variables) {
  if (!computes(words)) return;
  int count = 0;
  for (; variables[count] != nullptr; ++count) {
    if (count == kMostVariables) return;
    for (const char* said : kHowThreadsWait) {
      if (starts_with(variables[count], said)) return;
    }
    more_variables[count] = variables[count];
  }
  // Without an interpreter the program is an argument of the loader, /proc/self/exe another file.
  if (::getauxval(AT_BASE) == 0) return;
  more_variables[count] = spin_count;
  // By its own path, which is what process lists show.
  const ssize_t length = ::readlink("/proc/self/exe", program, sizeof program - 1);
  if (length > 0) ::execve(program, words, more_variables);  // its end is the array's zeros
  ::execve("/proc/self/exe", words, more_variables);  // where it fails, threads wait as they do
}

void settle(int, char** words, char** variables) {
  fill_closed_descriptors();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  start_with_spin_count(words, variables);
#else  // their own shadow memory is not there yet either, and they time nothing
  static_cast<void>(words), static_cast<void>(variables);
#endif
}

[[gnu::section(".preinit_array"), gnu::used]] void (*const first)(int, char**, char**) = settle;

}  // namespace
