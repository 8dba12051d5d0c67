// What was trained on, looked for by one rank for all: it reads the digests of all texts, which
// would else be read, and compared, once by every rank of the world.
#pragma once

#include <functional>
#include <vector>

#include "comm/communicator.h"
#include "launcher/stage/overlap.h"

namespace metaloom {

/// What `find` returns on rank 0, for all (collective). Only rank 0, which saves it, has
/// `trained_on`. `find` calls the `Alive` that it is given after every piece of its work: the
/// others wait for one of them at a time, however many there are.
std::vector<StageLineage> told_lineages(
    Communicator& comm, const std::function<std::vector<StageLineage>(const Alive&)>& find);

}  // namespace metaloom
