// The resource set of each mesh: filled by the control thread, asked for by streams on gRPC's
// threads.
//
// Thread-safe behind one mutex. A mesh that is unknown gets a set too, since it may come; it lives
// as long as somebody waits for it, and there is a limit to them, since clients choose the names. A
// mesh of which nothing is left is one that is waited for.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "discovery/xds/resource_set.h"

namespace meshdns::discovery {

class Audiences {
 public:
  static constexpr std::size_t kMaxAwaited = 1000;

  // What every set has from the first on. Call it before any is made.
  void set_common(std::vector<ResourceUpdate> updates);
  // What the set of a mesh has besides that does not exist: it says that there is nothing.
  // Likewise.
  void set_of_nothing(std::vector<ResourceUpdate> updates);

  // The set of a mesh that has dataplanes, made at the first call and kept until it is let go of.
  [[nodiscard]] std::shared_ptr<ResourceSet> find_or_make(const std::string& mesh);
  // Lets go of a mesh that has nothing but what any has: from now on it does not exist.
  void let_go_if_empty(const std::string& mesh);
  // The set of any mesh. kExhausted when too many that do not exist are waited for.
  [[nodiscard]] Result<std::shared_ptr<ResourceSet>> find_or_await(const std::string& mesh);
  // Of all that were found or made; a mesh that is only waited for has nothing. What was done for
  // those let go of counts on.
  [[nodiscard]] ResourceSet::Stats stats();

 private:
  struct Awaited {
    std::weak_ptr<ResourceSet> set;
    ResourceSet::Stats counted{};  // in let_go_, since it was made once
  };

  [[nodiscard]] std::shared_ptr<ResourceSet> make() const;

  std::vector<ResourceUpdate> common_;
  std::vector<ResourceUpdate> of_nothing_;
  std::mutex mutex_;  // guards what follows
  std::map<std::string, std::shared_ptr<ResourceSet>> made_;
  std::map<std::string, Awaited> awaited_;
  ResourceSet::Stats let_go_;  // what was done for those that were
};

}  // namespace meshdns::discovery
