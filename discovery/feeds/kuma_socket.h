// KumaSocket: asks the Envoy of a kuma-dp on this host for the DNS table, as kuma-dp itself does:
// HTTP on the unix socket of its "dynamic configuration".
//
// Belongs to the thread of the io_context and never holds it up. Whoever listens there may be
// anybody: how long an answer takes and how large it is are bounded.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "base/result.h"
#include "discovery/feeds/kuma_table.h"

namespace meshdns::discovery {

struct KumaAnswer {
  enum class Kind : std::uint8_t {
    kTable,
    kUnchanged,  // it is the one whose ETag was shown
    kNone,       // there is no table (404)
  };
  Kind kind = Kind::kNone;
  KumaTableText table{};  // kTable
};

class KumaSocket {
 public:
  // Of the path of a unix socket (unix(7)).
  static constexpr std::size_t kMaxPathOctets = 107;

  struct Options {
    std::string path;  // at most kMaxPathOctets
    // From connect() to the last octet.
    std::chrono::milliseconds deadline{5'000};
    std::size_t max_body_octets = std::size_t{64} << 20U;
  };
  // An error says in full what is wrong: which path, why, and what may help.
  using OnAnswer = std::function<void(const Result<KumaAnswer>&)>;

  KumaSocket(boost::asio::io_context& io, Options options);
  KumaSocket(const KumaSocket&) = delete;
  KumaSocket& operator=(const KumaSocket&) = delete;
  ~KumaSocket();  // as cancel()

  // Asks once, on a connection of its own; `on_answer` is called later, once. `etag` is that of the
  // table that is there already, empty for the table whatever it is. One question at a time: a
  // question that is under way is cancelled.
  void ask(const std::string& etag, OnAnswer on_answer);
  // No callback during or after.
  void cancel();

 private:
  class Exchange;

  boost::asio::io_context& io_;
  Options options_;
  std::shared_ptr<Exchange> exchange_;  // the latest
};

}  // namespace meshdns::discovery
