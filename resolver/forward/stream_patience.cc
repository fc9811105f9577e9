#include "resolver/forward/stream_patience.h"

#include <algorithm>
#include <chrono>

namespace meshdns::dns {
namespace {

using std::chrono::nanoseconds;

constexpr int kTimesUsual = 4;
constexpr int kWeight = 8;

}  // namespace

void StreamPatience::note_reply(nanoseconds rtt) {
  const nanoseconds before = usual_.value_or(rtt);
  usual_ = std::max(rtt, before - (before - rtt) / kWeight);
  note_message();
}

nanoseconds StreamPatience::for_reply() const {
  return grown(usual_ ? std::max<nanoseconds>(kShortest, kTimesUsual * *usual_) : kUnknown);
}

nanoseconds StreamPatience::grown(nanoseconds first) const {
  return std::min<nanoseconds>(was_silent_ ? 2 * first : first, kLongest);
}

}  // namespace meshdns::dns
