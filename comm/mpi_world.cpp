#include "comm/mpi_world.h"

#include <mpi.h>

#include <array>
#include <string>

#include "comm/cores.h"
#include "comm/world.h"
#include "core/error.h"

namespace metaloom {

namespace {

constexpr int kNoteTag = 1;

int communicators_alive = 0;  // of this process, as MPI itself is

void enter() {
  int initialized = 0, finalized = 0;
  MPI_Initialized(&initialized);
  MPI_Finalized(&finalized);
  if (finalized != 0) {
    throw Error(Fault::internal, "MPI was left already", "mpi", "Keep one communicator alive.");
  }
  if (initialized != 0) return;
  int provided = 0;
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  check_mpi(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
}

void find_place_on_host(Place& place) {
  MPI_Comm node = MPI_COMM_NULL;
  check_mpi(
      MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, place.rank, MPI_INFO_NULL, &node),
      "MPI_Comm_split_type");
  check_mpi(MPI_Comm_rank(node, &place.local_rank), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(node, &place.local_size), "MPI_Comm_size");
  const Processors mine = own_processors();
  std::vector<Processors> all(place.local_size);
  check_mpi(MPI_Allgather(&mine, sizeof mine, MPI_BYTE, all.data(), sizeof mine, MPI_BYTE, node),
            "MPI_Allgather");
  check_mpi(MPI_Comm_free(&node), "MPI_Comm_free");
  // The smallest share of all, so that all sum alike.
  place.cores = fair_share(all, place.local_rank);
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, &place.cores, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD),
            "MPI_Allreduce");
}

std::vector<Peer> meet_peers(int size) {
  struct Hello {
    char host[65] = {}, process_space[65] = {};
    std::int64_t pid = 0;
  } mine;
  const Peer self = this_process();
  self.host.copy(mine.host, sizeof mine.host - 1);
  self.process_space.copy(mine.process_space, sizeof mine.process_space - 1);
  mine.pid = self.pid;
  std::vector<Hello> all(size);
  check_mpi(MPI_Allgather(&mine, sizeof mine, MPI_BYTE, all.data(), sizeof mine, MPI_BYTE,
                          MPI_COMM_WORLD),
            "MPI_Allgather");
  std::vector<Peer> peers;
  peers.reserve(all.size());
  for (const Hello& each : all) peers.push_back({each.host, each.pid, each.process_space});
  return peers;
}

class MpiNotes final : public NoteChannel {
 public:
  MpiNotes() { check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &comm_), "MPI_Comm_dup"); }
  ~MpiNotes() override {
    for (Note note; receive(note);) {
    }
    for (Sending& sending : sendings_) {
      if (!gone(sending)) MPI_Request_free(&sending.request);
    }
    MPI_Comm_free(&comm_);
  }

  void send(int to, const Note& note) override {
    for (Sending& sending : sendings_) {
      if (!gone(sending)) continue;
      sending.note = note;
      MPI_Isend(&sending.note, sizeof sending.note, MPI_BYTE, to, kNoteTag, comm_,
                &sending.request);
      return;
    }
  }

  bool receive(Note& note) override {
    int found = 0;
    MPI_Message message = MPI_MESSAGE_NULL;
    const int code =
        MPI_Improbe(MPI_ANY_SOURCE, kNoteTag, comm_, &found, &message, MPI_STATUS_IGNORE);
    if (code != MPI_SUCCESS || found == 0) return false;
    return MPI_Mrecv(&note, sizeof note, MPI_BYTE, &message, MPI_STATUS_IGNORE) == MPI_SUCCESS;
  }

 private:
  struct Sending {
    MPI_Request request = MPI_REQUEST_NULL;
    Note note;
  };
  static bool gone(Sending& sending) {
    int flag = 1;
    if (sending.request != MPI_REQUEST_NULL) MPI_Test(&sending.request, &flag, MPI_STATUS_IGNORE);
    return flag != 0;
  }

  MPI_Comm comm_ = MPI_COMM_NULL;
  std::array<Sending, 64> sendings_;  // on their way; a note that finds no room is dropped
};

}  // namespace

void check_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text = {};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw Error(Fault::temporary, std::string(text.data(), length), call,
              "Look for a lost process or link; the run resumes from its last checkpoint.");
}

MpiWorld join_mpi() {
  enter();
  Place place;
  check_mpi(MPI_Comm_rank(MPI_COMM_WORLD, &place.rank), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(MPI_COMM_WORLD, &place.size), "MPI_Comm_size");
  ++communicators_alive;
  try {
    refuse_split_world(place.size);
  } catch (const Error&) {
    leave_mpi();
    throw;
  }
  find_place_on_host(place);
  std::vector<Peer> peers = meet_peers(place.size);
  place.host = peers[place.rank].host;
  return {std::move(place), std::move(peers)};
}

void leave_mpi() {
  if (--communicators_alive == 0) MPI_Finalize();
}

void abort_mpi(int exit_code) {
  MPI_Abort(MPI_COMM_WORLD, exit_code);
}

std::unique_ptr<NoteChannel> open_mpi_notes() {
  return std::make_unique<MpiNotes>();
}

}  // namespace metaloom
