// The ranks of tests/comm/mpi_faults_test.py, which starts this program under mpirun and looks at
// what is printed and at the exit code. METALOOM_FAULT says what befalls rank METALOOM_VICTIM.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <map>
#include <thread>

#include "comm/communicator.h"
#include "core/error.h"
#include "core/registry.h"
#include "tests/core/this_machine.h"

namespace metaloom {
namespace {

void sleep_long() {
  std::this_thread::sleep_for(std::chrono::minutes(5));
}

// Stops the process in a while, wherever it is then.
void stop_soon() {
  signal(SIGALRM, [](int) { raise(SIGSTOP); });
  alarm(1);
}

const std::map<std::string, std::function<void(Communicator&)>> faults = {
    {"nothing", [](Communicator&) {}},
    {"throw", [](Communicator&) { throw Error(Fault::data, "row 7 is broken", "sets/trec.h5"); }},
    {"throw a stranger", [](Communicator&) { throw std::out_of_range("not ours"); }},
    {"kill", [](Communicator&) { raise(SIGKILL); }},
    {"stop", [](Communicator&) { raise(SIGSTOP); }},
    {"stop while waiting", [](Communicator&) { stop_soon(); }},
    {"segfault", [](Communicator&) { raise(SIGSEGV); }},
    {"exit", [](Communicator&) { _exit(0); }},
    {"sleep", [](Communicator&) { sleep_long(); }},
    {"be stuck",
     [](Communicator& comm) {
       const Section section(comm, "endless loop", std::chrono::seconds(1));
       sleep_long();
     }},
    {"keep others waiting",
     [](Communicator& comm) {
       // All but this one wait; then nobody may be accused, since it comes in time.
       std::this_thread::sleep_for(std::chrono::milliseconds(1500));
       comm.barrier();
     }},
};

void play(Communicator& comm, const std::string& fault, int victim) {
  at::Tensor data = at::ones({100'000});
  comm.all_reduce(data, Reduce::sum)->wait();
  {
    const Section section(comm, "forward pass", std::chrono::minutes(5));
    if (comm.rank() == victim) faults.at(fault)(comm);
    // Whoever comes last leaves time for the victim to be stopped while it waits.
    if (fault == "stop while waiting" && comm.rank() != victim) sleep(2);
  }
  if (fault == "keep others waiting" && comm.rank() != victim) comm.barrier();
  const Section section(comm, "reduce");
  comm.all_reduce(data, Reduce::sum)->wait();
}

// As main does: whatever is caught ends the world.
TEST(ProcessFaults, AreSurvivedByNobody) {
  const char* fault = std::getenv("METALOOM_FAULT");
  if (fault == nullptr) GTEST_SKIP() << "a part of tests/comm/mpi_faults_test.py";
  signal(SIGTERM, [](int) {});  // as the program, which would stop at the next step
  CommOptions options;
  options.deadline = 2;
  auto comm = Registry<Communicator>::make("mpi", options, this_clock);
  try {
    play(*comm, fault, std::atoi(std::getenv("METALOOM_VICTIM")));
    comm.reset();
    std::cout << "ended in peace" << std::endl;
  } catch (const Error& error) {
    comm->abort(error.exit_code(), error.what());
  } catch (const std::exception& error) {
    comm->abort(70, error.what());
  }
}

}  // namespace
}  // namespace metaloom
